/** Pairing on a network that loses, reorders and repeats, with people who answer, or do not. */
import { describe, expect, test } from 'vitest';
import type { PairingOutcome } from '../../src/pairing/pairing.ts';
import { couple, MAC, type PairingHost, PI } from '../support/pairing.ts';
import { seeds } from '../support/prng.ts';
import { VirtualNetwork } from '../support/virtual-network.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
/** Longer than any attempt. */
const FOR_EVER = 10 * MINUTE;

const KEPT: readonly (PairingOutcome | undefined)[] = ['paired', 'paired-alone'];

/** Each has the other in its book just where it says so. */
function expectTruth(pi: PairingHost, mac: PairingHost): void {
  for (const [host, other] of [
    [pi, mac],
    [mac, pi],
  ] as const) {
    expect(host.book.length).toBe(KEPT.includes(host.outcome) ? 1 : 0);
    for (const { publicKey } of host.book) expect(publicKey.equals(other.keyPair.publicKey)).toBe(true);
    if (host.outcome === 'paired') expect(other.book).toHaveLength(1);
  }
}

describe('two machines', () => {
  test('show the same six digits, and have each other in the book as each described itself', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { pi, mac } = couple(network);
    network.run(SECOND);
    expect(pi.code).toMatch(/^\d{6}$/);
    expect(mac.code).toBe(pi.code);
    expect([pi.outcome, mac.outcome]).toEqual(['paired', 'paired']);
    expect(pi.book).toEqual([{ publicKey: mac.keyPair.publicKey, name: 'mac', at: 'mac.local:9999' }]);
    expect(mac.book).toEqual([{ publicKey: pi.keyPair.publicKey, name: 'pi', at: '' }]);
  });

  test('are silent once they are done, and hold no timer', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { pi, mac } = couple(network);
    network.run(SECOND);
    const { datagrams } = network;
    network.run(FOR_EVER);
    expect(network.datagrams).toBe(datagrams);
    for (const { machine } of [pi, mac]) expect(machine.nextTimeout()).toBe(Number.POSITIVE_INFINITY);
  });

  test('show another code each time', () => {
    const codes = seeds(50).map((seed) => {
      const network = new VirtualNetwork(seed);
      const { pi } = couple(network);
      network.run(SECOND);
      return pi.code;
    });
    expect(new Set(codes).size).toBe(codes.length);
  });

  test('send datagrams of one length, and the one that waits no more of them than it got', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    network.record = true;
    const { mac } = couple(network, { mac: { says: undefined }, pi: { says: undefined } });
    network.run(MINUTE);
    expect(new Set(network.sent.map(({ datagram }) => datagram.length))).toEqual(new Set([512]));
    const fromPi = network.sent.filter(({ from }) => from.ip === PI.ip).length;
    expect(fromPi).toBeLessThanOrEqual(network.sent.length - fromPi);
    expect(mac.code).toBeDefined();
  });

  test('begin in any order: the one that asks goes on asking', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    let isThere = false;
    network.intercept = (flight) => (isThere ? [flight] : []);
    const { pi, mac } = couple(network);
    network.run(30 * SECOND);
    isThere = true;
    network.run(SECOND);
    expect([pi.outcome, mac.outcome]).toEqual(['paired', 'paired']);
  });

  test('show the code on both also when the one that waits was not heard at first', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    network.intercept = (flight) => (flight.from.ip === PI.ip && network.datagrams === 4 ? [] : [flight]);
    const { pi, mac } = couple(network, { pi: { says: undefined }, mac: { says: undefined } });
    network.run(SECOND);
    expect(mac.code).toMatch(/^\d{6}$/);
    expect(mac.code).toBe(pi.code);
  });

  test('find each other where the asking one has several addresses to try', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { pi, mac } = couple(network, { mac: { ask: [{ ip: '10.0.0.1', port: 1 }, PI] } });
    network.run(SECOND);
    expect([pi.outcome, mac.outcome]).toEqual(['paired', 'paired']);
  });
});

describe('nothing is written', () => {
  test('before both people said yes', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { pi, mac } = couple(network, { pi: { says: undefined } });
    network.run(MINUTE);
    expect(mac.events.map(({ type }) => type)).toEqual(['code']);
    expect([pi.book, mac.book]).toEqual([[], []]);
    pi.says(true);
    network.run(SECOND);
    expect([pi.outcome, mac.outcome]).toEqual(['paired', 'paired']);
  });

  test('for a yes that comes before the code', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { pi, mac } = couple(network, { pi: { says: undefined } });
    pi.says(true);
    network.run(MINUTE);
    expect(mac.code).toBeDefined();
    expect([pi.book, mac.book]).toEqual([[], []]);
  });

  test.each([
    ['waiting', { pi: { says: false } }, ['denied', 'refused']],
    ['asking', { mac: { says: false } }, ['refused', 'denied']],
  ])('when the person at the %s machine says no, and both end at once', (_which, options, outcomes) => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { pi, mac } = couple(network, options);
    network.run(SECOND);
    expect([pi.outcome, mac.outcome]).toEqual(outcomes);
    expectTruth(pi, mac);
  });

  test('when both people say no at the same moment', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { pi, mac } = couple(network, { pi: { says: undefined }, mac: { says: undefined } });
    network.run(SECOND);
    for (const host of [pi, mac]) host.says(false);
    network.run(SECOND);
    expect([pi.outcome, mac.outcome]).toEqual(['denied', 'denied']);
    expectTruth(pi, mac);
  });

  test('when one gives up after its yes (Ctrl-C)', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { pi, mac } = couple(network, { pi: { says: undefined } });
    network.run(SECOND);
    mac.machine.giveUp(network.now);
    network.run(SECOND);
    expect([pi.outcome, mac.outcome]).toEqual(['refused', 'given-up']);
    expectTruth(pi, mac);
  });

  test('when one gives up while it waits: it ends at once', () => {
    const network = new VirtualNetwork(1);
    const { pi } = couple(network, { mac: { ask: [] } });
    pi.machine.giveUp(network.now);
    expect(pi.outcome).toBe('given-up');
  });

  test('when nobody answers for two minutes', () => {
    const network = new VirtualNetwork(1, { loss: 1 });
    const { pi, mac } = couple(network);
    network.run(119 * SECOND);
    expect(mac.outcome).toBeUndefined();
    network.run(2 * SECOND);
    expect(mac.outcome).toBe('no-answer');
    expect(pi.outcome).toBeUndefined(); // it waits for as long as its person likes
  });

  test('when somebody began and does not go on', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    network.intercept = (flight) => (flight.from.ip === MAC.ip ? [flight] : []);
    const { pi } = couple(network);
    network.run(2 * MINUTE + SECOND);
    expect(pi.outcome).toBe('no-answer');
  });

  test('when a person does not answer within two minutes of the code', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    const { pi, mac } = couple(network, { mac: { says: undefined } });
    network.run(119 * SECOND);
    expect([pi.outcome, mac.outcome]).toEqual([undefined, undefined]);
    network.run(6 * SECOND);
    for (const { outcome } of [pi, mac]) expect(outcome).toMatch(/^(no-confirmation|refused)$/);
    mac.says(true);
    network.run(MINUTE);
    expectTruth(pi, mac);
  });
});

describe('a network that loses, repeats and reorders', () => {
  test.each(seeds(150))('is no hindrance (seed %i)', (seed) => {
    const network = new VirtualNetwork(seed, { delayMs: 5, jitterMs: 1_200, loss: 0.25, duplication: 0.3 });
    const { pi, mac } = couple(network);
    network.run(FOR_EVER);
    expect(pi.code).toBe(mac.code);
    expect([pi.outcome, mac.outcome]).toEqual(['paired', 'paired']);
    expectTruth(pi, mac);
  });

  test.each(seeds(150))('and loses four of five, is told of as it is (seed %i)', (seed) => {
    const network = new VirtualNetwork(seed, { delayMs: 5, jitterMs: 300, loss: 0.8 });
    const { pi, mac } = couple(network);
    network.run(FOR_EVER);
    expectTruth(pi, mac);
  });
});

describe('a network that breaks after any number of datagrams', () => {
  const outcomesAfter = (count: number): readonly (PairingOutcome | undefined)[] => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    network.intercept = (flight) => (network.datagrams <= count ? [flight] : []);
    const { pi, mac } = couple(network);
    network.run(FOR_EVER);
    expectTruth(pi, mac);
    return [pi.outcome, mac.outcome];
  };

  test('leaves nobody who does not know what is so; one may be paired alone, and says it', () => {
    const all = Array.from({ length: 12 }, (_, count) => outcomesAfter(count));
    expect(all).toEqual([
      [undefined, 'no-answer'],
      ['no-answer', 'no-answer'],
      ['no-answer', 'no-answer'],
      ['no-confirmation', 'no-answer'],
      ['no-confirmation', 'no-confirmation'],
      ['no-confirmation', 'paired-alone'],
      ['paired-alone', 'paired-alone'],
      ['paired', 'paired-alone'],
      ...Array.from({ length: 4 }, () => ['paired', 'paired']),
    ]);
  });

  test('can be mended by pairing again', () => {
    const network = new VirtualNetwork(1, { delayMs: 5 });
    let last = 5;
    network.intercept = (flight) => (network.datagrams <= last ? [flight] : []);
    const { pi, mac } = couple(network);
    network.run(FOR_EVER);
    expect(mac.outcome).toBe('paired-alone');
    last = Number.POSITIVE_INFINITY;
    const again = couple(network, { pi: { keyPair: pi.keyPair }, mac: { keyPair: mac.keyPair } });
    network.run(SECOND);
    expect([again.pi.outcome, again.mac.outcome]).toEqual(['paired', 'paired']);
  });
});

test('a book that cannot be written on one side ends it on both', () => {
  const network = new VirtualNetwork(1, { delayMs: 5 });
  const { pi, mac } = couple(network);
  pi.write = () => pi.machine.giveUp(network.now);
  network.run(5 * SECOND);
  expect(pi.outcome).toBe('given-up');
  expect(mac.outcome).toMatch(/^(refused|paired-alone)$/);
  expectTruth(pi, mac);
});
