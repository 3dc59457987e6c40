import { describe, expect, test } from 'vitest';
import { createEndpoint, defineCommand } from '../../src/index.ts';
import { Lab, LOOPBACK, MAIN } from '../support/cli.ts';

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d$/;

describe.concurrent('send', () => {
  test('time prints the time of the other machine, and for how long it has been up', async () => {
    await using lab = await Lab.open();
    const { mac } = await lab.pair();
    const { code, stdout, stderr } = await mac.run('send time');
    expect(code).toBe(0);
    const lines = /^time {4}(\S+)\nuptime {2}\d+\n$/.exec(stdout);
    expect(lines?.[1]).toMatch(RFC_3339);
    expect(stderr).toBe('');
  });

  test('time --json has the answer as it came, and how long it took', async () => {
    await using lab = await Lab.open();
    const { mac } = await lab.pair();
    const { stdout } = await mac.run('send time --json');
    expect(stdout.endsWith('\n')).toBe(true);
    const { value, roundTripMs, ...rest } = JSON.parse(stdout);
    expect(rest).toEqual({ ok: true, peer: 'pi' });
    expect(value).toEqual({ time: expect.stringMatching(RFC_3339), uptime: expect.any(Number) });
    expect(Math.abs(Date.parse(value.time) - Date.now())).toBeLessThan(60_000);
    expect(roundTripMs).toBeGreaterThan(0);
    expect(roundTripMs).toBeLessThan(30_000);
  });

  test('lucky keeps to its range, also below zero', async () => {
    await using lab = await Lab.open();
    const { mac } = await lab.pair();
    const lucky = async (range: string): Promise<number> => {
      const { code, stdout } = await mac.run(`send lucky ${range}`);
      expect(code).toBe(0);
      expect(stdout).toMatch(/^-?\d+\n$/);
      return Number(stdout);
    };
    const [die, negative, one] = await Promise.all([lucky('1 6'), lucky('-6 -1'), lucky('-7 -7')]);
    expect([1, 2, 3, 4, 5, 6]).toContain(die);
    expect([-6, -5, -4, -3, -2, -1]).toContain(negative);
    expect(one).toBe(-7);
  });

  test('help is a table for people, and data with --json', async () => {
    await using lab = await Lab.open();
    const { mac } = await lab.pair();
    const { code, stdout } = await mac.run('send help');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^time {2,}The other machine's date/m);
    expect(stdout).toMatch(/^lucky \[min\] \[max\] {2,}A lucky number/m);
    expect(stdout).toMatch(/^ {2}max {2,}The largest \(integer, 100 if not given\)$/m);
    const { value } = JSON.parse((await mac.run('send help --json')).stdout);
    expect(value.map(({ name }: { name: string }) => name)).toEqual([
      'time',
      'lucky',
      'help',
      'ping',
      'msg',
      'mail',
    ]);
    expect(value[1].args[0]).toEqual({ name: 'min', type: 'integer', summary: 'The smallest', default: 1 });
  });

  test('of what the other side refuses exits with 3, and says why', async () => {
    await using lab = await Lab.open();
    const { mac } = await lab.pair();
    const refusals = [
      ['lucky 6 1', '<min> (6) must not be above <max> (1)'],
      ['lucky six', '<min> must be a whole number. Usage: lucky [min] [max]'],
      ['lucky 1.5', '<min> must be a whole number'],
      ['lucky 1 2 3', 'at most 2 arguments, not 3'],
      ['frobnicate', 'There is no command "frobnicate"'],
    ] as const;
    await Promise.all(
      refusals.map(async ([line, complaint]) => {
        const { code, stdout, stderr } = await mac.run(`send ${line}`);
        expect({ line, code, stdout }).toEqual({ line, code: 3, stdout: '' });
        expect(stderr).toContain(complaint);
      }),
    );
  });

  test('--json tells a refusal as an object on stdout', async () => {
    await using lab = await Lab.open();
    const { mac } = await lab.pair();
    const { code, stdout, stderr } = await mac.run('send frobnicate --json');
    expect(code).toBe(3);
    expect(JSON.parse(stdout)).toEqual({
      ok: false,
      error: {
        code: 'unknown-command',
        message: expect.stringContaining('frobnicate'),
        hint: expect.stringContaining('peer allow'),
      },
    });
    expect(stderr).toBe('');
  });

  test('a command that cannot be a name is a usage error, without asking anybody', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    await mac.trust(pi, (await lab.silentPort()).port);
    expect((await mac.run('send TIME')).code).toBe(2);
  });

  test('to a reader that has seen enough is no crash', async () => {
    await using lab = await Lab.open();
    const { mac } = await lab.pair();
    const pipeline = '{ "$@" send help; echo "exit $?" >&2; } | head -1';
    const piped = mac.startFile({ input: '' }, 'sh', '-c', pipeline, 'sh', process.execPath, MAIN);
    expect(await piped.end()).toMatchObject({
      stdout: expect.stringMatching(/^time .*\n$/),
      stderr: 'exit 0\n',
    });
    const deaf = mac.startWith({ input: '' }, 'send help');
    deaf.closeOutput();
    expect(await deaf.end()).toMatchObject({ code: 0, stderr: '' });
  });
});

describe.concurrent('send finds the peer', () => {
  test('that --to names, or the only one with an address', async () => {
    await using lab = await Lab.open();
    const { pi, mac, port } = await lab.pair();
    const nas = await lab.machine('nas');
    await mac.trust(nas);
    expect((await mac.run('send time')).code).toBe(0);
    expect(await mac.run('send time --to nas')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--at HOST:PORT'),
    });
    await mac.store.removePeer('nas');
    await mac.trust(nas, port);
    expect(await mac.run('send time')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--to NAME: pi, nas'),
    });
    expect((await mac.run('send time --to', pi.name)).code).toBe(0);
  });

  test('and exits with 5 when there is none of that name', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    expect(await mac.run('send time')).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('udp-tool peer add NAME KEY --at HOST:PORT'),
    });
    await mac.trust(pi, 9);
    expect(await mac.run('send time --to nas')).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('There are: pi.'),
    });
  });
});

describe.concurrent('what another machine says', () => {
  const red = '\u001b[31mred\u0007\u009b0m\u202e';
  test('reaches the terminal without its control characters, be it an answer or an error', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    const define = (name: string, run: () => string | object) =>
      defineCommand({ name, summary: red, idempotent: true, run: run as () => string });
    await using server = await createEndpoint({
      keyPair: await pi.store.loadKeyPair(),
      peers: [{ name: 'mac', publicKey: await mac.publicKey() }],
      ip: LOOPBACK,
      commands: [
        define('text', () => red),
        define('object', () => ({ [red]: [red] })),
        define('list', () => [red]),
        define('help', () => [{ name: red, summary: red, args: [{ name: red, summary: red, type: red }] }]),
        define('error', () => {
          throw new Error(red);
        }),
      ],
    });
    await mac.trust(pi, server.addresses[0]?.port);
    const runs = await Promise.all(
      ['text', 'object', 'list', 'help', 'error'].map((command) => mac.run(`send ${command}`)),
    );
    expect(runs.map(({ code }) => code)).toEqual([0, 0, 0, 0, 3]);
    for (const { stdout, stderr } of runs) {
      expect(stdout + stderr).toContain('[31mred');
      expect(stdout + stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    }
    const { stdout } = await mac.run('send text --json');
    expect(JSON.parse(stdout).value).toBe(red);
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  });
});

describe.concurrent('Ctrl-C', () => {
  test('ends a send that waits for an answer, at once and with 130', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    const silent = await lab.silentPort();
    await mac.trust(pi, silent.port);
    const send = mac.start('send time --timeout 60');
    await silent.firstDatagram;
    const interruptedAt = performance.now();
    const { code, signal, stdout, stderr } = await send.stop('SIGINT');
    expect(performance.now() - interruptedAt).toBeLessThan(5_000);
    expect({ code, signal }).toEqual({ code: 130, signal: null });
    expect(stdout).toBe('');
    expect(stderr).toContain('aborted');
  });
});
