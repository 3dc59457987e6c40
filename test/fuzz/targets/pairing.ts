/** Two machines that pair, two people who compare, and somebody who sends what he likes (PROTOCOL, Appendix B). */
import { concat } from '../../../src/bytes.ts';
import { keyPairFromSecret, SecretKey } from '../../../src/crypto/keys.ts';
import { encodeDatagram } from '../../../src/pairing/datagrams.ts';
import { Pairing, type PairingEvent } from '../../../src/pairing/pairing.ts';
import type { Address } from '../../../src/session/address.ts';
import { Prng } from '../../support/prng.ts';
import { block, check, Input, type Target } from '../target.ts';

const ASKER: Address = { ip: '192.168.2.1', port: 50_000 };
const WAITER: Address = { ip: '192.168.2.3', port: 9998 };
const STRANGER: Address = { ip: '198.51.100.66', port: 666 };
const KEYS = [4, 5].map((byte) => keyPairFromSecret(SecretKey.fromBytes(new Uint8Array(32).fill(byte))));
const DATAGRAM_BYTES = 512;
const MAX_ACTIONS = 32;
const DAY_MS = 24 * 3_600_000;
const MAX_TIMEOUTS = 1_000;

/** By the first byte of each action modulo their number; the second says which of the two machines it concerns. */
const Action = {
  CARRY: 0,
  LOSE: 1,
  YES: 2,
  NO: 3,
  WRITTEN: 4,
  GIVE_UP: 5,
  WAIT: 6,
  STRANGER: 7,
  TAMPER: 8,
} as const;
const ACTIONS = Object.keys(Action).length;

export const pairing: Target = {
  name: 'pairing',
  seeds: () => {
    const carry = (times: number): number[] => new Array<number[]>(times).fill([0, 0, 0, 1]).flat();
    const yes = [Action.YES, 0, Action.YES, 1];
    const written = [Action.WRITTEN, 0, Action.WRITTEN, 1];
    const hello = encodeDatagram({ type: 'hello', commitment: new Uint8Array(32).fill(7) });
    return [
      Uint8Array.of(...carry(4), ...yes, ...carry(2), ...written, ...carry(4)),
      Uint8Array.of(...carry(4), Action.NO, 0, ...carry(4)),
      Uint8Array.of(...carry(4), Action.YES, 0, Action.GIVE_UP, 1, ...carry(2), Action.WAIT, 200),
      Uint8Array.of(...carry(2), Action.TAMPER, 1, 0, 0, 60, 1, ...carry(3), ...yes, ...carry(2)),
      // Steps that somebody else says: in a genuine CONFIRM, for one of the two.
      ...[4, 5].flatMap((sent) =>
        [0, 1].map((side) =>
          Uint8Array.of(...carry(4), Action.TAMPER, side, sent, 0, 48, 1, Action.YES, side, ...carry(2)),
        ),
      ),
      concat(
        Uint8Array.of(Action.STRANGER, 1),
        block(hello),
        Uint8Array.of(...carry(4), ...yes, ...carry(2)),
      ).slice(),
    ];
  },
  maxBytes: 1600,
  work: { base: 100_000, perByte: 2_000 },
  memory: { base: 1024 * 1024, perByte: 1_000 },
  run(input) {
    const attempt = new Attempt();
    attempt.play(new Input(input));
    attempt.end();
  },
};

interface Side {
  readonly machine: Pairing;
  readonly address: Address;
  readonly events: PairingEvent[];
  said: boolean | null;
}

class Attempt {
  readonly #sides: readonly [Side, Side];
  readonly #sent: Uint8Array[] = [new Uint8Array(DATAGRAM_BYTES)];
  #now = 0;

  constructor() {
    this.#sides = [this.#side(0), this.#side(1)];
  }

  play(input: Input): void {
    for (let i = 0; i < MAX_ACTIONS && !input.isEmpty; i++) {
      const action = input.below(ACTIONS);
      const which = input.byte();
      const side = this.#sides[which % 2] as Side;
      switch (action) {
        case Action.CARRY:
          for (const datagram of this.#take(side)) this.#receive(this.#otherOf(side), datagram, side.address);
          break;
        case Action.LOSE:
          this.#take(side);
          break;
        case Action.YES:
        case Action.NO:
          if (!side.events.some(({ type }) => type === 'code')) break;
          side.said ??= action === Action.YES;
          side.machine.confirm(side.said, this.#now);
          break;
        case Action.WRITTEN:
          if (side.events.some(({ type }) => type === 'agreed')) side.machine.written(this.#now);
          break;
        case Action.GIVE_UP:
          side.machine.giveUp(this.#now);
          break;
        case Action.WAIT:
          this.#now += which * which;
          for (const one of this.#sides)
            if (one.machine.nextTimeout() <= this.#now) one.machine.timeout(this.#now);
          break;
        case Action.STRANGER:
          this.#receive(side, input.block(), STRANGER);
          break;
        case Action.TAMPER: {
          const changed = (this.#sent[input.below(this.#sent.length)] as Uint8Array).slice();
          const at = (input.byte() * 256 + input.byte()) % changed.length;
          changed[at] = (changed[at] as number) ^ (input.byte() || 1);
          this.#receive(side, changed, STRANGER);
          break;
        }
      }
      this.#expectHonest();
    }
  }

  /** A day without a word: both know how it ended, and wait for nothing. */
  end(): void {
    for (const { machine, events, address } of this.#sides) {
      let now = this.#now;
      // Until the book is written, its owner is waited for.
      if (events.some(({ type }) => type === 'agreed')) machine.written(now);
      for (let i = 0; machine.nextTimeout() <= this.#now + DAY_MS; i++) {
        check(i < MAX_TIMEOUTS, 'there is no end of timeouts');
        now = Math.max(now, machine.nextTimeout());
        machine.timeout(now);
        check(machine.nextTimeout() > now, 'a timeout is due at once again');
      }
      // Who waits to be asked waits on.
      if (address === ASKER || events.some(({ type }) => type === 'code'))
        check(events.at(-1)?.type === 'ended', 'an attempt has no end');
      check(machine.nextTimeout() === Number.POSITIVE_INFINITY, 'something is waited for after a day');
    }
    this.#expectHonest();
  }

  #side(index: 0 | 1): Side {
    const events: PairingEvent[] = [];
    const address = index === 0 ? ASKER : WAITER;
    const machine = new Pairing(
      {
        keyPair: KEYS[index] as (typeof KEYS)[number],
        name: index === 0 ? 'mac' : 'pi',
        at: index === 0 ? '' : 'pi.local:9999',
        ...(index === 0 && { ask: [WAITER] }),
        isAddress: (text) => /^[\w.]+:\d+$/.test(text),
        random: new Prng(1 + index).bytes,
        onEvent: (event) => events.push(event),
      },
      this.#now,
    );
    return { machine, address, events, said: null };
  }

  #otherOf(side: Side): Side {
    return side === this.#sides[0] ? this.#sides[1] : this.#sides[0];
  }

  #take({ machine }: Side): Uint8Array[] {
    const transmits = machine.drain();
    check(transmits.length <= 1, 'one datagram is answered with several');
    return transmits.map(({ datagram }) => {
      check(datagram.length === DATAGRAM_BYTES, 'a datagram has another length');
      this.#sent.push(datagram.slice());
      return datagram;
    });
  }

  #receive({ machine }: Side, datagram: Uint8Array, from: Address): void {
    machine.receive(datagram.slice(), from, this.#now);
  }

  /** Nobody is put into a book but the other one, and not before both people saw one code and said yes. */
  #expectHonest(): void {
    const codes = this.#sides.flatMap(({ events }) =>
      events.flatMap((event) => (event.type === 'code' ? [event] : [])),
    );
    check(new Set(codes.map(({ code }) => code)).size <= 1, 'two codes are shown');
    for (const [i, { events }] of this.#sides.entries()) {
      check(events.filter(({ type }) => type === 'code').length <= 1, 'a code is shown twice');
      check(events.filter(({ type }) => type === 'ended').length <= 1, 'an attempt ends twice');
      for (const event of events) {
        if (event.type !== 'agreed' && event.type !== 'code') continue;
        const other = KEYS[1 - i]?.publicKey;
        check(
          other !== undefined && event.other.publicKey.equals(other),
          'somebody else is taken for the other one',
        );
        if (event.type === 'agreed')
          check(
            this.#sides.every(({ said }) => said === true),
            'a machine is trusted without the yes of both',
          );
      }
    }
  }
}
