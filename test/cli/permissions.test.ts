import { describe, expect, test } from 'vitest';
import { DEFAULT_ALLOW } from '../../src/index.ts';
import { Lab } from '../support/cli.ts';

describe.concurrent('what a peer may not call', () => {
  test('looks as if it did not exist, from the moment that "peer deny" says so', async () => {
    await using lab = await Lab.open();
    const { pi, mac, server } = await lab.pair();
    expect(await mac.run('send lucky 5 5')).toMatchObject({ code: 0, stdout: '5\n' });

    expect((await pi.run('peer deny mac lucky')).stderr).toContain(
      '"mac" may call mail, msg, time, help and ping.',
    );
    expect((await server.event('peers'))['changes']).toEqual(['~mac']);
    const denied = await mac.run('send lucky 5 5');
    const unknown = await mac.run('send luckx 5 5');
    expect(denied).toMatchObject({ code: 3, stdout: '' });
    expect(denied.stderr).toBe(unknown.stderr.replaceAll('luckx', 'lucky'));
    expect((await mac.run('send help')).stdout).not.toContain('lucky');

    await pi.run('peer allow mac lucky');
    await server.event('peers');
    expect(await mac.run('send lucky 5 5')).toMatchObject({ code: 0, stdout: '5\n' });
  });

  test('changes under a live session, which goes on', async () => {
    await using lab = await Lab.open();
    const { pi, mac, server } = await lab.pair();
    const shell = mac.start('shell');
    shell.write('lucky 5 5\n');
    await shell.shows(/^5$/m);
    await pi.run('peer deny mac *');
    await server.event('peers');
    shell.write('lucky 5 5\n');
    await shell.shows(/There is no command "lucky" here/, 'stderr');
    await pi.run('peer allow mac *');
    await server.event('peers');
    shell.write('lucky 6 6\n');
    await shell.shows(/^6$/m);
    shell.endInput('exit\n');
    await shell.end();
  });
});

describe.concurrent('a peer that is paused', () => {
  test('gets no answer, its live session neither, until it is resumed', async () => {
    await using lab = await Lab.open();
    const { pi, mac, server } = await lab.pair();
    const shell = mac.start('shell --timeout 1');
    shell.write('lucky 5 5\n');
    await shell.shows(/^5$/m);
    expect((await pi.run('peer pause mac')).stderr).toContain('"mac" gets no answer now.');
    expect((await server.event('peers'))['changes']).toEqual(['-mac']);
    shell.write('lucky 5 5\n');
    await shell.shows(/no answer|Nothing answered|not answered/i, 'stderr');
    expect((await pi.run('peer list --json')).stdout).toContain('"paused":true');
    await pi.run('peer resume mac');
    await server.event('peers');
    shell.endInput('lucky 6 6\nexit\n');
    await shell.shows(/^6$/m);
    await shell.end();
    expect(await pi.readBook()).not.toMatch(/^paused/m);
  });
});

describe.concurrent('peer allow and deny', () => {
  test('say what the peer may call now, also as JSON, and keep the rest of the book', async () => {
    await using lab = await Lab.open();
    const { pi, mac } = await lab.pair();
    await pi.writeBook(
      `# by hand\n\n${await pi.readBook()}\n[nas]\nkey = "${await (await lab.machine('nas')).publicKey()}"\n`,
    );
    const { stdout, stderr } = await pi.run('peer allow mac temp --json');
    expect(JSON.parse(stdout)).toEqual({
      name: 'mac',
      publicKey: `${await mac.publicKey()}`,
      allow: [...DEFAULT_ALLOW, 'temp'],
    });
    expect(stderr).toContain('"mac" may call lucky, mail, msg, temp, time, help and ping.');
    expect((await pi.run('peer allow mac *')).stderr).toContain('may call every command.');
    expect((await pi.run('peer deny mac temp')).stderr).toContain('may call every command but temp.');
    expect((await pi.run('peer deny mac *')).stderr).toContain('may call nothing but help and ping.');
    const book = await pi.readBook();
    expect(book).toContain('# by hand');
    expect(book).toContain('[nas]');
  });

  test('refuse what cannot be a command, and whom they do not know', async () => {
    await using lab = await Lab.open();
    const { pi } = await lab.pair();
    expect(await pi.run('peer allow mac rm -- -rf')).toMatchObject({ code: 2 });
    expect(await pi.run('peer allow nas temp')).toMatchObject({ code: 5 });
    expect(await pi.run('peer allow mac')).toMatchObject({ code: 2 });
  });
});
