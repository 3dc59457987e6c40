import { createRequire } from 'node:module';
import { networkInterfaces } from 'node:os';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createEndpoint,
  generateKeyPair,
  type KeyPair,
  LanDiscovery,
  type UdpEndpoint,
} from '../../src/index.ts';
import { encodeAnnouncement, parseAnnouncement, SERVICE } from '../../src/lan/announcement.ts';
import { type DnsPacket, type DnsRecord, type Mdns, mayConcernUs } from '../../src/lan/mdns.ts';
import { filteredSocket } from '../../src/transport/filtered-socket.ts';
import { until } from '../support/endpoints.ts';

const { encode, decode } = createRequire(createRequire(import.meta.url).resolve('multicast-dns'))(
  'dns-packet',
) as {
  encode(packet: object): Buffer;
  decode(bytes: Buffer): DnsPacket;
};

/** What is sent goes to all; as bytes, so that it is what the wire makes of it. */
class Bus {
  readonly sent: Buffer[] = [];
  readonly #hosts: {
    ip: string;
    query: (packet: DnsPacket) => void;
    response: (packet: DnsPacket, from: string) => void;
  }[] = [];

  open(ip: string): Mdns {
    const host = { ip, query: (_: DnsPacket) => {}, response: (_: DnsPacket, _from: string) => {} };
    this.#hosts.push(host);
    const send = (type: 'query' | 'response', packet: object): void => {
      const bytes = encode({ type, ...packet });
      this.sent.push(bytes);
      for (const other of this.#hosts) other[type](decode(bytes), ip);
    };
    return {
      onQuery: (listener) => void (host.query = listener),
      onResponse: (listener) => void (host.response = listener),
      onError: () => {},
      ask: (question) => send('query', { questions: [question] }),
      respond: (answers) => send('response', { answers }),
      close: async () => {},
    };
  }
}

function endpointOf(keyPair: KeyPair, ...peers: KeyPair[]): Promise<UdpEndpoint> {
  return createEndpoint({
    keyPair,
    peers: peers.map(({ publicKey }, i) => ({ name: `peer${i}`, publicKey })),
  });
}

const hasNetwork = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ internal, family }) => !internal && family === 'IPv4'),
);

describe('an announcement', () => {
  test('is read as it was written, whatever its number of tags', () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 65_535 }),
        bytes(16),
        fc.array(bytes(8), { maxLength: 64 }),
        (port, nonce, tags) => {
          const packet = decode(
            encode({ type: 'response', answers: encodeAnnouncement({ port, nonce, tags }) }),
          );
          expect(parseAnnouncement(packet)).toEqual({ port, nonce, tags });
        },
      ),
    );
  });

  test('that is none is none', () => {
    const name = `x.${SERVICE}`;
    const srv = (data: unknown): DnsRecord => ({ type: 'SRV', name, data });
    const txt = (data: unknown): DnsRecord => ({ type: 'TXT', name, data });
    const nonce = Buffer.concat([Buffer.from('n='), Buffer.alloc(16)]);
    expect(parseAnnouncement({ answers: [srv({ port: 9 }), txt([nonce])] })).not.toBeNull();
    for (const answers of [
      [],
      [txt([nonce])],
      [srv({ port: 0 }), txt([nonce])],
      [srv({ port: 9 })],
      [srv(null), txt([nonce])],
      [srv({ port: 9 }), txt([nonce.subarray(1)])],
      [srv({ port: 9 }), txt('n=0123456789abcdef')],
      [srv({ port: 9 }), txt(undefined)],
    ])
      expect(parseAnnouncement({ answers })).toBeNull();
  });
});

describe.skipIf(!hasNetwork)('in a local network', () => {
  test('peers recognise each other, and nobody else does', async () => {
    const [pi, mac, stranger] = [generateKeyPair(), generateKeyPair(), generateKeyPair()];
    await using onPi = await endpointOf(pi, mac);
    await using onMac = await endpointOf(mac, pi, stranger);
    await using onStranger = await endpointOf(stranger, pi, mac);
    const bus = new Bus();
    const open = async (ip: string): Promise<Mdns> => bus.open(ip);
    const found: string[] = [];
    for (const [who, endpoint] of Object.entries({ mac: onMac, stranger: onStranger })) {
      for (const peer of endpoint.peers)
        peer.suggest = (_, [at]) => void found.push(`${who}: ${peer.name} ${at?.port}`);
    }
    const onTrouble = (text: string): void => expect.fail(text);
    await using _announced = await LanDiscovery.start({ endpoint: onPi, announces: true, onTrouble, open });
    await using _looking = await LanDiscovery.start({ endpoint: onMac, announces: false, onTrouble, open });
    await using _other = await LanDiscovery.start({
      endpoint: onStranger,
      announces: false,
      onTrouble,
      open,
    });
    await until('it is found', () => found.length > 0);
    const answers = bus.sent
      .map((bytes) => decode(bytes))
      .map(parseAnnouncement)
      .filter((one) => one !== null);
    expect(new Set(answers.map(({ tags }) => String(tags))).size).toBe(1);
    const port = onPi.addresses[0]?.port;
    expect(new Set(found)).toEqual(new Set([`mac: peer0 ${port}`]));

    const all = Buffer.concat(bus.sent).toString('latin1');
    const { hostname } = await import('node:os');
    expect(all).not.toContain(hostname());
    expect(all).not.toContain(Buffer.from(pi.publicKey.bytes).toString('latin1'));
  });

  test('an announcement that somebody repeats from elsewhere leads nowhere', async () => {
    const [pi, mac] = [generateKeyPair(), generateKeyPair()];
    await using onPi = await endpointOf(pi, mac);
    await using onMac = await endpointOf(mac, pi);
    const nonce = new Uint8Array(16).fill(3);
    const answers = encodeAnnouncement({ port: 99, nonce, tags: onPi.announcedTags(nonce) });
    const found: string[] = [];
    for (const peer of onMac.peers) peer.suggest = (_, [at]) => void found.push(at?.ip ?? '');
    const heard = new Map<string, Parameters<Mdns['onResponse']>[0]>();
    const open = async (ip: string): Promise<Mdns> => ({
      ...new Bus().open(ip),
      onResponse: (listener) => void heard.set(ip, listener),
    });
    const onTrouble = (text: string): void => expect.fail(text);
    await using _looking = await LanDiscovery.start({ endpoint: onMac, announces: false, onTrouble, open });
    const [[ip, listener] = ['', () => expect.fail('no interface')]] = heard;
    for (const from of ['203.0.113.9', '8.8.8.8', ip]) listener({ answers }, from);
    expect(found).toEqual([ip]);
  });

  test('the number of tags says little, and another announcement has others', async () => {
    const [own, ...others] = Array.from({ length: 12 }, () => generateKeyPair());
    await using endpoint = await endpointOf(own as KeyPair, ...others);
    const [one, again, another] = [1, 1, 2].map((byte) =>
      endpoint.announcedTags(new Uint8Array(16).fill(byte)),
    );
    expect(one).toHaveLength(16);
    const texts = (tags: Uint8Array[] = []) => tags.map(String);
    expect(texts(one)).toEqual([...texts(one)].sort((a, b) => compare(a, b)));
    const common = texts(one).filter((tag) => texts(again).includes(tag));
    expect(common).toHaveLength(11); // the others are random
    expect(texts(another).some((tag) => texts(one).includes(tag))).toBe(false);
  });
});

function compare(a: string, b: string): number {
  const [x, y] = [a, b].map((text) => Buffer.from(text.split(',').map(Number)));
  return Buffer.compare(x as Buffer, y as Buffer);
}

describe('what is decoded at all', () => {
  test('our questions, and announcements of any length', () => {
    expect(mayConcernUs(encode({ type: 'query', questions: [{ name: SERVICE, type: 'PTR' }] }))).toBe(true);
    const tags = Array.from({ length: 64 }, () => new Uint8Array(8));
    const answers = encodeAnnouncement({ port: 1, nonce: new Uint8Array(16), tags });
    expect(mayConcernUs(encode({ type: 'response', answers }))).toBe(true);
  });

  test('not what costs too much, or is of others', () => {
    const others = { name: '_http._tcp.local', type: 'PTR' };
    expect(mayConcernUs(encode({ type: 'query', questions: [others] }))).toBe(false);
    const name = `${'a.'.repeat(110)}${SERVICE}`;
    for (const count of [33, 200, 10_000])
      expect(
        mayConcernUs(encode({ type: 'query', questions: Array(count).fill({ name, type: 'PTR' }) })),
      ).toBe(false);
    expect(mayConcernUs(new Uint8Array(11))).toBe(false);
  });

  test('and nothing else gets through its socket', async () => {
    const socket = filteredSocket(mayConcernUs);
    const heard: number[] = [];
    socket.on('message', ({ length }) => heard.push(length));
    await new Promise<void>((done) => socket.bind(0, '127.0.0.1', done));
    const { port } = socket.address();
    const query = encode({ type: 'query', questions: [{ name: SERVICE, type: 'PTR' }] });
    for (const datagram of [new Uint8Array(500), query]) socket.send(datagram, port, '127.0.0.1');
    await until('it is heard', () => heard.length > 0);
    expect(heard).toEqual([query.length]);
    socket.close();
  });
});
