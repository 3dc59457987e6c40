/** Peers: who is trusted, who is there, by which way, and what they may call. */
import {
  allowing,
  type CommandSummary,
  denying,
  formatAddress,
  OPEN_TO_ALL,
  type PeerEntry,
  permissionsOf,
  type RemotePeer,
  readPeerAddLine,
  UdpToolError,
} from '../../index.ts';
import type { Action } from '../action.ts';
import type { OwnCommandView, PathView, PeerView, PingView } from '../api.ts';
import type { Feature, MachineSlot } from '../feature.ts';
import type { LiveHub, LiveMap } from '../live.ts';
import type { Machine } from '../machine.ts';

/** Peers that are looked for at once. */
const SEEKERS = 8;
const SEEK_MS = 5_000;
const SEEK_AGAIN_MS = 10_000;
const PING_MS = 950;
/** So many pings without an answer, one after the other, and it is not there. */
const MISSES = 3;

export class Peers implements Feature {
  readonly #slot: MachineSlot;
  readonly #hub: LiveHub;
  readonly #peers: LiveMap<PeerView>;
  readonly #commands: LiveMap<OwnCommandView>;
  readonly #isThere = new Map<string, boolean>();
  readonly #lastSeen = new Map<string, number>();
  readonly #misses = new Map<string, number>();
  #isSeeking = false;
  /** One reading after the other: the last one shows. */
  #reading: Promise<void> = Promise.resolve();

  constructor(hub: LiveHub, slot: MachineSlot) {
    this.#hub = hub;
    this.#slot = slot;
    this.#peers = hub.map('peers');
    this.#commands = hub.map('commands');
  }

  readonly actions: readonly Action[] = [
    {
      name: 'peers/add',
      run: (input) => this.#add(input.text('line', 4096), input.optionalText('name', 64)),
    },
    {
      name: 'peers/remove',
      run: async (input) => {
        await this.#slot.machine.store.removePeer(input.text('name', 64));
      },
    },
    {
      name: 'peers/pause',
      run: async (input) => {
        const isPaused = input.flag('isPaused');
        await this.#change(input.text('name', 64), ({ paused: _, ...entry }) =>
          isPaused ? { ...entry, paused: true } : entry,
        );
      },
    },
    {
      name: 'peers/permit',
      run: async (input) => {
        const commands = [input.text('command', 64)];
        const isAllowed = input.flag('isAllowed');
        await this.#change(input.text('name', 64), (entry) => {
          const before = permissionsOf(entry);
          return { ...entry, ...(isAllowed ? allowing(before, commands) : denying(before, commands)) };
        });
      },
    },
    {
      name: 'peers/ping',
      isRead: true,
      run: (input, signal) => this.#ping(this.#slot.machine.endpoint.peer(input.text('name', 64)), signal),
    },
  ];

  async begin(machine: Machine): Promise<void> {
    const { endpoint, signal } = machine;
    this.#commands.replace(
      new Map(machine.commands.filter(isPermission).map(({ name, summary }) => [name, { name, summary }])),
    );
    for (const { name, publicKey } of endpoint.peers) {
      const [sighting] = machine.paths.seen.of(publicKey);
      if (sighting !== undefined) this.#lastSeen.set(name, sighting.at.getTime());
    }
    endpoint.onPath(({ name }) => this.#saw(name));
    machine.onRequest.add(({ peer }) => this.#saw(peer));
    machine.onBook.add(() => {
      void this.#read();
      void this.#seek();
    });
    // Also what a paused peer's entry says, of which the endpoint knows nothing.
    machine.store.watch(() => void this.#read(), signal);
    await this.#read();
    void this.#seek();
    const timer = setInterval(() => {
      if (this.#hub.isWatched) void this.#seek();
    }, SEEK_AGAIN_MS).unref();
    signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  }

  async #add(text: string, as: string | undefined): Promise<{ name: string }> {
    const { store, keyPair } = this.#slot.machine;
    const line = readPeerAddLine(text);
    const name = as ?? line.name;
    if (name === undefined) throw new UdpToolError('bad-usage', 'What shall that machine be called here?');
    if (line.publicKey.equals(keyPair.publicKey))
      throw new UdpToolError('bad-usage', 'That is the key of this machine itself.', {
        hint: 'Paste what the other machine shows.',
      });
    await store.addPeer({ name, publicKey: line.publicKey, ...(line.at !== undefined && { at: line.at }) });
    return { name };
  }

  async #change(name: string, change: (entry: PeerEntry) => PeerEntry): Promise<void> {
    await this.#slot.machine.store.changePeer(name, change);
    await this.#read();
  }

  async #ping(peer: RemotePeer, signal: AbortSignal): Promise<PingView> {
    try {
      const { roundTripMs } = await peer.request('ping', [], { timeoutMs: PING_MS, signal });
      this.#saw(peer.name);
      return { roundTripMs };
    } catch {
      if (!signal.aborted) this.#missed(peer.name);
      return { roundTripMs: null };
    }
  }

  #missed(name: string): void {
    const misses = (this.#misses.get(name) ?? 0) + 1;
    this.#misses.set(name, misses);
    if (misses < MISSES) return;
    this.#isThere.set(name, false);
    this.#show(name);
  }

  #saw(name: string): void {
    this.#isThere.set(name, true);
    this.#misses.delete(name);
    this.#lastSeen.set(name, Date.now());
    this.#show(name);
  }

  #read(): Promise<void> {
    this.#reading = this.#reading.then(async () => {
      const { store } = this.#slot.machine;
      // A book that cannot be read is told of by whoever follows it; what was there before stays.
      const entries = await store.peers().catch(() => null);
      if (entries === null) return;
      this.#peers.replace(new Map(entries.map((entry) => [entry.name, this.#view(entry)])));
    });
    return this.#reading;
  }

  #show(name: string): void {
    const before = this.#peers.get(name);
    if (before !== undefined) this.#peers.set(name, { ...before, ...this.#presence(name) });
  }

  #view(entry: PeerEntry): PeerView {
    const { name, publicKey, at, psk, paused } = entry;
    const { allow, deny } = permissionsOf(entry);
    return {
      name,
      publicKey: publicKey.toString(),
      ...(at !== undefined && { at }),
      hasPsk: psk !== undefined,
      isPaused: paused === true,
      allow,
      deny,
      ...this.#presence(name),
    };
  }

  #presence(name: string): Pick<PeerView, 'path' | 'isThere' | 'lastSeenAt'> {
    const peer = this.#slot.machine.endpoint.peers.find((one) => one.name === name);
    return {
      path: peer === undefined ? null : pathView(peer),
      isThere: this.#isThere.get(name) ?? null,
      lastSeenAt: this.#lastSeen.get(name) ?? null,
    };
  }

  /** Looks for every peer, a few at once. */
  async #seek(): Promise<void> {
    if (this.#isSeeking) return;
    this.#isSeeking = true;
    const { endpoint, signal } = this.#slot.machine;
    const left = [...endpoint.peers];
    const seek = async (): Promise<void> => {
      for (let peer = left.shift(); peer !== undefined && !signal.aborted; peer = left.shift()) {
        const { name } = peer;
        const isThere = await peer.reach({ timeoutMs: SEEK_MS, signal }).then(
          () => true,
          () => false,
        );
        if (isThere) this.#saw(name);
        else {
          this.#isThere.set(name, false);
          this.#show(name);
        }
      }
    };
    await Promise.all(Array.from({ length: SEEKERS }, seek));
    this.#isSeeking = false;
  }
}

/** What every peer may call cannot be taken away. */
function isPermission({ name }: CommandSummary): boolean {
  return !OPEN_TO_ALL.includes(name);
}

function pathView({ path }: RemotePeer): PathView | null {
  if (path === null) return null;
  const { kind, address, via, roundTripMs } = path;
  return { kind, address: formatAddress(address), ...(via !== undefined && { via }), roundTripMs };
}
