/** Machines that pair on a virtual network, each with a person who compares. */
import { type KeyPair, keyPairFromSecret, SecretKey } from '../../src/crypto/keys.ts';
import type { Offer } from '../../src/pairing/offer.ts';
import {
  Pairing,
  type PairingEvent,
  type PairingOptions,
  type PairingOutcome,
} from '../../src/pairing/pairing.ts';
import { type Address, formatAddress } from '../../src/session/address.ts';
import type { NetworkHost, VirtualNetwork } from './virtual-network.ts';

export const PI: Address = { ip: '192.168.2.3', port: 9998 };
export const MAC: Address = { ip: '192.168.2.1', port: 50_000 };
export const MALLORY: Address = { ip: '192.168.2.66', port: 9998 };

export interface PairingHostOptions {
  readonly address: Address;
  readonly name: string;
  readonly at?: string;
  readonly ask?: readonly Address[];
  readonly keyPair?: KeyPair;
  readonly nonce?: Uint8Array;
  /** What the person says when the code is shown; nothing if not given. */
  readonly says?: boolean | undefined;
}

export class PairingHost implements NetworkHost {
  readonly address: Address;
  readonly keyPair: KeyPair;
  readonly machine: Pairing;
  readonly events: PairingEvent[] = [];
  /** Who is in the peer book. */
  readonly book: Offer[] = [];
  readonly hears = (): boolean => true;
  readonly #network: VirtualNetwork;

  constructor(network: VirtualNetwork, options: PairingHostOptions) {
    const { address, name, at = '', ask, says, nonce } = options;
    this.#network = network;
    this.address = address;
    this.keyPair = options.keyPair ?? keyPairFromSecret(SecretKey.generate(network.prng.bytes));
    const pairing: PairingOptions = {
      keyPair: this.keyPair,
      name,
      at,
      ...(ask && { ask }),
      isAddress: (text) => /^[\w.]+:\d+$/.test(text),
      random: nonce === undefined ? network.prng.bytes : () => nonce,
      onEvent: (event) => {
        this.events.push(event);
        // As with a real person and a real disk, the answer does not come in the same turn.
        if (event.type === 'code' && says !== undefined) this.#soon(() => this.says(says));
        if (event.type === 'agreed') this.#soon(() => this.write(event.other));
      },
    };
    this.machine = new Pairing(pairing, network.now);
    network.add(this);
  }

  get code(): string | undefined {
    return this.#event('code')?.code;
  }

  get other(): Offer | undefined {
    return this.#event('code')?.other;
  }

  get outcome(): PairingOutcome | undefined {
    return this.#event('ended')?.outcome;
  }

  says(isSame: boolean): void {
    this.machine.confirm(isSame, this.#network.now);
  }

  write(other: Offer): void {
    this.book.push(other);
    this.machine.written(this.#network.now);
  }

  flush(): void {
    for (const { datagram, to } of this.machine.drain()) {
      this.#network.transmit({ datagram, from: this.address, to });
    }
  }

  #soon(action: () => void): void {
    this.#network.at(this.#network.now + 1, action);
  }

  #event<T extends PairingEvent['type']>(type: T): Extract<PairingEvent, { type: T }> | undefined {
    return this.events.find((event): event is Extract<PairingEvent, { type: T }> => event.type === type);
  }
}

export interface CoupleOptions {
  readonly pi?: Partial<PairingHostOptions>;
  readonly mac?: Partial<PairingHostOptions>;
}

/** `pi` waits, and `mac` asks it; both people say yes unless told otherwise. */
export function couple(
  network: VirtualNetwork,
  { pi, mac }: CoupleOptions = {},
): { pi: PairingHost; mac: PairingHost } {
  return {
    pi: new PairingHost(network, { address: PI, name: 'pi', says: true, ...pi }),
    mac: new PairingHost(network, {
      ...{ address: MAC, name: 'mac', at: 'mac.local:9999', ask: [PI], says: true },
      ...mac,
    }),
  };
}

/** Whose datagram it is, for an interceptor. */
export function isFrom(address: Address): (flight: { readonly from: Address }) => boolean {
  return ({ from }) => formatAddress(from) === formatAddress(address);
}
