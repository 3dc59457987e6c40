/** What could stand at the end of a command line, from the definitions that `--help` shows too. */
import type { Argument, Command, Option } from 'commander';

export interface Candidate {
  readonly value: string;
  readonly summary: string;
}

/** What completes a value; `file` and `dir` are for the shell, which knows its own way of writing paths. */
export type Completed = readonly Candidate[] | 'file' | 'dir';

/** The values of the options that stand on the line so far, by the names that they have in code: `{to: 'pi'}`. */
export type Given = ReadonlyMap<string, string>;

/**
 * Completes a value by what it is called in the definitions: `peer` for `--to <peer>`, `command` for `send <command>`.
 * Null for what it does not know.
 */
export type Values = (name: string, given: Given) => Promise<Completed | null>;

/** @param words what stands behind the program's name; the last one, which may be empty, is to be completed */
export async function candidates(
  program: Command,
  words: readonly string[],
  values: Values,
): Promise<Completed> {
  const current = words.at(-1) ?? '';
  const line = readLine(program, words.slice(0, -1));
  const { command, given } = line;
  const startingWith = (found: Completed | null, before = ''): Completed => {
    if (found === 'file' || found === 'dir') return found;
    return (found ?? [])
      .map(({ value, summary }) => ({ value: `${before}${value}`, summary }))
      .filter(({ value }) => value.startsWith(current));
  };
  if (line.option !== null) return startingWith(await valuesOf(line.option, given, values));
  if (!line.onlyArguments && current.startsWith('-')) {
    const [flag = '', ...value] = current.split('=');
    const option = findOption(command, flag);
    if (value.length === 0) return startingWith(optionsOf(command));
    return option === undefined ? [] : startingWith(await valuesOf(option, given, values), `${flag}=`);
  }
  if (line.helpAsked || (command.commands.length > 0 && line.count === 0))
    return startingWith(subcommandsOf(command));
  const last = command.registeredArguments.at(-1);
  const argument = command.registeredArguments[line.count] ?? (last?.variadic ? last : undefined);
  return argument === undefined ? [] : startingWith(await valuesOf(argument, given, values));
}

interface Line {
  readonly command: Command;
  readonly given: Given;
  /** How many arguments the command has already. */
  readonly count: number;
  /** Whose value comes next. */
  readonly option: Option | null;
  /** After `--`. */
  readonly onlyArguments: boolean;
  /** `help` stands where a subcommand could. */
  readonly helpAsked: boolean;
}

function readLine(program: Command, words: readonly string[]): Line {
  const given = new Map<string, string>();
  let command = program;
  let count = 0;
  let option: Option | null = null;
  let onlyArguments = false;
  let helpAsked = false;
  for (const word of words) {
    if (option !== null) {
      given.set(option.attributeName(), word);
      option = null;
    } else if (onlyArguments || !word.startsWith('-')) {
      const sub = count === 0 ? command.commands.find((one) => one.name() === word) : undefined;
      if (sub !== undefined) command = sub;
      else if (command.commands.length > 0 && word === HELP) helpAsked = true;
      else count++;
    } else if (word === '--') {
      onlyArguments = true;
    } else {
      const [flag = '', ...value] = word.split('=');
      const found = findOption(command, flag);
      if (found === undefined || !takesValue(found)) continue;
      if (value.length === 0) option = found;
      else given.set(found.attributeName(), value.join('='));
    }
  }
  return { command, given, count, option, onlyArguments, helpAsked };
}

/** The subcommand that commander adds by itself. */
const HELP = 'help';

async function valuesOf(of: Option | Argument, given: Given, values: Values): Promise<Completed | null> {
  if (of.argChoices !== undefined) return of.argChoices.map((value) => ({ value, summary: '' }));
  return values(valueName(of), given);
}

/** `peer` of `--to <peer>` and of `[peer]`, `command` of `<command...>`. */
function valueName(of: Option | Argument): string {
  if ('flags' in of) return /[<[]([^\].>]+)/.exec(of.flags)?.[1] ?? '';
  return of.name();
}

function takesValue(option: Option): boolean {
  return option.required || option.optional;
}

function findOption(command: Command, flag: string): Option | undefined {
  return command.options.find(({ long, short }) => flag === long || flag === short);
}

function optionsOf(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .map(({ long, short, description }) => ({ value: long ?? short ?? '', summary: description }));
}

function subcommandsOf(command: Command): Candidate[] {
  const help = command.createHelp();
  return help
    .visibleCommands(command)
    .map((one) => ({ value: one.name(), summary: help.subcommandDescription(one) }));
}
