/** A client that goes on asking, and what it says of each request. */
import { fileURLToPath } from 'node:url';
import type { Machine, Program } from '../support/cli.ts';
import { until } from '../support/endpoints.ts';
import type { Executions } from './executions.ts';

const CLIENT = fileURLToPath(new URL('../support/asking-client.mjs', import.meta.url));
/** Until there is an answer. */
const PATIENCE_MS = 60_000;

export interface AskerOptions {
  /** Of each request. */
  readonly timeoutMs: number;
  readonly atOnce?: number;
}

export class Asker {
  readonly program: Program;

  private constructor(program: Program) {
    this.program = program;
  }

  /** Resolves with the first answer. */
  static async start(machine: Machine, { timeoutMs, atOnce = 1 }: AskerOptions): Promise<Asker> {
    const args = [CLIENT, machine.keys, String(timeoutMs), String(atOnce)];
    const asker = new Asker(machine.startFile({}, process.execPath, ...args));
    await asker.next(/^ok /m);
    return asker;
  }

  /** Waits for a line that comes from now on; returns after how many milliseconds. */
  async next(line: RegExp): Promise<number> {
    const begun = performance.now();
    const said = this.program.output.stdout.length;
    await until(`${line}`, () => line.test(this.program.output.stdout.slice(said)), PATIENCE_MS);
    return performance.now() - begun;
  }

  /** Until the next answer. */
  recovery(): Promise<number> {
    return this.next(/^ok /m);
  }

  /** Ends it, and tells what it said. */
  async end(executions: Executions): Promise<number> {
    this.program.kill('SIGKILL');
    const { stdout } = await this.program.finished;
    const lines = stdout.split('\n').slice(0, -1);
    for (const line of lines) {
      const [said = '', number] = line.split(' ');
      executions.said.set(Number(number), said);
    }
    return lines.length;
  }
}
