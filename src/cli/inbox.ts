import type { Command } from 'commander';
import { createEndpoint, fetchMail, type KeyPair, type MessageStore, type PeerOptions } from '../index.ts';
import { aborted, choosePeer, interruption, type KeyOptions } from './context.ts';
import { nameOf, openMessages, showMessage } from './messages.ts';
import { keysOption } from './options.ts';
import { columns, data, json, note, printable } from './output.ts';

interface InboxOptions extends KeyOptions {
  readonly from?: string;
  readonly keep?: boolean;
  readonly follow?: boolean;
  readonly json?: boolean;
}

/** A peer that keeps messages for us answers at once, or is away. */
const FETCH_TIMEOUT_MS = 2_000;

export function addInbox(program: Command): void {
  program
    .command('inbox')
    .description(
      'read what came while nobody watched; also fetches what peers with an address keep for this machine',
    )
    .option('--from <peer>', 'of that peer alone')
    .option('--keep', 'leave it unread')
    .option('-f, --follow', 'go on, with what comes, until Ctrl-C')
    .addOption(keysOption())
    .option('--json', 'one object a line')
    .action(inbox);

  program
    .command('outbox')
    .description('see what waits for peers that are away')
    .option('--discard <peer>', 'throw away what waits for that peer')
    .addOption(keysOption())
    .option('--json', 'one object a line')
    .action(outbox);
}

async function inbox(options: InboxOptions): Promise<void> {
  const stop = interruption();
  const { keyPair, peers, messages } = await openMessages(options);
  const from = options.from === undefined ? undefined : choosePeer(peers, options.from).publicKey;
  await fetchAll(keyPair, peers, messages, stop);
  const shown = new Set<string>();
  const show = async (): Promise<void> => {
    for (const message of await messages.unread(from)) {
      if (shown.has(message.id)) continue;
      shown.add(message.id);
      showMessage(nameOf(peers, message.peer), message, options.json === true);
      if (!options.keep) await messages.markRead(message);
    }
  };
  let showing = show();
  await showing;
  await tellUnreadable(messages);
  if (!options.follow) {
    if (shown.size === 0) note('Nothing new.');
    return;
  }
  await messages.watch(
    'inbox',
    () => {
      showing = showing.then(show);
    },
    stop,
  );
  await show();
  await aborted(stop);
  await showing;
}

/** What peers keep for this machine; who is away keeps it. */
async function fetchAll(
  keyPair: KeyPair,
  peers: readonly PeerOptions[],
  messages: MessageStore,
  signal: AbortSignal,
): Promise<void> {
  const askable = peers.filter(({ at }) => at !== undefined);
  if (askable.length === 0) return;
  await using endpoint = await createEndpoint({ keyPair, peers: askable, commands: [] });
  await Promise.all(
    endpoint.peers.map((peer) =>
      fetchMail(peer, messages, 0, { timeoutMs: FETCH_TIMEOUT_MS, signal }).catch(() => 0),
    ),
  );
}

async function tellUnreadable(messages: MessageStore): Promise<void> {
  const count = await messages.unreadable();
  if (count > 0)
    note(
      `${count} messages cannot be opened: they are damaged, or sealed under another key than this machine has now.`,
    );
}

async function outbox(
  options: KeyOptions & { readonly discard?: string; readonly json?: boolean },
): Promise<void> {
  const { peers, messages } = await openMessages(options);
  if (options.discard !== undefined) {
    const { name, publicKey } = choosePeer(peers, options.discard);
    const waiting = await messages.waiting(publicKey);
    for (const message of waiting) await messages.settled(message);
    note(`Threw away ${waiting.length} for "${name}".`);
    return;
  }
  const rows: [string, string][] = [];
  for (const { name, publicKey } of peers) {
    for (const { id, writtenAt, text } of await messages.waiting(publicKey)) {
      if (options.json) json({ peer: name, id, at: writtenAt, text });
      else rows.push([name, printable(text)]);
    }
  }
  if (rows.length > 0) data(columns(rows));
  else if (!options.json) note('Nothing waits.');
}
