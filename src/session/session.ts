/** One session: two keys, two counters, a replay window, and what waits to be sent (PROTOCOL §6). */
import { toHex } from '../bytes.ts';
import { openWithin } from '../crypto/box.ts';
import { maxMessageBytes, unpackEnvelope, unpackPiece } from '../wire/envelope.ts';
import { COUNTER_LIMIT, MAX_BULK_DATAGRAM_BYTES } from '../wire/header.ts';
import type { Message } from '../wire/messages.ts';
import { type Address, isRelayAddress } from './address.ts';
import {
  INITIATOR_IDLE_MS,
  REKEY_AFTER_DATAGRAMS,
  REKEY_AFTER_MS,
  SESSION_IDLE_MS,
  SESSION_LIFETIME_MS,
} from './constants.ts';
import type { DropReason } from './drop-reason.ts';
import { DATA_CAPACITY, OPEN_CAPACITY, type OpenPrefix, sealData, sealOpen } from './handshake-datagrams.ts';
import { Outbox } from './outbox.ts';
import type { Paths } from './paths.ts';
import type { Peer } from './peer.ts';
import { ReplayWindow } from './replay-window.ts';

/** [18, link, datagram] around it, in one datagram of the ordinary length. */
const RELAY_HEAD_BYTES = 1 + 1 + 5 + 3;
const MAX_RELAYED_BYTES = maxMessageBytes(DATA_CAPACITY) - RELAY_HEAD_BYTES;

export interface SessionOptions {
  readonly peer: Peer;
  /** The receiver field of what arrives. */
  readonly localId: bigint;
  /** The receiver field of what is sent. */
  readonly remoteId: Uint8Array;
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  readonly now: number;
}

/** What both roles share. */
abstract class SessionBase {
  readonly peer: Peer;
  readonly localId: bigint;
  readonly outbox = new Outbox();
  /** Whether the sender has it among those with something to send. */
  queued = false;
  /** Whether every datagram is told of, since some are acknowledged. */
  hasStreams = false;
  readonly createdAt: number;
  /** Refused from then on, both ways. */
  expiresAt: number;
  protected readonly remoteId: Uint8Array;
  readonly #sendKey: Uint8Array;
  readonly #receiveKey: Uint8Array;
  readonly #window = new ReplayWindow();
  readonly #idleMs: number;
  #nextCounter = 0;
  #lastReceivedAt: number;

  protected constructor(options: SessionOptions, idleMs: number) {
    this.peer = options.peer;
    this.localId = options.localId;
    this.remoteId = options.remoteId;
    this.#sendKey = options.sendKey;
    this.#receiveKey = options.receiveKey;
    this.createdAt = options.now;
    this.expiresAt = options.now + SESSION_LIFETIME_MS;
    this.#idleMs = idleMs;
    this.#lastReceivedAt = options.now;
  }

  /** Datagrams sent so far. */
  get sent(): number {
    return this.#nextCounter;
  }

  /** Where it sends what answers nothing. */
  abstract get remote(): Address;

  /** No relay is between: datagrams go to an address of the peer's. */
  get isDirect(): boolean {
    return !isRelayAddress(this.remote);
  }

  /**
   * Longest datagram of streams. Through a relay it is one that fragments nowhere with what the relay puts around it;
   * messages of requests may make longer ones.
   */
  get maxDatagramBytes(): number {
    return this.isDirect ? MAX_BULK_DATAGRAM_BYTES : MAX_RELAYED_BYTES;
  }

  isAlive(now: number): boolean {
    return now < this.expiresAt && now - this.#lastReceivedAt < this.#idleMs && this.sent < COUNTER_LIMIT;
  }

  idleSince(): number {
    return this.#lastReceivedAt;
  }

  /**
   * Opens a datagram whose box begins at `boxOffset`. Nothing of the session changes unless it is authentic.
   * @returns the messages and whether its counter was above all seen, or why it is dropped
   */
  receive(
    datagram: Uint8Array,
    boxOffset: number,
    counter: number,
    now: number,
  ): { ok: true; messages: Message[]; newest: boolean } | { ok: false; reason: DropReason } {
    if (!this.isAlive(now)) return { ok: false, reason: 'expired' };
    if (!this.#window.check(counter)) return { ok: false, reason: 'replayed' };
    const plaintext = openWithin(datagram, boxOffset, this.#receiveKey);
    if (plaintext === null) return { ok: false, reason: 'bad-box' };
    const newest = counter > this.#window.last;
    this.#window.commit(counter);
    this.#lastReceivedAt = now;
    const piece = unpackPiece(plaintext);
    if (piece !== null) return { ok: true, messages: [piece], newest };
    const messages = unpackEnvelope(plaintext);
    plaintext.fill(0);
    return messages === null ? { ok: false, reason: 'bad-envelope' } : { ok: true, messages, newest };
  }

  wipe(): void {
    this.#sendKey.fill(0);
    this.#receiveKey.fill(0);
    this.expiresAt = 0;
    this.outbox.clear();
  }

  /** Longest plaintext of the next envelope. */
  abstract get capacity(): number;
  protected abstract sealEnvelope(envelope: Uint8Array, counter: number, key: Uint8Array): Uint8Array;

  /** The next datagram, of an envelope of at most {@link capacity} bytes, which is wiped. */
  seal(envelope: Uint8Array): Uint8Array {
    const datagram = this.sealEnvelope(envelope, this.#nextCounter++, this.#sendKey);
    envelope.fill(0);
    return datagram;
  }
}

/** The side that sent HELLO. It sends OPEN until something of the responder's has opened, then DATA. */
export class InitiatorSession extends SessionBase {
  readonly role = 'initiator';
  readonly address: Address;
  /** When its HELLO was made. */
  readonly begunAt: number;
  /** The responder's boot id. */
  readonly boot: Uint8Array;
  /** From HELLO to CHALLENGE, if HELLO was sent once; it counts once the session is confirmed. */
  handshakeRtt: number | null = null;
  readonly #rekeyAt: number;
  #openPrefix: OpenPrefix | null;

  /** @param jitter in [0, 1): spreads the rekeying of many sessions */
  constructor(
    options: SessionOptions & {
      address: Address;
      begunAt: number;
      boot: Uint8Array;
      openPrefix: OpenPrefix;
      jitter: number;
    },
  ) {
    super(options, INITIATOR_IDLE_MS);
    this.address = options.address;
    this.begunAt = options.begunAt;
    this.boot = options.boot;
    this.#openPrefix = options.openPrefix;
    this.#rekeyAt = options.now + REKEY_AFTER_MS * (1 - 0.1 * options.jitter);
  }

  get remote(): Address {
    return this.address;
  }

  /** Tells the process at the other side from others of that peer. */
  get process(): bigint {
    // Below zero, where no client's instance is.
    return -1n - BigInt(`0x${toHex(this.boot)}`);
  }

  get confirmed(): boolean {
    return this.#openPrefix === null;
  }

  confirm(): void {
    this.#openPrefix?.openKey.fill(0);
    this.#openPrefix = null;
  }

  rekeyDue(now: number): boolean {
    return now >= this.#rekeyAt || this.sent >= REKEY_AFTER_DATAGRAMS;
  }

  get capacity(): number {
    return this.confirmed ? DATA_CAPACITY : OPEN_CAPACITY;
  }

  protected sealEnvelope(envelope: Uint8Array, counter: number, key: Uint8Array): Uint8Array {
    return this.#openPrefix === null
      ? sealData(this.remoteId, counter, envelope, key)
      : sealOpen(this.#openPrefix, this.remoteId, counter, envelope, key);
  }

  override wipe(): void {
    super.wipe();
    this.confirm();
  }
}

/** The side that answered HELLO. */
export class ResponderSession extends SessionBase {
  readonly role = 'responder';
  readonly paths: Paths;
  /** The client that this session carries requests of; set by its OPEN. */
  instance = 0n;

  constructor(options: SessionOptions & { paths: Paths }) {
    super(options, SESSION_IDLE_MS);
    this.paths = options.paths;
  }

  get remote(): Address {
    return this.paths.current;
  }

  /** Tells the process at the other side from others of that peer. */
  get process(): bigint {
    return this.instance;
  }

  get capacity(): number {
    return DATA_CAPACITY;
  }

  protected sealEnvelope(envelope: Uint8Array, counter: number, key: Uint8Array): Uint8Array {
    return sealData(this.remoteId, counter, envelope, key);
  }
}

export type Session = InitiatorSession | ResponderSession;
