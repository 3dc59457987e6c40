/** What a watcher and the watched say to each other, by ordinary requests (PROTOCOL §10.1). */
import { errorForPeer, type UdpToolError } from '../errors.ts';
import type { CborValue } from '../wire/cbor.ts';
import { COMMAND_NAME } from '../wire/messages.ts';

/** Names that begin so are udp-tool's own: not listed, and open to every peer. */
export const RESERVED = 'udp-tool.';
/** Begins to watch: arguments `[interval in ms, command, its arguments]`, answer `id`. */
export const WATCH = 'udp-tool.watch';
/** Asks for the next item: arguments `[id, received up to, received beyond]`, answer an {@link Item} as an array. */
export const NEXT = 'udp-tool.next';
/** Ends a watch: argument `[id]`. */
export const UNWATCH = 'udp-tool.unwatch';

/** Of what goes on underneath, logs tell nothing. */
export const UNLOGGED: readonly string[] = [NEXT, UNWATCH];

/** Items on their way at once, so many that a watcher asks for. */
export const CREDIT = 8;
/** Items without acknowledgement, so many that the watched side keeps: the credit, and as much for what overtook. */
export const MAX_UNACKNOWLEDGED: number = 2 * CREDIT;
/** A poll that nothing came for is answered with nothing after this, so that both know of each other. */
export const HEARTBEAT_MS = 10_000;
/** A watch that nobody polls for so long ends. */
export const FORGOTTEN_AFTER_MS = 3 * HEARTBEAT_MS;

const MIN_INTERVAL_MS = 10;
const MAX_INTERVAL_MS = 86_400_000;

/** What a poll is answered with. */
export type Item =
  | { readonly type: 'nothing' }
  /** There is no such watch: it ended, or the other side restarted. */
  | { readonly type: 'gone' }
  | ({ readonly seq: number; readonly missed: number } & ItemContent);

export type ItemContent =
  | { readonly type: 'value'; readonly value: CborValue }
  | { readonly type: 'error'; readonly code: string; readonly text: string }
  | { readonly type: 'end' };

export type Numbered = Exclude<Item, { type: 'nothing' | 'gone' }>;

export function encodeItem(item: Item): CborValue {
  switch (item.type) {
    case 'nothing':
      return [];
    case 'gone':
      return null;
    case 'value':
      return [item.seq, item.missed, item.value];
    case 'error':
      return [item.seq, item.missed, item.code, item.text];
    case 'end':
      return [item.seq, item.missed];
  }
}

/** Null for what is no item. */
export function parseItem(answer: CborValue): Item | null {
  if (answer === null) return { type: 'gone' };
  if (!Array.isArray(answer)) return null;
  const fields = answer as readonly CborValue[];
  if (fields.length === 0) return { type: 'nothing' };
  const [seq, missed, content, text] = fields;
  if (!isCount(seq) || seq === 0 || !isCount(missed)) return null;
  switch (fields.length) {
    case 2:
      return { type: 'end', seq, missed };
    case 3:
      return { type: 'value', seq, missed, value: content };
    case 4:
      if (typeof content !== 'string' || typeof text !== 'string') return null;
      return { type: 'error', seq, missed, code: content, text };
    default:
      return null;
  }
}

/** The arguments of WATCH. @throws UdpToolError `bad-arguments` */
export function parseWatch(values: readonly CborValue[]): {
  everyMs: number;
  name: string;
  args: CborValue[];
} {
  const [everyMs, name, args] = values;
  const fits =
    values.length === 3 &&
    isCount(everyMs) &&
    (everyMs === 0 || (everyMs >= MIN_INTERVAL_MS && everyMs <= MAX_INTERVAL_MS)) &&
    typeof name === 'string' &&
    COMMAND_NAME.test(name) &&
    Array.isArray(args);
  if (!fits) throw badPoll(WATCH);
  return { everyMs, name, args: [...(args as readonly CborValue[])] };
}

/** The arguments of NEXT. @throws UdpToolError `bad-arguments` */
export function parseNext(values: readonly CborValue[]): { id: number; upTo: number; beyond: number[] } {
  const [id, upTo, beyond] = values;
  const fits =
    values.length === 3 &&
    isCount(id) &&
    isCount(upTo) &&
    Array.isArray(beyond) &&
    beyond.length <= MAX_UNACKNOWLEDGED &&
    beyond.every((seq: CborValue) => isCount(seq) && seq > upTo);
  if (!fits) throw badPoll(NEXT);
  return { id, upTo, beyond: [...(beyond as number[])] };
}

/** The argument of UNWATCH. @throws UdpToolError `bad-arguments` */
export function parseUnwatch(values: readonly CborValue[]): { id: number } {
  const [id] = values;
  if (values.length !== 1 || !isCount(id)) throw badPoll(UNWATCH);
  return { id };
}

function badPoll(command: string): UdpToolError {
  return errorForPeer('bad-arguments', `${command} was asked with arguments that it does not take.`);
}

function isCount(value: CborValue): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
