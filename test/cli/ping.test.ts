import { describe, expect, test } from 'vitest';
import { Lab } from '../support/cli.ts';

describe.concurrent('ping', () => {
  test('measures round trips, and says what came through', async () => {
    await using lab = await Lab.open();
    const { mac } = await lab.pair();
    const { code, stdout, stderr } = await mac.run('ping -c 3 -i 0.01');
    expect(code).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^1 +\d+\.\d\d ms\n2 +\d+\.\d\d ms\n3 +\d+\.\d\d ms\nlarge +\d+\.\d\d ms\n/);
    expect(stdout).toContain('sent 3, answered 3; datagrams lost 0');
    expect(stdout).toMatch(/round trip {2}min \d+\.\d\d, median \d+\.\d\d, max \d+\.\d\d ms/);
    expect(stdout).toMatch(/jitter {2}\d+\.\d\d ms.*RFC 3550/);
    expect(stdout).toContain('1232 bytes there, 1232 back');
  });

  test('with --json gives a line each, and the summary', async () => {
    await using lab = await Lab.open();
    const { mac } = await lab.pair();
    const { code, stdout } = await mac.run('ping pi -c 2 -i 0.01 --json');
    expect(code).toBe(0);
    const [first, second, large, last] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const answered = { ok: true, tries: 1, roundTripMs: expect.any(Number) };
    expect(first).toMatchObject({ ...answered, number: 1, large: false });
    expect(second).toMatchObject({ ...answered, number: 2, large: false });
    expect(large).toMatchObject({ ...answered, number: 3, large: true });
    const { roundTripMs, jitterMs } = last.summary;
    expect(last.summary).toMatchObject({ sent: 2, answered: 2, lost: 0 });
    expect(roundTripMs.min).toBe(Math.min(first.roundTripMs, second.roundTripMs));
    expect(roundTripMs.max).toBe(Math.max(first.roundTripMs, second.roundTripMs));
    expect(jitterMs).toBeCloseTo(roundTripMs.max - roundTripMs.min, 2);
  });

  test('of a peer that may call nothing is answered too', async () => {
    await using lab = await Lab.open();
    const { pi, mac, server } = await lab.pair();
    await pi.run('peer deny mac *');
    await server.event('peers');
    expect((await mac.run('ping -c 1')).stdout).toContain('sent 1, answered 1');
  });

  test('that nothing answers ends with 4 and the causes that send tells, or the summary as JSON', async () => {
    await using lab = await Lab.open();
    const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
    await mac.trust(pi, (await lab.silentPort()).port);
    const [told, json] = await Promise.all([
      mac.run('ping -c 2 -i 0.01 --timeout 0.4'),
      mac.run('ping -c 2 -i 0.01 --timeout 0.4 --json'),
    ]);
    expect(told.code).toBe(4);
    expect(told.stdout).toContain('sent 2, answered 0; datagrams lost 2');
    expect(told.stderr).toContain('On "pi": udp-tool peer list');
    expect(json.code).toBe(4);
    const lines = json.stdout.trim().split('\n');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ ok: false, number: 1, error: { code: 'no-answer' } });
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ summary: { answered: 0, roundTripMs: null } });
  });

  test('is ended by Ctrl-C with the summary; with 130 only if nothing was answered', async () => {
    await using lab = await Lab.open();
    const { pi, mac } = await lab.pair();
    const answered = mac.start('ping -i 300');
    await answered.shows(/^1 .*ms/m);
    expect(await answered.stop('SIGINT')).toMatchObject({ code: 0 });
    await answered.shows(/sent 1, answered 1/);

    const { port, firstDatagram } = await lab.silentPort();
    await mac.store.addPeer({ name: 'pi', publicKey: await pi.publicKey(), at: `127.0.0.1:${port}` });
    const silent = mac.start('ping --timeout 60');
    await firstDatagram;
    expect(await silent.stop('SIGINT')).toMatchObject({ code: 130 });
    await silent.shows(/sent 0, answered 0/);
  });

  test.each([
    ['ping -c 0', 'from 1 to'],
    ['ping -i 0.001', 'from 10 ms'],
    ['ping -c many', 'from 1 to'],
  ])('refuses "%s"', async (line, complaint) => {
    await using lab = await Lab.open();
    const mac = await lab.machine('mac');
    const { code, stderr } = await mac.run(line);
    expect(code).toBe(2);
    expect(stderr).toContain(complaint);
  });

  test('says, of several peers, how one is chosen', async () => {
    await using lab = await Lab.open();
    const { mac, port } = await lab.pair();
    await mac.trust(await lab.machine('nas'), port);
    const { code, stderr } = await mac.run('ping');
    expect(code).toBe(2);
    expect(stderr).toContain('udp-tool ping NAME: pi, nas');
  });
});
