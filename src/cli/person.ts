import { createInterface } from 'node:readline';
import { note, prompt } from './output.ts';

/** Whoever types. What was typed before a question does not answer it. */
export class Person {
  readonly #lines = createInterface({ input: process.stdin });
  #hasLeft = false;
  #onAnswer: (line: string) => void = () => {};

  constructor() {
    this.#lines.on('line', (line) => this.#onAnswer(line));
    this.#lines.once('close', () => {
      this.#hasLeft = true;
      this.#onAnswer('');
    });
  }

  /** False as well when nobody can type any more, or when the signal fires. */
  async saysYes(question: string, signal: AbortSignal): Promise<boolean> {
    prompt(question);
    const answer = await new Promise<string>((done) => {
      this.#onAnswer = done;
      if (this.#hasLeft) done('');
      signal.addEventListener('abort', () => done(''), { once: true });
    });
    this.#onAnswer = () => {};
    if (signal.aborted || this.#hasLeft) note(''); // nobody ended the line
    return /^\s*y(es)?\s*$/i.test(answer);
  }

  leave(): void {
    this.#lines.close();
  }
}
