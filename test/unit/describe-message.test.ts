/** What a person is shown of messages: PROTOCOL's words, short, and never a secret. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CborValue } from '../../src/wire/cbor.ts';
import { describeMessage } from '../../src/wire/describe-message.ts';
import { diagnostic } from '../../src/wire/diagnostic.ts';
import { type Message, MessageType } from '../../src/wire/messages.ts';
import { StreamMessageType } from '../../src/wire/stream-messages.ts';

const secret = Uint8Array.from({ length: 8 }, (_, i) => 0xa0 + i);
const request = { lane: 0, id: 7 };
const shown: [Message, ReturnType<typeof describeMessage>][] = [
  [
    { type: MessageType.PING, number: 4 },
    { name: 'PING', fields: { n: 4 } },
  ],
  [
    { type: MessageType.PONG, number: 4 },
    { name: 'PONG', fields: { n: 4 } },
  ],
  [{ type: MessageType.CLOSE }, { name: 'CLOSE', fields: {} }],
  [
    { type: MessageType.PATH_CHALLENGE, data: secret },
    { name: 'PATH_CHALLENGE', fields: {} },
  ],
  [
    { type: MessageType.PATH_RESPONSE, data: secret },
    { name: 'PATH_RESPONSE', fields: {} },
  ],
  [
    { type: MessageType.INSTANCE, instance: secret },
    { name: 'INSTANCE', fields: {} },
  ],
  [
    { type: MessageType.REQUEST, ...request, boot: secret.slice(0, 6), command: 'echo', args: ['a"b', 1] },
    { name: 'REQUEST', fields: { ...request, command: 'echo', args: String.raw`["a\"b", 1]` } },
  ],
  [
    { type: MessageType.RESPONSE, ...request, value: { up: true, of: [null, 1.5] } },
    { name: 'RESPONSE', fields: { ...request, value: '{"up": true, "of": [null, 1.5]}' } },
  ],
  [
    { type: MessageType.ERROR, ...request, code: 'busy', text: 'Later.' },
    { name: 'ERROR', fields: { ...request, code: 'busy', text: '"Later."' } },
  ],
  [
    { type: MessageType.PENDING, ...request },
    { name: 'PENDING', fields: request },
  ],
  [
    { type: MessageType.PART, ...request, index: 1, count: 2, bytes: secret },
    { name: 'PART', fields: { ...request, index: 1, count: 2, bytes: 8 } },
  ],
  [
    { type: MessageType.MORE, ...request, have: Uint8Array.of(0xc0, 0x01, 0, 0, 0, 0, 0, 0) },
    { name: 'MORE', fields: { ...request, have: 3 } },
  ],
  [
    { type: MessageType.RELAY, link: 9, datagram: secret },
    { name: 'RELAY', fields: { link: 9, datagram: 8 } },
  ],
  [
    { type: StreamMessageType.ACK, delayUs: 250, ranges: [90, 120, 80, 80] },
    { name: 'ACK', fields: { largest: 120, delay: 250, runs: '90-120, 80' } },
  ],
  [
    { type: StreamMessageType.ASK, stream: 3, subject: ['chunk', Uint8Array.of(1, 2), 5] },
    { name: 'ASK', fields: { stream: 3, subject: `["chunk", h'0102', 5]` } },
  ],
  [
    { type: StreamMessageType.STREAM, stream: 3, offset: 1_000, bytes: secret },
    { name: 'STREAM', fields: { stream: 3, offset: 1_000, bytes: 8 } },
  ],
  [
    { type: StreamMessageType.LAST, stream: 3, offset: 1_008, bytes: secret },
    { name: 'LAST', fields: { stream: 3, offset: 1_008, bytes: 8 } },
  ],
  [
    { type: StreamMessageType.RESET, stream: 3, code: 'changed' },
    { name: 'RESET', fields: { stream: 3, code: 'changed' } },
  ],
  [
    { type: StreamMessageType.STOP, stream: 3 },
    { name: 'STOP', fields: { stream: 3 } },
  ],
];

describe('a message', () => {
  test.each(shown)('$type', (message, expected) => {
    expect(describeMessage(message)).toEqual(expected);
    expect(JSON.stringify(describeMessage(message))).not.toContain('a0a1a2');
  });

  test('of every type there is, is among these', () => {
    const types = Object.values({ ...MessageType, ...StreamMessageType });
    expect(shown.map(([{ type }]) => type).sort((a, b) => a - b)).toEqual(types.sort((a, b) => a - b));
  });

  test('of many ranges shows the newest', () => {
    const ranges = Array.from({ length: 64 }, (_, i) => 1_000 - 10 * (i >> 1) + (i & 1));
    const { fields } = describeMessage({ type: StreamMessageType.ACK, delayUs: 0, ranges });
    expect(fields['runs']).toMatch(/^1000-1001, 990-991, .*, 930-931, …$/);
  });
});

describe('a value', () => {
  const cases: [CborValue, string][] = [
    [undefined, 'undefined'],
    [Number.NaN, 'NaN'],
    [new Uint8Array(), "h''"],
    [[], '[]'],
    [{}, '{}'],
    ['line\nline', String.raw`"line\nline"`],
    // Nothing may turn the line around, hide in it or end it.
    ['a\u202eb\u200bc\u2028d\u0085', String.raw`"a\u{202e}b\u{200b}c\u{2028}d\u{85}"`],
    [{ '\u202e': 1 }, String.raw`{"\u{202e}": 1}`],
  ];
  test.each(cases)('%j', (value, text) => {
    expect(diagnostic(value, 100)).toBe(text);
  });

  test('that is long is cut, between characters', () => {
    expect(diagnostic(new Uint8Array(1_000).fill(0xab), 100)).toBe(`h'${'ab'.repeat(16)}…' (1000 bytes)`);
    expect(diagnostic('x'.repeat(1_000), 5)).toBe('"xxxx…');
    expect(diagnostic('👍'.repeat(1_000), 6)).toBe('"👍👍…');
    expect(diagnostic(['👍'.repeat(1_000), 1], 5)).toBe('["👍…');
    expect(
      diagnostic(
        Array.from({ length: 10_000 }, () => [[]]),
        9,
      ),
    ).toBe('[[[]], [[…');
  });

  test('whatever it is, makes no more text than it may, on one line', () => {
    const anything = fc.letrec<{ value: CborValue }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 7 },
        fc.string({ unit: 'binary', maxLength: 400 }),
        fc.double(),
        fc.constantFrom(null, undefined, true),
        fc.uint8Array({ maxLength: 400 }),
        fc.array(tie('value'), { maxLength: 30 }),
        fc.dictionary(fc.string({ unit: 'binary', maxLength: 400 }), tie('value'), { maxKeys: 30 }),
      ),
    })).value;
    fc.assert(
      fc.property(anything, fc.integer({ min: 1, max: 300 }), (value, max) => {
        const text = diagnostic(value, max);
        expect(text.length).toBeLessThanOrEqual(max + 1);
        expect(text).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u);
      }),
    );
  });
});
