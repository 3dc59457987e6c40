import { chmod } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { DEFAULT_ALLOW } from '../../src/index.ts';
import { Lab } from '../support/cli.ts';

describe.concurrent('peer list', () => {
  test('has a line for each peer on stdout', async () => {
    await using lab = await Lab.open();
    const [pi, mac, nas] = [await lab.machine('pi'), await lab.machine('mac'), await lab.machine('nas')];
    await mac.trust(pi, 7777);
    await mac.trust(nas);
    const { code, stdout, stderr } = await mac.run('peer list');
    expect(code).toBe(0);
    expect(stdout).toBe(`pi   ${await pi.publicKey()}  127.0.0.1:7777\nnas  ${await nas.publicKey()}\n`);
    expect(stderr).toBe('');
  });

  test('with --json has an object a line', async () => {
    await using lab = await Lab.open();
    const [pi, mac, nas] = [await lab.machine('pi'), await lab.machine('mac'), await lab.machine('nas')];
    await mac.trust(pi, 7777);
    await mac.trust(nas);
    const { stdout } = await mac.run('peer list --json');
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { name: 'pi', publicKey: `${await pi.publicKey()}`, at: '127.0.0.1:7777', allow: DEFAULT_ALLOW },
      { name: 'nas', publicKey: `${await nas.publicKey()}`, allow: DEFAULT_ALLOW },
    ]);
  });

  test('of nobody is empty on stdout, and says on stderr how to begin', async () => {
    await using lab = await Lab.open();
    const mac = await lab.machine('mac');
    const { code, stdout, stderr } = await mac.run('peer list');
    expect(code).toBe(0);
    expect(stdout).toBe('');
    expect(stderr).toContain('udp-tool peer add NAME KEY');
  });
});

describe.concurrent('peer show', () => {
  test('without a name prints the key of this machine, alone on stdout', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    expect(await pi.run('peer show')).toMatchObject({ code: 0, stdout: `${await pi.publicKey()}\n` });
  });

  test('with a name prints what is known of that peer, also as JSON', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    await mac.trust(pi, 7777);
    const { stdout } = await mac.run('peer show pi');
    expect(stdout).toBe(
      `name       pi\npublicKey  ${await pi.publicKey()}\nat         127.0.0.1:7777\nallow      time lucky msg mail\n`,
    );
    expect(JSON.parse((await mac.run('peer show pi --json')).stdout)).toEqual({
      name: 'pi',
      publicKey: `${await pi.publicKey()}`,
      at: '127.0.0.1:7777',
      allow: DEFAULT_ALLOW,
    });
  });

  test('of somebody unknown exits with 5; with --json the failure is an object on stdout', async () => {
    await using lab = await Lab.open();
    const mac = await lab.machine('mac');
    const { code, stdout, stderr } = await mac.run('peer show pi --json');
    expect(code).toBe(5);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { code: 'unknown-peer' } });
    expect(stderr).toBe('');
  });
});

describe.concurrent('peer remove', () => {
  test('takes the peer out of the book, and keeps what a person wrote around it', async () => {
    await using lab = await Lab.open();
    const [pi, mac, nas] = [await lab.machine('pi'), await lab.machine('mac'), await lab.machine('nas')];
    const kept = `# mine\n\n[nas]   # in the cellar\n# since May\nkey='${await nas.publicKey()}'\n`;
    await mac.writeBook(`${kept}\n[pi]\nkey = "${await pi.publicKey()}"\n`);
    const { code, stdout, stderr } = await mac.run('peer remove pi');
    expect(code).toBe(0);
    expect(stdout).toBe('');
    expect(stderr).toContain(`${await pi.publicKey()}`);
    expect(await mac.readBook()).toBe(kept);
  });

  test('of somebody unknown exits with 5 and changes nothing', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    await mac.trust(pi);
    const before = await mac.readBook();
    const { code, stderr } = await mac.run('peer remove nas');
    expect(code).toBe(5);
    expect(stderr).toContain('udp-tool peer list');
    expect(await mac.readBook()).toBe(before);
  });
});

describe.concurrent('a peer book that a person has edited', () => {
  const key = (name: 'pi' | 'nas'): string => `key = "{${name}}"`;
  test.each([
    ['with a broken line', `[pi]\n${key('pi')}\nat = \n`, 'line 3'],
    ['with a table twice', `[pi]\n${key('pi')}\n\n[pi]\n${key('nas')}\n`, 'line 4'],
    ['with a key twice', `[pi]\n${key('pi')}\n[nas]\n${key('pi')}\n`, '[pi] and [nas] have the same key'],
    ['with a peer without a key', '[pi]\nat = "pi.local"\n', '[pi] has no key'],
    ['with a key that is no text', '[pi]\nkey = 1\n', '[pi] key should be a text'],
    ['with a field of no meaning', `[pi]\n${key('pi')}\nport = 9999\n`, 'unknown field "port"'],
    ['with an address of no meaning', `[pi]\n${key('pi')}\nat = "pi:0"\n`, '"pi:0" is not an address'],
    ['with a field outside of any table', `at = "pi.local"\n`, '"at" should be a table'],
    ['with a secret key in it', '[pi]\nkey = "{secret}"\n', '[pi] That is a SECRET key'],
    ['with a secret key alone on a line', `[pi]\n${key('pi')}\n{secret}\n`, 'line 3'],
  ])('%s is refused, and the message says where the mistake is', async (_what, template, complaint) => {
    await using lab = await Lab.open();
    const [pi, mac, nas] = [await lab.machine('pi'), await lab.machine('mac'), await lab.machine('nas')];
    const values: Record<string, string> = {
      pi: `${await pi.publicKey()}`,
      nas: `${await nas.publicKey()}`,
      secret: (await pi.store.loadKeyPair()).secretKey.exportText(),
    };
    const book = template.replace(/\{(\w+)\}/g, (_match, name: string) => values[name] ?? '');
    await mac.writeBook(book);
    const { code, stdout, stderr } = await mac.run('peer list');
    expect(code).toBe(5);
    expect(stdout).toBe('');
    expect(stderr).toContain(`${mac.book}: `);
    expect(stderr).toContain(complaint);
    expect(await mac.readBook()).toBe(book);
  });

  test('and is broken, is not made worse by "peer add"', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    await mac.writeBook('[pi\n');
    expect((await mac.run('peer add pi', `${await pi.publicKey()}`)).code).toBe(5);
    expect(await mac.readBook()).toBe('[pi\n');
  });

  test.each([0o620, 0o602])('and that others can change (%o) is refused', async (mode) => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    await mac.trust(pi);
    await chmod(mac.book, mode);
    const { code, stderr } = await mac.run('peer list');
    expect(code).toBe(5);
    expect(stderr).toContain(`chmod 600 ${mac.book}`);
  });
});
