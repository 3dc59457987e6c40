import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, toHex } from '../../src/bytes.ts';
import { DATA_CAPACITY, OPEN_CAPACITY } from '../../src/session/handshake-datagrams.ts';
import { decodeCbor } from '../../src/wire/cbor.ts';
import {
  countFitting,
  maxMessageBytes,
  PADDING_BLOCK_BYTES,
  packEnvelope,
  unpackEnvelope,
} from '../../src/wire/envelope.ts';
import { encodeMessage, MessageType, type PlainMessage } from '../../src/wire/messages.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const ping = (number: number): PlainMessage => ({ type: MessageType.PING, number });
const PING = encodeMessage(ping(5)); // 82 00 05
const CLOSE = encodeMessage({ type: MessageType.CLOSE }); // 81 02

const pings = (count: number): PlainMessage[] => Array.from({ length: count }, (_, i) => ping(i));
const pack = (messages: PlainMessage[], capacity = 8192): Uint8Array =>
  packEnvelope(messages.map(encodeMessage), capacity);

describe('pack and unpack', () => {
  test('the bytes of a small envelope', () => {
    const bytes = packEnvelope([PING, CLOSE], DATA_CAPACITY);
    expect(toHex(bytes)).toBe(toHex(concat(hex('82 820005 8102 80'), new Uint8Array(57))));
  });

  test.each([0, 1, 2, 22, 23, 24, 25, 254, 255])('%i messages come back in order', (count) => {
    expect(unpackEnvelope(pack(pings(count)))).toStrictEqual(pings(count));
  });

  test.each([
    [23, '97'],
    [24, '98 18'],
    [255, '98 ff'],
  ])('the head of %i messages is the shortest', (count, head) => {
    const bytes = pack(pings(count));
    expect(toHex(bytes.subarray(0, hex(head).length))).toBe(head.replace(' ', ''));
    expect(decodeCbor(bytes.subarray(0, bytes.lastIndexOf(0x80))).ok).toBe(true);
  });
});

describe('padding', () => {
  /** A message of exactly `length` bytes (from 20 on): a request whose only argument is a byte string. */
  function messageOf(length: number): Uint8Array {
    const request = (bytes: number) =>
      encodeMessage({
        type: MessageType.REQUEST,
        lane: 0,
        id: 1,
        boot: new Uint8Array(6),
        command: 'a',
        args: [new Uint8Array(bytes)],
      });
    const sizes = Array.from({ length: 4 }, (_, head) => request(Math.max(0, length - 15 - head)));
    return sizes.find((message) => message.length === length) ?? expect.fail(`no message of ${length} bytes`);
  }

  test.each([
    [62, 64],
    [63, 128],
    [126, 128],
    [127, 192],
  ])('a message of %i bytes makes an envelope of %i', (length, padded) => {
    const bytes = packEnvelope([messageOf(length)], DATA_CAPACITY);
    expect(bytes.length).toBe(padded);
    expect(unpackEnvelope(bytes)).toHaveLength(1);
  });

  test('makes room for the longer head of 24 messages', () => {
    const messages = [...new Array<Uint8Array>(14).fill(PING), ...new Array<Uint8Array>(10).fill(CLOSE)];
    const bytes = packEnvelope(messages, DATA_CAPACITY); // 2 + 14 · 3 + 10 · 2 + 1 = 65
    expect(bytes.length).toBe(128);
    expect(unpackEnvelope(bytes)).toHaveLength(24);
  });

  test('ends at the capacity, which no envelope exceeds', () => {
    for (const capacity of [OPEN_CAPACITY, DATA_CAPACITY]) {
      const longest = messageOf(maxMessageBytes(capacity));
      const bytes = packEnvelope([longest], capacity);
      expect(bytes.length).toBe(capacity);
      expect(bytes.at(-1)).toBe(0x80);
      expect(unpackEnvelope(bytes)).toHaveLength(1);
    }
  });

  test('is read whatever its length is', () => {
    const plain = hex('81 820005 80');
    for (const zeros of [0, 1, 58, 59, 60, 1000]) {
      expect(unpackEnvelope(concat(plain, new Uint8Array(zeros)))).toStrictEqual([ping(5)]);
    }
  });

  test('a value that ends like padding is not taken for it', () => {
    const message: PlainMessage = {
      type: MessageType.RESPONSE,
      lane: 0,
      id: 1,
      value: hex('80 00 00'),
    };
    expect(unpackEnvelope(pack([message]))).toStrictEqual([message]);
    expect(unpackEnvelope(pack([{ ...message, value: [] }]))).toStrictEqual([{ ...message, value: [] }]);
  });
});

describe('unpack refuses', () => {
  test.each([
    ['nothing', ''],
    ['zeros alone', '00 00 00'],
    ['a mark alone', '80'],
    ['no mark', '81 8102'],
    ['another mark', '81 8102 81 00'],
    ['something behind the mark', '81 8102 80 00 01'],
    ['two marks', '81 8102 80 80'],
    ['two items', '81 8102 81 8102 80'],
    ['a map', 'a0 80'],
    ['a byte string', '42 8102 80'],
    ['a number', '00 80'],
    ['a message that is none', '81 8163 80'],
    ['a message without its array', '81 02 80'],
    ['a good message and a bad one', '82 8102 820006 8163 80'],
    ['an unfinished message', '81 82 00 80'],
    ['an indefinite array', '9f 8102 ff 80'],
    ['a head that is not minimal', '98 01 8102 80'],
  ])('%s', (_, bytes) => {
    expect(unpackEnvelope(hex(bytes))).toBeNull();
  });

  test('256 messages', () => {
    const plain = concat(hex('99 0100'), ...new Array<Uint8Array>(256).fill(CLOSE), hex('80'));
    expect(decodeCbor(plain.subarray(0, -1)).ok).toBe(true);
    expect(unpackEnvelope(plain)).toBeNull();
  });

  test('anything else without throwing', () => {
    const result = (bytes: Uint8Array) => {
      const messages = unpackEnvelope(bytes);
      expect(messages === null || Array.isArray(messages)).toBe(true);
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), result), { numRuns: 1000 });
    const edited = fc
      .tuple(fc.nat(200), fc.nat(255), fc.integer({ min: 0, max: 30 }))
      .map(([at, byte, count]) => {
        const bytes = pack(pings(count));
        bytes[at % bytes.length] = byte;
        return bytes;
      });
    fc.assert(fc.property(edited, result), { numRuns: 1000 });
  });
});

describe('countFitting', () => {
  const closes = (count: number): Uint8Array[] => new Array<Uint8Array>(count).fill(CLOSE);
  /** The capacity that just so many CLOSEs of 2 bytes need, by the format: head, messages, mark. */
  const needed = (count: number): number => (count < 24 ? 1 : 2) + 2 * count + 1;

  test.each([1, 2, 22, 23, 24, 25, 100, 254, 255])(
    '%i fit into just enough and not into a byte less',
    (count) => {
      const messages = closes(300);
      expect(countFitting(messages, 0, needed(count))).toBe(count);
      expect(countFitting(messages, 0, needed(count) - 1)).toBe(count - 1);
      const packed = packEnvelope(messages.slice(0, count), needed(count));
      expect(packed).toHaveLength(needed(count));
      expect(unpackEnvelope(packed)).toHaveLength(count);
    },
  );

  test('the 24th message needs a byte more for the head', () => {
    expect(needed(24) - needed(23)).toBe(3);
    expect(countFitting(closes(30), 0, needed(23) + 2)).toBe(23);
  });

  test('255 and no more, however much room there is', () => {
    expect(countFitting(closes(300), 0, 1e6)).toBe(255);
    expect(countFitting(closes(300), 45, 1e6)).toBe(255);
    expect(countFitting(closes(300), 46, 1e6)).toBe(254);
  });

  test('counts from the given message on', () => {
    const messages = [new Uint8Array(100), CLOSE, CLOSE];
    expect([0, 1, 2, 3].map((from) => countFitting(messages, from, 50))).toEqual([0, 2, 1, 0]);
    expect(countFitting([], 0, 50)).toBe(0);
  });

  test('a message of the longest size fits alone, one byte more does not', () => {
    const longest = maxMessageBytes(DATA_CAPACITY);
    expect(countFitting([new Uint8Array(longest)], 0, DATA_CAPACITY)).toBe(1);
    expect(countFitting([new Uint8Array(longest + 1)], 0, DATA_CAPACITY)).toBe(0);
  });

  test('what fits packs within the capacity, and the next would not', () => {
    const lengths = fc.array(fc.integer({ min: 2, max: 300 }), { maxLength: 60 });
    fc.assert(
      fc.property(lengths, fc.integer({ min: 10, max: DATA_CAPACITY }), (sizes, capacity) => {
        const messages = sizes.map((size) => new Uint8Array(size).fill(0xee));
        const count = countFitting(messages, 0, capacity);
        const size = (n: number) =>
          (n < 24 ? 1 : 2) + sizes.slice(0, n).reduce((sum, each) => sum + each, 0) + 1;
        const packed = packEnvelope(messages.slice(0, count), capacity);
        expect(packed.length).toBeLessThanOrEqual(capacity);
        expect(packed.length === capacity || packed.length % PADDING_BLOCK_BYTES === 0).toBe(true);
        expect(packed[size(count) - 1]).toBe(0x80);
        if (count < messages.length) expect(size(count + 1)).toBeGreaterThan(capacity);
      }),
    );
  });
});
