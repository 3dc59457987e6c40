import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** Megabytes in use, after what nobody needs is gone. One collection leaves what only the next one finds unused. */
export async function memoryInUse(): Promise<{ readonly heap: number; readonly rss: number }> {
  for (let i = 0; i < 4; i++) {
    gc();
    await nextTurn();
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: (heapUsed + external) / 1e6, rss: rss / 1e6 };
}
