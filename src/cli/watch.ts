import type { Command } from 'commander';
import { jsonSafe, type WatchEvent } from '../index.ts';
import { Asking } from './asking.ts';
import { interruption, type KeyOptions } from './context.ts';
import { renderAnswer } from './help-table.ts';
import { count, interval, keysOption, timeoutOption, toOption } from './options.ts';
import { data, json, note, printable } from './output.ts';

interface WatchCliOptions extends KeyOptions {
  readonly to?: string;
  readonly every?: number;
  readonly count?: number;
  readonly timeout: number;
  readonly json?: boolean;
}

export function addWatch(program: Command): void {
  program
    .command('watch <command> [args...]')
    .description('have a peer send every new value of a command, until Ctrl-C')
    .option(
      '--every <interval>',
      'how often it is run, 500ms, 5s or 10m; a command of many values decides itself',
      interval,
    )
    .option('--count <number>', 'end after so many values', count)
    .addOption(toOption())
    .addOption(timeoutOption('how long to wait for the first answer'))
    .addOption(keysOption())
    .option('--json', 'one object a line: value, error, gap, silence')
    .action(watch);
}

async function watch(command: string, args: string[], options: WatchCliOptions): Promise<void> {
  const signal = interruption();
  await using asking = await Asking.choose(options, options.to);
  const { peer } = asking;
  let count = 0;
  try {
    const events = peer.watch(command, args, {
      timeoutMs: options.timeout,
      signal,
      ...(options.every !== undefined && { everyMs: options.every }),
    });
    for await (const event of events) {
      if (options.json) json({ event: event.type, ...jsonFields(event) });
      else tell(command, event);
      if (event.type === 'value' && ++count === options.count) return;
    }
  } catch (error) {
    // To be stopped is how most watches end.
    if (signal.aborted && count > 0) return;
    throw asking.failure(error);
  }
}

function jsonFields(event: WatchEvent): Record<string, unknown> {
  switch (event.type) {
    case 'value':
      return { value: jsonSafe(event.value) };
    case 'error':
      return { error: event.error };
    case 'gap':
      return { missed: event.missed ?? null };
    case 'silence':
      return {};
  }
}

function tell(command: string, event: WatchEvent): void {
  switch (event.type) {
    case 'value':
      data(renderAnswer(command, event.value));
      break;
    case 'error':
      note(`(failed this time: ${printable(event.error.message)})`);
      break;
    case 'gap':
      note(
        event.missed === undefined
          ? '(values are missing here, nobody knows how many)'
          : `(${event.missed} missing here)`,
      );
      break;
    case 'silence':
      note('(nothing is heard; still asking)');
  }
}
