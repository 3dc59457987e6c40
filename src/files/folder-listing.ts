/**
 * What is in a folder, for somebody who is asked whether to take it: the beginning of its manifest, in memory, read as it
 * arrives. It is fetched unasked, so there is no more of it than {@link MAX_LISTING_BYTES}, and none of it on the disk.
 */
import { setImmediate } from 'node:timers/promises';
import type { Verdict } from './blob-file.ts';
import { BlobReader, type Wanted } from './blob-reader.ts';
import { CHUNK_BYTES, FAN_OUT } from './content-tree.ts';
import { refusedManifest, refuseOtherTotals } from './folder-content.ts';
import { type ManifestEntry, ManifestReader } from './manifest.ts';
import type { FolderOffer, Subject } from './offer.ts';

/** Some ten thousand entries of usual length. */
export const MAX_LISTING_BYTES: number = 1024 * 1024;

export class FolderListing implements AsyncIterable<ManifestEntry> {
  readonly #offer: FolderOffer;
  readonly #blob: BlobReader;
  readonly #reader = new ManifestReader();
  /** How many of the first chunks are fetched. */
  readonly #count: number;
  /** By their index. */
  readonly #chunks: Uint8Array[] = [];
  /** How many were read, in order. */
  #read = 0;

  constructor(offer: FolderOffer) {
    this.#offer = offer;
    this.#blob = new BlobReader(offer.id, offer.manifestSize);
    this.#blob.lookedAt(0);
    this.#count = Math.min(this.#blob.shape.chunks, MAX_LISTING_BYTES / CHUNK_BYTES);
  }

  /** There is more in the folder than is listed here. */
  get hasMore(): boolean {
    return this.#count < this.#blob.shape.chunks;
  }

  get isComplete(): boolean {
    return this.#read === this.#count;
  }

  next(): Wanted | null {
    return this.#blob.next(this.#count);
  }

  release(subject: Subject): void {
    this.#blob.release(subject);
  }

  /** As of a download. @throws UdpToolError `integrity` for a manifest that is refused */
  async accept(subject: Subject, bytes: Uint8Array): Promise<Verdict> {
    const verdict = this.#blob.arrived(subject, bytes);
    if (verdict !== 'verified') return verdict;
    if (subject.kind === 'chunk') {
      this.#chunks[subject.index] = bytes.slice(); // whatever it came in may be used again
      this.#readOn();
    } else if (subject.level === 1) this.#blob.lookedAt(subject.index * FAN_OUT);
    return 'accepted';
  }

  /** The entries, once it {@link isComplete}. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ManifestEntry> {
    const reader = new ManifestReader();
    for (const chunk of this.#chunks) {
      yield* reader.push(chunk) ?? [];
      await setImmediate(); // a chunk of short entries takes a tenth of a second
    }
  }

  #readOn(): void {
    for (let chunk = this.#chunks[this.#read]; chunk !== undefined; chunk = this.#chunks[++this.#read])
      this.#reader.push(chunk);
    if (this.isComplete && !this.hasMore) this.#reader.end();
    if (this.#reader.problem !== null) throw refusedManifest(this.#reader.problem);
    if (this.isComplete && !this.hasMore) refuseOtherTotals(this.#offer, this.#reader);
  }
}
