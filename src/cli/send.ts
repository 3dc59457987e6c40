import type { Command } from 'commander';
import { ask, jsonSafe } from '../index.ts';
import { Asking } from './asking.ts';
import { interruption, type KeyOptions } from './context.ts';
import { renderAnswer } from './help-table.ts';
import { keysOption, timeoutOption, toOption } from './options.ts';
import { data, json } from './output.ts';

interface SendOptions extends KeyOptions {
  readonly to?: string;
  readonly timeout: number;
  readonly json?: boolean;
}

export function addSend(program: Command): void {
  program
    .command('send <command> [args...]')
    .description('ask a peer once: time, lucky 1 6, help, or what else it offers')
    .addOption(toOption())
    .addOption(timeoutOption('how long to wait'))
    .addOption(keysOption())
    .option('--json', 'one object')
    .action(send);
}

async function send(command: string, args: string[], options: SendOptions): Promise<void> {
  const signal = interruption();
  await using asking = await Asking.choose(options, options.to);
  const { peer } = asking;
  try {
    const answer = await ask({ peer, command, args, timeoutMs: options.timeout, signal });
    if (options.json) {
      json({
        ok: true,
        peer: peer.name,
        value: jsonSafe(answer.value),
        roundTripMs: round(answer.roundTripMs),
      });
    } else {
      data(renderAnswer(command, answer.value));
    }
  } catch (error) {
    throw asking.failure(error);
  }
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
