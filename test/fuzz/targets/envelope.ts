/** Envelopes and the messages in them (PROTOCOL §7, §8). */
import { concat } from '../../../src/bytes.ts';
import { decodeCbor } from '../../../src/wire/cbor.ts';
import { describeMessage } from '../../../src/wire/describe-message.ts';
import {
  PADDING_BLOCK_BYTES,
  packEnvelope,
  unpackEnvelope,
  unpackPiece,
} from '../../../src/wire/envelope.ts';
import { MAX_BULK_DATAGRAM_BYTES } from '../../../src/wire/header.ts';
import { encodeMessage, type Message, MessageType, parseMessage } from '../../../src/wire/messages.ts';
import {
  encodeAck,
  encodeAsk,
  encodePieceHead,
  encodeReset,
  encodeStop,
  isStreamMessage,
  type StreamMessage,
  StreamMessageType,
} from '../../../src/wire/stream-messages.ts';
import { check, same, type Target } from '../target.ts';
import { equal } from './cbor.ts';

/** Characters of one field, as it is shown: a value, its quotes, and escapes of six. */
const MAX_FIELD_LENGTH = 6 * 257 + 2;
const SECRET_TYPES: readonly number[] = [
  MessageType.PATH_CHALLENGE,
  MessageType.PATH_RESPONSE,
  MessageType.INSTANCE,
  MessageType.CLOSE,
];

const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(7);

/** One of each type. */
export const messages = (): Uint8Array[] => [
  encodeMessage({ type: MessageType.PING, number: 1 }),
  encodeMessage({ type: MessageType.PONG, number: 70_000 }),
  encodeMessage({ type: MessageType.CLOSE }),
  encodeMessage({ type: MessageType.PATH_CHALLENGE, data: bytes(8) }),
  encodeMessage({ type: MessageType.PATH_RESPONSE, data: bytes(8) }),
  encodeMessage({ type: MessageType.REQUEST, lane: 0, id: 1, boot: bytes(6), command: 'echo', args: ['x'] }),
  encodeMessage({ type: MessageType.RESPONSE, lane: 0, id: 1, value: { a: [1, null] } }),
  encodeMessage({ type: MessageType.ERROR, lane: 0, id: 1, code: 'busy', text: 'too much' }),
  encodeMessage({ type: MessageType.PENDING, lane: 0, id: 1 }),
  encodeMessage({ type: MessageType.PART, lane: 0, id: 1, index: 0, count: 2, bytes: bytes(1152) }),
  encodeMessage({ type: MessageType.PART, lane: 0, id: 1, index: 1, count: 2, bytes: bytes(9) }),
  encodeMessage({ type: MessageType.MORE, lane: 0, id: 1, have: bytes(8) }),
  encodeMessage({ type: MessageType.INSTANCE, instance: bytes(8) }),
  encodeMessage({ type: MessageType.RELAY, link: 1, datagram: bytes(41) }),
  encodeAck(1000, [9, 12, 5, 5, 1, 2]),
  encodeAsk(0, ['chunk', bytes(32), 0]),
  concat(encodePieceHead(0, 0, 3, false), bytes(3)),
  concat(encodePieceHead(1, 70_000, 0, true)),
  encodeReset(2, 'unknown'),
  encodeStop(3),
];

export const envelope: Target = {
  name: 'envelope',
  seeds: () => [
    ...messages().map((message) => packEnvelope([message], MAX_BULK_DATAGRAM_BYTES).slice()),
    packEnvelope(messages(), MAX_BULK_DATAGRAM_BYTES).slice(),
    packEnvelope([], MAX_BULK_DATAGRAM_BYTES).slice(),
  ],
  work: { base: 3_000, perByte: 200 },
  memory: { base: 80 * 1024, perByte: 64 },
  run(input) {
    const piece = unpackPiece(input);
    const messages = unpackEnvelope(input);
    if (piece !== null) {
      check(messages?.length === 1, 'a piece is taken out of what is no envelope of one message');
      const [message] = messages as [Message];
      check(message.type === piece.type, 'a piece is of another type');
      same(encodeAgain(message), encodeAgain(piece), 'a piece is not what the envelope says');
    }
    if (messages === null) {
      // The mark alone may lack.
      const marked = concat(input, Uint8Array.of(0x80));
      for (const message of unpackEnvelope(marked) ?? []) expectStable(message);
      return;
    }
    for (const message of messages) expectStable(message);
    const encoded = messages.map(encodeAgain);
    const packed = packEnvelope(encoded, MAX_BULK_DATAGRAM_BYTES).slice();
    check(packed.length % PADDING_BLOCK_BYTES === 0, 'an envelope is not padded');
    const unpacked = unpackEnvelope(packed);
    check(unpacked?.length === messages.length, 'an envelope that was packed again has other messages');
    for (const [i, message] of (unpacked ?? []).entries())
      same(encodeAgain(message), encoded[i] as Uint8Array, 'a message is another one in the next envelope');
  },
};

/** What is accepted can be sent, and is the same then; what is shown of it is short, and no secret. */
function expectStable(message: Message): void {
  const bytes = encodeAgain(message);
  const decoded = decodeCbor(bytes);
  check(decoded.ok, 'a message that was accepted is no CBOR when it is sent');
  const parsed = parseMessage(decoded.value);
  check(parsed !== null, `a message of type ${message.type} is refused when it is sent`);
  check(
    equal(parsed as never, message as never),
    `a message of type ${message.type} changes when it is sent`,
  );
  same(encodeAgain(parsed), bytes, 'one message has two encodings');
  expectFields(message);
  const { name, fields } = describeMessage(message);
  check(/^[A-Z_]+$/.test(name), 'a message has no name');
  if (SECRET_TYPES.includes(message.type)) check(Object.keys(fields).length === 0, `${name} shows a secret`);
  for (const [field, value] of Object.entries(fields)) {
    check(
      typeof value === 'number' || typeof value === 'string',
      `${name} shows ${field} as no text or number`,
    );
    check(
      String(value).length <= MAX_FIELD_LENGTH,
      `${name} shows ${String(value).length} characters of ${field}`,
    );
  }
}

function encodeAgain(message: Message): Uint8Array {
  return isStreamMessage(message) ? encodeStream(message) : encodeMessage(message).slice();
}

function encodeStream(message: StreamMessage): Uint8Array {
  switch (message.type) {
    case StreamMessageType.ACK:
      return encodeAck(message.delayUs, message.ranges);
    case StreamMessageType.ASK:
      return encodeAsk(message.stream, message.subject);
    case StreamMessageType.STREAM:
    case StreamMessageType.LAST: {
      const { stream, offset, bytes, type } = message;
      const isLast = type === StreamMessageType.LAST;
      return concat(encodePieceHead(stream, offset, bytes.length, isLast), bytes).slice();
    }
    case StreamMessageType.RESET:
      return encodeReset(message.stream, message.code);
    case StreamMessageType.STOP:
      return encodeStop(message.stream);
  }
}

/** PROTOCOL §8's own words. */
function expectFields(message: Message): void {
  const uint = (value: number, max: number, min = 0): void =>
    check(Number.isInteger(value) && value >= min && value <= max, `a field is ${value}`);
  const MAX_UINT32 = 2 ** 32 - 1;
  if ('lane' in message) {
    uint(message.lane, 255);
    uint(message.id, MAX_UINT32, 1);
  }
  if ('stream' in message) uint(message.stream, MAX_UINT32);
  if ('offset' in message) uint(message.offset, MAX_UINT32);
  if ('code' in message) check(/^[a-z][a-z-]{0,31}$/.test(message.code), 'a code is none');
  if ('link' in message) uint(message.link, MAX_UINT32);
  switch (message.type) {
    case MessageType.REQUEST:
      check(/^[a-z][a-z0-9._-]{0,63}$/.test(message.command), 'a command is none');
      check(message.boot.length === 6 && Array.isArray(message.args), 'a REQUEST is none');
      break;
    case MessageType.PART:
      uint(message.count, 57, 2);
      uint(message.index, message.count - 1);
      uint(message.bytes.length, 1152, message.index < message.count - 1 ? 1152 : 1);
      break;
    case StreamMessageType.ASK:
      uint(message.subject.length, 16, 1);
      check(typeof message.subject[0] === 'string', 'a subject is of no kind');
      break;
    case StreamMessageType.STREAM:
      uint(message.bytes.length, MAX_UINT32, 1);
      break;
    case StreamMessageType.ACK: {
      let before = Number.POSITIVE_INFINITY;
      uint(message.ranges.length, 64, 2);
      for (let i = 0; i < message.ranges.length; i += 2) {
        const [first = -1, last = -1] = message.ranges.slice(i, i + 2);
        check(
          first >= 0 && first <= last && last < before - 1,
          'ranges are not in order, or touch each other',
        );
        before = first;
      }
      break;
    }
  }
}
