/** A server that is killed at any moment, under a client that goes on asking: what must not run twice does not. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createEndpoint, type RemotePeer, UdpToolError } from '../../src/index.ts';
import { Lab, LOOPBACK, type Machine, type Program } from '../support/cli.ts';
import { Executions } from './executions.ts';
import { type Figures, later, median, type Scenario, soon, time } from './scenario.ts';

const SERVER = fileURLToPath(new URL('../support/appending-server.mjs', import.meta.url));
const AT_ONCE = 8;
const PACE_MS = 1;
const TIMEOUT_MS = 20_000;
/** From the first answer to the kill. */
const LONGEST_MS = 600;
/** Half of them: when it has just begun. */
const SHORT_MS = 60;

/** `pi` lets `mac` call everything. */
export async function trustForAll(pi: Machine, mac: Machine): Promise<void> {
  await pi.trust(mac);
  await pi.store.changePeer(mac.name, (entry) => ({ ...entry, allow: ['*'] }));
}

/** One server after the other on the same port. */
export class Servers {
  readonly pi: Machine;
  readonly file: string;
  port = 0;

  constructor(pi: Machine) {
    this.pi = pi;
    this.file = join(pi.home, 'appended');
  }

  async start(): Promise<Program> {
    const args = [SERVER, this.pi.keys, LOOPBACK, String(this.port), this.file];
    const server = this.pi.startFile({}, process.execPath, ...args);
    const [, port] = await server.shows(/^port (\d+)$/m);
    this.port = Number(port);
    return server;
  }
}

/** Tells of the first answer of each server. */
class Answers {
  #next: () => void = () => {};

  next(): Promise<void> {
    return new Promise((done) => {
      this.#next = done;
    });
  }

  told(): void {
    this.#next();
  }
}

export const killedServer: Scenario = {
  name: 'killed-server',
  unit: 'kills',
  times: 200,
  missing: null,
  async run(times, prng): Promise<Figures> {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    await trustForAll(pi, mac);
    const servers = new Servers(pi);
    let server = await servers.start();
    await using client = await createEndpoint({
      keyPair: await mac.store.loadKeyPair(),
      peers: [{ name: 'pi', publicKey: await pi.publicKey(), at: `${LOOPBACK}:${servers.port}` }],
      ip: LOOPBACK,
    });
    const executions = new Executions(servers.file);
    const answers = new Answers();
    let running = true;
    let last = 0;
    const ask = async (peer: RemotePeer): Promise<void> => {
      while (running) {
        const number = ++last;
        executions.said.set(number, await outcome(peer, number));
        if (executions.said.get(number) === 'ok') answers.told();
        await later(PACE_MS); // leaves the processor to the server
      }
    };
    const asking = Array.from({ length: AT_ONCE }, () => ask(client.peer('pi')));
    const recoveryMs: number[] = [];
    const awayMs: number[] = [];
    await soon('a first answer', answers.next());
    for (let run = 0; run < times; run++) {
      await later(prng.below(prng.chance(0.5) ? SHORT_MS : LONGEST_MS));
      const diedAt = performance.now();
      await server.stop('SIGKILL');
      server = await servers.start();
      const begun = performance.now();
      awayMs.push(begun - diedAt);
      await soon('an answer of the next server', answers.next());
      recoveryMs.push(performance.now() - begun);
    }
    running = false;
    await Promise.all(asking);
    const unknown = executions.count('outcome-unknown');
    const unanswered = executions.count('no-answer');
    const notes = [
      `${last} requests, ${unknown} of them with an outcome that is unknown, and said so; ${unanswered} without an answer in 20 s; no server for ${time(median(awayMs))} / ${time(Math.max(...awayMs))}`,
    ];
    return { runs: times, lost: await executions.lost(), recoveryMs, notes };
  },
};

/** A client that is new each time, so that the server dies in handshakes, and comes back under one that waits. */
export const killedInHandshake: Scenario = {
  name: 'killed-in-handshake',
  unit: 'kills',
  times: 200,
  missing: null,
  async run(times, prng): Promise<Figures> {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    await trustForAll(pi, mac);
    const servers = new Servers(pi);
    let server = await servers.start();
    const executions = new Executions(servers.file);
    const recoveryMs: number[] = [];
    for (let run = 0; run < times; run++) {
      await using client = await createEndpoint({
        keyPair: await mac.store.loadKeyPair(),
        peers: [{ name: 'pi', publicKey: await pi.publicKey(), at: `${LOOPBACK}:${servers.port}` }],
        ip: LOOPBACK,
      });
      const answered = outcome(client.peer('pi'), run);
      // A handshake and its request take two to four milliseconds here.
      for (let turns = prng.below(40); turns > 0; turns--)
        await new Promise<void>((done) => setImmediate(done));
      if (prng.chance(0.5)) await later(1 + prng.below(4));
      await server.stop('SIGKILL');
      server = await servers.start();
      const begun = performance.now();
      executions.said.set(run, await answered);
      recoveryMs.push(performance.now() - begun);
    }
    const unknown = executions.count('outcome-unknown');
    return {
      runs: times,
      lost: await executions.lost(),
      recoveryMs,
      notes: [`${unknown} requests with an outcome that is unknown, and said so`],
    };
  },
};

async function outcome(peer: RemotePeer, number: number): Promise<string> {
  try {
    await peer.request('append', [number], { timeoutMs: TIMEOUT_MS });
    return 'ok';
  } catch (error) {
    return error instanceof UdpToolError ? error.code : String(error);
  }
}
