/**
 * The streams of one session, both ways: what is asked here, what is answered here, and the datagrams of both, each of
 * which is acknowledged, or sent again (PROTOCOL §8.6).
 */
import { ReplayWindow } from '../session/replay-window.ts';
import type { Session } from '../session/session.ts';
import {
  type Ask,
  encodeAsk,
  encodePieceHead,
  encodeReset,
  encodeStop,
  MAX_PIECE_HEAD_BYTES,
  type Piece,
  type StreamMessage,
  StreamMessageType,
} from '../wire/stream-messages.ts';
import { AskedStream, type AskSpec, type StreamResult } from './asked-stream.ts';
import {
  GIVE_UP_AFTER_PROBES,
  MAX_ANSWERS_PER_SESSION,
  MAX_ASKS_PER_SESSION,
  MAX_REFUSALS_PER_SESSION,
  SILENCE_MS,
} from './constants.ts';
import type { DatagramSize } from './datagram-size.ts';
import { OutgoingStream, type SentPiece } from './outgoing-stream.ts';
import { ReceivedCounters } from './recovery/acks.ts';
import type { Recovery } from './recovery/recovery.ts';

/** What goes into a datagram and is sent again when that is lost. */
type Frame =
  | SentPiece
  | { readonly kind: 'ask'; readonly asked: AskedStream }
  | { readonly kind: 'reset'; readonly id: number; readonly code: string }
  | { readonly kind: 'stop'; readonly id: number };

/** What one datagram carried. */
export interface Content {
  readonly frames: readonly Frame[];
  /** How long it is. */
  bytes: number;
}

/** Messages for one datagram: their bytes, in order, where one message may be of several byte strings. */
export interface Filling {
  readonly parts: readonly Uint8Array[];
  readonly content: Content;
}

export type IncomingAsk = Pick<Ask, 'subject'> & { readonly id: number };

export interface SessionStreamsOptions {
  readonly session: Session;
  readonly recovery: Recovery<Content>;
  readonly size: DatagramSize;
  /** Somebody asks; the answer is for `answer` or `refuse`, at any time. */
  readonly onAsk: (ask: IncomingAsk) => void;
  /** He wants it no more. */
  readonly onStop: (id: number) => void;
  /** An answer needs its memory no longer. */
  readonly onAnswered: (bytes: number) => void;
}

export class SessionStreams {
  readonly session: Session;
  readonly recovery: Recovery<Content>;
  readonly received = new ReceivedCounters();
  readonly size: DatagramSize;
  readonly #options: SessionStreamsOptions;
  readonly #asked = new Map<number, AskedStream>();
  #nextId = 0;
  /** Which asks of the other side came: a copy is not answered again. */
  readonly #seen = new ReplayWindow();
  readonly #answers = new Map<number, OutgoingStream>();
  /** Asked by the other side and neither answered nor refused. */
  readonly #waiting = new Set<number>();
  /** Refused, and the refusal is not acknowledged. */
  readonly #refused = new Set<number>();
  /** Small things to send, before any bytes of answers. */
  #small: Frame[] = [];
  /** Answers of which something was lost; it goes before what was never sent. */
  readonly #resending = new Set<OutgoingStream>();
  /** Answers of which something was never sent, in order. */
  readonly #sending = new Set<OutgoingStream>();
  /** What was given up, of which the other side may still expect something: said once it is heard again. */
  #untold: Frame[] = [];
  #heardAt: number;

  constructor(options: SessionStreamsOptions, now: number) {
    this.#options = options;
    this.session = options.session;
    this.recovery = options.recovery;
    this.size = options.size;
    this.#heardAt = now;
  }

  get askedCount(): number {
    return this.#asked.size;
  }

  get hasSomethingToSend(): boolean {
    return this.#small.length > 0 || this.#resending.size > 0 || this.#sending.size > 0;
  }

  /** Nothing is asked, answered, on its way or to be acknowledged. */
  get isIdle(): boolean {
    return (
      this.#asked.size === 0 &&
      this.#answers.size === 0 &&
      this.#waiting.size === 0 &&
      this.#small.length === 0 &&
      this.recovery.bytesInFlight === 0 &&
      this.received.ackDueAt === Number.POSITIVE_INFINITY
    );
  }

  get isSilent(): boolean {
    return this.recovery.ptoCount >= GIVE_UP_AFTER_PROBES;
  }

  // Asking

  ask(spec: AskSpec, now: number): AskedStream {
    if (this.#asked.size === 0) this.#heardAt = now;
    const asked = new AskedStream(this.#nextId++, spec);
    this.#asked.set(asked.id, asked);
    this.#small.push({ kind: 'ask', asked });
    return asked;
  }

  /** It is wanted no more; nothing is settled. */
  stop(asked: AskedStream): void {
    if (!this.#asked.delete(asked.id)) return;
    this.#small.push({ kind: 'stop', id: asked.id });
  }

  /** Everything that was asked ends as lost, and everything that is answered is forgotten. */
  giveUp(now: number): void {
    this.recovery.abandon(now);
    for (const answer of this.#answers.values()) this.#options.onAnswered(answer.bytes.length);
    for (const id of [...this.#waiting, ...this.#answers.keys()])
      this.#untold.push({ kind: 'reset', id, code: 'busy' });
    for (const { id, isHeard } of this.#asked.values()) if (isHeard) this.#untold.push({ kind: 'stop', id });
    this.#waiting.clear();
    this.#refused.clear();
    this.#answers.clear();
    this.#resending.clear();
    this.#sending.clear();
    this.#small = [];
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const { spec } of asked) spec.settle({ ok: false, reason: 'lost' });
  }

  // Answering

  /** False when nobody waits for it any more. */
  answer(id: number, bytes: Uint8Array): boolean {
    if (!this.#waiting.delete(id)) return false;
    const stream = new OutgoingStream(id, bytes);
    this.#answers.set(id, stream);
    this.#sending.add(stream);
    return true;
  }

  refuse(id: number, code: string): void {
    if (this.#waiting.delete(id)) this.#reset(id, code);
  }

  #reset(id: number, code: string): void {
    this.#refused.add(id);
    this.#small.push({ kind: 'reset', id, code });
  }

  // Receiving

  onMessage(message: StreamMessage, now: number): void {
    this.#heardAt = now;
    if (this.#untold.length > 0) {
      this.#small.push(...this.#untold);
      this.#untold = [];
    }
    if (message.type === StreamMessageType.ACK) {
      this.#onAck(message.ranges, message.delayUs / 1000, now);
      return;
    }
    switch (message.type) {
      case StreamMessageType.ASK:
        this.#onAsk(message);
        return;
      case StreamMessageType.RESET:
        this.#settle(message.stream, { ok: false, reason: 'refused', code: message.code });
        return;
      case StreamMessageType.STOP:
        if (this.#waiting.delete(message.stream)) this.#options.onStop(message.stream);
        this.#forget(this.#answers.get(message.stream));
        return;
      default:
        this.#onPiece(message);
    }
  }

  #onAsk({ stream: id, subject }: Ask): void {
    if (!this.#seen.check(id) || this.#refused.size >= MAX_REFUSALS_PER_SESSION) return;
    this.#seen.commit(id);
    if (this.#waiting.size >= MAX_ASKS_PER_SESSION || this.#answers.size >= MAX_ANSWERS_PER_SESSION) {
      this.#reset(id, 'busy');
      return;
    }
    this.#waiting.add(id);
    this.#options.onAsk({ id, subject });
  }

  #onPiece({ stream: id, offset, bytes, type }: Piece): void {
    const asked = this.#asked.get(id);
    if (asked === undefined) return;
    const whole = asked.receive(offset, bytes, type === StreamMessageType.LAST);
    if (whole === false) {
      this.stop(asked);
      asked.spec.settle({ ok: false, reason: 'invalid' });
    } else if (whole !== null) {
      this.#settle(id, { ok: true, bytes: whole });
    }
  }

  #settle(id: number, result: StreamResult): void {
    const asked = this.#asked.get(id);
    if (asked === undefined) return;
    this.#asked.delete(id);
    asked.spec.settle(result);
  }

  #onAck(ranges: readonly number[], delayMs: number, now: number): void {
    const outcome = this.recovery.onAck({ largest: ranges[1] ?? 0, delayMs, ranges }, now);
    if (outcome === null) return;
    for (const { frames, bytes } of outcome.acked) {
      this.size.onAcked(bytes);
      for (const frame of frames) this.#acked(frame);
    }
    for (const content of outcome.lost) this.#onLost(content);
  }

  #onLost({ frames, bytes }: Content): void {
    this.size.onLost(bytes);
    for (const frame of frames) this.#repeat(frame);
  }

  #acked(frame: Frame): void {
    if (frame.kind === 'ask') frame.asked.isHeard = true;
    if (frame.kind === 'reset') this.#refused.delete(frame.id);
    if (frame.kind !== 'piece') return;
    const { stream } = frame;
    stream.onAcked(frame);
    if (stream.isDone) this.#forget(stream);
  }

  #forget(answer: OutgoingStream | undefined): void {
    if (answer === undefined || !this.#answers.delete(answer.id)) return;
    this.#sending.delete(answer);
    this.#resending.delete(answer);
    this.#options.onAnswered(answer.bytes.length);
  }

  #repeatPiece(piece: SentPiece): void {
    const { stream } = piece;
    if (this.#answers.get(stream.id) !== stream) return;
    stream.repeat(piece);
    if (stream.hasMore) this.#resending.add(stream);
  }

  /** It is lost, or may be. */
  #repeat(frame: Frame): void {
    if (frame.kind === 'piece') {
      this.#repeatPiece(frame);
      return;
    }
    if (frame === PROBE || this.#small.includes(frame)) return;
    if (frame.kind === 'ask' && (frame.asked.isHeard || !this.#asked.has(frame.asked.id))) return;
    this.#small.push(frame);
  }

  // Time

  nextTimeout(): number {
    return Math.min(
      this.recovery.nextTimeout(),
      this.#asked.size > 0 ? this.#silenceAt() : Number.POSITIVE_INFINITY,
    );
  }

  timeout(now: number): void {
    if (this.recovery.nextTimeout() <= now) {
      const due = this.recovery.timeout(now);
      for (const content of due.lost) this.#onLost(content);
      for (const { frames } of due.probes) for (const frame of frames) this.#repeat(frame);
      // What those datagrams held may be wanted no more; whether anybody is there is still the question.
      if (due.probes.length > 0 && !this.hasSomethingToSend) this.#small.push(PROBE);
    }
    if (this.#asked.size > 0 && this.#silenceAt() <= now) {
      this.#heardAt = now;
      const [oldest] = this.#asked.values();
      if (oldest !== undefined && this.recovery.bytesInFlight === 0)
        this.#small.push({ kind: 'ask', asked: oldest });
    }
  }

  #silenceAt(): number {
    return this.#heardAt + SILENCE_MS;
  }

  // Sending

  /** What goes into the next datagram, whose envelope has so many bytes; null when there is nothing. */
  fill(capacity: number): Filling | null {
    const parts: Uint8Array[] = [];
    const frames: Frame[] = [];
    let room = capacity - ENVELOPE_BYTES;
    let taken = 0;
    for (const frame of this.#small) {
      const message = encodeSmall(frame);
      if (message.length > room || frames.length === MAX_MESSAGES) break;
      taken++;
      room -= message.length;
      parts.push(message);
      frames.push(frame);
    }
    if (taken > 0) this.#small = this.#small.slice(taken);
    for (const streams of [this.#resending, this.#sending]) {
      for (const stream of streams) {
        while (room > MAX_PIECE_HEAD_BYTES && frames.length < MAX_MESSAGES) {
          const piece = stream.take(room - MAX_PIECE_HEAD_BYTES);
          if (piece === null) break;
          const { offset, length, isLast } = piece;
          const head = encodePieceHead(stream.id, offset, length, isLast);
          parts.push(head, stream.bytes.subarray(offset, offset + length));
          frames.push(piece);
          room -= head.length + length;
        }
        if (stream.hasMore) break; // no room for it
        streams.delete(stream);
      }
    }
    return frames.length === 0 ? null : { parts, content: { frames, bytes: 0 } };
  }
}

/** To be acknowledged, and nothing else: nobody asks that many streams of a session. */
const PROBE: Frame = { kind: 'stop', id: 2 ** 32 - 1 };
/** Head of an array of up to 23 messages, and the mark of its end. */
const ENVELOPE_BYTES = 2;
const MAX_MESSAGES = 23;

function encodeSmall(frame: Frame): Uint8Array {
  switch (frame.kind) {
    case 'ask':
      return encodeAsk(frame.asked.id, frame.asked.spec.subject);
    case 'reset':
      return encodeReset(frame.id, frame.code);
    case 'stop':
      return encodeStop(frame.id);
    case 'piece':
      throw new Error('pieces are not kept as small things');
  }
}
