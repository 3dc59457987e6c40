/** Bob, where he is the attacker's: what is asked of him waits for what the attacker makes of it. */
import { INTRODUCE, MEET } from '../../src/p2p/introduction.ts';
import type { CommandResult } from '../../src/rpc/request-server.ts';
import type { Address } from '../../src/session/address.ts';
import type { CborValue } from '../../src/wire/cbor.ts';
import type { Host, Sent } from './host.ts';

/** Somebody waits to be found, or wants to find somebody. */
interface Wish {
  readonly by: Host;
  /** Whom; undefined for who waits. */
  readonly whom: Uint8Array | undefined;
  readonly answer: (result: CommandResult) => void;
}

export class HostileIntroducer {
  readonly wishes: Wish[] = [];
  /** What is to be relayed, in order. */
  readonly relayed: { readonly sent: Sent; readonly link: number }[] = [];
  #link = 0;

  asked(
    by: Host,
    command: string,
    args: Record<string, CborValue>,
    answer: (result: CommandResult) => void,
  ): void {
    if (command !== MEET && command !== INTRODUCE) return;
    const whom = command === INTRODUCE ? (args['publicKey'] as Uint8Array) : undefined;
    this.wishes.push({ by, whom, answer });
  }

  /** Somebody who waits to be found, if he does. */
  takeWaiting(host: Host): Wish | undefined {
    return this.#take(({ by, whom }) => by === host && whom === undefined);
  }

  takeAsking(): Wish | undefined {
    return this.#take(({ whom }) => whom !== undefined);
  }

  nextLink(): number {
    return ++this.#link;
  }

  #take(is: (wish: Wish) => boolean): Wish | undefined {
    // The newest: who asked before may have given up.
    const place = this.wishes.findLastIndex(is);
    return place < 0 ? undefined : this.wishes.splice(place, 1)[0];
  }
}

/** As it is told, of whatever kind it is. */
export function told(addresses: readonly Address[]): CborValue {
  return addresses.map(({ ip, port }) => [Uint8Array.from(ip.split('.'), Number), port]);
}
