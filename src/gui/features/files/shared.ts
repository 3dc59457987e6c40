/** What this machine offers, and goes on offering after a restart. */
import { join } from 'node:path';
import {
  type Offer,
  type Shared as OnShelf,
  type RemotePeer,
  Shelf,
  UdpToolError,
  WatchedOffers,
} from '../../../index.ts';
import type { SharedView } from '../../api.ts';
import type { LiveMap } from '../../live.ts';
import { StateFile } from '../../state-file.ts';
import { errorView } from '../errors.ts';
import { offerView } from './views.ts';

/** What is kept: a path, and the public keys it is offered to; null for all peers. */
interface Kept {
  readonly path: string;
  readonly to: readonly string[] | null;
}

export interface SharedOptions {
  readonly stateDir: string;
  readonly signal: AbortSignal;
  readonly peers: () => readonly RemotePeer[];
}

export class Shared {
  readonly #views: LiveMap<SharedView>;
  readonly #options: SharedOptions;
  readonly #file: StateFile<readonly Kept[]>;
  readonly #shelf: Shelf;
  readonly offers: WatchedOffers;
  /** By path, for as long as they are looked through. */
  readonly #hashing = new Map<string, { readonly stop: AbortController; to: Kept['to'] }>();
  /** Were offered the last time, and cannot be: perhaps their disk is not there. */
  readonly #missing = new Map<string, Kept>();
  readonly #skipped = new Map<string, number>();

  private constructor(
    views: LiveMap<SharedView>,
    options: SharedOptions,
    file: StateFile<readonly Kept[]>,
    shelf: Shelf,
  ) {
    this.#views = views;
    this.#options = options;
    this.#file = file;
    this.#shelf = shelf;
    this.offers = new WatchedOffers(shelf, options.signal);
  }

  /** @throws UdpToolError `no-permission`, `disk-full`, `failed` */
  static async open(views: LiveMap<SharedView>, options: SharedOptions): Promise<Shared> {
    const file = new StateFile(join(options.stateDir, 'gui-shared.json'), checkKept);
    let shared: Shared | undefined;
    const shelf = await Shelf.open({
      stateDir: join(options.stateDir, 'hashes'),
      onNews: () => shared?.show(),
    });
    shared = new Shared(views, options, file, shelf);
    for (const kept of (await file.read()) ?? []) void shared.#restore(kept);
    return shared;
  }

  get paths(): string[] {
    return this.#kept().map(({ path }) => path);
  }

  /**
   * Shows it at once, and offers it once it is hashed.
   * @param to names of peers; null for all
   * @throws UdpToolError `unknown-peer`, and as {@link Shelf.add}
   */
  add(path: string, to: readonly string[] | null): Promise<void> {
    return this.#put(path, this.#keysOf(to));
  }

  /** @throws UdpToolError `unknown-peer`, `not-offered` */
  async offerTo(path: string, to: readonly string[] | null): Promise<void> {
    const keys = this.#keysOf(to);
    const hashing = this.#hashing.get(path);
    if (hashing !== undefined) hashing.to = keys;
    else if (!this.#shelf.offerTo(path, keys ?? undefined)) throw notOffered(path);
    await this.#keep();
    this.show();
  }

  /** Offers it to nobody any more. */
  async remove(path: string): Promise<void> {
    this.#hashing.get(path)?.stop.abort();
    this.#hashing.delete(path);
    this.#missing.delete(path);
    this.#shelf.remove(path);
    this.#views.delete(path);
    await this.#keep();
  }

  async close(): Promise<void> {
    for (const { stop } of this.#hashing.values()) stop.abort();
    await this.#shelf.close();
    await this.#file.settled();
  }

  /** As it is now. */
  show(): void {
    for (const shared of this.#shelf.list())
      if (!this.#hashing.has(shared.path)) this.#views.set(shared.path, this.#view(shared));
  }

  async #restore(kept: Kept): Promise<void> {
    const { path, to } = kept;
    try {
      await this.#put(path, to);
    } catch (error) {
      this.#missing.set(path, kept);
      const view = { path, name: nameOf(path), to: this.#namesOf(to), hashed: 0, offer: null, skipped: 0 };
      this.#views.set(path, { ...view, state: 'gone', error: errorView(error) });
      await this.#keep();
    }
  }

  /** @throws as {@link Shelf.add} */
  async #put(path: string, to: Kept['to']): Promise<void> {
    const stop = new AbortController();
    const hashing = { stop, to };
    this.#hashing.set(path, hashing);
    this.#missing.delete(path);
    const show = (hashed: number): void => {
      if (stop.signal.aborted) return;
      const names = this.#namesOf(hashing.to);
      this.#views.set(path, {
        path,
        name: nameOf(path),
        to: names,
        state: 'hashing',
        hashed,
        offer: null,
        skipped: 0,
      });
    };
    show(0);
    try {
      const { offer, skipped } = await this.#shelf.add(path, {
        ...(to !== null && { to }),
        signal: stop.signal,
        onProgress: (done, total) => show(total === 0 ? 0 : done / total),
      });
      this.#added(path, offer, hashing.to, skipped.length);
    } catch (error) {
      if (stop.signal.aborted) return; // it was taken away meanwhile
      this.#views.delete(path);
      throw error;
    } finally {
      if (this.#hashing.get(path) === hashing) this.#hashing.delete(path);
      await this.#keep();
    }
  }

  /** The shelf knows it by its path without links, and so does the page from now on. */
  #added(path: string, offer: Offer, to: Kept['to'], skipped: number): void {
    const onShelf = this.#shelf.list().find((one) => one.offer === offer);
    if (onShelf === undefined) return;
    this.#hashing.delete(path);
    this.#shelf.offerTo(onShelf.path, to ?? undefined);
    this.#skipped.set(onShelf.path, skipped);
    if (onShelf.path !== path) this.#views.delete(path);
    this.show();
  }

  #view({ path, name, to, offer }: OnShelf): SharedView {
    return {
      path,
      name,
      to: this.#namesOf(to ?? null),
      state: offer === null ? 'gone' : 'offered',
      hashed: 1,
      offer: offer === null ? null : offerView(offer),
      skipped: this.#skipped.get(path) ?? 0,
    };
  }

  #keysOf(names: readonly string[] | null): string[] | null {
    if (names === null) return null;
    return names.map((name) => {
      const peer = this.#options.peers().find((one) => one.name === name);
      if (peer === undefined) throw new UdpToolError('unknown-peer', `No peer is called "${name}".`);
      return peer.publicKey.toString();
    });
  }

  /** Those that are still peers. */
  #namesOf(keys: Kept['to']): string[] | null {
    if (keys === null) return null;
    return this.#options
      .peers()
      .filter(({ publicKey }) => keys.includes(publicKey.toString()))
      .map(({ name }) => name);
  }

  #kept(): Kept[] {
    const kept = new Map(this.#missing);
    for (const { path, to } of this.#shelf.list()) kept.set(path, { path, to: to ?? null });
    for (const [path, { to }] of this.#hashing) kept.set(path, { path, to });
    return [...kept.values()];
  }

  #keep(): Promise<void> {
    return this.#file.write(this.#kept());
  }
}

function notOffered(path: string): UdpToolError {
  return new UdpToolError('not-offered', `${path} is not offered.`);
}

function nameOf(path: string): string {
  return path.split(/[/\\]/).findLast((part) => part !== '') ?? path;
}

function checkKept(json: unknown): readonly Kept[] | null {
  const isText = (value: unknown): boolean => typeof value === 'string';
  const isKept = ({ path, to }: Kept): boolean =>
    isText(path) && (to === null || (Array.isArray(to) && to.every(isText)));
  return Array.isArray(json) && json.every(isKept) ? (json as Kept[]) : null;
}
