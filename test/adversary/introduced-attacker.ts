/** The attacker between two who do not know where the other one is: he has the wire, and Bob or another peer of Bob's. */
import { errorForPeer } from '../../src/errors.ts';
import { INTRODUCE, MEET } from '../../src/p2p/introduction.ts';
import { type Address, relayAddress } from '../../src/session/address.ts';
import type { Peer } from '../../src/session/peer.ts';
import type { CborValue } from '../../src/wire/cbor.ts';
import { DatagramType } from '../../src/wire/header.ts';
import type { Host, Sent } from './host.ts';
import { told } from './hostile-introducer.ts';
import { type IntroducedWorld, UNUSABLE } from './introduced-world.ts';
import { ELSEWHERE, VICTIM } from './wire.ts';
import { MINUTE, WireAttacker } from './wire-attacker.ts';

const REQUEST_MS = 30_000;
/** More than goes at once over any link. */
const FLOOD = 60;
const FLOOD_BYTES = 1_100;
/** More than at once is asked of an introducer, or accepted. */
const OFTEN = 12;
/** Bob's index among the peers of all others: the first. */
const RELAY = 0;

export class IntroducedAttacker extends WireAttacker<IntroducedWorld> {
  constructor(world: IntroducedWorld) {
    super(world);
    const { prng, alice, bob, carol, mallory } = world;
    this.often(4, () => this.#ask());
    this.often(8, () => this.letThrough());
    this.often(4, () => this.letAllThrough());
    this.often(4, () => this.#leaveAlone());
    this.often(1, () => world.running.splice(prng.below(world.running.length), 1)[0]?.());
    for (const step of [
      () => this.drop(),
      () => this.wait(),
      () => this.replay(),
      () => this.readdress(),
      () => this.tamper(),
      () => this.splice(),
      () => this.resize(),
      () => this.invent(),
      () => this.misdeliver(),
      () => this.letHalfThrough(),
      () => this.letHeldOpenThrough(),
    ])
      this.attack(step);
    if (prng.chance(0.3)) this.attack(() => world.restart(this.pick([alice, bob, carol])));
    if (prng.chance(0.2)) this.attack(() => world.close(this.pick([alice, bob, carol])));
    if (world.hostile !== null) {
      this.often(6, () => this.serve());
      this.attack(() => this.#answerAsking(this.#lie()));
      this.attack(() => this.#inviteSomebody());
      if (prng.chance(0.2)) this.attack(() => this.#inviteOften());
      this.attack(() => this.#answerNonsense());
      if (prng.chance(0.2)) this.attack(() => this.#refuse());
      this.attack(() => this.#dropRelayed());
      this.attack(() => this.#openForVictim());
    } else {
      this.attack(() => this.#openForVictim());
      this.attack(() => this.#flood());
      if (prng.chance(0.2)) this.attack(() => this.#leaveForLong());
      if (prng.chance(0.2)) this.attack(() => this.#holdRelayed());
      this.attack(() => this.#askAsMallory());
      if (prng.chance(0.2)) this.attack(() => this.#askOften());
      this.attack(() => this.#acceptAsMallory());
      this.attack(() => this.#relayAsMallory());
      this.attack(() => void world.reachAndAsk(mallory, bob, 'echo', REQUEST_MS));
    }
  }

  /** What an honest Bob would do with what waits, where he is the attacker's. */
  serve(): void {
    const { hostile, alice, carol } = this.world;
    if (hostile === null) return;
    for (const { sent, link } of hostile.relayed.splice(0))
      this.world.deliver(sent, this.receiverOf(sent), relayAddress({ relay: RELAY, link }));
    this.#answerAsking((other) => [other.home]);
    // Who waits in vain asks again.
    if (hostile.wishes.length > 20) hostile.wishes.splice(0, 10);
    for (const host of [alice, carol]) this.world.collect(host);
  }

  protected mayRoam(host: Host): boolean {
    return host === this.world.alice || host === this.world.carol;
  }

  protected receiverOf(sent: Sent): Host {
    return this.world.recipientOf(sent) ?? this.pick(this.world.hosts);
  }

  protected override source(sent: Sent): Address {
    const { hostile, prng, links } = this.world;
    if (hostile === null || links.length === 0 || prng.chance(0.5)) return super.source(sent);
    return relayAddress({ relay: RELAY, link: this.pick(links) });
  }

  #ask(): void {
    const { alice, bob, carol, prng } = this.world;
    const [by, of] = this.pick([
      [alice, carol],
      [alice, carol],
      [carol, alice],
      [alice, bob],
    ] as const);
    // No stream with Bob: what a relay brings would be among what is acknowledged.
    const what = this.pick(['launch', 'launch', 'echo', 'large', of === bob ? 'echo' : 'bytes'] as const);
    this.world.reachAndAsk(by, of, what, 1 + prng.below(REQUEST_MS));
  }

  /** For a moment he does nothing: sessions come about. */
  #leaveAlone(): void {
    this.letAllThrough();
    this.world.calm(50 + this.world.prng.below(1_500), undefined, () => this.serve());
  }

  /** Tells both sides of an introduction what he likes. */
  #answerAsking(addressesOf: (of: Host) => readonly Address[]): void {
    const { hostile, hosts, bob } = this.world;
    const asking = hostile?.takeAsking();
    if (hostile == null || asking?.whom === undefined) return;
    const other = hosts.find(
      ({ keyPair }) => Buffer.compare(keyPair.publicKey.bytes, asking.whom as Uint8Array) === 0,
    );
    if (other === undefined || other === bob) return;
    const link = hostile.nextLink();
    this.world.links.push(link);
    const { bytes } = asking.by.keyPair.publicKey;
    const waiting = hostile.takeWaiting(other);
    if (waiting !== undefined) this.#say(waiting, [link, bytes, told(addressesOf(asking.by))]);
    this.#say(asking, [link, this.pick([1_000_000, 1_000_000, 1, 0]), told(addressesOf(other))]);
  }

  /** Somebody whom nobody asked for. */
  #inviteSomebody(): void {
    const { alice, bob, carol, mallory } = this.world;
    this.#invite(this.pick([alice, carol]), this.pick([alice, carol, carol, alice, bob, mallory]));
  }

  #invite(host: Host, guest: Host): void {
    const { hostile, prng } = this.world;
    const waiting = hostile?.takeWaiting(host);
    if (hostile == null || waiting === undefined) return;
    const link = prng.chance(0.7) ? hostile.nextLink() : (this.pick(this.world.links) ?? 1);
    this.#say(waiting, [link, guest.keyPair.publicKey.bytes, told(this.#lie()(guest))]);
  }

  #inviteOften(): void {
    const { alice, carol } = this.world;
    this.world.calm(3_000);
    for (let i = 0; i < OFTEN; i++) {
      this.#invite(alice, carol);
      for (let leg = 0; leg < 2; leg++) this.letAllThrough();
      this.world.pass(20);
    }
  }

  #answerNonsense(): void {
    const { hostile, prng, bob } = this.world;
    const wish = hostile?.wishes.splice(prng.below(hostile.wishes.length), 1)[0];
    if (wish === undefined) return;
    const { bytes } = bob.keyPair.publicKey;
    const values: CborValue[] = [
      null,
      [],
      [1],
      'x',
      [1, bytes, []],
      [1, 1, [[bytes, 1]]],
      [-1, bytes, []],
      [1, 2, 3],
    ];
    this.#say(wish, this.pick(values));
  }

  /** He does not introduce, or not now. */
  #refuse(): void {
    const { world } = this;
    const { hostile, prng, bob } = world;
    const wish = hostile?.wishes.splice(prng.below(hostile.wishes.length), 1)[0];
    if (wish === undefined) return;
    const code = this.pick(['unknown-command', 'busy', 'command-failed'] as const);
    if (code === 'unknown-command') world.isRefused = true;
    world.actAs(bob, () => wish.answer({ ok: false, error: errorForPeer(code, 'No.') }));
  }

  #say({ answer }: { answer: (result: { ok: true; value: CborValue }) => void }, value: CborValue): void {
    this.world.actAs(this.world.bob, () => answer({ ok: true, value }));
  }

  #lie(): (of: Host) => Address[] {
    const { prng, bob } = this.world;
    const port = prng.below(60_000);
    const kinds: ((of: Host) => readonly Address[])[] = [
      (of) => [of.home],
      () => ELSEWHERE,
      () => [VICTIM],
      () => [1, 2, 3, 4, 5, 6].map((i) => ({ ip: VICTIM.ip, port: port + i })),
      () => UNUSABLE,
      () => [bob.home],
      () => [],
    ];
    const chosen = [this.pick(kinds), this.pick(kinds)];
    return (of) => chosen.flatMap((kind) => kind(of)).slice(0, 8);
  }

  #dropRelayed(): void {
    const { hostile, prng } = this.world;
    if (prng.chance(0.3)) hostile?.relayed.splice(0);
    else hostile?.relayed.splice(prng.below(hostile.relayed.length), 1);
  }

  /** A handshake that is finished from where nobody is. */
  #openForVictim(): void {
    const { world } = this;
    const { alice, carol, bob, prng } = world;
    const [by, of] = this.pick([
      [alice, bob],
      [carol, bob],
      [alice, carol],
      [carol, alice],
    ] as const);
    const isOpen = (sent: Sent): boolean =>
      sent.by === by && sent.of === of && sent.datagram[0] === DatagramType.OPEN;
    world.restart(by);
    world.reachAndAsk(by, of, 'echo', REQUEST_MS);
    const before = world.sent.length;
    for (let round = 0; round < 30; round++) {
      this.serve();
      this.letAllThrough((sent) => !isOpen(sent));
      const open = world.sent.slice(before).find(isOpen);
      if (open !== undefined) {
        world.deliver(open, of, VICTIM);
        if (prng.chance(0.5)) world.calm(2_000, undefined, () => this.serve());
        return;
      }
      world.pass(100);
    }
  }

  /** Longer than a link lives; then what was found before is used again. */
  #leaveForLong(): void {
    const { world } = this;
    world.reachAndAsk(world.alice, world.carol, 'echo', REQUEST_MS);
    world.calm(5_000);
    world.calm(5 * MINUTE + world.prng.below(3 * MINUTE));
    world.reachAndAsk(world.alice, world.carol, 'echo', REQUEST_MS);
    world.calm(1_000);
  }

  /** What a relay brings back is held until there is a direct way. */
  #holdRelayed(): void {
    const { world } = this;
    const { alice, bob, carol } = world;
    world.restart(alice);
    const before = world.relayed.length;
    world.reachAndAsk(alice, carol, 'echo', REQUEST_MS);
    const held: Sent[] = [];
    for (let round = 0; round < 150; round++) {
      const isOpen = world.relayed
        .slice(before)
        .some(({ by, datagram }) => by === alice && datagram[0] === DatagramType.OPEN);
      this.letAllThrough((sent) => {
        if (!isOpen) return sent.by === bob || sent.of === bob;
        if (sent.by === bob && sent.of === alice) held.push(sent);
        return sent.by !== bob || sent.of !== alice;
      });
      if (alice.peers.get(carol)?.current?.isDirect) break;
      world.pass(60);
    }
    for (const sent of held) world.deliver(sent, alice, bob.home);
  }

  /** Alice's own process has more to be relayed than is ever taken. */
  #flood(): void {
    const { alice, carol, links, prng } = this.world;
    const link = links.at(-1);
    if (link === undefined) return;
    for (let i = 0; i < FLOOD; i++) this.world.relay(alice, link, prng.bytes(FLOOD_BYTES), carol);
    this.letAllThrough();
  }

  #askAsMallory(): void {
    const { alice, carol, bob, mallory } = this.world;
    const whom = this.pick([alice, carol]).keyPair.publicKey.bytes;
    this.#requestAsMallory(mallory.peers.get(bob) as Peer, INTRODUCE, [whom, told([VICTIM])]);
    this.#leaveAlone();
  }

  /** More than an introducer answers. */
  #askOften(): void {
    const { alice, bob, mallory } = this.world;
    const peer = mallory.peers.get(bob) as Peer;
    for (let i = 0; i < OFTEN; i++)
      this.#requestAsMallory(peer, INTRODUCE, [alice.keyPair.publicKey.bytes, []]);
    this.#leaveAlone();
  }

  /** She says that an invitation of another's is accepted. */
  #acceptAsMallory(): void {
    const { links, bob, mallory } = this.world;
    this.#askAsMallory();
    const link = links.at(-1) ?? 1;
    this.#requestAsMallory(mallory.peers.get(bob) as Peer, MEET, [[], [link, (link + 1) % 2 ** 32]]);
    this.#leaveAlone();
  }

  #requestAsMallory(peer: Peer, command: string, args: CborValue[]): void {
    const { world } = this;
    const { mallory } = world;
    world.actAs(mallory, () =>
      mallory.requests.client.request(
        { peer, command, args, timeoutMs: REQUEST_MS, settle: () => {} },
        world.now,
      ),
    );
  }

  /** Something over a link that is not hers. */
  #relayAsMallory(): void {
    const { links, mallory, prng } = this.world;
    const link = this.pick(links);
    if (link === undefined) return;
    this.world.relay(mallory, link, prng.bytes(200), undefined);
    this.letAllThrough();
  }
}
