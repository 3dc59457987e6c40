/** Somebody between two machines that pair, or beside them. */
import { describe, expect, test } from 'vitest';
import { keyPairFromSecret, PublicKey, SecretKey } from '../../src/crypto/keys.ts';
import { decodeDatagram, encodeDatagram, type PairingDatagram } from '../../src/pairing/datagrams.ts';
import { commitmentOf, Exchange, Step } from '../../src/pairing/exchange.ts';
import { decodeOffer, encodeOffer } from '../../src/pairing/offer.ts';
import { couple, isFrom, MAC, MALLORY, PairingHost, PI } from '../support/pairing.ts';
import { Prng, seeds } from '../support/prng.ts';
import { type Flight, type Interceptor, VirtualNetwork } from '../support/virtual-network.ts';

const SECOND = 1_000;
const LONG = 300 * SECOND;

/** Changes the fields of every datagram of a kind on its way. */
function changing<T extends PairingDatagram['type']>(
  type: T,
  change: (datagram: Extract<PairingDatagram, { type: T }>) => PairingDatagram,
): Interceptor {
  return (flight) => {
    const datagram = decodeDatagram(flight.datagram);
    if (datagram?.type !== type) return [flight];
    const changed = change(datagram as Extract<PairingDatagram, { type: T }>);
    return [{ ...flight, datagram: encodeDatagram(changed) }];
  };
}

function read<T extends PairingDatagram['type']>(
  flights: readonly Flight[],
  type: T,
): Extract<PairingDatagram, { type: T }> {
  const found = flights.map(({ datagram }) => decodeDatagram(datagram)).find((one) => one?.type === type);
  if (!found) throw new Error(`nobody sent ${type}`);
  return found as Extract<PairingDatagram, { type: T }>;
}

function withOffer(offer: Uint8Array, change: object): Uint8Array {
  const decoded = decodeOffer(offer);
  if (decoded === null) throw new Error('no offer');
  return encodeOffer({ ...decoded, ...change });
}

describe('somebody between the machines', () => {
  /** He pairs with each of them as the other; both people would say yes to a code that is the same. */
  const between = (seed: number) => {
    const network = new VirtualNetwork(seed, { delayMs: 2 });
    const toMac = new PairingHost(network, { address: PI, name: 'pi', says: true });
    const toPi = new PairingHost(network, {
      address: { ip: MALLORY.ip, port: 1 },
      name: 'mac',
      ask: [MALLORY],
      says: true,
    });
    const pi = new PairingHost(network, { address: MALLORY, name: 'pi' });
    const mac = new PairingHost(network, { address: MAC, name: 'mac', ask: [PI] });
    network.run(SECOND);
    return { network, pi, mac, toMac, toPi };
  };

  test.each(seeds(50))('who puts his own keys in makes the codes differ (seed %i)', (seed) => {
    const { network, pi, mac, toMac, toPi } = between(seed);
    expect(mac.other?.publicKey.equals(toMac.keyPair.publicKey)).toBe(true); // the attack is on
    expect(pi.other?.publicKey.equals(toPi.keyPair.publicKey)).toBe(true);
    expect(mac.code).not.toBe(pi.code);
    for (const host of [pi, mac]) host.says(false); // the people compare
    network.run(LONG);
    expect([pi.book, mac.book]).toEqual([[], []]);
    for (const host of [toMac, toPi]) expect(host.outcome).toBe('refused');
  });

  test('who keeps his number until he knows the other one is held to his commitment', () => {
    const network = new VirtualNetwork(1, { delayMs: 2 });
    network.record = true;
    const pi = new PairingHost(network, { address: PI, name: 'pi', says: true });
    const { publicKey, secretKey } = keyPairFromSecret(SecretKey.generate(network.prng.bytes));
    const offer = encodeOffer({ publicKey, name: 'mac', at: '' });
    const share = { offer, nonce: network.prng.bytes(32) };
    const commitment = commitmentOf(share);
    const send = (datagram: PairingDatagram): void => {
      network.inject({ datagram: encodeDatagram(datagram), from: MALLORY, to: PI });
      network.run(SECOND);
    };
    send({ type: 'hello', commitment });
    const answer = read(network.sent, 'answer');
    const revealed = (nonce: Uint8Array): PairingDatagram => {
      const exchange = Exchange.of('asker', { offer, nonce }, answer, secretKey);
      if (exchange === null) throw new Error('no exchange');
      return { type: 'reveal', commitment, offer, nonce, proof: exchange.proof(Step.READY) };
    };
    const chosen = Uint8Array.from(share.nonce);
    chosen[31] = (chosen[31] as number) ^ 1;
    send(revealed(chosen));
    expect(pi.outcome).toBe('interfered');
    expect(pi.code).toBeUndefined();
    send(revealed(share.nonce));
    expect(pi.code).toBeUndefined();
  });

  test('who reveals what he committed to is shown, and stands alone', () => {
    const network = new VirtualNetwork(1, { delayMs: 2 });
    const pi = new PairingHost(network, { address: PI, name: 'pi', says: false });
    const mallory = new PairingHost(network, { address: MALLORY, name: 'mac', ask: [PI], says: true });
    network.run(LONG);
    expect(pi.code).toBe(mallory.code);
    expect(mallory.outcome).toBe('refused');
    expect(mallory.book).toEqual([]);
  });

  const someKey = PublicKey.fromBytes(new Uint8Array(32).fill(9));
  const offers = [
    ['key', { publicKey: someKey }],
    ['name', { name: 'mallory' }],
    ['address', { at: '192.168.2.66:9999' }],
  ] as const;
  test.each([
    ...offers.map(([what, change]) => ['ANSWER', what, change] as const),
    ...offers.map(([what, change]) => ['REVEAL', what, change] as const),
  ])('who changes in %s the %s alone ends it', (kind, _what, change) => {
    const network = new VirtualNetwork(1, { delayMs: 2 });
    network.intercept = changing(kind === 'ANSWER' ? 'answer' : 'reveal', (datagram) => ({
      ...datagram,
      offer: withOffer(datagram.offer, change),
    }));
    const { pi, mac } = couple(network);
    network.run(LONG);
    expect(pi.outcome).toBe('interfered');
    expect(mac.outcome).toBe('no-answer');
    expect([pi.book, mac.book]).toEqual([[], []]);
  });

  test('who changes the commitment is not followed', () => {
    const network = new VirtualNetwork(1, { delayMs: 2 });
    network.intercept = changing('hello', ({ type }) => ({ type, commitment: new Uint8Array(32).fill(1) }));
    const { pi, mac } = couple(network);
    network.run(LONG);
    expect([pi.outcome, mac.outcome]).toEqual(['no-answer', 'no-answer']);
  });

  test('who shows the key of a machine whose secret he has not gets no code shown', () => {
    const network = new VirtualNetwork(1, { delayMs: 2 });
    const { publicKey } = keyPairFromSecret(SecretKey.generate(network.prng.bytes));
    const keyPair = { publicKey, secretKey: SecretKey.generate(network.prng.bytes) };
    const { pi, mac } = couple(network, { mac: { keyPair } });
    network.run(LONG);
    expect(pi.outcome).toBe('interfered');
    expect([pi.code, mac.code]).toEqual([undefined, undefined]);
  });

  test('who sends another ANSWER behind the first ends it', () => {
    const network = new VirtualNetwork(1, { delayMs: 2 });
    network.intercept = (flight) => {
      const datagram = decodeDatagram(flight.datagram);
      if (datagram?.type !== 'answer') return [flight];
      const other = encodeDatagram({ ...datagram, nonce: new Uint8Array(32).fill(1) });
      return [flight, { ...flight, datagram: other }];
    };
    const { pi, mac } = couple(network, { pi: { says: undefined }, mac: { says: undefined } });
    network.run(LONG);
    expect([pi.outcome, mac.outcome]).toEqual(['no-answer', 'interfered']);
    expect([pi.code, mac.code]).toEqual([undefined, undefined]);
  });

  test('who sends another REVEAL behind the first ends it', () => {
    const network = new VirtualNetwork(1, { delayMs: 2 });
    network.intercept = (flight) => {
      const datagram = decodeDatagram(flight.datagram);
      if (datagram?.type !== 'reveal') return [flight];
      return [flight, { ...flight, datagram: encodeDatagram({ ...datagram, nonce: new Uint8Array(32) }) }];
    };
    const { pi, mac } = couple(network, { pi: { says: undefined }, mac: { says: undefined } });
    network.run(SECOND);
    expect([pi.outcome, mac.outcome]).toEqual(['interfered', 'refused']);
  });

  test('cannot say yes in place of a person, nor with what the same machine said', () => {
    const network = new VirtualNetwork(1, { delayMs: 2 });
    network.record = true;
    const { mac } = couple(network, { pi: { says: undefined } });
    network.run(SECOND);
    const own = network.sent.filter(isFrom(MAC)).at(-1)?.datagram ?? new Uint8Array();
    expect(decodeDatagram(own)).toMatchObject({ type: 'confirm', step: Step.YES });
    network.inject({ datagram: own, from: PI, to: MAC });
    network.run(SECOND);
    expect(mac.outcome).toBe('interfered');
    expect(mac.book).toEqual([]);
  });

  test.each(Object.entries(Step))('cannot invent %s', (_name, step) => {
    const network = new VirtualNetwork(1, { delayMs: 2 });
    network.record = true;
    const { pi, mac } = couple(network, { pi: { says: undefined } });
    network.run(SECOND);
    const { commitment } = read(network.sent, 'hello');
    const proof = read(network.sent, 'confirm').proof; // of READY
    const forged = encodeDatagram({ type: 'confirm', commitment, step, proof });
    network.inject({ datagram: forged, from: MAC, to: PI });
    pi.says(true);
    network.run(LONG);
    expect([pi.book, mac.book].flat().length).toBe(0);
    expect(pi.outcome).toBe('interfered');
  });

  test('cannot undo what both have agreed on', () => {
    const network = new VirtualNetwork(1, { delayMs: 2 });
    network.record = true;
    const { pi, mac } = couple(network);
    network.at(network.now, () => {
      network.intercept = (flight) => {
        const datagram = decodeDatagram(flight.datagram);
        if (datagram?.type !== 'confirm' || datagram.step < Step.WRITTEN) return [flight];
        const forged = encodeDatagram({ ...datagram, step: Step.NO });
        return [{ ...flight, datagram: forged }, flight];
      };
    });
    network.run(LONG);
    expect([pi.outcome, mac.outcome]).toEqual(['paired', 'paired']);
  });
});

describe('a second one who tries', () => {
  test('gets no answer, and the person is told, once', () => {
    const network = new VirtualNetwork(1, { delayMs: 2 });
    const { pi, mac } = couple(network, { mac: { says: undefined } });
    network.run(SECOND);
    network.record = true;
    const second = new PairingHost(network, { address: MALLORY, name: 'mac', ask: [PI], says: true });
    network.run(10 * SECOND);
    expect(network.sent.filter(({ to }) => to.ip === MALLORY.ip)).toEqual([]);
    expect(pi.events.filter(({ type }) => type === 'somebody-else')).toEqual([
      { type: 'somebody-else', from: MALLORY },
    ]);
    mac.says(true);
    network.run(LONG);
    expect([pi.outcome, mac.outcome, second.outcome]).toEqual(['paired', 'paired', 'no-answer']);
    expect(pi.book.map(({ publicKey }) => `${publicKey}`)).toEqual([`${mac.keyPair.publicKey}`]);
  });

  test('gets no answer either before the first one has revealed itself', () => {
    const network = new VirtualNetwork(1, { delayMs: 2 });
    network.intercept = (flight) => (decodeDatagram(flight.datagram)?.type === 'reveal' ? [] : [flight]);
    const { pi } = couple(network);
    network.run(SECOND);
    network.record = true;
    new PairingHost(network, { address: MALLORY, name: 'mac', ask: [PI] });
    network.run(SECOND);
    expect(network.sent.filter(({ to }) => to.ip === MALLORY.ip)).toEqual([]);
    expect(pi.events).toEqual([{ type: 'somebody-else', from: MALLORY }]);
  });

  test('who was first keeps the machine from nobody but in this attempt, and is seen', () => {
    const network = new VirtualNetwork(1, { delayMs: 2 });
    const first = new PairingHost(network, { address: MALLORY, name: 'mac', ask: [PI], says: true });
    const { pi, mac } = couple(network, { pi: { says: undefined } });
    network.run(SECOND);
    expect(pi.code).toBe(first.code);
    expect(mac.code).toBeUndefined(); // so the person cannot say that it shows the code
    expect(pi.events).toContainEqual({ type: 'somebody-else', from: MAC });
  });

  test('does not get another attempt from one that ended', () => {
    const network = new VirtualNetwork(1, { delayMs: 2 });
    const { pi } = couple(network, { pi: { says: false } });
    network.run(SECOND);
    expect(pi.outcome).toBe('denied');
    network.record = true;
    const again = new PairingHost(network, { address: MALLORY, name: 'mac', ask: [PI], says: true });
    network.run(LONG);
    expect(network.sent.filter(isFrom(PI))).toEqual([]);
    expect(again.outcome).toBe('no-answer');
  });
});

describe('old datagrams', () => {
  test('of an exchange before, sent again, bring nobody into a book', () => {
    const network = new VirtualNetwork(1, { delayMs: 2 });
    network.record = true;
    const before = couple(network);
    network.run(SECOND);
    const old = network.sent.filter(isFrom(MAC));
    expect(before.pi.outcome).toBe('paired');
    const pi = new PairingHost(network, { address: PI, name: 'pi', says: true, keyPair: before.pi.keyPair });
    for (const flight of old) {
      network.inject(flight);
      network.run(100);
    }
    network.run(LONG);
    expect(pi.code).toBeUndefined();
    expect(pi.outcome).toBe('interfered');
    expect(pi.book).toEqual([]);
  });
});

describe('the own key', () => {
  test('sent back as the other one is refused', () => {
    const network = new VirtualNetwork(1, { delayMs: 2 });
    const keyPair = keyPairFromSecret(SecretKey.generate(network.prng.bytes));
    const { pi, mac } = couple(network, { pi: { keyPair }, mac: { keyPair } });
    network.run(LONG);
    expect(mac.outcome).toBe('own-key');
    expect(pi.outcome).toBe('no-answer');
    expect([pi.book, mac.book]).toEqual([[], []]);
  });

  test('in a REVEAL is refused too', () => {
    const network = new VirtualNetwork(1, { delayMs: 2 });
    const { pi, mac } = couple(network);
    network.intercept = changing('reveal', (datagram) => ({
      ...datagram,
      offer: withOffer(datagram.offer, { publicKey: pi.keyPair.publicKey }),
    }));
    network.run(LONG);
    expect(pi.outcome).toBe('own-key');
    expect(mac.book).toEqual([]);
  });

  test('and datagrams sent back to where they came from do nothing', () => {
    const network = new VirtualNetwork(1, { delayMs: 2 });
    network.intercept = (flight) => [{ ...flight, from: flight.to, to: flight.from }];
    const { mac } = couple(network);
    network.run(LONG);
    expect(mac.outcome).toBe('no-answer');
  });
});

test('an address that is none is not taken', () => {
  const network = new VirtualNetwork(1, { delayMs: 2 });
  const { pi, mac } = couple(network, { mac: { at: 'mac.local' } }); // these machines want a port
  network.run(LONG);
  expect(pi.outcome).toBe('interfered');
  expect(mac.book).toEqual([]);
});

describe('damaged datagrams', () => {
  test('any changed byte of any datagram leads to no other book, and throws nothing', () => {
    const prng = new Prng(1);
    let ended = 0;
    for (let at = 0; at < 512; at += 1) {
      for (const type of ['hello', 'answer', 'reveal', 'confirm'] as const) {
        const network = new VirtualNetwork(at + 1, { delayMs: 2 });
        let isChanged = false;
        network.intercept = (flight) => {
          if (isChanged || decodeDatagram(flight.datagram)?.type !== type) return [flight];
          isChanged = true;
          const datagram = flight.datagram.slice();
          datagram[at] = (datagram[at] as number) ^ (1 << prng.below(8));
          return [{ ...flight, datagram }];
        };
        const { pi, mac } = couple(network);
        network.run(LONG);
        expect(isChanged).toBe(true);
        for (const { publicKey, name, at: address } of pi.book)
          expect([`${publicKey}`, name, address]).toEqual([
            `${mac.keyPair.publicKey}`,
            'mac',
            'mac.local:9999',
          ]);
        for (const { publicKey, name, at: address } of mac.book)
          expect([`${publicKey}`, name, address]).toEqual([`${pi.keyPair.publicKey}`, 'pi', '']);
        if (pi.outcome !== 'paired') ended++;
      }
    }
    expect(ended).toBeGreaterThan(0);
  });

  test('of any length and content are dropped, and hold no memory', () => {
    const network = new VirtualNetwork(1, { delayMs: 2 });
    network.record = true;
    const { pi, mac } = couple(network, { pi: { says: undefined }, mac: { says: undefined } });
    network.run(SECOND);
    const real = network.sent.map(({ datagram }) => datagram);
    const prng = new Prng(2);
    for (let i = 0; i < 20_000; i++) {
      const datagram = (real[prng.below(real.length)] as Uint8Array).slice(0, prng.below(513));
      if (datagram.length === 512) datagram.set(prng.bytes(32), 16); // of another exchange
      for (const host of [pi, mac]) host.machine.receive(datagram, MALLORY, network.now);
    }
    for (const host of [pi, mac]) {
      expect(host.machine.drain().length).toBeLessThanOrEqual(1);
      host.says(true);
    }
    network.run(SECOND);
    expect([pi.outcome, mac.outcome]).toEqual(['paired', 'paired']);
  });

  test('copies of a HELLO, however many at once, get one answer of their size', () => {
    const network = new VirtualNetwork(1);
    const pi = new PairingHost(network, { address: PI, name: 'pi' });
    const hello = encodeDatagram({ type: 'hello', commitment: network.prng.bytes(32) });
    for (let i = 0; i < 1_000; i++) pi.machine.receive(hello, MALLORY, 0);
    expect(pi.machine.drain().map(({ datagram }) => datagram.length)).toEqual([hello.length]);
  });
});
