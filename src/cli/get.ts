/** `get`: fetches what peers offer, from all who have it at once. */
import { mkdir, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import {
  type Conflict,
  chooseOffer,
  Download,
  type FetchEnd,
  type Found,
  fetchPieces,
  gather,
  holdersOf,
  type Offer,
  type RemotePeer,
  type SourceLoss,
  toHex,
  UdpToolError,
} from '../index.ts';
import { interruption, type KeyOptions } from './context.ts';
import { FileAsking } from './file-asking.ts';
import { getToStdout } from './get-to-stdout.ts';
import { collected, keysOption, lanOption, rate, timeoutOption } from './options.ts';
import { data, json, note } from './output.ts';
import { ProgressLine, size } from './progress.ts';

export interface GetOptions extends KeyOptions {
  readonly from: readonly string[];
  readonly output?: string;
  readonly conflict: Conflict;
  readonly limit?: number;
  readonly timeout: number;
  readonly lan: boolean;
  readonly json?: boolean;
}

/** What is fetched, and of whom. */
export interface Chosen {
  readonly offer: Offer;
  readonly peers: readonly RemotePeer[];
}

export function addGet(program: Command): void {
  program
    .command('get <name-or-id>')
    .description('fetch a file or folder that peers offer; it goes on where it stopped before')
    .option(
      '--from <peer>',
      'of this peer alone; may be repeated; of all who have it if not given',
      collected,
      [],
    )
    .option('-o, --output <path>', 'a folder, or another name; "-" for stdout')
    .addOption(
      new Option('--conflict <how>', 'where the name is taken')
        .choices(['fail', 'skip', 'overwrite', 'rename'])
        .default('fail'),
    )
    .addOption(new Option('--limit <rate>', 'at most so much a second: 500k, 10M').argParser(rate))
    .addOption(timeoutOption('how long to wait for a first answer'))
    .addOption(lanOption())
    .addOption(keysOption())
    .option('--json', 'one object a line')
    .action(get);
}

async function get(nameOrId: string, options: GetOptions): Promise<void> {
  const signal = interruption();
  await using asking = await FileAsking.open(options, options.from);
  const chosen = await find(asking, nameOrId, options, signal);
  if (options.output === '-') await getToStdout(chosen, options, signal);
  else await getToDisk(chosen, options, signal);
}

async function find(
  asking: FileAsking,
  nameOrId: string,
  { timeout }: GetOptions,
  signal: AbortSignal,
): Promise<Chosen> {
  const isMeant = ({ name, id }: Offer): boolean => name === nameOrId || toHex(id).startsWith(nameOrId);
  const { offers, errors } = await asking.lists(timeout, signal, (list) => list.some(isMeant));
  const [error] = errors.values();
  if (offers.size === 0 && error !== undefined) throw error;
  const { offer }: Found = chooseOffer(gather(offers), nameOrId);
  return { offer, peers: holdersOf(offers, offer) };
}

async function getToDisk(chosen: Chosen, options: GetOptions, signal: AbortSignal): Promise<void> {
  const { offer } = chosen;
  const { into, name } = await placeFor(offer, options.output);
  const download = await Download.open({
    offer,
    into,
    conflict: options.conflict,
    ...(name !== undefined && { name }),
  });
  let path: string | null = null;
  try {
    const progress = new ProgressLine(offer.name, options.json === true);
    const end = await fetchAll(
      chosen,
      download,
      () => download.progress.doneBytes,
      progress,
      options,
      signal,
    );
    const took = progress.end(offer.size);
    if (end !== 'complete') throw unfinished(end, chosen);
    path = await download.finish();
    tellDone(chosen, path, took, options);
  } finally {
    if (path === null) await download.suspend();
  }
}

/** Fetches and tells how far it is. */
export async function fetchAll(
  { offer, peers }: Chosen,
  sink: Parameters<typeof fetchPieces>[0]['sink'],
  doneBytes: () => number,
  progress: ProgressLine,
  options: GetOptions,
  signal: AbortSignal,
): Promise<FetchEnd> {
  const busy = new Set<string>();
  const losses: SourceLoss[] = [];
  const end = await fetchPieces({
    sink,
    givers: peers,
    signal,
    now: () => performance.now(),
    ...(options.limit !== undefined && { limit: options.limit }),
    onBytes: (name) => {
      busy.add(name);
      progress.update({ doneBytes: doneBytes(), totalBytes: offer.size, sources: [...busy] });
    },
    onLoss: (name, loss) => {
      busy.delete(name);
      losses.push(loss);
      tellLoss(name, loss, options);
    },
  });
  if (end === 'no-source' && losses.every((loss) => loss === 'wrong')) {
    throw new UdpToolError('integrity', `What was sent as "${offer.name}" is not what was offered.`, {
      hint: 'Nothing of it was kept. Somebody may have changed it there: ask whom it is from.',
    });
  }
  return end;
}

function tellLoss(name: string, loss: SourceLoss, { json: isJson }: GetOptions): void {
  if (isJson) json({ event: 'source-lost', peer: name, reason: loss });
  else note(`"${name}" ${LOSSES[loss]}; it is asked no more.`);
}

const LOSSES: Record<SourceLoss, string> = {
  wrong: 'sent what is not what it offered',
  changed: 'says that the file changed there',
  gone: 'offers it no more',
};

export function unfinished(end: Exclude<FetchEnd, 'complete'>, { offer }: Chosen): UdpToolError {
  const hint = 'What has come stays: run the same command again, and it goes on where it stopped.';
  switch (end) {
    case 'aborted':
      return new UdpToolError('aborted', `Stopped before "${offer.name}" was complete.`, { hint });
    case 'no-source':
      return new UdpToolError('not-offered', `Nobody offers "${offer.name}" any more.`, { hint });
    case 'silence':
      return new UdpToolError('no-answer', `Nobody who has "${offer.name}" answers any more.`, { hint });
  }
}

function tellDone(
  { offer, peers }: Chosen,
  path: string,
  { ms, bytesPerSecond }: { ms: number; bytesPerSecond: number },
  options: GetOptions,
): void {
  const id = toHex(offer.id);
  const from = peers.map(({ name }) => name);
  if (options.json) {
    json({
      event: 'done',
      ok: true,
      path,
      size: offer.size,
      id,
      ms: Math.round(ms),
      bytesPerSecond,
      sources: from,
    });
    return;
  }
  data(path);
  note(
    `${size(offer.size)} from ${from.join(', ')} in ${(ms / 1000).toFixed(1)} s, ${size(bytesPerSecond)}/s, verified`,
  );
}

/** `-o` names a folder that is there, or the thing itself. */
async function placeFor(offer: Offer, output: string | undefined): Promise<{ into: string; name?: string }> {
  if (output === undefined) return { into: '.' };
  const isFolder = await stat(output).then(
    (found) => found.isDirectory(),
    () => output.endsWith('/'),
  );
  if (isFolder) {
    await mkdir(output, { recursive: true });
    return { into: output };
  }
  void offer;
  const path = resolve(output);
  return { into: dirname(path), name: basename(path) };
}
