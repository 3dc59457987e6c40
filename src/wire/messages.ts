/** What an envelope carries: CBOR arrays whose first element is a type (PROTOCOL §8). */
import { utf8 } from '../bytes.ts';
import { type CborValue, encodeCbor, encodeTrusted, MAX_DEPTH } from './cbor.ts';
import { beginArray, endArray, putAscii, putBytes, putUint } from './cbor-heads.ts';
import { MAX_DATAGRAM_BYTES } from './header.ts';
import { parseStreamMessage, type StreamMessage } from './stream-messages.ts';

export const MessageType = {
  PING: 0,
  PONG: 1,
  CLOSE: 2,
  PATH_CHALLENGE: 3,
  PATH_RESPONSE: 4,
  REQUEST: 5,
  RESPONSE: 6,
  ERROR: 7,
  PENDING: 8,
  PART: 9,
  MORE: 10,
  INSTANCE: 11,
  RELAY: 18,
} as const;

export const INSTANCE_BYTES = 8;
export const BOOT_BYTES = 6;
export const PATH_DATA_BYTES = 8;
/** Numberings of requests that one client instance may use beside each other (PROTOCOL §9.2). */
export const MAX_LANES = 256;
/** Bytes of a large answer in one PART: with everything around it, one full datagram. */
export const PART_BYTES = 1152;
/** The largest answer, encoded (PROTOCOL §8.5). */
export const MAX_ANSWER_BYTES = 65_536;
export const MAX_PARTS: number = Math.ceil(MAX_ANSWER_BYTES / PART_BYTES);
/** A bit for each part, first part first, most significant bit first. */
export const HAVE_BYTES: number = Math.ceil(MAX_PARTS / 8);
const MAX_UINT32 = 2 ** 32 - 1;
/** A command's name: what a person can type and no terminal interprets. */
export const COMMAND_NAME: RegExp = /^[a-z][a-z0-9._-]{0,63}$/;
const ERROR_CODE = /^[a-z][a-z-]{0,31}$/;
/** Bytes of UTF-8 in the text of an ERROR. */
const MAX_ERROR_TEXT_BYTES = 512;

/** Names a request among those of one client instance: the lane that numbers it, and its number. */
export interface RequestRef {
  readonly lane: number;
  readonly id: number;
}

export interface Request extends RequestRef {
  readonly type: typeof MessageType.REQUEST;
  /** The boot id of the responder under which it was first sent. */
  readonly boot: Uint8Array;
  readonly command: string;
  readonly args: readonly CborValue[];
}

interface Response extends RequestRef {
  readonly type: typeof MessageType.RESPONSE;
  readonly value: CborValue;
}

export interface ErrorResponse extends RequestRef {
  readonly type: typeof MessageType.ERROR;
  readonly code: string;
  readonly text: string;
}

export interface Part extends RequestRef {
  readonly type: typeof MessageType.PART;
  readonly index: number;
  readonly count: number;
  readonly bytes: Uint8Array;
}

/** A datagram of another session, sealed for somebody else (PROTOCOL §10.4). */
export interface Relay {
  readonly type: typeof MessageType.RELAY;
  /** Which of the relay's links it goes over. */
  readonly link: number;
  readonly datagram: Uint8Array;
}

export interface More extends RequestRef {
  readonly type: typeof MessageType.MORE;
  readonly have: Uint8Array;
}

/** What {@link encodeMessage} takes; messages of streams are encoded by themselves. */
export type PlainMessage =
  | { readonly type: typeof MessageType.PING | typeof MessageType.PONG; readonly number: number }
  | { readonly type: typeof MessageType.CLOSE }
  | { readonly type: typeof MessageType.INSTANCE; readonly instance: Uint8Array }
  | {
      readonly type: typeof MessageType.PATH_CHALLENGE | typeof MessageType.PATH_RESPONSE;
      readonly data: Uint8Array;
    }
  | Request
  | Response
  | ErrorResponse
  | ({ readonly type: typeof MessageType.PENDING } & RequestRef)
  | Part
  | More
  | Relay;

export type Message = PlainMessage | StreamMessage;

/** Encodes a message; only a response's value and a request's arguments can make it throw `not-cbor`. */
export function encodeMessage(message: PlainMessage): Uint8Array {
  const { type } = message;
  switch (type) {
    case MessageType.PING:
    case MessageType.PONG:
      return encodeTrusted([type, message.number]);
    case MessageType.CLOSE:
      return encodeTrusted([type]);
    case MessageType.INSTANCE:
      return encodeTrusted([type, message.instance]);
    case MessageType.PATH_CHALLENGE:
    case MessageType.PATH_RESPONSE:
      return encodeTrusted([type, message.data]);
    case MessageType.REQUEST:
      return encodeRequest(message);
    case MessageType.RESPONSE:
      return encodeResponse(message, encodeCbor(message.value, MESSAGE_DEPTH));
    case MessageType.ERROR:
      return encodeTrusted([type, message.lane, message.id, message.code, truncateText(message.text)]);
    case MessageType.PENDING:
      return encodeTrusted([type, message.lane, message.id]);
    case MessageType.PART:
      return encodeTrusted([type, message.lane, message.id, message.index, message.count, message.bytes]);
    case MessageType.MORE:
      return encodeTrusted([type, message.lane, message.id, message.have]);
    case MessageType.RELAY:
      return encodeTrusted([type, message.link, message.datagram]);
  }
}

function encodeRequest({ type, lane, id, boot, command, args }: Request): Uint8Array {
  const encodedArgs = args.length === 0 ? EMPTY_ARRAY : encodeCbor(args, MESSAGE_DEPTH);
  beginArray(6);
  putUint(type);
  putUint(lane);
  putUint(id);
  putBytes(boot);
  putAscii(command);
  return endArray(encodedArgs);
}

/** A RESPONSE whose value is encoded already. */
export function encodeResponse({ lane, id }: RequestRef, encodedValue: Uint8Array): Uint8Array {
  beginArray(4);
  putUint(MessageType.RESPONSE);
  putUint(lane);
  putUint(id);
  return endArray(encodedValue);
}

const EMPTY_ARRAY = Uint8Array.of(0x80);

/** The envelope's own array, and the message's in it. */
const MESSAGE_DEPTH = 2;
/** What is left of the depth for the value of an answer that travels in parts, by itself. */
export const ANSWER_DEPTH: number = MAX_DEPTH - MESSAGE_DEPTH;

/** The message in a decoded array, or null for a shape that is none. */
export function parseMessage(value: CborValue): Message | null {
  if (!Array.isArray(value)) return null;
  const [type, ...fields] = value as readonly CborValue[];
  switch (type) {
    case MessageType.PING:
    case MessageType.PONG:
      return fields.length === 1 && isUint32(fields[0]) ? { type, number: fields[0] } : null;
    case MessageType.CLOSE:
      return fields.length === 0 ? { type } : null;
    case MessageType.INSTANCE:
      return fields.length === 1 && isBytes(fields[0], INSTANCE_BYTES) ? { type, instance: fields[0] } : null;
    case MessageType.PATH_CHALLENGE:
    case MessageType.PATH_RESPONSE:
      return fields.length === 1 && isBytes(fields[0], PATH_DATA_BYTES) ? { type, data: fields[0] } : null;
    case MessageType.RELAY: {
      const [link, datagram] = fields;
      if (fields.length !== 2 || !isUint32(link) || !(datagram instanceof Uint8Array)) return null;
      return datagram.length <= MAX_DATAGRAM_BYTES ? { type, link, datagram } : null;
    }
    case MessageType.REQUEST:
    case MessageType.RESPONSE:
    case MessageType.ERROR:
    case MessageType.PENDING:
    case MessageType.PART:
    case MessageType.MORE:
      return parseRequestMessage(type, fields);
    default:
      return parseStreamMessage(type, fields);
  }
}

function parseRequestMessage(type: CborValue, fields: readonly CborValue[]): Message | null {
  const [lane, id, ...rest] = fields;
  if (!isUint32(lane) || lane >= MAX_LANES || !isUint32(id) || id === 0) return null;
  switch (type) {
    case MessageType.REQUEST: {
      const [boot, command, args] = rest;
      if (rest.length !== 3 || !isBytes(boot, BOOT_BYTES) || !Array.isArray(args)) return null;
      if (typeof command !== 'string' || !COMMAND_NAME.test(command)) return null;
      return { type, lane, id, boot, command, args: args as readonly CborValue[] };
    }
    case MessageType.RESPONSE:
      return rest.length === 1 ? { type, lane, id, value: rest[0] } : null;
    case MessageType.ERROR: {
      const [code, text] = rest;
      if (rest.length !== 2 || typeof code !== 'string' || !ERROR_CODE.test(code)) return null;
      if (typeof text !== 'string' || utf8(text).length > MAX_ERROR_TEXT_BYTES) return null;
      return { type, lane, id, code, text };
    }
    case MessageType.PENDING:
      return rest.length === 0 ? { type, lane, id } : null;
    case MessageType.PART: {
      const [index, count, bytes] = rest;
      if (rest.length !== 3 || !isUint32(index) || !isUint32(count) || !(bytes instanceof Uint8Array))
        return null;
      if (count < 2 || count > MAX_PARTS || index >= count) return null;
      // Every part but the last is full, so a part's place follows from its index.
      const full = bytes.length === PART_BYTES;
      if (index < count - 1 ? !full : bytes.length === 0 || bytes.length > PART_BYTES) return null;
      return { type, lane, id, index, count, bytes };
    }
    case MessageType.MORE: {
      const [have] = rest;
      return rest.length === 1 && isBytes(have, HAVE_BYTES) ? { type, lane, id, have } : null;
    }
    default:
      return null;
  }
}

function isUint32(value: CborValue): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_UINT32;
}

function isBytes(value: CborValue, length: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === length;
}

/** As the strict profile has text, and at most {@link MAX_ERROR_TEXT_BYTES} long, cut between characters. */
function truncateText(text: string): string {
  const bytes = utf8(text.slice(0, MAX_ERROR_TEXT_BYTES).replace(/^\ufeff+/, ''));
  let end = Math.min(bytes.length, MAX_ERROR_TEXT_BYTES);
  if (end < bytes.length) while (((bytes[end] as number) & 0xc0) === 0x80) end--;
  return new TextDecoder().decode(bytes.subarray(0, end));
}
