#!/usr/bin/env node
/** Reads the command line. The only place that decides the exit code. */
import { CommanderError } from 'commander';
import { UdpToolError, withoutSecretKeys } from '../index.ts';
import { EXIT, exitCode } from './exit-code.ts';
import { CommandFailure } from './failure.ts';
import { failure, note } from './output.ts';
import { buildProgram } from './program.ts';

/** Tells what went wrong; returns the exit code. */
function report(error: unknown): number {
  const json = process.argv.includes('--json');
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.DONE;
    const message = error.message.replace(/^error: /, '');
    if (json)
      failure(new UdpToolError('bad-usage', message, { hint: 'See what there is with --help.' }), { json });
    return EXIT.USAGE; // to people commander has said it
  }
  if (error instanceof CommandFailure) {
    failure(error.error, { json, details: error.details });
    return exitCode(error.error.code);
  }
  if (error instanceof UdpToolError) {
    failure(error, { json });
    return exitCode(error.code);
  }
  note(`udp-tool: a defect of udp-tool: ${error instanceof Error ? error.stack : String(error)}`);
  return EXIT.FAILED;
}

/** Nothing takes one as an argument, and some of what there is would send it to a peer. */
function refuseSecretKeys(argv: readonly string[]): void {
  if (argv.every((argument) => withoutSecretKeys(argument) === argument)) return;
  throw new UdpToolError('bad-key', 'That is a SECRET key, and it was not used: no argument wants one.', {
    hint: "It stands in your shell's history now, and others may have seen it among the processes: make a new one, in another folder or once this one is moved away.",
  });
}

/** A reader that has seen enough, as in `udp-tool send help | head -1`, is no failure; nor is a terminal that was closed. */
let isReaderGone = false;
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (!('code' in error) || (error.code !== 'EPIPE' && error.code !== 'EIO')) {
      // What is said beside goes on without, as where the disk of a log is full.
      if (stream === process.stderr) return;
      // As when stdout is a file on such a disk.
      note(`udp-tool: Cannot write what was asked for: ${error.message}`);
      process.exit(EXIT.FAILED);
    }
    // What goes on and on ends as it does at Ctrl-C.
    if (!isReaderGone && stream === process.stdout) process.emit('SIGINT');
    isReaderGone = true;
  });
}

try {
  refuseSecretKeys(process.argv);
  await buildProgram().parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
if (isReaderGone && process.exitCode === EXIT.INTERRUPTED) process.exitCode = EXIT.DONE;
// A name that is still being looked up would hold the process for as long as the resolver likes.
process.stdout.write('', () => process.exit());
