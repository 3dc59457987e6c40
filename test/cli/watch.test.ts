import { describe, expect, test } from 'vitest';
import { Lab } from '../support/cli.ts';

const COMMANDS = `let n = 0;
export const counter = { summary: 'Counts', idempotent: true, run: () => ++n };
export const flow = { summary: 'Counts by itself', idempotent: true, async *run() { for (let i = 1; ; i++) yield i; } };
export const three = { summary: 'Three', idempotent: true, async *run() { yield* ['a', { b: 1 }, 'c\\u001b[2J']; } };
export const moody = { summary: 'Fails at first', idempotent: true, run() { if (n++ === 0) throw new Error('not now'); return 'fine'; } };
`;

describe.concurrent('udp-tool watch', () => {
  test('gives a line of JSON for each value', async () => {
    await using lab = await Lab.open();
    const { mac } = await allowed(lab);
    const watched = await mac.run('watch counter --every 50ms --count 5 --json');
    expect(watched.code).toBe(0);
    const events = watched.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events.filter(({ event }) => event === 'value').map(({ value }) => value)).toEqual([
      1, 2, 3, 4, 5,
    ]);
  });

  test('ends with a stream, and shows its values without what a terminal obeys', async () => {
    await using lab = await Lab.open();
    const { mac } = await allowed(lab);
    const watched = await mac.run('watch three');
    expect([watched.code, watched.stdout]).toEqual([0, 'a\nb  1\nc\u{fffd}[2J\n']);
    expect((await mac.run('send three')).stdout).toBe('a\n');
  });

  test('ends by Ctrl-C, which is no failure', async () => {
    await using lab = await Lab.open();
    const { mac } = await allowed(lab);
    const watching = mac.start('watch flow');
    await watching.shows(/^100$/m);
    expect((await watching.stop('SIGINT')).code).toBe(0);
  });

  test('says when the command fails, and goes on', async () => {
    await using lab = await Lab.open();
    const { mac } = await allowed(lab);
    const watched = await mac.run('watch moody --every 20ms --count 1');
    expect([watched.stdout, watched.stderr]).toEqual([
      'fine\n',
      expect.stringContaining('(failed this time: not now)\n'), // a slow machine misses one as well
    ]);
  });

  test('goes on over a restart of the server, and says what is missing', async () => {
    await using lab = await Lab.open();
    const { pi, mac, server, port } = await allowed(lab);
    const watching = mac.start('watch counter --every 50ms --json');
    await watching.shows(/"value":3\}/);
    await server.stop('SIGKILL');
    const again = pi.start(
      `serve --json --port ${port} --host 127.0.0.1 --commands ${await commandsFile(lab)}`,
    );
    await again.event('listening');
    expect(await watching.event('gap')).toEqual({ event: 'gap', missed: null });
    await watching.shows(/"value":2\}/);
  });

  test('is refused as a request is', async () => {
    await using lab = await Lab.open();
    const { mac, server } = await lab.pair('--commands', await commandsFile(lab));
    expect((await mac.run('watch counter')).code).toBe(3); // not allowed, so it is not there
    expect((await mac.run('watch time --every never')).code).toBe(2);
    await server.stop();
    expect((await mac.run('watch time --timeout 1')).code).toBe(4);
  });
});

/** `mac` may call everything of `pi`, which serves. */
async function allowed(lab: Lab) {
  const [pi, mac] = [await lab.machine('pi'), await lab.machine('mac')];
  await pi.store.addPeer({ name: 'mac', publicKey: await mac.publicKey(), allow: ['*'] });
  const { server, port } = await pi.serve('--commands', await commandsFile(lab));
  await mac.trust(pi, port);
  return { pi, mac, server, port };
}

function commandsFile(lab: Lab): Promise<string> {
  return lab.file('commands.mjs', COMMANDS);
}
