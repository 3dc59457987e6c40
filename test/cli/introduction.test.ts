/** The line that adds a machine elsewhere, to paste and to scan. */
import { spawnSync } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import jsqr from 'jsqr';
import { describe, expect, test } from 'vitest';
import { generateKeyPair, peerAddLine } from '../../src/index.ts';
import { Lab, MAIN, type Machine } from '../support/cli.ts';
import { DARK, LIGHT, photograph, type Theme } from '../support/screen.ts';

const outward = Object.values(networkInterfaces()).flatMap((all) =>
  (all ?? []).filter((one) => !one.internal),
);
const ip4 = outward.filter(({ family }) => family === 'IPv4').map(({ address }) => address);
const ip6 = outward
  .filter(({ family, address }) => family === 'IPv6' && !address.startsWith('fe80:'))
  .map(({ address }) => `'[${address}]'`);
const [first, ...others] = [...ip4, ...ip6].map((ip) => ip.replace(/'$/, ''));
const at = (port: number): string => {
  if (first === undefined) return '';
  return first.startsWith("'") ? ` --at ${first}:${port}'` : ` --at ${first}:${port}`;
};

function scan(
  printed: string,
  theme: Theme,
  inversionAttempts: 'dontInvert' | 'invertFirst',
): string | undefined {
  const { rgba, width, height } = photograph(printed, theme);
  return jsqr.default(rgba, width, height, { inversionAttempts })?.data;
}

describe.concurrent('the line to paste elsewhere', () => {
  test('is printed by keygen, for the first address, and others are named', async () => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    const { stdout, stderr } = await pi.run('keygen --name kitchen');
    expect(stderr).toContain(`  udp-tool peer add kitchen ${stdout.trim()}${at(9999)}\n`);
    for (const other of others) expect(stderr).toContain(other.replace("'", ''));
  });

  test('is printed by peer show with the port that is said, on stderr', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const { code, stdout, stderr } = await pi.run('peer show --port 7777');
    expect(code).toBe(0);
    expect(stdout).toBe(`${await pi.publicKey()}\n`);
    expect(stderr).toMatch(/ {2}udp-tool peer add [A-Za-z0-9][A-Za-z0-9_-]{0,31} udp1/);
    expect(stderr).toContain(`${await pi.publicKey()}${at(7777)}\n`);
  });

  test('is a field of both with --json, and does what it says', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.blank('pi'), await lab.machine('mac')];
    const made = JSON.parse((await pi.run('keygen --json --name pi')).stdout);
    const shown = JSON.parse((await pi.run('peer show --json')).stdout);
    expect(made.peerAdd).toBe(`udp-tool peer add pi ${made.publicKey}${at(9999)}`);
    expect(shown).toMatchObject({ publicKey: made.publicKey, keys: pi.keys });
    expect(shown.peerAdd.split(' ').slice(4)).toEqual(made.peerAdd.split(' ').slice(4));
    const words = made.peerAdd.replaceAll("'", '').split(' ').slice(1);
    expect((await mac.run('', ...words)).code).toBe(0);
    expect((await mac.run('peer show pi')).stdout).toContain(made.publicKey);
  });

  test('quotes what a shell would take for a pattern, and nothing else', () => {
    const { publicKey } = generateKeyPair();
    const line = (where: string): string => peerAddLine({ name: 'pi', publicKey, at: where });
    expect(line('192.168.2.3:9999')).toBe(`udp-tool peer add pi ${publicKey} --at 192.168.2.3:9999`);
    expect(line('[fd00::2]:9999')).toBe(`udp-tool peer add pi ${publicKey} --at '[fd00::2]:9999'`);
    expect(peerAddLine({ name: 'pi', publicKey })).toBe(`udp-tool peer add pi ${publicKey}`);
  });
});

describe.concurrent('--qr', () => {
  test('shows that very line, light on dark where there is no colour', async () => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    const { stdout, stderr } = await pi.run('keygen --qr --name pi --json');
    expect(stdout).not.toMatch(/[▀▄█]/);
    expect(scan(stderr, DARK, 'dontInvert')).toBe(JSON.parse(stdout).peerAdd);
    expect(scan(stderr, LIGHT, 'invertFirst')).toBe(JSON.parse(stdout).peerAdd);
    expect(stderr).not.toContain('\u001b');
  });

  test('of a peer shows the line that adds it on a third machine, without its pre-shared key', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    const psk = await mac.file('psk', new Uint8Array(32).fill(7));
    const key = `${await pi.publicKey()}`;
    await mac.run('peer add pi', key, '--at', 'pi.local:9999', '--psk', psk);
    const { stdout, stderr } = await mac.run('peer show pi --qr');
    expect(stdout).toContain('name       pi\n');
    expect(scan(stderr, DARK, 'dontInvert')).toBe(`udp-tool peer add pi ${key} --at pi.local:9999`);
  });
});

const script = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout ?? '';

describe.skipIf(!script.includes('util-linux'))('--qr on a terminal (util-linux has "script")', () => {
  const show = async (machine: Machine, env: Record<string, string | undefined>): Promise<string> => {
    const all = { NODE: process.execPath, MAIN, SHELL: '/bin/sh', TERM: 'xterm-256color', ...env };
    const command = '"$NODE" "$MAIN" peer show --qr';
    const terminal = machine.startFile(
      { env: all },
      'script',
      ...['--quiet', '--return', '--command', command, '/dev/null'],
    );
    return (await terminal.end()).stdout;
  };

  test.each([
    ['dark', DARK],
    ['light', LIGHT],
  ])('is black on white, whatever its colours are: %s', async (_name, theme) => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const printed = await show(pi, { NO_COLOR: undefined });
    expect(scan(printed, theme, 'dontInvert')).toContain(`${await pi.publicKey()}`);
  });

  test('has no colour with NO_COLOR', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const printed = await show(pi, { NO_COLOR: '1' });
    expect(printed).not.toContain('\u001b[38');
    expect(scan(printed, DARK, 'dontInvert')).toContain(`${await pi.publicKey()}`);
  });
});
