/** The verbs, and what `--help` tells of them; the man page and the completion are made from the same definitions. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { addChat } from './chat.ts';
import { addCompletion } from './completion.ts';
import { addDemo } from './demo.ts';
import { addDoctor } from './doctor.ts';
import { EXIT_MEANINGS } from './exit-code.ts';
import { addFiles } from './files.ts';
import { addGet } from './get.ts';
import { addGui } from './gui.ts';
import { addInbox } from './inbox.ts';
import { addKeygen } from './keygen.ts';
import { examplesForHelp } from './manual.ts';
import { addMsg } from './msg.ts';
import { note } from './output.ts';
import { addPair } from './pair.ts';
import { addPeer } from './peer.ts';
import { addPeers } from './peers.ts';
import { addPing } from './ping.ts';
import { addPush } from './push.ts';
import { addSend } from './send.ts';
import { addServe } from './serve.ts';
import { addService } from './service.ts';
import { addShare } from './share.ts';
import { addShell } from './shell.ts';
import { addWatch } from './watch.ts';

const VERBS = [
  addKeygen,
  addPair,
  addPeer,
  addPeers,
  addServe,
  addService,
  addSend,
  addWatch,
  addMsg,
  addChat,
  addInbox,
  addShare,
  addFiles,
  addGet,
  addPush,
  addGui,
  addShell,
  addPing,
  addDoctor,
  addDemo,
  addCompletion,
];

const EPILOGUE = `
Examples:
${examplesForHelp()}

Exit codes: ${EXIT_MEANINGS.map(([code, meaning]) => `${code} ${meaning}`).join(', ')}.`;

export function buildProgram(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const program = new Command('udp-tool')
    .description('Encrypted UDP between the machines you own.')
    .version(version)
    .addHelpText('after', EPILOGUE)
    .showHelpAfterError('(see what there is with --help)')
    .configureOutput({ writeErr: (text) => note(text.trimEnd()) })
    .exitOverride();
  for (const add of VERBS) add(program);
  return program;
}
