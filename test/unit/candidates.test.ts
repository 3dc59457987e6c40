import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { type Completed, candidates, type Given, type Values } from '../../src/cli/candidates.ts';
import { buildProgram } from '../../src/cli/program.ts';

const program = buildProgram();

const values: Values = async (name, given) => {
  if (name === 'peer')
    return ['mac', 'pi'].map((value) => ({ value, summary: `with ${JSON.stringify([...given])}` }));
  if (name === 'command') return [{ value: `of-${given.get('to')}`, summary: '' }];
  return name === 'dir' || name === 'file' ? name : null;
};

async function complete(...words: string[]): Promise<string[] | string> {
  return valuesIn(await candidates(program, words, values));
}

function valuesIn(found: Completed): string[] | string {
  return typeof found === 'string' ? found : found.map(({ value }) => value);
}

function everyCommand(of: Command, path: string[] = []): [Command, string[]][] {
  return of.commands
    .filter((one) => of.createHelp().visibleCommands(of).includes(one))
    .flatMap((one) => [
      [one, [...path, one.name()]] as [Command, string[]],
      ...everyCommand(one, [...path, one.name()]),
    ]);
}

describe('candidates', () => {
  test('of every verb are its subcommands, and after a dash its options, as --help shows them', async () => {
    const commands = everyCommand(program);
    expect(commands.length).toBeGreaterThan(15);
    for (const [command, path] of commands) {
      const help = command.createHelp();
      expect(await complete(...path, '--')).toEqual(help.visibleOptions(command).map(({ long }) => long));
      if (command.commands.length > 0) {
        expect(await complete(...path, '')).toEqual(help.visibleCommands(command).map((one) => one.name()));
      }
    }
  });

  test('of the first word are the verbs, without those that no help shows', async () => {
    expect(await complete('se')).toEqual(['serve', 'service', 'send']);
    expect(await complete('compl')).toEqual(['completion']);
    expect(await complete()).toContain('keygen');
  });

  test('of values come from what they are called in the definitions', async () => {
    expect(await complete('send', '--to', '')).toEqual(['mac', 'pi']);
    expect(await complete('send', '--to', 'p')).toEqual(['pi']);
    expect(await complete('peer', 'show', 'm')).toEqual(['mac']);
    expect(await complete('peer', 'pause', '')).toEqual(['mac', 'pi']);
    expect(await complete('peer', 'add', '')).toEqual([]);
    expect(await complete('serve', '--keys', '')).toBe('dir');
    expect(await complete('serve', '--commands', '')).toBe('file');
    expect(await complete('serve', '--port', '')).toEqual([]);
    expect(await complete('completion', '')).toEqual(['bash', 'zsh', 'fish']);
  });

  test('know what was given before, in both ways of writing it', async () => {
    expect(await complete('send', '--to', 'pi', '')).toEqual(['of-pi']);
    expect(await complete('send', '--to=pi', 'of')).toEqual(['of-pi']);
    const found = await candidates(program, ['send', '--keys=a=b', '--to', ''], values);
    expect(found).toContainEqual({ value: 'pi', summary: 'with [["keys","a=b"]]' });
  });

  test('behind an equals sign have the option before them', async () => {
    expect(await complete('send', '--to=')).toEqual(['--to=mac', '--to=pi']);
    expect(await complete('send', '--to=p')).toEqual(['--to=pi']);
    expect(await complete('serve', '--keys=x')).toBe('dir');
    expect(await complete('send', '--nonsense=')).toEqual([]);
  });

  test('end where the arguments end, and skip options without a value', async () => {
    expect(await complete('send', '--json', 'time', '')).toEqual([]);
    expect(await complete('peer', 'show', 'pi', '')).toEqual([]);
    expect(await complete('peer', 'allow', 'pi', 'a', 'b', '')).toEqual([]);
    expect(await complete('serve', '-v', '--w')).toEqual(['--workers']);
    expect(await complete('send', '--', '-')).toEqual([]);
  });

  test('of "help" are the verbs', async () => {
    expect(await complete('help', 'ke')).toEqual(['keygen']);
    expect(await complete('peer', 'help', 'ad')).toEqual(['add']);
  });

  test('are none for what there is not', async () => {
    const nothing: (name: string, given: Given) => Promise<null> = async () => null;
    expect(await candidates(program, ['send', '--to', ''], nothing)).toEqual([]);
    expect(await complete('frobnicate', '')).toEqual([]);
    expect(await complete('peer', 'frobnicate', '')).toEqual([]);
  });
});
