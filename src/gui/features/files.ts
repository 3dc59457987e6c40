/** Files: what this machine offers, what peers offer, and what is under way either way. */
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import {
  diskError,
  type Found,
  gather,
  holdersOf,
  type Offer,
  offersOf,
  type RemotePeer,
  serveFiles,
  UdpToolError,
  Uploads,
} from '../../index.ts';
import type { Action, Input, Upload } from '../action.ts';
import type { FilesView, LookView, SharedView, UploadView } from '../api.ts';
import type { Feature, MachineSlot } from '../feature.ts';
import type { LiveHub, LiveMap } from '../live.ts';
import type { Machine } from '../machine.ts';
import { errorView } from './errors.ts';
import { Drops } from './files/drops.ts';
import { Gets, type GetsOptions } from './files/gets.ts';
import { Incoming } from './files/incoming.ts';
import { Pushes } from './files/pushes.ts';
import { Shared } from './files/shared.ts';
import { Transfers } from './files/transfers.ts';
import { offerView } from './files/views.ts';

const LOOK_MS = 5_000;
/** Peers that are asked at once. */
const LOOKERS = 8;
const SHOW_UPLOADS_MS = 1_000;
const MAX_ID = Number.MAX_SAFE_INTEGER;
const MAX_PATH = 4_096;

/** What there is once the machine runs. */
interface Running {
  readonly machine: Machine;
  readonly shared: Shared;
  readonly pushes: Pushes;
  readonly drops: Drops;
  /** Null, both, where there is nowhere to put what comes. */
  readonly incoming: Incoming | null;
  readonly gets: Gets | null;
}

export class Files implements Feature {
  readonly #slot: MachineSlot;
  readonly #hub: LiveHub;
  readonly #isReadOnly: boolean;
  readonly #onTrouble: (text: string) => void;
  readonly #files: LiveMap<FilesView>;
  readonly #sharedViews: LiveMap<SharedView>;
  readonly #uploadViews: LiveMap<UploadView>;
  readonly #transfers: Transfers;
  #running: Running | null = null;
  #failure: UdpToolError | null = null;
  /** What the peers offered when they were asked last. */
  #lists: ReadonlyMap<RemotePeer, readonly Offer[]> = new Map();
  #found: ReadonlyMap<string, Found> = new Map();

  constructor(
    hub: LiveHub,
    slot: MachineSlot,
    options: { readonly isReadOnly: boolean; readonly onTrouble: (text: string) => void },
  ) {
    this.#slot = slot;
    this.#hub = hub;
    this.#isReadOnly = options.isReadOnly;
    this.#onTrouble = options.onTrouble;
    this.#files = hub.map('files');
    this.#sharedViews = hub.map('shared');
    this.#uploadViews = hub.map('uploads');
    this.#transfers = new Transfers(hub);
  }

  readonly actions: readonly Action[] = [
    {
      name: 'files/share',
      run: (input) => this.#open.shared.add(pathIn(input), toIn(input)),
    },
    {
      name: 'files/offer-to',
      run: (input) => this.#open.shared.offerTo(input.text('path', MAX_PATH), toIn(input)),
    },
    {
      name: 'files/unshare',
      run: async (input) => {
        const { shared, drops } = this.#open;
        const path = input.text('path', MAX_PATH);
        await shared.remove(path);
        await drops.removeAt(path);
      },
    },
    {
      name: 'files/push',
      run: (input) => this.#open.pushes.begin(this.#peerIn(input), pathIn(input)),
    },
    { name: 'files/drop', run: (input) => ({ drop: this.#open.drops.begin(input.text('name', 255)) }) },
    { name: 'files/cancel-drop', run: (input) => this.#open.drops.cancel(input.text('drop', 64)) },
    { name: 'files/share-drop', run: (input) => this.#shareDrop(input) },
    { name: 'files/push-drop', run: (input) => this.#pushDrop(input) },
    { name: 'files/look', isRead: true, run: (_input, signal) => this.#look(signal) },
    { name: 'files/get', run: (input, signal) => this.#get(input, signal) },
    {
      name: 'transfers/contents',
      isRead: true,
      run: (input) => this.#receiving.contents(idIn(input)),
    },
    {
      name: 'transfers/answer',
      run: (input) => this.#receiving.answer(idIn(input), input.flag('isTaken')),
    },
    { name: 'transfers/pause', run: (input) => void this.#transfers.get(idIn(input)).pause?.() },
    {
      name: 'transfers/resume',
      run: async (input) => {
        await this.#transfers.get(idIn(input)).resume?.();
      },
    },
    {
      name: 'transfers/cancel',
      run: async (input) => {
        await this.#transfers.get(idIn(input)).cancel();
      },
    },
    { name: 'transfers/forget', run: (input) => this.#transfers.forget(idIn(input)) },
    { name: 'transfers/clear', run: () => this.#transfers.clear() },
  ];

  readonly uploads: readonly Upload[] = [
    {
      name: 'files/upload',
      take: (input, body) =>
        this.#open.drops.write(input.text('drop', 64), input.text('path', MAX_PATH), body),
    },
  ];

  async begin(machine: Machine): Promise<void> {
    const { endpoint, stateDir, signal } = machine;
    this.#transfers.begin(signal);
    try {
      const drops = new Drops(join(stateDir, 'dropped'), () => performance.now());
      const shared = await Shared.open(this.#sharedViews, {
        stateDir,
        signal,
        peers: () => endpoint.peers,
      });
      await drops.clear(shared.paths);
      const pushes = new Pushes(this.#transfers, stateDir, (path) => void drops.removeAt(path));
      const incoming = await this.#receive(machine);
      const gets = incoming && new Gets(this.#getsOptions(machine));
      await gets?.restore();
      this.#running = { machine, shared, pushes, drops, incoming, gets };
    } catch (error) {
      if (!(error instanceof UdpToolError)) throw error;
      this.#failure = error; // the other pages do without
      this.#files.set('now', { inbox: machine.inbox, error: errorView(error) });
      return;
    }
    const { shared, pushes, incoming } = this.#running;
    const uploads = new Uploads(() => performance.now());
    serveFiles(endpoint, {
      offers: [shared.offers, pushes],
      ...(incoming !== null && { receiver: incoming.receiver }),
      onServed: uploads.onServed,
    });
    machine.onBook.add(() => shared.show());
    const timer = setInterval(() => {
      if (this.#hub.isWatched) this.#showUploads(uploads);
    }, SHOW_UPLOADS_MS).unref();
    signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  }

  async end(): Promise<void> {
    await this.#running?.gets?.close();
    await this.#running?.pushes.close();
    await this.#running?.shared.close();
  }

  #getsOptions({ stateDir, inbox, signal }: Machine): GetsOptions {
    return {
      stateDir,
      inbox,
      transfers: this.#transfers,
      holders: (offer) => holdersOf(this.#lists, offer),
      look: () => this.#look(signal),
    };
  }

  async #receive(machine: Machine): Promise<Incoming | null> {
    try {
      await mkdir(machine.inbox, { recursive: true });
      this.#files.set('now', { inbox: machine.inbox });
      return new Incoming(machine, this.#transfers, this.#isReadOnly);
    } catch (cause) {
      const error = diskError('take files', cause, machine.inbox);
      this.#onTrouble(error.message);
      this.#files.set('now', { inbox: machine.inbox, error: errorView(error) });
      return null;
    }
  }

  async #shareDrop(input: Input): Promise<void> {
    const { drops, shared } = this.#open;
    const to = toIn(input);
    const path = drops.finish(input.text('drop', 64));
    await shared.add(path, to).catch((error: unknown) => this.#dropAgain(path, error));
  }

  async #pushDrop(input: Input): Promise<void> {
    const { drops, pushes } = this.#open;
    const peer = this.#peerIn(input);
    const path = drops.finish(input.text('drop', 64));
    await pushes.begin(peer, path).catch((error: unknown) => this.#dropAgain(path, error));
  }

  async #dropAgain(path: string, error: unknown): Promise<never> {
    await this.#open.drops.removeAt(path);
    throw error;
  }

  async #look(signal: AbortSignal): Promise<LookView> {
    const { endpoint } = this.#slot.machine;
    const lists = new Map<RemotePeer, readonly Offer[]>();
    const errors: { peer: string; error: ReturnType<typeof errorView> }[] = [];
    const left = [...endpoint.peers];
    const look = async (): Promise<void> => {
      for (let peer = left.shift(); peer !== undefined && !signal.aborted; peer = left.shift()) {
        try {
          lists.set(peer, await offersOf(peer, { timeoutMs: LOOK_MS, signal }));
        } catch (error) {
          errors.push({ peer: peer.name, error: errorView(error) });
        }
      }
    };
    await Promise.all(Array.from({ length: LOOKERS }, look));
    const found = gather(lists);
    this.#lists = lists;
    this.#found = new Map(found.map((one) => [keyOf(one.offer), one]));
    return {
      found: found.map(({ offer, peers }) => ({
        key: keyOf(offer),
        offer: offerView(offer),
        peers: peers.map(({ name }) => name),
      })),
      errors,
    };
  }

  async #get(input: Input, signal: AbortSignal): Promise<void> {
    const { machine, gets } = this.#open;
    if (gets === null) throw new UdpToolError('no-permission', `Nothing can be put into ${machine.inbox}.`);
    const key = input.text('key', 1_024);
    if (!this.#found.has(key)) await this.#look(signal); // the page knows it of before a restart
    const found = this.#found.get(key);
    if (found === undefined) throw new UdpToolError('not-offered', 'Nobody offers that any more.');
    gets.begin(found.offer);
  }

  #showUploads(uploads: Uploads): void {
    const views = uploads.list().map(({ peer, offer, servedBytes, bytesPerSecond }) => {
      const view: UploadView = { peer: peer.name, offer: offerView(offer), servedBytes, bytesPerSecond };
      return [`${peer.name}/${keyOf(offer)}`, view] as const;
    });
    this.#uploadViews.replace(new Map(views));
  }

  #peerIn(input: Input): RemotePeer {
    return this.#slot.machine.endpoint.peer(input.text('peer', 64));
  }

  /** @throws UdpToolError `key-missing`, and why there is none */
  get #open(): Running {
    if (this.#failure !== null) throw this.#failure;
    if (this.#running !== null) return this.#running;
    throw new UdpToolError('key-missing', 'This machine has no key yet.');
  }

  get #receiving(): Incoming {
    const { incoming } = this.#open;
    if (incoming === null) throw new UdpToolError('bad-usage', 'Nothing is taken here.');
    return incoming;
  }
}

function keyOf(offer: Offer): string {
  const { kind, id, size, files, name } = offerView(offer);
  return [kind, id, size, files, name].join('/');
}

/** Of a file or folder of this machine; `~` is its person's folder, as in a shell. */
function pathIn(input: Input): string {
  const text = input.text('path', MAX_PATH).trim();
  const path = text === '~' || text.startsWith('~/') ? join(homedir(), text.slice(1)) : text;
  if (isAbsolute(path)) return path;
  throw new UdpToolError('bad-usage', 'Give the whole path, from / or ~ on.');
}

/** Names of peers; null for all. */
function toIn(input: Input): string[] | null {
  return input.raw('to') === undefined ? null : input.texts('to', 1_000, 64);
}

function idIn(input: Input): number {
  return input.number('id', 1, MAX_ID);
}
