import { type Command, Option } from 'commander';
import { type Ping, type PingSummary, pingPeer, type UdpToolError } from '../index.ts';
import { Asking } from './asking.ts';
import { interruption, type KeyOptions } from './context.ts';
import { EXIT, exitCode } from './exit-code.ts';
import { count, interval, keysOption, timeoutOption, toOption } from './options.ts';
import { data, json, printable } from './output.ts';

interface PingVerbOptions extends KeyOptions {
  readonly to?: string;
  readonly count: number;
  readonly interval: number;
  readonly timeout: number;
  readonly json?: boolean;
}

export function addPing(program: Command): void {
  program
    .command('ping [peer]')
    .description('measure round trips to a peer, and what gets lost')
    .option('-c, --count <number>', 'how many', count, 5)
    .addOption(
      new Option('-i, --interval <interval>', 'from the start of one to that of the next, 50ms or 2s')
        .argParser(interval)
        .default(1_000, '1s'),
    )
    .addOption(toOption())
    .addOption(timeoutOption('how long to wait for each'))
    .addOption(keysOption())
    .option('--json', 'one object a line: each ping, and a summary')
    .action(ping);
}

async function ping(named: string | undefined, options: PingVerbOptions): Promise<void> {
  const signal = interruption();
  await using asking = await Asking.choose(options, named ?? options.to, 'udp-tool ping NAME');
  const { peer } = asking;
  const { count, interval: intervalMs, timeout: timeoutMs } = options;
  let answered = 0;
  let error: UdpToolError | undefined;
  for await (const item of pingPeer(peer, { count, intervalMs, timeoutMs, signal })) {
    if ('sent' in item) {
      answered = item.answered;
      if (options.json) json({ summary: item });
      else tellSummary(item);
    } else {
      error = item.error;
      if (options.json) json({ ok: item.roundTripMs !== null, ...item });
      else tellPing(item);
    }
  }
  if (answered > 0) return;
  if (error === undefined) process.exitCode = EXIT.INTERRUPTED;
  else if (options.json) process.exitCode = exitCode(error.code);
  else throw asking.failure(error);
}

function tellPing({ number, large, roundTripMs, tries, error }: Ping): void {
  const left = (large ? 'large' : String(number)).padEnd(5);
  if (roundTripMs === null) data(`${left}  ${printable(error?.message ?? '')}`);
  else data(`${left}  ${roundTripMs.toFixed(2)} ms${tries > 1 ? `, at try ${tries}` : ''}`);
}

function tellSummary({ sent, answered, lost, roundTripMs, jitterMs, largestDatagram }: PingSummary): void {
  data(`\nsent ${sent}, answered ${answered}; datagrams lost ${lost}`);
  if (roundTripMs !== null) {
    const { min, median, max } = roundTripMs;
    const told = `min ${min.toFixed(2)}, median ${median.toFixed(2)}, max ${max.toFixed(2)} ms`;
    data(`round trip  ${told}, of those answered at the first try`);
  }
  if (jitterMs !== null) {
    const meaning = 'the mean difference of successive round trips (much as in RFC 3550, but not smoothed)';
    data(`jitter  ${jitterMs.toFixed(2)} ms, ${meaning}`);
  }
  if (largestDatagram !== null) {
    const { sent: there, received: back } = largestDatagram;
    data(`largest datagrams that came through  ${there} bytes there, ${back} back: those of the handshake`);
  }
}
