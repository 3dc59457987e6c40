/** What somebody can do who owns the wire (Dolev and Yao): one step after the other, drawn by lot. */
import type { Address } from '../../src/session/address.ts';
import { OPEN_BOX_OFFSET } from '../../src/session/handshake-datagrams.ts';
import { DatagramType, HEADER_BYTES } from '../../src/wire/header.ts';
import { poseAsInitiator, poseAsResponder } from './thief.ts';
import { ELSEWHERE, type Host, receiverKey, type Sent, VICTIM, type World } from './world.ts';

const MINUTE = 60_000;
/** HELLOs replayed one after the other. */
const STORM = 200;
/** More than are metered at once. */
const GATHERED = 48;
const REQUEST_MS = 60_000;

export class Attacker {
  readonly #world: World;
  /** Each step as often as this schedule has it. */
  readonly #steps: (() => void)[] = [];

  constructor(world: World) {
    this.#world = world;
    const { prng } = world;
    const often = (weight: number, step: () => void): void => {
      for (let i = 0; i < weight; i++) this.#steps.push(step);
    };
    // What the owners of the machines do, and a wire that works now and then: without these there is nothing to attack.
    often(4, () => this.#ask());
    often(12, () => this.#letThrough());
    often(2, () => this.#letAllThrough());
    often(1, () => world.running.splice(prng.below(world.running.length), 1)[0]?.());
    // What the attacker does is more or less of each kind in each schedule.
    const attack = (step: () => void): void => often([0, 0, 1, 3][prng.below(4)] as number, step);
    attack(() => this.#drop());
    attack(() => this.#wait());
    attack(() => this.#replay());
    attack(() => this.#readdress());
    attack(() => this.#tamper());
    attack(() => this.#splice());
    attack(() => this.#resize());
    attack(() => this.#invent());
    attack(() => this.#misdeliver());
    attack(() => this.#letHalfThrough());
    attack(() => this.#letHeldOpenThrough());
    if (prng.chance(0.02)) attack(() => this.gather());
    if (prng.chance(0.05)) attack(() => this.#mixAnswers());
    if (prng.chance(0.1)) attack(() => this.#openForVictim());
    if (prng.chance(0.05)) attack(() => this.#openTwice());
    if (prng.chance(0.1)) attack(() => this.storm());
    if (prng.chance(0.5)) attack(() => this.#restart());
    if (prng.chance(0.3)) attack(() => world.close(this.#pick([world.alice, world.bob])));
    if (prng.chance(0.05)) attack(() => this.#hour());
    if (prng.chance(0.3)) {
      const owner = prng.chance(0.5) ? world.alice : world.bob;
      const other = owner === world.alice ? world.bob : world.alice;
      attack(() => (prng.chance(0.5) ? poseAsResponder : poseAsInitiator)(world, owner, other));
    }
  }

  step(): void {
    (this.#pick(this.#steps) as () => void)();
  }

  #ask(): void {
    const { alice, bob, mallory, prng } = this.#world;
    const [by, of] = (
      [
        [alice, bob],
        [alice, bob],
        [bob, alice],
        [mallory, bob],
      ] as const
    )[prng.below(4)] as [Host, Host];
    if (prng.chance(0.1)) {
      this.#world.askStream(by, of, 1 + prng.below(REQUEST_MS));
      return;
    }
    this.#world.ask(
      by,
      of,
      this.#pick(['launch', 'launch', 'echo', 'large'] as const),
      1 + prng.below(REQUEST_MS),
    );
  }

  /** One of those under way, mostly the oldest. */
  #letThrough(): void {
    const { prng, underway } = this.#world;
    const at = prng.chance(0.7) ? 0 : prng.below(underway.length);
    const [sent] = underway.splice(at, 1);
    if (sent !== undefined) this.#world.deliver(sent, this.#receiverOf(sent), sent.by.address);
  }

  #letAllThrough(passes: (sent: Sent) => boolean = () => true): void {
    for (const sent of this.#world.underway.splice(0)) {
      if (passes(sent)) this.#world.deliver(sent, this.#receiverOf(sent), sent.by.address);
      this.#world.now += this.#world.prng.below(20);
    }
  }

  /** And loses the rest. */
  #letHalfThrough(): void {
    for (const sent of this.#world.underway.splice(0)) {
      if (this.#world.prng.chance(0.5)) this.#world.deliver(sent, this.#receiverOf(sent), sent.by.address);
    }
  }

  #drop(): void {
    const { prng, underway } = this.#world;
    if (prng.chance(0.2)) underway.length = 0;
    else underway.splice(prng.below(underway.length), 1);
  }

  #wait(): void {
    const { prng } = this.#world;
    this.#world.pass(this.#pick([1, 30, 600, 5_000, MINUTE, 3 * MINUTE]) * (0.5 + prng.next()));
  }

  /** An hour of use that nobody disturbs: sessions are renewed. */
  #hour(): void {
    const world = this.#world;
    for (let i = 0; i < 12; i++) {
      world.calm(4 * MINUTE + world.prng.below(2 * MINUTE));
      world.ask(world.alice, world.bob, 'echo', REQUEST_MS);
    }
    world.calm(5_000);
  }

  /** Anything that was sent, once more or for the first time. */
  #replay(): void {
    const sent = this.#recorded();
    if (sent !== undefined) this.#world.deliver(sent, this.#receiverOf(sent), this.#source(sent));
  }

  /** What is under way arrives, and from elsewhere. */
  #readdress(): void {
    const sent = this.#world.underway.shift();
    if (sent === undefined) return;
    const from = this.#source(sent);
    if (sent.by === this.#world.alice && from !== VICTIM && this.#world.prng.chance(0.3))
      sent.by.address = from;
    this.#world.deliver(sent, this.#receiverOf(sent), from);
  }

  /** To whom it is not meant for, or back to its sender. */
  #misdeliver(): void {
    const sent = this.#recorded();
    if (sent !== undefined) this.#world.deliver(sent, this.#pick(this.#world.hosts), this.#source(sent));
  }

  #tamper(): void {
    const sent = this.#recorded();
    if (sent === undefined) return;
    const datagram = sent.datagram.slice();
    const at = this.#world.prng.chance(0.3)
      ? this.#world.prng.below(HEADER_BYTES)
      : this.#world.prng.below(datagram.length);
    // Of an OPEN for a live session that is not looked at (PROTOCOL §5.3, rule 4).
    if (datagram[0] === DatagramType.OPEN && at >= HEADER_BYTES && at < OPEN_BOX_OFFSET) return;
    datagram[at] = (datagram[at] as number) ^ (1 << this.#world.prng.below(8));
    this.#forge(sent, datagram);
  }

  /** The beginning of one, and the rest of another. */
  #splice(): void {
    const [one, other] = [this.#recorded(), this.#recorded()];
    if (one === undefined || other === undefined) return;
    const at = this.#pick([1, 9, HEADER_BYTES, HEADER_BYTES + 55, OPEN_BOX_OFFSET]);
    this.#forge(one, Buffer.concat([one.datagram.subarray(0, at), other.datagram.subarray(at)]));
  }

  #resize(): void {
    const sent = this.#recorded();
    if (sent === undefined) return;
    const { datagram } = sent;
    const length = this.#world.prng.below(datagram.length + 100);
    const resized = new Uint8Array(length);
    resized.set(datagram.subarray(0, Math.min(length, datagram.length)));
    this.#forge(sent, resized);
  }

  /** Random bytes behind a header that says something. */
  #invent(): void {
    const sent = this.#recorded();
    if (sent === undefined) return;
    const { prng } = this.#world;
    const datagram = prng.bytes(this.#pick([41, 46, 159, 160, 300, 1_232]));
    datagram[0] = 1 + prng.below(5);
    if (prng.chance(0.7)) datagram.set(sent.datagram.subarray(1, 9), 1);
    if ((datagram[0] as number) >= DatagramType.OPEN) datagram.fill(0, 9, 20);
    this.#forge(sent, datagram);
  }

  /** Has Alice start again and again, for her HELLOs: with a token at last. */
  gather(): void {
    const world = this.#world;
    for (let i = 0; i < GATHERED; i++) {
      world.restart(world.alice);
      world.ask(world.alice, world.bob, 'echo', 1_000);
      for (let leg = 0; leg < 2; leg++) this.#letAllThrough();
      world.underway.length = 0;
    }
  }

  storm(): void {
    this.replayHellos(STORM);
  }

  /** Any that were ever sent to Bob. */
  replayHellos(count: number): void {
    const { bob, sent } = this.#world;
    const hellos = sent.filter(({ by, datagram }) => by !== bob && datagram[0] === DatagramType.HELLO);
    for (let i = 0; i < count && hellos.length > 0; i++) {
      const hello = this.#pick(hellos);
      this.#world.deliver(hello, bob, this.#source(hello));
    }
  }

  /** One that did not arrive, whatever has happened since. */
  #letHeldOpenThrough(): void {
    const held = this.#world.sent.filter(
      (sent) =>
        sent.datagram[0] === DatagramType.OPEN &&
        !this.#receiverOf(sent).opened.has(receiverKey(sent.datagram)),
    );
    const sent = this.#pick(held);
    if (sent !== undefined) this.#world.deliver(sent, this.#receiverOf(sent), this.#source(sent));
  }

  /** A request goes out with two handshakes, the second of which goes through; the first one's OPEN comes when all is over. */
  #openTwice(): void {
    const world = this.#world;
    const isOpen = ({ by, datagram }: Sent): boolean =>
      by === world.alice && datagram[0] === DatagramType.OPEN;
    world.restart(world.alice);
    world.ask(world.alice, world.bob, 'launch', REQUEST_MS);
    const before = world.sent.length;
    const opens = new Map<string, Sent>();
    for (let round = 0; round < 40 && opens.size < 2; round++) {
      this.#letAllThrough((sent) => !isOpen(sent));
      world.pass(500);
      for (const sent of world.sent.slice(before).filter(isOpen)) opens.set(receiverKey(sent.datagram), sent);
    }
    const [first, second] = opens.values();
    if (first === undefined || second === undefined) return;
    world.deliver(second, world.bob, world.alice.home);
    this.#letAllThrough();
    if (world.prng.chance(0.7)) world.close(world.alice);
    this.#letAllThrough();
    world.pass(world.prng.below(5_000));
    world.deliver(first, world.bob, world.alice.home);
  }

  /** A handshake in somebody else's name: HELLO comes from there, or from two places, and OPEN with a large request from there. */
  #openForVictim(): void {
    const world = this.#world;
    const { alice, bob, prng } = world;
    const from = (type: number, source: Address): void => {
      const sent = world.sent.findLast(({ by, datagram }) => by === alice && datagram[0] === type);
      if (sent !== undefined) world.deliver(sent, bob, source);
    };
    world.restart(alice);
    world.underway.length = 0;
    world.ask(alice, bob, 'large', REQUEST_MS);
    if (prng.chance(0.7)) from(DatagramType.HELLO, VICTIM);
    from(DatagramType.HELLO, alice.home);
    this.#letAllThrough(({ by }) => by === bob);
    from(DatagramType.OPEN, VICTIM);
  }

  /** The parts of an answer arrive among those that the server's next run gives to the same request. */
  #mixAnswers(): void {
    const world = this.#world;
    const isPart = ({ by, datagram }: Sent): boolean => by === world.bob && datagram.length > 1_000;
    const holdParts = (): Sent[] => {
      for (let round = 0; round < 20; round++) {
        const parts = world.underway.filter((sent) => isPart(sent) && sent.datagram[0] === DatagramType.DATA);
        this.#letAllThrough((sent) => !parts.includes(sent));
        if (parts.length > 1) return parts;
        world.pass(200);
      }
      return [];
    };
    world.ask(world.alice, world.bob, 'large', REQUEST_MS);
    const first = holdParts();
    world.restart(world.bob);
    const second = holdParts();
    const both = [...first, ...second].sort(() => world.prng.next() - 0.5);
    for (const sent of both) world.deliver(sent, world.alice, world.bob.home);
  }

  #restart(): void {
    this.#world.restart(this.#pick([this.#world.alice, this.#world.bob]));
  }

  #forge(like: Sent, datagram: Uint8Array): void {
    this.#world.forge(datagram, this.#receiverOf(like), this.#source(like));
  }

  #recorded(): Sent | undefined {
    return this.#pick(this.#world.sent);
  }

  #receiverOf(sent: Sent): Host {
    const { alice, bob, mallory, prng } = this.#world;
    const known = this.#world.recipientOf(sent);
    if (known !== undefined) return known;
    return sent.by === bob ? (prng.chance(0.8) ? alice : mallory) : bob;
  }

  /** Never another host's: what that one sends is told by its address. */
  #source({ by }: Sent): Address {
    return this.#pick([by.home, by.address, ...ELSEWHERE, VICTIM]);
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[this.#world.prng.below(choices.length)] as T;
  }
}
