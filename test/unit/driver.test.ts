import { describe, expect, test } from 'vitest';
import { Driver, type Machine } from '../../src/transport/driver.ts';

/** A machine with so many bytes to send, and a clock that moves when told. */
function driven(options: { inFlight: number; dueAt?: number; onTimeout?: () => void }) {
  let waiting = 0;
  let now = 0;
  const sent: number[] = [];
  const machine: Machine = {
    receive: () => {},
    timeout: options.onTimeout ?? (() => {}),
    nextTimeout: () => options.dueAt ?? Number.POSITIVE_INFINITY,
    drain() {
      if (waiting > 0) sent.push(waiting);
      waiting = 0;
      return [];
    },
    waitingBytes: () => waiting,
    inFlight: () => options.inFlight,
  };
  const driver = new Driver(machine, { now: () => now }, () => {});
  return {
    sent,
    driver,
    put(bytes: number): void {
      waiting += bytes;
      driver.wake();
    },
    pass(ms: number): void {
      now += ms;
    },
  };
}

const turn = (): Promise<void> => new Promise((done) => setImmediate(done));

describe('what waits is sent', () => {
  test('together, at the end of the turn', async () => {
    const { put, sent } = driven({ inFlight: 0 });
    put(20);
    put(30);
    expect(sent).toEqual([]);
    await turn();
    expect(sent).toEqual([50]);
  });

  test('at once, where it fills a datagram', () => {
    const { put, sent } = driven({ inFlight: 0 });
    put(500);
    put(500);
    expect(sent).toEqual([1000]);
  });

  test('with many requests in flight, only a moment after what was sent before', async () => {
    const { put, pass, sent } = driven({ inFlight: 64 });
    put(20);
    await turn();
    expect(sent).toEqual([20]);
    put(30);
    await turn();
    await turn();
    put(40);
    expect(sent).toEqual([20]);
    pass(1);
    await turn();
    expect(sent).toEqual([20, 70]);
  });

  test('and deadlines are kept also while something waits for company', async () => {
    let onTimeout = (): void => {};
    const timedOut = new Promise<void>((done) => {
      onTimeout = done;
    });
    const { put, driver } = driven({ inFlight: 64, dueAt: 0, onTimeout: () => onTimeout() });
    put(1000); // leaves at once
    put(20); // waits for as long as the clock stands
    await timedOut;
    driver.close();
  });

  test('not any more once it is closed', async () => {
    const { put, driver, sent } = driven({ inFlight: 0 });
    put(20);
    driver.close();
    put(2000);
    await turn();
    expect(sent).toEqual([]);
  });
});
