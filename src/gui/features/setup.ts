/** The first run, and pairing: a key for this machine, and trust between it and another. */
import {
  addressesOfThisMachine,
  DEFAULT_PORT,
  formatAddress,
  type KeyStore,
  nameOfThisMachine,
  type PairingNews,
  type PairingQuestion,
  type PublicKey,
  pair,
  peerAddLine,
  UdpToolError,
} from '../../index.ts';
import type { Action } from '../action.ts';
import type { PairingView, StatusView } from '../api.ts';
import type { Feature } from '../feature.ts';
import type { LiveHub, LiveMap } from '../live.ts';
import type { Machine } from '../machine.ts';
import { errorView } from './errors.ts';

export interface SetupOptions {
  readonly store: KeyStore;
  /** The port that peers are told. */
  readonly port: number;
  readonly ip?: string;
  readonly pairingPort?: number;
  readonly isReadOnly: boolean;
  /** There is a key now. */
  readonly onKey: () => Promise<void>;
}

const NOW = 'now';
const MACHINE = 'machine';

export class Setup implements Feature {
  readonly #options: SetupOptions;
  readonly #status: LiveMap<StatusView>;
  readonly #pairing: LiveMap<PairingView>;
  #attempt: AbortController | null = null;
  #answer: ((isSame: boolean) => void) | null = null;
  /** Where peers ask. */
  #port: number;

  constructor(hub: LiveHub, options: SetupOptions) {
    this.#options = options;
    this.#port = options.port;
    this.#status = hub.map('status');
    this.#pairing = hub.map('pairing');
    this.#status.set(MACHINE, this.#statusView('no-key'));
  }

  readonly actions: readonly Action[] = [
    {
      name: 'setup/make-key',
      run: async () => {
        const { secretKey } = await this.#options.store.createKeyPair();
        secretKey.wipe(); // it is read from where it was put
        await this.#options.onKey().catch((error: unknown) => this.failed(error));
      },
    },
    {
      name: 'setup/pair',
      run: (input) => this.#pair(input.optionalText('ask', 256), input.optionalText('name', 64)),
    },
    {
      name: 'setup/answer',
      run: (input) => {
        const answer = this.#answer;
        if (answer === null) throw new UdpToolError('failed', 'No code is waiting to be compared.');
        answer(input.flag('isSame'));
      },
    },
    {
      name: 'setup/stop-pairing',
      run: () => {
        this.#attempt?.abort();
        this.#pairing.delete(NOW);
      },
    },
  ];

  begin({ keyPair, endpoint, isPortTaken }: Machine): void {
    // Where another program answers peers at the port that they know, that is still where they find it.
    if (!isPortTaken) this.#port = endpoint.addresses[0]?.port ?? this.#port;
    this.#status.set(MACHINE, {
      ...this.#statusView('running', keyPair.publicKey),
      addresses: endpoint.addresses.map(formatAddress),
      isPortTaken,
    });
  }

  /** It does not run, for that reason. */
  failed(error: unknown): void {
    this.#status.set(MACHINE, { ...this.#statusView('failed'), error: errorView(error) });
  }

  #statusView(state: StatusView['state'], publicKey?: PublicKey): StatusView {
    const { store, isReadOnly } = this.#options;
    const name = nameOfThisMachine();
    const ips = this.#ips();
    const lines =
      publicKey &&
      ips.map((ip) => peerAddLine({ name, publicKey, at: formatAddress({ ip, port: this.#port }) }));
    return {
      state,
      name,
      ...(publicKey && { publicKey: publicKey.toString() }),
      addLines: publicKey && lines?.length === 0 ? [peerAddLine({ name, publicKey })] : (lines ?? []),
      keyFolder: store.dir,
      addresses: [],
      isPortTaken: false,
      isReadOnly,
    };
  }

  #ips(): string[] {
    const { ip } = this.#options;
    return ip === undefined ? [...addressesOfThisMachine('IPv4'), ...addressesOfThisMachine('IPv6')] : [ip];
  }

  /** Where the other machine shall ask this one, if not where it reached it, at the usual port. */
  #at(): string | undefined {
    const [ip] = this.#ips();
    const isUsual = this.#options.ip === undefined && this.#port === DEFAULT_PORT;
    return isUsual || ip === undefined ? undefined : formatAddress({ ip, port: this.#port });
  }

  /** Begins an attempt; how it goes is shown. @throws UdpToolError `busy` */
  #pair(ask: string | undefined, name: string | undefined): void {
    if (this.#attempt !== null)
      throw new UdpToolError('busy', 'An attempt to pair goes on already.', { hint: 'End that first.' });
    const attempt = new AbortController();
    this.#attempt = attempt;
    let view: PairingView = { state: ask === undefined ? 'waiting' : 'asking', addresses: [] };
    const show = (change: Partial<PairingView>): void => {
      view = { ...view, ...change };
      if (!attempt.signal.aborted) this.#pairing.set(NOW, view);
    };
    show({});
    const { store, pairingPort, onKey } = this.#options;
    const at = this.#at();
    pair({
      store,
      ...(ask !== undefined && { ask }),
      ...(name !== undefined && { name }),
      ...(at !== undefined && { at }),
      ...(pairingPort !== undefined && { port: pairingPort }),
      signal: attempt.signal,
      onNews: (news) => show(told(news)),
      confirm: (question, signal) => this.#confirm(question, signal, show),
    })
      .then(async ({ name, publicKey, at }) => {
        await onKey();
        const peer = { name, publicKey: publicKey.toString(), ...(at !== undefined && { at }) };
        show({ state: 'paired', peer });
      })
      .catch((error: unknown) => show({ state: 'failed', error: errorView(error) }))
      .finally(() => {
        this.#attempt = null;
        this.#answer = null;
      });
  }

  #confirm(
    { code, entry }: PairingQuestion,
    signal: AbortSignal,
    show: (change: Partial<PairingView>) => void,
  ): Promise<boolean> {
    const { name, publicKey, at } = entry;
    const peer = { name, publicKey: publicKey.toString(), ...(at !== undefined && { at }) };
    show({ state: 'code', code, peer });
    return new Promise((done) => {
      this.#answer = (isSame) => {
        this.#answer = null;
        if (isSame) show({ state: 'confirmed' });
        done(isSame);
      };
      signal.addEventListener('abort', () => done(false), { once: true });
    });
  }
}

function told(news: PairingNews): Partial<PairingView> {
  switch (news.type) {
    case 'key-made':
      return {};
    case 'waiting':
    case 'asking': {
      const { port } = news.addresses[0] ?? { port: 0 };
      const ips = [...addressesOfThisMachine('IPv4'), ...addressesOfThisMachine('IPv6')];
      const waits = ips.map((ip) => formatAddress({ ip, port }));
      return {
        state: news.type,
        addresses: news.type === 'waiting' ? waits : news.addresses.map(formatAddress),
      };
    }
    case 'unreachable':
      return { note: `Nothing waits at ${formatAddress(news.address)} yet (${news.result}).` };
    case 'somebody-else':
      return {
        note: `Somebody else tries to pair as well, from ${formatAddress(news.from)}, and gets no answer.`,
      };
  }
}
