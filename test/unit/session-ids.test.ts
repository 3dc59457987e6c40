import { describe, expect, test } from 'vitest';
import { CountingIds, WorkerIds } from '../../src/session/session-ids.ts';
import { Prng } from '../support/prng.ts';

const free = (): boolean => false;

function group(count: number, seed = 1): WorkerIds[] {
  const { bytes } = new Prng(seed);
  const key = bytes(32);
  return Array.from({ length: count }, (_, number) => new WorkerIds({ key, number, count }, bytes));
}

describe('ids of a lone endpoint', () => {
  test('count up, skip what is taken, and go on at 0', () => {
    const ids = new CountingIds(() => new Uint8Array(8).fill(0xff));
    expect(ids.next((id) => id === 0n)).toBe(2n ** 64n - 1n);
    expect(ids.next((id) => id === 0n)).toBe(1n);
  });
});

describe('ids of workers', () => {
  test('every worker tells whose an id is', () => {
    const workers = group(64);
    for (const [number, ids] of workers.entries()) {
      const id = ids.next(free);
      expect(workers.map((other) => other.ownerOf(id))).toEqual(new Array(64).fill(number));
    }
  });

  test('are never the same twice, also from the same start and past the last number', () => {
    const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(0xff);
    const [key, count] = [bytes(32), 3];
    const workers = [0, 1, 2].map((number) => new WorkerIds({ key, number, count }, bytes));
    const ids = workers.flatMap((worker) => Array.from({ length: 100 }, () => worker.next(free)));
    expect(new Set(ids).size).toBe(300);
    expect(ids.map((id) => workers[0]?.ownerOf(id))).toEqual(ids.map((_, i) => Math.floor(i / 100)));
  });

  test('skip what is taken', () => {
    const [first, again] = [group(2)[0], group(2)[0]];
    const taken = first?.next(free);
    expect(again?.next((id) => id === taken)).toBe(first?.next(free));
  });

  test("an invented id, a neighbour of a real one, and one of another group are nobody's", () => {
    const [worker, other] = [group(2)[0], group(2, 2)[0]];
    if (worker === undefined || other === undefined) throw new Error('no worker');
    const { bytes } = new Prng(3);
    const invented = Array.from({ length: 1_000 }, () => new DataView(bytes(8).buffer).getBigUint64(0));
    const real = worker.next(free);
    for (const id of [...invented, real ^ 0x80n, real + (1n << 24n), other.next(free)])
      expect(worker.ownerOf(id)).toBeNull();
  });
});
