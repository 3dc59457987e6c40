import { lookup } from 'node:dns/promises';
import { chmod, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Cause, type Diagnosis, examine, type Finding, generateKeyPair } from '../../src/index.ts';
import { Lab, type Machine } from '../support/cli.ts';
import { readExamination } from '../support/examined.ts';

describe.concurrent('doctor finds out, before it asks anybody, that', () => {
  const rows: readonly [string, (machine: Machine, lab: Lab) => Promise<unknown>, string, Cause, number][] = [
    ['there is no key', (mac) => rm(join(mac.keys, 'secret.key')), '', 'key-missing', 5],
    ['there is no key folder', (mac) => rm(mac.keys, { recursive: true }), '', 'key-missing', 5],
    ['others can read the key', (mac) => chmod(join(mac.keys, 'secret.key'), 0o644), '', 'key-unsafe', 5],
    ['others can change the folder', (mac) => chmod(mac.keys, 0o777), '', 'key-unsafe', 5],
    ['the peer book is broken', (mac) => mac.writeBook('[pi]\nkey = udp1'), '', 'bad-peer-book', 5],
    ['a pre-shared key is not there', (mac) => know(mac, { psk: 'gone.psk' }), '', 'key-missing', 5],
    ['a name does not resolve', (mac) => know(mac, { at: 'nosuch.invalid' }), '', 'name-not-found', 1],
    ['nobody has that name', (mac) => know(mac, {}), 'nas', 'unknown-peer', 5],
    ['it has no address of it', (mac) => know(mac, {}), 'pi', 'no-address', 2],
    ['it is paused here', (mac) => know(mac, { at: '10.66.0.2', paused: true }), 'pi', 'peer-paused', 5],
    ['the peer is this machine', (mac) => know(mac, { at: '10.66.0.2' }, mac), '', 'bad-key', 5],
  ];
  const know = async (mac: Machine, fields: object, of?: Machine): Promise<void> => {
    const key = of === undefined ? generateKeyPair().publicKey : await of.publicKey();
    const lines = Object.entries(fields).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
    await mac.writeBook(`[pi]\nkey = "${key}"\n${lines.join('\n')}\n`);
  };

  test.each(rows)('%s', async (_what, breaks, peer, cause, code) => {
    await using lab = await Lab.open();
    const mac = await lab.machine('mac');
    await breaks(mac, lab);
    const examined = readExamination(await mac.run(`doctor ${peer} --json`));
    expect(examined.causes).toEqual([cause]);
    expect(examined.code).toBe(code);
    expect(examined.findings.has('answer')).toBe(false);
  });
});

describe.concurrent('doctor', () => {
  test('on a machine that only serves says where, and whether', async () => {
    await using lab = await Lab.open();
    const { pi } = await lab.pair();
    const { code, findings, causes } = readExamination(await pi.run('doctor --json'));
    expect(code).toBe(0);
    expect(causes).toEqual([]);
    expect(findings.get('peer')?.result).toContain('nobody is to be asked');
    expect([...findings.keys()]).toEqual(
      expect.arrayContaining(['own-key', 'peer-book', 'addresses', 'serving']),
    );
  });

  test('examines every peer that has an address and is not paused, and ends as the first that does not answer', async () => {
    await using lab = await Lab.open();
    const { mac, port } = await lab.pair();
    const [nas, tv, cam] = [await lab.machine('nas'), await lab.machine('tv'), await lab.machine('cam')];
    await mac.trust(nas, await lab.closedPort());
    await mac.trust(tv);
    await mac.trust(cam, port);
    await mac.store.changePeer('cam', (entry) => ({ ...entry, paused: true }));
    const { code, stdout } = await mac.run('doctor --json');
    const diagnoses = stdout.split('\n').filter((line) => line.includes('"diagnosis"'));
    expect(diagnoses.map((line) => JSON.parse(line))).toMatchObject([
      { peer: 'pi', diagnosis: [] },
      { peer: 'nas', error: 'port-closed', diagnosis: expect.any(Array) },
    ]);
    expect(code).toBe(4);
  });

  test('tells people what it found, and what to do', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    await mac.trust(pi, await lab.closedPort());
    const { code, stdout } = await mac.run('doctor pi');
    expect(code).toBe(4);
    expect(stdout).toMatch(/^ok {7}own key {10}This machine is udp1/m);
    expect(stdout).toMatch(/^failed {3}port .*Nothing listens on 127\.0\.0\.1:/m);
    expect(stdout).toMatch(
      /^ {2}2\. Nothing listens on 127\.0\.0\.1:\d+.*\n {5}On "pi": udp-tool serve --port \d+/m,
    );
  });

  test('takes a name with several addresses, and says each', async () => {
    await using lab = await Lab.open();
    const { mac, pi, port } = await lab.pair();
    await mac.store.addPeer({ name: 'pi', publicKey: await pi.publicKey(), at: `localhost:${port}` });
    const { code, findings } = readExamination(await mac.run('doctor --json'));
    expect(code).toBe(0);
    for (const { address } of await lookup('localhost', { all: true }))
      expect(findings.get('name')?.result).toContain(address);
  });

  test('finds a clock that was never set harmless', async () => {
    await using lab = await Lab.open();
    const { mac } = await lab.pair();
    const items: (Finding | Diagnosis)[] = [];
    for await (const item of examine({ store: mac.store, date: () => 0 })) items.push(item);
    const clock = items.find((item) => 'check' in item && item.check === 'clock');
    expect(clock).toMatchObject({ status: 'ok', result: expect.stringContaining('1970-01-01') });
    expect(items.at(-1)).toEqual({ peer: 'pi', diagnosis: [] });
  });

  test('is ended by Ctrl-C, with 130', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    await mac.trust(pi, (await lab.silentPort()).port);
    const doctor = mac.start('doctor --timeout 60');
    await doctor.shows(/mtu/);
    expect(await doctor.stop('SIGINT')).toMatchObject({ code: 130 });
  });
});
