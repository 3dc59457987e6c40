/**
 * Everything on, and everything wrong: no secret is in what the processes print, write, answer over HTTP, hand to programs
 * that they start, or show in /proc. Secrets are all keys on the disks, and what is computed of them.
 */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { inspect } from 'node:util';
import { x25519 } from '@noble/curves/ed25519.js';
import { expect, test } from 'vitest';
import { SecretKey } from '../../src/crypto/keys.ts';
import { parseBook } from '../../src/peer-book.ts';
import { canSharePort } from '../../src/transport/port-sharing.ts';
import { random } from '../conformance/initiator.ts';
import { hash, pairKeys } from '../conformance/keys.ts';
import { type Finished, Lab, LOOPBACK, type Machine, type Program, type RunOptions } from '../support/cli.ts';
import { KnownSession, keysOf, secretsOfPair } from '../support/known-session.ts';
import { enterPage } from '../support/page-session.ts';
import { SecretSearch } from '../support/secret-search.ts';

/** Keeps what every process shows. */
class Witness {
  /** By where it was shown. */
  readonly shown = new Map<string, string | Uint8Array>();
  readonly #lab: Lab;
  readonly #running: { readonly name: string; readonly program: Program }[] = [];

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  keep(where: string, what: string | Uint8Array): void {
    const before = this.shown.get(where);
    this.shown.set(
      where,
      before === undefined ? what : Buffer.concat([Buffer.from(before), Buffer.from(what)]),
    );
  }

  start(machine: Machine, line: string, ...more: readonly string[]): Program {
    const program = machine.start(line, ...more);
    this.#running.push({ name: `${machine.name}: ${line}`, program });
    return program;
  }

  async run(machine: Machine, line: string, ...more: readonly string[]): Promise<Finished> {
    return this.runWith({}, machine, line, ...more);
  }

  async runWith(
    options: RunOptions,
    machine: Machine,
    line: string,
    ...more: readonly string[]
  ): Promise<Finished> {
    const finished = await machine.runWith(options, line, ...more);
    this.keep(`${machine.name}: ${line}`, `${finished.stdout}\n${finished.stderr}`);
    return finished;
  }

  /** What others on this machine see of the processes that run. */
  async lookAround(): Promise<number> {
    const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
    let count = 0;
    for (const pid of pids) {
      const environ = await readFile(`/proc/${pid}/environ`).catch(() => Buffer.alloc(0));
      if (!environ.includes(`HOME=${this.#lab.dir}`)) continue;
      count++;
      this.keep(`/proc/${pid}/environ`, environ);
      for (const file of ['cmdline', 'comm'])
        this.keep(`/proc/${pid}/${file}`, await readFile(`/proc/${pid}/${file}`).catch(() => ''));
    }
    return count;
  }

  async fetch(url: string | URL, options: RequestInit = {}): Promise<Response> {
    const response = await fetch(url, options);
    const { pathname } = new URL(url);
    this.keep(`http ${pathname}`, JSON.stringify([...response.headers]));
    if (!response.headers.get('content-type')?.startsWith('text/event-stream'))
      this.keep(`http ${pathname}`, Buffer.from(await response.clone().arrayBuffer()));
    return response;
  }

  /** Ends what runs, and keeps what it said. */
  async end(): Promise<void> {
    for (const { name, program } of this.#running) {
      const { stdout, stderr } = await program.stop('SIGINT');
      this.keep(name, `${stdout}\n${stderr}`);
    }
  }

  /** Every file of the lab but those that are to hold a secret; the key folders' other files are in it. */
  async keepFiles(secretFiles: readonly string[]): Promise<number> {
    const entries = await readdir(this.#lab.dir, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    for (const { parentPath, name } of files) {
      const path = join(parentPath, name);
      this.keep(`file ${relative(this.#lab.dir, path)}`, path);
      if (!secretFiles.includes(path))
        this.keep(`file ${relative(this.#lab.dir, path)}`, await readFile(path));
    }
    return files.length;
  }
}

/** As the page does: with the link that opens it, a POST a line, and what the page is told. */
async function useThePage(witness: Witness, program: Program, secrets: readonly string[]): Promise<void> {
  const { link, headers } = await enterPage(program);
  const { origin } = link;
  await witness.fetch(link);
  await witness.fetch(`${origin}/api/enter`, { method: 'POST', headers, body: '{"token":"x"}' });
  const leave = new AbortController();
  const events = await witness.fetch(`${origin}/api/events`, { headers, signal: leave.signal });
  const post = async (action: string, body: unknown): Promise<number> =>
    (await witness.fetch(`${origin}/api/${action}`, { method: 'POST', headers, body: JSON.stringify(body) }))
      .status;
  for (const secret of secrets) {
    await post('peers/add', { line: secret });
    await post('peers/add', { line: `udp-tool peer add x ${secret}` });
    await post('peers/add', { line: 'x', name: secret });
    await post('peers/remove', { name: secret.slice(0, 64) });
    await post('ask/run', { peer: secret.slice(0, 60), command: 'time', args: [] });
    await post('doctor/examine', { peer: secret.slice(0, 60) });
    await post('setup/pair', { at: secret });
    await post(secret, {});
  }
  expect(await post('ask/run', { peer: 'pi', command: 'time', args: [] })).toBe(200);
  expect(await post('wire/look', {})).toBe(200);
  expect(await post('chat/send', { peer: 'pi', text: 'from the page' })).toBe(200);
  await post('doctor/examine', { peer: 'pi' });
  await post('peers/ping', { name: 'pi' });
  // What it is told begins with everything there is.
  const { value } = (await events.body?.getReader().read()) ?? {};
  expect(Buffer.from(value ?? '').toString()).toContain('"pi"');
  witness.keep('http /api/events', value ?? '');
  leave.abort();
}

test('the search finds a secret in each form, whole or in part, and finds nothing else', () => {
  const secret = Uint8Array.from({ length: 32 }, (_, i) => (i * 151 + 77) & 255);
  const search = new SecretSearch();
  search.add('it', secret);
  const bytes = Buffer.from(secret);
  const hex = bytes.toString('hex');
  const text = SecretKey.fromBytes(secret).exportText();
  const planted: (string | Uint8Array)[] = [
    bytes,
    Buffer.concat([Buffer.from('before'), bytes.subarray(3, 20), Buffer.from('behind')]),
    bytes.toString('latin1'),
    JSON.stringify({ key: bytes.toString('latin1') }),
    bytes.toString('utf16le').length > 0 ? Buffer.from(bytes.toString('latin1'), 'utf16le') : '',
    `key=${hex};`,
    hex.toUpperCase(),
    hex.slice(16, 40),
    hex.replace(/../g, '$&:'),
    hex.replace(/../g, '\\x$&'),
    hex.replace(/../g, '%$&'),
    hex.replace(/../g, '0x$&, '),
    inspect(bytes),
    inspect(secret),
    inspect({ deep: [{ secret }] }, { depth: 9, compact: false }),
    JSON.stringify(bytes),
    JSON.stringify(secret),
    JSON.stringify([...secret], null, 2),
    String(secret),
    bytes.toString('base64'),
    bytes.toString('base64url'),
    Buffer.concat([Buffer.from('x'), bytes]).toString('base64'),
    Buffer.concat([Buffer.from('xy'), bytes, bytes]).toString('base64url'),
    text,
    text.toLowerCase(),
    text.slice(20, 50),
    text.replace(/.{20}/g, '$&\n'),
  ];
  for (const [i, what] of planted.entries())
    expect(search.find(what), `planted ${i}: ${what}`).not.toEqual([]);
  const other = random(4_096);
  const innocent = [other, Buffer.from(other).toString('hex'), inspect(other), JSON.stringify([...other])];
  for (const what of [...innocent, 'udp-tool send lucky 1 6']) expect(search.find(what)).toEqual([]);
});

test('a key pasted into the peer book is not in the error that tells so, nor in its cause', () => {
  const secret = random(32);
  const search = new SecretSearch();
  search.add('it', secret);
  const text = SecretKey.fromBytes(secret).exportText();
  for (const book of [`[a]\n${text}\n`, `[a\nkey = "${text}"`, `["${text}"]\n`, `[a]\nkey = "${text}"\n`]) {
    const error = (() => {
      try {
        return parseBook(book, 'peers.toml');
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toMatchObject({ code: 'bad-peer-book' });
    expect(search.find(inspect(error, { depth: 20, showHidden: true }))).toEqual([]);
  }
});

// Its own command looks into /proc.
test.skipIf(process.platform !== 'linux')('nothing that processes show holds a secret', async () => {
  await using lab = await Lab.open();
  const witness = new Witness(lab);
  const [pi, mac, desk] = [await lab.machine('pi'), await lab.machine('mac'), await lab.machine('desk')];
  const [blank, other] = [await lab.blank('blank'), await lab.machine('other')];
  const psk = random(32);
  const pskFiles = [
    await pi.file('psk', psk),
    await mac.file('psk', `${Buffer.from(psk).toString('hex')}\n`),
  ];
  const wrongPsk = await other.file('psk', random(32));

  // Keys and peers
  expect((await witness.run(blank, 'keygen --json')).code).toBe(0);
  await witness.run(mac, 'keygen');
  const publicKeys = { mac: `${await mac.publicKey()}`, pi: `${await pi.publicKey()}` };
  await witness.run(pi, 'peer add mac', publicKeys.mac, '--psk', pskFiles[0] as string);
  await pi.trust(desk);
  await pi.trust(other);
  await pi.store.changePeer('mac', (entry) => ({ ...entry, allow: ['*'] }));
  await desk.store.addPeer({ name: 'stranger', publicKey: await other.publicKey() });

  // A server with everything on
  const table = await pi.file(
    'commands.toml',
    '[env]\nsummary = "Its environment"\nrun = ["/usr/bin/env"]\n[parent]\nsummary = "Who started it"\nrun = ["/bin/sh", "-c", "tr \\"\\\\0\\" \\" \\" < /proc/$PPID/cmdline"]\n',
  );
  const offered = join(pi.home, 'offered');
  const inbox = join(pi.home, 'inbox');
  for (const folder of [offered, inbox]) await mkdir(folder);
  await pi.file('offered/film', 'a film');
  const server = witness.start(
    pi,
    'serve --json --verbose --explain --no-lan --port 0 --accept all --host',
    ...[LOOPBACK, '--commands', table, '--share', offered, '--inbox', inbox, '--metrics', `${LOOPBACK}:0`],
  );
  const metrics = String((await server.event('metrics'))['url']);
  const { addresses } = await server.event('listening');
  const port = Number(/:(\d+)$/.exec(String((addresses as string[])[0]))?.[1]);
  const at = `${LOOPBACK}:${port}`;
  const talkative = witness.start(mac, 'serve --verbose --explain --no-lan --port 0 --host', LOOPBACK);
  await witness.run(mac, 'peer add pi', publicKeys.pi, '--at', at, '--psk', pskFiles[1] as string);
  await desk.trust(pi, port);
  await other.store.addPeer({ name: 'pi', publicKey: await pi.publicKey(), at, psk: wrongPsk });

  // Requests of all kinds, one after the other where one depends on another
  const file = await mac.file('notes', 'notes of mine');
  const asked = await Promise.all([
    witness.run(mac, 'send time'),
    witness.run(mac, 'send --json env'),
    witness.run(mac, 'send parent'),
    witness.run(mac, 'send lucky 9 1'),
    witness.run(mac, 'watch --json --every 500ms --count 1 time'),
    witness.runWith({ input: 'time\nlucky 1 6\nnonsense\n' }, mac, 'shell'),
    witness.run(mac, 'msg --json', 'hello'),
    witness.run(mac, 'ping --json --count 2'),
    witness.run(mac, 'files --no-lan --json'),
    witness.run(mac, 'push --no-lan --json', file),
    witness.run(mac, 'get --no-lan film -o', join(mac.home, 'film')),
    witness.run(mac, 'doctor --json'),
    witness.run(mac, 'peers --no-lan'),
    witness.run(mac, 'peer list --json'),
    witness.run(mac, 'service install --dry-run --json'),
    witness.run(pi, 'peer show mac'),
  ]);
  expect(asked.map(({ code }) => code)).toEqual([
    0,
    0,
    0,
    3,
    0,
    3,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    expect.any(Number),
    0,
  ]);
  expect(asked[1]?.stdout).toContain('"value":""'); // it has none
  expect(asked[2]?.stdout).toContain('serve');
  await witness.run(pi, 'inbox --json');
  await witness.run(pi, 'outbox');

  // A session whose every key is known
  const [piKeys, macKeys, deskKeys, otherKeys] = await Promise.all([pi, mac, desk, other].map(keysOf));
  if (!piKeys || !macKeys || !deskKeys || !otherKeys) throw new Error('no keys');
  const session = await KnownSession.open(macKeys, piKeys.public, port, psk, 3);

  // What goes wrong
  const secretText = (await pi.store.loadKeyPair()).secretKey.exportText();
  const [damaged, mixed] = [await lab.machine('damaged'), await lab.machine('mixed')];
  const damage = secretText.replace(/.{9}$/, 'QQQQQQQQQ');
  await damaged.file('key-folder/secret.key', `# ours\n${damage}\n`);
  await mixed.writeBook(`[pi]\nkey = "${secretText}"\n`);
  const failed = await Promise.all([
    witness.run(damaged, 'peer show'),
    witness.run(damaged, 'send --json time'),
    witness.run(mixed, 'peer list'),
    witness.run(mixed, 'serve --json --port 0'),
    witness.run(mixed, 'doctor'),
    witness.run(other, 'send --json --timeout 1 time'),
    witness.run(mac, 'peer add second', secretText),
    witness.run(mac, 'send', secretText),
    witness.run(mac, 'msg --json', `my key is ${secretText}`),
    witness.run(mac, 'send --json --to', secretText, 'time'),
    witness.run(mac, 'serve --host', secretText.toLowerCase()),
    witness.run(mac, 'peer add second', publicKeys.mac, '--psk', '/etc/hostname'),
    witness.run(mac, 'nonsense --json'),
    witness.run(mac, '--help'),
  ]);
  expect(failed.map(({ code }) => code)).toEqual([5, 5, 5, 5, 5, 4, 5, 5, 5, 5, 5, 5, 2, 0]);

  // A pairing, and the page
  const waiter = witness.start(blank, 'pair --json --port 0 --name', 'other');
  const place = String(((await waiter.event('waiting'))['addresses'] as string[])[0]);
  const asker = witness.start(other, 'pair --json --name blank', `${LOOPBACK}:${place.split(':').at(-1)}`);
  for (const program of [waiter, asker]) await program.event('code');
  if (await canSharePort()) {
    const group = witness.start(pi, 'serve --json --workers 2 --no-lan --port 0 --host', LOOPBACK);
    await group.event('listening');
  }
  const gui = witness.start(desk, 'gui --json --no-lan --port 0 --host', LOOPBACK);
  await useThePage(witness, gui, [secretText]);
  expect(await witness.lookAround()).toBeGreaterThanOrEqual(process.platform === 'linux' ? 5 : 0);
  for (const program of [waiter, asker]) program.write('y\n');
  for (const program of [waiter, asker]) expect((await program.end()).code).toBe(0);
  expect((await witness.fetch(metrics)).status).toBe(200);
  await witness.fetch(new URL('/nothing', metrics));

  session.close();
  await pi.store.removePeer('mac');
  await server.event('peers');
  await talkative.stop();
  await witness.end();

  // The secrets, and what anybody could compute of them
  const search = new SecretSearch();
  const machines = { pi: piKeys, mac: macKeys, desk: deskKeys, other: otherKeys, blank: await keysOf(blank) };
  for (const [name, { secret }] of Object.entries(machines)) {
    search.add(`the secret key of ${name}`, secret);
    search.add(`the key at rest of ${name}`, hash(256, Buffer.from('udp-tool/1 at rest'), secret));
  }
  search.add('the pre-shared key', psk);
  search.add('another pre-shared key', await readFile(wrongPsk));
  search.add('X25519 of pi and mac', x25519.getSharedSecret(piKeys.secret, macKeys.public));
  for (const role of ['initiator', 'responder'] as const) {
    const pairs = {
      ...secretsOfPair(pairKeys(macKeys, piKeys.public, role, psk), `mac as ${role}`),
      ...secretsOfPair(pairKeys(deskKeys, piKeys.public, role), `desk as ${role}`),
    };
    for (const [name, secret] of Object.entries(pairs)) search.add(name, secret);
  }
  for (const [name, secret] of Object.entries(session.secrets)) search.add(`${name} of a session`, secret);

  const secretFiles = [pi, mac, desk, blank, other, damaged, mixed].map(({ keys }) =>
    join(keys, 'secret.key'),
  );
  const kept = [...secretFiles, ...pskFiles, wrongPsk, mixed.book];
  expect(await witness.keepFiles(kept)).toBeGreaterThan(kept.length + 5);
  for (const [where, what] of witness.shown) expect(search.find(what), where).toEqual([]);
  // And it would have been found: each of those files holds one.
  for (const path of kept.filter((one) => !one.startsWith(damaged.home) && !one.startsWith(mixed.keys)))
    expect(search.find(await readFile(path)), path).not.toEqual([]);
});
