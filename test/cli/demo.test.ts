import { readdir } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { PublicKey } from '../../src/index.ts';
import { Lab } from '../support/cli.ts';

describe('demo', () => {
  test('does what it says, and needs and leaves no files', async () => {
    await using lab = await Lab.open();
    const pi = await lab.blank('pi');
    const { code, stdout, stderr } = await pi.runWith({ env: { UDP_TOOL_KEYS: undefined } }, 'demo');
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(await readdir(pi.home)).toEqual([]);

    const keys = [...stdout.matchAll(/^(?:pi|mac) +(udp1\w+)$/gm)].map(([, key]) => `${key}`);
    expect(new Set(keys.map((key) => PublicKey.parse(key).toString())).size).toBe(2);
    for (const command of ['time', 'lucky 1 6', 'help'])
      expect(stdout).toMatch(new RegExp(`^mac> ${command} {3}[\\d.]+ ms$`, 'm'));
    expect(stdout.match(/^time {4}\d{4}-.*\nuptime {2}\d+$/gm)).toHaveLength(2);
    for (const claim of [
      'three requests were executed',
      'no word of what was asked or answered is in it',
      'each was dropped as replayed, and not one byte came back',
      'no command was executed again',
      'dropped as a bad box, in silence',
      'silence',
      'is answered as before',
    ])
      expect(stdout).toMatch(new RegExp(`^✓ .*${claim}`, 'm'));
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  });

  test('shows the datagrams that the eavesdropper saw: answers to time and lucky have one size', async () => {
    await using lab = await Lab.open();
    const { stdout } = await (await lab.blank('pi')).run('demo');
    const seen = [...stdout.matchAll(/^to (server|client) {2}([A-Z]+) +(\d+) bytes {2}[0-9a-f]{48}…$/gm)];
    const types = new Set(seen.map(([, , type]) => type));
    expect([...types]).toEqual(expect.arrayContaining(['HELLO', 'CHALLENGE', 'OPEN', 'DATA']));
    const answers = seen
      .filter(([, to, type]) => to === 'client' && type === 'DATA')
      .map(([, , , size]) => size);
    expect(answers[0]).toBe(answers[1]);
  });
});
