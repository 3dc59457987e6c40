/** Networks and machines that are broken in a known way: `doctor` names the true cause among its first two. */
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Cause } from '../../src/index.ts';
import { Lab, type Machine } from '../support/cli.ts';
import { type Examined, readExamination } from '../support/examined.ts';
import { Network, noFirewalls, noNamespaces, noPing } from '../support/namespaces.ts';

const PORT = 9999;
const [MAC_IP, PI_IP] = ['10.66.0.1', '10.66.0.2'];

/** `mac`, which asks, and `pi`, which is to answer, on one cable. */
class Scene implements AsyncDisposable {
  readonly lab: Lab;
  readonly network: Network;
  readonly mac: Machine;
  readonly pi: Machine;

  private constructor(lab: Lab, network: Network, mac: Machine, pi: Machine) {
    [this.lab, this.network, this.mac, this.pi] = [lab, network, mac, pi];
  }

  /** @param mtu of the interface of each */
  static async open({ macMtu = 1500, piMtu = 1500 } = {}): Promise<Scene> {
    const lab = await Lab.open();
    const network = new Network();
    await network.cable(
      { host: 'mac', interface: 'eth0', address: `${MAC_IP}/24`, mtu: macMtu },
      { host: 'pi', interface: 'eth0', address: `${PI_IP}/24`, mtu: piMtu },
    );
    const [mac, pi] = [await lab.machine('mac'), await lab.machine('pi')];
    mac.launcher = network.launcher('mac');
    pi.launcher = network.launcher('pi');
    return new Scene(lab, network, mac, pi);
  }

  /** Each trusts the other, as it should be, and `pi` serves. */
  async working(port = PORT): Promise<void> {
    await this.pi.trust(this.mac);
    await this.know();
    await this.serve(port);
  }

  /** `mac` takes `key` for that of `pi`. */
  async know({ at = `${PI_IP}:${PORT}`, key = this.pi, psk = '' } = {}): Promise<void> {
    await this.mac.store.addPeer({ name: 'pi', publicKey: await key.publicKey(), at, ...(psk && { psk }) });
  }

  async serve(port = PORT): Promise<void> {
    await this.pi.start(`serve --json --port ${port}`).event('listening');
  }

  /** Works but for a firewall. */
  async behind(host: string, hook: string, rule: string): Promise<void> {
    await this.working();
    await this.network.firewall(host, hook, rule);
  }

  /** A file of a new pre-shared key. */
  async psk(machine: Machine): Promise<string> {
    const psk = randomBytes(32);
    this.lab.guard(psk);
    return machine.file('psk', psk);
  }

  async doctor(): Promise<Examined> {
    return readExamination(await this.mac.run('doctor --json --timeout 2'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.lab[Symbol.asyncDispose]();
    } finally {
      await this.network[Symbol.asyncDispose]();
    }
  }
}

interface Row {
  readonly what: string;
  readonly macMtu?: number;
  readonly piMtu?: number;
  readonly breaks: (scene: Scene) => Promise<unknown>;
  /** The first two, where there are two; one of them is true, and the other looks the same from here. */
  readonly causes: readonly Cause[];
  readonly code: number;
}

const ROWS: readonly Row[] = [
  {
    what: 'this machine has another key of it',
    breaks: async (scene) => {
      await scene.pi.trust(scene.mac);
      await scene.know({ key: await scene.lab.machine('nas') });
      await scene.serve();
    },
    causes: ['keys', 'firewall-drops'],
    code: 4,
  },
  {
    what: 'it does not trust this machine',
    breaks: async (scene) => {
      await scene.know();
      await scene.serve();
    },
    causes: ['keys', 'firewall-drops'],
    code: 4,
  },
  {
    what: 'it has paused this machine',
    breaks: async (scene) => {
      await scene.pi.trust(scene.mac);
      await scene.pi.store.changePeer('mac', (entry) => ({ ...entry, paused: true }));
      await scene.know();
      await scene.serve();
    },
    causes: ['keys', 'firewall-drops'],
    code: 4,
  },
  {
    what: 'the pre-shared keys differ',
    breaks: async (scene) => {
      const [there, here] = [await scene.psk(scene.pi), await scene.psk(scene.mac)];
      await scene.pi.store.addPeer({ name: 'mac', publicKey: await scene.mac.publicKey(), psk: there });
      await scene.know({ psk: here });
      await scene.serve();
    },
    causes: ['keys', 'psk'],
    code: 4,
  },
  {
    what: 'it serves on another port',
    breaks: async (scene) => {
      await scene.working(PORT + 1);
    },
    causes: ['not-serving', 'firewall-rejects'],
    code: 4,
  },
  {
    what: 'it does not serve',
    breaks: async (scene) => {
      await scene.know();
    },
    causes: ['not-serving', 'firewall-rejects'],
    code: 4,
  },
  {
    what: 'another program has the port',
    breaks: async (scene) => {
      await scene.know();
      const echo = `const s = require('node:dgram').createSocket('udp4');
        s.on('message', (m, from) => s.send('who are you?'.repeat(9), from.port, from.address));
        s.bind(${PORT}, () => console.log('listening'));`;
      await scene.pi.startFile({}, process.execPath, '-e', echo).shows(/listening/);
    },
    causes: ['other-program', 'keys'],
    code: 4,
  },
  {
    what: 'a route leads nowhere',
    breaks: async (scene) => {
      await scene.know({ at: '10.99.0.1' });
    },
    causes: ['no-route'],
    code: 1,
  },
  {
    what: 'nobody has that address',
    breaks: async (scene) => {
      await scene.know({ at: '10.66.0.77' });
    },
    causes: ['nobody-there'],
    code: 4,
  },
  {
    what: 'the address is of this machine itself',
    breaks: async (scene) => {
      await scene.know({ at: MAC_IP });
    },
    causes: ['own-address', 'not-serving'],
    code: 4,
  },
  {
    what: 'two interfaces are in one network, and the wrong one is taken',
    breaks: async (scene) => {
      await scene.working();
      await scene.network.cable(
        { host: 'mac', interface: 'wlan0', address: '10.66.0.3/24' },
        { host: 'other', interface: 'wlan0', address: '10.66.0.4/24' },
      );
      await scene.network.ip('mac', 'route del 10.66.0.0/24 dev eth0');
      await scene.network.ip('mac', `route add 10.66.0.0/24 dev eth0 src ${MAC_IP} metric 600`);
    },
    causes: ['two-interfaces', 'nobody-there'],
    code: 4,
  },
  {
    what: 'the cable is out, and a router elsewhere takes what was for it',
    breaks: async (scene) => {
      await scene.working();
      await scene.network.cable(
        { host: 'mac', interface: 'wlan0', address: '10.77.0.1/24' },
        { host: 'other', interface: 'lan0', address: '10.77.0.2/24' },
      );
      await scene.network.ip('mac', 'route add default via 10.77.0.2');
      await scene.network.ip('mac', 'link set eth0 down');
      await scene.network.ip('mac', `address del ${MAC_IP}/24 dev eth0`);
    },
    causes: ['nobody-there', 'other-network'],
    code: 4,
  },
  {
    what: 'the other end of the cable drops what is longer than 1,000 bytes',
    piMtu: 1000,
    breaks: (scene) => scene.working(),
    causes: ['large-datagrams-lost', 'keys'],
    code: 4,
  },
  {
    what: 'this end of the cable does',
    macMtu: 1000,
    breaks: (scene) => scene.working(),
    causes: ['keys', 'large-datagrams-lost'],
    code: 4,
  },
];

const FIREWALLS: readonly Row[] = [
  {
    what: 'a firewall there drops all UDP',
    breaks: (scene) => scene.behind('pi', 'input', 'meta l4proto udp drop'),
    causes: ['firewall-drops', 'keys'],
    code: 4,
  },
  {
    what: 'a firewall there drops everything',
    breaks: (scene) => scene.behind('pi', 'input', 'meta l4proto { udp, icmp } drop'),
    causes: ['firewall-drops', 'keys'],
    code: 4,
  },
  {
    what: 'a firewall there drops that port',
    breaks: (scene) => scene.behind('pi', 'input', `udp dport ${PORT} drop`),
    causes: ['keys', 'firewall-drops'],
    code: 4,
  },
  {
    what: 'a firewall there rejects that port',
    breaks: (scene) => scene.behind('pi', 'input', `udp dport ${PORT} reject`),
    causes: ['not-serving', 'firewall-rejects'],
    code: 4,
  },
  {
    what: 'a firewall there prohibits that port',
    breaks: (scene) =>
      scene.behind('pi', 'input', `udp dport ${PORT} reject with icmpx type admin-prohibited`),
    causes: ['firewall-rejects', 'nobody-there'],
    code: 1,
  },
  {
    what: 'a firewall there prohibits that port in IPv6',
    breaks: async (scene) => {
      await scene.network.ip('mac', 'address add fd66::1/64 dev eth0 nodad');
      await scene.network.ip('pi', 'address add fd66::2/64 dev eth0 nodad');
      await scene.pi.trust(scene.mac);
      await scene.know({ at: `[fd66::2]:${PORT}` });
      await scene.serve();
      await scene.network.firewall(
        'pi',
        'input',
        `udp dport ${PORT} reject with icmpx type admin-prohibited`,
      );
    },
    causes: ['firewall-rejects', 'nobody-there'],
    code: 1,
  },
  {
    what: 'the way has a small MTU, and a router keeps that for itself',
    breaks: async (scene) => {
      const { network } = scene;
      await network.cable(
        { host: 'mac', interface: 'wan0', address: '10.87.0.1/24' },
        { host: 'router', interface: 'wan0', address: '10.87.0.2/24' },
      );
      await network.cable(
        { host: 'router', interface: 'lan0', address: '10.88.0.1/24', mtu: 1000 },
        { host: 'pi', interface: 'lan0', address: '10.88.0.2/24', mtu: 1000 },
      );
      await network.forward('router');
      await network.ip('mac', 'route add 10.88.0.0/24 via 10.87.0.2');
      await network.ip('pi', 'route add 10.87.0.0/24 via 10.88.0.1');
      await network.firewall('router', 'output', 'icmp type destination-unreachable drop');
      await scene.pi.trust(scene.mac);
      await scene.know({ at: `10.88.0.2:${PORT}` });
      await scene.serve();
    },
    causes: ['large-datagrams-lost', 'keys'],
    code: 4,
  },
  {
    what: 'the own firewall lets nothing out to that port',
    breaks: (scene) => scene.behind('mac', 'output', `udp dport ${PORT} drop`),
    causes: ['own-firewall'],
    code: 1,
  },
];

async function expectCauses({ causes, code, breaks, ...mtus }: Row): Promise<void> {
  await using scene = await Scene.open(mtus);
  await breaks(scene);
  const examined = await scene.doctor();
  expect(examined.causes.slice(0, 2)).toEqual(causes);
  expect(examined.code).toBe(code);
  expect(examined.findings.get('answer')?.status).toBe('failed');
  expect(examined.ms).toBeLessThan(10_000);
}

describe.concurrent('doctor finds out that', () => {
  for (const [rows, reason] of [
    [ROWS, noNamespaces ?? noPing],
    [FIREWALLS, noFirewalls ?? noPing],
  ] as const) {
    for (const row of rows) test.skipIf(reason)(`${row.what}${unless(reason)}`, () => expectCauses(row));
  }
});

/** In the title of what is skipped. */
function unless(reason: string | null): string {
  return reason === null ? '' : ` (not run: ${reason})`;
}

describe.concurrent(`doctor, where all is well${unless(noNamespaces)},`, () => {
  test.skipIf(noNamespaces)('says what passes, and which commands may be called', async () => {
    await using scene = await Scene.open({ macMtu: 1280, piMtu: 1280 });
    await scene.pi.trust(scene.mac);
    await scene.pi.store.changePeer('mac', (entry) => ({ ...entry, allow: ['time'] }));
    await scene.know();
    await scene.serve();
    const { code, findings, causes } = await scene.doctor();
    expect(code).toBe(0);
    expect(causes).toEqual([]);
    expect([...findings.values()].filter(({ status }) => status !== 'ok')).toEqual([]);
    expect(findings.get('mtu')?.result).toContain('1280');
    expect(findings.get('full-size')?.result).toContain('1232');
    expect(findings.get('commands')?.result).toContain('time, help, ping');
    expect(findings.get('route')?.result).toMatch(/10\.66\.0\.1\b.*eth0/);
  });

  test.skipIf(noNamespaces)('warns all the same of two interfaces in one network', async () => {
    await using scene = await Scene.open();
    await scene.working();
    await scene.network.cable(
      { host: 'mac', interface: 'wlan0', address: '10.66.9.3/16' },
      { host: 'other', interface: 'wlan0', address: '10.66.9.4/16' },
    );
    const { code, findings } = await scene.doctor();
    expect(code).toBe(0);
    expect(findings.get('interfaces')).toMatchObject({ status: 'warning' });
    expect(findings.get('interfaces')?.result).toContain('eth0 and wlan0');
  });
});
