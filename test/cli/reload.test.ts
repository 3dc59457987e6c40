/** SIGHUP has "serve" read anew what it was told to read, while it goes on. */
import { spawnSync } from 'node:child_process';
import { readFile, rename } from 'node:fs/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { builtinCommands, createEndpoint, type UdpEndpoint } from '../../src/index.ts';
import { canSharePort } from '../../src/transport/port-sharing.ts';
import { Lab, LOOPBACK, MAIN, type Machine, type Program } from '../support/cli.ts';
import { until } from '../support/endpoints.ts';

const sharing = await canSharePort();
const hasScript = process.platform === 'linux' && spawnSync('script', ['--version']).status === 0;

const says = (name: string, text: string): string =>
  `export const ${name} = { summary: 'Says it', idempotent: true, run: () => '${text}' };\n`;

/** A pi that serves these files, and a mac that may call everything there. */
async function served(lab: Lab, files: Record<string, string>, ...options: readonly string[]) {
  const pi = await lab.machine('pi');
  const mac = await lab.machine('mac');
  await pi.store.addPeer({ name: 'mac', publicKey: await mac.publicKey(), allow: ['*'] });
  const named: string[] = [];
  for (const [name, text] of Object.entries(files)) named.push('--commands', await pi.file(name, text));
  const { server, port } = await pi.serve(...named, ...options);
  await mac.trust(pi, port);
  const client = await clientOf(mac);
  const ask = async (command: string): Promise<unknown> => (await client.peer('pi').request(command)).value;
  return { pi, mac, server, client, ask };
}

/** Commands that come with udp-tool: the built-in ones, msg and mail. */
const OURS = builtinCommands.length + 2;

const clients: UdpEndpoint[] = [];
afterAll(() => Promise.all(clients.map((client) => client.close())));

async function clientOf(machine: Machine): Promise<UdpEndpoint> {
  const [keyPair, peers] = [await machine.store.loadKeyPair(), await machine.store.loadPeers()];
  const client = await createEndpoint({ keyPair, peers, ip: LOOPBACK });
  clients.push(client);
  return client;
}

async function reload(server: Program, event = 'reloaded'): Promise<Record<string, unknown>> {
  server.kill('SIGHUP');
  return server.event(event);
}

describe.concurrent('at SIGHUP "serve"', () => {
  test.each([
    ['own.mjs', says('word', 'old'), says('word', 'new')],
    [
      'own.js',
      `exports.word = { summary: '', run: () => 'old' };`,
      `exports.word = { summary: '', run: () => 'new' };`,
    ],
    [
      'own.toml',
      '[word]\nsummary = "Says it"\nrun = ["/bin/echo", "old"]\n',
      '[word]\nsummary = "Says it"\nrun = ["/bin/echo", "new"]\n',
    ],
  ])('evaluates %s anew, however often', async (name, before, after) => {
    await using lab = await Lab.open();
    const { pi, ask, server } = await served(lab, { [name]: before });
    expect(await ask('word')).toBe('old');
    await pi.file(name, after);
    expect(await reload(server)).toEqual({ event: 'reloaded', changes: [], count: OURS + 1 });
    expect(await ask('word')).toBe('new');
    await pi.file(name, before);
    await reload(server);
    expect(await ask('word')).toBe('old');
  });

  test('says which commands came and went', async () => {
    await using lab = await Lab.open();
    const { pi, ask, server } = await served(lab, { 'own.mjs': says('a', '1') + says('b', '2') });
    await pi.file('own.mjs', says('b', '2') + says('c', '3'));
    expect(await reload(server)).toEqual({ event: 'reloaded', changes: ['-a', '+c'], count: OURS + 2 });
    await server.shows(new RegExp(`^Reloaded: -a \\+c; ${OURS + 2} commands now\\.$`, 'm'), 'stderr');
    await expect(ask('a')).rejects.toMatchObject({ code: 'unknown-command' });
    expect(await ask('c')).toBe('3');
  });

  test('keeps the commands it has where the new file is bad, and says why; mended, it is taken', async () => {
    await using lab = await Lab.open();
    const { pi, ask, server } = await served(lab, { 'own.mjs': says('word', 'old') });
    for (const bad of ['export const', 'throw 1;', 'export const nothing = 1;', `import 'udp-toool';`]) {
      await pi.file('own.mjs', bad);
      expect(await reload(server, 'reload-failed')).toMatchObject({ error: { code: 'bad-commands' } });
      await server.shows(/^Not reloaded, so the commands before still hold: .*own\.mjs/m, 'stderr');
    }
    expect(await ask('word')).toBe('old');
    await pi.file('own.mjs', says('word', 'new'));
    await reload(server);
    expect(await ask('word')).toBe('new');
  });

  test('refuses a file that others may change by now', async () => {
    await using lab = await Lab.open();
    const { pi, server } = await served(lab, { 'own.mjs': says('word', 'old') });
    await pi.file('own.mjs', says('word', 'evil'), 0o666);
    expect(await reload(server, 'reload-failed')).toMatchObject({ error: { code: 'key-unsafe' } });
  });

  test('goes on with the sessions and the requests that it has', async () => {
    await using lab = await Lab.open();
    const finish = `export const finish = { summary: 'Ends "wait"', run: () => globalThis.finish() ?? null };\n`;
    const wait = `export const wait = {
      summary: 'Waits for "finish"',
      run: () => new Promise((done) => (globalThis.finish = () => done('waited'))),
    };\n`;
    const running = `export const running = { summary: '', run: () => (globalThis.finish ? 'yes' : 'no') };\n`;
    const { pi, ask, server, client } = await served(lab, { 'own.mjs': wait + finish + running });
    const waiting = ask('wait');
    while ((await ask('running')) !== 'yes'); // else its test's time is over
    await pi.file('own.mjs', finish);
    expect(await reload(server)).toMatchObject({ changes: ['-running', '-wait'] });
    await ask('finish');
    expect(await waiting).toBe('waited');
    expect(client.stats.sessions).toBe(1);
  });

  test('reads the peer book too, also where no file system tells of changes', async () => {
    await using lab = await Lab.open();
    const { pi, server } = await served(lab, {});
    const nas = await lab.machine('nas');
    // Another folder in its place: what watches the old one hears nothing.
    const { home, keys } = pi;
    const copy = pi.startFile({}, '/bin/cp', '-a', keys, `${home}/copy`);
    await copy.end();
    await rename(keys, `${home}/old`);
    await rename(`${home}/copy`, keys);
    await pi.store.addPeer({ name: 'nas', publicKey: await nas.publicKey() });
    server.kill('SIGHUP');
    expect(await server.event('peers')).toEqual({ event: 'peers', changes: ['+nas'], count: 2 });
    expect(await server.event('reloaded')).toMatchObject({ changes: [], count: OURS });
  });

  test('reloads again for what comes while it reloads, and not for each of a hundred', async () => {
    await using lab = await Lab.open();
    const text = `export const word = { summary: '', run: () => 1 };\nconst wait = globalThis.wait ?? 0;\n`;
    const { server } = await served(lab, { 'own.mjs': text });
    for (let i = 0; i < 100; i++) server.kill('SIGHUP');
    await server.event('reloaded');
    const { stdout, code } = await server.stop();
    expect(code).toBe(0);
    expect((stdout.match(/"event":"reloaded"/g) ?? []).length).toBeLessThan(100);
  });

  test.skipIf(!hasScript)(
    `ends where it was sent since its terminal was closed${hasScript ? '' : ' [skipped: no script(1)]'}`,
    async () => {
      await using lab = await Lab.open();
      const pi = await lab.machine('pi');
      const serve = `exec '${process.execPath}' '${MAIN}' serve --port 0 --host 127.0.0.1 --json 2>'${pi.home}/log'; `;
      const pidFile = `${pi.home}/pid`;
      const terminal = pi.startFile({}, 'script', '-qec', `echo $$ > '${pidFile}'; ${serve}`, '/dev/null');
      await terminal.shows(/"event":"listening"/);
      const pid = Number(await readFile(pidFile, 'utf8'));
      try {
        // Its own: to be reloaded is all that it means as long as the terminal is there.
        process.kill(pid, 'SIGHUP');
        await terminal.shows(/"event":"reloaded"/);
        terminal.kill('SIGKILL');
        await until('it ends', () => !lives(pid));
      } finally {
        if (lives(pid)) process.kill(pid, 'SIGKILL');
      }
    },
  );
});

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe.skipIf(!sharing)(
  `serve --workers 2 at SIGHUP${sharing ? '' : ` [skipped: Node ${process.versions.node} cannot share a UDP port]`}`,
  () => {
    test('has every worker reload, and tells it once; a bad file changes none', async () => {
      await using lab = await Lab.open();
      const { pi, mac, server, ask } = await served(
        lab,
        { 'own.mjs': says('word', 'old') },
        '--workers',
        '2',
      );
      await pi.file('own.mjs', says('other', 'new'));
      expect(await reload(server)).toEqual({
        event: 'reloaded',
        changes: ['-word', '+other'],
        count: OURS + 1,
      });
      const workers = new Set<unknown>();
      while (workers.size < 2) {
        const client = await clientOf(mac);
        expect((await client.peer('pi').request('other')).value).toBe('new');
        workers.add((await server.event('request'))['worker']);
      }
      await pi.file('own.mjs', 'export const');
      expect(await reload(server, 'reload-failed')).toMatchObject({ error: { code: 'bad-commands' } });
      expect(await ask('other')).toBe('new');
      const { stdout, code } = await server.stop();
      expect(code).toBe(0);
      expect(stdout.match(/"event":"reload/g)).toHaveLength(2);
    });
  },
);
