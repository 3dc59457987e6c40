/** `share`, `files`, `get` and `push` between real processes on loopback. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Lab, LOOPBACK, type Machine, type Program } from '../support/cli.ts';
import { described, patterned, plant } from '../support/files.ts';

const lines = (text: string): Record<string, unknown>[] =>
  text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Starts `share`, and has the other machine know where. */
async function share(giver: Machine, taker: Machine, ...words: readonly string[]): Promise<Program> {
  const program = giver.start('share --json --no-lan --port 0', '--host', LOOPBACK, ...words);
  const { addresses } = await program.event('sharing');
  const port = Number(/:(\d+)$/.exec(String((addresses as string[])[0]))?.[1]);
  await taker.store.removePeer(giver.name).catch(() => {});
  await taker.trust(giver, port);
  return program;
}

async function sharing(tree: Parameters<typeof plant>[1], ...words: readonly string[]) {
  const lab = await Lab.open();
  const pi = await lab.machine('pi');
  const mac = await lab.machine('mac');
  await pi.trust(mac);
  await plant(join(pi.home, 'offered'), tree);
  const paths = Object.keys(tree).map((name) => join('offered', name.split('/')[0] ?? ''));
  const program = await share(pi, mac, ...new Set(paths), ...words);
  return { lab, pi, mac, program };
}

describe.concurrent('share, files and get', () => {
  test('a file, with its time, and a folder with everything in it', async () => {
    const big = patterned(3_000_000);
    const tree = {
      'big.bin': big,
      'photos/run.sh': '#!/bin/sh\n',
      'photos/sub/été ☀.txt': 'summer',
      'photos/empty': '',
      'photos/hollow': null,
      hollow: null,
    };
    const { lab, pi, mac } = await sharing(tree);
    await using _lab = lab;
    const listed = await mac.run('files --no-lan --json');
    expect(JSON.parse(listed.stdout)).toMatchObject({
      ok: true,
      files: [
        { name: 'big.bin', kind: 'file', size: 3_000_000, files: 1, peers: ['pi'] },
        { name: 'photos', kind: 'folder', size: 16, files: 3, peers: ['pi'] },
        { name: 'hollow', kind: 'folder', size: 0, files: 0, peers: ['pi'] },
      ],
    });
    expect((await mac.run('files --no-lan pi')).stdout).toMatch(/^[0-9a-f]{12} +3\.0 MB {2}big\.bin {2}pi$/m);

    const got = await mac.run('get --no-lan --json big.bin');
    const done = lines(got.stdout).at(-1);
    expect(done).toMatchObject({ event: 'done', ok: true, size: 3_000_000, sources: ['pi'] });
    expect(sha256(await readFile(join(mac.home, 'big.bin')))).toBe(sha256(big));
    expect((await mac.run('get --no-lan photos')).code).toBe(0);
    expect(await described(join(mac.home, 'photos'))).toEqual(
      await described(join(pi.home, 'offered/photos')),
    );
    expect((await mac.run('get --no-lan hollow')).code).toBe(0);
    expect((await readdir(mac.home)).sort()).toEqual(['big.bin', 'hollow', 'key-folder', 'photos']);
  });

  test('by the beginning of its id, under another name, into a folder, to stdout', async () => {
    const { lab, mac } = await sharing({ 'a.txt': 'content' });
    await using _lab = lab;
    const { files } = JSON.parse((await mac.run('files --no-lan --json')).stdout);
    expect((await mac.run('get --no-lan -o other.txt', files[0].id.slice(0, 8))).code).toBe(0);
    expect(await readFile(join(mac.home, 'other.txt'), 'utf8')).toBe('content');
    await mkdir(join(mac.home, 'below'));
    const told = await mac.run('get --no-lan -o below a.txt');
    expect(told.stdout).toBe(`${join(mac.home, 'below', 'a.txt')}\n`);
    expect(told.stderr).toMatch(/^7 B from pi in .* s, .*, verified\n$/);
    const { code, stdout } = await mac.run('get --no-lan -o - a.txt');
    expect([code, stdout]).toEqual([0, 'content']);
  });

  test('where the name is taken, nothing is lost', async () => {
    const { lab, mac } = await sharing({ 'a.txt': 'theirs' });
    await using _lab = lab;
    await writeFile(join(mac.home, 'a.txt'), 'mine');
    const failed = await mac.run('get --no-lan --json a.txt');
    expect([failed.code, JSON.parse(failed.stdout).error.code]).toEqual([1, 'exists']);
    expect((await mac.run('get --no-lan --conflict skip a.txt')).code).toBe(0);
    expect(await readFile(join(mac.home, 'a.txt'), 'utf8')).toBe('mine');
    expect((await mac.run('get --no-lan --conflict rename a.txt')).code).toBe(0);
    expect(await readFile(join(mac.home, 'a (2).txt'), 'utf8')).toBe('theirs');
    expect((await mac.run('get --no-lan --conflict overwrite a.txt')).code).toBe(0);
    expect(await readFile(join(mac.home, 'a.txt'), 'utf8')).toBe('theirs');
  });

  test('what was killed, on either side, goes on where it stopped', async () => {
    const big = patterned(16_000_000, 5);
    const { lab, pi, mac, program } = await sharing({ 'big.bin': big });
    await using _lab = lab;
    for (let i = 0; i < 3; i++) {
      const get = mac.start('get --no-lan --json --limit 1M big.bin');
      const { doneBytes: begin } = await get.event('progress');
      for (let done = begin; (done as number) < (begin as number) + 500_000; )
        done = (await get.event('progress'))['doneBytes'];
      await get.stop('SIGKILL');
      expect(await readdir(mac.home)).not.toContain('big.bin');
    }
    const last = mac.start('get --no-lan --json big.bin --limit 4M');
    await last.event('progress');
    await program.stop('SIGKILL');
    const port = Number(/"127.0.0.1:(\d+)"/.exec(program.output.stdout)?.[1]);
    const again = pi.start(`share --json --no-lan --host ${LOOPBACK} --port ${port} offered/big.bin`);
    await again.event('sharing');
    const { code, stdout } = await last.end();
    expect(code).toBe(0);
    // Of each start 500 kB, but for what was on its way to the disk when it was killed.
    expect(lines(stdout).at(-1)?.['receivedBytes']).toBeLessThan(16_000_000 - 750_000);
    expect(sha256(await readFile(join(mac.home, 'big.bin')))).toBe(sha256(big));
    expect((await readdir(mac.home)).sort()).toEqual(['big.bin', 'key-folder']);
  });

  test('Ctrl-C says that what has come stays', async () => {
    const { lab, mac } = await sharing({ 'big.bin': patterned(4_000_000) });
    await using _lab = lab;
    const get = mac.start('get --no-lan --json --limit 1M big.bin');
    await get.event('progress');
    const { code, stdout } = await get.stop('SIGINT');
    expect(code).toBe(130);
    expect(lines(stdout).at(-1)).toMatchObject({
      ok: false,
      error: { code: 'aborted', hint: expect.stringContaining('goes on') },
    });
  });

  test('a file that changes meanwhile is noticed', async () => {
    const { lab, pi, mac } = await sharing({ 'big.bin': patterned(4_000_000) });
    await using _lab = lab;
    const get = mac.start('get --no-lan --json --limit 1M big.bin');
    await get.event('progress');
    await writeFile(join(pi.home, 'offered/big.bin'), patterned(4_000_000, 9));
    expect(await get.event('source-lost')).toMatchObject({ peer: 'pi', reason: 'changed' });
    expect((await get.end()).code).toBe(3);
    expect(await readdir(mac.home)).not.toContain('big.bin');
  });
});

describe.concurrent('who may', () => {
  test('nobody sees what is offered to another', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const mac = await lab.machine('mac');
    const nas = await lab.machine('nas');
    await pi.trust(mac);
    await pi.trust(nas);
    await writeFile(join(pi.home, 'secret.txt'), 'for mac');
    await share(pi, mac, 'secret.txt', '--to', 'mac');
    const { at } = (await mac.store.loadPeers())[0] ?? {};
    await nas.trust(pi, Number(/:(\d+)$/.exec(at ?? '')?.[1]));
    const { files } = JSON.parse((await mac.run('files --no-lan --json')).stdout);
    expect(files).toHaveLength(1);
    expect(JSON.parse((await nas.run('files --no-lan --json')).stdout)).toMatchObject({ files: [] });
    const refused = await nas.run('get --no-lan --json', files[0].id);
    expect([refused.code, JSON.parse(refused.stdout).error.code]).toEqual([3, 'not-offered']);
  });

  test('keys are never offered, wherever they lie', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const mac = await lab.machine('mac');
    await pi.trust(mac);
    await plant(join(pi.home, 'home'), { 'config/udp-tool/secret.key': 'a secret', 'config/other.txt': 'x' });
    for (const path of ['home/config/udp-tool', 'home/config/udp-tool/secret.key']) {
      const refused = await pi.run('share --json --no-lan --port 0', path);
      expect([refused.code, JSON.parse(refused.stdout).error.code]).toEqual([2, 'bad-usage']);
    }
    await share(pi, mac, 'home/config');
    expect((await mac.run('get --no-lan config')).code).toBe(0);
    expect(await readdir(join(mac.home, 'config'), { recursive: true })).toEqual(['other.txt', 'udp-tool']);
  });

  test('a machine that serves no files says so', async () => {
    await using lab = await Lab.open();
    const { mac } = await lab.pair('--no-lan');
    const { code, stderr } = await mac.run('files --no-lan pi');
    expect(code).toBe(3);
    expect(stderr).toContain('"pi" offers no files.\nThere, "udp-tool share FILE"');
  });

  test('a machine that is not there is told', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const mac = await lab.machine('mac');
    await mac.trust(pi, await lab.closedPort());
    const { code, stderr } = await mac.run('get --no-lan --timeout 0.5 x.txt');
    expect(code).toBe(4);
    expect(stderr).toContain('"pi"');
  });
});

describe.concurrent('push', () => {
  test('is taken where it is accepted, and never replaces anything', async () => {
    await using lab = await Lab.open();
    const { pi, mac, server } = await lab.pair('--no-lan', '--inbox', 'inbox', '--accept', 'mac');
    await plant(join(mac.home, 'photos'), { 'a.jpg': patterned(200_000), 'sub/b.jpg': 'b' });
    const pushed = await mac.run('push --no-lan --json photos');
    expect([pushed.code, lines(pushed.stdout).at(-1)]).toMatchObject([
      0,
      { event: 'done', peer: 'pi', name: 'photos' },
    ]);
    expect(await server.event('received')).toMatchObject({
      peer: 'mac',
      name: 'photos',
      path: join(pi.home, 'inbox/photos'),
    });
    expect(await described(join(pi.home, 'inbox/photos'))).toEqual(await described(join(mac.home, 'photos')));
    await writeFile(join(mac.home, 'photos/new.txt'), 'new');
    expect((await mac.run('push --no-lan photos')).stderr).toContain('"pi" has photos');
    expect((await readdir(join(pi.home, 'inbox'))).sort()).toEqual(['photos', 'photos (2)']);
  });

  test('is refused where nobody says yes', async () => {
    await using lab = await Lab.open();
    const { pi, mac, server } = await lab.pair('--no-lan', '--inbox', 'inbox');
    await writeFile(join(mac.home, 'a.txt'), 'a');
    const { code, stderr } = await mac.run('push --no-lan a.txt');
    expect([code, stderr]).toMatchObject([3, expect.stringContaining('"pi" refused "a.txt".')]);
    expect(await server.event('push-refused')).toMatchObject({ peer: 'mac', name: 'a.txt' });
    expect(await readdir(join(pi.home, 'inbox'))).toEqual([]);
  });

  test('is refused where nothing is taken at all', async () => {
    await using lab = await Lab.open();
    const { mac } = await lab.pair('--no-lan');
    await writeFile(join(mac.home, 'a.txt'), 'a');
    expect((await mac.run('push --no-lan a.txt')).code).toBe(3);
  });
});

test('a share folder of serve: what comes and goes is noticed, a link is not followed', async () => {
  await using lab = await Lab.open();
  const pi = await lab.machine('pi');
  const mac = await lab.machine('mac');
  await pi.trust(mac);
  await mkdir(join(pi.home, 'shared'));
  await writeFile(join(pi.home, 'shared/one.txt'), 'one');
  await symlink('/etc/passwd', join(pi.home, 'shared/link'));
  const { server, port } = await pi.serve('--no-lan', '--share', 'shared');
  await mac.trust(pi, port);
  await server.event('offered');
  const names = async (): Promise<string[]> =>
    JSON.parse((await mac.run('files --no-lan --json')).stdout).files.map(
      ({ name }: { name: string }) => name,
    );
  expect(await names()).toEqual(['one.txt']);
  await writeFile(join(pi.home, 'shared/two.txt'), 'two');
  await expect.poll(names, { timeout: 10_000 }).toEqual(['one.txt', 'two.txt']);
  expect((await stat(join(pi.home, 'shared/link'))).size).toBeGreaterThan(0);
});
