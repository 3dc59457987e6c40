/** What whoever owns a wire can do with what is on it, whichever machines are at its ends. */
import { type Address, isRelayAddress } from '../../src/session/address.ts';
import { OPEN_BOX_OFFSET } from '../../src/session/handshake-datagrams.ts';
import { DatagramType, HEADER_BYTES } from '../../src/wire/header.ts';
import type { Host, Sent } from './host.ts';
import { ELSEWHERE, receiverKey, VICTIM, type Wire } from './wire.ts';

export const MINUTE = 60_000;

export abstract class WireAttacker<W extends Wire = Wire> {
  protected readonly world: W;
  /** Each step as often as this schedule has it. */
  readonly #steps: (() => void)[] = [];

  constructor(world: W) {
    this.world = world;
  }

  step(): void {
    (this.pick(this.#steps) as () => void)();
  }

  protected often(weight: number, step: () => void): void {
    for (let i = 0; i < weight; i++) this.#steps.push(step);
  }

  /** More or less of it in each schedule. */
  protected attack(step: () => void): void {
    this.often([0, 0, 1, 3][this.world.prng.below(4)] as number, step);
  }

  /** Whether its address may change. */
  protected abstract mayRoam(host: Host): boolean;

  /** Who gets it when it arrives. */
  protected abstract receiverOf(sent: Sent): Host;

  /** One of those under way, mostly the oldest. */
  protected letThrough(): void {
    const { prng, underway } = this.world;
    const at = prng.chance(0.7) ? 0 : prng.below(underway.length);
    const [sent] = underway.splice(at, 1);
    if (sent !== undefined) this.world.deliver(sent, this.receiverOf(sent), sent.by.address);
  }

  protected letAllThrough(passes: (sent: Sent) => boolean = () => true): void {
    for (const sent of this.world.underway.splice(0)) {
      if (passes(sent)) this.world.deliver(sent, this.receiverOf(sent), sent.by.address);
      this.world.now += this.world.prng.below(20);
    }
  }

  /** And loses the rest. */
  protected letHalfThrough(): void {
    for (const sent of this.world.underway.splice(0)) {
      if (this.world.prng.chance(0.5)) this.world.deliver(sent, this.receiverOf(sent), sent.by.address);
    }
  }

  protected drop(): void {
    const { prng, underway } = this.world;
    if (prng.chance(0.2)) underway.length = 0;
    else underway.splice(prng.below(underway.length), 1);
  }

  protected wait(): void {
    const { prng } = this.world;
    this.world.pass(this.pick([1, 30, 600, 5_000, MINUTE, 3 * MINUTE]) * (0.5 + prng.next()));
  }

  /** Anything that was sent, once more or for the first time. */
  protected replay(): void {
    const sent = this.recorded();
    if (sent !== undefined) this.world.deliver(sent, this.receiverOf(sent), this.source(sent));
  }

  /** What is under way arrives, and from elsewhere. */
  protected readdress(): void {
    const sent = this.world.underway.shift();
    if (sent === undefined) return;
    const from = this.source(sent);
    if (this.mayRoam(sent.by) && from !== VICTIM && !isRelayAddress(from) && this.world.prng.chance(0.3))
      sent.by.address = from;
    this.world.deliver(sent, this.receiverOf(sent), from);
  }

  /** To whom it is not meant for, or back to its sender. */
  protected misdeliver(): void {
    const sent = this.recorded();
    if (sent !== undefined) this.world.deliver(sent, this.pick(this.world.hosts), this.source(sent));
  }

  protected tamper(): void {
    const sent = this.recorded();
    if (sent === undefined) return;
    const datagram = sent.datagram.slice();
    const at = this.world.prng.chance(0.3)
      ? this.world.prng.below(HEADER_BYTES)
      : this.world.prng.below(datagram.length);
    // Of an OPEN for a live session that is not looked at (PROTOCOL §5.3, rule 4).
    if (datagram[0] === DatagramType.OPEN && at >= HEADER_BYTES && at < OPEN_BOX_OFFSET) return;
    datagram[at] = (datagram[at] as number) ^ (1 << this.world.prng.below(8));
    this.forge(sent, datagram);
  }

  /** The beginning of one, and the rest of another. */
  protected splice(): void {
    const [one, other] = [this.recorded(), this.recorded()];
    if (one === undefined || other === undefined) return;
    const at = this.pick([1, 9, HEADER_BYTES, HEADER_BYTES + 55, OPEN_BOX_OFFSET]);
    this.forge(one, Buffer.concat([one.datagram.subarray(0, at), other.datagram.subarray(at)]));
  }

  protected resize(): void {
    const sent = this.recorded();
    if (sent === undefined) return;
    const { datagram } = sent;
    const length = this.world.prng.below(datagram.length + 100);
    const resized = new Uint8Array(length);
    resized.set(datagram.subarray(0, Math.min(length, datagram.length)));
    this.forge(sent, resized);
  }

  /** Random bytes behind a header that says something. */
  protected invent(): void {
    const sent = this.recorded();
    if (sent === undefined) return;
    const { prng } = this.world;
    const datagram = prng.bytes(this.pick([41, 46, 159, 160, 300, 1_232]));
    datagram[0] = 1 + prng.below(5);
    if (prng.chance(0.7)) datagram.set(sent.datagram.subarray(1, 9), 1);
    if ((datagram[0] as number) >= DatagramType.OPEN) datagram.fill(0, 9, 20);
    this.forge(sent, datagram);
  }

  /** One that did not arrive, whatever has happened since. */
  protected letHeldOpenThrough(): void {
    const held = this.world.sent.filter(
      (sent) =>
        sent.datagram[0] === DatagramType.OPEN &&
        !this.receiverOf(sent).opened.has(receiverKey(sent.datagram)),
    );
    const sent = this.pick(held);
    if (sent !== undefined) this.world.deliver(sent, this.receiverOf(sent), this.source(sent));
  }

  protected forge(like: Sent, datagram: Uint8Array): void {
    this.world.forge(datagram, this.receiverOf(like), this.source(like));
  }

  protected recorded(): Sent | undefined {
    return this.pick(this.world.sent);
  }

  /** Never another host's: what that one sends is told by its address. */
  protected source({ by }: Sent): Address {
    return this.pick([by.home, by.address, ...ELSEWHERE, VICTIM]);
  }

  protected pick<T>(choices: readonly T[]): T {
    return choices[this.world.prng.below(choices.length)] as T;
  }
}
