import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/bytes.ts';
import { Assembly, answerMessages, missingParts } from '../../src/rpc/answer.ts';
import { DATA_CAPACITY } from '../../src/session/handshake-datagrams.ts';
import { type CborValue, decodeCbor } from '../../src/wire/cbor.ts';
import { countFitting } from '../../src/wire/envelope.ts';
import {
  ANSWER_DEPTH,
  HAVE_BYTES,
  MAX_ANSWER_BYTES,
  MAX_PARTS,
  type Message,
  MessageType,
  PART_BYTES,
  type Part,
  parseMessage,
} from '../../src/wire/messages.ts';
import { Prng } from '../support/prng.ts';

const ref = { lane: 255, id: 2 ** 32 - 1 };
const boot = new Uint8Array(6).fill(4);
const random = new Prng(9).bytes;

function parse(encoded: Uint8Array): Message {
  const decoded = decodeCbor(encoded);
  return (decoded.ok ? parseMessage(decoded.value) : null) ?? expect.fail('not a message');
}

function partsOf(value: CborValue): Part[] {
  return answerMessages(ref, value).map((encoded) => {
    const message = parse(encoded);
    return message.type === MessageType.PART ? message : expect.fail('not a part');
  });
}

function assemble(parts: Part[]): Assembly {
  const assembly = new Assembly(boot, (parts[0] as Part).count);
  for (const part of parts) expect(assembly.add(part)).toBe(true);
  return assembly;
}

/** A byte string whose encoding has `length` bytes, of which its head is 3 (for 259 to 65,538). */
const encodedTo = (length: number): Uint8Array => random(length - 3);

describe('as messages', () => {
  test('a small answer is one RESPONSE', () => {
    const messages = answerMessages(ref, { a: 1 });
    expect(messages.map(parse)).toEqual([{ type: MessageType.RESPONSE, ...ref, value: { a: 1 } }]);
  });

  test('so is the largest that fits into a datagram; one byte more goes in two parts', () => {
    let length = 1100;
    while (answerMessages(ref, new Uint8Array(length)).length === 1) length++;
    const whole = answerMessages(ref, new Uint8Array(length - 1))[0] as Uint8Array;
    expect(countFitting([whole], 0, DATA_CAPACITY)).toBe(1);
    expect(whole.length).toBe(DATA_CAPACITY - 2);
    expect(partsOf(new Uint8Array(length)).map((part) => part.bytes.length)).toEqual([
      PART_BYTES,
      length + 3 - PART_BYTES,
    ]);
  });

  test('parts are full but the last, numbered, and of this request', () => {
    const value = encodedTo(5 * PART_BYTES + 1);
    const parts = partsOf(value);
    expect(parts.map((part) => [part.index, part.count, part.bytes.length])).toEqual([
      [0, 6, PART_BYTES],
      [1, 6, PART_BYTES],
      [2, 6, PART_BYTES],
      [3, 6, PART_BYTES],
      [4, 6, PART_BYTES],
      [5, 6, 1],
    ]);
    expect(parts.every((part) => part.id === ref.id && part.lane === ref.lane)).toBe(true);
  });

  test('an answer that fills its parts has no empty one', () => {
    expect(partsOf(encodedTo(4 * PART_BYTES)).map((part) => part.bytes.length)).toEqual(
      new Array(4).fill(PART_BYTES),
    );
  });

  test('every part fits into a datagram', () => {
    const messages = answerMessages(ref, encodedTo(MAX_ANSWER_BYTES));
    expect(messages).toHaveLength(MAX_PARTS);
    expect(messages.filter((message) => countFitting([message], 0, DATA_CAPACITY) !== 1)).toEqual([]);
  });

  test('64 KiB and no more', () => {
    expect(assemble(partsOf(encodedTo(MAX_ANSWER_BYTES))).complete).toBe(true);
    for (const value of [encodedTo(MAX_ANSWER_BYTES + 1), new Uint8Array(10 * MAX_ANSWER_BYTES)]) {
      expect(() => answerMessages(ref, value)).toThrow(expect.objectContaining({ code: 'too-large' }));
    }
  });

  test('no deeper in parts than whole', () => {
    const nested = (depth: number, leaf: CborValue): CborValue =>
      depth === 0 ? leaf : [nested(depth - 1, leaf)];
    for (const leaf of [1, new Uint8Array(5000)]) {
      expect(answerMessages(ref, nested(ANSWER_DEPTH, leaf)).length).toBeGreaterThan(0);
      const tooDeep = () => answerMessages(ref, nested(ANSWER_DEPTH + 1, leaf));
      expect(tooDeep).toThrow(expect.objectContaining({ code: 'not-cbor' }));
    }
    const deepest = nested(ANSWER_DEPTH, new Uint8Array(5000));
    expect(assemble(partsOf(deepest)).value()).toEqual({ ok: true, value: deepest });
  });

  test('what CBOR cannot carry is refused', () => {
    const value = [new Date(0)] as unknown as CborValue;
    expect(() => answerMessages(ref, value)).toThrow(expect.objectContaining({ code: 'not-cbor' }));
  });
});

describe('assembly', () => {
  test('in any order, with repetitions, gives the value back', () => {
    const value = { text: 'ü'.repeat(3000), bytes: random(7000) };
    const parts = partsOf(value);
    const indices = parts.map((part) => part.index);
    const order = fc.tuple(
      fc.shuffledSubarray(indices, { minLength: indices.length }),
      fc.array(fc.constantFrom(...indices)),
    );
    fc.assert(
      fc.property(order, ([once, again]) => {
        const assembly = new Assembly(boot, parts.length);
        const last = once[once.length - 1] as number;
        for (const index of [...once.slice(0, -1), ...again.filter((each) => each !== last)]) {
          expect(assembly.add(parts[index] as Part)).toBe(true);
          expect(assembly.complete).toBe(false);
        }
        expect(assembly.add(parts[last] as Part)).toBe(true);
        expect(assembly.complete).toBe(true);
        expect(assembly.value()).toStrictEqual({ ok: true, value });
      }),
      { numRuns: 50 },
    );
  });

  test('knows whose it is', () => {
    const assembly = new Assembly(boot, 2);
    expect([assembly.boot, assembly.count, assembly.complete]).toEqual([boot, 2, false]);
  });

  test('a part of another answer is refused and changes nothing', () => {
    const parts = partsOf(encodedTo(3 * PART_BYTES));
    const assembly = assemble(parts.slice(0, 2));
    expect(assembly.add({ ...(parts[2] as Part), count: 4 })).toBe(false);
    expect(assembly.complete).toBe(false);
    expect(toHex(assembly.have)).toBe(`c0${'00'.repeat(HAVE_BYTES - 1)}`);
  });

  test('the first of two differing parts stays', () => {
    const value = encodedTo(2 * PART_BYTES);
    const [first, second] = partsOf(value) as [Part, Part];
    const assembly = assemble([first]);
    expect(assembly.add({ ...first, bytes: new Uint8Array(PART_BYTES) })).toBe(true);
    assembly.add(second);
    expect(assembly.value()).toStrictEqual({ ok: true, value });
  });

  test('parts that make no value', () => {
    const part = (index: number, bytes: Uint8Array): Part => ({
      type: MessageType.PART,
      ...ref,
      index,
      count: 2,
      bytes,
    });
    const junk = assemble([part(0, new Uint8Array(PART_BYTES).fill(0xff)), part(1, new Uint8Array(1))]);
    expect(junk.complete).toBe(true);
    expect(junk.value().ok).toBe(false);
    const trailing = assemble([part(0, new Uint8Array(PART_BYTES)), part(1, new Uint8Array(1))]);
    expect(trailing.value()).toStrictEqual({ ok: false, reason: 'bytes follow the item' });
  });

  test('parts that make a value nested deeper than a whole answer can be', () => {
    const reassembled = (depth: number): boolean => {
      // `depth` arrays around a byte string that fills the first part and one byte of the second.
      const encoded = new Uint8Array(PART_BYTES + 1);
      const length = encoded.length - depth - 3;
      encoded.set([...new Array<number>(depth).fill(0x81), 0x59, length >> 8, length & 0xff]);
      const part = { type: MessageType.PART, ...ref, count: 2 };
      const parts = [0, 1].map((index) => ({
        ...part,
        index,
        bytes: encoded.subarray(index * PART_BYTES, (index + 1) * PART_BYTES),
      }));
      return assemble(parts).value().ok;
    };
    expect([ANSWER_DEPTH, ANSWER_DEPTH + 1].map(reassembled)).toEqual([true, false]);
  });
});

describe('which parts are there', () => {
  const parts = partsOf(encodedTo(MAX_ANSWER_BYTES));
  const encoded = answerMessages(ref, encodedTo(MAX_ANSWER_BYTES));

  test.each([
    [0, '8000000000000000'],
    [7, '0100000000000000'],
    [8, '0080000000000000'],
    [56, '0000000000000080'],
  ])('part %i alone is %s', (index, bits) => {
    expect(toHex(assemble([parts[index] as Part]).have)).toBe(bits);
  });

  test('all of them', () => {
    expect(toHex(assemble(parts).have)).toBe(`${'ff'.repeat(7)}80`);
  });

  test('missingParts gives the others, in order', () => {
    const nothing = new Uint8Array(HAVE_BYTES);
    expect(missingParts(encoded, nothing)).toEqual(encoded);
    expect(missingParts(encoded, assemble(parts).have)).toEqual([]);
    for (const index of [0, 7, 8, 31, 32, 56]) {
      const allButOne = assemble(parts.filter((part) => part.index !== index)).have;
      expect(missingParts(encoded, allButOne)).toEqual([encoded[index]]);
      expect(missingParts(encoded, assemble([parts[index] as Part]).have)).toEqual(
        encoded.toSpliced(index, 1),
      );
    }
  });

  test('bits beyond the last part say nothing', () => {
    const beyond = new Uint8Array(HAVE_BYTES);
    beyond[7] = 0x7f;
    expect(missingParts(encoded, beyond)).toEqual(encoded);
  });
});
