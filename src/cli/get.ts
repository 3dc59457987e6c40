/** `get`: fetches what peers offer, from all who have it at once. */
import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import {
  type Conflict,
  chooseOffer,
  Download,
  gather,
  holdersOf,
  makeFilesFolder,
  type Offer,
  StreamDownload,
  toHex,
  UdpToolError,
} from '../index.ts';
import { interruption, type KeyOptions } from './context.ts';
import { type Chosen, type Fetched, type FetchingOptions, fetchChosen } from './fetching.ts';
import { FileAsking } from './file-asking.ts';
import { keysOption, lanOption, rate, severalPeers, timeoutOption } from './options.ts';
import { data, json, note, toStdout } from './output.ts';
import { size } from './progress.ts';

interface GetOptions extends KeyOptions, FetchingOptions {
  readonly from: readonly string[];
  readonly output?: string;
  readonly conflict: Conflict;
  readonly timeout: number;
  readonly lan: boolean;
}

export function addGet(program: Command): void {
  program
    .command('get <name-or-id>')
    .description('fetch a file or folder that peers offer; it goes on where it stopped before')
    .addOption(
      severalPeers('--from <peer>', 'of this peer alone; may be repeated; of all who have it if not given'),
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
  const isStream = options.output === '-';
  if (isStream && options.json)
    throw new UdpToolError('bad-usage', 'Stdout cannot have both the file and --json.');
  const signal = interruption();
  await using asking = await FileAsking.open(options, options.from);
  const chosen = await find(asking, nameOrId, options, signal);
  if (isStream) await getToStdout(chosen, options, signal);
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
  const { offer } = chooseOffer(gather(offers), nameOrId);
  return { offer, peers: holdersOf(offers, offer) };
}

async function getToDisk(chosen: Chosen, options: GetOptions, signal: AbortSignal): Promise<void> {
  const { offer } = chosen;
  const { into, name } = await placeFor(options.output);
  let download: Download;
  try {
    download = await Download.open({
      offer,
      into,
      conflict: options.conflict,
      ...(name !== undefined && { name }),
    });
  } catch (error) {
    if (!(error instanceof UdpToolError) || error.code !== 'exists' || options.conflict !== 'skip')
      throw error;
    if (options.json) json({ event: 'skipped', ok: true, name: name ?? offer.name });
    else note(`${error.message} It stays as it is.`);
    return;
  }
  try {
    const fetched = await fetchChosen(chosen, download, options, signal);
    const path = await download.finish();
    if (!options.json) data(path);
    tellDone(chosen, path, fetched, options);
  } catch (error) {
    await download.giveUp(error);
    throw error;
  }
}

async function getToStdout(chosen: Chosen, options: GetOptions, signal: AbortSignal): Promise<void> {
  const gone = new AbortController();
  const download = new StreamDownload(chosen.offer, (bytes) => toStdout(bytes, () => gone.abort()));
  const fetched = await fetchChosen(chosen, download, options, AbortSignal.any([signal, gone.signal]));
  tellDone(chosen, '-', fetched, options);
}

function tellDone(
  { offer, peers }: Chosen,
  path: string,
  { receivedBytes, ms }: Fetched,
  options: GetOptions,
): void {
  const sources = peers.map(({ name }) => name);
  const bytesPerSecond = Math.round((receivedBytes * 1000) / ms);
  if (options.json) {
    const { size: bytes, id } = offer;
    json({
      event: 'done',
      ok: true,
      path,
      size: bytes,
      id: toHex(id),
      receivedBytes,
      ms: Math.round(ms),
      bytesPerSecond,
      sources,
    });
    return;
  }
  const took = `${(ms / 1000).toFixed(1)} s, ${size(bytesPerSecond)}/s`;
  const now = receivedBytes < 0.9 * offer.size ? `, ${size(receivedBytes)} of it now,` : '';
  note(`${size(offer.size)}${now} from ${sources.join(', ')} in ${took}, verified`);
}

/** `-o` names a folder that is there or ends with a slash, or the thing itself. */
async function placeFor(output: string | undefined): Promise<{ into: string; name?: string }> {
  if (output === undefined) return { into: '.' };
  const isFolder = await stat(output).then(
    (found) => found.isDirectory(),
    () => output.endsWith('/'),
  );
  if (!isFolder) return { into: dirname(resolve(output)), name: basename(output) };
  await makeFilesFolder(output);
  return { into: output };
}
