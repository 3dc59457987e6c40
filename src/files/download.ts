/** One offer on its way into a folder. It grows in a {@link PartialFolder}, and goes on there after whatever stopped it. */
import { lstat, realpath, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { UdpToolError } from '../errors.ts';
import { BlobFile, type Verdict } from './blob-file.ts';
import type { Wanted } from './blob-reader.ts';
import { diskError, diskFull, failing, unlessGone } from './disk-error.ts';
import { FolderContent } from './folder-content.ts';
import { nameProblem } from './names.ts';
import type { Offer, Subject } from './offer.ts';
import { PartialFolder } from './partial-folder.ts';
import { type Conflict, place, refuseTaken, type Target } from './target.ts';

export interface DownloadOptions {
  readonly offer: Offer;
  /** An existing folder. */
  readonly into: string;
  /** Instead of the offer's own. */
  readonly name?: string;
  readonly conflict: Conflict;
  /** Ends looking through what is there already, which takes a while for many files. */
  readonly signal?: AbortSignal;
}

export interface DownloadProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly doneFiles: number;
  readonly totalFiles: number;
}

/** What the download grows: a file, or a folder. */
type Content = BlobFile | FolderContent;

export class Download {
  readonly #offer: Offer;
  readonly #partial: PartialFolder;
  readonly #target: Target;
  readonly #content: Content;
  readonly #accepting = new Set<Promise<Verdict>>();
  #isStopped = false;

  private constructor(offer: Offer, partial: PartialFolder, target: Target, content: Content) {
    this.#offer = offer;
    this.#partial = partial;
    this.#target = target;
    this.#content = content;
  }

  /**
   * Begins, or goes on with what is there for that id.
   * @throws UdpToolError `exists` where the name is taken and is to stay, `bad-usage` or, of the offer's own name,
   *   `integrity` where it is none, `locked`, `disk-full`, `no-permission`, `failed`
   */
  static async open({
    offer,
    into,
    name = offer.name,
    conflict,
    signal,
  }: DownloadOptions): Promise<Download> {
    const problem = nameProblem(name);
    if (problem !== null) {
      const code = name === offer.name ? 'integrity' : 'bad-usage';
      throw new UdpToolError(code, `That name is not used: ${problem}.`, {
        hint: 'Give another name with -o.',
      });
    }
    return failing(`fetch ${name}`, into, async () => {
      const folder = await realpath(into);
      const target: Target = { into: folder, name, kind: offer.kind, conflict };
      await refuseTaken(target);
      const partial = await PartialFolder.open(folder, offer.id);
      try {
        await refuseTooLarge(offer, folder);
        return new Download(offer, partial, target, await openContent(offer, partial, signal));
      } catch (error) {
        await (partial.isNew ? partial.remove() : partial.close());
        throw error;
      }
    });
  }

  /**
   * Writes nothing.
   * @throws UdpToolError `disk-full` where that folder has no room for it; `no-permission`, `failed`
   */
  static refuseTooLarge({ offer, into }: Pick<DownloadOptions, 'offer' | 'into'>): Promise<void> {
    return failing(`fetch ${offer.name}`, into, async () => refuseTooLarge(offer, await realpath(into)));
  }

  /**
   * Leaves nothing of what came of it into that folder.
   * @throws UdpToolError `locked` where it is being fetched; `no-permission`, `failed`
   */
  static forget({ offer, into }: Pick<DownloadOptions, 'offer' | 'into'>): Promise<void> {
    return failing(`forget ${offer.name}`, into, async () => {
      const partial = await PartialFolder.open(await realpath(into), offer.id);
      await partial.remove();
    });
  }

  /** The next thing to ask for, and how long the answer has to be; null where all is asked for that can be now. */
  next(): Wanted | null {
    return this.#content.next();
  }

  /** It is not coming after all: `next` gives it again. */
  release(subject: Subject): void {
    this.#content.release(subject);
  }

  /**
   * Verifies and writes; the bytes are left alone until this resolves. `wrong` is what is not what was asked for, and is given by `next` again; `unwanted` is what is
   * there already or was never asked for.
   * @throws UdpToolError `disk-full`, `no-permission`, `failed`; what arrived is given by `next` again
   */
  async accept(subject: Subject, bytes: Uint8Array): Promise<Verdict> {
    if (this.#isStopped) return 'unwanted';
    const accepting = this.#failing('write', () => this.#content.accept(subject, bytes));
    this.#accepting.add(accepting);
    return accepting.finally(() => this.#accepting.delete(accepting));
  }

  get progress(): DownloadProgress {
    const { doneBytes, doneFiles } = this.#content;
    return { doneBytes, totalBytes: this.#offer.size, doneFiles, totalFiles: this.#offer.files };
  }

  get isComplete(): boolean {
    return this.#content.isComplete;
  }

  /**
   * Gives what is complete its times, brings it down to the disk and under its final name, whose path it returns.
   * @throws UdpToolError as `open`, and `exists` where the name was taken meanwhile: what was fetched stays for another try
   */
  finish(): Promise<string> {
    return this.#failing('finish', async () => {
      await this.#content.finish(this.#offer.mtimeMs);
      const path = await place(contentPath(this.#offer, this.#partial.path), this.#target);
      await this.#partial.remove();
      return path;
    });
  }

  /** Stops. What was verified so far stays for another try. */
  async suspend(): Promise<void> {
    await this.#stop();
    await this.#partial.close();
  }

  /** Stops, and leaves nothing. */
  async discard(): Promise<void> {
    await this.#stop();
    await this.#partial.remove();
  }

  /** Stops after an error: of what can never be whole, nothing is left. */
  async giveUp(error: unknown): Promise<void> {
    const isHopeless = error instanceof UdpToolError && error.code === 'integrity';
    await (isHopeless ? this.discard() : this.suspend());
  }

  /** What is being written is written first. */
  async #stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#content instanceof FolderContent) this.#content.stop();
    await Promise.allSettled(this.#accepting);
    await this.#content.close();
  }

  async #failing<T>(what: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (cause) {
      throw diskError(`${what} ${this.#target.name}`, cause, this.#target.into);
    }
  }
}

function contentPath({ kind }: Offer, partial: string): string {
  return join(partial, kind === 'file' ? 'data' : 'tree');
}

async function openContent(offer: Offer, partial: PartialFolder, signal?: AbortSignal): Promise<Content> {
  if (offer.kind === 'folder') return FolderContent.open(offer, partial.path, signal);
  const path = contentPath(offer, partial.path);
  return BlobFile.open({ path, id: offer.id, size: offer.size, isExecutable: offer.isExecutable });
}

/** Where the file system can tell that it has no room for what is still to come. */
async function refuseTooLarge(offer: Offer, into: string): Promise<void> {
  const { name, kind, size, id } = offer;
  const space = await statfs(into).catch(() => undefined);
  const found = await lstat(contentPath(offer, PartialFolder.pathOf(into, id))).catch(unlessGone);
  if (space === undefined) return;
  // Of a folder that has begun, nobody knows what it still needs.
  if (kind === 'folder' && found !== undefined) return;
  const here = (found?.blocks ?? 0) * 512; // the unit of st_blocks, whatever the file system's own
  if (size - here > space.bavail * space.bsize) throw diskFull(`fetch ${name}`, into);
}
