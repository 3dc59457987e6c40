/** A session of the second implementation with the program, of which a test knows every secret. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { x25519 } from '@noble/curves/ed25519.js';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import {
  chainKey,
  challengeFields,
  hello,
  NO_TOKEN,
  openKey,
  sessionKeys,
} from '../conformance/handshake.ts';
import { random } from '../conformance/initiator.ts';
import { agree, type KeyPair, keyPair, type PairKeys, pairKeys } from '../conformance/keys.ts';
import { type Message, T } from '../conformance/messages.ts';
import { Session } from '../conformance/session.ts';
import { LOOPBACK, type Machine } from './cli.ts';

/** By name. */
export type Secrets = Record<string, Uint8Array>;

export async function keysOf(machine: Machine): Promise<KeyPair> {
  return keyPair((await machine.store.loadKeyPair()).secretKey.expose().slice());
}

export function secretsOfPair({ k0, kH, kC }: PairKeys, name: string): Secrets {
  return { [`${name} k0`]: k0, [`${name} kH`]: kH, [`${name} kC`]: kC };
}

/** X25519's own result, and what crypto_box_beforenm makes of it. */
export function secretsOfAgreement(name: string, secret: Uint8Array, point: Uint8Array): Secrets {
  return {
    [name]: agree(secret, point) ?? new Uint8Array(),
    [`${name} of X25519`]: x25519.getSharedSecret(secret, point),
  };
}

export class KnownSession {
  readonly secrets: Secrets;
  readonly #socket: Socket;
  readonly #session: Session;
  #answered: () => void = () => {};

  private constructor(socket: Socket, session: Session, secrets: Secrets) {
    this.#socket = socket;
    this.#session = session;
    this.secrets = secrets;
    socket.on('message', (datagram) => {
      const received = session.receive(Uint8Array.from(datagram));
      if ('messages' in received && received.messages.some(([type]) => type === T.response)) this.#answered();
    });
  }

  /**
   * Opens it, and asks so often for the time. On loopback nothing is lost while nobody floods.
   */
  static async open(
    own: KeyPair,
    peer: Uint8Array,
    port: number,
    psk?: Uint8Array,
    requests = 80,
  ): Promise<KnownSession> {
    const pair = pairKeys(own, peer, 'initiator', psk);
    const socket = createSocket('udp4').bind(0, LOOPBACK);
    await once(socket, 'listening');
    socket.connect(port, LOOPBACK);
    await once(socket, 'connect');
    const kem = ml_kem768.keygen();
    const sent = hello(pair, random(15), NO_TOKEN, kem.publicKey);
    socket.send(sent);
    const [datagram] = await once(socket, 'message');
    const inner = challengeFields(pair, Uint8Array.from(datagram));
    if (inner === undefined) throw new Error('no CHALLENGE');
    const kemSecret = ml_kem768.decapsulate(inner.kemCiphertext, kem.secretKey);
    const ck = chainKey(pair, sent, inner, kemSecret);
    const ephemeral = keyPair(random(32));
    const keys = sessionKeys(pair, 'initiator', own, ephemeral, inner.eS, ck, inner.sid);
    if (keys === undefined) throw new Error('no session');
    const session = new Session('initiator', keys);
    const known = new KnownSession(socket, session, {
      c2s: keys.c2s,
      s2c: keys.s2c,
      'KEM secret': kemSecret,
      ck,
      'key of OPEN': openKey(ck),
      ...secretsOfAgreement('es', ephemeral.secret, peer),
      ...secretsOfAgreement('se', own.secret, inner.eS),
      ...secretsOfAgreement('ee', ephemeral.secret, inner.eS),
    });
    await known.#ask(1, (message) =>
      session.open({ cookie: inner.cookie, ck, eC: ephemeral.public }, [
        [T.instance, random(8)],
        message(inner.boot),
      ]),
    );
    for (let id = 2; id <= requests; id++)
      await known.#ask(id, (message) => session.data([message(inner.boot)]));
    return known;
  }

  async #ask(id: number, datagram: (request: (boot: Uint8Array) => Message) => Uint8Array): Promise<void> {
    const answered = new Promise<void>((done) => {
      this.#answered = done;
    });
    this.#socket.send(datagram((boot) => [T.request, 0, id, boot, 'time', []]));
    await answered;
  }

  close(): void {
    this.#socket.send(this.#session.data([[T.close]]), () => this.#socket.close());
  }
}
