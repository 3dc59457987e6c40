/** Three machines that know each other's addresses: Alice and Bob, who ask each other, and one whom Bob trusts as well. */
import type { KeyPair } from '../../src/crypto/keys.ts';
import { ProtocolMachine } from '../../src/protocol-machine.ts';
import { DatagramType } from '../../src/wire/header.ts';
import { Host } from './host.ts';
import { violated } from './properties.ts';
import { KEY_PAIRS, Wire } from './wire.ts';

export class World extends Wire {
  readonly alice: Host;
  readonly bob: Host;
  /** Whom Bob trusts as well, and who is not to be trusted with anything of Alice's. */
  readonly mallory: Host;
  readonly hosts: readonly Host[];

  constructor(seed: number) {
    super(seed);
    const [ofAlice, ofBob, ofMallory] = KEY_PAIRS as [KeyPair, KeyPair, KeyPair];
    this.alice = new Host('alice', ofAlice, '192.168.2.1');
    this.bob = new Host('bob', ofBob, '192.168.2.3');
    this.mallory = new Host('mallory', ofMallory, '192.168.2.9');
    this.hosts = [this.alice, this.bob, this.mallory];
    for (const host of this.hosts) this.restart(host);
  }

  /**
   * Something made with the stolen static key of the host that gets it, in the name of the other one.
   * @returns whether it was taken: what the static keys alone seal may be, and nothing of a session
   */
  pose(datagram: Uint8Array, to: Host, as: Host): boolean {
    const current = to.peers.get(as)?.current ?? null;
    const reason = this.receive(to, datagram, as.home);
    const isOfSession = datagram[0] === DatagramType.OPEN || datagram[0] === DatagramType.DATA;
    if (isOfSession && reason === null)
      violated('no impersonation', `${to.name}, whose key was stolen, took the thief for ${as.name}`);
    if ((to.peers.get(as)?.current ?? null) !== current)
      violated('undisturbed', `a thief of ${to.name}'s key replaced a session with ${as.name}`);
    this.collect(to);
    return reason === null;
  }

  protected boot(host: Host): void {
    host.machine = host.requests = new ProtocolMachine(this.optionsOf(host));
    for (const other of this.hosts) {
      if (other === host || (host !== this.bob && other !== this.bob)) continue;
      this.trust(host, other, [other.home]);
    }
  }
}
