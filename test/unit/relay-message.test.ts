import { describe, expect, test } from 'vitest';
import { RELAY_CAPACITY } from '../../src/session/handshake-datagrams.ts';
import type { CborValue } from '../../src/wire/cbor.ts';
import { countFitting, packEnvelope, unpackEnvelope } from '../../src/wire/envelope.ts';
import { encodeMessage, MessageType, parseMessage } from '../../src/wire/messages.ts';

describe('a RELAY', () => {
  test('of the longest datagram is alone in its envelope, and comes through', () => {
    const datagram = new Uint8Array(1_232).fill(9);
    const message = { type: MessageType.RELAY, link: 2 ** 32 - 1, datagram };
    const encoded = encodeMessage(message);
    expect(countFitting([encoded, encoded], 0, RELAY_CAPACITY)).toBe(1);
    const envelope = packEnvelope([encoded], RELAY_CAPACITY);
    expect(envelope.length).toBeLessThanOrEqual(RELAY_CAPACITY);
    expect(unpackEnvelope(envelope)).toEqual([message]);
  });

  test('of another shape is none', () => {
    const bad: CborValue[] = [
      [18],
      [18, 1],
      [18, 1, 2],
      [18, -1, new Uint8Array(9)],
      [18, 2 ** 32, new Uint8Array(9)],
      [18, 1, new Uint8Array(1_233)],
      [18, 1, new Uint8Array(9), 0],
    ];
    for (const value of bad) expect(parseMessage(value)).toBeNull();
  });
});
