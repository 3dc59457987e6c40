/** What waits becomes datagrams: the messages of one session together, in as few as fit (PROTOCOL §7). */
import { countFitting, maxMessageBytes, packEnvelope } from '../wire/envelope.ts';
import { encodeMessage, MessageType } from '../wire/messages.ts';
import type { Address, Transmit } from './address.ts';
import { DATA_CAPACITY, DATA_OVERHEAD_BYTES, RELAY_CAPACITY } from './handshake-datagrams.ts';
import type { Session } from './session.ts';

export class Sender {
  /** Names this client: what every OPEN says first. */
  readonly #instanceMessage: Uint8Array;
  /** Each once: `session.queued` tells. */
  #queued: Session[] = [];
  #transmits: Transmit[] = [];
  #waitingBytes = 0;

  constructor(instanceMessage: Uint8Array) {
    this.#instanceMessage = instanceMessage;
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

  /** A datagram that is made already. */
  push(transmit: Transmit): void {
    this.#transmits.push(transmit);
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
    const datagram = session.seal(envelope);
    this.#transmits.push({ datagram, to });
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
