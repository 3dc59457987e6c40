/** Disks that are full, or read-only: nothing is promised that is not on the disk, nothing is there by half, and all goes on. */
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Finished, Lab, LOOPBACK, MAIN, type Machine, type Program } from '../support/cli.ts';
import { until } from '../support/endpoints.ts';
import type { Figures, Scenario } from './scenario.ts';
import { noDisks, TinyDisk } from './tiny-disk.ts';

const DISK_KB = 256;
const FILE_BYTES = 100_000;

/** What goes wrong with a disk, and what ends it. */
interface Trouble {
  readonly name: string;
  readonly begin: (disk: TinyDisk) => Promise<void> | void;
  readonly end: (disk: TinyDisk) => Promise<void> | void;
  /** What is said of it. */
  readonly says: RegExp;
  readonly acts: readonly Act[];
}

type Act = (scene: Scene, trouble: Trouble) => Promise<void>;

/** `pi` serves, `mac` asks; each has its key folder on a disk of its own, and `pi` an inbox for files there. */
class Scene implements AsyncDisposable {
  readonly lost: string[] = [];
  readonly mac: Machine;
  readonly pi: Machine;
  readonly server: Program;
  readonly macDisk: TinyDisk;
  readonly piDisk: TinyDisk;
  readonly #lab: Lab;

  private constructor(
    lab: Lab,
    machines: readonly [Machine, Machine],
    disks: readonly [TinyDisk, TinyDisk],
    server: Program,
  ) {
    this.#lab = lab;
    [this.mac, this.pi] = machines;
    [this.macDisk, this.piDisk] = disks;
    this.server = server;
  }

  static async open(): Promise<Scene> {
    const lab = await Lab.open();
    const [mac, pi] = [await lab.blank('mac'), await lab.blank('pi')];
    const disks = [await TinyDisk.mount(mac.keys, DISK_KB), await TinyDisk.mount(pi.keys, DISK_KB)] as const;
    for (const machine of [mac, pi]) lab.guard((await machine.store.createKeyPair()).secretKey.expose());
    await pi.trust(mac);
    const { server, port } = await pi.serve('--no-lan', '--inbox', pi.keys, '--accept', 'all');
    await mac.trust(pi, port);
    return new Scene(lab, [mac, pi], disks, server);
  }

  another(name: string): Promise<Machine> {
    return this.#lab.machine(name);
  }

  /** @param what is expected, as a sentence */
  expect(what: string, isSo: boolean, seen?: unknown): void {
    if (!isSo) this.lost.push(`${what}: ${JSON.stringify(seen)}`);
  }

  /** It fails, with a sentence and no more than a hint. */
  fails(what: string, { code, stdout, stderr }: Finished, says: RegExp, exit = 1): void {
    const lines = stderr.trimEnd().split('\n');
    const isClear = code === exit && stdout === '' && says.test(lines[0] ?? '') && lines.length <= 2;
    this.expect(`${what} is to fail with ${exit} and a sentence`, isClear, { code, stdout, stderr });
  }

  async works(what: string, running: Promise<Finished>): Promise<void> {
    const finished = await running;
    this.expect(`${what} is to work`, finished.code === 0, finished);
  }

  async texts(machine: Machine, line: string): Promise<string[]> {
    const { stdout } = await machine.run(`${line} --json`);
    const lines = stdout.split('\n').filter((one) => one !== '');
    return lines.map((one) => String(JSON.parse(one).text));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.macDisk[Symbol.asyncDispose]();
    await this.piDisk[Symbol.asyncDispose]();
    await this.#lab[Symbol.asyncDispose]();
  }
}

/** The disk of the one who writes. */
async function atSender(scene: Scene, { begin, end, says }: Trouble): Promise<void> {
  const { mac, macDisk } = scene;
  const book = await mac.readBook();
  const key = String(await mac.publicKey());
  const files = await readdir(mac.keys);
  await begin(macDisk);
  scene.fails('msg', await mac.run('msg not kept'), says);
  scene.fails('peer allow', await mac.run('peer allow pi *'), says);
  scene.fails('peer remove', await mac.run('peer remove pi'), says);
  scene.fails('keygen', await mac.run('keygen --keys', join(mac.keys, 'another')), says);
  await scene.works('send', mac.run('send time'));
  await end(macDisk);
  scene.expect('the book is whole', (await mac.readBook()) === book, await mac.readBook());
  scene.expect('the key is whole', String(await mac.publicKey()) === key);
  const left = (await readdir(mac.keys)).filter(
    (one) => !files.includes(one) && one !== 'outbox' && one !== 'another',
  );
  scene.expect('nothing is left by half', left.length === 0, left);
  scene.expect('nothing waits that was not promised', (await scene.texts(mac, 'outbox')).length === 0);
  await scene.works('msg', mac.run('msg kept'));
  await scene.works('keygen', mac.run('keygen --keys', join(mac.keys, 'another')));
  const came = await scene.texts(scene.pi, 'inbox');
  scene.expect('what was promised came', came.join() === 'kept', came);
}

/** The disk of the one who is to keep it. */
async function atReceiver(scene: Scene, { begin, end, says }: Trouble): Promise<void> {
  const { mac, pi, piDisk, server } = scene;
  await scene.works('msg', mac.run('msg before'));
  const content = randomBytes(FILE_BYTES);
  const file = await mac.file('file', content);
  const [seen, events] = [server.output.stderr.length, server.output.stdout.length];
  await begin(piDisk);
  scene.fails('msg', await mac.run('msg meanwhile'), /Kept for "pi"/, 3);
  scene.fails('msg', await mac.run('msg meanwhile too'), /Kept for "pi"/, 3);
  scene.fails('push', await mac.run('push --no-lan', file), /could not take all/);
  const said = server.output.stderr
    .slice(seen)
    .split('\n')
    .filter((line) => says.test(line) && /message/.test(line));
  scene.expect('the server says once why it keeps no messages', said.length === 1, server.output.stderr);
  scene.expect(
    'it says why it takes no file',
    says.test(server.output.stdout.slice(events)),
    server.output.stdout,
  );
  const kept = await scene.texts(pi, 'inbox --keep');
  scene.expect('what was there before can be read', kept.join() === 'before', kept);
  await scene.works('send', mac.run('send time'));
  await end(piDisk);
  await scene.works('msg', mac.run('msg after'));
  const came = await scene.texts(pi, 'inbox');
  scene.expect('all came, in order', came.join() === 'before,meanwhile,meanwhile too,after', came);
  await scene.works('push', mac.run('push --no-lan', file));
  const there = await readFile(join(pi.keys, 'file')).catch(() => Buffer.alloc(0));
  scene.expect('the file is the same', there.equals(content));
}

/** Of a page that is open. */
async function atPage(scene: Scene, { begin, end, says }: Trouble): Promise<void> {
  const { mac, pi, macDisk } = scene;
  const gui = mac.start(`gui --json --no-lan --port 0 --host ${LOOPBACK}`);
  const { addresses } = await gui.event('listening');
  await pi.store.changePeer('mac', (entry) => ({ ...entry, at: String((addresses as string[])[0]) }));
  await scene.works('msg', pi.run('msg before'));
  await begin(macDisk);
  scene.fails('msg', await pi.run('msg meanwhile'), /Kept for "mac"/, 3);
  scene.fails('msg', await pi.run('msg meanwhile too'), /Kept for "mac"/, 3);
  const said = gui.output.stderr.split('\n').filter((line) => says.test(line));
  scene.expect('the page says once why it keeps no messages', said.length === 1, gui.output.stderr);
  await end(macDisk);
  await scene.works('msg', pi.run('msg after'));
  const left = await scene.texts(pi, 'outbox');
  scene.expect('nothing waits any longer', left.length === 0, left);
  await gui.stop();
}

/** A folder that is to be made there. */
async function withoutFolder(scene: Scene, { begin, end, says }: Trouble): Promise<void> {
  const { mac, macDisk } = scene;
  const folder = join(mac.keys, 'new');
  await offer(scene, randomBytes(FILE_BYTES));
  await begin(macDisk);
  scene.fails('get', await mac.run(`get shared --no-lan -o ${folder}/`), says);
  const serving = await mac.run(`serve --no-lan --port 0 --host ${LOOPBACK} --accept all --inbox`, folder);
  scene.expect(
    'serve is to fail with 1 and a sentence',
    serving.code === 1 && says.test(serving.stderr),
    serving,
  );
  await end(macDisk);
  await scene.works('get', mac.run(`get shared --no-lan -o ${folder}/`));
}

/** The person says yes, and then the peer book cannot be written. */
async function whilePairing(scene: Scene, { begin, end, says }: Trouble): Promise<void> {
  const { mac, macDisk } = scene;
  const nas = await scene.another('nas');
  const waiter = nas.start('pair --json --port 0 --name mac');
  const { addresses } = await waiter.event('waiting');
  const port = /:(\d+)$/.exec(String((addresses as string[])[0]))?.[1];
  const asker = mac.start(`pair --json --name nas ${LOOPBACK}:${port}`);
  for (const program of [waiter, asker]) await program.shows(/\[y\/N\]/, 'stderr');
  const book = await mac.readBook();
  await begin(macDisk);
  for (const program of [waiter, asker]) program.write('y\n');
  const [there, here] = [await waiter.end(), await asker.end()];
  await end(macDisk);
  scene.expect('pair is to say why', here.code === 1 && says.test(here.stdout), here);
  scene.expect('the other is to say by half', there.code === 1 && /half-paired/.test(there.stdout), there);
  scene.expect('the book is whole', (await mac.readBook()) === book, await mac.readBook());
}

/** What a server says goes to a log on that disk. */
async function atLog(scene: Scene, { begin, end }: Trouble): Promise<void> {
  const { mac, pi, macDisk } = scene;
  const log = join(mac.keys, 'log');
  await writeFile(log, '');
  await begin(macDisk);
  const line = `serve --no-lan --verbose --port 0 --host ${LOOPBACK} --json`.split(' ');
  const words = ['-c', `exec "$@" 2>>"${log}"`, 'sh', process.execPath, MAIN, ...line];
  const server = mac.startFile({}, 'sh', ...words);
  const { addresses } = await server.event('listening');
  await pi.store.changePeer('mac', (entry) => ({ ...entry, at: String((addresses as string[])[0]) }));
  await scene.works('send', pi.run('send time'));
  await end(macDisk);
  await scene.works('send', pi.run('send time'));
  await server.stop();
}

/** `pi` offers a file called `shared`, and `mac` knows where. */
async function offer({ mac, pi }: Scene, content: Uint8Array): Promise<Program> {
  const file = await pi.file('shared', content);
  const share = pi.start(`share --json --no-lan --host ${LOOPBACK} --port 0`, file);
  const { addresses } = await share.event('sharing');
  await mac.store.changePeer('pi', (entry) => ({ ...entry, at: String((addresses as string[])[0]) }));
  return share;
}

/** A file that comes while the disk gets full, and goes on when there is room. */
async function whileFetching(scene: Scene): Promise<void> {
  const { mac, macDisk } = scene;
  const content = randomBytes(FILE_BYTES);
  const share = await offer(scene, content);
  const get = (): Program => mac.start(`get shared --no-lan --limit 100k -o ${mac.keys}/`);
  const first = get();
  await until('something came', () =>
    readdirSync(mac.keys).some((name) => name.startsWith('.udp-tool-partial')),
  );
  await macDisk.fill();
  const { code, stderr } = await first.end();
  scene.expect('get is to fail with 1 and a sentence', code === 1 && /no room/.test(stderr), {
    code,
    stderr,
  });
  await macDisk.makeRoom();
  await scene.works('get', get().end());
  const there = await readFile(join(mac.keys, 'shared')).catch(() => Buffer.alloc(0));
  scene.expect('the file is the same', there.equals(content));
  await share.stop();
}

const FULL: Omit<Trouble, 'acts'> = {
  name: 'full',
  begin: (disk) => disk.fill(),
  end: (disk) => disk.makeRoom(),
  says: /no room/,
};
const READ_ONLY: Omit<Trouble, 'acts'> = {
  name: 'read-only',
  begin: (disk) => disk.makeReadOnly(),
  end: (disk) => disk.makeWritable(),
  says: /read-only/,
};
const TROUBLES: readonly Trouble[] = [
  // A folder takes no block of such a disk, and a shell opens no log on one that is read-only.
  { ...FULL, acts: [atSender, atReceiver, atPage, atLog, whileFetching, whilePairing] },
  { ...READ_ONLY, acts: [atSender, atReceiver, atPage, withoutFolder, whilePairing] },
];
/** Each act once: what they do takes most of the time. */
export const FEW_TROUBLES: readonly Trouble[] = [
  { ...FULL, acts: [atReceiver, atLog] },
  { ...READ_ONLY, acts: [atSender, withoutFolder] },
];

async function tryOut(trouble: Trouble, act: Act): Promise<string[]> {
  await using scene = await Scene.open();
  await act(scene, trouble);
  return scene.lost.map((what) => `${trouble.name}, ${act.name}: ${what}`);
}

export const fullDisk: Scenario = {
  name: 'full-disk',
  unit: 'disks full or read-only',
  times: 5,
  missing: noDisks,
  run: (times) => tryAllOut(TROUBLES, times),
};

export async function tryAllOut(troubles: readonly Trouble[], times: number): Promise<Figures> {
  const lost: string[] = [];
  let runs = 0;
  for (let i = 0; i < times; i++) {
    // Each waits for its own programs most of the time.
    const acting = troubles.flatMap((trouble) => trouble.acts.map((act) => tryOut(trouble, act)));
    for (const found of await Promise.all(acting)) {
      lost.push(...found);
      runs++;
    }
  }
  return { runs, lost, recoveryMs: [] };
}
