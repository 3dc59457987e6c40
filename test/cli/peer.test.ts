import { randomBytes } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Lab } from '../support/cli.ts';

describe.concurrent('peer add', () => {
  test('adds a peer to a book of its own making that the owner alone can read, and says how to ask it', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    const key = `${await pi.publicKey()}`;
    const { code, stdout, stderr } = await mac.run('peer add pi', key, '--at', 'pi.local:9999');
    expect(code).toBe(0);
    expect(stdout).toBe('');
    expect(stderr).toContain('Trusts "pi" now.');
    expect(stderr).toContain('udp-tool send --to pi time');
    expect(await mac.readBook()).toContain(`[pi]\nkey = "${key}"\nat = "pi.local:9999"\n`);
    expect((await stat(mac.book)).mode & 0o777).toBe(0o600);
    expect(await readdir(mac.keys)).toEqual(['peers.toml', 'secret.key']);
  });

  test('needs no key of this machine, and takes a key in capitals', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.blank('mac')];
    const key = `${await pi.publicKey()}`;
    expect((await mac.run('peer add pi', key.toUpperCase())).code).toBe(0);
    expect(await mac.readBook()).toContain(`key = "${key}"`);
  });

  test('keeps what a person wrote in the book, to the letter', async () => {
    await using lab = await Lab.open();
    const [pi, mac, nas] = [await lab.machine('pi'), await lab.machine('mac'), await lab.machine('nas')];
    const book = `# mine\n\n[nas]   # in the cellar\nkey='${await nas.publicKey()}'\n\n# the end`;
    await mac.writeBook(book);
    expect((await mac.run('peer add pi', `${await pi.publicKey()}`)).code).toBe(0);
    expect(await mac.readBook()).toBe(`${book}\n\n[pi]\nkey = "${await pi.publicKey()}"\n`);
  });

  test('finds one changed character of a key', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    const key = `${await pi.publicKey()}`;
    const changed = `${key.slice(0, 20)}${key[20] === 'q' ? 'p' : 'q'}${key.slice(21)}`;
    const { code, stderr } = await mac.run('peer add pi', changed);
    expect(code).toBe(5);
    expect(stderr).toContain('a character is missing or wrong');
    expect(await readdir(mac.keys)).toEqual(['secret.key']);
  });

  test('refuses a secret key in place of a public one, and does not repeat it', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    const { secretKey } = await pi.store.loadKeyPair();
    const { code, stdout, stderr } = await mac.run('peer add pi', secretKey.exportText());
    expect(code).toBe(5);
    expect(stdout).toBe('');
    expect(stderr).toContain('That is a SECRET key');
    expect(await readdir(mac.keys)).toEqual(['secret.key']);
  });

  test('refuses the key of this machine itself', async () => {
    await using lab = await Lab.open();
    const mac = await lab.machine('mac');
    const { code, stderr } = await mac.run('peer add pi', `${await mac.publicKey()}`);
    expect(code).toBe(5);
    expect(stderr).toContain('of this machine itself');
  });

  test('refuses a name that is taken, and a key that is trusted already, and says under which name', async () => {
    await using lab = await Lab.open();
    const [pi, mac, nas] = [await lab.machine('pi'), await lab.machine('mac'), await lab.machine('nas')];
    await mac.trust(pi);
    const before = await mac.readBook();
    const sameName = await mac.run('peer add pi', `${await nas.publicKey()}`);
    expect(sameName).toMatchObject({ code: 2, stderr: expect.stringContaining('udp-tool peer remove pi') });
    const sameKey = await mac.run('peer add raspberry', `${await pi.publicKey()}`);
    expect(sameKey).toMatchObject({ code: 2, stderr: expect.stringContaining('trusted already, as "pi"') });
    expect(await mac.readBook()).toBe(before);
  });

  test.each(['', '-pi', '../pi', '__proto__', 'x'.repeat(33)])('refuses the name "%s"', async (name) => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.blank('mac')];
    const { code, stderr } = await mac.run('peer add --', name, `${await pi.publicKey()}`);
    expect(code).toBe(2);
    expect(stderr).toContain(`"${name}" cannot be a peer's name`);
  });

  test.each([':9999', 'pi:0', 'pi:65536', '[pi]:1'])('refuses the address "%s"', async (at) => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.blank('mac')];
    const { code, stderr } = await mac.run('peer add pi', `${await pi.publicKey()}`, '--at', at);
    expect(code).toBe(2);
    expect(stderr).toContain(`"${at}" is not an address`);
  });

  test('waits for nobody: a book that another udp-tool is writing stays as it is, and the message says so', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    const stale = join('key-folder', 'peers.toml.new');
    await mac.file(stale, '');
    const { code, stderr } = await mac.run('peer add pi', `${await pi.publicKey()}`);
    expect(code).toBe(1);
    expect(stderr).toContain(`remove ${join(mac.keys, 'peers.toml.new')}`);
    expect((await readdir(mac.keys)).sort()).toEqual(['peers.toml.new', 'secret.key']);
  });
});

describe.concurrent('peer add --psk', () => {
  test.each([
    ['32 bytes', (psk: Buffer) => psk],
    ['their hex in a line', (psk: Buffer) => `${psk.toString('hex')}\n`],
  ])('takes a file of %s, and the book holds its path', async (_what, content) => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    const psk = randomBytes(32);
    lab.guard(psk);
    const path = await mac.file('psk', content(psk));
    expect((await mac.run('peer add pi', `${await pi.publicKey()}`, '--psk', path)).code).toBe(0);
    expect(await mac.readBook()).toContain(`psk = "${path}"\n`);
  });

  test.each([
    ['is too short', randomBytes(31), 0o600, '32 random bytes, not 31'],
    ['is a passphrase', Buffer.from('correct horse battery staple\n'), 0o600, '32 random bytes, not 29'],
    ['holds zeros', Buffer.alloc(32), 0o600, 'zeros is no secret'],
    ['others can read', randomBytes(32), 0o640, 'chmod 600'],
  ])('refuses a file that %s', async (_what, content, mode, complaint) => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    if (!content.equals(Buffer.alloc(32))) lab.guard(content);
    const path = await mac.file('psk', content, mode);
    const { code, stderr } = await mac.run('peer add pi', `${await pi.publicKey()}`, '--psk', path);
    expect(code).toBe(5);
    expect(stderr).toContain(complaint);
    expect(await readdir(mac.keys)).toEqual(['secret.key']);
  });

  test('refuses a file that is not there, and names it', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    const path = join(mac.home, 'nowhere');
    const { code, stderr } = await mac.run('peer add pi', `${await pi.publicKey()}`, '--psk', path);
    expect(code).not.toBe(0);
    expect(stderr).toContain(path);
  });
});
