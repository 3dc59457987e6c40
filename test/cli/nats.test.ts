/** Two hosts behind a router each, and one with a public address that both trust: who is reached how, for real. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Lab, type Machine } from '../support/cli.ts';
import { noNats } from '../support/namespaces.ts';
import { type NatKind, type NattedHost, NattedNetwork } from '../support/nat.ts';

const PORT = 9999;

async function world(
  kinds: { a: NatKind; b: NatKind },
  run: (machines: {
    readonly alice: Machine;
    readonly bob: Machine;
    readonly pi: Machine;
    readonly internet: NattedNetwork;
  }) => Promise<void>,
): Promise<void> {
  await using internet = await NattedNetwork.open(kinds);
  await using lab = await Lab.open();
  const at = async (name: string, host: NattedHost): Promise<Machine> => {
    const machine = await lab.machine(name);
    machine.launcher = internet.launcher(host);
    return machine;
  };
  const [alice, bob, pi] = [await at('alice', 'a'), await at('bob', 'b'), await at('pi', 'p')];
  const place = `${internet.publicAddressOf('p')}:${PORT}`;
  for (const one of [alice, bob]) {
    await one.store.addPeer({ name: 'pi', publicKey: await pi.publicKey(), at: place });
    await pi.trust(one);
  }
  await alice.trust(bob);
  await bob.trust(alice);
  const server = pi.start(`serve --json --no-lan --port ${PORT}`);
  await server.event('listening');
  await run({ alice, bob, pi, internet });
}

const parsed = (stdout: string): Record<string, unknown>[] =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

/** `NATS=all` has every pair tried, and says how long it took: the table in docs/p2p.md. */
const isTable = process.env['NATS'] === 'all';

const KINDS: readonly NatKind[] = [
  'endpoint-independent',
  'address-restricted',
  'port-restricted',
  'symmetric',
];
const FILTERING_BY_PORT: readonly NatKind[] = ['port-restricted', 'symmetric'];

/** A NAT whose port nobody can know needs another that lets anybody in, or anything of that address. */
function expectedFor(a: NatKind, b: NatKind): 'punched' | 'relayed' {
  const isHopeless =
    (a === 'symmetric' && FILTERING_BY_PORT.includes(b)) ||
    (b === 'symmetric' && FILTERING_BY_PORT.includes(a));
  return isHopeless ? 'relayed' : 'punched';
}

const EVERY_PAIR = KINDS.flatMap((a) => KINDS.map((b) => [a, b, expectedFor(a, b)] as const));

const CASES: readonly (readonly [NatKind, NatKind, 'punched' | 'relayed'])[] = [
  ['endpoint-independent', 'endpoint-independent', 'punched'],
  ['address-restricted', 'address-restricted', 'punched'],
  ['symmetric', 'address-restricted', 'punched'],
  ['symmetric', 'symmetric', 'relayed'],
];

describe.skipIf(noNats !== null).concurrent('behind routers', () => {
  for (const [a, b, expected] of isTable ? EVERY_PAIR : CASES) {
    test(`${a} and ${b}: ${expected}`, async () => {
      await world({ a, b }, async ({ alice, bob }) => {
        await writeFile(join(bob.home, 'x.txt'), 'what was wanted');
        const share = bob.start('share --json --no-lan x.txt');
        await share.event('sharing');
        const { stdout, ms } = await alice.run('peers --no-lan --json --timeout 10');
        if (isTable) console.log(`${a}, ${b}: ${(ms / 1000).toFixed(1)} s, with the start of the program`);
        expect(parsed(stdout)).toMatchObject([
          { name: 'pi', path: 'direct', roundTripMs: expect.any(Number) },
          { name: 'bob', path: expected, via: 'pi', roundTripMs: expect.any(Number) },
        ]);
        if (a !== 'symmetric') return;
        const got = await alice.run('get x.txt --no-lan');
        expect(got).toMatchObject({ code: 0 });
        expect(await readFile(join(alice.home, 'x.txt'), 'utf8')).toBe('what was wanted');
        if (expected === 'relayed') expect(got.stderr).toContain('goes through "pi", which cannot read it');
      });
    });
  }
});
