/** What the processes of a worker group say to each other, over the channel that fork opens between them. */
import { type ErrorCode, UdpToolError } from '../errors.ts';
import type { Address } from '../session/address.ts';

/** A datagram that the kernel gave to another worker than its session's. */
export interface Stray {
  readonly type: 'stray';
  /** Whose it is. */
  readonly owner: number;
  readonly datagram: Uint8Array;
  readonly from: Address;
}

export type FromWorker =
  /** It listens to its channel. */
  | { readonly type: 'here' }
  /** It serves. */
  | { readonly type: 'up'; readonly addresses: readonly Address[] }
  /** It cannot start. */
  | { readonly type: 'failed'; readonly error: UdpToolError }
  | Stray
  /** For the program above. */
  | { readonly type: 'report'; readonly report: unknown };

export interface Seat {
  readonly type: 'seat';
  readonly key: Uint8Array;
  readonly number: number;
  readonly count: number;
  readonly port: number;
  readonly ip: string | undefined;
}

export type ToWorker = Seat | Stray | { readonly type: 'reload' | 'stop' };

export const GROUP_KEY_BYTES = 32;

export function readFromWorker(message: unknown): FromWorker | null {
  if (!isRecord(message)) return null;
  switch (message['type']) {
    case 'here':
      return { type: 'here' };
    case 'up': {
      const addresses = Array.isArray(message['addresses']) ? message['addresses'].map(readAddress) : [null];
      return addresses.every((address) => address !== null) ? { type: 'up', addresses } : null;
    }
    case 'failed':
      return { type: 'failed', error: readError(message['error']) };
    case 'stray':
      return readStray(message);
    case 'report':
      return { type: 'report', report: message['report'] };
    default:
      return null;
  }
}

export function readToWorker(message: unknown): ToWorker | null {
  if (!isRecord(message)) return null;
  switch (message['type']) {
    case 'seat':
      return readSeat(message);
    case 'stray':
      return readStray(message);
    case 'reload':
    case 'stop':
      return { type: message['type'] };
    default:
      return null;
  }
}

function readSeat({ key, number, count, port, ip }: Record<string, unknown>): Seat | null {
  if (!(key instanceof Uint8Array) || key.length !== GROUP_KEY_BYTES) return null;
  if (!isNatural(number) || !isNatural(count) || !isNatural(port)) return null;
  if (ip !== undefined && typeof ip !== 'string') return null;
  return { type: 'seat', key, number, count, port, ip };
}

function readStray({ owner, datagram, from }: Record<string, unknown>): Stray | null {
  const address = readAddress(from);
  if (!isNatural(owner) || !(datagram instanceof Uint8Array) || address === null) return null;
  return { type: 'stray', owner, datagram, from: address };
}

function readAddress(value: unknown): Address | null {
  if (!isRecord(value)) return null;
  const { ip, port } = value;
  return typeof ip === 'string' && isNatural(port) && port <= 65_535 ? { ip, port } : null;
}

/** Those with which an endpoint may fail to start. */
const START_ERRORS: readonly ErrorCode[] = [
  'bad-usage',
  'bad-key',
  'key-missing',
  'key-unsafe',
  'bad-peer-book',
  'port-in-use',
  'no-permission',
];

function readError(value: unknown): UdpToolError {
  const { code, message, hint } = isRecord(value) ? value : {};
  return new UdpToolError(
    START_ERRORS.find((known) => known === code) ?? 'failed',
    typeof message === 'string' ? message : 'A worker cannot start.',
    typeof hint === 'string' ? { hint } : {},
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isNatural(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
