/** What somebody can do who owns the wire (Dolev and Yao): one step after the other, drawn by lot. */
import type { Address } from '../../src/session/address.ts';
import { DatagramType } from '../../src/wire/header.ts';
import type { Host, Sent } from './host.ts';
import { poseAsInitiator, poseAsResponder } from './thief.ts';
import { receiverKey, VICTIM } from './wire.ts';
import { MINUTE, WireAttacker } from './wire-attacker.ts';
import type { World } from './world.ts';

/** HELLOs replayed one after the other. */
const STORM = 200;
/** More than are metered at once. */
const GATHERED = 48;
const REQUEST_MS = 60_000;

export class Attacker extends WireAttacker<World> {
  constructor(world: World) {
    super(world);
    const { prng } = world;
    // What the owners of the machines do, and a wire that works now and then: without these there is nothing to attack.
    this.often(4, () => this.#ask());
    this.often(12, () => this.letThrough());
    this.often(2, () => this.letAllThrough());
    this.often(1, () => world.running.splice(prng.below(world.running.length), 1)[0]?.());
    // What the attacker does is more or less of each kind in each schedule.
    this.attack(() => this.drop());
    this.attack(() => this.wait());
    this.attack(() => this.replay());
    this.attack(() => this.readdress());
    this.attack(() => this.tamper());
    this.attack(() => this.splice());
    this.attack(() => this.resize());
    this.attack(() => this.invent());
    this.attack(() => this.misdeliver());
    this.attack(() => this.letHalfThrough());
    this.attack(() => this.letHeldOpenThrough());
    if (prng.chance(0.02)) this.attack(() => this.gather());
    if (prng.chance(0.05)) this.attack(() => this.#mixAnswers());
    if (prng.chance(0.1)) this.attack(() => this.#openForVictim());
    if (prng.chance(0.05)) this.attack(() => this.#openTwice());
    if (prng.chance(0.1)) this.attack(() => this.storm());
    if (prng.chance(0.5)) this.attack(() => this.#restart());
    if (prng.chance(0.3)) this.attack(() => world.close(this.pick([world.alice, world.bob])));
    if (prng.chance(0.05)) this.attack(() => this.#hour());
    if (prng.chance(0.3)) {
      const owner = prng.chance(0.5) ? world.alice : world.bob;
      const other = owner === world.alice ? world.bob : world.alice;
      this.attack(() => (prng.chance(0.5) ? poseAsResponder : poseAsInitiator)(world, owner, other));
    }
  }

  #ask(): void {
    const { alice, bob, mallory, prng } = this.world;
    const [by, of] = (
      [
        [alice, bob],
        [alice, bob],
        [bob, alice],
        [mallory, bob],
      ] as const
    )[prng.below(4)] as [Host, Host];
    if (prng.chance(0.1)) {
      this.world.askStream(by, of, 1 + prng.below(REQUEST_MS));
      return;
    }
    this.world.ask(
      by,
      of,
      this.pick(['launch', 'launch', 'echo', 'large'] as const),
      1 + prng.below(REQUEST_MS),
    );
  }

  /** An hour of use that nobody disturbs: sessions are renewed. */
  #hour(): void {
    const world = this.world;
    for (let i = 0; i < 12; i++) {
      world.calm(4 * MINUTE + world.prng.below(2 * MINUTE));
      world.ask(world.alice, world.bob, 'echo', REQUEST_MS);
    }
    world.calm(5_000);
  }

  /** Has Alice start again and again, for her HELLOs: with a token at last. */
  gather(): void {
    const world = this.world;
    for (let i = 0; i < GATHERED; i++) {
      world.restart(world.alice);
      world.ask(world.alice, world.bob, 'echo', 1_000);
      for (let leg = 0; leg < 2; leg++) this.letAllThrough();
      world.underway.length = 0;
    }
  }

  storm(): void {
    this.replayHellos(STORM);
  }

  /** Any that were ever sent to Bob. */
  replayHellos(count: number): void {
    const { bob, sent } = this.world;
    const hellos = sent.filter(({ by, datagram }) => by !== bob && datagram[0] === DatagramType.HELLO);
    for (let i = 0; i < count && hellos.length > 0; i++) {
      const hello = this.pick(hellos);
      this.world.deliver(hello, bob, this.source(hello));
    }
  }

  /** A request goes out with two handshakes, the second of which goes through; the first one's OPEN comes when all is over. */
  #openTwice(): void {
    const world = this.world;
    const isOpen = ({ by, datagram }: Sent): boolean =>
      by === world.alice && datagram[0] === DatagramType.OPEN;
    world.restart(world.alice);
    world.ask(world.alice, world.bob, 'launch', REQUEST_MS);
    const before = world.sent.length;
    const opens = new Map<string, Sent>();
    for (let round = 0; round < 40 && opens.size < 2; round++) {
      this.letAllThrough((sent) => !isOpen(sent));
      world.pass(500);
      for (const sent of world.sent.slice(before).filter(isOpen)) opens.set(receiverKey(sent.datagram), sent);
    }
    const [first, second] = opens.values();
    if (first === undefined || second === undefined) return;
    world.deliver(second, world.bob, world.alice.home);
    this.letAllThrough();
    if (world.prng.chance(0.7)) world.close(world.alice);
    this.letAllThrough();
    world.pass(world.prng.below(5_000));
    world.deliver(first, world.bob, world.alice.home);
  }

  /** A handshake in somebody else's name: HELLO comes from there, or from two places, and OPEN with a large request from there. */
  #openForVictim(): void {
    const world = this.world;
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
    this.letAllThrough(({ by }) => by === bob);
    from(DatagramType.OPEN, VICTIM);
  }

  /** The parts of an answer arrive among those that the server's next run gives to the same request. */
  #mixAnswers(): void {
    const world = this.world;
    const isPart = ({ by, datagram }: Sent): boolean => by === world.bob && datagram.length > 1_000;
    const holdParts = (): Sent[] => {
      for (let round = 0; round < 20; round++) {
        const parts = world.underway.filter((sent) => isPart(sent) && sent.datagram[0] === DatagramType.DATA);
        this.letAllThrough((sent) => !parts.includes(sent));
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
    this.world.restart(this.pick([this.world.alice, this.world.bob]));
  }

  protected mayRoam(host: Host): boolean {
    return host === this.world.alice;
  }

  protected receiverOf(sent: Sent): Host {
    const { alice, bob, mallory, prng } = this.world;
    const known = this.world.recipientOf(sent);
    if (known !== undefined) return known;
    return sent.by === bob ? (prng.chance(0.8) ? alice : mallory) : bob;
  }
}
