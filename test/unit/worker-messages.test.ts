import { expect, test } from 'vitest';
import { readFromWorker, readToWorker } from '../../src/workers/messages.ts';

const datagram = new Uint8Array(60);

test('a datagram that is handed on has an address that somebody can be at', () => {
  const strayFrom = (port: number) => ({ type: 'stray', owner: 1, datagram, from: { ip: '10.0.0.1', port } });
  expect(readToWorker(strayFrom(65_535))).toEqual(strayFrom(65_535));
  expect(readFromWorker(strayFrom(65_535))).toEqual(strayFrom(65_535));
  for (const port of [65_536, -1, 0.5]) {
    expect(readToWorker(strayFrom(port))).toBeNull();
    expect(readFromWorker(strayFrom(port))).toBeNull();
    expect(readFromWorker({ type: 'up', addresses: [{ ip: '::', port }] })).toBeNull();
  }
});
