/** Messages, and processes that are killed at any moment: nothing promised is lost, nothing comes twice. */
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { createEndpoint, deliver, MessageStore, messageCommands } from '../../src/index.ts';
import { Lab, LOOPBACK, type Machine, type Program } from '../support/cli.ts';
import { portOf, until } from '../support/endpoints.ts';
import { Prng } from '../support/prng.ts';

const KILLS = 10;
const LONGEST_MS = 120;
const MOST_MESSAGES = 8;

function start(machine: Machine, script: string, ...args: readonly string[]): Program {
  const path = fileURLToPath(new URL(`../support/${script}`, import.meta.url));
  return machine.startFile({}, process.execPath, path, machine.keys, ...args);
}

/** So many milliseconds later, on a machine that is as slow as it is: killed wherever it was. */
function killedAfter(program: Program, ms: number): Promise<unknown> {
  setTimeout(() => program.kill('SIGKILL'), ms);
  return program.finished;
}

/** Messages are `RUN NUMBER`. */
function expectInOrderAndOnce(texts: readonly string[]): void {
  const places = texts.map((text) => {
    const [run, number] = text.split(' ').map(Number) as [number, number];
    return run * 1_000_000 + number;
  });
  expect(places).toEqual([...new Set(places)].sort((a, b) => a - b));
}

describe('a message', () => {
  test(`whose sender is killed, ${KILLS} times`, async () => {
    const prng = new Prng(11);
    await using lab = await Lab.open();
    const mac = await lab.machine('mac');
    const pi = await lab.machine('pi');
    await pi.trust(mac);
    await mac.trust(pi);
    const inbox = new MessageStore(pi.keys, await pi.store.loadKeyPair());
    const peers = await pi.store.loadPeers();
    await using receiver = await createEndpoint({
      keyPair: await pi.store.loadKeyPair(),
      peers,
      commands: messageCommands({ store: inbox }),
      ip: LOOPBACK,
    });
    const promised: string[] = [];
    for (let run = 0; run < KILLS; run++) {
      const sender = start(mac, 'message-sender.mjs', String(portOf(receiver)), String(run));
      // By what it did, and then by the clock: a slow machine is to be killed at as many places.
      await sender.shows(new RegExp(`^\\d+ ${1 + prng.below(MOST_MESSAGES)}$`, 'm'));
      await killedAfter(sender, prng.below(LONGEST_MS));
      promised.push(...sender.output.stdout.split('\n').filter((line) => /^\d+ \d+$/.test(line)));
    }
    // The last of them lives on, and brings what is left.
    const outbox = new MessageStore(mac.keys, await mac.store.loadKeyPair());
    const key = await pi.publicKey();
    await using last = await createEndpoint({
      keyPair: await mac.store.loadKeyPair(),
      peers: [{ name: 'pi', publicKey: key, at: `${LOOPBACK}:${portOf(receiver)}` }],
    });
    await deliver(last.peer('pi'), outbox, { timeoutMs: 20_000 });

    const texts = (await inbox.unread()).map(({ text }) => text);
    expectInOrderAndOnce(texts);
    expect(promised.filter((text) => !texts.includes(text))).toEqual([]);
    expect(promised.length).toBeGreaterThan(KILLS);
  });

  test(`whose receiver is killed, ${KILLS} times`, async () => {
    const prng = new Prng(12);
    await using lab = await Lab.open();
    const mac = await lab.machine('mac');
    const pi = await lab.machine('pi');
    await pi.trust(mac);
    await mac.trust(pi);
    const outbox = new MessageStore(mac.keys, await mac.store.loadKeyPair());
    const key = await pi.publicKey();
    let queued = 0;
    let running = true;
    await using sender = await createEndpoint({ keyPair: await mac.store.loadKeyPair() });
    const queuing = (async () => {
      while (running) {
        if ((await outbox.waiting(key)).length < 5) await outbox.queue(key, `0 ${queued++}`);
        else await new Promise(setImmediate);
      }
    })();
    for (let run = 0; run <= KILLS; run++) {
      const receiver = start(pi, 'message-receiver.mjs');
      const [, port] = await receiver.shows(/^port (\d+)$/m);
      const peer = sender.addPeer({ name: 'pi', publicKey: key, at: `${LOOPBACK}:${port}` });
      const before = queued;
      const bringing = deliver(peer, outbox, { timeoutMs: 20_000 }).catch(() => {});
      await until('something was brought', () => queued > before);
      if (run < KILLS) {
        await killedAfter(receiver, prng.below(LONGEST_MS));
        peer.remove();
        await bringing;
      } else {
        running = false;
        await queuing;
        await bringing;
        await deliver(peer, outbox, { timeoutMs: 20_000 });
      }
    }
    const inbox = new MessageStore(pi.keys, await pi.store.loadKeyPair());
    const texts = (await inbox.unread()).map(({ text }) => text);
    expect(texts).toEqual(Array.from({ length: queued }, (_, i) => `0 ${i}`));
    expect(queued).toBeGreaterThan(KILLS);
  });
});
