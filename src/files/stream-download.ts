/** One offered file on its way to a stream, such as standard output: in order, with so much read ahead. */
import { UdpToolError } from '../errors.ts';
import type { Verdict } from './blob-file.ts';
import { BlobReader, type Wanted } from './blob-reader.ts';
import type { DownloadProgress } from './download.ts';
import type { FileOffer, Offer, Subject } from './offer.ts';

/** Chunks that may wait for one before them. */
const MAX_AHEAD = 32;

export class StreamDownload {
  readonly #offer: FileOffer;
  readonly #reader: BlobReader;
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #waiting = new Map<number, Uint8Array>();
  #nextIndex = 0;
  #isWriting = false;

  /**
   * @param write resolves when the stream wants more; an empty file is never written
   * @throws UdpToolError `bad-usage` for a folder
   */
  constructor(offer: Offer, write: (bytes: Uint8Array) => Promise<void>) {
    if (offer.kind === 'folder') {
      throw new UdpToolError('bad-usage', `${offer.name} is a folder, and cannot go to a stream.`, {
        hint: 'Name a path with -o.',
      });
    }
    this.#offer = offer;
    this.#reader = new BlobReader(offer.id, offer.size);
    this.#write = write;
    this.#reader.lookedAt(0);
    if (offer.size === 0 && this.#reader.isZeros(0)) this.#reader.found(0);
  }

  next(): Wanted | null {
    return this.#reader.next(this.#nextIndex + MAX_AHEAD);
  }

  release(subject: Subject): void {
    this.#reader.release(subject);
  }

  /** As of a download to a folder. What arrives in its turn is written before this resolves, with all that waited for it. */
  async accept(subject: Subject, bytes: Uint8Array): Promise<Verdict> {
    if (subject.kind === 'chunk' && subject.index >= this.#nextIndex + MAX_AHEAD) return 'unwanted';
    const verdict = this.#reader.arrived(subject, bytes);
    if (verdict !== 'verified') return verdict;
    if (subject.kind === 'chunk') {
      this.#waiting.set(subject.index, bytes.slice()); // whatever it came in may be used again
      await this.#writeOn();
    } else if (subject.level === 1) {
      for (let span = this.#reader.unlooked(); span !== null; span = this.#reader.unlooked())
        this.#reader.lookedAt(span.first);
    }
    return 'accepted';
  }

  get progress(): DownloadProgress {
    const doneFiles = this.isComplete ? 1 : 0;
    return { doneBytes: this.#reader.doneBytes, totalBytes: this.#offer.size, doneFiles, totalFiles: 1 };
  }

  get isComplete(): boolean {
    return this.#reader.isComplete;
  }

  async #writeOn(): Promise<void> {
    if (this.#isWriting) return;
    this.#isWriting = true;
    try {
      for (let bytes = this.#takeNext(); bytes !== undefined; bytes = this.#takeNext()) {
        await this.#write(bytes);
        this.#reader.stored(this.#nextIndex++, true);
      }
    } finally {
      this.#isWriting = false;
    }
  }

  #takeNext(): Uint8Array | undefined {
    const bytes = this.#waiting.get(this.#nextIndex);
    this.#waiting.delete(this.#nextIndex);
    return bytes;
  }
}
