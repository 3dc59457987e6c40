/** What people do by mistake, and what must not come of it. */
import { chmod, chown, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DEFAULT_ALLOW, KeyStore } from '../../src/index.ts';
import { Lab, LOOPBACK } from '../support/cli.ts';

describe.concurrent('a secret key in the wrong place is never repeated', () => {
  // Every run of a lab is searched for the secret keys on its disk.
  test.each([
    ['instead of a public key', (secret: string) => ['peer', 'add', 'mac', secret], 5],
    ['instead of a name', (secret: string, key: string) => ['peer', 'add', secret, key], 5],
    ['to be shown', (secret: string) => ['peer', 'show', secret], 5],
    ['to be removed', (secret: string) => ['peer', 'remove', secret], 5],
    ['to be asked', (secret: string) => ['send', '--to', secret, 'time'], 5],
    ['as a verb', (secret: string) => [secret], 5],
    ['as an option', (secret: string) => ['send', `--${secret}`, 'time'], 5],
  ])('%s', async (_where, argv, expected) => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const mac = await lab.machine('mac');
    const secret = /UDP-SECRET-KEY-1\S+/.exec(await readFile(join(pi.keys, 'secret.key'), 'utf8'))?.[0] ?? '';
    expect(secret).not.toBe('');
    const key = (await mac.publicKey()).toString();
    const { code, stdout, stderr } = await pi.run('', ...argv(secret, key));
    expect(code).toBe(expected);
    expect(`${stdout}${stderr}`).not.toContain(secret);
  });
});

describe.concurrent('files', () => {
  test('removing a peer keeps the comment above the next one', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const [a, b] = [await lab.machine('a'), await lab.machine('b')];
    const keys = [await a.publicKey(), await b.publicKey()];
    await pi.writeBook(`[a]\nkey = "${keys[0]}"\n\n# the good one, in the cellar\n[b]\nkey = "${keys[1]}"\n`);
    expect((await pi.run('peer remove a')).code).toBe(0);
    expect(await pi.readBook()).toBe(`# the good one, in the cellar\n[b]\nkey = "${keys[1]}"\n`);
  });

  test('a key folder that others can change is refused', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    await chmod(pi.keys, 0o777);
    const { code, stderr } = await pi.run('peer show');
    expect(code).toBe(5);
    expect(stderr).toContain('chmod 700');
  });

  test('keygen leaves a folder alone that everybody shares', async () => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    const shared = join(pi.home, 'shared');
    await mkdir(shared);
    await chmod(shared, 0o1777);
    const { code, stderr } = await pi.run('keygen --keys', shared);
    expect(code).toBe(5);
    expect(stderr).toContain('shared by all users');
  });

  test('a key folder that is a link to itself is passed over', async () => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    await symlink('keys', join(pi.home, 'keys'));
    const { code, stderr } = await pi.runWith(
      { cwd: pi.home, env: { UDP_TOOL_KEYS: undefined } },
      'peer list',
    );
    expect(code).toBe(0);
    expect(stderr).toContain(join('config', 'udp-tool'));
  });

  test('an address that was forgotten is added by the same line with --at', async () => {
    await using lab = await Lab.open();
    const { pi, server, port } = await lab.pair();
    const nas = await lab.machine('nas');
    await pi.trust(nas);
    await server.event('peers');
    const key = (await pi.publicKey()).toString();
    expect((await nas.run('peer add pi', key)).code).toBe(0);
    const asked = await nas.run('send time');
    expect(asked.code).toBe(2);
    expect(asked.stderr).toContain(`udp-tool peer add pi ${key} --at HOST:PORT`);
    expect((await nas.run('peer add pi', key, '--at', `${LOOPBACK}:${port}`)).code).toBe(0);
    expect((await nas.run('send time')).code).toBe(0);
    expect((await nas.run('peer list --json')).stdout.trim().split('\n')).toHaveLength(1);
  });

  test('a folder called keys that has nothing to do with us is passed over', async () => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    const evil = await lab.machine('evil');
    const work = join(pi.home, 'work');
    await new KeyStore(join(work, 'keys')).addPeer({ name: 'evil', publicKey: await evil.publicKey() });
    const options = { cwd: work, env: { UDP_TOOL_KEYS: undefined } };
    const { stdout, stderr } = await pi.runWith(options, 'peer list');
    expect(stdout).toBe('');
    expect(stderr).toContain(join('config', 'udp-tool'));
    await pi.runWith(options, 'keygen');
    expect((await pi.runWith(options, 'peer list')).stdout).toBe('');
  });

  test('a checkout: peers first, then the key, and both are in ./keys; a book that came with it is not', async () => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    const mac = await lab.machine('mac');
    const keys = join(pi.home, 'clone', 'keys');
    await mkdir(keys, { recursive: true });
    await writeFile(join(keys, 'README.md'), '# keys\n');
    const options = { cwd: join(pi.home, 'clone'), env: { UDP_TOOL_KEYS: undefined } };
    await pi.runWith(options, 'peer add mac', `${await mac.publicKey()}`);
    await chmod(join(keys, 'peers.toml'), 0o644);
    expect((await pi.runWith(options, 'peer list')).stderr).toContain(join('config', 'udp-tool'));
    await chmod(join(keys, 'peers.toml'), 0o600);
    expect((await pi.runWith(options, 'keygen')).stderr).toContain(keys);
    expect((await pi.runWith(options, 'peer list')).stdout).toContain('mac');
  });

  test('a new address leaves the pre-shared key of the peer as it is', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const mac = await lab.machine('mac');
    const psk = await pi.file('mac.psk', new Uint8Array(32).fill(7));
    const key = `${await mac.publicKey()}`;
    await pi.run('peer add mac', key, '--psk', psk);
    await pi.run('peer add mac', key, '--at', `${LOOPBACK}:9`);
    expect(JSON.parse((await pi.run('peer list --json')).stdout)).toMatchObject({ psk, at: `${LOOPBACK}:9` });
  });

  test.skipIf(process.getuid?.() !== 0)(
    'a book of another user is refused (only root can make one)',
    async () => {
      await using lab = await Lab.open();
      const { pi } = await lab.pair();
      await chown(pi.book, 65_534, 65_534);
      const { code, stderr } = await pi.run('peer list');
      expect(code).toBe(5);
      expect(stderr).toContain('belongs to another user');
    },
  );

  test.each([
    ['0.0.0.0:9999', 'every address of a machine'],
    ['192.168.2.300:9999', 'is not an address'],
    ['[::]:9999', 'every address of a machine'],
  ])('%s is no address to ask at', async (at, complaint) => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const mac = await lab.machine('mac');
    const { code, stderr } = await pi.run('peer add mac', `${await mac.publicKey()}`, '--at', at);
    expect(code).toBe(2);
    expect(stderr).toContain(complaint);
  });

  test('a pre-shared key is found from the working directory', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const mac = await lab.machine('mac');
    await pi.file('mac.psk', new Uint8Array(32).fill(7));
    const key = (await mac.publicKey()).toString();
    const { code } = await pi.runWith({ cwd: pi.home }, 'peer add mac', key, '--psk', 'mac.psk');
    expect(code).toBe(0);
    expect((await pi.run('peer list')).code).toBe(0);
    const missing = await pi.run('peer add other', key, '--psk', 'nowhere.psk');
    expect(missing.code).toBe(5);
    expect(missing.stderr).toContain('/dev/urandom');
  });

  test('an empty address, and a name that cannot be one', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const mac = await lab.machine('mac');
    const key = (await mac.publicKey()).toString();
    expect((await pi.run('peer add mac', key, '--at', '')).code).toBe(2);
    expect((await pi.run('keygen --name', 'bad name')).code).toBe(2);
  });
});

describe.concurrent('streams', () => {
  test('serve goes on when whoever read its stderr has gone', async () => {
    await using lab = await Lab.open();
    const { pi, mac, server } = await lab.pair('-v');
    server.closeOutput();
    expect((await mac.run('send time')).code).toBe(0);
    expect((await pi.run('peer remove mac')).code).toBe(0);
    expect((await mac.run('send time --timeout 1')).code).toBe(4);
  });

  test('every verb that says something has it as JSON too', async () => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    const made = JSON.parse((await pi.run('keygen --json')).stdout) as { publicKey: string };
    expect(made.publicKey).toMatch(/^udp1/);
    const mac = await lab.machine('mac');
    const key = (await mac.publicKey()).toString();
    const entry = { name: 'mac', publicKey: key, at: `${LOOPBACK}:9`, allow: DEFAULT_ALLOW };
    const added = await pi.run('peer add --json mac', key, '--at', entry.at);
    expect(JSON.parse(added.stdout)).toEqual(entry);
    expect(JSON.parse((await pi.run('peer remove --json mac')).stdout)).toEqual(entry);
  });

  test('the time-out in --help is in seconds', async () => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    expect((await pi.run('send --help')).stdout).toMatch(/default:\s+5\)/);
  });
});
