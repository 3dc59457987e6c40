import { describe, expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { Lab } from '../support/cli.ts';

describe.concurrent('help', () => {
  test('--version prints the version of the package', async () => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    expect(await pi.run('--version')).toMatchObject({
      code: 0,
      stdout: `${packageJson.version}\n`,
      stderr: '',
    });
  });

  test('--help names every verb, shows examples and tells the exit codes', async () => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    const { code, stdout, stderr } = await pi.run('--help');
    expect(code).toBe(0);
    expect(stderr).toBe('');
    for (const verb of [
      'keygen',
      'pair',
      'peer',
      'serve',
      'send',
      'watch',
      'msg',
      'chat',
      'inbox',
      'outbox',
      'shell',
      'ping',
      'doctor',
      'demo',
    ])
      expect(stdout).toMatch(new RegExp(`^  ${verb} `, 'm'));
    expect(stdout).toContain('udp-tool send time');
    expect(stdout).toContain('4 no answer in time');
  });

  test.each([
    ['send --help', '--timeout <seconds>'],
    ['help serve', '--port <number>'],
    ['peer add --help', '--psk <file>'],
  ])('"udp-tool %s" tells of %s', async (line, option) => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    const { code, stdout, stderr } = await pi.run(line);
    expect(code).toBe(0);
    expect(stdout).toContain(option);
    expect(stderr).toBe('');
  });
});

describe.concurrent('a mistake in the command line is told on stderr, and exits with 2:', () => {
  test.each([
    ['', 'Usage: udp-tool'],
    ['frobnicate', "unknown command 'frobnicate'"],
    ['keygen extra', 'too many arguments'],
    ['peer', 'Usage: udp-tool peer'],
    ['peer add pi', "missing required argument 'key'"],
    ['send', "missing required argument 'command'"],
    ['send time --timeout 0', '300 at most'],
    ['send time --timeout soon', 'number of seconds'],
    ['serve --port 65536', 'from 0 to 65535'],
    ['serve --port http', 'from 0 to 65535'],
  ])('udp-tool %s', async (line, complaint) => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const { code, stdout, stderr } = await pi.run(line);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(complaint);
  });
});
