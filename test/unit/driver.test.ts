import { describe, expect, test } from 'vitest';
import { Driver, type Machine } from '../../src/transport/driver.ts';
import { until } from '../support/endpoints.ts';

/** A machine with something to send. */
function driven(options: { expectsCompany?: () => boolean; dueAt?: number; onTimeout?: () => void } = {}) {
  let waiting = 0;
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
    expectsCompany: options.expectsCompany ?? (() => false),
  };
  const driver = new Driver(machine, { now: () => 0 }, () => {});
  return {
    sent,
    driver,
    put(bytes: number): void {
      waiting += bytes;
      driver.wake();
    },
  };
}

const turn = (): Promise<void> => new Promise((done) => setImmediate(done));

describe('what waits is sent', () => {
  test('together, at the end of the turn', async () => {
    const { put, sent } = driven();
    put(20);
    put(30);
    expect(sent).toEqual([]);
    await turn();
    expect(sent).toEqual([50]);
  });

  test('at once, where it fills a datagram', () => {
    const { put, sent } = driven();
    put(500);
    put(500);
    expect(sent).toEqual([1000]);
  });

  test('once no more company is expected', async () => {
    let expectsCompany = true;
    const { put, sent } = driven({ expectsCompany: () => expectsCompany });
    put(20);
    await turn();
    put(30);
    expect(sent).toEqual([]);
    expectsCompany = false;
    await turn();
    expect(sent).toEqual([50]);
  });

  test('also when the company does not come', async () => {
    const { put, sent } = driven({ expectsCompany: () => true });
    put(20);
    await until('it is sent', () => sent.length > 0);
    expect(sent).toEqual([20]);
  });

  test('and deadlines are kept', async () => {
    let timedOut = false;
    const { put, driver } = driven({
      expectsCompany: () => true,
      dueAt: 0,
      onTimeout: () => {
        timedOut = true;
      },
    });
    put(20);
    await until('the timeout', () => timedOut);
    driver.close();
  });

  test('not any more once it is closed', async () => {
    const { put, driver, sent } = driven();
    put(20);
    driver.close();
    put(2000);
    await turn();
    expect(sent).toEqual([]);
  });
});
