import { text as readText } from 'node:stream/consumers';
import type { Command } from 'commander';
import {
  ask,
  type CborValue,
  deliver,
  type KeyPair,
  type Message,
  type MessageStore,
  type PeerOptions,
  UdpToolError,
} from '../index.ts';
import { Asking } from './asking.ts';
import { interruption, type KeyOptions } from './context.ts';
import { chooseCorrespondent, kept, keptUntilFetched, openMessages } from './messages.ts';
import { keysOption, timeoutOption } from './options.ts';
import { json, note } from './output.ts';

interface MsgOptions extends KeyOptions {
  readonly to?: string;
  readonly timeout: number;
  readonly json?: boolean;
}

export function addMsg(program: Command): void {
  program
    .command('msg [text...]')
    .description('send a message, once; it is kept and delivered later where the peer is away')
    .option('--to <peer>', 'which peer; the only one, or the only one with an address, if not given')
    .addOption(timeoutOption('how long to wait until the peer has it'))
    .addOption(keysOption())
    .option('--json', 'one object')
    .addHelpText('after', '\nWithout a text, or with "-", what comes on stdin is the message.')
    .action(msg);
}

async function msg(words: string[], options: MsgOptions): Promise<void> {
  const signal = interruption();
  const { keyPair, peers, messages } = await openMessages(options);
  const peer = chooseCorrespondent(peers, options.to);
  const message = await messages.queue(peer.publicKey, await textOf(words));
  const late = AbortSignal.any([signal, AbortSignal.timeout(options.timeout)]);
  if (peer.at !== undefined) await bring(keyPair, peer, messages, options, signal);
  else if (!(await isFetched(messages, message, late))) {
    throw keptUntilFetched(signal.aborted ? 'aborted' : 'no-answer', peer.name);
  }
  if (options.json) json({ ok: true, peer: peer.name, id: message.id });
  else note(`"${peer.name}" has it.`);
}

async function textOf(words: readonly string[]): Promise<string> {
  if (words.length > 0 && !(words.length === 1 && words[0] === '-')) return words.join(' ');
  if (process.stdin.isTTY) note('Type the message; Ctrl-D on a line of its own sends it, Ctrl-C does not.');
  return (await readText(process.stdin)).replace(/^\ufeff/, '').replace(/\r?\n$/, '');
}

/** Brings it what waits for it, this message last. */
async function bring(
  keyPair: KeyPair,
  chosen: PeerOptions,
  messages: MessageStore,
  { timeout }: MsgOptions,
  signal: AbortSignal,
): Promise<void> {
  await using asking = await Asking.of(keyPair, chosen);
  const { peer } = asking;
  const correspondent = {
    name: peer.name,
    publicKey: peer.publicKey,
    request: (command: string, args: readonly CborValue[] = []) =>
      ask({ peer, command, args, timeoutMs: timeout, signal }),
  };
  try {
    await deliver(correspondent, messages, {});
  } catch (error) {
    throw asking.failure(error, (cause) => kept(cause, peer.name));
  }
}

/**
 * Whether the peer came for it, by way of a `serve` or `chat` that runs here, before the signal aborts.
 * @throws UdpToolError `aborted` where it was thrown away meanwhile
 */
async function isFetched(messages: MessageStore, message: Message, late: AbortSignal): Promise<boolean> {
  const settled = async (): Promise<'gone' | 'discarded' | undefined> => {
    const fate = await messages.fate(message);
    return fate === 'waiting' ? undefined : fate;
  };
  const fate = await messages.waitFor('outbox', settled, late);
  if (fate === 'discarded')
    throw new UdpToolError('aborted', 'The message was thrown away before it was fetched.');
  return fate === 'gone';
}
