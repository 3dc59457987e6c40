/** Bringing messages to a peer that can be asked, and fetching those that it keeps for us. */
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { UdpToolError } from '../errors.ts';
import type { RemotePeer, RequestOptions } from '../remote-peer.ts';
import type { CborValue } from '../wire/cbor.ts';
import { partsOf } from './commands.ts';
import { isText, isTime, MESSAGE_ID, type Message } from './message.ts';
import { MAX_WAITING, type MessageStore } from './message-store.ts';

/** What a peer is to us here. */
export type Correspondent = Pick<RemotePeer, 'name' | 'publicKey' | 'request'>;

/** A receiver that restarts between two parts has lost those before. */
const MAX_ROUNDS = 3;

/**
 * Brings a peer what waits for it, in order, until nothing does. Whatever happens on the way, and whoever else does the
 * same at the same time, each message arrives once: the peer knows those that it has.
 * @param onDelivered called after the peer has it, and it waits no longer
 * @throws UdpToolError as a request does; what was not acknowledged still waits
 */
export async function deliver(
  peer: Correspondent,
  store: MessageStore,
  options: RequestOptions,
  onDelivered: (message: Message) => void = () => {},
): Promise<void> {
  for (let message = await store.firstWaiting(peer.publicKey); message !== undefined; ) {
    await bring(peer, message, options);
    await store.settled(message);
    onDelivered(message);
    message = await store.firstWaiting(peer.publicKey);
  }
}

async function bring(
  peer: Correspondent,
  message: Message,
  { signal, ...rest }: RequestOptions,
): Promise<void> {
  const parts = partsOf(message.text);
  // A signal of their own, on which many requests may wait without a warning.
  const own = signal === undefined ? undefined : AbortSignal.any([signal]);
  if (own !== undefined) setMaxListeners(parts.length + 1, own);
  const options = { ...rest, ...(own && { signal: own }) };
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const answers = await Promise.all(
      parts.map((text, i) =>
        peer.request('msg', [message.id, message.writtenAt, text, i + 1, parts.length], options),
      ),
    );
    if (answers.some(({ value }) => value === 'new' || value === 'known')) return;
  }
  throw new UdpToolError('failed', `"${peer.name}" does not say that it has the message.`);
}

/**
 * Fetches what a peer keeps for us into the inbox, in order.
 * @param waitS how long the peer is to wait for one; 0 takes what is there
 * @returns how many were new
 * @throws UdpToolError as a request does
 */
export async function fetchMail(
  peer: Correspondent,
  store: MessageStore,
  waitS: number,
  { timeoutMs = 5_000, signal }: RequestOptions,
): Promise<number> {
  let received: string | undefined;
  let count = 0;
  for (let i = 0; i <= MAX_WAITING; i++) {
    const { value } = await peer.request('mail', [received, waitS], {
      timeoutMs: timeoutMs + waitS * 1000,
      ...(signal && { signal }),
    });
    if (value === null) return count;
    const message = readMail(peer, value);
    if (message.id === received) break;
    // On our disk before the peer is told that it may forget it.
    if ((await store.receive(message)) === 'new') count++;
    received = message.id;
  }
  throw new UdpToolError('failed', `"${peer.name}" hands out the same messages again and again.`);
}

/** How long a peer is asked to wait for a message. */
const MAIL_WAIT_S = 20;
const ASK_AGAIN_MS = 2_000;

/**
 * Fetches what a peer keeps for us, and what comes to be kept, until the signal aborts.
 * @param onPresence told whether it answers, at first and when that changes
 * @throws UdpToolError `unknown-command` where it keeps none for us
 */
export async function keepFetching(
  peer: Correspondent,
  store: MessageStore,
  signal: AbortSignal,
  onPresence: (isHere: boolean) => void = () => {},
): Promise<void> {
  let isHere: boolean | null = null;
  const tell = (now: boolean): void => {
    if (isHere !== now) onPresence(now);
    isHere = now;
  };
  while (!signal.aborted) {
    const askedAt = performance.now();
    try {
      // At first without waiting, so that it is known soon whether it is there.
      await fetchMail(peer, store, isHere === true ? MAIL_WAIT_S : 0, { signal });
      tell(true);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof UdpToolError) || error.code === 'unknown-command') throw error;
      tell(false);
    }
    // Neither where it does not answer, nor where another of our processes asks it too, which ends our wait.
    const wasShort = performance.now() - askedAt < ASK_AGAIN_MS;
    if (wasShort) await delay(ASK_AGAIN_MS, undefined, { signal }).catch(() => {});
  }
}

/** What a peer says is checked, though it is trusted. */
function readMail(peer: Correspondent, value: CborValue): Message {
  const { id, at, text } = (value ?? {}) as { readonly [key: string]: CborValue };
  if (
    typeof id !== 'string' ||
    !MESSAGE_ID.test(id) ||
    typeof at !== 'number' ||
    !isTime(at) ||
    typeof text !== 'string' ||
    !isText(text)
  ) {
    throw new UdpToolError('failed', `"${peer.name}" keeps a message that makes no sense.`);
  }
  return { id, peer: peer.publicKey, text, writtenAt: at };
}
