/** The real program, in folders of its own: started by its command line alone, nothing of it imported. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type KeyPair, keyFromText, keyPair } from './keys.ts';

const MAIN = fileURLToPath(new URL('../../dist/cli/udp-tool.js', import.meta.url));
const run = promisify(execFile);

/** A `serve` that runs, by what it prints. */
export class Server {
  port = 0;
  readonly listening: Promise<void>;
  readonly #reasons: string[] = [];
  #changed: () => void = () => {};

  constructor(stdout: Readable) {
    this.listening = new Promise((done) => {
      createInterface(stdout).on('line', (line) => {
        const event = JSON.parse(line);
        if (event.event === 'dropped') this.#reasons.push(event.reason);
        this.#changed();
        if (event.event !== 'listening') return;
        this.port = Number(/:(\d+)$/.exec(event.addresses[0])?.[1]);
        done();
      });
    });
  }

  /** What it dropped so far is not looked at. */
  forget(): void {
    this.#reasons.length = 0;
  }

  /** Waits until it has dropped datagrams for all those reasons; the test's own time limit ends it. */
  async dropped(...reasons: readonly string[]): Promise<void> {
    while (!reasons.every((reason) => this.#reasons.includes(reason)))
      await new Promise<void>((done) => {
        this.#changed = done;
      });
    this.forget();
  }
}

/** A `pair` that runs; its person answers it on stdin. */
export class PairingProgram {
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.ended = once(child, 'exit').then(([code]) => code);
    this.#lines = createInterface(child.stdout as Readable)[Symbol.asyncIterator]();
  }

  /** The next line, which must be that event. */
  async event(name: string): Promise<Record<string, unknown>> {
    const { value } = await this.#lines.next();
    const event = JSON.parse(value);
    if (event.event !== name) throw new Error(`${value} instead of ${name}`);
    return event;
  }

  says(answer: string): void {
    this.#child.stdin?.write(`${answer}\n`);
  }
}

export class Machine implements AsyncDisposable {
  readonly keys: string;
  /** The public key, as `keygen` printed it. */
  publicText = '';
  readonly #running: ChildProcess[] = [];

  private constructor(keys: string) {
    this.keys = keys;
  }

  static async open(): Promise<Machine> {
    const machine = new Machine(await mkdtemp(join(tmpdir(), 'udp-tool-conformance-')));
    machine.publicText = /udp1\w+/.exec(await machine.run('keygen'))?.[0] ?? '';
    return machine;
  }

  get #options() {
    const { keys } = this;
    return {
      cwd: keys,
      env: { PATH: process.env['PATH'], HOME: keys, XDG_CONFIG_HOME: keys, UDP_TOOL_KEYS: keys },
    };
  }

  /** Its output, once it ended well. */
  async run(...args: string[]): Promise<string> {
    return (await run(process.execPath, [MAIN, ...args], this.#options)).stdout;
  }

  /** Out of the key file that `keygen` wrote. */
  async keyPair(): Promise<KeyPair> {
    const file = await readFile(join(this.keys, 'secret.key'), 'utf8');
    return keyPair(keyFromText(/UDP-SECRET-KEY-1\w+/.exec(file)?.[0] ?? '', 'udp-secret-key-'));
  }

  get publicKey(): Uint8Array {
    return keyFromText(this.publicText, 'udp');
  }

  /** Starts `udp-tool serve` on loopback. */
  async serve(...more: string[]): Promise<Server> {
    const args = [MAIN, 'serve', '--json', '--port', '0', '--host', '127.0.0.1', ...more];
    const child = spawn(process.execPath, args, { ...this.#options, stdio: ['ignore', 'pipe', 'ignore'] });
    this.#running.push(child);
    const server = new Server(child.stdout);
    await server.listening;
    return server;
  }

  /** Starts `udp-tool pair`. */
  pair(...more: string[]): PairingProgram {
    const args = [MAIN, 'pair', '--json', ...more];
    const child = spawn(process.execPath, args, { ...this.#options, stdio: ['pipe', 'pipe', 'ignore'] });
    this.#running.push(child);
    return new PairingProgram(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#running) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    }
    await rm(this.keys, { recursive: true });
  }
}
