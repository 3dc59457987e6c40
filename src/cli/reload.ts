/** SIGHUP: what `serve` was told to read is read anew, while it goes on. */
import { isatty } from 'node:tty';
import { type Command, type UdpEndpoint, UdpToolError } from '../index.ts';
import { servedCommands } from './served-commands.ts';

/** How it went: the commands that came (`+name`) and went (`-name`), and how many there are; or why they stay. */
export type Reload =
  | { readonly ok: true; readonly changes: readonly string[]; readonly count: number }
  | { readonly ok: false; readonly error: ReturnType<UdpToolError['toJSON']> };

/** A function that has the endpoint serve what the files define by then. */
export function commandReloader(
  endpoint: UdpEndpoint,
  files: readonly string[],
  ours: readonly Command[],
  served: readonly Command[],
): () => Promise<Reload> {
  let names = served.map(({ name }) => name);
  return async () => {
    try {
      const commands = await servedCommands(files, ours, { anew: true });
      endpoint.serve(commands);
      const before = names;
      names = commands.map(({ name }) => name);
      const changes = [
        ...before.filter((name) => !names.includes(name)).map((name) => `-${name}`),
        ...names.filter((name) => !before.includes(name)).map((name) => `+${name}`),
      ];
      return { ok: true, changes, count: names.length };
    } catch (cause) {
      // Whatever it is, a server that runs is better than one that does not.
      const error =
        cause instanceof UdpToolError ? cause : new UdpToolError('bad-commands', String(cause), { cause });
      return { ok: false, error: error.toJSON() };
    }
  };
}

/**
 * Calls back at every SIGHUP, one call after the other; those that come before the next has begun count as one. The
 * system sends it too when the terminal in which this runs is closed: that ends the process, as SIGTERM does.
 */
export function atHangup(reload: () => Promise<void>): void {
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  let running = Promise.resolve();
  let waiting = false;
  process.on('SIGHUP', () => {
    if (terminals.some((fd) => !isatty(fd))) {
      process.kill(process.pid, 'SIGTERM');
    } else if (!waiting) {
      waiting = true;
      running = running.then(() => {
        waiting = false;
        return reload();
      });
    }
  });
}
