/** The delivery-rate estimator of draft-cheng-iccrg-delivery-rate-estimation, §3. */
import type { SentDatagram } from './sent-datagrams.ts';

export class DeliveryRate {
  /** Bytes acknowledged so far, on this path. */
  #delivered = 0;
  #deliveredAt = 0;
  #firstSentAt = 0;
  /** What `delivered` has to pass before samples show the path again and not the sender; −1 if they do. */
  #applicationLimitedUntil = -1;

  // The sample of one acknowledgement, made of the newest datagram in it.
  #sampleFrom = -1;
  #samplePriorDelivered = 0;
  #samplePriorAt = 0;
  #sampleSendMs = 0;
  #sampleIsApplicationLimited = false;

  get delivered(): number {
    return this.#delivered;
  }

  /** `delivered` as the newest datagram of this acknowledgement was sent. */
  get priorDelivered(): number {
    return this.#samplePriorDelivered;
  }

  get isApplicationLimited(): boolean {
    return this.#sampleIsApplicationLimited;
  }

  onSent(sent: SentDatagram<unknown>, isFirstInFlight: boolean): void {
    if (isFirstInFlight) {
      this.#firstSentAt = sent.sentAt;
      this.#deliveredAt = sent.sentAt;
    }
    sent.delivered = this.#delivered;
    sent.deliveredAt = this.#deliveredAt;
    sent.firstSentAt = this.#firstSentAt;
    sent.isApplicationLimited = this.#applicationLimitedUntil >= 0;
  }

  onApplicationLimited(bytesInFlight: number): void {
    this.#applicationLimitedUntil = this.#delivered + bytesInFlight;
  }

  begin(): void {
    this.#sampleFrom = -1;
  }

  onAcked(sent: SentDatagram<unknown>, now: number): void {
    this.#delivered += sent.bytes;
    this.#deliveredAt = now;
    if (sent.counter <= this.#sampleFrom) return;
    this.#sampleFrom = sent.counter;
    this.#samplePriorDelivered = sent.delivered;
    this.#samplePriorAt = sent.deliveredAt;
    this.#sampleSendMs = sent.sentAt - sent.firstSentAt;
    this.#sampleIsApplicationLimited = sent.isApplicationLimited;
    this.#firstSentAt = sent.sentAt;
  }

  /** Bytes per millisecond between the sending of the newest datagram of this acknowledgement and now; 0 if nobody can say. */
  end(minRttMs: number): number {
    if (this.#delivered > this.#applicationLimitedUntil) this.#applicationLimitedUntil = -1;
    if (this.#sampleFrom < 0) return 0;
    const intervalMs = Math.max(this.#sampleSendMs, this.#deliveredAt - this.#samplePriorAt);
    // Shorter than a round trip is what acknowledgements that were held up and came together look like.
    if (intervalMs <= 0 || intervalMs < minRttMs) return 0;
    return (this.#delivered - this.#samplePriorDelivered) / intervalMs;
  }
}
