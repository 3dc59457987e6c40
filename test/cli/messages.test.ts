import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Lab, LOOPBACK } from '../support/cli.ts';

const lines = (text: string): Record<string, unknown>[] =>
  text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));

describe.concurrent('udp-tool msg and inbox', () => {
  test('bring a message, and show it once', async () => {
    await using lab = await Lab.open();
    const { pi, mac, server } = await lab.pair();
    const sent = await mac.run('msg --json dinner is ready');
    expect([sent.code, JSON.parse(sent.stdout)]).toMatchObject([0, { ok: true, peer: 'pi' }]);
    expect(await server.event('message')).toEqual({ event: 'message', peer: 'mac' });
    const read = await pi.run('inbox --json');
    expect(lines(read.stdout)).toMatchObject([{ event: 'message', peer: 'mac', text: 'dinner is ready' }]);
    const again = await pi.run('inbox');
    expect([again.stdout, again.stderr]).toEqual(['', 'Nothing new.\n']);
  });

  test('keep a message while nobody is there, and say so by the exit code', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const mac = await lab.machine('mac');
    const port = await lab.closedPort();
    await mac.trust(pi, port);
    const first = await mac.run('msg --json are you there?');
    expect([first.code, JSON.parse(first.stdout)]).toMatchObject([
      4,
      { ok: false, error: { code: 'port-closed' } },
    ]);
    const second = await mac.run('msg hello?');
    expect(second.stderr).toContain('Kept for "pi".');
    const waiting = await mac.run('outbox --json');
    expect(lines(waiting.stdout)).toMatchObject([{ peer: 'pi', text: 'are you there?' }, { text: 'hello?' }]);
    expect((await mac.run('outbox')).stdout).toBe('pi  are you there?\npi  hello?\n');
    await pi.trust(mac);
    const { port: open } = await pi.serve();
    await mac.trust(pi, open);
    expect((await mac.run('msg at last')).code).toBe(0);
    const read = lines((await pi.run('inbox --json')).stdout);
    expect(read.map(({ text }) => text)).toEqual(['are you there?', 'hello?', 'at last']);
    expect((await mac.run('outbox')).stderr).toBe('Nothing waits.\n');
  });

  test('deliver by serve what was kept, as soon as the peer is there', async () => {
    await using lab = await Lab.open();
    const { pi, mac, port, server } = await lab.pair();
    await server.stop();
    expect((await mac.run('msg --timeout 0.2 later')).code).toBe(4);
    const { server: macServer } = await mac.serve();
    const again = pi.start(`serve --json --host ${LOOPBACK} --port ${port}`);
    await again.event('listening');
    // Whoever asks is there.
    await pi.trust(mac, Number(/:(\d+)"/.exec(macServer.output.stdout)?.[1]));
    expect((await pi.run('send time')).code).toBe(0);
    await macServer.event('delivered');
    expect(await again.event('message')).toEqual({ event: 'message', peer: 'mac' });
    expect(lines((await pi.run('inbox --json')).stdout)).toMatchObject([{ text: 'later' }]);
  });

  test('hand a message to a peer without an address when it asks', async () => {
    await using lab = await Lab.open();
    const { pi, mac } = await lab.pair();
    const sending = pi.start('msg --json --timeout 20 --to mac for you');
    sending.endInput();
    for (;;) {
      const read = await mac.run('inbox --json');
      if (read.stdout === '') continue;
      expect(lines(read.stdout)).toMatchObject([{ peer: 'pi', text: 'for you' }]);
      break;
    }
    expect((await sending.end()).code).toBe(0);
  });

  test('take a message from stdin, as it is', async () => {
    await using lab = await Lab.open();
    const { pi, mac } = await lab.pair();
    const input = `\ufeffline one\nline "two" 'and' \u001b[31m $(red)\n${'x'.repeat(5_000)}\n`;
    expect((await mac.runWith({ input }, 'msg -')).code).toBe(0);
    const shown = await pi.run('inbox --keep');
    expect(shown.stdout).not.toContain('\u001b');
    expect(lines((await pi.run('inbox --json')).stdout)).toMatchObject([{ text: input.slice(1, -1) }]);
  });

  test('tell what is no message, or may not be sent, and keep nothing of the former', async () => {
    await using lab = await Lab.open();
    const { pi, mac, server } = await lab.pair();
    expect((await mac.run('msg')).code).toBe(2);
    expect((await mac.runWith({ input: 'x'.repeat(70_000) }, 'msg')).code).toBe(1);
    expect((await mac.run('msg --to nobody hello')).code).toBe(5);
    expect((await mac.run('outbox')).stderr).toBe('Nothing waits.\n');
    await pi.run('peer deny mac msg');
    await server.event('peers');
    const refused = await mac.run('msg hello');
    expect([refused.code, refused.stderr]).toEqual([3, expect.stringContaining('peer allow NAME msg')]);
    expect((await mac.run('outbox --discard pi')).stderr).toBe('Threw away 1 for "pi".\n');
  });
});

describe.concurrent('udp-tool chat', () => {
  test('goes both ways, though one side cannot be reached, and knows who is there', async () => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const mac = await lab.machine('mac');
    await pi.trust(mac);
    const { port } = await lab.silentPort();
    await mac.trust(pi, port);
    // Nobody is there yet.
    const macChat = mac.start('chat --json --port 0');
    macChat.write('anybody?\n');
    expect(await macChat.event('presence')).toMatchObject({ here: false });
    expect((await macChat.stop('SIGINT')).code).toBe(130);

    const { server, port: open } = await pi.serve();
    await server.stop();
    await mac.trust(pi, open);
    const piChat = pi.start(`chat --json --port ${open} --history history.jsonl`);
    const again = mac.start('chat pi --json --port 0');
    expect(await piChat.event('message')).toMatchObject({ peer: 'mac', text: 'anybody?' });
    expect(await again.event('presence')).toMatchObject({ here: true });
    piChat.write('yes\n');
    expect(await again.event('message')).toMatchObject({ peer: 'pi', text: 'yes' });
    await piChat.event('delivered');
    expect(piChat.output.stdout).toContain('{"event":"presence","here":true}'); // by what was asked of it
    again.write('good\n');
    expect(await piChat.event('message')).toMatchObject({ peer: 'mac', text: 'good' });
    again.endInput();
    expect((await again.end()).code).toBe(0);
    piChat.endInput();
    expect((await piChat.end()).code).toBe(0);
    const history = lines(await readFile(join(pi.home, 'history.jsonl'), 'utf8'));
    expect(history).toMatchObject([
      { from: 'mac', text: 'anybody?' },
      { to: 'mac', text: 'yes' },
      { from: 'mac', text: 'good' },
    ]);
  });

  test('beside a serve that has the port, which takes what comes', async () => {
    await using lab = await Lab.open();
    const { pi, mac, port } = await lab.pair();
    const chat = pi.start(`chat mac --json --port ${port}`);
    expect((await mac.run('msg for the chat')).code).toBe(0);
    expect(await chat.event('message')).toMatchObject({ text: 'for the chat' });
    chat.write('an answer\n');
    const macChat = mac.start('chat --json --port 0');
    expect(await macChat.event('message')).toMatchObject({ text: 'an answer' });
    await chat.event('delivered');
  });
});
