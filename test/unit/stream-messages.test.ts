/** Messages of streams as bytes (PROTOCOL §8.6). */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, toHex } from '../../src/bytes.ts';
import { type CborValue, decodeCbor, encodeTrusted } from '../../src/wire/cbor.ts';
import { packEnvelope, unpackEnvelope, unpackPiece } from '../../src/wire/envelope.ts';
import { parseMessage } from '../../src/wire/messages.ts';
import {
  encodeAck,
  encodeAsk,
  encodePieceHead,
  encodeReset,
  encodeStop,
  MAX_ACK_RANGES,
  MAX_PIECE_HEAD_BYTES,
} from '../../src/wire/stream-messages.ts';

function parse(bytes: Uint8Array) {
  const decoded = decodeCbor(bytes);
  return decoded.ok ? parseMessage(decoded.value) : null;
}

const of = (...items: CborValue[]): Uint8Array => encodeTrusted(items);

describe('bytes', () => {
  test.each([
    ['an ACK of one datagram', encodeAck(1_000, [7, 7]), '840c071903e88100'],
    ['an ACK of two runs, 5 to 9 and 1 to 2', encodeAck(0, [5, 9, 1, 2]), '840c090083040101'],
    ['an ASK', encodeAsk(3, ['offers']), '830d0381666f6666657273'],
    ['the head of a piece', encodePieceHead(3, 1_177, 24, false), '840e031904995818'],
    ['the head of the last piece', encodePieceHead(0, 0, 0, true), '840f000040'],
    ['a RESET', encodeReset(3, 'busy'), '8310036462757379'],
    ['a STOP', encodeStop(3), '821103'],
  ])('%s', (_what, bytes, expected) => {
    expect(toHex(bytes)).toBe(expected);
  });

  test('the head of a piece is never longer than it is reckoned', () => {
    expect(encodePieceHead(2 ** 32 - 1, 2 ** 32 - 1, 16_000, true)).toHaveLength(MAX_PIECE_HEAD_BYTES);
  });
});

/** Runs of counters, newest first, none next to another. */
const runs = fc
  .array(fc.tuple(fc.nat(1_000), fc.integer({ min: 2, max: 1_000 })), {
    minLength: 1,
    maxLength: MAX_ACK_RANGES,
  })
  .map((steps) => {
    const ranges: number[] = [];
    let next = 0;
    for (const [length, gap] of steps) {
      ranges.unshift(next, next + length);
      next += length + gap;
    }
    return ranges;
  });

describe('an ACK', () => {
  test('comes back as it was', () => {
    fc.assert(
      fc.property(runs, fc.nat(600_000_000), (ranges, delayUs) => {
        expect(parse(encodeAck(delayUs, ranges))).toEqual({ type: 12, delayUs, ranges });
      }),
    );
  });

  test.each([
    ['no runs', of(12, 5, 0, [])],
    ['a gap at the end', of(12, 5, 0, [0, 0])],
    ['a run below zero', of(12, 5, 0, [6])],
    ['a gap below zero', of(12, 5, 0, [0, 4, 0])],
    [
      'too many runs',
      of(
        12,
        1_000,
        0,
        Array.from({ length: 2 * MAX_ACK_RANGES + 1 }, () => 0),
      ),
    ],
    ['a counter beyond all', of(12, 2 ** 48, 0, [0])],
    ['a fraction', of(12, 5.5, 0, [0])],
    ['a delay of an hour', of(12, 5, 3_600_000_000, [0])],
    ['too few items', of(12, 5, [0])],
  ])('%s is none', (_what, bytes) => {
    expect(parse(bytes)).toBeNull();
  });
});

test.each([
  ['an ASK of nothing', of(13, 1, [])],
  ['an ASK of a number', of(13, 1, [5])],
  ['an ASK of text', of(13, 1, 'offers')],
  ['an ASK of too much', of(13, 1, ['x', ...Array.from({ length: 16 }, () => 0)])],
  ['a piece of text', of(14, 1, 0, 'text')],
  ['an empty piece that is not the last', of(14, 1, 0, new Uint8Array(0))],
  ['a piece at a negative place', of(14, 1, -1, new Uint8Array(1))],
  ['a RESET without a code', of(16, 1, '')],
  ['a STOP of more', of(17, 1, 2)],
  ['a stream beyond 32 bits', of(17, 2 ** 32)],
])('%s is no message', (_what, bytes) => {
  expect(parse(bytes)).toBeNull();
});

describe('the short way to decode a piece', () => {
  const piece = fc.record({
    stream: fc.nat(2 ** 32 - 1),
    offset: fc.nat(2 ** 32 - 1),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }),
    isLast: fc.boolean(),
  });

  test('gives what the general one gives', () => {
    fc.assert(
      fc.property(piece, ({ stream, offset, bytes, isLast }) => {
        const head = encodePieceHead(stream, offset, bytes.length, isLast);
        const plaintext = packEnvelope([head, bytes], 16_384, 1).slice();
        expect(unpackEnvelope(plaintext)).toEqual([unpackPiece(plaintext)]);
      }),
    );
  });

  test('takes nothing that the general one refuses, whatever is changed', () => {
    const change = fc.tuple(fc.nat(400), fc.nat(255));
    fc.assert(
      fc.property(piece, fc.array(change, { maxLength: 3 }), fc.nat(3), (one, changes, cut) => {
        const head = encodePieceHead(one.stream, one.offset, one.bytes.length, one.isLast);
        const plaintext = packEnvelope([head, one.bytes], 16_384, 1).slice();
        for (const [at, value] of changes) if (at < plaintext.length) plaintext[at] = value;
        const changed = plaintext.subarray(0, plaintext.length - cut);
        const short = unpackPiece(changed);
        if (short !== null) expect(unpackEnvelope(changed)).toEqual([short]);
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    ['two messages', concat(Uint8Array.of(0x82), encodeStop(1), encodeStop(2), Uint8Array.of(0x80))],
    ['no mark of the end', Uint8Array.of(0x81, 0x84, 0x0e, 0, 0, 0x41, 7)],
    ['a length that is not in its shortest form', Uint8Array.of(0x81, 0x84, 0x0e, 0, 0, 0x58, 1, 7, 0x80)],
    ...[
      [0x18, 23],
      [0x19, 0, 255],
      [0x1a, 0, 0, 255, 255],
    ].map((offset): [string, Uint8Array] => [
      `an offset that is ${offset}, and so not in its shortest form,`,
      Uint8Array.of(0x81, 0x84, 0x0e, 0, ...offset, 0x41, 7, 0x80),
    ]),
    ['a length beyond the end', Uint8Array.of(0x81, 0x84, 0x0e, 0, 0, 0x58, 200, 7, 0x80)],
    ['half a head', Uint8Array.of(0x81, 0x84, 0x0e, 0x19)],
    ['nothing', new Uint8Array(0)],
  ])('%s is left to the general one', (_what, bytes) => {
    expect(unpackPiece(bytes)).toBeNull();
  });
});
