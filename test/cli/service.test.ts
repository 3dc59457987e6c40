/** `service` beside a systemctl that only writes down what it is told; and what systemd hands to "serve". */
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Lab, LOOPBACK, MAIN, type Machine } from '../support/cli.ts';

const onLinux = process.platform === 'linux';
const hasActivate =
  onLinux && spawnSync('systemd-socket-activate', ['--version'], { stdio: 'ignore' }).status === 0;

/** Says that the service runs where its unit is there, or whatever `state` holds; writes down its arguments. */
const SYSTEMCTL = `#!/usr/bin/env node
const { appendFileSync, existsSync, readFileSync } = require('node:fs');
const args = process.argv.slice(2);
const home = process.env.HOME;
appendFileSync(home + '/told', args.join(' ') + '\\n');
if (existsSync(home + '/refuses')) {
  console.error(readFileSync(home + '/refuses', 'utf8'));
  process.exit(1);
}
if (args.includes('show')) {
  const unit = home + '/config/systemd/user/' + args.at(-1);
  const state = existsSync(home + '/state') ? readFileSync(home + '/state', 'utf8') : 'active';
  console.log(existsSync(unit)
    ? 'MainPID=4711\\nLoadState=loaded\\nActiveState=' + state + '\\nSubState=running\\nUnitFileState=enabled'
    : 'MainPID=0\\nLoadState=not-found\\nActiveState=inactive\\nSubState=dead\\nUnitFileState=');
}
`;

async function withSystemctl(lab: Lab, name = 'pi') {
  const pi = await lab.machine(name);
  const bin = join(pi.home, 'bin');
  await mkdir(bin);
  await pi.file('bin/systemctl', SYSTEMCTL, 0o755);
  const env = { PATH: `${bin}:${process.env['PATH']}` };
  const units = join(pi.home, 'config/systemd/user');
  return {
    pi,
    units,
    run: (line: string, ...more: string[]) => pi.runWith({ env }, `service ${line}`, ...more),
    told: async (): Promise<string[]> =>
      (await readFile(join(pi.home, 'told'), 'utf8').catch(() => '')).split('\n').filter(Boolean),
    files: async (): Promise<string[]> => (await readdir(units).catch(() => [])).sort(),
  };
}

describe.skipIf(!onLinux).concurrent('service, with systemd', () => {
  test('--dry-run prints what it would write and run, and changes nothing', async () => {
    await using lab = await Lab.open();
    const { pi, run, told, files, units } = await withSystemctl(lab);
    const before = await readdir(pi.home);
    const { code, stdout } = await run('install --dry-run --port 4711');
    expect(code).toBe(0);
    expect(stdout).toContain('\nListenDatagram=[::]:4711\n');
    expect(stdout).toContain(`ExecStart=${process.execPath} ${MAIN} serve --keys ${pi.keys}\n`);
    expect(stdout).toContain('\n# run systemctl --user daemon-reload\n');
    const plan = JSON.parse((await run('install --dry-run --json')).stdout);
    expect(plan.files.map(({ path }: { path: string }) => path)).toEqual([
      join(units, 'udp-tool.socket'),
      join(units, 'udp-tool.service'),
    ]);
    expect(plan.run).toContainEqual([
      'systemctl',
      '--user',
      'enable',
      '--now',
      'udp-tool.socket',
      'udp-tool.service',
    ]);
    expect(await told()).toEqual([]);
    expect(await files()).toEqual([]);
    expect(await readdir(pi.home)).toEqual(before);
  });

  test('--dry-run --system is of /etc, for root, and without --user', async () => {
    await using lab = await Lab.open();
    const { run } = await withSystemctl(lab);
    const plan = JSON.parse((await run('install --system --dry-run --json --name other')).stdout);
    expect(plan.files[1]).toMatchObject({
      path: '/etc/systemd/system/other.service',
      text: expect.stringContaining(' serve --keys /etc/udp-tool\n'),
    });
    expect(plan.run[0]).toEqual(['systemctl', 'daemon-reload']);
  });

  test('install, status and remove: what it wrote is there, and then nothing of it', async () => {
    await using lab = await Lab.open();
    const { pi, run, told, files, units } = await withSystemctl(lab);
    expect((await run('status')).stdout).toBe('udp-tool: not installed\n');
    const installed = await run(
      'install --json --commands',
      await pi.file('own.mjs', 'export const a = { summary: "", run() {} };'),
    );
    expect(installed.code).toBe(0);
    expect(JSON.parse(installed.stdout)).toEqual({
      name: 'udp-tool',
      installed: true,
      running: true,
      enabled: true,
      state: 'active (running)',
      pid: 4711,
    });
    expect(installed.stderr).toContain('loginctl enable-linger');
    expect(await files()).toEqual(['udp-tool.service', 'udp-tool.socket']);
    expect(await readFile(join(units, 'udp-tool.service'), 'utf8')).toContain(
      ` --commands ${pi.home}/own.mjs\n`,
    );
    expect((await stat(join(pi.keys, 'inbox'))).mode & 0o777).toBe(0o700);
    expect((await run('status')).stdout).toBe('udp-tool: active (running), starts by itself, process 4711\n');
    const removed = await run('remove --json');
    expect(JSON.parse(removed.stdout).removed).toHaveLength(2);
    expect(await files()).toEqual([]);
    expect((await told()).filter((line) => !line.includes('show'))).toEqual([
      '--user daemon-reload',
      '--user enable --now udp-tool.socket udp-tool.service',
      '--user disable --now udp-tool.socket udp-tool.service',
      '--user daemon-reload',
    ]);
    expect(await pi.publicKey()).toBeDefined();
  });

  test('installed anew with workers, the socket of before is gone', async () => {
    await using lab = await Lab.open();
    const { run, files } = await withSystemctl(lab);
    await run('install');
    expect((await run('install --workers 2')).code).toBe(0);
    expect(await files()).toEqual(['udp-tool.service']);
  });

  test('a file that it did not write is not touched, whatever is asked', async () => {
    await using lab = await Lab.open();
    const { pi, run, told, units } = await withSystemctl(lab);
    await mkdir(units, { recursive: true });
    const path = await pi.file('config/systemd/user/udp-tool.service', '[Service]\nExecStart=/bin/true\n');
    for (const verb of ['install', 'remove', 'install --dry-run']) {
      const { code, stderr } = await run(verb);
      expect(code).toBe(1);
      expect(stderr).toContain('was not written by udp-tool');
    }
    expect(await readFile(path, 'utf8')).toContain('/bin/true');
    expect(await told()).toEqual([]);
  });

  test('what "serve" would stumble over is told before anything is written', async () => {
    await using lab = await Lab.open();
    const { pi, run, told, files } = await withSystemctl(lab);
    expect(await run('install --commands', join(pi.home, 'gone.mjs'))).toMatchObject({ code: 2 });
    await pi.writeBook('[mac\n');
    expect(await run('install')).toMatchObject({ code: 5 });
    expect(await run('install --keys', pi.home)).toMatchObject({ code: 5 });
    expect(await run('install --name', '../x')).toMatchObject({ code: 2 });
    expect(await run('install --user --system')).toMatchObject({ code: 2 });
    expect(await told()).toEqual([]);
    expect(await files()).toEqual([]);
  });

  test('where systemctl refuses, it says why and leaves nothing; where it is not there, too', async () => {
    await using lab = await Lab.open();
    const { pi, run, files } = await withSystemctl(lab);
    await pi.file('refuses', 'Failed to connect to bus: No medium found');
    const { code, stdout } = await run('install --json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout).error).toMatchObject({
      code: 'service-failed',
      message: expect.stringContaining('No medium found'),
    });
    expect(await files()).toEqual([]);
    expect(await run('status')).toMatchObject({ code: 1, stdout: '' });
    const nowhere = await pi.runWith({ env: { PATH: '/nonexistent' } }, 'service status');
    expect(nowhere).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('systemctl cannot be started'),
    });
  });

  test('a service that ends as soon as it is started is a failure', async () => {
    await using lab = await Lab.open();
    const { pi, run } = await withSystemctl(lab);
    await pi.file('state', 'activating');
    const { code, stderr } = await run('install');
    expect(code).toBe(1);
    expect(stderr).toContain('ended when it was started: activating');
    expect(stderr).toContain('journalctl --user-unit udp-tool');
  });
});

/** Keeps the sockets that it was given and runs its arguments again and again, as systemd does. */
const KEEPER = `
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
const [, , ...argv] = process.argv;
let child;
const start = () => {
  const env = { ...process.env };
  delete env.LISTEN_PID;
  child = spawn('/bin/sh', ['-c', 'LISTEN_PID=$$ exec "$@"', 'sh', ...argv], { env, stdio: ['ignore', 'pipe', 'pipe', 3, 4] });
  child.stdout.pipe(process.stdout);
  child.stderr.pipe(process.stderr);
};
start();
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'start') start();
  if (line === 'stop') { child.once('exit', () => console.log('{"event":"ended"}')); child.kill('SIGTERM'); }
}
child.kill('SIGTERM');
`;

/** A port that is free for both families a moment later. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp6').bind(0, '::');
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((done) => socket.close(() => done()));
  return port;
}

function activated(machine: Machine, listen: readonly string[], ...command: readonly string[]) {
  const at = listen.flatMap((address) => ['-l', address]);
  const env = ['UDP_TOOL_KEYS', 'HOME', 'PATH'].flatMap((name) => ['-E', name]);
  return machine.startFile({}, 'systemd-socket-activate', '--datagram', ...env, ...at, ...command);
}

async function wake(port: number): Promise<void> {
  const socket = createSocket('udp4');
  await new Promise((done) => socket.send(new Uint8Array(1), port, LOOPBACK, done));
  socket.close();
}

describe
  .skipIf(!hasActivate)
  .concurrent(
    `sockets that systemd holds${hasActivate ? '' : ' [skipped: no systemd-socket-activate]'}`,
    () => {
      test('are those on which "serve" answers, of both families; what arrives while it restarts is not lost', async () => {
        await using lab = await Lab.open();
        const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
        await pi.trust(mac);
        const port = await freePort();
        await mac.trust(pi, port);
        const keeper = await pi.file('keeper.mjs', KEEPER);
        const { execPath: node } = process;
        const manager = activated(
          pi,
          [`0.0.0.0:${port}`, `[::]:${port}`],
          node,
          keeper,
          ...[node, MAIN, 'serve', '--json', '-v'],
        );
        try {
          await manager.shows(/Listening on \[::\]/, 'stderr');
          await wake(port);
          expect(await manager.event('listening')).toMatchObject({
            addresses: [`0.0.0.0:${port}`, `[::]:${port}`],
          });
          expect(await mac.run('send time')).toMatchObject({ code: 0 });
          const onIPv6 = await mac.store.changePeer('pi', (entry) => ({ ...entry, at: `[::1]:${port}` }));
          expect(onIPv6.at).toContain('::1');
          expect(await mac.run('send time')).toMatchObject({ code: 0 });

          manager.write('stop\n');
          await manager.event('ended');
          const asking = mac.start('send time --timeout 20');
          // A datagram that nobody reads before the next one serves.
          const socket = createSocket('udp4');
          const hello = new Uint8Array(1_232).fill(1, 0, 1); // of a stranger
          await new Promise((done) => socket.send(hello, port, LOOPBACK, done));
          socket.close();
          manager.write('start\n');
          await manager.event('listening');
          await manager.shows(/^dropped, unknown-tag: 1 in all/m, 'stderr');
          expect(await asking.end()).toMatchObject({ code: 0 });
          manager.endInput();
          expect(await manager.end()).toMatchObject({ code: 0 });
        } finally {
          manager.endInput(); // else what it started goes on
        }
      });

      test('are not for workers, which is said', async () => {
        await using lab = await Lab.open();
        const pi = await lab.machine('pi');
        const port = await freePort();
        const serve = [process.execPath, MAIN, 'serve', '--workers', '2'];
        const server = activated(pi, [`${LOOPBACK}:${port}`], ...serve);
        await server.shows(/Listening on/, 'stderr');
        await wake(port);
        const { code, stderr } = await server.end();
        expect(code).toBe(2);
        expect(stderr).toContain('Workers cannot share a socket');
      });

      test('are refused where there are two of a family', async () => {
        await using lab = await Lab.open();
        const pi = await lab.machine('pi');
        const ports = [await freePort(), await freePort()];
        const serve = [process.execPath, MAIN, 'serve'];
        const two = activated(
          pi,
          ports.map((port) => `${LOOPBACK}:${port}`),
          ...serve,
        );
        await two.shows(new RegExp(`Listening on .*:${ports[1]} `), 'stderr');
        await wake(ports[0] ?? 0);
        expect(await two.end()).toMatchObject({
          code: 2,
          stderr: expect.stringContaining('More than one socket'),
        });
      });
    },
  );

describe.concurrent('without a service manager', () => {
  test.skipIf(!onLinux)('what is handed over and is no UDP socket is refused', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const handOver = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3</dev/null';
    const serve = pi.startFile({}, '/bin/sh', '-c', handOver, 'sh', process.execPath, MAIN, 'serve');
    expect(await serve.end()).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no bound UDP socket'),
    });
  });

  test('sockets of another process are not taken: "serve" opens its own', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const env = { LISTEN_FDS: '1', LISTEN_PID: '1' };
    const server = pi.startWith({ env }, 'serve --json --port 0 --host', LOOPBACK);
    expect(await server.event('listening')).toMatchObject({
      addresses: [expect.stringMatching(/^127\.0\.0\.1:\d+$/)],
    });
  });
});

describe.concurrent('a secret key that systemd hands over as a credential', () => {
  async function withCredential(lab: Lab, mode: number, folderMode = 0o500) {
    const [pi, other] = [await lab.machine('pi'), await lab.machine('other')];
    const dir = join(pi.home, 'credentials');
    await mkdir(dir);
    const text = await readFile(join(other.keys, 'secret.key'), 'utf8');
    await pi.file('credentials/udp-tool.secret.key', text, mode);
    await chmod(dir, folderMode);
    const show = () => pi.runWith({ env: { CREDENTIALS_DIRECTORY: dir } }, 'peer show');
    return { pi, other, dir, show };
  }

  test('takes the place of the one in the key folder', async () => {
    await using lab = await Lab.open();
    const { pi, other, dir, show } = await withCredential(lab, 0o400);
    expect((await show()).stdout).toBe(`${await other.publicKey()}\n`);
    const serve = ['serve --json --port 0 --host', LOOPBACK] as const;
    const server = pi.startWith({ env: { CREDENTIALS_DIRECTORY: dir } }, ...serve);
    expect(await server.event('listening')).toMatchObject({ publicKey: `${await other.publicKey()}` });
    expect((await pi.run('peer show')).stdout).toBe(`${await pi.publicKey()}\n`);
    await chmod(dir, 0o700);
  });

  test('may be readable for the group, as the mask of an ACL is shown, and for nobody else', async () => {
    await using lab = await Lab.open();
    const { other, dir, show } = await withCredential(lab, 0o440);
    expect((await show()).stdout).toBe(`${await other.publicKey()}\n`);
    for (const mode of [0o404, 0o460]) {
      await chmod(join(dir, 'udp-tool.secret.key'), mode);
      expect(await show()).toMatchObject({ code: 5, stdout: '' });
    }
    await chmod(dir, 0o700);
  });

  test('is not taken from a folder in which others may replace it', async () => {
    await using lab = await Lab.open();
    const { show, dir } = await withCredential(lab, 0o400, 0o777);
    expect(await show()).toMatchObject({ code: 5, stdout: '' });
    await chmod(dir, 0o700);
  });

  test('that is not among the credentials leaves the one in the key folder', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    for (const CREDENTIALS_DIRECTORY of [pi.home, 'relative']) {
      const { stdout } = await pi.runWith({ env: { CREDENTIALS_DIRECTORY } }, 'peer show');
      expect(stdout).toBe(`${await pi.publicKey()}\n`);
    }
  });
});

test('the peer book stays readable for whom it was readable', async () => {
  await using lab = await Lab.open();
  const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
  await pi.trust(mac);
  expect((await stat(pi.book)).mode & 0o777).toBe(0o600);
  await chmod(pi.book, 0o644);
  await pi.run('peer allow mac temp');
  expect((await stat(pi.book)).mode & 0o777).toBe(0o644);
});
