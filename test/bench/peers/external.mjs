/** Programs that are not JavaScript: compiled, spoken to a line at a time, and ended with whoever started them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rename, stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { adviceUnless, exec } from './shared.mjs';

const SOURCES = new URL('./', import.meta.url);
const BINARIES = new URL('../../../node_modules/.cache/udp-tool-bench/', import.meta.url);
const TICK_US = 10_000;

/** A program whose standard input is its lifeline: it ends when that is closed, by us or by our own end. */
export class Program {
  #process;
  #lines;

  constructor(command, args) {
    this.#process = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    // A program that cannot be started has no lines, and so rejects the first call.
    this.#process.on('error', () => {});
    this.#process.stdin.on('error', () => {});
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** What the program says next, in JSON. */
  async line() {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`"${this.#process.spawnargs.join(' ')}" ended.`);
    return JSON.parse(value);
  }

  ask(question) {
    this.#process.stdin.write(`${question}\n`);
    return this.line();
  }

  usage() {
    return processorUs(this.#process.pid);
  }

  async close() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, 'exit');
    this.#process.stdin.end();
    await exit;
  }
}

/** A peer with both ends in one program: `server`, which says its port, and `client PORT`, which obeys "run". */
export function externalPeer({ label, missing, command }) {
  const start = async (...args) => {
    const [file, ...first] = await command();
    return new Program(file, [...first, ...args]);
  };
  return {
    label,
    missing,
    async serve() {
      const program = await start('server');
      const { port } = await program.line();
      return { port, usage: () => program.usage(), close: () => program.close() };
    },
    async connect(port) {
      const program = await start('client', String(port));
      await program.line(); // it is connected
      return {
        run: (outstanding, seconds) => program.ask(`run ${outstanding} ${seconds}`),
        close: () => program.close(),
      };
    },
  };
}

/** The path of the program made of `${name}.c`, compiled if it is not yet, or its source is newer. */
export async function compile(name, libraries) {
  const binary = new URL(name, BINARIES);
  const sources = (await readdir(SOURCES)).filter((file) => file === `${name}.c` || file.endsWith('.h'));
  const changed = await Promise.all(
    sources.map(async (file) => (await stat(new URL(file, SOURCES))).mtimeMs),
  );
  const made = await stat(binary).catch(() => ({ mtimeMs: 0 }));
  if (made.mtimeMs > Math.max(...changed)) return fileURLToPath(binary);
  await mkdir(BINARIES, { recursive: true });
  // Under a name of its own first: nobody starts half a program.
  const unfinished = new URL(`${name}.${process.pid}`, BINARIES);
  const source = fileURLToPath(new URL(`${name}.c`, SOURCES));
  await exec('cc', ['-O2', '-Wall', '-o', fileURLToPath(unfinished), source, ...libraries]);
  await rename(unfinished, binary);
  return fileURLToPath(binary);
}

/** Null when it compiles, else how to install what that needs. */
export function missingLibraries(name, libraries, debianPackages) {
  return adviceUnless(() => compile(name, libraries), `apt-get install ${debianPackages}`);
}

/** Processor time of all threads of a process so far. */
export function processorUs(pid) {
  try {
    const nanoseconds = readdirSync(`/proc/${pid}/task`).map((thread) =>
      Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]),
    );
    return nanoseconds.reduce((sum, ns) => sum + ns, 0) / 1000;
  } catch {
    // Not every kernel has schedstat. This counts in whole ticks, which is coarse for a round of 0.3 s.
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_US;
  }
}
