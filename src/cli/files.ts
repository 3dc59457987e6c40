/** `files`: what peers offer. */
import type { Command } from 'commander';
import { gather } from '../index.ts';
import { interruption, type KeyOptions } from './context.ts';
import { EXIT } from './exit-code.ts';
import { FileAsking } from './file-asking.ts';
import { offerAsJson, summary } from './offers.ts';
import { keysOption, lanOption, timeoutOption } from './options.ts';
import { data, json, note, printable } from './output.ts';

interface FilesOptions extends KeyOptions {
  readonly timeout: number;
  readonly lan: boolean;
  readonly json?: boolean;
}

export function addFiles(program: Command): void {
  program
    .command('files [peer]')
    .description('list what peers offer: id, size, name, and who has it')
    .addOption(timeoutOption('how long to wait for an answer'))
    .addOption(lanOption())
    .addOption(keysOption())
    .option('--json', 'one object')
    .action(files);
}

async function files(peer: string | undefined, options: FilesOptions): Promise<void> {
  const signal = interruption();
  await using asking = await FileAsking.open(options, peer === undefined ? [] : [peer]);
  const { offers, errors } = await asking.lists(options.timeout, signal);
  const [error] = errors.values();
  if (offers.size === 0 && error !== undefined && errors.size === 1) throw error;
  if (offers.size === 0) process.exitCode = EXIT.NO_ANSWER;
  const found = gather(offers);
  if (options.json) {
    json({
      ok: offers.size > 0,
      files: found.map(({ offer, peers }) => ({
        ...offerAsJson(offer),
        peers: peers.map(({ name }) => name),
      })),
      errors: [...errors].map(([{ name }, error]) => ({ peer: name, error })),
    });
    return;
  }
  for (const { offer, peers } of found)
    data(`${summary(offer)}  ${peers.map(({ name }) => name).join(', ')}`);
  for (const error of errors.values()) note(printable(error.message));
  if (found.length === 0 && offers.size > 0) {
    const names = [...offers.keys()].map(({ name }) => `"${name}"`);
    note(`Nothing is offered to this machine by ${names.join(', ')}.`);
  }
}
