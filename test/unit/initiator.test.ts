import { expect, test } from 'vitest';
import { keyPairFromSecret, SecretKey } from '../../src/crypto/keys.ts';
import { Initiator } from '../../src/session/initiator.ts';
import { Peer } from '../../src/session/peer.ts';
import { Responder } from '../../src/session/responder.ts';
import type { InitiatorSession } from '../../src/session/session.ts';
import { Prng } from '../support/prng.ts';

const ADDRESS = { ip: '192.168.2.3', port: 9999 };

test('a session whose id is in use is not begun; the handshake begins anew (PROTOCOL §5.4, rule 6)', () => {
  const random = new Prng(1).bytes;
  const [own, other] = [0, 1].map(() => keyPairFromSecret(SecretKey.generate(random)));
  if (own === undefined || other === undefined) throw new Error('no keys');
  const client = new Peer(0, other, own.publicKey, null);
  const server = new Peer(0, own, other.publicKey, null);
  server.configured = [ADDRESS];
  const responder = new Responder({
    own: other,
    boot: random(6),
    random,
    peerByTag: () => client,
    peerByIndex: () => client,
    idTaken: () => false,
    admits: () => true,
  });
  const hellos: Uint8Array[] = [];
  const sessions: InitiatorSession[] = [];
  const asked: bigint[] = [];
  const initiator = new Initiator({
    own,
    random,
    trusts: () => true,
    idTaken: (id) => asked.push(id) === 1,
    transmit: (hello) => hellos.push(hello),
    onSession: (session) => sessions.push(session),
    sendOpen: () => {},
  });
  const challenge = (hello: Uint8Array | undefined): string | null => {
    const answer = hello && responder.hello(hello, ADDRESS, 0);
    if (!(answer instanceof Uint8Array)) throw new Error('no CHALLENGE');
    return initiator.challenge(answer, ADDRESS, 0);
  };
  initiator.want(server, 60_000, 0);
  expect(challenge(hellos[0])).toBeNull();
  expect(sessions).toEqual([]);
  expect(server.unconfirmed).toBeNull();
  expect(hellos).toHaveLength(2);
  expect(hellos[1]).not.toEqual(hellos[0]);
  expect(challenge(hellos[1])).toBeNull();
  expect(sessions.map(({ localId }) => localId)).toEqual(asked.slice(1));
});
