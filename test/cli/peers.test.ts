import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Lab } from '../support/cli.ts';
import { Network, noNamespaces } from '../support/namespaces.ts';

const parsed = (stdout: string): Record<string, unknown>[] =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe.concurrent('peers', () => {
  test('shows a peer with an address, and finds one without by an introduction', async () => {
    await using lab = await Lab.open();
    const { pi, mac, port } = await lab.pair();
    const nas = await lab.machine('nas');
    await pi.trust(nas);
    await nas.trust(pi, port);
    await nas.trust(mac);
    await mac.trust(nas);
    await nas.serve();
    const { code, stdout } = await mac.run('peers --no-lan --json');
    expect(code).toBe(0);
    const direct = { path: 'direct', address: `127.0.0.1:${port}`, roundTripMs: expect.any(Number) };
    expect(parsed(stdout)).toMatchObject([
      { name: 'pi', ...direct },
      { name: 'nas', path: 'lan', via: 'pi' },
    ]);
    expect(await mac.run('send --to nas lucky 7 7')).toMatchObject({ code: 0, stdout: '7\n' });

    const told = await mac.run('peers --no-lan');
    expect(told.stdout).toMatch(/^NAME +KEY +PATH +ADDRESS +ROUND TRIP +LAST SEEN\n/);
    expect(told.stdout).toMatch(/^pi +udp1\w{5}…\w{6} +direct +127\.0\.0\.1:\d+ +\d+\.\d ms +now$/m);
  });

  test('finds one where it was seen before', async () => {
    await using lab = await Lab.open();
    const { pi, mac, port } = await lab.pair();
    expect((await mac.run('peers --no-lan')).code).toBe(0);
    const seen = join(mac.keys, 'seen.json');
    expect(Object.values(JSON.parse(await readFile(seen, 'utf8')))).toMatchObject([
      [{ address: `127.0.0.1:${port}`, at: expect.any(String) }],
    ]);
    await mac.run('peer remove pi');
    await mac.trust(pi);
    expect(parsed((await mac.run('peers --no-lan --json')).stdout)).toMatchObject([
      { name: 'pi', path: 'direct' },
    ]);

    await writeFile(seen, '{"udp1": 7}');
    const broken = await mac.run('peers --no-lan --timeout 0.5 --json');
    expect(broken.code).toBe(4);
    expect(broken.stderr).toContain('seen.json tells nothing, and is ignored');
    expect(parsed(broken.stdout)).toMatchObject([{ name: 'pi', path: null, lastSeen: null }]);
  });

  test('an introducer may refuse to be one', async () => {
    await using lab = await Lab.open();
    const { pi, mac, port } = await lab.pair('--no-introduce');
    const nas = await lab.machine('nas');
    await pi.trust(nas);
    await nas.trust(pi, port);
    await nas.trust(mac);
    await mac.trust(nas);
    await nas.serve();
    const { stdout } = await mac.run('peers --no-lan --json --timeout 2');
    expect(parsed(stdout)).toMatchObject([
      { name: 'pi', path: 'direct' },
      { name: 'nas', path: null },
    ]);
  });

  test.skipIf(noNamespaces !== null)('finds one in the local network, without any address', async () => {
    await using network = new Network();
    await network.cable(
      { host: 'a', interface: 'eth0', address: '192.168.7.1/24' },
      { host: 'b', interface: 'eth0', address: '192.168.7.2/24' },
    );
    await network.running('a', 'eth0');
    await network.running('b', 'eth0');
    await using lab = await Lab.open();
    const [mac, nas] = [await lab.machine('mac'), await lab.machine('nas')];
    mac.launcher = network.launcher('a');
    nas.launcher = network.launcher('b');
    await mac.trust(nas);
    await nas.trust(mac);
    await nas.start('serve --json').event('listening');
    const { code, stdout } = await mac.run('peers --json --timeout 20');
    expect(code).toBe(0);
    expect(parsed(stdout)).toMatchObject([{ name: 'nas', path: 'lan', address: '192.168.7.2:9999' }]);
    await mac.file('key-folder/seen.json', '{}');
    expect((await mac.run('peers --json --no-lan --timeout 1')).code).toBe(4);
  });
});
