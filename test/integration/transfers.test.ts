/** Files between two real endpoints, as a program that shows them sees it from both sides. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  offersOf,
  pushOffer,
  Receiver,
  Shelf,
  serveFiles,
  Transfer,
  Uploads,
  WatchedOffers,
} from '../../src/index.ts';
import { portOf, startClient, startServer } from '../support/endpoints.ts';
import { patterned, plant } from '../support/files.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';

const CONTENT = patterned(3_000_000);
const now = (): number => performance.now();

test('what is fetched and what is pushed is seen on both sides', async () => {
  await using folder = await TemporaryFolder.make();
  const [source, fetched, pushed] = ['source', 'fetched', 'pushed'].map((name) =>
    join(folder.path, name),
  ) as [string, string, string];
  await plant(source, { 'photos/one': CONTENT, 'photos/two': 'small' });
  await mkdir(fetched);
  await mkdir(pushed);
  const stop = new AbortController();
  await using server = await startServer([]);
  await using client = await startClient(portOf(server));

  const shelf = await Shelf.open({ stateDir: join(folder.path, 'state') });
  await shelf.watch(source);
  const uploads = new Uploads(now);
  const receiver = new Receiver({ into: pushed, decide: async () => true, signal: stop.signal, now });
  const offers = [new WatchedOffers(shelf, stop.signal)];
  serveFiles(server, { offers, receiver, onServed: uploads.onServed });

  const peer = client.peer('server');
  const [offer] = await offersOf(peer, { timeoutMs: 5_000 });
  if (offer === undefined) throw new Error('nothing is offered');
  const transfer = new Transfer({ offer, into: fetched, conflict: 'fail', holders: () => [peer], now });
  await transfer.start();
  expect([transfer.error, transfer.state, transfer.path]).toEqual([null, 'done', join(fetched, 'photos')]);
  expect((await readFile(join(fetched, 'photos', 'one'))).equals(CONTENT)).toBe(true);
  expect(transfer.sources).toMatchObject([{ name: 'server', loss: null }]);
  const [upload] = uploads.list();
  expect([upload?.peer.name, upload?.offer]).toEqual(['client', offer]);
  expect(upload?.servedBytes).toBeGreaterThanOrEqual(offer.size);

  const own = await Shelf.open({ stateDir: join(folder.path, 'own') });
  const sent = (await own.add(join(fetched, 'photos'))).offer;
  serveFiles(client, { offers: [own] });
  await pushOffer(peer, sent, { signal: stop.signal, now });
  expect(receiver.pushes).toMatchObject([
    { state: 'done', doneBytes: sent.size, path: join(pushed, 'photos'), error: null },
  ]);
  expect(receiver.pushes[0]?.peer.name).toBe('client');
  stop.abort();
  await shelf.close();
  await own.close();
});
