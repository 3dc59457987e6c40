/** Pairing on UDP ports and into the peer book: joins pairing/ to transport/ and the key store. */
import type { KeyPair, PublicKey } from './crypto/keys.ts';
import { type ErrorCode, UdpToolError } from './errors.ts';
import type { KeyStore } from './keystore.ts';
import type { Offer } from './pairing/offer.ts';
import { Pairing, type PairingEvent, type PairingOutcome } from './pairing/pairing.ts';
import { type PeerEntry, placeFor } from './peer-book.ts';
import { checkPeerName } from './peer-name.ts';
import type { Address } from './session/address.ts';
import { MAX_ADDRESSES_PER_PEER } from './session/constants.ts';
import { nameOfThisMachine } from './this-machine.ts';
import { monotonicClock } from './transport/clock.ts';
import { Driver } from './transport/driver.ts';
import { type ProbeResult, probePort } from './transport/probe.ts';
import { random } from './transport/random.ts';
import { DEFAULT_PORT, formatHostPort, type HostPort, parseHostPort, resolve } from './transport/resolve.ts';
import { UdpSocket } from './transport/udp-socket.ts';

/** Where a machine waits to be paired: not where it serves, since "serve" is silent to strangers. */
export const DEFAULT_PAIRING_PORT = 9998;

const RESOLVE_MS = 5_000;
/** Not answered for so long, the network itself is asked. */
const PROBE_AFTER_MS = 1_000;
const PROBE_WAIT_MS = 500;

/** What the person is asked: does the other machine show this code? */
export interface PairingQuestion {
  /** Six digits. */
  readonly code: string;
  /** What the peer book will say, if the answer is yes on both machines. */
  readonly entry: PeerEntry;
}

export type PairingNews =
  | { readonly type: 'key-made'; readonly publicKey: PublicKey }
  | { readonly type: 'waiting'; readonly addresses: readonly Address[] }
  | { readonly type: 'asking'; readonly addresses: readonly Address[] }
  /** What the network says of an address where nobody answers; the asking goes on. */
  | { readonly type: 'unreachable'; readonly address: Address; readonly result: ProbeResult }
  /** Another machine than the one of this exchange tries to pair, too, and gets no answer. */
  | { readonly type: 'somebody-else'; readonly from: Address };

export interface PairOptions {
  readonly store: KeyStore;
  /** `HOST` or `HOST:PORT` where the other machine waits; without it, this one waits. */
  readonly ask?: string;
  /** Where to wait; {@link DEFAULT_PAIRING_PORT} if not given, 0 for any free one. */
  readonly port?: number;
  /** `HOST:PORT` where this machine serves, for the other one's peer book. */
  readonly at?: string;
  /** What the other machine is to be called here; what it calls itself if not given. */
  readonly name?: string;
  /** Asks the person. The signal fires when the answer no longer matters. */
  readonly confirm: (question: PairingQuestion, signal: AbortSignal) => Promise<boolean>;
  readonly onNews?: (news: PairingNews) => void;
  readonly signal?: AbortSignal;
}

/**
 * Two machines add each other to their peer books, once a person has said on both that they show the same code
 * (PROTOCOL, Appendix B). Makes a keypair where there is none. One attempt: it is over with the first exchange.
 *
 * @returns what the peer book says of the other machine now
 * @throws UdpToolError `no-answer`, `codes-differ` when the person did not say yes, `pairing-refused` when the other
 *   side did not, `interfered`, `half-paired`, `bad-key` for this machine's own key, `bad-usage` for a name or key that
 *   is taken, `aborted`, `name-not-found`, `port-in-use`, `no-permission`, and as {@link KeyStore.peers}
 */
export async function pair(options: PairOptions): Promise<PeerEntry> {
  const { store, ask, at, name, port = DEFAULT_PAIRING_PORT } = options;
  if (name !== undefined) checkPeerName(name);
  const serves = at === undefined ? '' : formatHostPort(parseHostPort(at));
  const other = ask === undefined ? null : parseHostPort(ask, DEFAULT_PAIRING_PORT);
  await store.peers(); // what is wrong with the book is told before anybody compares codes
  const keyPair = await keyPairOf(options);
  try {
    const addresses = other && (await resolve(other, RESOLVE_MS)).slice(0, MAX_ADDRESSES_PER_PEER);
    const socket = await UdpSocket.bind({ port: other === null ? port : 0 });
    try {
      return await new Attempt(options, { keyPair, serves, other, addresses, socket }).result;
    } finally {
      await socket.close();
    }
  } finally {
    keyPair.secretKey.wipe();
  }
}

async function keyPairOf({ store, onNews }: PairOptions): Promise<KeyPair> {
  try {
    return await store.loadKeyPair();
  } catch (error) {
    if (!(error instanceof UdpToolError) || error.code !== 'key-missing') throw error;
  }
  const keyPair = await store.createKeyPair();
  onNews?.({ type: 'key-made', publicKey: keyPair.publicKey });
  return keyPair;
}

interface Setting {
  readonly keyPair: KeyPair;
  readonly serves: string;
  readonly other: HostPort | null;
  readonly addresses: readonly Address[] | null;
  readonly socket: UdpSocket;
}

class Attempt {
  readonly result: Promise<PeerEntry>;
  readonly #options: PairOptions;
  readonly #setting: Setting;
  readonly #pairing: Pairing;
  readonly #driver: Driver;
  readonly #ended = new AbortController();
  #entry: PeerEntry | null = null;
  #isWriting = false;
  /** What went wrong on this machine itself. */
  #failure: unknown;
  #settle: (outcome: PairingOutcome) => void = () => {};

  constructor(options: PairOptions, setting: Setting) {
    const { keyPair, serves, addresses, socket } = setting;
    this.#options = options;
    this.#setting = setting;
    this.result = new Promise((done, fail) => {
      this.#settle = (outcome) => {
        if (outcome === 'paired' && this.#entry !== null) done(this.#entry);
        else fail(this.#failure ?? failureOf(outcome, this.#entry, options.signal));
      };
    });
    this.#pairing = new Pairing(
      {
        keyPair,
        name: nameOfThisMachine(),
        at: serves,
        ...(addresses !== null && { ask: addresses }),
        isAddress,
        random,
        onEvent: (event) => this.#on(event),
      },
      monotonicClock.now(),
    );
    this.#driver = new Driver(this.#pairing, monotonicClock, ({ datagram, to }) => socket.send(datagram, to));
    socket.onDatagram = this.#driver.receive;
    this.#driver.wake();
    const { signal } = options;
    if (signal?.aborted) this.#giveUp();
    signal?.addEventListener('abort', this.#giveUp);
    this.#ended.signal.addEventListener('abort', () => signal?.removeEventListener('abort', this.#giveUp));
    if (addresses === null) options.onNews?.({ type: 'waiting', addresses: socket.addresses });
    else this.#watchNetwork(addresses);
  }

  #on(event: PairingEvent): void {
    switch (event.type) {
      case 'code':
        void this.#act(() => this.#ask(event.code, event.other));
        break;
      case 'agreed':
        void this.#act(() => this.#write());
        break;
      case 'somebody-else':
        this.#options.onNews?.(event);
        break;
      case 'ended':
        this.#end(event.outcome);
        break;
    }
  }

  /** What fails here ends the attempt on both sides. */
  async #act(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.#failure ??= error;
      this.#isWriting = false;
      this.#giveUp();
    }
    this.#driver.wake();
  }

  async #ask(code: string, other: Offer): Promise<void> {
    const entry = this.#entryFor(other, await this.#options.store.peers());
    this.#entry = entry;
    const isSame = await this.#options.confirm({ code, entry }, this.#ended.signal);
    this.#pairing.confirm(isSame, monotonicClock.now());
  }

  /** @throws UdpToolError `bad-usage` for a name or key that is taken */
  #entryFor({ publicKey, name, at }: Offer, peers: readonly PeerEntry[]): PeerEntry {
    const { other } = this.#setting;
    const known = peers.find((peer) => peer.publicKey.equals(publicKey));
    const asked = other && formatHostPort({ host: other.host, port: DEFAULT_PORT });
    const serves = at || asked;
    const entry = {
      name: this.#options.name ?? known?.name ?? name,
      publicKey,
      ...(serves && { at: serves }),
    };
    return { ...placeFor(entry, peers), ...entry };
  }

  async #write(): Promise<void> {
    if (this.#entry === null) return;
    this.#isWriting = true;
    const { name, publicKey, at } = this.#entry;
    await this.#options.store.addPeer({ name, publicKey, ...(at && { at }) });
    this.#isWriting = false;
    this.#pairing.written(monotonicClock.now());
  }

  readonly #giveUp = (): void => {
    if (this.#isWriting) return;
    this.#pairing.giveUp(monotonicClock.now());
    this.#driver.wake();
  };

  #watchNetwork(addresses: readonly Address[]): void {
    const { onNews } = this.#options;
    onNews?.({ type: 'asking', addresses });
    const timer = setTimeout(async () => {
      const [address] = addresses;
      if (address === undefined || this.#entry !== null) return;
      const result = await probePort(address, PROBE_WAIT_MS);
      if (result !== 'silent' && !this.#ended.signal.aborted)
        onNews?.({ type: 'unreachable', address, result });
    }, PROBE_AFTER_MS);
    this.#ended.signal.addEventListener('abort', () => clearTimeout(timer));
  }

  #end(outcome: PairingOutcome): void {
    this.#driver.close();
    for (const { datagram, to } of this.#pairing.drain()) this.#setting.socket.send(datagram, to);
    this.#ended.abort();
    this.#settle(outcome);
  }
}

function isAddress(text: string): boolean {
  try {
    parseHostPort(text);
    return true;
  } catch {
    return false;
  }
}

const FAILURES: Record<
  Exclude<PairingOutcome, 'paired' | 'paired-alone'>,
  readonly [ErrorCode, string, string]
> = {
  'no-answer': [
    'no-answer',
    'The other machine did not answer, or did not go on.',
    'Type "udp-tool pair" there first, and here "udp-tool pair HOST", with an address that it prints there.',
  ],
  'no-confirmation': [
    'no-answer',
    'Nobody said yes on both machines in time, so nothing was written.',
    'Start over on both machines.',
  ],
  denied: [
    'codes-differ',
    'Nothing was written: you did not say that both machines show the same code.',
    'Where they differ, somebody may be between the machines: start over on both, on a cable of your own if you can.',
  ],
  refused: [
    'pairing-refused',
    'The other machine gave up, or somebody said no there; nothing was written here.',
    'Its message says why. Start over on both machines.',
  ],
  'given-up': ['aborted', 'The pairing was aborted; nothing was written.', 'Start over on both machines.'],
  interfered: [
    'interfered',
    'Something came that the other machine cannot have sent, so the attempt was ended; nothing was written.',
    'Somebody may be between the machines. Start over on both, on a cable of your own if you can.',
  ],
  'own-key': [
    'bad-key',
    'What answers has the public key of this machine itself.',
    'Give the address of the other machine. If its key folder is a copy of this one, remove it there, so that it gets a key of its own.',
  ],
};

function failureOf(
  outcome: PairingOutcome,
  entry: PeerEntry | null,
  signal: AbortSignal | undefined,
): UdpToolError {
  if (outcome === 'paired' || outcome === 'paired-alone') {
    const name = entry?.name ?? '';
    return new UdpToolError(
      'half-paired',
      `This machine trusts "${name}" now, but that one did not say that it trusts this one, too.`,
      {
        hint: `See "udp-tool peer list" there. If this machine is missing, pair again, which does no harm, or take it back: udp-tool peer remove ${name}`,
      },
    );
  }
  const [code, message, hint] = FAILURES[outcome];
  return new UdpToolError(code, message, { hint, cause: signal?.reason });
}
