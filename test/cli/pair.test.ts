import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { cp, readdir } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { DEFAULT_ALLOW, generateKeyPair, nameOfThisMachine } from '../../src/index.ts';
import { decodeDatagram, encodeDatagram } from '../../src/pairing/datagrams.ts';
import { Step } from '../../src/pairing/exchange.ts';
import { Pairing } from '../../src/pairing/pairing.ts';
import { monotonicClock } from '../../src/transport/clock.ts';
import { Driver } from '../../src/transport/driver.ts';
import { random } from '../../src/transport/random.ts';
import { UdpSocket } from '../../src/transport/udp-socket.ts';
import { Lab, LOOPBACK, type Machine, type Program } from '../support/cli.ts';

/** What every machine of a lab calls itself. */
const HOST = nameOfThisMachine();
const QUESTION = /Does the other machine show (\d{3} \d{3})\? \[y\/N\] /;

async function waiting(
  machine: Machine,
  ...more: readonly string[]
): Promise<{ program: Program; at: string }> {
  const program = machine.start('pair --json --port 0', ...more);
  const { addresses } = await program.event('waiting');
  const [, port] = /:(\d+)$/.exec(String((addresses as string[])[0])) ?? [];
  return { program, at: `${LOOPBACK}:${port}` };
}

/** Both are asked. */
async function meeting(
  pi: Machine,
  mac: Machine,
  options: { pi?: readonly string[]; mac?: readonly string[] } = {},
): Promise<{ waiter: Program; asker: Program }> {
  const { program: waiter, at } = await waiting(pi, ...(options.pi ?? []));
  const asker = mac.start('pair --json', at, ...(options.mac ?? []));
  await Promise.all([waiter, asker].map((program) => program.shows(QUESTION, 'stderr')));
  return { waiter, asker };
}

async function answers(program: Program, answer: string): Promise<number | null> {
  program.write(`${answer}\n`);
  return (await program.end()).code;
}

function lastLine({ output }: Program): Record<string, unknown> {
  return JSON.parse(output.stdout.trimEnd().split('\n').at(-1) ?? '');
}

describe.concurrent('pair', () => {
  test('makes two machines without keys trust each other, and one can ask the other then', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.blank('pi'), await lab.blank('mac')];
    expect((await pi.run('keygen')).code).toBe(0);
    const { port } = await pi.serve();
    const { waiter, asker } = await meeting(pi, mac, { pi: ['--at', `${LOOPBACK}:${port}`] });
    const [shown, asked] = [await waiter.event('code'), await asker.event('code')];
    expect(shown['code']).toMatch(/^\d{6}$/);
    expect(asked['code']).toBe(shown['code']);
    expect(await Promise.all([waiter, asker].map((program) => answers(program, 'y')))).toEqual([0, 0]);

    const [piKey, macKey] = [`${await pi.publicKey()}`, `${await mac.publicKey()}`];
    const allow = DEFAULT_ALLOW;
    expect(lastLine(waiter)).toEqual({ event: 'paired', name: HOST, publicKey: macKey, allow });
    const at = `${LOOPBACK}:${port}`;
    expect(lastLine(asker)).toEqual({ event: 'paired', name: HOST, publicKey: piKey, at, allow });
    expect(await pi.readBook()).toMatch(new RegExp(`\\[${HOST}\\]\nkey = "${macKey}"\n$`));
    expect(await mac.readBook()).toMatch(new RegExp(`\\[${HOST}\\]\nkey = "${piKey}"\nat = "${at}"\n$`));
    expect((await mac.run('send time')).code).toBe(0);
  });

  test('tells people where it waits, whom it met, and the code in two halves; stdout stays empty', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.blank('pi'), await lab.machine('mac')];
    const waiter = pi.start('pair --port 0');
    await waiter.shows(/^Made a keypair in .*key-folder/m, 'stderr');
    const [, word] = await waiter.shows(/^ {2}udp-tool pair '?\S+?:(\d+)'?$/m, 'stderr');
    const asker = mac.start('pair', `${LOOPBACK}:${word}`, '--name', 'pi', '--at', 'mac.local');
    const [[, code], [, same]] = await Promise.all([
      waiter.shows(QUESTION, 'stderr'),
      asker.shows(QUESTION, 'stderr'),
    ]);
    expect(same).toBe(code);
    expect(waiter.output.stderr).toContain(`${await mac.publicKey()}`);
    expect(waiter.output.stderr).toContain('mac.local:9999');
    expect(await Promise.all([waiter, asker].map((program) => answers(program, 'YES')))).toEqual([0, 0]);
    expect([waiter, asker].map(({ output }) => output.stdout)).toEqual(['', '']);
    expect(await pi.readBook()).toContain('at = "mac.local:9999"');
    expect(await mac.readBook()).toContain(
      `[pi]\nkey = "${await pi.publicKey()}"\nat = "${LOOPBACK}:9999"\n`,
    );
  });

  test('writes nothing before both people said yes', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    const { waiter, asker } = await meeting(pi, mac);
    asker.write('y\n');
    await asker.shows(/Waits for the yes on the other machine/, 'stderr');
    expect([await readdir(pi.keys), await readdir(mac.keys)]).toEqual([['secret.key'], ['secret.key']]);
    expect(await answers(waiter, 'y')).toBe(0);
    expect((await asker.end()).code).toBe(0);
  });

  test.each([
    ['waiter', 'n'],
    ['asker', 'no'],
    ['waiter', ''],
    ['asker', 'yes, but'],
  ] as const)('ends on both where the %s says "%s"', async (who, answer) => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    const programs = await meeting(pi, mac);
    const [no, other] =
      who === 'waiter' ? [programs.waiter, programs.asker] : [programs.asker, programs.waiter];
    other.write('y\n');
    expect(await answers(no, answer)).toBe(5);
    expect((await other.end()).code).toBe(3);
    expect(lastLine(no)).toMatchObject({ ok: false, error: { code: 'codes-differ' } });
    expect(lastLine(other)).toMatchObject({ ok: false, error: { code: 'pairing-refused' } });
    expect([await readdir(pi.keys), await readdir(mac.keys)]).toEqual([['secret.key'], ['secret.key']]);
  });

  test('takes no yes from before the question, and the end of input for a no', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    const { program: waiter, at } = await waiting(pi);
    waiter.endInput('y\ny\n');
    const asker = mac.start('pair --json', at);
    expect((await waiter.end()).code).toBe(5);
    expect((await asker.end()).code).toBe(3);
  });

  test.each(['--yes', '-y'])('knows no %s', async (option) => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    expect(await pi.run('pair', option)).toMatchObject({ code: 2, stdout: '' });
  });

  test.each([
    [[':9998'], 'is not an address'],
    [['0.0.0.0'], 'every address of a machine'],
    [[LOOPBACK, '--port', '1'], '--port is where this machine waits'],
    [['--at', 'pi:0'], 'is not an address'],
    [['--name', 'my pi'], "cannot be a peer's name"],
  ])('refuses %j', async (args, complaint) => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const { code, stderr } = await pi.run('pair', ...args);
    expect(code).toBe(2);
    expect(stderr).toContain(complaint);
  });

  test('refuses a broken book before anybody compares codes', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    await pi.writeBook('[mac\n');
    expect(await pi.run('pair')).toMatchObject({ code: 5, stderr: expect.stringContaining('line 1') });
  });
});

describe.concurrent('pair, interrupted', () => {
  test('while it waits ends with 130, and frees the port', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const { program, at } = await waiting(pi);
    expect(await program.stop('SIGINT')).toMatchObject({ code: 130, signal: null });
    expect(lastLine(program)).toMatchObject({ ok: false, error: { code: 'aborted' } });
    const socket = createSocket('udp4').bind(Number(at.split(':')[1]), LOOPBACK);
    await once(socket, 'listening');
    socket.close();
  });

  test('at the question ends on both', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    const { waiter, asker } = await meeting(pi, mac);
    expect((await asker.stop('SIGINT')).code).toBe(130);
    expect((await waiter.end()).code).toBe(3);
    expect(await readdir(pi.keys)).toEqual(['secret.key']);
  });

  test('says what the network says where nobody waits, and goes on asking', async () => {
    await using lab = await Lab.open();
    const mac = await lab.machine('mac');
    const asker = mac.start('pair', `${LOOPBACK}:${await lab.closedPort()}`);
    await asker.shows(/^Nothing waits at 127\.0\.0\.1:\d+: type "udp-tool pair" there/m, 'stderr');
    expect((await asker.stop('SIGINT')).code).toBe(130);
  });
});

describe.concurrent('pair with a machine that is known', () => {
  test('by another name keeps that name, its permissions, and gets the address', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    await mac.trust(pi, 7777);
    expect((await mac.run('peer allow pi temp')).code).toBe(0);
    const { waiter, asker } = await meeting(pi, mac);
    expect(await Promise.all([waiter, asker].map((program) => answers(program, 'y')))).toEqual([0, 0]);
    const at = `${LOOPBACK}:9999`;
    expect(lastLine(asker)).toMatchObject({ name: 'pi', at, allow: [...DEFAULT_ALLOW, 'temp'] });
    expect((await mac.run('peer list --json')).stdout.trim().split('\n')).toHaveLength(1);
  });

  test('and a --name that is not its own is refused before anybody is asked', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    await mac.trust(pi);
    const before = await mac.readBook();
    const { program, at } = await waiting(pi);
    const asker = await mac.run('pair', at, '--name', 'raspberry');
    expect(asker).toMatchObject({ code: 2, stderr: expect.stringContaining('trusted already, as "pi"') });
    expect(asker.stderr).not.toMatch(QUESTION);
    expect((await program.end()).code).toBe(3);
    expect(await mac.readBook()).toBe(before);
  });

  test('a name that is another one’s is refused, and --name gives one', async () => {
    await using lab = await Lab.open();
    const [pi, mac, nas] = [await lab.machine('pi'), await lab.machine('mac'), await lab.machine('nas')];
    await mac.store.addPeer({ name: HOST, publicKey: await nas.publicKey() });
    const first = await waiting(pi);
    const refused = await mac.run('pair', first.at);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining(`a peer "${HOST}" already`) });
    expect(refused.stderr).toContain('--name');
    expect((await first.program.end()).code).toBe(3);
    const { waiter, asker } = await meeting(pi, mac, { mac: ['--name', 'pi'] });
    expect(await Promise.all([waiter, asker].map((program) => answers(program, 'y')))).toEqual([0, 0]);
    expect((await mac.run('peer list')).stdout).toMatch(/^pi {2}/m);
  });

  test('a copy of this machine’s own key folder is refused', async () => {
    await using lab = await Lab.open();
    const [pi, copy] = [await lab.machine('pi'), await lab.blank('copy')];
    await cp(pi.keys, copy.keys, { recursive: true });
    const { at } = await waiting(pi);
    const { code, stderr } = await copy.run('pair', at);
    expect(code).toBe(5);
    expect(stderr).toContain('public key of this machine itself');
  });
});

describe.concurrent('pair, with somebody else', () => {
  test('who tries as well: he gets no byte, and the person is told', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    const { waiter, asker } = await meeting(pi, mac);
    const address = asker.output.stdout.match(/127\.0\.0\.1:(\d+)/)?.[1];
    const stranger = createSocket('udp4');
    let heard = 0;
    stranger.on('message', () => heard++);
    stranger.send(encodeDatagram({ type: 'hello', commitment: random(32) }), Number(address), LOOPBACK);
    expect(await waiter.event('somebody-else')).toEqual({
      event: 'somebody-else',
      from: `${LOOPBACK}:${stranger.address().port}`,
    });
    await waiter.shows(/it shows no code: say no here/, 'stderr');
    expect(await Promise.all([waiter, asker].map((program) => answers(program, 'y')))).toEqual([0, 0]);
    expect(heard).toBe(0);
    stranger.close();
  });

  test('who takes the yes and gives up: this machine is paired alone, and says it', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const { program, at } = await waiting(pi, '--name', 'mac');
    const socket = await UdpSocket.bind({ ip: LOOPBACK, port: 0 });
    const pairing = new Pairing(
      {
        ...{ keyPair: generateKeyPair(), name: 'mac', at: '', isAddress: () => true, random },
        ask: [{ ip: LOOPBACK, port: Number(at.split(':')[1]) }],
        onEvent: ({ type }) => {
          if (type === 'code') pairing.confirm(true, monotonicClock.now());
        },
      },
      monotonicClock.now(),
    );
    const driver = new Driver(pairing, monotonicClock, ({ datagram, to }) => socket.send(datagram, to));
    socket.onDatagram = (bytes, from) => {
      const datagram = decodeDatagram(bytes);
      if (datagram?.type === 'confirm' && datagram.step === Step.WRITTEN)
        pairing.giveUp(monotonicClock.now());
      driver.receive(bytes, from);
    };
    driver.wake();
    await program.shows(QUESTION, 'stderr');
    expect(await answers(program, 'y')).toBe(1);
    driver.close();
    await socket.close();
    expect(lastLine(program)).toMatchObject({ ok: false, error: { code: 'half-paired' } });
    expect((await pi.run('peer list')).stdout).toMatch(/^mac {2}/);
  });
});
