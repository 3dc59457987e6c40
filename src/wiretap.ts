/** The datagrams of an endpoint as they pass, for its owner's eyes: what anybody on the way sees, and what was in it. */
import { type Address, relayLinkOf, type Transmit } from './session/address.ts';
import type { DropReason } from './session/drop-reason.ts';
import type { Peer } from './session/peer.ts';
import { type Contents, type Received, startOf, type Tap } from './session/tap.ts';
import type { SeenMessage } from './wire/describe-message.ts';
import { DatagramType } from './wire/header.ts';

export type DatagramKind = keyof typeof DatagramType;

/** A datagram that was sent or received. Nothing in it is a key, or would help anybody on the way. */
export interface SeenDatagram {
  readonly direction: 'sent' | 'received';
  /** Where it went, or says that it comes from; the relay's where {@link via} is given. */
  readonly address: Address;
  /** The peer that relays it: it travelled in a RELAY, inside of another datagram that was seen too. */
  readonly via: string | undefined;
  /** In bytes. */
  readonly length: number;
  /** Its first 64 bytes, sealed as they were on the way. */
  readonly start: Uint8Array;
  /** By its first byte; null where that is none of them. */
  readonly kind: DatagramKind | null;
  /** Who sealed it, once that is proved, or for whom it was sealed. Undefined for what was dropped, or is another worker's. */
  readonly peer: string | undefined;
  /** Why it was answered with silence. */
  readonly dropped: DropReason | undefined;
  /** What was sealed in it, in order, of many the first 32. A handshake has none but in its OPEN. */
  readonly messages: readonly SeenMessage[];
  /** How many there were. */
  readonly messageCount: number;
}

export interface WiretapOptions {
  readonly nameOf: (peer: Peer) => string | undefined;
  /** By its index. */
  readonly peerAt: (index: number) => Peer | undefined;
}

const KINDS = new Map(Object.entries(DatagramType).map(([name, type]) => [type, name as DatagramKind]));

export class Wiretap implements Tap {
  readonly #options: WiretapOptions;
  readonly #listeners = new Set<(seen: SeenDatagram) => void>();
  #untold: SeenDatagram[] = [];

  constructor(options: WiretapOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#listeners.size > 0;
  }

  /** @returns what ends it */
  listen(listener: (seen: SeenDatagram) => void): () => void {
    const own = (seen: SeenDatagram): void => listener(seen); // the same one may listen twice
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  received({ start, length, from, contents, dropped }: Received): void {
    this.#tell('received', from, start, length, contents, dropped ?? undefined);
  }

  sent({ datagram, to, contents }: Transmit): void {
    this.#tell('sent', to, startOf(datagram), datagram.length, contents, undefined);
  }

  #tell(
    direction: SeenDatagram['direction'],
    address: Address,
    start: Uint8Array,
    length: number,
    contents: Contents | undefined,
    dropped: DropReason | undefined,
  ): void {
    // Later, since the listener may call back, and the protocol machine is in the middle of something.
    if (this.#untold.length === 0) queueMicrotask(() => this.#tellAll());
    this.#untold.push({
      direction,
      ...this.#placeOf(address),
      length,
      start,
      kind: KINDS.get(start[0] as DatagramType) ?? null,
      peer: contents && this.#options.nameOf(contents.peer),
      dropped,
      messages: contents?.messages ?? [],
      messageCount: contents?.messageCount ?? 0,
    });
  }

  #placeOf(address: Address): Pick<SeenDatagram, 'address' | 'via'> {
    const link = relayLinkOf(address);
    if (link === null) return { address, via: undefined };
    const relay = this.#options.peerAt(link.relay);
    return { address: relay?.current?.address ?? address, via: relay && this.#options.nameOf(relay) };
  }

  #tellAll(): void {
    const untold = this.#untold;
    this.#untold = [];
    for (const seen of untold) {
      for (const listener of this.#listeners) {
        try {
          listener(seen);
        } catch {
          // Looking on must not stop what is looked at.
        }
      }
    }
  }
}
