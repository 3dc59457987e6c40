/** Sessions that are opened, asked on once and left, by peers that are trusted: what of them stays in a server's memory. */
import { type KeyPair, keyPairFromSecret, SecretKey } from '../../src/crypto/keys.ts';
import { ProtocolMachine } from '../../src/protocol-machine.ts';
import { INSTANCE_MEMORY_MS } from '../../src/rpc/constants.ts';
import type { Outcome } from '../../src/rpc/outcome.ts';
import { EPOCH_MS, MAX_SESSIONS_PER_PEER, SESSION_IDLE_MS } from '../../src/session/constants.ts';
import { echo } from '../support/commands.ts';
import type { Prng } from '../support/prng.ts';
import { memoryInUse } from './memory.ts';
import type { Figures, Scenario } from './scenario.ts';

const SERVER = { ip: '192.168.2.3', port: 9999 };
/** Peers, so that each opens as many sessions as it may have, and as many again, a few times over. */
const HANDSHAKES_A_PEER = 2_000;
/** Of one peer; its meter allows four times as many (PROTOCOL §5.3), and a server knows 1,024 of its clients (§9.2). */
const PACE_MS = 1_000;
/** Whoever waits for more is not answered. */
const MOST_DATAGRAMS = 8;
/** A session without a word, what its client asked (PROTOCOL §6.2, §9.2), and until it is looked. */
const FORGOTTEN_MS = SESSION_IDLE_MS + INSTANCE_MEMORY_MS + EPOCH_MS;

function machine(keyPair: KeyPair, prng: Prng): ProtocolMachine {
  return new ProtocolMachine({
    keyPair,
    random: prng.bytes,
    command: (_peer, name) => (name === 'echo' ? echo : undefined),
    execute: (_call, done) => done({ ok: true, value: 'x' }),
  });
}

const newKeys = (prng: Prng): KeyPair => keyPairFromSecret(SecretKey.generate(prng.bytes));

/** A server that many peers trust and use badly. */
export class Abandoned {
  readonly server: ProtocolMachine;
  readonly #keys: KeyPair;
  readonly #peers: readonly KeyPair[];
  readonly #prng: Prng;
  readonly #paceMs: number;
  now = 0;
  opened = 0;

  /** @param paceMs of each peer */
  constructor(peers: number, prng: Prng, paceMs = PACE_MS) {
    this.#prng = prng;
    this.#paceMs = paceMs;
    this.#keys = newKeys(prng);
    this.#peers = Array.from({ length: peers }, () => newKeys(prng));
    this.server = machine(this.#keys, prng);
    for (const { publicKey } of this.#peers) this.server.endpoint.addPeer(publicKey);
  }

  /** The next peer's, as a process that asks once and is gone without a word. Returns whether it was answered. */
  open(): boolean {
    this.now += this.#paceMs / this.#peers.length;
    if (this.server.nextTimeout() <= this.now) this.server.timeout(this.now);
    const own = this.#peers[this.opened % this.#peers.length] as KeyPair;
    const from = { ip: '192.168.2.9', port: 1024 + (this.opened % 60_000) };
    this.opened++;
    const client = machine(own, this.#prng);
    const peer = client.endpoint.addPeer(this.#keys.publicKey);
    client.endpoint.setAddresses(peer, [SERVER]);
    let outcome: Outcome | null = null;
    const settle = (said: Outcome): void => {
      outcome = said;
    };
    client.client.request({ peer, command: 'echo', args: ['x'], timeoutMs: 5_000, settle }, this.now);
    for (let i = 0; i < MOST_DATAGRAMS && outcome === null; i++) {
      for (const { datagram } of client.drain(this.now)) this.server.receive(datagram, from, this.now);
      for (const { datagram } of this.server.drain(this.now)) client.receive(datagram, SERVER, this.now);
    }
    return (outcome as Outcome | null)?.ok === true;
  }

  /** Lets as much time pass as a server remembers anything of a client; returns how often it was woken. */
  forgetAll(): number {
    let woken = 0;
    const until = this.now + FORGOTTEN_MS;
    for (let next = this.server.nextTimeout(); next <= until; next = this.server.nextTimeout()) {
      this.now = Math.max(this.now, next);
      this.server.timeout(this.now);
      woken++;
    }
    this.now = until;
    return woken;
  }
}

/** Handshakes until what they use is compiled. */
const WARM_UP = 500;

export const abandonedSessions: Scenario = {
  name: 'abandoned-sessions',
  unit: 'handshakes',
  times: 500_000,
  missing: null,
  async run(times, prng): Promise<Figures> {
    const peers = Math.ceil(times / HANDSHAKES_A_PEER);
    const abandoned = new Abandoned(peers, prng);
    for (let i = 0; i < WARM_UP; i++) abandoned.open();
    abandoned.forgetAll();
    const before = (await memoryInUse()).heap;
    const lost: string[] = [];
    const curve: number[] = [];
    const step = Math.ceil(times / 10);
    const begun = performance.now();
    for (let i = 1; i <= times; i++) {
      if (!abandoned.open()) lost.push(`handshake ${i} was not answered`);
      if (i % step === 0 || i === times) curve.push((await memoryInUse()).heap - before);
    }
    const perSecond = times / ((performance.now() - begun) / 1000);
    const sessions = abandoned.server.endpoint.sessionCount;
    if (sessions > peers * MAX_SESSIONS_PER_PEER) lost.push(`${sessions} sessions of ${peers} peers`);
    // What a peer's processes asked is remembered for seven minutes after their sessions: flat from there on.
    const [middle, last] = [Math.max(...curve.slice(3, 6)), Math.max(...curve.slice(7))];
    if (last > middle * 1.15 + 1) lost.push(`memory goes on growing: ${last} MB after ${middle} MB`);
    abandoned.forgetAll();
    const left = (await memoryInUse()).heap - before;
    if (abandoned.server.endpoint.sessionCount > 0) lost.push('sessions are left');
    if (left > 0.1 * last + 1) lost.push(`${left} MB are left of ${last} MB`);
    const notes = [
      `${peers} peers, ${perSecond.toFixed(0)} handshakes a second; ${sessions} sessions live at the end`,
      `MB at each tenth: ${curve.map((mb) => mb.toFixed(1)).join(' ')}; ${left.toFixed(1)} when all are forgotten`,
    ];
    return { runs: times, lost, recoveryMs: [], notes };
  },
};
