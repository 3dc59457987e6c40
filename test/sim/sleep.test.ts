/** Machines that sleep: nothing is received or sent meanwhile, and their clocks go on (src/transport/clock.ts). */
import { expect, test } from 'vitest';
import { launch } from '../support/commands.ts';
import { pair, type VirtualHost, VirtualNetwork } from '../support/virtual-network.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** From then on, until what it gives is called. */
function fallAsleep(host: VirtualHost): () => void {
  const { machine } = host;
  const { receive, timeout, nextTimeout, drain } = machine;
  Object.assign(machine, {
    receive: () => {},
    timeout: () => {},
    nextTimeout: () => Number.POSITIVE_INFINITY,
    drain: () => [],
  });
  return () => Object.assign(machine, { receive, timeout, nextTimeout, drain });
}

test.each([1, 4, 10, 20, 30, 600])(
  'a client that sleeps for %i minutes before it gets its answer has nothing done twice',
  (minutes) => {
    const network = new VirtualNetwork(1, { delayMs: 10 });
    let executed = 0;
    let wake = (): void => {};
    const { client } = pair(network, {
      commands: [launch],
      onExecute: () => {
        executed++;
        wake = fallAsleep(client);
      },
    });
    const result = client.request('launch', ['x'], 5 * MINUTE);
    network.run(SECOND);
    expect(executed).toBe(1);
    network.run(minutes * MINUTE);
    wake();
    network.run(MINUTE);
    expect(executed).toBe(1);
    expect(result.outcome).toMatchObject({ ok: minutes < 5 });
  },
);
