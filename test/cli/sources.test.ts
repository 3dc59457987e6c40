/** A real `get` from peers of which some are slow, wrong or hostile; the peers are endpoints of this process. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createEndpoint, type Offer, Shelf, type UdpEndpoint } from '../../src/index.ts';
import { encodeOffers, readQuestion } from '../../src/sharing/offer-list.ts';
import { encodeTrusted } from '../../src/wire/cbor.ts';
import { Lab, LOOPBACK, type Machine } from '../support/cli.ts';
import { patterned } from '../support/files.ts';

const lines = (text: string): Record<string, unknown>[] =>
  text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));

type Change = (bytes: Uint8Array, n: number) => Promise<Uint8Array | null> | Uint8Array | null;

/** A peer that offers one file, and does something with each chunk of it: null refuses it. */
class Giver implements AsyncDisposable {
  readonly offer: Offer;
  chunks = 0;
  readonly #shelf: Shelf;
  readonly #endpoint: UdpEndpoint;

  private constructor(shelf: Shelf, endpoint: UdpEndpoint, offer: Offer) {
    this.#shelf = shelf;
    this.#endpoint = endpoint;
    this.offer = offer;
  }

  static async open(machine: Machine, taker: Machine, content: Uint8Array, change: Change): Promise<Giver> {
    const shelf = await Shelf.open({ stateDir: machine.keys });
    const { offer } = await shelf.add(await machine.file('big.bin', content));
    await machine.trust(taker);
    const endpoint = await createEndpoint({
      keyPair: await machine.store.loadKeyPair(),
      peers: await machine.store.loadPeers(),
      ip: LOOPBACK,
    });
    await taker.trust(machine, endpoint.addresses[0]?.port);
    const giver = new Giver(shelf, endpoint, offer);
    endpoint.serveStreams(async ({ subject, answer, refuse }) => {
      const asked = readQuestion(subject);
      if (asked?.kind === 'offers') answer(encodeOffers([offer]));
      if (asked?.kind !== 'piece') return;
      const bytes = await shelf.read('anybody', asked.piece);
      if (bytes === null) throw new Error('it asks for what is not there');
      const given = asked.piece.kind === 'node' ? bytes : await change(bytes, giver.chunks++);
      if (given === null) refuse('unknown');
      else answer(given);
    });
    return giver;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#endpoint.close();
    await this.#shelf.close();
  }
}

async function machines(...names: string[]) {
  const lab = await Lab.open();
  const mac = await lab.machine('mac');
  const others: Machine[] = [];
  for (const name of names) others.push(await lab.machine(name));
  return { lab, mac, others: others as [Machine, ...Machine[]] };
}

test('three peers, one slow, one wrong, one that leaves: the file is whole, and they are named', async () => {
  const { lab, mac, others } = await machines('slow', 'wrong', 'leaver');
  await using _lab = lab;
  const [slow, wrong, leaver] = others as [Machine, Machine, Machine];
  const content = patterned(12_000_000, 3);
  await using slowOne = await Giver.open(slow, mac, content, async (bytes) => {
    await sleep(100);
    return bytes;
  });
  await using _wrong = await Giver.open(wrong, mac, content, (bytes, n) => (n < 3 ? bytes : bytes.fill(7)));
  await using _leaver = await Giver.open(leaver, mac, content, (bytes, n) => (n < 20 ? bytes : null));
  const { code, stdout } = await mac.run('get --no-lan --json big.bin');
  expect(code).toBe(0);
  const events = lines(stdout);
  const lost = events
    .filter(({ event }) => event === 'source-lost')
    .map(({ peer, reason }) => [peer, reason]);
  expect(lost.sort()).toEqual([
    ['leaver', 'gone'],
    ['wrong', 'wrong'],
  ]);
  expect((await readFile(join(mac.home, 'big.bin'))).equals(content)).toBe(true);
  expect(slowOne.chunks).toBeGreaterThan(50);
});

describe.concurrent('hostile peers', () => {
  test('one that sends something else: exit code 6, and no file', async () => {
    const { lab, mac, others } = await machines('wrong');
    await using _lab = lab;
    await using _wrong = await Giver.open(others[0], mac, patterned(2_000_000), (bytes) => bytes.fill(1));
    const { code, stdout } = await mac.run('get --no-lan --json big.bin');
    expect([code, lines(stdout).at(-1)]).toMatchObject([6, { error: { code: 'integrity' } }]);
    expect(await readdir(mac.home)).not.toContain('big.bin');
  });

  test('offers that no honest peer makes are not seen, others are', async () => {
    const { lab, mac, others } = await machines('evil');
    await using _lab = lab;
    const id = new Uint8Array(32);
    const offers = [
      ['../evil', 5, 1, id, 0, false],
      ['/tmp/evil', 5, 1, id, 0, false],
      ['a\x1b[2J', 5, 1, id, 0, false],
      ['short-id', 5, 1, new Uint8Array(31), 0, false],
      ['negative', -5, 1, id, 0, false],
      ['no-detail', 5, 1, id, 0],
      'no offer',
      ['good', 5, 1, id, 0, false],
    ];
    await using _endpoint = await lying(others[0], mac, offers);
    const { files } = JSON.parse((await mac.run('files --no-lan --json')).stdout);
    expect(files.map(({ name }: { name: string }) => name)).toEqual(['good']);
  });

  test.each([
    ['a size that lies', ['big', 1e15, 1, new Uint8Array(32).fill(9), 0, false]],
    [
      'a folder whose manifest has a billion chunks',
      ['big', 1e15, 1e9, new Uint8Array(32).fill(9), 0, 2 ** 47],
    ],
  ])('%s: nothing is reserved for it', async (_what, offer) => {
    const { lab, mac, others } = await machines('evil');
    await using _lab = lab;
    await using _endpoint = await lying(others[0], mac, [offer]);
    const { code, stdout } = await mac.run('get --no-lan --json big');
    expect(code).not.toBe(0);
    expect(lines(stdout).at(-1)).toMatchObject({ ok: false });
    expect((await readdir(mac.home)).filter((name) => name === 'big')).toEqual([]);
  });
});

/** A peer that offers these, and answers everything else with a megabyte of nothing. */
async function lying(machine: Machine, taker: Machine, offers: readonly unknown[]): Promise<UdpEndpoint> {
  await machine.trust(taker);
  const endpoint = await createEndpoint({
    keyPair: await machine.store.loadKeyPair(),
    peers: await machine.store.loadPeers(),
    ip: LOOPBACK,
  });
  endpoint.serveStreams(({ subject: [kind], answer }) =>
    answer(kind === 'offers' ? encodeTrusted(offers as never) : new Uint8Array(1_000_000)),
  );
  await taker.trust(machine, endpoint.addresses[0]?.port);
  return endpoint;
}
