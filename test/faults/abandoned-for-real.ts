/** Sessions that are opened and left, at a real server over real sockets, whose clock goes faster: it forgets as well. */
import { fileURLToPath } from 'node:url';
import type { KeyPair, PublicKey } from '../../src/crypto/keys.ts';
import { generateKeyPair } from '../../src/index.ts';
import { ProtocolMachine } from '../../src/protocol-machine.ts';
import { random } from '../../src/transport/random.ts';
import { UdpSocket } from '../../src/transport/udp-socket.ts';
import { Lab, LOOPBACK, type Program } from '../support/cli.ts';
import { type Figures, type Scenario, soon } from './scenario.ts';

const SERVER = fileURLToPath(new URL('../support/fast-server.mjs', import.meta.url));
/** Of the server's clock: seven minutes of memory are 21 seconds. */
const TIMES_AS_FAST = 20;
const PEERS = 20;
const AT_ONCE = 4;
const RETRY_MS = 200;

/** A socket on which one client after the other asks once, and is gone without a word. */
class Passers {
  readonly #socket: UdpSocket;
  readonly #server: PublicKey;
  readonly #port: number;

  constructor(socket: UdpSocket, server: PublicKey, port: number) {
    [this.#socket, this.#server, this.#port] = [socket, server, port];
  }

  /** Resolves when it was answered. */
  pass(keyPair: KeyPair): Promise<void> {
    const at = { ip: LOOPBACK, port: this.#port };
    const client = new ProtocolMachine({
      keyPair,
      random,
      command: () => undefined,
      execute: () => {},
    });
    const peer = client.endpoint.addPeer(this.#server);
    client.endpoint.setAddresses(peer, [at]);
    const now = (): number => performance.now();
    const send = (): void => {
      for (const { datagram, to } of client.drain(now())) this.#socket.send(datagram, to);
    };
    const answered = new Promise<void>((done, fail) => {
      this.#socket.onDatagram = (datagram, from) => {
        client.receive(datagram, from, now());
        send();
      };
      const settle = ({ ok }: { readonly ok: boolean }): void => (ok ? done() : fail(new Error('no answer')));
      client.client.request({ peer, command: 'time', args: [], timeoutMs: 20_000, settle }, now());
      send();
    });
    const timer = setInterval(() => {
      client.timeout(now());
      send();
    }, RETRY_MS);
    return answered.finally(() => clearInterval(timer));
  }
}

interface Memory {
  readonly rss: number;
  readonly heap: number;
  readonly sessions: number;
}

async function memoryOf(server: Program): Promise<Memory> {
  server.kill('SIGUSR2');
  const [, rss, heap, sessions] = await server.shows(/^memory (\d+) (\d+) (\d+)$/m);
  return { rss: Number(rss) / 1e6, heap: Number(heap) / 1e6, sessions: Number(sessions) };
}

export const abandonedForReal: Scenario = {
  name: 'abandoned-for-real',
  unit: 'handshakes',
  times: 20_000,
  missing: null,
  async run(times): Promise<Figures> {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const peers = Array.from({ length: PEERS }, generateKeyPair);
    for (const [i, { publicKey }] of peers.entries())
      await pi.store.addPeer({ name: `peer-${i}`, publicKey });
    const server = pi.startFile({}, process.execPath, '--expose-gc', SERVER, pi.keys, String(TIMES_AS_FAST));
    const [, port] = await server.shows(/^port (\d+)$/m);
    const key = await pi.publicKey();
    const sockets = await Promise.all(
      Array.from({ length: AT_ONCE }, () => UdpSocket.bind({ ip: LOOPBACK, port: 0 })),
    );
    const lost: string[] = [];
    const curve: Memory[] = [];
    let passed = 0;
    const begun = performance.now();
    for (let tenth = 1; tenth <= 10; tenth++) {
      const until = Math.ceil((times * tenth) / 10);
      const passing = sockets.map(async (socket) => {
        const passers = new Passers(socket, key, Number(port));
        while (passed < until) {
          const one = passed++;
          await passers
            .pass(peers[one % PEERS] as KeyPair)
            .catch((error: Error) => lost.push(`handshake ${one}: ${error.message}`));
        }
      });
      await soon('a tenth of them', Promise.all(passing));
      curve.push(await memoryOf(server));
    }
    const perSecond = times / ((performance.now() - begun) / 1000);
    for (const socket of sockets) await socket.close();
    const most = (from: number, to: number): number =>
      Math.max(...curve.slice(from, to).map(({ heap }) => heap));
    if (most(7, 10) > most(3, 7) * 1.15 + 1)
      lost.push(`memory goes on growing: ${most(7, 10)} MB after ${most(3, 7)} MB`);
    const column = (of: keyof Memory, digits: number): string =>
      curve.map((one) => one[of].toFixed(digits)).join(' ');
    return {
      runs: times,
      lost,
      recoveryMs: [],
      notes: [
        `${PEERS} peers, ${perSecond.toFixed(0)} handshakes a second with the clients in the same processors`,
        `sessions at each tenth: ${column('sessions', 0)}`,
        `MB in use: ${column('heap', 1)}; resident: ${column('rss', 0)}`,
      ],
    };
  },
};
