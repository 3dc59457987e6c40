import type { Command } from 'commander';
import {
  createEndpoint,
  fetchMail,
  keepFetching,
  type MessageStore,
  type RemotePeer,
  type UdpEndpoint,
  wipePresharedKeys,
} from '../index.ts';
import { aborted, choosePeer, interruption, type KeyOptions } from './context.ts';
import { indented, nameOf, openMessages, showMessage } from './messages.ts';
import { keysOption } from './options.ts';
import { columns, data, json, note } from './output.ts';

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
    .option('--keep', 'leave it unread, as for a pipe that may not read all of it')
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
  const shown = new Set<string>();
  const show = async (): Promise<void> => {
    for (const message of await messages.unread(from)) {
      if (shown.has(message.id)) continue;
      shown.add(message.id);
      showMessage(nameOf(peers, message.peer), message, options.json === true);
      if (!options.keep) await messages.markRead(message);
    }
  };
  await show();
  const askable = peers.filter(({ at }) => at !== undefined);
  await using endpoint = await createEndpoint({ keyPair, peers: askable, commands: [] });
  wipePresharedKeys(peers);
  if (options.follow) {
    await follow(endpoint, messages, show, stop);
    return;
  }
  // Who is away keeps it.
  const fetch = (peer: RemotePeer): Promise<unknown> =>
    fetchMail(peer, messages, 0, { timeoutMs: FETCH_TIMEOUT_MS, signal: stop }).catch(() => {});
  await Promise.all(endpoint.peers.map(fetch));
  await show();
  await tellUnreadable(messages);
  if (shown.size === 0) note('Nothing new.');
}

/** Shows what comes, here or at a peer that keeps it for this machine, until the signal aborts. */
async function follow(
  endpoint: UdpEndpoint,
  messages: MessageStore,
  show: () => Promise<void>,
  stop: AbortSignal,
): Promise<void> {
  let showing = show();
  let fail: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  const onChange = (): void => {
    showing = showing.then(show);
    showing.catch(fail);
  };
  await messages.watch('inbox', onChange, stop);
  onChange();
  // Who keeps no mail for us has none.
  for (const peer of endpoint.peers) keepFetching(peer, messages, stop).catch(() => {});
  await Promise.race([aborted(stop), failed]);
  await showing;
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
    const discarded = await messages.discard(publicKey);
    if (options.json) json({ peer: name, discarded });
    note(`Threw away ${discarded} for "${name}".`);
    return;
  }
  const rows: [string, string][] = [];
  for (const { name, publicKey } of peers) {
    for (const { id, writtenAt, text } of await messages.waiting(publicKey)) {
      if (options.json) json({ peer: name, id, at: writtenAt, text });
      else rows.push([name, indented(text)]);
    }
  }
  await tellUnreadable(messages);
  if (rows.length > 0) data(columns(rows));
  else if (!options.json) note('Nothing waits.');
}
