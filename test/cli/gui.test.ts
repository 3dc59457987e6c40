/** `gui` as it is started; its page is tested in test/gui. */

import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { createEndpoint } from '../../src/index.ts';
import { Lab, LOOPBACK, type Machine, type Program } from '../support/cli.ts';

const start = (machine: Machine, ...more: readonly string[]): Program =>
  machine.start('gui --json --port 0 --no-lan --host', LOOPBACK, ...more);

async function linkOf(program: Program): Promise<URL> {
  const { url } = await program.event('link');
  return new URL(String(url));
}

/** What the page does first. */
async function enter({ origin, hash }: URL): Promise<number> {
  const { status } = await fetch(`${origin}/api/enter`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin },
    body: JSON.stringify({ token: hash.slice(1) }),
  });
  return status;
}

describe.concurrent('gui', () => {
  test('shows a link that opens the page once, and another at Enter', async () => {
    await using lab = await Lab.open();
    const mac = await lab.machine('mac');
    const program = start(mac);
    const first = await linkOf(program);
    expect(first.hostname).toBe('127.0.0.1');
    expect(await (await fetch(first)).text()).toContain('<title>udp-tool</title>');
    expect(await enter(first)).toBe(200);
    expect(await enter(first)).toBe(401);
    program.write('\n');
    const second = await linkOf(program);
    program.write('\n');
    const third = await linkOf(program);
    expect(await enter(second)).toBe(401); // the newest alone
    expect(await enter(third)).toBe(200);
    expect(await program.stop('SIGINT')).toMatchObject({ code: 0, stderr: '' });
    await expect(fetch(first)).rejects.toThrow();
  });

  test('answers peers meanwhile, as serve does', async () => {
    await using lab = await Lab.open();
    const mac = await lab.machine('mac');
    const pi = await lab.machine('pi');
    await mac.trust(pi);
    const program = start(mac, '--inbox', `${mac.home}/in`);
    const { addresses } = await program.event('listening');
    await linkOf(program);
    const keyPair = await pi.store.loadKeyPair();
    await using endpoint = await createEndpoint({
      keyPair,
      ip: LOOPBACK,
      peers: [{ name: 'mac', publicKey: await mac.publicKey(), at: String((addresses as string[])[0]) }],
    });
    expect((await endpoint.peer('mac').request('lucky', [3, 3])).value).toBe(3);
    expect((await program.stop()).code).toBe(0);
  });

  test('asks from another port where serve has the one that peers know, and says so', async () => {
    await using lab = await Lab.open();
    const mac = await lab.machine('mac');
    const { server, port } = await mac.serve();
    const program = mac.start(`gui --no-lan --host ${LOOPBACK} --port ${port}`);
    await program.shows(new RegExp(`Another udp-tool has port ${port}`), 'stderr');
    await program.shows(/http:/, 'stderr');
    expect((await program.stop('SIGINT')).code).toBe(0);
    await server.stop();
  });

  test('has a port of its own refused in a sentence', async () => {
    await using lab = await Lab.open();
    const mac = await lab.machine('mac');
    const taken = createServer();
    await new Promise<void>((done) => taken.listen(0, LOOPBACK, done));
    const { port } = taken.address() as AddressInfo;
    const { code, stderr } = await mac.run(`gui --port 0 --no-lan --web-port ${port}`);
    taken.close();
    expect(code).toBe(1);
    expect(stderr).toContain(`TCP port ${port} is in use by another program.`);
    expect(stderr).toContain('Choose another with --web-port');
  });

  test('says what cannot be the time after which a page is logged out', async () => {
    await using lab = await Lab.open();
    const { code, stderr } = await (await lab.machine('mac')).run('gui --idle 0');
    expect(code).toBe(2);
    expect(stderr).toContain('Idle is a number of minutes');
  });

  test('goes on where what comes cannot be put', async () => {
    await using lab = await Lab.open();
    const mac = await lab.machine('mac');
    const file = await mac.file('file', '');
    const program = start(mac, '--inbox', file);
    await linkOf(program);
    await program.shows(/Cannot take files: .*file/, 'stderr');
    expect((await program.stop('SIGINT')).code).toBe(0);
  });
});
