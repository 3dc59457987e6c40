import { expect, test } from 'vitest';
import { AskedStream } from '../../src/streams/asked-stream.ts';

function asked(maxBytes: number): AskedStream {
  return new AskedStream(0, { subject: ['x'], maxBytes, settle: () => {} });
}

test('crumbs that lie apart are no answer: each would cost a walk over all the others', () => {
  const one = asked(1024 * 1024);
  let taken = 0;
  while (one.receive(1024 * 1024 - 2 * taken - 1, Uint8Array.of(1), false) !== false) taken++;
  expect(taken).toBeLessThan(3_000);
});

test('every second one of full datagrams, and then the others, is one', () => {
  const bytes = new Uint8Array(128 * 1024).map((_, i) => i);
  const one = asked(bytes.length);
  const starts = Array.from({ length: Math.ceil(bytes.length / 1_100) }, (_, i) => i * 1_100);
  const late = starts.filter((_, i) => i % 2 === 1);
  let whole: Uint8Array | false | null = null;
  for (const start of [...starts.filter((_, i) => i % 2 === 0), ...late]) {
    expect(whole).toBeNull();
    const piece = bytes.subarray(start, start + 1_100);
    whole = one.receive(start, piece, start + piece.length === bytes.length);
  }
  expect(whole).toEqual(bytes);
});
