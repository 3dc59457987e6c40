/** The routers of test/support/nat.ts are what they are called: who sees which port, and who is let in. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { noNats } from '../support/namespaces.ts';
import { type InnerHost, type NatKind, type NattedHost, NattedNetwork } from '../support/nat.ts';

type Place = readonly [ip: string, port: number];
interface Arrival {
  readonly port: number;
  readonly from: Place;
  readonly text: string;
}

const PROGRAM = fileURLToPath(new URL('../support/datagram-probe.mjs', import.meta.url));
/** Of the host inside, and of those outside. */
const [INNER, ONE, OTHER] = [5000, 6001, 6002];

class Probe implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;
  readonly #arrivals: Arrival[] = [];

  private constructor(launcher: readonly string[], ports: readonly number[]) {
    const [file, ...args] = [...launcher, process.execPath, PROGRAM, ...ports.map(String)] as [string];
    this.#child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
  }

  static async start(network: NattedNetwork, host: NattedHost, ports: readonly number[]): Promise<Probe> {
    const probe = new Probe(network.launcher(host), ports);
    await probe.#line('ready');
    return probe;
  }

  /** Resolves once the kernel has taken it. */
  async send(port: number, to: Place, text: string): Promise<void> {
    this.#child.stdin.write(`${JSON.stringify({ port, to, text })}\n`);
    await this.#line('sent');
  }

  /** All that came, in its order, up to this text. */
  async until(text: string): Promise<readonly Arrival[]> {
    for (;;) {
      const last = this.#arrivals.findIndex((arrival) => arrival.text === text);
      if (last >= 0) return this.#arrivals.splice(0, last + 1);
      await this.#line('from');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
  }

  async #line(key: 'ready' | 'sent' | 'from'): Promise<void> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error('the probe has ended');
      const line = JSON.parse(value);
      if ('from' in line) this.#arrivals.push(line);
      if (key in line) return;
    }
  }
}

/** A host inside and two outside, of which the first has two ports. */
class Scene implements AsyncDisposable {
  readonly network: NattedNetwork;
  readonly inner: Probe;
  readonly p: Probe;
  readonly q: Probe;

  private constructor(network: NattedNetwork, inner: Probe, p: Probe, q: Probe) {
    [this.network, this.inner, this.p, this.q] = [network, inner, p, q];
  }

  static async open(kind: NatKind, host: InnerHost = 'a'): Promise<Scene> {
    const network = await NattedNetwork.open({ a: 'none', b: 'none', [host]: kind });
    const [inner, p, q] = await Promise.all([
      Probe.start(network, host, [INNER]),
      Probe.start(network, 'p', [ONE, OTHER]),
      Probe.start(network, 'q', [ONE, OTHER]),
    ]);
    return new Scene(network, inner, p, q);
  }

  /** Where a datagram that the inner host sends there comes from. */
  async seenBy(host: 'p' | 'q', port: number, text: string): Promise<Place> {
    await this.inner.send(INNER, [this.network.addressOf(host), port], text);
    const [arrival] = await this[host].until(text);
    return (arrival as Arrival).from;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await Promise.all([this.inner, this.p, this.q].map((probe) => probe[Symbol.asyncDispose]()));
    } finally {
      await this.network[Symbol.asyncDispose]();
    }
  }
}

interface Row {
  readonly kind: NatKind;
  /** After one datagram to a port of `p`. */
  readonly lets: readonly string[];
  readonly samePortForAll: boolean;
}

const ROWS: readonly Row[] = [
  { kind: 'none', lets: ['stranger', 'other port', 'asked'], samePortForAll: true },
  { kind: 'endpoint-independent', lets: ['stranger', 'other port', 'asked'], samePortForAll: true },
  { kind: 'address-restricted', lets: ['other port', 'asked'], samePortForAll: true },
  { kind: 'port-restricted', lets: ['asked'], samePortForAll: true },
  { kind: 'symmetric', lets: ['asked'], samePortForAll: false },
];

describe.skipIf(noNats !== null)(`NATs${noNats === null ? '' : `: ${noNats}`}`, () => {
  test.for(ROWS)('$kind lets in $lets', async ({ kind, lets, samePortForAll }) => {
    await using scene = await Scene.open(kind);
    // Nobody is let in before the inner host has said anything, and what was turned away changes nothing.
    if (kind !== 'none') await scene.p.send(ONE, [scene.network.publicAddressOf('a'), INNER], 'too early');

    const seen = await scene.seenBy('p', ONE, 'first');
    expect(seen[0]).toBe(scene.network.publicAddressOf('a'));
    if (samePortForAll) expect(seen[1]).toBe(INNER);

    await scene.q.send(ONE, seen, 'stranger');
    await scene.p.send(OTHER, seen, 'other port');
    await scene.p.send(ONE, seen, 'asked');
    const arrivals = await scene.inner.until('asked');
    expect(arrivals.map(({ text }) => text)).toEqual(lets);

    const others = [await scene.seenBy('p', OTHER, 'second'), await scene.seenBy('q', ONE, 'third')];
    // Both drawing the port of the first again would be a chance of one in four thousand million.
    const same = others.every(([ip, port]) => ip === seen[0] && port === seen[1]);
    expect(same).toBe(samePortForAll);
  });

  test.for(['endpoint-independent', 'symmetric'] as const)('%s forgets', async (kind) => {
    await using scene = await Scene.open(kind, 'b');
    const before = await scene.seenBy('p', ONE, 'first');
    // What the outside began is tracked in the other direction.
    await scene.q.send(ONE, before, 'stranger');
    await scene.p.send(ONE, before, 'answer');
    await scene.inner.until('answer');

    await scene.network.rebind('b');
    const moved: Place = [scene.network.publicAddressOf('b'), before[1]];
    await scene.p.send(ONE, before, 'to the old address');
    await scene.p.send(ONE, moved, 'to the new one');
    const after = await scene.seenBy('p', ONE, 'again');
    expect(after[0]).toBe(moved[0]);
    expect(after[0]).not.toBe(before[0]);
    expect((await scene.seenBy('q', ONE, 'and to the stranger'))[0]).toBe(moved[0]);
    await scene.p.send(ONE, after, 'known again');
    expect((await scene.inner.until('known again')).map(({ text }) => text)).toEqual(['known again']);
  });
});
