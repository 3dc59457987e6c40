/** Looks at the datagrams of a host of the virtual network, as the owner of an endpoint may. */
import type { Address, Transmit } from '../../src/session/address.ts';
import { type Contents, type Received, startOf, type Tap } from '../../src/session/tap.ts';

export interface Noted {
  readonly direction: 'sent' | 'received';
  readonly address: Address;
  readonly start: Uint8Array;
  readonly length: number;
  readonly contents: Contents | undefined;
  readonly dropped: string | null;
}

export class Onlooker implements Tap {
  isOpen = true;
  readonly noted: Noted[] = [];

  received({ from, ...rest }: Received): void {
    this.noted.push({ direction: 'received', address: from, ...rest });
  }

  sent({ datagram, to, contents }: Transmit): void {
    const { length } = datagram;
    this.noted.push({
      direction: 'sent',
      address: to,
      start: startOf(datagram),
      length,
      contents,
      dropped: null,
    });
  }

  /** The names of the messages of each datagram, of one direction or both. */
  names(direction?: Noted['direction']): string[] {
    return this.noted
      .filter((one) => direction === undefined || one.direction === direction)
      .map(({ contents }) => (contents?.messages ?? []).map(({ name }) => name).join(' '));
  }
}
