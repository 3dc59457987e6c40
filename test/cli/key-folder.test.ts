import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { KeyStore } from '../../src/index.ts';
import { Lab, type Machine, type RunOptions } from '../support/cli.ts';

/** A machine with a keypair in every folder that the program might look into, and none where it ought not to. */
async function machineWithManyKeys(lab: Lab): Promise<Machine> {
  const pi = await lab.blank('pi');
  for (const folder of ['named', 'from-environment', 'work/keys', 'xdg/udp-tool', '.config/udp-tool'])
    await new KeyStore(join(pi.home, folder)).createKeyPair();
  await mkdir(join(pi.home, 'elsewhere'));
  return pi;
}

/** The key folder that it uses, from the home folder on. */
async function folderOf(pi: Machine, options: RunOptions, line: string): Promise<string> {
  const { code, stdout } = await pi.runWith(options, line);
  expect(code).toBe(0);
  const { publicKey, keys } = JSON.parse(stdout);
  expect(publicKey).toBe((await new KeyStore(keys).loadKeyPair()).publicKey.toString());
  return keys.slice(pi.home.length + 1);
}

describe.concurrent('the key folder', () => {
  test('is --keys, else UDP_TOOL_KEYS, else ./keys, else the one of XDG, else ~/.config', async () => {
    await using lab = await Lab.open();
    const pi = await machineWithManyKeys(lab);
    const cwd = join(pi.home, 'work');
    const environment = join(pi.home, 'from-environment');
    const XDG_CONFIG_HOME = join(pi.home, 'xdg');
    const all: RunOptions = { cwd, env: { UDP_TOOL_KEYS: environment, XDG_CONFIG_HOME } };
    const unnamed: RunOptions = { cwd, env: { UDP_TOOL_KEYS: undefined, XDG_CONFIG_HOME } };
    const elsewhere: RunOptions = { ...unnamed, cwd: join(pi.home, 'elsewhere') };
    const noXdg: RunOptions = { ...elsewhere, env: { UDP_TOOL_KEYS: undefined, XDG_CONFIG_HOME: undefined } };
    const show = 'peer show --json';
    expect(await folderOf(pi, all, `${show} --keys ../named`)).toBe('named');
    expect(await folderOf(pi, all, show)).toBe('from-environment');
    expect(await folderOf(pi, unnamed, show)).toBe('work/keys');
    expect(await folderOf(pi, elsewhere, show)).toBe('xdg/udp-tool');
    expect(await folderOf(pi, noXdg, show)).toBe('.config/udp-tool');
  });

  test('that UDP_TOOL_KEYS leaves empty is looked for further down', async () => {
    await using lab = await Lab.open();
    const pi = await machineWithManyKeys(lab);
    const options = { cwd: join(pi.home, 'work'), env: { UDP_TOOL_KEYS: '' } };
    expect(await folderOf(pi, options, 'peer show --json')).toBe('work/keys');
  });

  test.each(['peer show', 'send time', 'serve --port 0 --host 127.0.0.1', 'shell'])(
    'without a key is what "udp-tool %s" complains about, and it names keygen and --keys',
    async (line) => {
      await using lab = await Lab.open();
      const pi = await lab.blank('pi');
      const { code, stdout, stderr } = await pi.run(line);
      expect(code).toBe(5);
      expect(stdout).toBe('');
      expect(stderr).toContain(`There is no key in ${pi.keys}`);
      expect(stderr).toContain('udp-tool keygen');
      expect(stderr).toContain('--keys DIR');
    },
  );
});
