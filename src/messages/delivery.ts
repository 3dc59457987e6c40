/** Bringing messages to a peer that can be asked, and fetching those that it keeps for us. */
import { UdpToolError } from '../errors.ts';
import type { RemotePeer, RequestOptions } from '../remote-peer.ts';
import type { CborValue } from '../wire/cbor.ts';
import { partsOf } from './commands.ts';
import { MESSAGE_ID, type Message } from './message.ts';
import type { MessageStore } from './message-store.ts';

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
  for (;;) {
    const waiting = await store.waiting(peer.publicKey);
    if (waiting.length === 0) return;
    for (const message of waiting) {
      await bring(peer, message, options);
      await store.settled(message);
      onDelivered(message);
    }
  }
}

async function bring(peer: Correspondent, message: Message, options: RequestOptions): Promise<void> {
  const parts = partsOf(message.text);
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
  for (;;) {
    const { value } = await peer.request('mail', [received, waitS], {
      timeoutMs: timeoutMs + waitS * 1000,
      ...(signal && { signal }),
    });
    if (value === null) return count;
    const message = readMail(peer, value);
    // On our disk before the peer is told that it may forget it.
    if ((await store.receive(message)) === 'new') count++;
    received = message.id;
  }
}

/** What a peer says is checked, though it is trusted. */
function readMail(peer: Correspondent, value: CborValue): Message {
  const { id, at, text } = (value ?? {}) as { readonly [key: string]: CborValue };
  if (typeof id !== 'string' || !MESSAGE_ID.test(id) || typeof at !== 'number' || typeof text !== 'string') {
    throw new UdpToolError('failed', `"${peer.name}" keeps a message that makes no sense.`);
  }
  return { id, peer: peer.publicKey, text, writtenAt: at };
}
