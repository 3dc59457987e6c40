import { describe, expect, test } from 'vitest';
import { type Command, defineCommand, type WatchEvent } from '../../src/index.ts';
import { held } from '../support/commands.ts';
import { portOf, startClient, startServer, until } from '../support/endpoints.ts';
import { Prng } from '../support/prng.ts';
import { Relay } from '../support/relay.ts';

/** They count on, whichever server asks them. */
function counters(): Command[] {
  let last = 0;
  return [
    defineCommand({ name: 'sample', summary: '', idempotent: true, run: () => ++last }),
    defineCommand({
      name: 'stream',
      summary: '',
      idempotent: true,
      async *run() {
        for (;;) yield ++last;
      },
    }),
  ];
}

describe('watching over a bad path', () => {
  test.concurrent.each([
    ['sample', 7],
    ['stream', 8],
  ])('%s: nothing out of order, nothing twice, each gap said (seed %i)', async (command, seed) => {
    const commands = counters();
    const prng = new Prng(seed);
    await using first = await startServer(commands);
    await using relay = await Relay.open(portOf(first));
    relay.meddle = ({ toServer, datagram }) => {
      if (!prng.chance(0.05)) setTimeout(() => relay.send(toServer, datagram), 10 + prng.below(10));
      return [];
    };
    await using client = await startClient(relay.port);
    const seen: WatchEvent[] = [];
    const valuesSeen = (): number => seen.filter(({ type }) => type === 'value').length;
    const watching = (async () => {
      for await (const event of client.peer('server').watch(command, [], { everyMs: 20 })) {
        seen.push(event);
        if (valuesSeen() === 200) return;
      }
    })();
    await until('the first values', () => valuesSeen() >= 50);
    await relay.changeAddress();
    await until('values after a new address', () => valuesSeen() >= 80);
    await relay.changeAddress();
    await until('values after another', () => valuesSeen() >= 110);
    await using second = await startServer(commands); // as after a crash: nobody said goodbye
    relay.server = portOf(second);
    await watching;

    const gaps = seen.filter(({ type }) => type === 'gap');
    expect(gaps).toContainEqual({ type: 'gap', missed: undefined });
    let before = 0;
    let gap = false;
    for (const event of seen) {
      if (event.type === 'gap') gap = true;
      if (event.type !== 'value') continue;
      const value = event.value as number;
      expect(value).toBeGreaterThan(before);
      if (value !== before + 1) expect(gap, `a gap between ${before} and ${value}`).toBe(true);
      before = value;
      gap = false;
    }
  });

  test('ends on the other side when the watcher closes', async () => {
    let left = 0;
    await using server = await startServer([held(() => left++)]);
    await using client = await startClient(portOf(server));
    for await (const event of client.peer('server').watch('held')) {
      expect(event).toEqual({ type: 'value', value: 1 });
      break;
    }
    await client.close();
    await until('the stream was left', () => left === 1);
  });
});
