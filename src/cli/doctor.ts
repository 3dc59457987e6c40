import type { Command } from 'commander';
import { type Diagnosis, type ErrorCode, examine, type Finding } from '../index.ts';
import { interruption, type KeyOptions, openKeyStore } from './context.ts';
import { exitCode } from './exit-code.ts';
import { listed } from './explain.ts';
import { keysOption, timeoutOption, toOption } from './options.ts';
import { data, forData, json, printable } from './output.ts';

interface DoctorOptions extends KeyOptions {
  readonly to?: string;
  readonly timeout: number;
  readonly json?: boolean;
}

export function addDoctor(program: Command): void {
  program
    .command('doctor [peer]')
    .description('find out why a peer does not answer; every peer with an address if none is named')
    .addOption(toOption())
    .addOption(timeoutOption('how long to wait for each peer'))
    .addOption(keysOption())
    .option('--json', 'one object a line: each finding, and for each peer a diagnosis')
    .action(doctor);
}

async function doctor(
  named: string | undefined,
  { keys, to, timeout, json: asJson }: DoctorOptions,
): Promise<void> {
  const peer = named ?? to;
  const signal = interruption();
  const store = await openKeyStore(keys === undefined ? {} : { keys });
  let error: ErrorCode | undefined;
  const items = examine({ store, timeoutMs: timeout, signal, ...(peer !== undefined && { peer }) });
  for await (const item of items) {
    if ('diagnosis' in item) error ??= item.error;
    if (asJson) json(item);
    else if ('diagnosis' in item) tellDiagnosis(item);
    else tellFinding(item);
  }
  if (error !== undefined) process.exitCode = exitCode(error);
}

function tellFinding({ check, status, result, fix }: Finding): void {
  const left = `${status.padEnd(7)}  ${check.replaceAll('-', ' ').padEnd(15)}  `;
  const line = `${left}${printable(result)}`;
  data(status === 'failed' ? forData.bold(line) : status === 'skipped' ? forData.dim(line) : line);
  if (fix !== undefined) data(`${' '.repeat(left.length)}${printable(fix)}`);
}

function tellDiagnosis({ peer, error, diagnosis }: Diagnosis): void {
  data('');
  if (error === undefined) {
    data(peer === undefined ? 'Nothing is wrong here.' : `"${peer}" answers.`);
  } else {
    data('What it can be, the likeliest first, each with what checks it:');
    for (const line of listed(diagnosis)) data(printable(line));
  }
}
