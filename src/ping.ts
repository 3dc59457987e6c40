/** Round trips to a peer, authenticated ones: that it answers shows that it has its key and trusts this machine. */
import { setTimeout as delay } from 'node:timers/promises';
import { ask } from './ask.ts';
import { ping } from './commands/index.ts';
import { type ErrorCode, UdpToolError } from './errors.ts';
import { type RemotePeer, RequestError } from './remote-peer.ts';
import { MAX_DATAGRAM_BYTES } from './wire/header.ts';

export interface PingOptions {
  /** How many; 5 if not given. A large one follows them, where any was answered. */
  readonly count?: number;
  /** From the start of one to the start of the next, in milliseconds; 1,000 if not given. */
  readonly intervalMs?: number;
  /** How long each is waited for, in milliseconds; 5,000 if not given. */
  readonly timeoutMs?: number;
  /** Ends it early, with the summary of what there was until then. */
  readonly signal?: AbortSignal;
}

/** What became of one of them. */
export interface Ping {
  /** From 1 on. */
  readonly number: number;
  /** Whether its request, and with it the answer, was as large as a request gets. */
  readonly large: boolean;
  /** From the first try to the answer; null where there was none. */
  readonly roundTripMs: number | null;
  readonly tries: number;
  /** Why there was no answer. */
  readonly error?: UdpToolError;
}

/** Of all but the large one. */
export interface PingSummary {
  readonly sent: number;
  readonly answered: number;
  /** Datagrams: each try that had to be repeated, and the last one of what was never answered. */
  readonly lost: number;
  /** In milliseconds, of those answered at the first try: of others it is not known which try was answered (Karn). */
  readonly roundTripMs: { readonly min: number; readonly median: number; readonly max: number } | null;
  /** The mean difference of successive round trips, in milliseconds: much as in RFC 3550, but not smoothed. */
  readonly jitterMs: number | null;
  /** Bytes of the largest datagram that came through each way: the two that begin the handshake. */
  readonly largestDatagram: { readonly sent: number; readonly received: number } | null;
}

interface Attempt {
  readonly number: number;
  readonly large: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

const DEFAULTS = { count: 5, intervalMs: 1_000, timeoutMs: 5_000 };
/** As many characters as make request and answer reach into the last block of padding that a request may have. */
const LARGE_DATA = '.'.repeat(1024);
/** What may be otherwise at the next ping. */
const UNANSWERED: readonly ErrorCode[] = [
  'no-answer',
  'port-closed',
  'no-route',
  'no-permission',
  'name-not-found',
];

/**
 * Pings the peer, one after the other; the summary comes last.
 * @throws UdpToolError `no-address`, `closed`
 */
export async function* pingPeer(
  peer: RemotePeer,
  options: PingOptions = {},
): AsyncGenerator<Ping | PingSummary, void> {
  const { count, intervalMs, timeoutMs, signal } = { ...DEFAULTS, ...options };
  const pings: Ping[] = [];
  const startedAt = performance.now();
  for (let number = 1; number <= count; number++) {
    const one = await pingOnce(peer, { number, large: false, timeoutMs, signal });
    if (one === null) break;
    pings.push(one);
    yield one;
    const pauseMs = startedAt + number * intervalMs - performance.now();
    if (number < count) await delay(Math.max(0, pauseMs), null, { signal }).catch(() => {}); // the next one sees the signal
  }
  if (pings.some(isAnswered)) {
    const last = await pingOnce(peer, { number: pings.length + 1, large: true, timeoutMs, signal });
    if (last !== null) yield last;
  }
  yield summaryOf(pings);
}

/** Null when the signal ended it. An error that the peer answers with is an answer too. */
async function pingOnce(
  peer: RemotePeer,
  { number, large, timeoutMs, signal }: Attempt,
): Promise<Ping | null> {
  const args = large ? [LARGE_DATA] : [];
  try {
    const answer = await ask({ peer, command: ping.name, args, timeoutMs, ...(signal && { signal }) });
    return { number, large, roundTripMs: rounded(answer.roundTripMs), tries: answer.tries };
  } catch (error) {
    if (!(error instanceof UdpToolError)) throw error;
    const { roundTripMs, tries } = error instanceof RequestError ? error : { roundTripMs: null, tries: 0 };
    if (roundTripMs !== null) return { number, large, roundTripMs: rounded(roundTripMs), tries };
    if (signal?.aborted) return null;
    if (UNANSWERED.includes(error.code)) return { number, large, roundTripMs, tries, error };
    throw error;
  }
}

function isAnswered({ roundTripMs }: Ping): boolean {
  return roundTripMs !== null;
}

function summaryOf(pings: readonly Ping[]): PingSummary {
  const answered = pings.filter(isAnswered).length;
  const clean = pings.filter(({ tries }) => tries === 1).flatMap(({ roundTripMs }) => roundTripMs ?? []);
  const lost = pings.map((one) => (isAnswered(one) ? one.tries - 1 : Math.max(1, one.tries)));
  const steps = clean.slice(1).map((ms, i) => Math.abs(ms - (clean[i] as number)));
  return {
    sent: pings.length,
    answered,
    lost: sum(lost),
    roundTripMs: clean.length === 0 ? null : spread(clean),
    jitterMs: steps.length === 0 ? null : rounded(sum(steps) / steps.length),
    largestDatagram: answered === 0 ? null : { sent: MAX_DATAGRAM_BYTES, received: MAX_DATAGRAM_BYTES },
  };
}

function spread(values: readonly number[]): { min: number; median: number; max: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (i: number): number => sorted[i] as number;
  const [low, high] = [(sorted.length - 1) >> 1, sorted.length >> 1];
  return { min: at(0), median: rounded((at(low) + at(high)) / 2), max: at(sorted.length - 1) };
}

/** To the microsecond, which is what the clock has. */
function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
