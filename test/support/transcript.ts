/**
 * Runs the consoles of a document: `pi $ command` on a machine of that name, what follows is what it prints, `…` stands
 * for anything, `[exit 4]` for its exit code if not 0, ` &` leaves it running, and `pi >` shows what such a one says next.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect } from 'vitest';
import { LOOPBACK, MAIN, type Machine, type Program } from './cli.ts';

interface Step {
  readonly machine: string;
  /** Undefined for what a program that runs says next. */
  readonly command: string | undefined;
  readonly output: string;
  readonly exit: number;
}

export function consolesOf(markdown: string): Step[][] {
  return [...markdown.matchAll(/^```console\n(.*?)^```/gms)].map(([, block = '']) => stepsOf(block));
}

function stepsOf(block: string): Step[] {
  const steps: Step[] = [];
  for (const line of block.trimEnd().split('\n')) {
    const [, machine, sign, command] = /^(\w+) ([$>]) ?(.*)$/.exec(line) ?? [];
    const last = steps.at(-1);
    if (machine !== undefined) {
      steps.push({ machine, command: sign === '$' ? command : undefined, output: '', exit: 0 });
    } else if (last !== undefined) {
      const exit = /^\[exit (\d+)\]$/.exec(line)?.[1];
      steps[steps.length - 1] =
        exit === undefined ? { ...last, output: `${last.output}${line}\n` } : { ...last, exit: Number(exit) };
    }
  }
  return steps;
}

/** The machines of a document, and the ports that stand here for those that it names. */
export class Consoles {
  readonly #machines: Readonly<Record<string, Machine>>;
  readonly #ports: ReadonlyMap<string, number>;

  private constructor(machines: Readonly<Record<string, Machine>>, ports: ReadonlyMap<string, number>) {
    this.#machines = machines;
    this.#ports = ports;
  }

  static async open(
    machines: Readonly<Record<string, Machine>>,
    ports: readonly string[],
  ): Promise<Consoles> {
    const free = await Promise.all(ports.map(async (port) => [port, await freePort()] as const));
    return new Consoles(machines, new Map(free));
  }

  /** The one that stands for that port of the document. */
  portFor(port: string): number {
    return this.#ports.get(port) ?? expect.fail(`no port for ${port}`);
  }

  /** Runs one box, and ends what it left running. */
  async run(steps: readonly Step[]): Promise<void> {
    const running = new Map<string, Program>();
    let newKey = '';
    for (const { machine, command, output, exit } of steps) {
      const expected = patternOf(this.#here(output));
      if (command === undefined) {
        await running.get(machine)?.shows(expected, 'stderr');
        continue;
      }
      const program = this.#start(machine, command.replaceAll('NEW_KEY', newKey));
      if (command.endsWith(' &')) {
        running.set(machine, program);
        await program.shows(expected, 'stderr');
        continue;
      }
      program.endInput();
      const { code, stdout, stderr } = await program.end();
      const printed = `${stdout}${stderr}`;
      expect(code, `${machine} $ ${command}\n${printed}`).toBe(exit);
      expect(printed).toMatch(expected);
      newKey = /^udp1\S+$/m.exec(stdout)?.[0] ?? newKey;
    }
    for (const program of running.values()) await program.stop();
  }

  /** By a shell, for the pipes of the document alone. */
  #start(machine: string, command: string): Program {
    const line = this.#here(command.replace(/ &$/, ''));
    const script = line.replace(/^udp-tool/, `${command.endsWith(' &') ? 'exec ' : ''}"$0" "$1"`);
    const { [machine]: on = expect.fail(`who is ${machine}?`) } = this.#machines;
    return on.startFile({}, '/bin/sh', '-c', script, process.execPath, MAIN);
  }

  #here(text: string): string {
    let here = text.replaceAll('192.168.2.3', LOOPBACK);
    for (const [port, free] of this.#ports) here = here.replaceAll(port, String(free));
    if (!/^udp-tool serve\b/.test(here) || here.includes('--port')) return here;
    return `${here} --port ${this.portFor('9999')}`;
  }
}

/** What is printed, with `…` for anything. */
function patternOf(output: string): RegExp {
  const parts = output.trim().split('…');
  return new RegExp(parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*'), 's');
}

/** Free for UDP a moment ago. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, LOOPBACK);
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}
