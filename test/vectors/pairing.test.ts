/**
 * The frozen vectors of pairing (PROTOCOL §B.6), derived here from the document's formulas alone, and compared with what
 * two machines do. `UPDATE_VECTORS=1` writes them anew.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { concat, toHex, utf8 } from '../../src/bytes.ts';
import { sharedKey } from '../../src/crypto/box.ts';
import { blake2b, keyedBlake2b } from '../../src/crypto/hash.ts';
import { keyPairFromSecret, SecretKey } from '../../src/crypto/keys.ts';
import { couple, isFrom, MAC, PI } from '../support/pairing.ts';
import { VirtualNetwork } from '../support/virtual-network.ts';

const FILE = new URL('./pairing-1.json', import.meta.url);

const repeated = (byte: number, length: number): Uint8Array => new Uint8Array(length).fill(byte);
const keyPairOf = (byte: number) => keyPairFromSecret(SecretKey.fromBytes(repeated(byte, 32)));
const [asker, waiter] = [keyPairOf(0x11), keyPairOf(0x22)];
const NONCES = { asker: repeated(0x33, 32), waiter: repeated(0x44, 32) };
const AT = '192.168.2.1:9999';

function text(value: string, room: number): Uint8Array {
  return concat(Uint8Array.of(value.length), utf8(value), repeated(0, room - value.length));
}

function datagram(type: number, ...parts: Uint8Array[]): Uint8Array {
  const head = concat(utf8('udp-tool/1 pair'), Uint8Array.of(type), ...parts);
  return concat(head, repeated(0, 512 - head.length));
}

function derived(): Record<string, Uint8Array> {
  const O_a = concat(asker.publicKey.bytes, text('mac', 32), text(AT, 255));
  const O_w = concat(waiter.publicKey.bytes, text('pi', 32), text('', 255));
  const commitment = blake2b(32, utf8('udp-tool/1 pair commit'), O_a, NONCES.asker);
  const T = blake2b(32, utf8('udp-tool/1 pair transcript'), O_a, NONCES.asker, O_w, NONCES.waiter);
  const k_ss = sharedKey(waiter.publicKey.bytes, asker.secretKey.expose()) ?? new Uint8Array();
  const keys = keyedBlake2b(64, k_ss, utf8('udp-tool/1 pair confirm'), T);
  const [k_a, k_w] = [keys.subarray(0, 32), keys.subarray(32)];
  const proof = (key: Uint8Array, step: number): Uint8Array => keyedBlake2b(32, key, Uint8Array.of(step));
  return {
    O_a,
    O_w,
    commitment,
    T,
    'hash of the code': blake2b(32, utf8('udp-tool/1 pair code'), T),
    k_a,
    k_w,
    HELLO: datagram(1, commitment),
    ANSWER: datagram(2, commitment, O_w, NONCES.waiter),
    REVEAL: datagram(3, commitment, O_a, NONCES.asker, proof(k_a, 0)),
    'CONFIRM, READY, of the waiter': datagram(4, commitment, Uint8Array.of(0), proof(k_w, 0)),
    'CONFIRM, YES, of the asker': datagram(4, commitment, Uint8Array.of(1), proof(k_a, 1)),
    'CONFIRM, NO, of the waiter': datagram(4, commitment, Uint8Array.of(255), proof(k_w, 255)),
  };
}

function codeOf(hash: Uint8Array): string {
  const number = BigInt(`0x${toHex(hash.subarray(0, 8))}`);
  return `${number % 1_000_000n}`.padStart(6, '0');
}

const values = derived();
const computed = {
  ...Object.fromEntries(Object.entries(values).map(([name, bytes]) => [name, toHex(bytes)])),
  code: codeOf(values['hash of the code'] as Uint8Array),
};
if (process.env['UPDATE_VECTORS']) writeFileSync(FILE, `${JSON.stringify(computed, null, 2)}\n`);
const frozen = JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, string>;

test('what the formulas give is what is frozen', () => {
  expect(computed).toEqual(frozen);
});

test('two machines with the same secrets and nonces send the same datagrams, and show the code', () => {
  const network = new VirtualNetwork(1, { delayMs: 1 });
  network.record = true;
  const { pi, mac } = couple(network, {
    pi: { keyPair: waiter, nonce: NONCES.waiter, says: undefined },
    mac: { keyPair: asker, nonce: NONCES.asker, at: AT, says: undefined },
  });
  network.run(100);
  expect([pi.code, mac.code]).toEqual([frozen['code'], frozen['code']]);
  mac.says(true);
  network.run(100);
  pi.says(false);
  network.run(1);
  const sent = (from: typeof PI): (string | undefined)[] =>
    network.sent.filter(isFrom(from)).map((flight) => toHex(flight.datagram));
  expect(sent(MAC).slice(0, 3)).toEqual(
    ['HELLO', 'REVEAL', 'CONFIRM, YES, of the asker'].map((name) => frozen[name]),
  );
  expect(sent(PI)).toEqual(
    ['ANSWER', 'CONFIRM, READY, of the waiter', 'CONFIRM, NO, of the waiter'].map((name) => frozen[name]),
  );
});

test('PROTOCOL.md prints the same values', () => {
  const document = readFileSync(new URL('../../PROTOCOL.md', import.meta.url), 'utf8').replace(/\s+/g, '');
  for (const name of ['commitment', 'T', 'hash of the code', 'k_a', 'k_w', 'code']) {
    if (!document.includes(frozen[name] ?? '-')) expect.fail(`${name} is missing`);
  }
});
