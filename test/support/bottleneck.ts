/** Flows that share a bottleneck, on a virtual clock: what congestion control is measured with. */
import { type Acknowledgement, ReceivedCounters } from '../../src/streams/recovery/acks.ts';
import type { CongestionController } from '../../src/streams/recovery/congestion-controller.ts';
import { Recovery } from '../../src/streams/recovery/recovery.ts';
import { Prng } from './prng.ts';

const DATAGRAM = 1_232;
const STEP_MS = 0.1;

/** Bytes per millisecond. */
export const mbits = (rate: number): number => (rate * 1e6) / 8 / 1000;

export interface BottleneckOptions {
  /** Bytes per millisecond. */
  readonly rate: number;
  readonly queueBytes: number;
  /** Each way. */
  readonly delayMs: number;
  /** Of datagrams, and of acknowledgements. */
  readonly loss?: number;
  readonly ackLoss?: number;
  /** Each datagram is late by up to so much more, and may overtake. */
  readonly jitterMs?: number;
  /** A receiver looks at what came once in so long. */
  readonly turnMs?: number;
}

export interface FlowOptions {
  readonly controller: CongestionController;
  readonly startAt?: number;
  /** How much it sends; without end if not given. */
  readonly bytes?: number;
}

interface OnTheWay<Item> {
  readonly at: number;
  readonly item: Item;
}

export class Flow {
  readonly controller: CongestionController;
  readonly recovery: Recovery<number>;
  readonly startAt: number;
  /** In bytes, each piece counted once. */
  delivered = 0;
  /** When all of it had come; NaN before. */
  doneAt = Number.NaN;
  readonly sent: { datagrams: number } = { datagrams: 0 };
  readonly received: ReceivedCounters = new ReceivedCounters();
  wakeAt: number;
  nextTurnAt: number;
  toReceiver: OnTheWay<[counter: number, piece: number]>[] = [];
  toSender: OnTheWay<Acknowledgement>[] = [];
  readonly #pieces: number;
  readonly #came: Uint8Array;
  readonly #isAcked: Uint8Array;
  readonly #waits: Uint8Array;
  #fresh = 0;
  #again: number[] = [];
  #counter = 0;

  constructor(options: FlowOptions) {
    this.controller = options.controller;
    this.recovery = new Recovery({ controller: options.controller, maxDatagramBytes: DATAGRAM });
    this.startAt = options.startAt ?? 0;
    this.wakeAt = this.startAt;
    this.nextTurnAt = this.startAt;
    this.#pieces = options.bytes === undefined ? 4_000_000 : Math.ceil(options.bytes / DATAGRAM);
    this.#came = new Uint8Array(this.#pieces);
    this.#isAcked = new Uint8Array(this.#pieces);
    this.#waits = new Uint8Array(this.#pieces);
  }

  onPiece(piece: number, now: number): void {
    if (this.#came[piece] !== 0) return;
    this.#came[piece] = 1;
    this.delivered += DATAGRAM;
    if (this.delivered === this.#pieces * DATAGRAM) this.doneAt = now;
  }

  onAck(ack: Acknowledgement, now: number): void {
    const result = this.recovery.onAck(ack, now);
    if (result === null) throw new Error('an honest ACK was refused');
    for (const piece of result.acked) this.#isAcked[piece] = 1;
    for (const piece of result.lost) this.#repeat(piece);
  }

  onTimer(now: number): void {
    if (now < this.recovery.nextTimeout()) return;
    const { lost, probes } = this.recovery.timeout(now);
    for (const piece of lost) this.#repeat(piece);
    for (const piece of probes) this.#repeat(piece);
  }

  /** A piece may be on its way more than once, since probes repeat it; once is enough, and one copy waits at most. */
  #repeat(piece: number): void {
    if (this.#isAcked[piece] !== 0 || this.#waits[piece] !== 0) return;
    this.#waits[piece] = 1;
    this.#again.push(piece);
  }

  send(now: number, transmit: (counter: number, piece: number) => void): void {
    for (;;) {
      while (this.#isAcked[this.#again[0] ?? this.#pieces] === 1) this.#again.shift();
      const hasMore = this.#again.length > 0 || this.#fresh < this.#pieces;
      if (!hasMore) {
        this.recovery.onApplicationLimited();
        return;
      }
      if (!this.recovery.maySend(DATAGRAM, now)) return;
      const piece = this.#again.shift() ?? this.#fresh++;
      this.#waits[piece] = 0;
      this.recovery.onSent(this.#counter, DATAGRAM, piece, now);
      this.sent.datagrams++;
      transmit(this.#counter++, piece);
    }
  }
}

export class Bottleneck {
  readonly prng: Prng;
  readonly flows: Flow[];
  now = 0;
  /** Dropped since the queue was full. */
  dropped = 0;
  readonly #link: BottleneckOptions;
  #freeAt = 0;

  constructor(seed: number, link: BottleneckOptions, flows: readonly FlowOptions[]) {
    this.prng = new Prng(seed);
    this.#link = link;
    this.flows = flows.map((options) => new Flow(options));
  }

  /** Goes on for so long, or until every flow has all. */
  run(ms: number): void {
    const end = this.now + ms;
    while (this.now < end && !this.flows.every((flow) => flow.doneAt > 0)) {
      this.now += STEP_MS;
      for (const flow of this.flows) this.#step(flow);
    }
  }

  #step(flow: Flow): void {
    const { now } = this;
    if (now < flow.startAt) return;
    if (now >= flow.nextTurnAt) {
      flow.nextTurnAt = now + (this.#link.turnMs ?? 0.5) * (0.5 + this.prng.next());
      for (const [counter, piece] of takeDue(flow.toReceiver, now)) {
        flow.received.add(counter, now);
        flow.onPiece(piece, now);
      }
      const ack = flow.received.ackDueAt <= now ? flow.received.take(now) : null;
      if (ack !== null && !this.prng.chance(this.#link.ackLoss ?? 0))
        flow.toSender.push({ at: now + this.#link.delayMs, item: ack });
    }
    const acks = takeDue(flow.toSender, now);
    for (const ack of acks) flow.onAck(ack, now);
    if (acks.length === 0 && now < flow.wakeAt) return;
    flow.onTimer(now);
    flow.send(now, (counter, piece) => this.#transmit(flow, counter, piece));
    const wanted = Math.min(flow.recovery.nextSendAt(DATAGRAM, now), flow.recovery.nextTimeout());
    // A timer has a grain of a millisecond, and is late by up to one more.
    flow.wakeAt = now + Math.max(1, Math.ceil(wanted - now)) + this.prng.next();
  }

  #transmit(flow: Flow, counter: number, piece: number): void {
    const { rate, queueBytes, delayMs, loss = 0, jitterMs = 0 } = this.#link;
    const start = Math.max(this.#freeAt, this.now);
    if ((start - this.now) * rate + DATAGRAM > queueBytes) {
      this.dropped++;
      return;
    }
    this.#freeAt = start + DATAGRAM / rate;
    if (this.prng.chance(loss)) return;
    const at = this.#freeAt + delayMs + jitterMs * this.prng.next();
    let i = flow.toReceiver.length;
    while (i > 0 && (flow.toReceiver[i - 1] as OnTheWay<unknown>).at > at) i--;
    if (i === flow.toReceiver.length) flow.toReceiver.push({ at, item: [counter, piece] });
    else flow.toReceiver.splice(i, 0, { at, item: [counter, piece] });
  }
}

function takeDue<Item>(queue: OnTheWay<Item>[], now: number): Item[] {
  let due = 0;
  while (due < queue.length && (queue[due] as OnTheWay<Item>).at <= now) due++;
  return due === 0 ? [] : queue.splice(0, due).map(({ item }) => item);
}
