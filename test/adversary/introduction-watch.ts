/** What introducers are asked and say, noted beside it: PROTOCOL §10.4 and §12 say who is told what, and how often. */
import { INTRODUCE, MEET } from '../../src/p2p/introduction.ts';
import type { Outcome } from '../../src/rpc/outcome.ts';
import type { RequestSpec } from '../../src/rpc/request-client.ts';
import type { CborValue } from '../../src/wire/cbor.ts';
import type { Host } from './host.ts';
import { violated } from './properties.ts';
import { keyOf } from './wire.ts';

/** What an introducer is asked, and invitations of one peer that are accepted: at once, and a second. */
const ASKED = { atOnce: 8, aSecond: 0.5 };
const ACCEPTED = { atOnce: 4, aSecond: 0.2 };
const ROUNDING = 1e-6;

interface Scene {
  readonly now: number;
  readonly hosts: readonly Host[];
  readonly bob: Host;
  readonly isBobHonest: boolean;
  /** Links that were heard of. */
  readonly links: number[];
}

export class IntroductionWatch {
  readonly #scene: Scene;
  readonly #accepted = new Set<string>();
  /** Who is at the other end of a link, as each was told, and when. */
  readonly #told = new Map<string, { readonly guest: string; readonly at: number }>();
  readonly #counted = new Map<string, { readonly since: number; count: number }>();

  #excess: string | null = null;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  /** What is found while a host asks, it would catch itself. */
  check(): void {
    if (this.#excess !== null) violated('metered', this.#excess);
  }

  /** Looks at all that this host asks from now on. */
  follow(host: Host): void {
    const { client } = host.requests;
    const request = client.request.bind(client);
    client.request = (spec, now) => {
      if (spec.command === MEET) this.#onMeet(host, spec.args?.[1] as readonly number[]);
      else if (spec.command === INTRODUCE) this.#counterOf(this.#askedBy(host), now);
      const settle = (outcome: Outcome): void => {
        if (outcome.ok) this.#onAnswer(host, spec, outcome.value);
        spec.settle(outcome);
      };
      return request({ ...spec, settle }, now);
    };
  }

  #onMeet(host: Host, accepted: readonly number[]): void {
    for (const link of accepted) {
      this.#accepted.add(`${host.name} ${link}`);
      const told = this.#told.get(`${host.name} ${host.run} ${link}`);
      if (told !== undefined)
        this.#count(`run ${host.run} of ${host.name} accepted ${told.guest}`, ACCEPTED, told.at);
    }
  }

  #onAnswer(host: Host, { command, args }: RequestSpec, value: CborValue): void {
    const { hosts, isBobHonest, links } = this.#scene;
    if (command !== MEET && command !== INTRODUCE) return;
    if (command === INTRODUCE && isBobHonest) this.#count(this.#askedBy(host), ASKED, this.#scene.now);
    const [link, key] = (Array.isArray(value) ? value : []) as CborValue[];
    if (typeof link !== 'number' || link < 0) return;
    links.push(link);
    if (command === MEET) {
      this.#told.set(`${host.name} ${host.run} ${link}`, { guest: String(key), at: this.#scene.now });
      return;
    }
    if (!isBobHonest) return;
    const whom = keyOf(args?.[0] as Uint8Array);
    const other = hosts.find(({ keyPair }) => keyOf(keyPair.publicKey.bytes) === whom);
    if (other?.peers.has(host) && this.#accepted.has(`${other.name} ${link}`)) return;
    violated('consent', `${host.name} was told of ${other?.name}, who had not accepted`);
  }

  #askedBy(host: Host): string {
    return `${host.name} asked run ${this.#scene.bob.run} of Bob`;
  }

  #counterOf(what: string, now: number): { readonly since: number; count: number } {
    const counter = this.#counted.get(what) ?? { since: now, count: 0 };
    this.#counted.set(what, counter);
    return counter;
  }

  #count(what: string, { atOnce, aSecond }: typeof ASKED, now: number): void {
    const counted = this.#counterOf(what, now);
    const seconds = (now - counted.since) / 1_000;
    if (++counted.count > atOnce + aSecond * seconds + ROUNDING)
      this.#excess ??= `${what} ${counted.count} times in ${seconds} s`;
  }
}
