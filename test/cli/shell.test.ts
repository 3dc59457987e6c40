import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { Lab, LOOPBACK, MAIN } from '../support/cli.ts';

describe.concurrent('shell with lines from a pipe', () => {
  test('has the answers on stdout, and how long each took on stderr', async () => {
    await using lab = await Lab.open();
    const { mac } = await lab.pair();
    const input = 'lucky 3 3\n\n   \nlucky "4" \'4\'\ntime';
    const { code, stdout, stderr } = await mac.runWith({ input }, 'shell');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^3\n4\ntime {4}\S+\nuptime {2}\d+\n$/);
    expect(stderr).toMatch(/^(\d+\.\d ms\n){3}$/);
  });

  test('goes on after an unknown command, and exits as the last line did', async () => {
    await using lab = await Lab.open();
    const { mac } = await lab.pair();
    const recovered = await mac.runWith({ input: 'frobnicate\nTIME\nlucky 3 3\n' }, 'shell');
    expect(recovered).toMatchObject({ code: 0, stdout: '3\n' });
    expect(recovered.stderr).toContain('There is no command "frobnicate"');
    expect(recovered.stderr).toContain('"TIME" cannot be the name of a command');
    const refused = await mac.runWith({ input: 'lucky 3 3\nlucky 6 1\n' }, 'shell');
    expect(refused).toMatchObject({ code: 3, stdout: '3\n' });
  });

  test.each(['exit', 'quit'])('leaves at "%s", and asks nothing of what comes after', async (word) => {
    await using lab = await Lab.open();
    const { mac } = await lab.pair();
    const { code, stdout } = await mac.runWith({ input: `lucky 3 3\n${word}\nlucky 4 4\n` }, 'shell');
    expect({ code, stdout }).toEqual({ code: 0, stdout: '3\n' });
  });

  test('of nothing does nothing', async () => {
    await using lab = await Lab.open();
    const { mac } = await lab.pair();
    expect(await mac.runWith({ input: '' }, 'shell')).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  test('answers line by line, while the pipe is open', async () => {
    await using lab = await Lab.open();
    const { mac } = await lab.pair();
    const shell = mac.start('shell');
    for (const n of [3, 4, 5]) {
      shell.write(`lucky ${n} ${n}\n`);
      await shell.shows(new RegExp(`^${n}$`, 'm'));
    }
    shell.endInput();
    expect((await shell.end()).code).toBe(0);
  });
});

describe.concurrent('shell', () => {
  test('survives a server that is killed, and started again on the same port', async () => {
    await using lab = await Lab.open();
    const { pi, mac, server, port } = await lab.pair();
    const shell = mac.start('shell --timeout 20');
    shell.write('lucky 3 3\n');
    await shell.shows(/^3$/m);
    await server.stop('SIGKILL');
    await pi.start(`serve --json --port ${port}`, '--host', LOOPBACK).event('listening');
    shell.write('lucky 4 4\n');
    await shell.shows(/^4$/m);
    shell.endInput();
    expect(await shell.end()).toMatchObject({ code: 0, stdout: '3\n4\n' });
  });

  test('goes on when there is no answer, with the likely causes, and exits with 4 after it', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    await mac.trust(pi, (await lab.silentPort()).port);
    const finished = await mac.runWith({ input: 'time\nlucky\n' }, 'shell --timeout 0.5');
    expect(finished).toMatchObject({ code: 4, stdout: '' });
    expect(finished.stderr.match(/silent to whom it does not know/g)).toHaveLength(2);
  });

  test('ends at Ctrl-C only what runs, and then goes on', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    const silent = await lab.silentPort();
    await mac.trust(pi, silent.port);
    const shell = mac.start('shell --timeout 60');
    shell.write('time\n');
    await silent.firstDatagram;
    shell.kill('SIGINT');
    await shell.shows(/aborted/, 'stderr');
    shell.write('TIME\n');
    await shell.shows(/cannot be the name of a command/, 'stderr');
    expect(await shell.stop('SIGINT')).toMatchObject({ code: 130, signal: null });
  });
});

const terminal = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout ?? '';

describe.skipIf(!terminal.includes('util-linux'))('shell on a terminal (util-linux has "script")', () => {
  test('prompts, completes with Tab, remembers lines, and obeys Ctrl-C', async () => {
    await using lab = await Lab.open();
    const { mac } = await lab.pair();
    const command = '"$NODE" "$MAIN" shell';
    const env = { NODE: process.execPath, MAIN, SHELL: '/bin/sh', TERM: 'xterm', NO_COLOR: '1' };
    const shell = mac.startFile({ env }, 'script', '--quiet', '--return', '--command', command, '/dev/null');
    await shell.shows(/Tab completes/);
    await shell.shows(/pi> /);
    shell.write('lu\t');
    await shell.shows(/lucky /);
    shell.write('7 7\r');
    await shell.shows(/\n7\r\n[\d.]+ ms[\s\S]*pi> /);
    shell.write('\u001b[A'); // the arrow up
    await shell.shows(/lucky 7 7/);
    shell.write('\r');
    await shell.shows(/\n7\r\n[\d.]+ ms[\s\S]*pi> /);
    shell.write('half a line');
    await shell.shows(/half a line/);
    shell.write('\u0003');
    await shell.shows(/pi> /);
    shell.write('\u0003');
    expect((await shell.end()).code).toBe(130);
    expect(shell.output.stdout).not.toContain('udp-tool:');
  });
});
