import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { PublicKey } from '../../src/index.ts';
import { Lab, MAIN } from '../support/cli.ts';

const isRoot = process.getuid?.() === 0;

describe.concurrent('keygen', () => {
  test('prints the public key alone on stdout, and on stderr what to type elsewhere', async () => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    const { code, stdout, stderr } = await pi.run('keygen --name kitchen');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^udp1[02-9ac-hj-np-z]{58}\n$/);
    const key = stdout.trim();
    expect(PublicKey.parse(key).equals(await pi.publicKey())).toBe(true);
    expect(stderr).toContain(`udp-tool peer add kitchen ${key}\n`);
    expect(stderr).toContain(pi.keys);
  });

  test('without --name suggests a name that "peer add" takes', async () => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    const { stderr } = await pi.run('keygen');
    expect(stderr).toMatch(/udp-tool peer add [A-Za-z0-9][A-Za-z0-9_-]{0,31} udp1/);
  });

  test('makes the folder for its owner alone and the file likewise, whatever the umask', async () => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    const keygen = pi.startFile(
      {},
      'sh',
      ...['-c', 'umask 000; exec "$@"', 'sh', process.execPath, MAIN, 'keygen'],
    );
    expect((await keygen.end()).code).toBe(0);
    expect(await modeOf(pi.keys)).toBe(0o700);
    expect(await modeOf(join(pi.keys, 'secret.key'))).toBe(0o600);
    expect(await readdir(pi.keys)).toEqual(['secret.key']);
  });

  test('closes a key folder that others could read', async () => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    await mkdir(pi.keys);
    await chmod(pi.keys, 0o755);
    expect((await pi.run('keygen')).code).toBe(0);
    expect(await modeOf(pi.keys)).toBe(0o700);
  });

  test('writes a file that says what it is and whose', async () => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    const key = (await pi.run('keygen')).stdout.trim();
    const lines = (await readFile(join(pi.keys, 'secret.key'), 'utf8')).split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toContain('never share it');
    expect(lines[1]).toBe(`# Public key: ${key}`);
    expect(lines[2]).toMatch(/^UDP-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}$/);
  });

  test('never overwrites a key', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const before = await readFile(join(pi.keys, 'secret.key'));
    const { code, stdout, stderr } = await pi.run('keygen');
    expect(code).toBe(5);
    expect(stdout).toBe('');
    expect(stderr).toContain('never overwritten');
    expect(await readFile(join(pi.keys, 'secret.key'))).toEqual(before);
    expect(await readdir(pi.keys)).toEqual(['secret.key']);
  });

  test('never overwrites what stands in its place, even if that is no key', async () => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    await mkdir(pi.keys);
    await writeFile(join(pi.keys, 'secret.key'), '');
    expect((await pi.run('keygen')).code).toBe(5);
    expect(await readFile(join(pi.keys, 'secret.key'), 'utf8')).toBe('');
  });

  test('run three times at once makes one key, and says so once', async () => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    const runs = await Promise.all([1, 2, 3].map(() => pi.run('keygen')));
    expect(runs.map(({ code }) => code).sort()).toEqual([0, 5, 5]);
    expect(runs.map(({ stdout }) => stdout).join('')).toBe(`${await pi.publicKey()}\n`);
    expect(await readdir(pi.keys)).toEqual(['secret.key']);
  });

  test('below a regular file fails, says why, and leaves nothing', async () => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    const file = await pi.file('notes.txt', 'notes');
    const { code, stdout, stderr } = await pi.run('keygen --keys', join(file, 'keys'));
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toContain('not a directory');
    expect(stderr).toContain('--keys DIR');
    expect(await readFile(file, 'utf8')).toBe('notes');
  });

  test.skipIf(isRoot)('in a folder that cannot be written fails (skipped for root, who can)', async () => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    await mkdir(join(pi.home, 'locked'), { mode: 0o500 });
    const { code, stdout } = await pi.run('keygen --keys locked/keys');
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(await readdir(join(pi.home, 'locked'))).toEqual([]);
  });

  test('on a full disk leaves no half a key', async (context) => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    const disk = join(pi.home, 'disk');
    await mkdir(disk);
    if (!mountTiny(disk)) return context.skip('needs root and a system that lets it mount a tmpfs');
    try {
      await writeFile(join(disk, 'full'), new Uint8Array(4096));
      const { code, stdout, stderr } = await pi.run('keygen --keys', disk);
      expect(code).toBe(1);
      expect(stdout).toBe('');
      expect(stderr).toContain('there is no room on the disk');
      expect(await readdir(disk)).toEqual(['full']);
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});

describe.concurrent('a secret key on disk', () => {
  test('that others can read is refused, with the command that closes it', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const path = join(pi.keys, 'secret.key');
    await chmod(path, 0o644);
    const { code, stderr } = await pi.run('peer show');
    expect(code).toBe(5);
    expect(stderr).toContain(`chmod 600 ${path}`);
  });

  test('with one changed character is refused, and not shown', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const path = join(pi.keys, 'secret.key');
    const text = await readFile(path, 'utf8');
    const last = text.trimEnd().at(-1) === 'Q' ? 'P' : 'Q';
    await writeFile(path, `${text.trimEnd().slice(0, -1)}${last}\n`);
    const { code, stdout, stderr } = await pi.run('peer show');
    expect(code).toBe(5);
    expect(stdout).toBe('');
    expect(stderr).toContain(`${path} holds no secret key, or it was changed`);
  });
});

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777;
}

/** A file system of one page. */
function mountTiny(path: string): boolean {
  if (!isRoot || process.platform !== 'linux') return false;
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4k,mode=700', 'tmpfs', path], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
