/** Requests that must not run twice, what became of them for who asked, and what the server's disk says. */
import { readFile } from 'node:fs/promises';

export class Executions {
  /** What was said of each request, by its number. */
  readonly said = new Map<number, string>();
  readonly #file: string;

  /** @param file that the server appends numbers to */
  constructor(file: string) {
    this.#file = file;
  }

  /** What was promised and not kept. */
  async lost(): Promise<string[]> {
    const text = await readFile(this.#file, 'utf8').catch(() => '');
    const ran = new Map<number, number>();
    for (const line of text.split('\n').filter((one) => one !== '')) {
      if (!/^\d+$/.test(line)) return [`a line that was torn: ${line}`];
      ran.set(Number(line), (ran.get(Number(line)) ?? 0) + 1);
    }
    const lost: string[] = [];
    for (const [number, times] of ran) if (times > 1) lost.push(`${number} ran ${times} times`);
    for (const [number, said] of this.said) {
      if (said === 'ok' && !ran.has(number)) lost.push(`${number} was answered and never ran`);
      if (!CLEAR.includes(said)) lost.push(`${number} ended with "${said}"`);
    }
    return lost;
  }

  /** How many ended so. */
  count(said: string): number {
    return [...this.said.values()].filter((one) => one === said).length;
  }
}

/** How a request may end while its server comes and goes. */
const CLEAR: readonly string[] = ['ok', 'no-answer', 'outcome-unknown'];
