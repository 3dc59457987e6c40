/** `serve --workers`: where Node cannot share a port, only that it says so. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { createEndpoint, type UdpEndpoint } from '../../src/index.ts';
import { canSharePort } from '../../src/transport/port-sharing.ts';
import { Lab, LOOPBACK, type Machine, type Program } from '../support/cli.ts';
import { until } from '../support/endpoints.ts';

const sharing = await canSharePort();
const needed = sharing ? '' : ` [skipped: Node ${process.versions.node} cannot share a UDP port]`;

/** So many that all of them get the same one of two workers once in a million runs. */
const MANY = 20;

async function group(lab: Lab) {
  const { pi, mac, server, port } = await lab.pair('--workers', '2');
  return { pi, mac, server, port, pids: await children(server.pid) };
}

async function children(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.trim().split(' ').map(Number);
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function client(mac: Machine, at: string): Promise<UdpEndpoint> {
  const [keyPair, peers] = [await mac.store.loadKeyPair(), await mac.store.loadPeers()];
  return createEndpoint({ keyPair, peers: peers.map((peer) => ({ ...peer, at })), ip: LOOPBACK });
}

/** Asks once; says which worker answered, and after how many tries. */
async function ask(endpoint: UdpEndpoint, server: Program): Promise<{ worker: unknown; tries: number }> {
  const { tries } = await endpoint.peer('pi').request('time', [], { timeoutMs: 10_000 });
  return { worker: (await server.event('request'))['worker'], tries };
}

/** Between a client and the server, from ever new ports. */
class Forwarder implements AsyncDisposable {
  hellos = 0;
  readonly #inside = createSocket('udp4');
  readonly #server: number;
  #outside: Socket;
  #client = 0;

  constructor(server: number) {
    this.#server = server;
    this.#outside = this.#newOutside();
  }

  async open(): Promise<number> {
    this.#inside.on('message', (datagram, { port }) => {
      this.#client = port;
      if (datagram[0] === 1) this.hellos++;
      this.#outside.send(datagram, this.#server, LOOPBACK);
    });
    this.#inside.bind(0, LOOPBACK);
    await once(this.#inside, 'listening');
    return this.#inside.address().port;
  }

  move(): void {
    this.#outside.close();
    this.#outside = this.#newOutside();
  }

  #newOutside(): Socket {
    const socket = createSocket('udp4');
    socket.on('message', (datagram) => this.#inside.send(datagram, this.#client, LOOPBACK));
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#outside.close();
    this.#inside.close();
  }
}

test.skipIf(sharing)('a Node that cannot share a port says which can, and exits with 2', async () => {
  await using lab = await Lab.open();
  const pi = await lab.machine('pi');
  const { code, stdout, stderr } = await pi.run('serve --workers 2 --port 0 --host', LOOPBACK);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(`Node ${process.versions.node} on ${process.platform} cannot share a UDP port`);
  expect(stderr).toContain('Node 22.12 or newer');
});

test.each(['0', '65', '-1', 'two', '1.5'])('--workers %s is refused with 2', async (count) => {
  await using lab = await Lab.open();
  const pi = await lab.machine('pi');
  const { code, stderr } = await pi.run(`serve --port 0 --host ${LOOPBACK} --workers=${count}`);
  expect(code).toBe(2);
  expect(stderr).toContain('Workers are a number from 1 to 64.');
});

describe.skipIf(!sharing)(`serve --workers 2${needed}`, () => {
  test('answers many clients, each worker some of them, and ends whole at Ctrl-C', async () => {
    await using lab = await Lab.open();
    const { mac, server, port, pids } = await group(lab);
    const workers = new Set<unknown>();
    for (let i = 0; i < MANY; i++) {
      const endpoint = await client(mac, `${LOOPBACK}:${port}`);
      workers.add((await ask(endpoint, server)).worker);
      await endpoint.close();
    }
    expect(workers).toEqual(new Set([0, 1]));
    expect(pids).toHaveLength(2);
    const { code, stderr } = await server.stop('SIGINT');
    expect(code).toBe(0);
    expect(stderr.match(/^Listening on .* for 1 peer, with 2 workers\.$/gm)).toHaveLength(1);
    expect(stderr).toMatch(/^Stopped\.$/m);
    expect(pids.filter(lives)).toEqual([]);
  });

  test('a client whose port changes goes on with its session', async () => {
    await using lab = await Lab.open();
    const { mac, server, port } = await group(lab);
    await using forwarder = new Forwarder(port);
    const endpoint = await client(mac, `${LOOPBACK}:${await forwarder.open()}`);
    const { worker } = await ask(endpoint, server);
    const { hellos } = forwarder;
    for (let i = 0; i < MANY; i++) {
      forwarder.move();
      expect((await ask(endpoint, server)).worker).toBe(worker);
    }
    expect(forwarder.hellos).toBe(hellos);
    await endpoint.close();
  });

  test('a worker that is killed is started again; the other keeps its sessions', async () => {
    await using lab = await Lab.open();
    const { mac, server, port, pids } = await group(lab);
    const clients: { endpoint: UdpEndpoint; worker: unknown }[] = [];
    for (let i = 0; i < MANY; i++) {
      const endpoint = await client(mac, `${LOOPBACK}:${port}`);
      clients.push({ endpoint, ...(await ask(endpoint, server)) });
    }
    process.kill(pids[0] ?? 0, 'SIGKILL');
    const { worker: killed } = await server.event('worker-ended');
    await server.event('worker-restarted');
    const others = clients.filter(({ worker }) => worker !== killed);
    expect(others.length).toBeGreaterThan(0);
    expect(others.length).toBeLessThan(MANY);
    for (const { endpoint, worker } of others)
      expect(await ask(endpoint, server)).toEqual({ worker, tries: 1 });
    const answers = clients
      .filter(({ worker }) => worker === killed)
      .map(({ endpoint }) => ask(endpoint, server));
    await Promise.all(answers);
    await Promise.all(clients.map(({ endpoint }) => endpoint.close()));
    expect((await server.stop()).code).toBe(0);
  });

  test('workers end with the primary, also where it is killed', async () => {
    await using lab = await Lab.open();
    const { server, pids } = await group(lab);
    await server.stop('SIGKILL');
    await until('the workers end', () => !pids.some(lives));
  });

  test('a change of the peer book is told once, and holds for all', async () => {
    await using lab = await Lab.open();
    const { pi, mac, server, port } = await group(lab);
    await pi.run('peer remove mac');
    expect(await server.event('peers')).toEqual({ event: 'peers', changes: ['-mac'], count: 0 });
    await pi.run('peer add mac', `${await mac.publicKey()}`);
    expect(await server.event('peers')).toEqual({ event: 'peers', changes: ['+mac'], count: 1 });
    for (let i = 0; i < 4; i++) {
      const endpoint = await client(mac, `${LOOPBACK}:${port}`);
      await ask(endpoint, server);
      await endpoint.close();
    }
    const { stdout } = await server.stop();
    expect(stdout.match(/"event":"peers"/g)).toHaveLength(2);
  });

  test("commands of one's own are served by all, and may be taken away", async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    await pi.store.addPeer({ name: 'mac', publicKey: await mac.publicKey(), allow: ['pid'] });
    const path = await pi.file('own.mjs', `export const pid = { summary: '', run: () => process.pid };`);
    const { server, port } = await pi.serve('--workers', '2', '--commands', path);
    await mac.trust(pi, port);
    const answered = new Set<unknown>();
    const pid = async (): Promise<void> => {
      await using endpoint = await client(mac, `${LOOPBACK}:${port}`);
      answered.add((await endpoint.peer('pi').request('pid')).value);
    };
    for (let i = 0; i < MANY; i++) await pid();
    expect([...answered].sort()).toEqual((await children(server.pid)).sort());
    await pi.run('peer deny mac pid');
    expect(await server.event('peers')).toEqual({ event: 'peers', changes: ['~mac'], count: 1 });
    for (let i = 0; i < 4; i++) await expect(pid()).rejects.toMatchObject({ code: 'unknown-command' });
  });

  test('does not join the port of another group', async () => {
    await using lab = await Lab.open();
    const { pi, port } = await group(lab);
    const { code, stderr } = await pi.run(`serve --workers 2 --host ${LOOPBACK} --port ${port}`);
    expect(code).toBe(1);
    expect(stderr).toContain(`Another program uses port ${port} already`);
  });

  test('the error of a worker that cannot start is the error of the whole', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    await pi.writeBook(`[me]\nkey = "${await pi.publicKey()}"\n`);
    const { code, stderr } = await pi.run('serve --workers 2 --port 0 --host', LOOPBACK);
    expect(code).toBe(5);
    expect(stderr).toContain('of this machine itself');
  });
});
