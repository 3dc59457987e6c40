/** Messages as a person reads them: by PROTOCOL's names, in short texts and numbers, and without any secret. */
import { diagnostic } from './diagnostic.ts';
import { type Message, MessageType } from './messages.ts';
import { StreamMessageType } from './stream-messages.ts';

/** A message that was in a datagram, small and fit for JSON whatever it held. */
export interface SeenMessage {
  /** As PROTOCOL §8 has it: `REQUEST`. */
  readonly name: string;
  /**
   * By its names there. What may be any value is in CBOR's diagnostic notation, cut; `bytes` and `datagram` are the
   * length of what is not shown, and `have` is how many parts there are.
   */
  readonly fields: Readonly<Record<string, string | number>>;
}

/** Characters of a value or text. */
const MAX_VALUE_LENGTH = 256;
const MAX_SHOWN_RANGES = 8;

const NAMES = new Map<number, string>(
  Object.entries({ ...MessageType, ...StreamMessageType }).map(([name, type]) => [type, name]),
);

export function describeMessage(message: Message): SeenMessage {
  return { name: NAMES.get(message.type) ?? '', fields: fieldsOf(message) };
}

function fieldsOf(message: Message): SeenMessage['fields'] {
  switch (message.type) {
    case MessageType.PING:
    case MessageType.PONG:
      return { n: message.number };
    // What proves a path or names a client is told to nobody else.
    case MessageType.PATH_CHALLENGE:
    case MessageType.PATH_RESPONSE:
    case MessageType.INSTANCE:
    case MessageType.CLOSE:
      return {};
    case MessageType.REQUEST: {
      const { lane, id, command, args } = message;
      return { lane, id, command, args: diagnostic(args, MAX_VALUE_LENGTH) };
    }
    case MessageType.RESPONSE: {
      const { lane, id, value } = message;
      return { lane, id, value: diagnostic(value, MAX_VALUE_LENGTH) };
    }
    case MessageType.ERROR: {
      const { lane, id, code, text } = message;
      return { lane, id, code, text: diagnostic(text, MAX_VALUE_LENGTH) };
    }
    case MessageType.PENDING:
      return { lane: message.lane, id: message.id };
    case MessageType.PART: {
      const { lane, id, index, count, bytes } = message;
      return { lane, id, index, count, bytes: bytes.length };
    }
    case MessageType.MORE: {
      const { lane, id, have } = message;
      return { lane, id, have: bitsIn(have) };
    }
    case MessageType.RELAY:
      return { link: message.link, datagram: message.datagram.length };
    case StreamMessageType.ACK: {
      const { delayUs, ranges } = message;
      return { largest: ranges[1] ?? 0, delay: delayUs, runs: rangesText(ranges) };
    }
    case StreamMessageType.ASK:
      return { stream: message.stream, subject: diagnostic(message.subject, MAX_VALUE_LENGTH) };
    case StreamMessageType.STREAM:
    case StreamMessageType.LAST: {
      const { stream, offset, bytes } = message;
      return { stream, offset, bytes: bytes.length };
    }
    case StreamMessageType.RESET:
      return { stream: message.stream, code: message.code };
    case StreamMessageType.STOP:
      return { stream: message.stream };
  }
}

function bitsIn(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1;
  return count;
}

/** @param ranges the first and the last of each, the newest first */
function rangesText(ranges: readonly number[]): string {
  const texts: string[] = [];
  for (let i = 0; i < ranges.length && texts.length < MAX_SHOWN_RANGES; i += 2) {
    const [first, last] = [ranges[i], ranges[i + 1]];
    texts.push(first === last ? `${first}` : `${first}-${last}`);
  }
  const more = ranges.length > 2 * MAX_SHOWN_RANGES ? ', …' : '';
  return texts.join(', ') + more;
}
