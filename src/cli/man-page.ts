/** The man page, from the definitions that `--help` shows. `npm run build` writes it to dist/man. */
import type { Command, Option } from 'commander';
import { EXIT_MEANINGS } from './exit-code.ts';
import { ENVIRONMENT, EXAMPLES, FILES } from './manual.ts';

/** As roff for `man`, in the macros of man(7). */
export function manPage(program: Command): string {
  const name = program.name();
  return lines(
    `.TH ${name.toUpperCase()} 1 "" "${roff(`${name} ${program.version()}`)}"`,
    '.\\" Lines are not hyphenated or spread: what stands there is to be typed.',
    '.nh',
    '.ad l',
    '.SH NAME',
    `${roff(name)} \\- ${roff(phrase(program.description()))}`,
    '.SH SYNOPSIS',
    `${bold(name)} ${roff(program.createHelp().commandUsage(program).slice(name.length).trim())}`,
    '.SH OPTIONS',
    ...options(program, () => true),
    '.SH COMMANDS',
    ...leaves(program).flatMap((command) => verb(name, command)),
    '.SH EXAMPLES',
    ...EXAMPLES.flatMap(([line, about]) => item(bold(line), about)),
    '.SH EXIT STATUS',
    ...EXIT_MEANINGS.flatMap(([code, meaning]) => item(bold(String(code)), meaning)),
    '.SH FILES',
    ...FILES.flatMap(([path, about]) => item(italic(path), about)),
    '.SH ENVIRONMENT',
    ...ENVIRONMENT.flatMap(([variable, about]) => item(bold(variable), about)),
  );
}

/** What can be called: subcommands rather than what only groups them. */
function leaves(command: Command): Command[] {
  const visible = command.createHelp().visibleCommands(command);
  const own = command.commands.filter((one) => visible.includes(one));
  return own.flatMap((one) => (one.commands.length > 0 ? leaves(one) : [one]));
}

function verb(program: string, command: Command): string[] {
  const help = command.createHelp();
  const [words = '', ...args] = help
    .commandUsage(command)
    .slice(program.length + 1)
    .split(/ (?=[[<])/);
  return [
    `.SS ${[bold(words), ...args.map(roff)].join(' ')}`,
    roff(sentence(command.description())),
    ...help
      .visibleArguments(command)
      .flatMap((argument) => item(italic(argument.name()), help.argumentDescription(argument))),
    // That every verb has it, OPTIONS says.
    ...options(command, ({ long }) => long !== '--help'),
  ];
}

function options(command: Command, isShown: (option: Option) => boolean): string[] {
  const help = command.createHelp();
  return help
    .visibleOptions(command)
    .filter(isShown)
    .flatMap((option) => item(bold(help.optionTerm(option)), help.optionDescription(option)));
}

function item(term: string, about: string): string[] {
  return ['.TP', term, roff(about)];
}

function bold(text: string): string {
  return `\\fB${roff(text)}\\fR`;
}

function italic(text: string): string {
  return `\\fI${roff(text)}\\fR`;
}

/** Text in which nothing is a request: as it stands here it is shown, dashes as they are typed. */
function roff(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replaceAll('\\', '\\(rs')
    .replaceAll('-', '\\-')
    .replaceAll('"', '\\(dq')
    .replaceAll('…', '...')
    .replace(/^(?=[.'])/, '\\&');
}

function sentence(text: string): string {
  const first = text.slice(0, 1).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

/** As NAME has it, for whatis(1): no capital, no full stop. */
function phrase(text: string): string {
  return (text.slice(0, 1).toLowerCase() + text.slice(1)).replace(/\.$/, '');
}

function lines(...all: readonly string[]): string {
  return `${all.join('\n')}\n`;
}
