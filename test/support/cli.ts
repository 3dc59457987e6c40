/**
 * The real program on machines that are folders: `await using lab = await Lab.open()`. Nothing of the person who runs
 * the tests is touched, every process ends with the lab, and no run may show a secret or a stack trace.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KeyStore, type PublicKey, SecretKey } from '../../src/index.ts';

export const LOOPBACK = '127.0.0.1';
export const MAIN = fileURLToPath(new URL('../../dist/cli/udp-tool.js', import.meta.url));
/** Whatever is waited for comes within this, or the test fails and shows what came instead. */
const DEADLINE_MS = 30_000;
/** Marks of a program that fell over instead of saying what is wrong. */
const CRASH = /a defect of udp-tool|^\s+at .+:\d+:\d+\)?$|Unhandled|ExperimentalWarning/m;

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** From its start to its end, the start of node included. */
  readonly ms: number;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Added to the machine's own; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** What it reads; nothing if not given. */
  readonly input?: string;
}

type Stream = 'stdout' | 'stderr';

/** A process that runs. */
export class Program {
  readonly output: Record<Stream, string> = { stdout: '', stderr: '' };
  readonly finished: Promise<Finished>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #seen: Record<Stream, number> = { stdout: 0, stderr: 0 };
  readonly #changed = new Set<() => void>();
  #ended = false;

  constructor(
    file: string,
    args: readonly string[],
    options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
  ) {
    const startedAt = performance.now();
    this.#child = spawn(file, args, options);
    this.#child.stdin.on('error', () => {}); // it may end before it has read everything
    for (const stream of ['stdout', 'stderr'] as const) {
      this.#child[stream].setEncoding('utf8').on('data', (text: string) => {
        this.output[stream] += text;
        this.#notify();
      });
    }
    this.finished = once(this.#child, 'close').then(([code, signal]) => {
      this.#ended = true;
      this.#notify();
      return { code, signal, ...this.output, ms: performance.now() - startedAt };
    });
    this.finished.catch(() => {}); // seen by whoever awaits it
  }

  write(text: string): void {
    this.#child.stdin.write(text);
  }

  endInput(text = ''): void {
    this.#child.stdin.end(text);
  }

  /** The reader of its output goes away. */
  closeOutput(): void {
    this.#child.stdout.destroy();
  }

  /** Waits for text that no earlier call has passed by. */
  async shows(pattern: RegExp, stream: Stream = 'stdout'): Promise<RegExpExecArray> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), DEADLINE_MS);
    try {
      for (;;) {
        const match = pattern.exec(this.output[stream].slice(this.#seen[stream]));
        if (match !== null) {
          this.#seen[stream] += match.index + match[0].length;
          return match;
        }
        if (this.#ended || late.signal.aborted) {
          throw new Error(
            `${this.#ended ? 'It ended and' : 'It'} never showed ${pattern} on ${stream}:\n${this.#dump()}`,
          );
        }
        await this.#change(late.signal);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** The next line of JSON whose `event` is that. */
  async event(name: string): Promise<Record<string, unknown>> {
    const [line] = await this.shows(new RegExp(`^\\{"event":"${name}".*\\}$`, 'm'));
    return JSON.parse(line);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends a signal, and waits for the end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Finished> {
    this.kill(signal);
    return this.end();
  }

  /** Waits for the end, which has to come. */
  async end(): Promise<Finished> {
    const timer = setTimeout(() => this.kill('SIGKILL'), DEADLINE_MS);
    const finished = await this.finished;
    clearTimeout(timer);
    if (finished.ms > DEADLINE_MS && finished.signal === 'SIGKILL')
      throw new Error(`It did not end:\n${this.#dump()}`);
    return finished;
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((done) => {
      const changed = (): void => {
        this.#changed.delete(changed);
        signal.removeEventListener('abort', changed);
        done();
      };
      this.#changed.add(changed);
      signal.addEventListener('abort', changed);
    });
  }

  #notify(): void {
    for (const changed of [...this.#changed]) changed();
  }

  #dump(): string {
    return `--- stdout\n${this.output.stdout}\n--- stderr\n${this.output.stderr}`;
  }
}

/** A machine: a folder that is its home and its working directory, and a key folder in it. */
export class Machine {
  readonly name: string;
  readonly home: string;
  readonly keys: string;
  readonly store: KeyStore;
  /** What its programs are started by: how a machine comes into a network of its own. */
  launcher: readonly string[] = [];
  readonly #lab: Lab;

  constructor(lab: Lab, name: string) {
    this.#lab = lab;
    this.name = name;
    this.home = join(lab.dir, name);
    this.keys = join(this.home, 'key-folder');
    this.store = new KeyStore(this.keys);
  }

  get book(): string {
    return join(this.keys, 'peers.toml');
  }

  async publicKey(): Promise<PublicKey> {
    return (await this.store.loadKeyPair()).publicKey;
  }

  /** Without a process: for tests of something else. */
  async trust(other: Machine, port?: number): Promise<void> {
    const at = port === undefined ? {} : { at: `${LOOPBACK}:${port}` };
    await this.store.addPeer({ name: other.name, publicKey: await other.publicKey(), ...at });
  }

  readBook(): Promise<string> {
    return readFile(this.book, 'utf8');
  }

  /** As editors do: nobody sees half of it. */
  async writeBook(text: string): Promise<void> {
    const edited = `${this.book}.edited`;
    await writeFile(edited, text, { mode: 0o600 });
    await rename(edited, this.book);
  }

  /** A file of this machine, for its owner alone unless said otherwise; returns its path. */
  async file(name: string, content: string | Uint8Array, mode = 0o600): Promise<string> {
    const path = join(this.home, name);
    await writeFile(path, content);
    await chmod(path, mode);
    return path;
  }

  /** Starts `udp-tool` with the words of `line`, and `more` arguments as they are. */
  start(line: string, ...more: readonly string[]): Program {
    return this.startWith({}, line, ...more);
  }

  startWith(options: RunOptions, line: string, ...more: readonly string[]): Program {
    const words = line.split(' ').filter((word) => word !== '');
    return this.startFile(options, process.execPath, MAIN, ...words, ...more);
  }

  /** Starts another program, as this machine's user would. */
  startFile({ cwd, env, input }: RunOptions, file: string, ...args: readonly string[]): Program {
    const own = {
      PATH: process.env['PATH'],
      HOME: this.home,
      XDG_CONFIG_HOME: join(this.home, 'config'),
      UDP_TOOL_KEYS: this.keys,
    };
    const [command, ...words] = [...this.launcher, file, ...args] as [string, ...string[]];
    const program = new Program(command, words, { cwd: cwd ?? this.home, env: { ...own, ...env } });
    this.#lab.watch(program);
    if (input !== undefined) program.endInput(input);
    return program;
  }

  /** Runs `udp-tool` to its end. */
  run(line: string, ...more: readonly string[]): Promise<Finished> {
    return this.runWith({}, line, ...more);
  }

  async runWith(options: RunOptions, line: string, ...more: readonly string[]): Promise<Finished> {
    const finished = await this.startWith({ input: '', ...options }, line, ...more).end();
    await this.#lab.inspect(finished);
    return finished;
  }

  /** Starts `udp-tool serve --json` on loopback, and waits until it listens. */
  async serve(...more: readonly string[]): Promise<{ readonly server: Program; readonly port: number }> {
    const server = this.start('serve --json --port 0', '--host', LOOPBACK, ...more);
    const { addresses } = await server.event('listening');
    return { server, port: Number(/:(\d+)$/.exec(String((addresses as string[])[0]))?.[1]) };
  }
}

export class Lab implements AsyncDisposable {
  readonly dir: string;
  readonly #programs = new Set<Program>();
  readonly #secrets: Uint8Array[] = [];
  readonly #sockets: Socket[] = [];

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async open(): Promise<Lab> {
    return new Lab(await mkdtemp(join(tmpdir(), 'udp-tool-cli-')));
  }

  /** A machine without a key. */
  async blank(name: string): Promise<Machine> {
    const machine = new Machine(this, name);
    await mkdir(machine.home);
    return machine;
  }

  /** A machine with a keypair. */
  async machine(name: string): Promise<Machine> {
    const machine = await this.blank(name);
    const { secretKey } = await machine.store.createKeyPair();
    this.guard(secretKey.expose());
    return machine;
  }

  /** `pi`, which serves, and `mac`, which asks it; each trusts the other. */
  async pair(...options: readonly string[]): Promise<{
    readonly pi: Machine;
    readonly mac: Machine;
    readonly server: Program;
    readonly port: number;
  }> {
    const pi = await this.machine('pi');
    const mac = await this.machine('mac');
    await pi.trust(mac);
    const { server, port } = await pi.serve(...options);
    await mac.trust(pi, port);
    return { pi, mac, server, port };
  }

  /** A file of no machine, for its owner alone; returns its path. */
  async file(name: string, content: string): Promise<string> {
    const path = join(this.dir, name);
    await writeFile(path, content, { mode: 0o600 });
    return path;
  }

  /** Bytes that no run may show; those of every secret.key in the lab are known without. */
  guard(secret: Uint8Array): void {
    this.#secrets.push(secret.slice());
  }

  /** @internal */
  watch(program: Program): void {
    this.#programs.add(program);
  }

  /** A UDP port that takes what comes and says nothing. */
  async silentPort(): Promise<{ readonly port: number; readonly firstDatagram: Promise<unknown> }> {
    const socket = await this.#socket();
    return { port: socket.address().port, firstDatagram: once(socket, 'message') };
  }

  /** A UDP port that is closed, and that nobody else can take meanwhile: its socket hears one other address alone. */
  async closedPort(): Promise<number> {
    const socket = await this.#socket();
    const other = await this.#socket();
    socket.connect(other.address().port, LOOPBACK);
    await once(socket, 'connect');
    return socket.address().port;
  }

  /** Fails when what a program printed holds a secret, or when it fell over. */
  async inspect({ stdout, stderr }: Pick<Finished, 'stdout' | 'stderr'>): Promise<void> {
    const printed = `${stdout}\n${stderr}`;
    if (CRASH.test(printed)) throw new Error(`It fell over:\n${printed}`);
    const secrets = [...this.#secrets, ...(await this.#secretsOnDisk())];
    const forms = secrets.flatMap(formsOf);
    const lower = printed.toLowerCase();
    if (lower.includes('udp-secret-key-1') || forms.some((form) => lower.includes(form.toLowerCase())))
      throw new Error(`It shows a secret:\n${printed}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) await new Promise<void>((done) => socket.close(() => done()));
    for (const program of this.#programs) program.kill('SIGKILL');
    const all = await Promise.all([...this.#programs].map(({ finished }) => finished));
    try {
      for (const finished of all) await this.inspect(finished);
    } finally {
      await rm(this.dir, { recursive: true, force: true });
    }
  }

  async #socket(): Promise<Socket> {
    const socket = createSocket('udp4');
    this.#sockets.push(socket);
    socket.bind(0, LOOPBACK);
    await once(socket, 'listening');
    return socket;
  }

  async #secretsOnDisk(): Promise<Uint8Array[]> {
    const files = await readdir(this.dir, { recursive: true });
    const texts = await Promise.all(
      files
        .filter((file) => file.endsWith('secret.key'))
        .map((file) => readFile(join(this.dir, file), 'utf8').catch(() => '')),
    );
    return texts.flatMap((text) => {
      const line = /^UDP-SECRET-KEY-1.*$/m.exec(text)?.[0];
      try {
        return line === undefined ? [] : [SecretKey.parse(line).expose()];
      } catch {
        return []; // a test damaged it
      }
    });
  }
}

/** The ways in which bytes get into logs. */
function formsOf(secret: Uint8Array): string[] {
  const bytes = Buffer.from(secret);
  const hex = bytes.toString('hex');
  const text = secret.length === 32 ? [SecretKey.fromBytes(secret).exportText()] : [];
  const spaced = hex.replace(/..(?=.)/g, '$& ');
  const base64 = bytes.toString('base64').replace(/=+$/, '');
  return [...text, hex, spaced, base64, bytes.toString('base64url'), bytes.join(','), bytes.join(', ')];
}
