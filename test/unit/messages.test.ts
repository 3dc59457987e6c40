import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/bytes.ts';
import { type CborValue, decodeCbor, encodeTrusted, MAX_DEPTH } from '../../src/wire/cbor.ts';
import {
  ANSWER_DEPTH,
  COMMAND_NAME,
  encodeMessage,
  HAVE_BYTES,
  MAX_ANSWER_BYTES,
  MAX_PARTS,
  type Message,
  MessageType,
  PART_BYTES,
  parseMessage,
} from '../../src/wire/messages.ts';

const bytes = (length: number, byte = 7): Uint8Array => new Uint8Array(length).fill(byte);
const lane = 7;
const MAX_LANE = 255;
const boot = bytes(6, 2);
const MAX_ID = 2 ** 32 - 1;

function roundTrip(message: Message): Message | null {
  const decoded = decodeCbor(encodeMessage(message), MAX_DEPTH - 1);
  return decoded.ok ? parseMessage(decoded.value) : expect.fail(decoded.reason);
}

const { PING, PONG, CLOSE, PATH_CHALLENGE, PATH_RESPONSE } = MessageType;
const { REQUEST, RESPONSE, ERROR, PENDING, PART, MORE, INSTANCE } = MessageType;

const shapes: [name: string, message: Message][] = [
  ['PING', { type: PING, number: 0 }],
  ['PING with the highest number', { type: PING, number: MAX_ID }],
  ['PONG', { type: PONG, number: 77 }],
  ['CLOSE', { type: CLOSE }],
  ['INSTANCE', { type: INSTANCE, instance: bytes(8) }],
  ['PATH_CHALLENGE', { type: PATH_CHALLENGE, data: bytes(8) }],
  ['PATH_RESPONSE', { type: PATH_RESPONSE, data: bytes(8, 0) }],
  ['REQUEST', { type: REQUEST, lane, id: 1, boot, command: 'time', args: [] }],
  [
    'REQUEST with arguments',
    {
      type: REQUEST,
      lane,
      id: MAX_ID,
      boot,
      command: 'a.b-c_9',
      args: [1, 'ü', null, [true], { a: boot }],
    },
  ],
  ['RESPONSE', { type: RESPONSE, lane, id: 2, value: { now: 'x', list: [1.5, bytes(3)] } }],
  ['RESPONSE of null', { type: RESPONSE, lane, id: 2, value: null }],
  ['RESPONSE of undefined', { type: RESPONSE, lane, id: 2, value: undefined }],
  ['ERROR', { type: ERROR, lane, id: 3, code: 'command-failed', text: 'It did not work: “why?”' }],
  ['ERROR without text', { type: ERROR, lane, id: 3, code: 'a', text: '' }],
  ['ERROR with the longest text', { type: ERROR, lane, id: 3, code: 'a', text: 'é'.repeat(256) }],
  ['PENDING', { type: PENDING, lane, id: 4 }],
  ['first PART', { type: PART, lane, id: 5, index: 0, count: 2, bytes: bytes(PART_BYTES) }],
  ['last PART', { type: PART, lane, id: 5, index: 1, count: 2, bytes: bytes(1) }],
  [
    'full last PART',
    { type: PART, lane, id: 5, index: MAX_PARTS - 1, count: MAX_PARTS, bytes: bytes(PART_BYTES) },
  ],
  ['MORE', { type: MORE, lane, id: 6, have: bytes(HAVE_BYTES) }],
];

test.each(shapes)('%s comes back as it was', (_, message) => {
  expect(roundTrip(message)).toStrictEqual(message);
});

test('every type is among them, and is its number on the wire', () => {
  expect(new Set(shapes.map(([, message]) => message.type))).toEqual(new Set(Object.values(MessageType)));
  expect(Object.values(MessageType)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  for (const [, message] of shapes) expect(encodeMessage(message)[1]).toBe(message.type);
});

test('the bytes of a request', () => {
  const encoded = encodeMessage({ type: REQUEST, lane, id: 300, boot, command: 'lucky', args: [1, 6] });
  expect(toHex(encoded)).toBe('86050719012c46020202020202656c75636b79820106');
});

test('the limits belong together', () => {
  expect(MAX_PARTS).toBe(Math.ceil(MAX_ANSWER_BYTES / PART_BYTES));
  expect(HAVE_BYTES * 8).toBeGreaterThanOrEqual(MAX_PARTS);
  expect([MAX_PARTS, HAVE_BYTES, ANSWER_DEPTH]).toEqual([57, 8, 6]);
});

// What is wrong stands in for what is right, one field at a time.
const notUint32: CborValue[] = [
  -1,
  2 ** 32,
  1.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  '1',
  true,
  null,
  undefined,
  [1],
  bytes(4),
];
const notId: CborValue[] = [0, ...notUint32];
const notLane: CborValue[] = [MAX_LANE + 1, ...notUint32];
const notBytes = (length: number): CborValue[] => [
  bytes(length - 1),
  bytes(length + 1),
  bytes(0),
  'x'.repeat(length),
  new Array(length).fill(7),
  length,
  null,
  undefined,
  {},
];
const notCommand: CborValue[] = [
  '',
  'A',
  '1a',
  '-a',
  '.a',
  '_a',
  'a b',
  'a\n',
  'é',
  'a/b',
  '\u001b[0m',
  `a${'b'.repeat(64)}`,
  5,
  null,
  bytes(1),
];
const notCode: CborValue[] = [
  '',
  'A',
  '1',
  'a_b',
  'a.b',
  'a b',
  '-a',
  'a1',
  `a${'b'.repeat(32)}`,
  7,
  null,
  bytes(1),
];
const notText: CborValue[] = ['x'.repeat(513), 'é'.repeat(257), 5, null, undefined, bytes(3), ['a']];
const notArray: CborValue[] = [null, undefined, 1, 'a', {}, { length: 0 }, bytes(0)];
const notMissing = notBytes(HAVE_BYTES);
const full = bytes(PART_BYTES);
const notFull: CborValue[] = [
  bytes(PART_BYTES - 1),
  bytes(PART_BYTES + 1),
  bytes(0),
  'x'.repeat(PART_BYTES),
  null,
];
const notLast: CborValue[] = [bytes(0), bytes(PART_BYTES + 1), 'x', null, undefined, [7]];

const malformed: [name: string, good: CborValue[], field: number, bad: CborValue[]][] = [
  ['PING number', [PING, 1], 1, notUint32],
  ['PONG number', [PONG, 1], 1, notUint32],
  ['INSTANCE instance', [INSTANCE, bytes(8)], 1, notBytes(8)],
  ['PATH_CHALLENGE data', [PATH_CHALLENGE, bytes(8)], 1, notBytes(8)],
  ['PATH_RESPONSE data', [PATH_RESPONSE, bytes(8)], 1, notBytes(8)],
  ['REQUEST lane', [REQUEST, lane, 1, boot, 'a', []], 1, notLane],
  ['REQUEST id', [REQUEST, lane, 1, boot, 'a', []], 2, notId],
  ['REQUEST boot', [REQUEST, lane, 1, boot, 'a', []], 3, notBytes(6)],
  ['REQUEST command', [REQUEST, lane, 1, boot, 'a', []], 4, notCommand],
  ['REQUEST arguments', [REQUEST, lane, 1, boot, 'a', []], 5, notArray],
  ['RESPONSE lane', [RESPONSE, lane, 1, 'value'], 1, notLane],
  ['RESPONSE id', [RESPONSE, lane, 1, 'value'], 2, notId],
  ['ERROR lane', [ERROR, lane, 1, 'a', 'b'], 1, notLane],
  ['ERROR id', [ERROR, lane, 1, 'a', 'b'], 2, notId],
  ['ERROR code', [ERROR, lane, 1, 'a', 'b'], 3, notCode],
  ['ERROR text', [ERROR, lane, 1, 'a', 'b'], 4, notText],
  ['PENDING lane', [PENDING, lane, 1], 1, notLane],
  ['PENDING id', [PENDING, lane, 1], 2, notId],
  ['PART lane', [PART, lane, 1, 0, 2, full], 1, notLane],
  ['PART id', [PART, lane, 1, 0, 2, full], 2, notId],
  ['PART index', [PART, lane, 1, 0, 2, full], 3, [2, 3, ...notUint32]],
  ['PART count', [PART, lane, 1, 0, 2, full], 4, [0, 1, MAX_PARTS + 1, ...notUint32]],
  ['PART bytes', [PART, lane, 1, 0, 2, full], 5, notFull],
  ['last PART bytes', [PART, lane, 1, 1, 2, bytes(1)], 5, notLast],
  ['MORE lane', [MORE, lane, 1, bytes(HAVE_BYTES)], 1, notLane],
  ['MORE id', [MORE, lane, 1, bytes(HAVE_BYTES)], 2, notId],
  ['MORE bits', [MORE, lane, 1, bytes(HAVE_BYTES)], 3, notMissing],
];

describe('a malformed field is refused', () => {
  test.each(malformed)('%s', (_, good, field, bad) => {
    expect(parseMessage(good)).not.toBeNull();
    const accepted = bad.filter((value) => parseMessage(good.with(field, value)) !== null);
    expect(accepted).toEqual([]);
  });

  const wholes = new Map(malformed.map(([name, good]) => [name.split(' ')[0], good]));
  test.each([['CLOSE', [CLOSE]] as [string, CborValue[]], ...wholes])(
    '%s with a field less or more',
    (_, good) => {
      expect(parseMessage(good)).not.toBeNull();
      expect(parseMessage([...good, null])).toBeNull();
      expect(parseMessage([...good, undefined])).toBeNull();
      for (let length = 0; length < good.length; length++)
        expect(parseMessage(good.slice(0, length))).toBeNull();
    },
  );

  test('the edges beside them are accepted', () => {
    const good: CborValue[][] = [
      [PING, 0],
      [PENDING, 0, MAX_ID],
      [PENDING, MAX_LANE, 1],
      [REQUEST, lane, 1, boot, `a${'b'.repeat(63)}`, []],
      [ERROR, lane, 1, `a${'b'.repeat(31)}`, 'x'.repeat(512)],
      [PART, lane, 1, 1, 2, full],
      [PART, lane, 1, MAX_PARTS - 2, MAX_PARTS, full],
    ];
    expect(good.filter((value) => parseMessage(value) === null)).toEqual([]);
  });
});

test('what is no message at all', () => {
  const none: CborValue[] = [
    null,
    undefined,
    0,
    'PING',
    bytes(2),
    {},
    { 0: 0, 1: 5 },
    [],
    [[]],
    [null, 5],
    ['0', 5],
  ];
  const unknown = [-1, 12, 0.5, 255, 2 ** 32, Number.NaN].map((type) => [type, lane, 1]);
  expect([...none, ...unknown].filter((value) => parseMessage(value) !== null)).toEqual([]);
});

describe('the text of an error', () => {
  const sent = (text: string): string => {
    const message = roundTrip({ type: ERROR, lane, id: 1, code: 'a', text });
    return message?.type === ERROR ? message.text : expect.fail('no error');
  };

  test.each([
    ['513 letters', 'x'.repeat(513), 'x'.repeat(512)],
    ['a two-byte character over the edge', `${'x'.repeat(511)}é`, 'x'.repeat(511)],
    ['a three-byte character over the edge', `${'x'.repeat(510)}€`, 'x'.repeat(510)],
    ['a four-byte character over the edge', `${'x'.repeat(509)}😀`, 'x'.repeat(509)],
    ['a pair of surrogates over the edge', `${'x'.repeat(511)}😀`, 'x'.repeat(511)],
    ['much too much', '€'.repeat(100_000), '€'.repeat(170)],
  ])('is cut between characters: %s', (_, text, expected) => {
    expect(sent(text)).toBe(expected);
  });

  test('is well-formed whatever it was', () => {
    expect(sent('a\ud800b')).toBe('a\ufffdb');
    expect(sent(`${'x'.repeat(600)}\ud800`)).toBe('x'.repeat(512));
    expect(sent('\ufeffa')).toBe('a');
    expect(sent('\ufeff\ufeffa\ufeff')).toBe('a\ufeff');
    expect(sent('\ufeff'.repeat(600))).toBe('');
  });
});

describe('a value that the profile cannot carry', () => {
  const refused = expect.objectContaining({ code: 'not-cbor' });
  /** `depth` arrays within each other. */
  const nested = (depth: number): CborValue => (depth === 0 ? 1 : [nested(depth - 1)]);

  test('throws as an argument and as an answer', () => {
    for (const value of [new Date(0), () => 1, 'a\ud800'] as unknown as CborValue[]) {
      expect(() => encodeMessage({ type: RESPONSE, lane, id: 1, value })).toThrow(refused);
      expect(() => encodeMessage({ type: REQUEST, lane, id: 1, boot, command: 'a', args: [value] })).toThrow(
        refused,
      );
    }
  });

  test('the depth of an answer is what is left in its envelope', () => {
    const response = (depth: number) => encodeMessage({ type: RESPONSE, lane, id: 1, value: nested(depth) });
    expect(() => response(ANSWER_DEPTH + 1)).toThrow(refused);
    const envelope = encodeTrusted([decodedOf(response(ANSWER_DEPTH))]);
    expect(decodeCbor(envelope).ok).toBe(true);
  });

  test('the depth of an argument likewise, which stands in one array more', () => {
    const request = (depth: number) =>
      encodeMessage({ type: REQUEST, lane, id: 1, boot, command: 'a', args: [nested(depth)] });
    expect(() => request(ANSWER_DEPTH)).toThrow(refused);
    expect(decodeCbor(encodeTrusted([decodedOf(request(ANSWER_DEPTH - 1))])).ok).toBe(true);
  });

  function decodedOf(encoded: Uint8Array): CborValue {
    const decoded = decodeCbor(encoded);
    return decoded.ok ? decoded.value : expect.fail(decoded.reason);
  }
});

test('a command’s name is what a person can type and no terminal interprets', () => {
  expect(['a', 'time', 'a.b-c_1', `a${'z'.repeat(63)}`].filter((name) => !COMMAND_NAME.test(name))).toEqual(
    [],
  );
  expect(notCommand.filter((name) => typeof name === 'string' && COMMAND_NAME.test(name))).toEqual([]);
});

describe('what is written without cbor-x has the bytes that it would write', () => {
  const numbers = [1, 23, 24, 255, 256, 65_535, 65_536, MAX_ID];

  test.each(numbers)('a request with the id %i', (id) => {
    for (const command of ['a', 'a'.repeat(23), 'a'.repeat(24), 'a'.repeat(64)]) {
      for (const args of [[], [1, 'ü', { key: [bytes(30)] }]]) {
        const message = { type: REQUEST, lane: MAX_LANE, id, boot, command, args };
        expect(toHex(encodeMessage(message))).toBe(
          toHex(encodeTrusted([REQUEST, MAX_LANE, id, boot, command, args])),
        );
      }
    }
  });

  test.each(numbers)('an answer to the id %i', (id) => {
    for (const value of [null, 42, 'text'.repeat(100), { list: [1.5] }]) {
      expect(toHex(encodeMessage({ type: RESPONSE, lane, id, value }))).toBe(
        toHex(encodeTrusted([RESPONSE, lane, id, value])),
      );
    }
  });
});
