/** Runs a program: no shell, an environment of its own, and bounds on time and output. */
import { spawn } from 'node:child_process';
import { UdpToolError } from '../errors.ts';

export interface ProgramCall {
  /** For messages. */
  readonly name: string;
  /** The program's absolute path, and its arguments as it gets them. */
  readonly argv: readonly string[];
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly timeoutMs: number;
  readonly maxOutputBytes: number;
}

/** Of what it says on stderr, so much goes into the error. */
const MAX_REASON_CHARS = 200;

/**
 * What it wrote to stdout.
 * @param signal kills it, with everything that it started
 * @throws UdpToolError `too-large` for more output than that; Error when it does not start, takes too long or fails
 */
export function runProgram(call: ProgramCall, signal: AbortSignal): Promise<Uint8Array> {
  const { name, argv, env, cwd, timeoutMs, maxOutputBytes } = call;
  const [file, ...args] = argv as [string, ...string[]];
  return new Promise((done, fail) => {
    // A process group of its own, so that what it starts can be killed with it.
    const child = spawn(file, args, {
      env,
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      shell: false,
    });
    const output: Buffer[] = [];
    let bytes = 0;
    let reason = '';
    let problem: Error | null = null;
    const kill = (why: Error): void => {
      problem ??= why;
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
    };
    const timer = setTimeout(
      () => kill(new Error(`"${name}" took longer than ${timeoutMs / 1000} s.`)),
      timeoutMs,
    );
    const abort = (): void => kill(new Error(`"${name}" was stopped.`));
    signal.addEventListener('abort', abort, { once: true });
    const end = (finish: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      finish();
    };
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxOutputBytes) output.push(chunk);
      else kill(new UdpToolError('too-large', `"${name}" printed more than ${maxOutputBytes} bytes.`));
    });
    child.stderr.on('data', (chunk: Buffer) => {
      if (reason.length < MAX_REASON_CHARS) reason += chunk.toString('utf8');
    });
    child.on('error', (cause) => end(() => fail(new Error(`"${name}" could not be started.`, { cause }))));
    child.on('close', (code, killedBy) =>
      end(() => {
        if (problem !== null) fail(problem);
        else if (code === 0) done(Buffer.concat(output));
        else fail(new Error(`"${name}" ended with ${killedBy ?? `code ${code}`}${lineOf(reason)}`));
      }),
    );
    if (signal.aborted) abort();
  });
}

/** The first line of what it said, printable. */
function lineOf(reason: string): string {
  const [line = ''] = reason.trim().split('\n');
  const printable = line.replace(/\p{C}/gu, '�').slice(0, MAX_REASON_CHARS);
  return printable === '' ? '.' : `: ${printable}`;
}
