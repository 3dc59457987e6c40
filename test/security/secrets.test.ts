/** Secrets do not show: not in an inspection, not in JSON, not in an error, not in the heap of libsodium. */
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { open, seal, sealBehind, sharedKey } from '../../src/crypto/box.ts';
import { blake2b, keyedBlake2b } from '../../src/crypto/hash.ts';
import { KEM_CIPHERTEXT_BYTES, kemDecapsulate, kemEncapsulate, kemKeyPair } from '../../src/crypto/kem.ts';
import { SecretKey } from '../../src/crypto/keys.ts';
import { put, release, room, wasm } from '../../src/crypto/sodium.ts';
import { bookOf } from '../../src/follow-book.ts';
import { PresharedKey } from '../../src/index.ts';
import { echo } from '../support/commands.ts';
import { keys, portOf, startClient, startServer } from '../support/endpoints.ts';
import { pair, VirtualNetwork } from '../support/virtual-network.ts';

/** The ways in which bytes show as text. */
function textsOf(bytes: Uint8Array): string[] {
  const buffer = Buffer.from(bytes);
  const some = [...bytes.subarray(0, 6)];
  return [
    buffer.toString('hex'),
    buffer.toString('base64'),
    buffer.toString('base64url'),
    some.join(', '),
    some.join(','),
    some.map((byte) => byte.toString(16).padStart(2, '0')).join(' '),
  ];
}

function shownIn(text: string, secrets: readonly Uint8Array[]): boolean {
  const flat = text.toLowerCase().replace(/\s+/g, ' ');
  return secrets.some((secret) => textsOf(secret).some((shown) => flat.includes(shown.toLowerCase())));
}

function inHeap(secret: Uint8Array): boolean {
  return Buffer.from(wasm.HEAPU8.buffer, wasm.HEAPU8.byteOffset, wasm.HEAPU8.length).includes(
    Buffer.from(secret),
  );
}

test('the search itself finds what is there', () => {
  const secret = Uint8Array.from({ length: 32 }, (_, i) => i * 7);
  expect(shownIn(inspect({ secret }), [secret])).toBe(true);
  expect(shownIn(JSON.stringify([...secret]), [secret])).toBe(true);
  expect(shownIn(Buffer.from(secret).toString('hex').toUpperCase(), [secret])).toBe(true);
});

test('an endpoint with a live session, its peers and its errors, show none', async () => {
  const psk = PresharedKey.fromBytes(new Uint8Array(32).fill(0x5a));
  await using server = await startServer([echo]);
  await using client = await startClient(portOf(server));
  await client.peer('server').request('echo', ['x']);
  const error = await client
    .peer('server')
    .request('nothing')
    .catch((e: unknown) => e);
  const all = [server, client, client.peer('server'), error, keys, psk, { psk }];
  const secrets = [keys.server.secretKey.expose(), keys.client.secretKey.expose(), psk.expose()];
  for (const thing of all) {
    expect(shownIn(inspect(thing, { depth: 20, showHidden: true, getters: true }), secrets)).toBe(false);
    expect(shownIn(JSON.stringify(thing) ?? '', secrets)).toBe(false);
    expect(shownIn(String(thing), secrets)).toBe(false);
  }
});

test('sessions and peers of the protocol machine show no keys, and the heap keeps none', () => {
  const network = new VirtualNetwork(1, { delayMs: 1 });
  const { client, server } = pair(network, { commands: [echo] });
  client.request('echo', ['x']);
  network.run(1_000);
  const { pairKey, outgoing, incoming } = client.peer().keys;
  const secrets = [
    client.keyPair.secretKey.expose(),
    server.keyPair.secretKey.expose(),
    pairKey,
    outgoing.helloKey,
    outgoing.challengeKey,
    incoming.helloKey,
    incoming.challengeKey,
  ];
  for (const host of [client, server]) {
    const shown = inspect(host, { depth: 20, showHidden: true });
    expect(shownIn(shown, secrets)).toBe(false);
    expect(shown).not.toMatch(/sendKey|receiveKey/);
  }
  for (const secret of secrets) expect(inHeap(secret)).toBe(false);
});

test('no call leaves a byte in the memory of libsodium: its stack is wiped too', () => {
  const drawn = (length: number, call: number): Uint8Array =>
    Uint8Array.from({ length }, (_, i) => (i * 37 + call * 101 + 7) & 255);
  const secretKey = SecretKey.fromBytes(drawn(32, 1));
  const publicKey = SecretKey.fromBytes(drawn(32, 2)).publicKeyBytes();
  const { publicKey: kemPublic, secretKey: kemSecret } = kemKeyPair(drawn(64, 3));
  const ciphertext = kemEncapsulate(kemPublic, drawn(32, 4))?.ciphertext ?? drawn(KEM_CIPHERTEXT_BYTES, 4);
  const [key, nonce, plaintext] = [drawn(32, 5), drawn(24, 6), drawn(1_000, 7)];
  const box = seal(plaintext, nonce, key);
  const calls: Record<string, () => unknown> = {
    publicKeyBytes: () => secretKey.publicKeyBytes(),
    sharedKey: () => sharedKey(publicKey, secretKey.expose()),
    'sharedKey of low order': () => sharedKey(new Uint8Array(32), secretKey.expose()),
    seal: () => seal(plaintext, nonce, key),
    sealBehind: () => sealBehind(nonce, plaintext, key),
    open: () => open(box, nonce, key),
    'open of a forgery': () => open(plaintext, nonce, key),
    blake2b: () => blake2b(32, plaintext),
    keyedBlake2b: () => keyedBlake2b(64, key, plaintext),
    kemKeyPair: () => kemKeyPair(drawn(64, 8)),
    kemEncapsulate: () => kemEncapsulate(kemPublic, drawn(32, 9)),
    kemDecapsulate: () => kemDecapsulate(ciphertext, kemSecret),
  };
  // It is no proof where a call uses no stack, or where nobody found it.
  const before = Buffer.from(wasm.HEAPU8);
  const isAsBefore = (): boolean => before.equals(wasm.HEAPU8);
  wasm._crypto_scalarmult_base(room(32), put(secretKey.expose()));
  expect(isAsBefore()).toBe(false);
  release();
  for (const [name, call] of Object.entries(calls)) {
    call();
    expect(isAsBefore(), name).toBe(true);
  }
});

test('the keys of a removed peer are wiped', () => {
  const network = new VirtualNetwork(1, { delayMs: 1 });
  const { client } = pair(network, { commands: [echo] });
  const { pairKey, outgoing } = client.peer().keys;
  client.machine.removePeer(client.peer(), network.now);
  expect([...pairKey, ...outgoing.helloKey, ...outgoing.challengeKey].every((byte) => byte === 0)).toBe(true);
});

test('the book that a worker tells its primary holds no pre-shared key, and still tells one from another', () => {
  const publicKey = keys.client.publicKey;
  const secrets = [1, 2].map((byte) => Uint8Array.from({ length: 32 }, (_, i) => byte * 31 + i * 3));
  const books = secrets.map((psk) =>
    bookOf([{ name: 'pi', publicKey, psk: PresharedKey.fromBytes(psk) }]).get('pi'),
  );
  expect(shownIn(inspect(books), secrets)).toBe(false);
  expect(books[0]).not.toBe(books[1]);
  expect(bookOf([{ name: 'pi', publicKey }]).get('pi')).not.toBe(books[0]);
});
