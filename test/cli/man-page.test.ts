import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, Option } from 'commander';
import { describe, expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { manPage } from '../../src/cli/man-page.ts';
import { buildProgram } from '../../src/cli/program.ts';

const PAGE = fileURLToPath(new URL(`../../${packageJson.man}`, import.meta.url));
const runs = (file: string, ...args: string[]): boolean => {
  const { status } = spawnSync(file, args, { stdio: 'ignore' });
  return status !== null; // it was found
};
const hasMandoc = runs('mandoc', '-h');
const hasGroff = runs('groff', '--version');

function leaves(command: Command): Command[] {
  const visible = command.createHelp().visibleCommands(command);
  return command.commands
    .filter((one) => visible.includes(one))
    .flatMap((one) => (one.commands.length > 0 ? leaves(one) : [one]));
}

/** As a reader sees it, without the breaks of lines. */
function shown(page: string): string {
  const { stdout } = spawnSync('groff', ['-man', '-Tutf8', '-P-cbou', '-rLL=120n'], {
    input: page,
    encoding: 'utf8',
  });
  return stdout.replace(/\s+/g, ' ');
}

test('is what "npm run build" made of the definitions', () => {
  expect(readFileSync(PAGE, 'utf8')).toBe(manPage(buildProgram()));
});

describe.skipIf(!hasGroff)(`the man page${hasGroff ? '' : ' [skipped: no groff]'}`, () => {
  test('has every verb, with every option and what is said of it', () => {
    const page = shown(manPage(buildProgram()));
    const commands = leaves(buildProgram());
    expect(commands.length).toBeGreaterThan(12);
    for (const command of commands) {
      const help = command.createHelp();
      expect(page).toContain(help.commandUsage(command).slice('udp-tool '.length));
      for (const option of help.visibleOptions(command).filter(({ long }) => long !== '--help')) {
        expect(page).toContain(help.optionTerm(option));
        expect(page).toContain(help.optionDescription(option).replace(/\s+/g, ' '));
      }
    }
    expect(page).not.toContain('complete [');
  });

  test('tells the examples, exit codes, files and variables', () => {
    const page = shown(manPage(buildProgram()));
    for (const text of [
      'udp-tool send time',
      '130 interrupted',
      'secret.key',
      'UDP_TOOL_KEYS',
      packageJson.version,
    ])
      expect(page).toContain(text);
  });

  test('shows text as it is, whatever roff would make of it', () => {
    const program = new Command('odd').description('.SH Not a heading').version('1');
    const said = `'quoted' .dots \\fBnot bold\\fR -- "and" 50% \\(co \\n(.x`;
    program
      .command('verb')
      .description(".TH it isn't a request")
      .addOption(new Option('--long-option', said));
    const page = shown(manPage(program));
    expect(page).toContain(said);
    expect(page).toContain('odd - .SH Not a heading');
    expect(page).toContain(".TH it isn't a request");
  });

  test('is roff without a warning', () => {
    const { status, stderr } = spawnSync('groff', ['-man', '-ww', '-z', PAGE], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});

test.skipIf(!hasMandoc)(`mandoc finds no fault${hasMandoc ? '' : ' [skipped: no mandoc]'}`, () => {
  const { stdout } = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning', PAGE], { encoding: 'utf8' });
  // A date would change the file with every build.
  expect(stdout.split('\n').filter((line) => line !== '' && !line.includes('missing date'))).toEqual([]);
});
