import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { ask, type RemotePeer, readHelp, UdpToolError } from '../index.ts';
import { Asking } from './asking.ts';
import type { KeyOptions } from './context.ts';
import { EXIT, exitCode } from './exit-code.ts';
import { renderAnswer } from './help-table.ts';
import { keysOption, timeoutOption, toOption } from './options.ts';
import { data, failure, forPeople, note } from './output.ts';

interface ShellOptions extends KeyOptions {
  readonly to?: string;
  readonly timeout: number;
}

const OWN_WORDS = ['exit', 'quit'];

export function addShell(program: Command): void {
  program
    .command('shell')
    .description('ask a peer again and again, at a prompt')
    .addOption(toOption())
    .addOption(timeoutOption('how long to wait for each answer'))
    .addOption(keysOption())
    .action(shell);
}

async function shell(options: ShellOptions): Promise<void> {
  await using asking = await Asking.choose(options, options.to);
  const { peer } = asking;

  const terminal = process.stdin.isTTY === true && process.stderr.isTTY === true;
  const names = new CommandNames(peer);
  const lines = createInterface({
    input: process.stdin,
    output: process.stderr,
    terminal,
    prompt: `${forPeople.bold(peer.name)}> `,
    historySize: 500,
    completer: (line: string, done: (error: null, result: [string[], string]) => void) => {
      void names.completions(line).then((found) => done(null, [found, line]));
    },
  });
  if (terminal)
    note(`Asking "${peer.name}" at ${asking.at}. "help" lists its commands; Tab completes; "exit" leaves.`);

  let running: AbortController | null = null;
  // Ctrl-C ends what runs, else clears the line, else leaves.
  const interrupt = (): void => {
    if (running !== null) {
      running.abort();
    } else if (lines.line.length > 0) {
      lines.write(null, { ctrl: true, name: 'e' });
      lines.write(null, { ctrl: true, name: 'u' });
    } else {
      process.exitCode = EXIT.INTERRUPTED;
      lines.close();
    }
  };
  lines.on('SIGINT', interrupt);
  process.on('SIGINT', interrupt);
  process.once('SIGTERM', () => lines.close());

  if (terminal) lines.prompt();
  for await (const line of lines) {
    const [command, ...args] = splitWords(line);
    if (command !== undefined && OWN_WORDS.includes(command)) break;
    if (command !== undefined) {
      running = new AbortController();
      try {
        const { value, roundTripMs } = await ask({
          peer,
          command,
          args,
          timeoutMs: options.timeout,
          signal: running.signal,
        });
        data(renderAnswer(command, value));
        note(forPeople.dim(`${roundTripMs.toFixed(1)} ms`));
        process.exitCode = EXIT.DONE;
      } catch (error) {
        if (!(error instanceof UdpToolError)) throw error;
        failure(error, {
          json: false,
          details: asking.explain(error),
        });
        process.exitCode = exitCode(error.code);
      }
      running = null;
    }
    if (terminal) lines.prompt();
  }
  lines.close();
  if (terminal) note(''); // the shell's own prompt begins a line
  if (terminal && process.exitCode !== EXIT.INTERRUPTED) process.exitCode = EXIT.DONE;
}

/** The names of the peer's commands, asked for once and again only after it did not answer. */
class CommandNames {
  readonly #peer: RemotePeer;
  #names: readonly string[] | null = null;

  constructor(peer: RemotePeer) {
    this.#peer = peer;
  }

  async completions(line: string): Promise<string[]> {
    if (/\s/.test(line.trimStart())) return [];
    this.#names ??= await this.#ask();
    const found = [...(this.#names ?? []), ...OWN_WORDS].filter((name) => name.startsWith(line.trim()));
    return found.length === 1 ? [`${found[0]} `] : found;
  }

  async #ask(): Promise<readonly string[] | null> {
    try {
      const { value } = await this.#peer.request('help', [], { timeoutMs: 2_000 });
      return readHelp(value)?.map(({ name }) => name) ?? null;
    } catch {
      return null; // completion is silent; the next request says what is wrong
    }
  }
}

/** Words as a command line has them: quotes keep blanks together. */
function splitWords(line: string): string[] {
  const words: string[] = [];
  for (const match of line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g))
    words.push(match[1] ?? match[2] ?? match[3] ?? '');
  return words;
}
