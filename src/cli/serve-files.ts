/** What `serve` does with files: offers those of a folder, and takes those that peers push. */
import { Option } from 'commander';
import {
  type KeyStore,
  makeFilesFolder,
  type Offer,
  type Pushed,
  Receiver,
  type RemotePeer,
  Shelf,
  type ShelfNews,
  serveFiles,
  type UdpEndpoint,
  UdpToolError,
  WatchedOffers,
} from '../index.ts';
import { hashFolder } from './context.ts';
import { listing, offerAsJson } from './offers.ts';
import { collected } from './options.ts';
import { note, printable } from './output.ts';
import { Person } from './person.ts';
import { size } from './progress.ts';
import type { ServeReport } from './serve-report.ts';

export interface ServeFilesOptions {
  readonly share: readonly string[];
  readonly inbox?: string;
  readonly accept: readonly string[];
  readonly json?: boolean;
}

export function shareOption(): Option {
  const description = 'a folder, of which each thing is offered to every peer; may be repeated';
  return new Option('--share <dir>', description).argParser(collected).default([], 'none');
}

export function inboxOption(): Option {
  return new Option('--inbox <dir>', 'where to put what peers push; nothing is taken if not given');
}

export function acceptOption(): Option {
  const description =
    'take what this peer pushes, or "all", without asking; may be repeated; others are asked about on a terminal, and refused elsewhere';
  return new Option('--accept <peer>', description).argParser(collected).default([], 'nobody');
}

const EVERYBODY = 'all';

export class ServedFiles implements AsyncDisposable {
  readonly #shelf: Shelf | undefined;
  readonly #person: Person | undefined;

  private constructor(shelf: Shelf | undefined, person: Person | undefined) {
    this.#shelf = shelf;
    this.#person = person;
  }

  static async begin(
    endpoint: UdpEndpoint,
    store: KeyStore,
    { share, inbox, accept, json }: ServeFilesOptions,
    report: ServeReport,
    stop: AbortSignal,
  ): Promise<ServedFiles> {
    if (inbox === undefined && accept.length > 0) {
      throw new UdpToolError('bad-usage', '--accept says whose files are taken, and not where they go.', {
        hint: 'Add --inbox FOLDER.',
      });
    }
    for (const name of accept) if (name !== EVERYBODY) endpoint.peer(name); // which has to be there
    const shelf = share.length > 0 ? await shelfOf(store, share, report) : undefined;
    const person = inbox !== undefined && process.stdin.isTTY && !json ? new Person() : undefined;
    const receiver =
      inbox === undefined ? undefined : await receiverFor(inbox, new Set(accept), person, report, stop);
    if (shelf !== undefined || receiver !== undefined) {
      serveFiles(endpoint, {
        offers: shelf === undefined ? [] : [new WatchedOffers(shelf, stop)],
        ...(receiver && { receiver }),
      });
    }
    return new ServedFiles(shelf, person);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#person?.leave();
    await this.#shelf?.close();
  }
}

async function shelfOf(store: KeyStore, folders: readonly string[], report: ServeReport): Promise<Shelf> {
  const shelf = await Shelf.open({
    stateDir: hashFolder(store),
    onNews: (news) => report.files(...told(news)),
  });
  for (const folder of folders) await shelf.watch(folder);
  return shelf;
}

function told(news: ShelfNews): [Readonly<Record<string, unknown>>, string] {
  const path = printable(news.path);
  switch (news.kind) {
    case 'offered':
      return [
        { event: 'offered', path: news.path, ...offerAsJson(news.offer) },
        `Offered: ${path} (${size(news.offer.size)})`,
      ];
    case 'withdrawn':
      return [{ event: 'withdrawn', path: news.path }, `Offered no more: ${path} is not what it was.`];
    case 'skipped':
      return [
        { event: 'skipped', path: news.path, reason: news.reason },
        `Not offered: ${path} (${printable(news.reason)})`,
      ];
  }
}

async function receiverFor(
  inbox: string,
  accepted: ReadonlySet<string>,
  person: Person | undefined,
  report: ServeReport,
  stop: AbortSignal,
): Promise<Receiver> {
  await makeFilesFolder(inbox);
  // One question after the other.
  let asking: Promise<unknown> = Promise.resolve();
  const tell = (event: string, peer: RemotePeer, offer: Offer, text: string, more = {}): void =>
    report.files({ event, peer: peer.name, ...offerAsJson(offer), ...more }, text);
  const isAccepted = ({ name }: RemotePeer): boolean => accepted.has(name) || accepted.has(EVERYBODY);
  return new Receiver({
    into: inbox,
    signal: stop,
    now: () => performance.now(),
    refuses(peer, offer) {
      if (person !== undefined || isAccepted(peer)) return false;
      const text = `Refused: ${printable(offer.name)} of "${peer.name}"; --accept ${peer.name} takes it.`;
      tell('push-refused', peer, offer, text);
      return true;
    },
    accepts: isAccepted,
    async decide(pushed, signal) {
      if (person === undefined) return false;
      const answer = asking.then(() => isWanted(person, pushed, inbox, signal));
      asking = answer.catch(() => {});
      return answer;
    },
    onDone: (peer, offer, path) =>
      tell(
        'received',
        peer,
        offer,
        `Received from "${peer.name}": ${printable(path)} (${size(offer.size)})`,
        { path },
      ),
    onFailed: (peer, offer, error) =>
      tell(
        'receive-failed',
        peer,
        offer,
        `${printable(offer.name)} of "${peer.name}" did not arrive: ${printable(error.message)}`,
        {
          error,
        },
      ),
  });
}

/** Shows what would be written, and asks. */
async function isWanted(
  person: Person,
  { peer, offer, entries, hasMore }: Pushed,
  inbox: string,
  signal: AbortSignal,
): Promise<boolean> {
  if (signal.aborted) return false;
  const name = printable(offer.name);
  const day = new Date(offer.mtimeMs).toISOString().slice(0, 10);
  const what =
    offer.kind === 'file' ? size(offer.size) : `a folder, ${offer.files} files, ${size(offer.size)}`;
  note(`"${peer.name}" wants to put ${name} (${what}, of ${day}) into ${printable(inbox)}:`);
  for await (const line of listing(name, entries, hasMore)) note(line);
  if (offer.kind === 'file' && offer.isExecutable) note('  It is marked as executable.');
  return person.saysYes('Take it? [y/N] ', signal);
}
