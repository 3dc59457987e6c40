/** Commands that are programs, bound to names in a TOML table. */
import { access, constants, readFile } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { parse, TomlError } from 'smol-toml';
import { UdpToolError } from '../errors.ts';
import { type ArgumentSpec, type Command, defineCommand } from '../rpc/command.ts';
import type { CborValue } from '../wire/cbor.ts';
import { runProgram } from './run-program.ts';

const DEFAULT_TIMEOUT_S = 10;
const MAX_TIMEOUT_S = 300;
const DEFAULT_OUTPUT_BYTES = 16_384;
/** With what is around it, an answer of 64 KiB. */
const MAX_OUTPUT_BYTES = 60_000;
const DEFAULT_AT_ONCE = 4;
const MAX_AT_ONCE = 64;
/** `{name}` in an element of `run`. */
const PLACEHOLDER = /\{([a-z][a-z0-9_-]*)\}/g;

type Text = ArgumentSpec & { type: 'text' };

interface Program {
  readonly name: string;
  readonly summary: string;
  readonly run: readonly string[];
  readonly args: readonly (Text & { readonly dashes: boolean })[];
  readonly idempotent: boolean;
  readonly timeoutS: number;
  readonly maxOutputBytes: number;
  readonly atOnce: number;
  readonly output: 'text' | 'json';
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

export async function commandsOfTable(path: string): Promise<Command[]> {
  const refuse: Refuse = (problem, cause) => {
    throw new UdpToolError('bad-commands', `${path}: ${problem}.`, {
      cause,
      hint: 'docs/commands.md has an example.',
    });
  };
  let tables: Record<string, unknown>;
  try {
    tables = parse(await readFile(path, 'utf8'));
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    return refuse(`line ${cause.line}: ${cause.message.split('\n')[0]}`); // its own message quotes the lines
  }
  const commands: Command[] = [];
  for (const [name, table] of Object.entries(tables)) {
    const program = readProgram(name, table, (problem) => refuse(`[${name}] ${problem}`));
    const [file] = program.run as [string];
    await access(file, constants.X_OK).catch((cause: unknown) =>
      refuse(`[${name}] runs ${file}, which is no program that can be started`, cause),
    );
    try {
      commands.push(commandOf(program));
    } catch (cause) {
      refuse(`[${name}] ${cause instanceof Error ? cause.message.replace(/\.$/, '') : String(cause)}`, cause);
    }
  }
  return commands;
}

type Refuse = (problem: string, cause?: unknown) => never;

function commandOf(program: Program): Command {
  let running = 0;
  return defineCommand({
    name: program.name,
    summary: program.summary,
    // What only the placing needs stays here.
    args: program.args.map(({ dashes: _dashes, ...spec }) => spec),
    idempotent: program.idempotent,
    run: async ({ args, signal }): Promise<CborValue> => {
      const argv = place(program, args);
      if (running >= program.atOnce) {
        throw new UdpToolError('busy', `"${program.name}" runs ${running} times already.`);
      }
      running++;
      try {
        const output = await runProgram(
          {
            name: program.name,
            argv,
            env: program.env,
            cwd: program.cwd,
            timeoutMs: program.timeoutS * 1000,
            maxOutputBytes: program.maxOutputBytes,
          },
          signal,
        );
        return program.output === 'json' ? parseJson(program.name, output) : textOrBytes(output);
      } finally {
        running--;
      }
    },
  });
}

/** The arguments in their places. An element whose argument was not given is left away. */
function place(program: Program, values: Readonly<Record<string, CborValue>>): string[] {
  for (const { name, dashes } of program.args) {
    const value = values[name];
    if (typeof value !== 'string') continue;
    if (value.includes('\0')) throw refused(`<${name}> must not hold a NUL`);
    const leads = program.run.some((element) => element.startsWith(`{${name}}`));
    if (leads && !dashes && value.startsWith('-')) throw refused(`<${name}> must not begin with a dash`);
  }
  return program.run.flatMap((element) => {
    const names = [...element.matchAll(PLACEHOLDER)].map((match) => match[1] as string);
    if (names.some((name) => values[name] === undefined)) return [];
    return [element.replace(PLACEHOLDER, (_, name: string) => String(values[name]))];
  });
}

function refused(problem: string): UdpToolError {
  return new UdpToolError('bad-arguments', `${problem}.`);
}

function textOrBytes(output: Uint8Array): CborValue {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(output).replace(/\r?\n$/, '');
  } catch {
    return output; // no text
  }
}

function parseJson(name: string, output: Uint8Array): CborValue {
  try {
    return JSON.parse(new TextDecoder().decode(output));
  } catch (cause) {
    throw new Error(`"${name}" did not print JSON.`, { cause });
  }
}

// Reading a table

const FIELDS: readonly string[] = [
  'summary',
  'run',
  'args',
  'idempotent',
  'timeout',
  'max-output',
  'at-once',
  'output',
  'env',
  'cwd',
];
const ARGUMENT_FIELDS: readonly string[] = ['name', 'summary', 'pattern', 'optional', 'default', 'dashes'];

function readProgram(name: string, table: unknown, refuse: (problem: string) => never): Program {
  if (!isTable(table)) return refuse('should be a table');
  const unknown = Object.keys(table).find((field) => !FIELDS.includes(field));
  if (unknown !== undefined) refuse(`has an unknown field "${unknown}"`);
  const { summary, run, idempotent = false, output = 'text', env = {}, cwd = '/' } = table;
  if (!isText(summary)) return refuse('has no summary');
  if (!isTexts(run) || run.length === 0) return refuse('should have `run = ["/path/to/program", …]`');
  const [file] = run as [string];
  if (!isAbsolute(file)) refuse(`runs "${file}": a program is named by its absolute path`);
  if (typeof idempotent !== 'boolean') return refuse('idempotent should be true or false');
  if (output !== 'text' && output !== 'json') return refuse('output should be "text" or "json"');
  if (!isTable(env) || !Object.values(env).every(isText)) return refuse('env should be a table of texts');
  if (!isText(cwd) || !isAbsolute(cwd)) return refuse('cwd should be an absolute path');
  const number = (field: string, fallback: number, max: number): number => {
    const value = table[field] ?? fallback;
    if (typeof value === 'number' && value > 0 && value <= max) return value;
    return refuse(`${field} should be a number up to ${max}`);
  };
  const args = readArguments(table['args'] ?? [], refuse);
  const placed = run.flatMap((element) => [...element.matchAll(PLACEHOLDER)].map((match) => match[1]));
  if (file.match(PLACEHOLDER) !== null) refuse('must not let an argument name the program');
  const undeclared = placed.find((one) => !args.some((spec) => spec.name === one));
  if (undeclared !== undefined) refuse(`places {${undeclared}}, which is none of its args`);
  const unplaced = args.find((spec) => !placed.includes(spec.name));
  if (unplaced !== undefined) refuse(`places its argument {${unplaced.name}} nowhere in run`);
  return {
    name,
    summary,
    run,
    args,
    idempotent,
    timeoutS: number('timeout', DEFAULT_TIMEOUT_S, MAX_TIMEOUT_S),
    maxOutputBytes: number('max-output', DEFAULT_OUTPUT_BYTES, MAX_OUTPUT_BYTES),
    atOnce: number('at-once', DEFAULT_AT_ONCE, MAX_AT_ONCE),
    output,
    env: env as Record<string, string>,
    cwd,
  };
}

function readArguments(list: unknown, refuse: (problem: string) => never): Program['args'] {
  if (!Array.isArray(list)) return refuse('args should be a list of tables');
  return list.map((spec: unknown) => {
    if (!isTable(spec)) return refuse('args should be a list of tables');
    const unknown = Object.keys(spec).find((field) => !ARGUMENT_FIELDS.includes(field));
    if (unknown !== undefined) refuse(`has an argument with an unknown field "${unknown}"`);
    const { name, summary, pattern, optional = false, default: fallback, dashes = false } = spec;
    if (!isText(name) || !/^[a-z][a-z0-9_-]*$/.test(name)) return refuse('has an argument without a name');
    if (!isText(summary)) return refuse(`argument "${name}" has no summary`);
    if (!isText(pattern)) return refuse(`argument "${name}" has no pattern that says what it may be`);
    if (typeof optional !== 'boolean') return refuse(`argument "${name}": optional should be true or false`);
    if (typeof dashes !== 'boolean') return refuse(`argument "${name}": dashes should be true or false`);
    if (fallback !== undefined && !isText(fallback))
      return refuse(`argument "${name}": default should be text`);
    return {
      name,
      summary,
      type: 'text',
      pattern,
      ...(optional && { optional }),
      ...(fallback !== undefined && { default: fallback }),
      dashes,
    };
  });
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isText);
}
