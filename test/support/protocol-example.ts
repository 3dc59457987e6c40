/**
 * The worked example of PROTOCOL Appendix A: one handshake, one request, one answer, from fixed randomness. Each value
 * is computed by the function that the protocol uses, and the datagrams once more by two whole endpoints.
 */
import { idAt, idBytes, toHex } from '../../src/bytes.ts';
import { seal, sharedKey } from '../../src/crypto/box.ts';
import { blake2b } from '../../src/crypto/hash.ts';
import { kemEncapsulate, kemKeyPair } from '../../src/crypto/kem.ts';
import { keyPairFromSecret, PresharedKey, SecretKey } from '../../src/crypto/keys.ts';
import type { Transmit } from '../../src/session/address.ts';
import { Endpoint } from '../../src/session/endpoint.ts';
import { Epoch } from '../../src/session/epoch.ts';
import {
  DATA_CAPACITY,
  helloHash,
  OPEN_CAPACITY,
  sealChallenge,
  sealData,
  sealHello,
  sealOpen,
  sealRetry,
} from '../../src/session/handshake-datagrams.ts';
import {
  deriveChainingKey,
  deriveOpenKey,
  derivePairKeys,
  deriveSessionKeys,
  type PairKeys,
} from '../../src/session/key-schedule.ts';
import type { Peer } from '../../src/session/peer.ts';
import { packEnvelope } from '../../src/wire/envelope.ts';
import { encodeMessage, MessageType } from '../../src/wire/messages.ts';

const fill = (byte: number, length: number): Uint8Array => new Uint8Array(length).fill(byte);

/** All randomness of the example: a byte repeated. */
const RANDOMNESS = {
  initiatorSecretKey: fill(0x11, 32),
  responderSecretKey: fill(0x22, 32),
  kemKeyPairSeed: fill(0x33, 64),
  helloRandom: fill(0x44, 15),
  boot: fill(0xaa, 6),
  epochKey: fill(0x55, 32),
  responderEphemeralSecret: fill(0x66, 32),
  firstSessionId: fill(0x77, 8),
  kemEncapsulationSeed: fill(0x88, 32),
  challengeRandom: fill(0x99, 15),
  retryRandom: fill(0x9a, 15),
  initiatorEphemeralSecret: fill(0xbb, 32),
  instance: fill(0xcc, 8),
  presharedKey: fill(0xdd, 32),
};

const INITIATOR_ADDRESS = { ip: '192.168.2.1', port: 50_000 };
const RESPONDER_ADDRESS = { ip: '192.168.2.3', port: 9_999 };
const ANSWER = { time: '2026-11-22T12:00:00.000+00:00', uptime: 12_345 };

export function protocolExample(): Record<string, string> {
  const r = RANDOMNESS;
  const initiator = keyPairFromSecret(SecretKey.fromBytes(r.initiatorSecretKey));
  const responder = keyPairFromSecret(SecretKey.fromBytes(r.responderSecretKey));
  const pair = derivePairKeys(initiator, responder.publicKey, null) as PairKeys;
  const { roles, tag, helloKey, challengeKey } = pair.outgoing;

  const psk = PresharedKey.fromBytes(r.presharedKey);
  const pairWithPsk = derivePairKeys(initiator, responder.publicKey, psk) as PairKeys;

  const kem = kemKeyPair(r.kemKeyPairSeed);
  const hello = sealHello({ token: fill(0, 5), kemPublicKey: kem.publicKey }, tag, helloKey, r.helloRandom);
  const hash = helloHash(hello);

  const epoch = new Epoch(0, scripted([r.epochKey, r.responderEphemeralSecret, r.firstSessionId]));
  const ephemeral = epoch.ephemeralPublic;
  const retryToken = epoch.retryToken({ publicKey: initiator.publicKey } as Peer);
  const retry = sealRetry(retryToken, hash, challengeKey, r.retryRandom);

  const encapsulated = kemEncapsulate(kem.publicKey, r.kemEncapsulationSeed);
  if (encapsulated === null) throw new Error('the KEM refused its own key');
  const half = { boot: r.boot, ephemeral, kemCiphertext: encapsulated.ciphertext };
  const chainingKey = deriveChainingKey(encapsulated.secret, roles, hello, half);
  const sid = idAt(r.firstSessionId);
  const cookie = epoch.sealCookie(sid, chainingKey, 0, INITIATOR_ADDRESS);
  const challenge = sealChallenge(
    { ...half, responderId: idBytes(sid), cookie },
    hash,
    challengeKey,
    r.challengeRandom,
  );

  const initiatorEphemeral = keyPairFromSecret(SecretKey.fromBytes(r.initiatorEphemeralSecret));
  const secret = initiatorEphemeral.secretKey.expose();
  const es = sharedKey(responder.publicKey.bytes, secret) as Uint8Array;
  const se = sharedKey(ephemeral, initiator.secretKey.expose()) as Uint8Array;
  const ee = sharedKey(ephemeral, secret) as Uint8Array;
  const secrets = { k_es: toHex(es), k_se: toHex(se), k_ee: toHex(ee) };
  const openKey = deriveOpenKey(chainingKey);
  const ephemeralPublic = initiatorEphemeral.publicKey.bytes;
  const keys = deriveSessionKeys(
    pair.pairKey,
    { es, se, ee },
    chainingKey,
    idBytes(sid),
    ephemeralPublic,
    roles,
  );

  const ref = { lane: 0, id: 1 };
  const request = encodeMessage({
    type: MessageType.REQUEST,
    ...ref,
    boot: r.boot,
    command: 'time',
    args: [],
  });
  const instance = encodeMessage({ type: MessageType.INSTANCE, instance: r.instance });
  const requestEnvelope = packEnvelope([instance, request], OPEN_CAPACITY);
  const prefix = { cookie, openKey, ephemeral: ephemeralPublic };
  const open = sealOpen(prefix, idBytes(sid), 0, requestEnvelope, keys.initiatorToResponder);
  const openAgain = sealOpen(prefix, idBytes(sid), 1, requestEnvelope, keys.initiatorToResponder);
  const have = Uint8Array.of(0x80, 0x80, 0, 0, 0, 0, 0, 0);
  const response = encodeMessage({ type: MessageType.RESPONSE, ...ref, value: ANSWER });
  const responseEnvelope = packEnvelope([response], DATA_CAPACITY);
  const data = sealData(keys.initiatorId, 0, responseEnvelope, keys.responderToInitiator);

  const hex = {
    I: initiator.publicKey.bytes,
    R: responder.publicKey.bytes,
    k_ss: sharedKey(responder.publicKey.bytes, r.initiatorSecretKey) as Uint8Array,
    k0: pair.pairKey,
    'tag(I→R)': tag,
    k_h: helloKey,
    k_c: challengeKey,
    'tag(R→I)': pair.incoming.tag,
    kem_pk: kem.publicKey,
    HELLO: hello,
    'H(HELLO)': hash,
    'retry token': retryToken,
    RETRY: retry,
    E_s: ephemeral,
    kem_ct: encapsulated.ciphertext,
    kem_ss: encapsulated.secret,
    ck: chainingKey,
    sid: idBytes(sid),
    cookie,
    CHALLENGE: challenge,
    E_c: ephemeralPublic,
    k_open: openKey,
    K_c2s: keys.initiatorToResponder,
    K_s2c: keys.responderToInitiator,
    csid: keys.initiatorId,
    'request envelope': requestEnvelope,
    'BLAKE2b-128(box2)': blake2b(16, seal(requestEnvelope, open.subarray(0, 24), keys.initiatorToResponder)),
    OPEN: open,
    'response envelope': responseEnvelope,
    DATA: data,
    'OPEN again, counter 1': openAgain,
    'MORE, lane 0, id 2, parts 0 and 8 are there': encodeMessage({
      type: MessageType.MORE,
      lane: 0,
      id: 2,
      have,
    }),
    'k0 with the psk': pairWithPsk.pairKey,
    'tag(I→R) with the psk': pairWithPsk.outgoing.tag,
  };
  return {
    'I as text': initiator.publicKey.toString(),
    'R as text': responder.publicKey.toString(),
    'secret key of I as text': initiator.secretKey.exportText(),
    ...Object.fromEntries(Object.entries(hex).map(([name, bytes]) => [name, toHex(bytes)])),
    ...secrets,
  };
}

/** The same handshake by two whole endpoints: the datagrams in order. */
export function protocolExampleByEndpoints(): string[] {
  const r = RANDOMNESS;
  const client = new Endpoint({
    keyPair: keyPairFromSecret(SecretKey.fromBytes(r.initiatorSecretKey)),
    random: scripted([
      fill(0x01, 6), // its own boot id, which no datagram here shows
      r.instance,
      r.kemKeyPairSeed,
      r.helloRandom,
      fill(0, 2), // jitter of the retransmission timer
      fill(0, 2), // jitter of the rekeying time
      r.initiatorEphemeralSecret,
      fill(0, 2),
    ]),
  });
  const server = new Endpoint({
    keyPair: keyPairFromSecret(SecretKey.fromBytes(r.responderSecretKey)),
    random: scripted([
      r.boot,
      fill(0x02, 8), // its own instance, likewise
      r.epochKey,
      r.responderEphemeralSecret,
      r.firstSessionId,
      r.kemEncapsulationSeed,
      r.challengeRandom,
    ]),
  });
  server.addPeer(keyPairFromSecret(SecretKey.fromBytes(r.initiatorSecretKey)).publicKey);
  const peer = client.addPeer(keyPairFromSecret(SecretKey.fromBytes(r.responderSecretKey)).publicKey);
  client.setAddresses(peer, [RESPONDER_ADDRESS]);

  const ref = { lane: 0, id: 1 };
  const datagrams: string[] = [];
  const only = (transmits: Transmit[]): Uint8Array => {
    if (transmits.length !== 1) throw new Error(`${transmits.length} datagrams where one is due`);
    const [{ datagram }] = transmits as [Transmit];
    datagrams.push(toHex(datagram));
    return datagram;
  };
  client.want(peer, 5_000, 0);
  server.receive(only(client.drain(0)), INITIATOR_ADDRESS, 0);
  client.receive(only(server.drain(0)), RESPONDER_ADDRESS, 0);
  for (const session of client.sessionsTo(peer, 0)) {
    const request = { type: MessageType.REQUEST, ...ref, boot: session.boot, command: 'time', args: [] };
    client.send(session, encodeMessage(request));
  }
  server.receive(only(client.drain(0)), INITIATOR_ADDRESS, 0);
  for (const event of server.takeEvents()) {
    if (event.type !== 'message') continue;
    server.send(
      event.session,
      encodeMessage({ type: MessageType.RESPONSE, ...ref, value: ANSWER }),
      event.from,
    );
  }
  client.receive(only(server.drain(0)), RESPONDER_ADDRESS, 0);
  return datagrams;
}

/** Gives these bytes, in this order, and checks that as many are asked for. */
function scripted(values: Uint8Array[]): (length: number) => Uint8Array {
  const left = [...values];
  return (length) => {
    const next = left.shift();
    if (next?.length !== length)
      throw new Error(`${length} random bytes asked for, ${next?.length ?? 0} scripted`);
    return next.slice();
  };
}
