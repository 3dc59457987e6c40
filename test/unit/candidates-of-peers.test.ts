import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeAddresses, parseAddresses, scopeOf, usableCandidates } from '../../src/p2p/candidates.ts';
import { TrialBudget } from '../../src/p2p/trial-budget.ts';
import type { CborValue } from '../../src/wire/cbor.ts';

const PUBLIC = { ip: '203.0.113.1', port: 9999 };

/** As the system writes an IPv6 address (RFC 5952): by the parser of URLs, which is another's work. */
function canonical(ip: string): string {
  return new URL(`http://[${ip}]/`).hostname.slice(1, -1);
}

describe('addresses that peers tell', () => {
  test('come as they were sent, as the system writes them', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 1, max: 65_535 }), (ip, port) => {
        if (scopeOf(ip) === 'none' || (isIPv6(ip) && ip.includes('.'))) return;
        const expected = isIPv6(ip) ? canonical(ip) : ip;
        expect(parseAddresses(encodeAddresses([{ ip, port }]))).toEqual([{ ip: expected, port }]);
      }),
    );
  });

  test('whatever else comes is none', () => {
    const bad: CborValue[] = [
      null,
      7,
      [7],
      [[]],
      [[new Uint8Array(4)]],
      [[new Uint8Array(4), 1, 2]],
      [[new Uint8Array(5), 1]],
      [[new Uint8Array(4), 65_536]],
      [[new Uint8Array(4), 1.5]],
      [[new Uint8Array(4), -1]],
      [['203.0.113.1', 9999]],
      Array.from({ length: 9 }, () => [new Uint8Array(4), 1]),
    ];
    for (const value of bad) expect(parseAddresses(value)).toBeNull();
  });

  test.each([
    ['127.0.0.1', 'loopback'],
    ['::1', 'loopback'],
    ['10.1.2.3', 'private'],
    ['172.31.0.1', 'private'],
    ['172.32.0.1', 'global'],
    ['192.168.2.1', 'private'],
    ['fd00::1', 'private'],
    ['2001:db8::1', 'global'],
    ['203.0.113.1', 'global'],
    ['0.0.0.0', 'none'],
    ['::', 'none'],
    ['169.254.1.1', 'none'],
    ['fe80::1', 'none'],
    ['fe80::1%eth0', 'none'],
    ['224.0.0.251', 'none'],
    ['255.255.255.255', 'none'],
    ['ff02::fb', 'none'],
    ['::ffff:192.168.2.1', 'none'],
    ['::ffff:c0a8:201', 'none'],
    ['relay-3-77', 'none'],
    ['pi.local', 'none'],
    ['1.2.3', 'none'],
    ['1:2:3', 'none'],
    ['1::2::3', 'none'],
  ])('%s is %s', (ip, scope) => {
    expect(scopeOf(ip)).toBe(scope);
  });

  test('are tried where somebody may be: twice one IP, loopback from loopback alone, none twice', () => {
    const at = (ip: string, port: number) => ({ ip, port });
    const told = [
      at('127.0.0.1', 1),
      at('198.51.100.1', 0),
      at('198.51.100.1', 1),
      at('198.51.100.1', 1),
      at('198.51.100.1', 2),
      at('198.51.100.1', 3),
      at('224.0.0.1', 4),
      at('10.0.0.1', 5),
    ];
    expect(usableCandidates(told, PUBLIC)).toEqual([
      at('198.51.100.1', 1),
      at('198.51.100.1', 2),
      at('10.0.0.1', 5),
    ]);
    expect(usableCandidates(told, at('127.0.0.1', 9999))).toContainEqual(at('127.0.0.1', 1));
  });

  test('of one IP, however they are told, no more than two are tried in 15 s', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 9_000 }), fc.array(fc.integer({ min: 1, max: 20 })))),
        (rounds) => {
          const budget = new TrialBudget();
          const tried: number[] = [];
          let now = 0;
          for (const [pause, ports] of rounds) {
            now += pause;
            const taken = budget.take(
              ports.map((port) => ({ ip: '198.51.100.1', port })),
              now,
            );
            for (const _ of taken) tried.push(now);
          }
          for (const at of tried) {
            expect(tried.filter((other) => other >= at && other < at + 15_000).length).toBeLessThanOrEqual(2);
          }
        },
      ),
    );
  });
});
