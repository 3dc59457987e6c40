#!/usr/bin/env node
/** Reads the command line. The only place that decides the exit code. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { UdpToolError } from '../index.ts';
import { addChat } from './chat.ts';
import { addDemo } from './demo.ts';
import { addDoctor } from './doctor.ts';
import { EXIT, exitCode } from './exit-code.ts';
import { CommandFailure } from './failure.ts';
import { addInbox } from './inbox.ts';
import { addKeygen } from './keygen.ts';
import { addMsg } from './msg.ts';
import { failure, note } from './output.ts';
import { addPair } from './pair.ts';
import { addPeer } from './peer.ts';
import { addPing } from './ping.ts';
import { addSend } from './send.ts';
import { addServe } from './serve.ts';
import { addShell } from './shell.ts';
import { addWatch } from './watch.ts';

const EXAMPLES = `
Examples:
  udp-tool pair                                         on the Pi, once: the two trust each other, without typing keys
  udp-tool pair 192.168.2.3                             on the Mac, meanwhile
  udp-tool keygen                                       or, on each machine, once
  udp-tool peer add mac udp1…                           on the Pi: trust the Mac
  udp-tool serve                                        on the Pi: answer
  udp-tool peer add pi udp1… --at 192.168.2.3:9999      on the Mac: trust the Pi
  udp-tool send time                                    on the Mac: ask

Exit codes: 0 done, 1 failed, 2 usage, 3 refused by the other side, 4 no answer in time, 5 key or trust problem,
130 interrupted.`;

function buildProgram(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const program = new Command('udp-tool')
    .description('Encrypted UDP between the machines you own.')
    .version(version)
    .addHelpText('after', EXAMPLES)
    .showHelpAfterError('(see what there is with --help)')
    .configureOutput({ writeErr: (text) => note(text.trimEnd()) })
    .exitOverride();
  for (const add of [
    addKeygen,
    addPair,
    addPeer,
    addServe,
    addSend,
    addWatch,
    addMsg,
    addChat,
    addInbox,
    addShell,
    addPing,
    addDoctor,
    addDemo,
  ])
    add(program);
  return program;
}

/** Tells what went wrong; returns the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.DONE : EXIT.USAGE;
  const json = process.argv.includes('--json');
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

// A reader that has seen enough, as in `udp-tool send help | head -1`, is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (!('code' in error) || error.code !== 'EPIPE') throw error;
  });
}

try {
  await buildProgram().parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
// A name that is still being looked up would hold the process for as long as the resolver likes.
process.stdout.write('', () => process.exit());
