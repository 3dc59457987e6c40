/** Transfers that pause, go on, fail and are taken back, from shelves of this process. */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CHUNK_BYTES } from '../../src/files/content-tree.ts';
import type { Offer } from '../../src/files/offer.ts';
import { Shelf } from '../../src/files/shelf.ts';
import type { Giver } from '../../src/sharing/fetch.ts';
import { readQuestion } from '../../src/sharing/offer-list.ts';
import { Transfer, type TransferOptions } from '../../src/sharing/transfer.ts';
import type { StreamResult } from '../../src/streams/asked-stream.ts';
import { patterned, plant } from '../support/files.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';

const CHUNKS = 12;
const CONTENT = patterned(CHUNKS * CHUNK_BYTES);

/** Gives what the shelf has, so many chunks at most; what is beyond never comes. */
class Holder implements Giver {
  readonly name: string;
  chunks = 0;
  readonly #shelf: Shelf;
  readonly #limit: number;
  readonly #onDry: () => void;

  constructor(name: string, shelf: Shelf, limit = Number.POSITIVE_INFINITY, onDry = () => {}) {
    this.name = name;
    this.#shelf = shelf;
    this.#limit = limit;
    this.#onDry = onDry;
  }

  async ask({ subject, signal, onBytes }: Parameters<Giver['ask']>[0]): Promise<StreamResult> {
    const asked = readQuestion(subject);
    if (asked?.kind !== 'piece') throw new Error('not asked for a piece');
    if (asked.piece.kind === 'chunk' && this.chunks >= this.#limit) {
      this.#onDry();
      return new Promise((done) =>
        signal.addEventListener('abort', () => done({ ok: false, reason: 'lost' }), { once: true }),
      );
    }
    if (asked.piece.kind === 'chunk') this.chunks++;
    const bytes = await this.#shelf.read('anybody', asked.piece);
    if (bytes === null) return { ok: false, reason: 'refused', code: 'unknown' };
    onBytes(bytes.length);
    return { ok: true, bytes };
  }
}

async function set(folder: string): Promise<{ shelf: Shelf; offer: Offer; into: string }> {
  const into = join(folder, 'into');
  await mkdir(into);
  await plant(join(folder, 'source'), { file: CONTENT });
  const shelf = await Shelf.open({ stateDir: join(folder, 'state') });
  const { offer } = await shelf.add(join(folder, 'source', 'file'));
  return { shelf, offer, into };
}

function transferOf(
  options: Pick<TransferOptions, 'offer' | 'into' | 'holders'> & Partial<TransferOptions>,
): { transfer: Transfer; states: string[] } {
  const states: string[] = [];
  const onChange = ({ state }: Transfer): void => {
    if (states.at(-1) !== state) states.push(state);
  };
  const now = (): number => performance.now();
  return { transfer: new Transfer({ conflict: 'fail', now, onChange, ...options }), states };
}

/** Has it begun, of a holder that gives so many chunks and then nothing, until that is dry. */
async function begun(
  { shelf, offer, into }: Awaited<ReturnType<typeof set>>,
  chunks: number,
): Promise<{ transfer: Transfer; states: string[]; after: Holder }> {
  const after = new Holder('b', shelf);
  let holder: Giver = after;
  const dry = new Promise<void>((done) => {
    holder = new Holder('a', shelf, chunks, done);
  });
  const { transfer, states } = transferOf({ offer, into, holders: () => [holder] });
  void transfer.start();
  await dry;
  await expect.poll(() => transfer.progress.doneBytes).toBe(chunks * CHUNK_BYTES);
  holder = after;
  return { transfer, states, after };
}

test('what is paused goes on with what is on the disk, of those who have it then', async () => {
  await using folder = await TemporaryFolder.make();
  const made = await set(folder.path);
  const { transfer, states, after } = await begun(made, 5);
  expect(transfer.sources).toMatchObject([{ name: 'a', loss: null }]);
  expect(transfer.sources[0]?.bytesPerSecond).toBeGreaterThan(0);
  await transfer.pause();
  expect(transfer.progress).toEqual({ doneBytes: 5 * CHUNK_BYTES, totalBytes: CONTENT.length });
  await transfer.resume();
  expect(states).toEqual(['hashing', 'running', 'paused', 'hashing', 'running', 'done']);
  expect(after.chunks).toBe(CHUNKS - 5);
  expect(transfer.path).toBe(join(made.into, 'file'));
  expect((await readFile(join(made.into, 'file'))).equals(CONTENT)).toBe(true);
  expect(await readdir(made.into)).toEqual(['file']);
  await transfer.cancel(); // what is done stays
  expect([transfer.state, await readdir(made.into)]).toEqual(['done', ['file']]);
  await made.shelf.close();
});

test('another transfer of the same offer goes on where the first stopped', async () => {
  await using folder = await TemporaryFolder.make();
  const made = await set(folder.path);
  await (await begun(made, 7)).transfer.pause();
  const holder = new Holder('c', made.shelf);
  const { transfer } = transferOf({ ...made, holders: () => [holder] });
  await transfer.start();
  expect([transfer.state, holder.chunks]).toEqual(['done', CHUNKS - 7]);
  await made.shelf.close();
});

test('pause and resume in one breath are one after the other', async () => {
  await using folder = await TemporaryFolder.make();
  const made = await set(folder.path);
  const { transfer } = await begun(made, 3);
  void transfer.pause();
  await transfer.resume();
  expect([transfer.error, transfer.state]).toEqual([null, 'done']);
  await made.shelf.close();
});

test('what is cancelled leaves nothing, and does not begin again', async () => {
  await using folder = await TemporaryFolder.make();
  const made = await set(folder.path);
  const { transfer, states } = await begun(made, 5);
  expect(await readdir(made.into)).toHaveLength(1);
  await transfer.cancel();
  expect(await readdir(made.into)).toEqual([]);
  await transfer.start();
  expect(states.at(-1)).toBe('cancelled');
  expect(transfer.progress.doneBytes).toBe(0);
  // Also of a try of which only the disk knows.
  await (await begun(made, 5)).transfer.pause();
  const second = transferOf({ ...made, holders: () => [] }).transfer;
  await second.cancel();
  expect([second.state, await readdir(made.into)]).toEqual(['cancelled', []]);
  await made.shelf.close();
});

test('silence fails it, and it can go on', async () => {
  await using folder = await TemporaryFolder.make();
  const made = await set(folder.path);
  let holders: Giver[] = [new Holder('silent', made.shelf, 2)];
  const { transfer } = transferOf({ ...made, holders: () => holders, patienceMs: 300 });
  await transfer.start();
  expect([transfer.state, transfer.error?.code]).toEqual(['failed', 'no-answer']);
  holders = [new Holder('b', made.shelf)];
  await transfer.resume();
  expect([transfer.state, transfer.error]).toEqual(['done', null]);
  await made.shelf.close();
});

test('it says who has it no more, who sends what is wrong, and that nobody is left', async () => {
  await using folder = await TemporaryFolder.make();
  const made = await set(folder.path);
  const gone: Giver = { name: 'gone', ask: async () => ({ ok: false, reason: 'refused', code: 'unknown' }) };
  const wrong: Giver = {
    name: 'wrong',
    ask: async ({ maxBytes }) => ({ ok: true, bytes: new Uint8Array(maxBytes) }),
  };
  let holders: Giver[] = [gone, wrong];
  const { transfer } = transferOf({ ...made, holders: () => holders });
  await transfer.start();
  expect([transfer.state, transfer.error?.code]).toEqual(['failed', 'not-offered']);
  expect(transfer.sources.map(({ name, loss }) => [name, loss])).toEqual([
    ['gone', 'gone'],
    ['wrong', 'wrong'],
  ]);
  holders = [wrong];
  await transfer.resume();
  expect(transfer.error?.code).toBe('integrity');
  holders = [];
  await transfer.resume();
  expect(transfer.error?.code).toBe('not-offered');
  await made.shelf.close();
});

test('a name that is taken fails it, with nothing asked of anybody', async () => {
  await using folder = await TemporaryFolder.make();
  const made = await set(folder.path);
  await plant(made.into, { file: 'mine' });
  const holder = new Holder('a', made.shelf);
  const { transfer } = transferOf({ ...made, holders: () => [holder] });
  await transfer.start();
  expect([transfer.state, transfer.error?.code, holder.chunks]).toEqual(['failed', 'exists', 0]);
  await made.shelf.close();
});
