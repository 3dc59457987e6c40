import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type Finished, Lab, LOOPBACK, type Machine } from '../support/cli.ts';

/** Exit 4 at the time-out, not much later, with what may be the cause. */
function expectSilence({ code, stdout, stderr, ms }: Finished): void {
  expect(code).toBe(4);
  expect(stdout).toBe('');
  expect(ms).toBeGreaterThan(700);
  expect(ms).toBeLessThan(10_000);
  expect(stderr).toContain('Nothing answered');
  expect(stderr).toContain('silent to whom it does not know');
}

async function serveFor(lab: Lab, trusted: Machine): Promise<{ pi: Machine; port: number }> {
  const pi = await lab.machine('pi');
  await pi.trust(trusted);
  const { port } = await pi.serve();
  return { pi, port };
}

describe.concurrent('a server stays silent, and send ends at its --timeout with 4 and the likely causes,', () => {
  test('when it does not trust this machine', async () => {
    await using lab = await Lab.open();
    const [mac, nas] = [await lab.machine('mac'), await lab.machine('nas')];
    const { pi, port } = await serveFor(lab, nas);
    await mac.trust(pi, port);
    const finished = await mac.run('send time --timeout 0.7');
    expectSilence(finished);
    expect(finished.stderr).toContain('On "pi": udp-tool peer list');
    expect(finished.stderr).toContain(`${await mac.publicKey()}`);
    expect(finished.stderr).toContain(`UDP port ${port}`);
  });

  test('when this machine has a wrong key of it', async () => {
    await using lab = await Lab.open();
    const [mac, nas] = [await lab.machine('mac'), await lab.machine('nas')];
    const { port } = await serveFor(lab, mac);
    await mac.trust(nas, port);
    const finished = await mac.run('send time --timeout 0.7');
    expectSilence(finished);
    expect(finished.stderr).toContain('On "nas": udp-tool peer show');
    expect(finished.stderr).toContain(`${await nas.publicKey()}`);
  });

  test('when a pre-shared key is set on one side alone', async () => {
    await using lab = await Lab.open();
    const mac = await lab.machine('mac');
    const { pi, port } = await serveFor(lab, mac);
    const psk = randomBytes(32);
    lab.guard(psk);
    const path = await mac.file('psk', psk);
    await mac.store.addPeer({
      name: 'pi',
      publicKey: await pi.publicKey(),
      at: `${LOOPBACK}:${port}`,
      psk: path,
    });
    const finished = await mac.run('send time --timeout 0.7');
    expectSilence(finished);
    expect(finished.stderr).toContain('pre-shared key');
  });

  test('and with --json says so in an object', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    await mac.trust(pi, (await lab.silentPort()).port);
    const { code, stdout } = await mac.run('send time --timeout 0.7 --json');
    expect(code).toBe(4);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { code: 'no-answer' } });
  });
});

describe.concurrent('a pre-shared key', () => {
  test('that both sides have lets the answer through', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    const psk = randomBytes(32);
    lab.guard(psk);
    const there = await pi.file('psk', psk);
    await pi.store.addPeer({ name: 'mac', publicKey: await mac.publicKey(), psk: there });
    const { port } = await pi.serve();
    const here = await mac.file('psk', `${psk.toString('hex')}\n`);
    const at = `${LOOPBACK}:${port}`;
    await mac.store.addPeer({ name: 'pi', publicKey: await pi.publicKey(), at, psk: here });
    expect((await mac.run('send time')).code).toBe(0);
  });
});

describe.concurrent('what the network knows is told long before --timeout:', () => {
  test('a closed port, with 4', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    const port = await lab.closedPort();
    await mac.trust(pi, port);
    const { code, stdout, stderr, ms } = await mac.run('send time --timeout 30');
    expect(code).toBe(4);
    expect(stdout).toBe('');
    expect(stderr).toContain(`Nothing listens on ${LOOPBACK}:${port}`);
    expect(stderr).toContain(`udp-tool serve --port ${port}`);
    expect(ms).toBeLessThan(15_000);
  });

  test('a name that does not resolve, with 1', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    await mac.store.addPeer({ name: 'pi', publicKey: await pi.publicKey(), at: 'nosuch.invalid:9999' });
    const { code, stdout, stderr } = await mac.run('send time --timeout 10');
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toContain('The name "nosuch.invalid" does not resolve');
  });
});
