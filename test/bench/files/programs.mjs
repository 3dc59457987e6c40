/** The programs of one run: each is ended by its own id, at the latest with the run. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const GRACE_MS = 2_000;
/** What takes longer is stuck. */
const LONGEST_MS = 600_000;

export class Programs {
  #children = new Set();
  #signal;

  /** @param signal no program outlives it */
  constructor(signal) {
    this.#signal = signal;
  }

  /** Has it ended with the others; for who starts a process himself. */
  adopt(child) {
    this.#children.add(child);
    child.on('exit', () => this.#children.delete(child));
    return child;
  }

  /** Starts a server, and waits for the first line that it prints. */
  async serve(argv, options = {}) {
    const child = this.#start(argv, { stdio: ['ignore', 'pipe', 'inherit'], ...options });
    await Promise.race([
      once(createInterface({ input: child.stdout }), 'line', { signal: this.#signal }),
      once(child, 'exit').then(([code]) => {
        throw new Error(`"${argv.join(' ')}" ended with ${code} before it served.`);
      }),
    ]);
    return child;
  }

  /** Runs a program to its end, which has to be a success, and times it from its start. */
  async run(argv, options = {}) {
    this.#signal.throwIfAborted();
    const startedAt = performance.now();
    const child = this.#start(argv, { timeout: LONGEST_MS, ...options });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr']) {
      child[name]?.setEncoding('utf8').on('data', (text) => {
        output[name] += text;
      });
    }
    const [code, killedBy] = await once(child, 'close');
    const ms = performance.now() - startedAt;
    this.#signal.throwIfAborted();
    if (code !== 0) throw new Error(`"${argv.join(' ')}" ended with ${code ?? killedBy}.\n${output.stderr}`);
    return { ms, ...output };
  }

  /** Starts a program that is ended before it has finished. */
  begin(argv) {
    return this.#start(argv, { stdio: 'ignore' });
  }

  async end(child) {
    if (!this.#children.has(child)) return;
    const exit = once(child, 'exit');
    child.kill();
    const timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
    await exit;
    clearTimeout(timer);
  }

  async endAll() {
    await Promise.all([...this.#children].map((child) => this.end(child)));
  }

  #start([file, ...args], options) {
    const child = this.adopt(spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options }));
    // What cannot be started has no exit.
    child.on('error', () => this.#children.delete(child));
    return child;
  }
}
