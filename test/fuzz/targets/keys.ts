/** Key texts, names, addresses and the peer book: what people write, and what pairing brings. */
import { isAllZero } from '../../../src/bytes.ts';
import { keyPairFromSecret, PublicKey, SecretKey } from '../../../src/crypto/keys.ts';
import { type PeerEntry, parseBook, withoutTable, withTable } from '../../../src/peer-book.ts';
import { isPeerName } from '../../../src/peer-name.ts';
import { parseHostPort } from '../../../src/transport/resolve.ts';
import { check, refusal, same, type Target } from '../target.ts';

const text = (word: string): Uint8Array => Uint8Array.from(Buffer.from(word));
const secretOf = (byte: number): SecretKey => SecretKey.fromBytes(new Uint8Array(32).fill(byte));
const keyOf = (byte: number): PublicKey => keyPairFromSecret(secretOf(byte)).publicKey;

export const keys: Target = {
  name: 'keys',
  seeds: () => [
    text(keyOf(1).toString()),
    text(` ${keyOf(2).toString().toUpperCase()}\n`),
    text(secretOf(3).exportText()),
    keyOf(4).bytes.slice(),
    new Uint8Array(32),
    text('udp1'),
  ],
  words: () => [text('udp1'), text('UDP-SECRET-KEY-1'), new Uint8Array(32), text('1')],
  maxBytes: 256,
  work: { base: 2_000, perByte: 100 },
  memory: { base: 8 * 1024, perByte: 16 },
  run(input) {
    const written = Buffer.from(input).toString();
    const error = refusal(() => {
      const key = PublicKey.parse(written);
      check(key.toString() === written.trim().toLowerCase(), 'a key has two texts');
      expectKey(key);
    }, 'bad-key');
    if (error !== null) expectQuiet(error.message, written);
    const secretError = refusal(() => {
      const key = SecretKey.parse(written);
      check(key.exportText() === written.trim().toUpperCase(), 'a secret key has two texts');
      check(!isAllZero(key.expose()), 'a secret key is zero');
      check(![String(key), JSON.stringify(key)].some((shown) => shown.includes('1')), 'a secret key shows');
    }, 'bad-key');
    if (secretError !== null) expectQuiet(secretError.message, written);
    refusal(() => expectKey(PublicKey.fromBytes(input)), 'bad-key');
  },
};

function expectKey(key: PublicKey): void {
  // One point has one key: below 2^255 − 19 (RFC 7748 §5).
  const number = BigInt(`0x${Buffer.from(key.bytes).reverse().toString('hex')}`);
  check(number < 2n ** 255n - 19n && number > 1n, 'a key is not written as keys are');
  same(PublicKey.parse(key.toString()).bytes, key.bytes, 'a key is another one after its text');
}

/** Half a secret key is a secret, too. */
function expectQuiet(message: string, written: string): void {
  const data = written.trim().slice(written.trim().lastIndexOf('1') + 1);
  check(data.length < 8 || !message.includes(data.slice(-8)), 'an error tells the text of a key');
}

const BOOK = `# mine
[pi]
key = "${keyOf(1)}"
at = "192.168.2.3:9999"
allow = ["time", "temp"]

# the one upstairs
["attic"]
key = '${keyOf(2)}'
at = "[fe80::1%eth0]:9999"
psk = "psk"
deny = []
paused = true
`;

export const peerBook: Target = {
  name: 'peer-book',
  seeds: () => [
    text(''),
    text(BOOK),
    text(`pi = { key = "${keyOf(1)}", at = "pi.local" }\n`),
    text(`pi.key = """\n${keyOf(1)}"""`),
  ],
  words: () =>
    [
      ...[
        '[pi]',
        '["attic"]',
        '[ attic ]',
        '[[pi]]',
        '\n',
        '\r\n',
        '#',
        '"""',
        "'''",
        ' = ',
        '{',
        '}',
        '[',
        ']',
        ',',
        '\\',
      ],
      ...[
        'key',
        'at',
        'psk',
        'allow',
        'deny',
        'paused',
        'true',
        '"*"',
        '1979-05-27T07:32:00Z',
        '__proto__',
        '\\u0000',
        '."',
      ],
      ...[keyOf(1), keyOf(2), keyOf(3)].map(String),
      ...[1, 2, 3].map((byte) => `\n[x${byte}]\nkey = "${keyOf(byte)}"\n`),
    ].map(text),
  work: { base: 5_000, perByte: 300 },
  memory: { base: 32 * 1024, perByte: 256 },
  run(input) {
    const written = Buffer.from(input).toString();
    let entries: PeerEntry[] | null = null;
    refusal(() => {
      entries = parseBook(written, 'peers.toml');
    }, 'bad-peer-book');
    if (entries !== null) expectBook(written, entries);
  },
};

function expectBook(written: string, entries: readonly PeerEntry[]): void {
  const names = new Set<string>();
  for (const { name, publicKey, at } of entries) {
    check(isPeerName(name) && !names.has(name), `a name is none, or stands twice: ${name}`);
    names.add(name);
    check(entries.filter((other) => other.publicKey.equals(publicKey)).length === 1, 'a key stands twice');
    if (at !== undefined) parseHostPort(at);
  }
  const stranger: PeerEntry = {
    name: 'new-one',
    publicKey: keyOf(99),
    at: 'pi.local',
    allow: ['*'],
    paused: true,
  };
  if (names.has(stranger.name)) return;
  const longer = withTable(written, stranger);
  expectEntries(parseBook(longer, 'peers.toml'), [...entries, stranger]);
  // The one that was added can be removed again; of others, it may be said that they are to be removed by hand.
  for (const { name } of [...entries, stranger]) {
    let shorter: PeerEntry[] | null = null;
    const error = refusal(() => {
      shorter = parseBook(withoutTable(longer, name), 'peers.toml');
    }, 'bad-peer-book');
    if (error === null)
      expectEntries(
        shorter ?? [],
        [...entries, stranger].filter((entry) => entry.name !== name),
      );
    else check(name !== stranger.name, `what was added cannot be removed: ${error.message}`);
  }
}

function expectEntries(found: readonly PeerEntry[], wanted: readonly PeerEntry[]): void {
  const texts = (entries: readonly PeerEntry[]): string =>
    JSON.stringify(entries.map((entry) => Object.entries(entry).sort()).sort());
  check(texts(found) === texts(wanted), `the book has ${texts(found)} where it should have ${texts(wanted)}`);
}

/** For an address without one. */
const OTHER_PORT = 17;

export const addresses: Target = {
  name: 'addresses',
  seeds: () =>
    ['pi.local', 'pi.local:9999', '192.168.2.3:1', '[fe80::1%eth0]:9999', '::1', '[::ffff:1.2.3.4]:5'].map(
      text,
    ),
  words: () => ['::', '[', ']', ':', '%', '65536', '0.0.0.0', '999', '.'].map(text),
  maxBytes: 300,
  work: { base: 500, perByte: 20 },
  memory: { base: 0, perByte: 1 },
  run(input) {
    const written = Buffer.from(input).toString();
    refusal(() => {
      const { host, port } = parseHostPort(written, OTHER_PORT);
      check(
        port === OTHER_PORT || written.endsWith(`:${port}`) || /:0+\d+$/.test(written),
        `nobody wrote port ${port}`,
      );
      check(Number.isInteger(port) && port >= 1 && port <= 65_535, `a port is ${port}`);
      check(
        host !== '' && host !== '::' && host !== '0.0.0.0' && !/[\s[\]]/.test(host),
        `a host is "${host}"`,
      );
    }, 'bad-usage');
  },
};
