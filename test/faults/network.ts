/** Interfaces that go down, addresses that change, and systems that refuse to send, under a client and a server that go on. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Lab, type Machine } from '../support/cli.ts';
import { Network, noFirewalls } from '../support/namespaces.ts';
import { Asker } from './asker.ts';
import { Executions } from './executions.ts';
import { trustForAll } from './killed-server.ts';
import { type Figures, later, median, type Scenario, time } from './scenario.ts';

const PORT = 9999;
const [MAC, PI, OTHER_MAC, OTHER_PI] = ['10.66.0.1', '10.66.0.2', '10.66.0.11', '10.66.0.12'];
const SERVER = fileURLToPath(new URL('../support/appending-server.mjs', import.meta.url));
/** What a request has if nothing is said. */
const TIMEOUT_MS = 5_000;
const LONGEST_MS = 8_000;

/** A namespace that has a table of names of its own. */
const WITH_HOSTS = ['unshare', '--mount', 'sh', '-c', 'mount --bind "$0" /etc/hosts && exec "$@"'];

const HOSTS_BYTES = 100;

class Scene implements AsyncDisposable {
  readonly network = new Network();
  readonly mac: Machine;
  readonly pi: Machine;
  readonly hosts: string;
  readonly #lab: Lab;

  private constructor(lab: Lab, mac: Machine, pi: Machine) {
    this.#lab = lab;
    [this.mac, this.pi] = [mac, pi];
    this.hosts = join(lab.dir, 'hosts');
  }

  static async open(): Promise<Scene> {
    const lab = await Lab.open();
    const scene = new Scene(lab, await lab.machine('mac'), await lab.machine('pi'));
    const { network, mac, pi } = scene;
    await network.cable(
      { host: 'mac', interface: 'eth0', address: `${MAC}/24` },
      { host: 'pi', interface: 'eth0', address: `${PI}/24` },
    );
    await scene.nameIs(PI);
    mac.launcher = [...network.launcher('mac'), ...WITH_HOSTS, scene.hosts];
    pi.launcher = network.launcher('pi');
    await trustForAll(pi, mac);
    await mac.store.addPeer({ name: 'pi', publicKey: await pi.publicKey(), at: `pi.test:${PORT}` });
    return scene;
  }

  get file(): string {
    return join(this.pi.home, 'appended');
  }

  async serve(): Promise<void> {
    const args = [SERVER, this.pi.keys, '0.0.0.0', String(PORT), this.file];
    await this.pi.startFile({}, process.execPath, ...args).shows(/^port/m);
  }

  /** Where the client finds the server. */
  nameIs(ip: string): Promise<void> {
    // In its place, and at once: the client must not find the file empty.
    const text = `127.0.0.1 localhost\n${ip} pi.test\n`.padEnd(HOSTS_BYTES, '\n');
    return writeFile(this.hosts, text, { flag: existsSync(this.hosts) ? 'r+' : 'w' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lab[Symbol.asyncDispose]();
    await this.network[Symbol.asyncDispose]();
  }
}

export interface Fault {
  readonly name: string;
  /** Whether requests are answered meanwhile. */
  readonly isHarmless?: boolean;
  readonly begin: (scene: Scene) => Promise<void>;
  readonly end: (scene: Scene) => Promise<void>;
}

function linkDown(host: string): Fault {
  return {
    name: `link down at the ${ROLES[host]}`,
    begin: ({ network }) => network.ip(host, 'link set dev eth0 down'),
    end: ({ network }) => network.ip(host, 'link set dev eth0 up'),
  };
}

/** The system says EPERM. */
function firewalled(host: string): Fault {
  return {
    name: `the firewall of the ${ROLES[host]} lets nothing out`,
    begin: ({ network }) => network.firewall(host, 'output', 'meta l4proto udp drop'),
    end: ({ network }) => network.nft(host, 'delete table inet test\n'),
  };
}

/** Requests fit; handshakes would not. */
function smallMtu(host: string, mtu: number): Fault {
  return {
    name: `MTU ${mtu} at the ${ROLES[host]}`,
    isHarmless: true,
    begin: ({ network }) => network.ip(host, `link set dev eth0 mtu ${mtu}`),
    end: ({ network }) => network.ip(host, 'link set dev eth0 mtu 1500'),
  };
}

const ROLES: Readonly<Record<string, string>> = { mac: 'client', pi: 'server' };

const move = (host: string, from: string, to: string) => (network: Network) =>
  // The first one of a subnet takes the others with it.
  network.ip(host, `address del ${from}/24 dev eth0`, `address add ${to}/24 dev eth0`);

export const FAULTS: readonly Fault[] = [
  linkDown('mac'),
  linkDown('pi'),
  firewalled('mac'),
  firewalled('pi'),
  smallMtu('mac', 600),
  smallMtu('pi', 600),
  smallMtu('mac', 1280),
  {
    name: 'no route',
    begin: ({ network }) => network.ip('mac', 'route del 10.66.0.0/24 dev eth0'),
    end: ({ network }) => network.ip('mac', `route add 10.66.0.0/24 dev eth0 src ${MAC}`),
  },
  {
    name: 'another address of the client',
    isHarmless: true,
    begin: ({ network }) => move('mac', MAC, OTHER_MAC)(network),
    end: ({ network }) => move('mac', OTHER_MAC, MAC)(network),
  },
  {
    name: 'another address of the server, by its name',
    begin: ({ network }) => move('pi', PI, OTHER_PI)(network),
    end: (scene) => scene.nameIs(OTHER_PI),
  },
];

export const network: Scenario = {
  name: 'network',
  unit: 'faults',
  times: 10,
  missing: noFirewalls,
  async run(times, prng): Promise<Figures> {
    const figures = await Promise.all(
      FAULTS.map((fault) =>
        tryOut(fault, times, () => later(prng.below(LONGEST_MS)), TIMEOUT_MS).catch(failed(fault)),
      ),
    );
    return {
      runs: figures.length * times,
      lost: figures.flatMap(({ lost }) => lost),
      recoveryMs: figures.flatMap(({ recoveryMs }) => recoveryMs),
      notes: figures.flatMap(({ notes = [] }) => notes),
    };
  },
};

/** The others go on, and clean up. */
function failed({ name }: Fault): (error: unknown) => Figures {
  return (error) => ({ runs: 0, lost: [`${name}: ${String(error)}`], recoveryMs: [] });
}

/**
 * @param pass how long it lasts; told who asks
 * @param timeoutMs of each request
 */
export async function tryOut(
  fault: Fault,
  times: number,
  pass: (asker: Asker) => Promise<unknown>,
  timeoutMs: number,
): Promise<Figures> {
  await using scene = await Scene.open();
  await scene.serve();
  const executions = new Executions(scene.file);
  const asker = await Asker.start(scene.mac, { timeoutMs });
  const recoveryMs: number[] = [];
  const meanwhileMs: number[] = [];
  for (let i = 0; i < times; i++) {
    await fault.begin(scene);
    if (fault.isHarmless) meanwhileMs.push(await asker.recovery());
    await pass(asker);
    await fault.end(scene);
    recoveryMs.push(await asker.recovery());
    if (fault.name.startsWith('another address of the server')) {
      await move('pi', OTHER_PI, PI)(scene.network);
      await scene.nameIs(PI);
      await asker.recovery();
    }
  }
  await asker.end(executions);
  const lost = (await executions.lost()).map((what) => `${fault.name}: ${what}`);
  const unanswered = executions.count('no-answer');
  const described = `${time(median(recoveryMs))} / ${time(Math.max(...recoveryMs))}`;
  const meanwhile = fault.isHarmless
    ? `; meanwhile answered after ${time(Math.max(...meanwhileMs))} at most`
    : '';
  return {
    runs: times,
    lost,
    recoveryMs,
    notes: [`${fault.name}: ${described}, ${unanswered} requests without an answer in time${meanwhile}`],
  };
}
