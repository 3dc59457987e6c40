/** What waits becomes datagrams: the messages of one session together, in as few as fit (PROTOCOL §7). */
import {
  countFitting,
  maxMessageBytes,
  packEnvelope,
  unpackEnvelope,
  unpackPiece,
} from '../wire/envelope.ts';
import { encodeMessage, MessageType } from '../wire/messages.ts';
import type { Address, Transmit } from './address.ts';
import { DATA_CAPACITY, DATA_OVERHEAD_BYTES, RELAY_CAPACITY } from './handshake-datagrams.ts';
import type { Peer } from './peer.ts';
import type { Session } from './session.ts';
import { type Contents, contentsOf, type Tap } from './tap.ts';

export class Sender {
  /** Names this client: what every OPEN says first. */
  readonly #instanceMessage: Uint8Array;
  readonly #tap: Tap | undefined;
  /** Each once: `session.queued` tells. */
  #queued: Session[] = [];
  #transmits: Transmit[] = [];
  #waitingBytes = 0;

  constructor(instanceMessage: Uint8Array, tap: Tap | undefined) {
    this.#instanceMessage = instanceMessage;
    this.#tap = tap;
  }

  /** Bytes of messages put in since the last `drain`, also of sessions that ended meanwhile. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  queue(session: Session, message: Uint8Array, to: Address): void {
    if (session.outbox.push({ message, to })) this.#waitingBytes += message.length;
    this.wants(session);
  }

  /** The session has something to send, if only an OPEN. */
  wants(session: Session): void {
    if (session.queued) return;
    session.queued = true;
    this.#queued.push(session);
  }

  /** A datagram of a handshake, for that peer. */
  push(datagram: Uint8Array, to: Address, peer: Peer | undefined): void {
    const isSeen = this.#tap?.isOpen && peer !== undefined;
    this.#transmits.push({ datagram, to, contents: isSeen ? contentsOf(peer, []) : undefined });
  }

  /** Everything that is to be sent now. */
  drain(now: number): Transmit[] {
    const queued = this.#queued;
    this.#queued = [];
    for (const session of queued) {
      session.queued = false;
      this.#drainOutbox(session, now);
    }
    this.#waitingBytes = 0;
    const transmits = this.#transmits;
    this.#transmits = [];
    return transmits;
  }

  /**
   * One datagram with these messages, which fit into it.
   * @param capacity of its envelope
   * @param count how many messages these are, where some are of several parts
   * @returns its length; 0 where it may not go there
   */
  transmit(
    session: Session,
    messages: readonly Uint8Array[],
    to: Address,
    capacity: number = session.capacity,
    count?: number,
  ): number {
    const envelope = packEnvelope(messages, capacity, count);
    if (session.role === 'responder') {
      // On a path that is not validated, what would be too much is not sent; the peer asks again.
      if (!session.paths.spend(to, envelope.length + DATA_OVERHEAD_BYTES)) return 0;
    }
    const contents = this.#tap?.isOpen ? contentsOfEnvelope(session.peer, envelope) : undefined;
    const datagram = session.seal(envelope);
    this.#transmits.push({ datagram, to, contents });
    return datagram.length;
  }

  #drainOutbox(session: Session, now: number): void {
    const { outbox } = session;
    if (!session.isAlive(now)) {
      outbox.clear();
      return;
    }
    const opening = session.role === 'initiator' && !session.confirmed;
    if (opening && outbox.empty) {
      outbox.push({
        message: encodeMessage({ type: MessageType.PING, number: session.sent }),
        to: session.address,
      });
    }
    const preamble = opening ? [this.#instanceMessage] : [];
    // One byte more: with INSTANCE before them, 23 messages are 24, whose head is longer.
    const capacity = session.capacity - (opening ? this.#instanceMessage.length + 1 : 0);
    for (const { to, messages } of outbox.take()) {
      for (let from = 0; from < messages.length; ) {
        // A message too long for a datagram is refused before it is queued; a RELAY has one of its own.
        const count = Math.max(1, countFitting(messages, from, capacity));
        const isLong = (messages[from] as Uint8Array).length > maxMessageBytes(DATA_CAPACITY);
        const batch = [...preamble, ...messages.slice(from, from + count)];
        this.transmit(session, batch, to, isLong ? RELAY_CAPACITY : session.capacity);
        from += count;
      }
    }
  }
}

/** Of one that is not sealed yet, for sealing wipes it. */
function contentsOfEnvelope(peer: Peer, envelope: Uint8Array): Contents {
  const piece = unpackPiece(envelope);
  return contentsOf(peer, piece === null ? (unpackEnvelope(envelope) ?? []) : [piece]);
}
