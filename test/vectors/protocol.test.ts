/**
 * The project's own frozen vectors: what they say is the protocol, so that a change of a byte shows as a failure here
 * and is a new protocol. `UPDATE_VECTORS=1` writes them anew.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { protocolExample, protocolExampleByEndpoints } from '../support/protocol-example.ts';

const FILE = new URL('./protocol-1.json', import.meta.url);
/** Longer values stand in the vectors' file alone. */
const PRINTED_HEX_CHARACTERS = 2 * 256;

const computed = protocolExample();
if (process.env['UPDATE_VECTORS']) writeFileSync(FILE, `${JSON.stringify(computed, null, 2)}\n`);
const frozen = JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, string>;

test.each(Object.keys(frozen))('%s', (name) => {
  expect(computed[name]).toBe(frozen[name]);
});

test('two whole endpoints with the same randomness send the same datagrams', () => {
  expect(protocolExampleByEndpoints()).toEqual(
    ['HELLO', 'CHALLENGE', 'OPEN', 'DATA'].map((name) => frozen[name]),
  );
});

test('PROTOCOL.md prints the same values', () => {
  const text = readFileSync(new URL('../../PROTOCOL.md', import.meta.url), 'utf8').replace(/\s+/g, '');
  for (const [name, value] of Object.entries(frozen)) {
    if (value.length <= PRINTED_HEX_CHARACTERS && !text.includes(value)) expect.fail(`${name} is missing`);
  }
});
