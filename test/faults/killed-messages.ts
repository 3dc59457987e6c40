/** Messages, and processes that are killed at any moment: nothing promised is lost, nothing comes twice or out of turn. */
import { fileURLToPath } from 'node:url';
import { createEndpoint, deliver, MessageStore, messageCommands } from '../../src/index.ts';
import { Lab, LOOPBACK, type Machine, type Program } from '../support/cli.ts';
import { portOf, until } from '../support/endpoints.ts';
import { type Figures, later, type Scenario } from './scenario.ts';

const LONGEST_MS = 120;
const MOST_MESSAGES = 8;
const TIMEOUT_MS = 20_000;
/** So many kills and the inbox is read, as its owner would: it is bounded. */
const READ_EVERY = 20;

function start(machine: Machine, script: string, ...args: readonly string[]): Program {
  const path = fileURLToPath(new URL(`../support/${script}`, import.meta.url));
  return machine.startFile({}, process.execPath, path, machine.keys, ...args);
}

async function strangers(lab: Lab): Promise<{ readonly mac: Machine; readonly pi: Machine }> {
  const [mac, pi] = [await lab.machine('mac'), await lab.machine('pi')];
  await pi.trust(mac);
  await mac.trust(pi);
  return { mac, pi };
}

/** Takes what is there and forgets it. */
async function readAll(inbox: MessageStore, texts: string[]): Promise<void> {
  for (const message of await inbox.unread()) {
    texts.push(message.text);
    await inbox.markRead(message);
  }
}

/** Messages are `RUN NUMBER`. */
function disorder(texts: readonly string[]): string[] {
  const places = texts.map((text) => {
    const [run, number] = text.split(' ').map(Number) as [number, number];
    return run * 1_000_000 + number;
  });
  return texts
    .filter((_, i) => i > 0 && (places[i] ?? 0) <= (places[i - 1] ?? 0))
    .map((text) => `twice or late: ${text}`);
}

export const killedSender: Scenario = {
  name: 'killed-sender',
  unit: 'kills',
  times: 300,
  missing: null,
  async run(times, prng): Promise<Figures> {
    await using lab = await Lab.open();
    const { mac, pi } = await strangers(lab);
    const inbox = new MessageStore(pi.keys, await pi.store.loadKeyPair());
    await using receiver = await createEndpoint({
      keyPair: await pi.store.loadKeyPair(),
      peers: await pi.store.loadPeers(),
      commands: messageCommands({ store: inbox }),
      ip: LOOPBACK,
    });
    const promised: string[] = [];
    const texts: string[] = [];
    for (let run = 0; run < times; run++) {
      const sender = start(mac, 'message-sender.mjs', String(portOf(receiver)), String(run));
      await sender.shows(new RegExp(`^\\d+ ${1 + prng.below(MOST_MESSAGES)}$`, 'm'));
      await later(prng.below(LONGEST_MS));
      await sender.stop('SIGKILL');
      promised.push(...sender.output.stdout.split('\n').filter((line) => /^\d+ \d+$/.test(line)));
      if (run % READ_EVERY === READ_EVERY - 1) await readAll(inbox, texts);
    }
    // The last of them lives on, and brings what is left.
    const outbox = new MessageStore(mac.keys, await mac.store.loadKeyPair());
    await using last = await createEndpoint({
      keyPair: await mac.store.loadKeyPair(),
      peers: [{ name: 'pi', publicKey: await pi.publicKey(), at: `${LOOPBACK}:${portOf(receiver)}` }],
    });
    await deliver(last.peer('pi'), outbox, { timeoutMs: TIMEOUT_MS });
    await readAll(inbox, texts);
    const arrived = new Set(texts);
    const missing = promised.filter((text) => !arrived.has(text)).map((text) => `promised and lost: ${text}`);
    const notes = [`${promised.length} messages promised, ${texts.length} arrived`];
    return { runs: times, lost: [...missing, ...disorder(texts)], recoveryMs: [], notes };
  },
};

export const killedReceiver: Scenario = {
  name: 'killed-receiver',
  unit: 'kills',
  times: 300,
  missing: null,
  async run(times, prng): Promise<Figures> {
    await using lab = await Lab.open();
    const { mac, pi } = await strangers(lab);
    const outbox = new MessageStore(mac.keys, await mac.store.loadKeyPair());
    const inbox = new MessageStore(pi.keys, await pi.store.loadKeyPair());
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
    const texts: string[] = [];
    for (let run = 0; run <= times; run++) {
      const receiver = start(pi, 'message-receiver.mjs');
      const [, port] = await receiver.shows(/^port (\d+)$/m);
      const peer = sender.addPeer({ name: 'pi', publicKey: key, at: `${LOOPBACK}:${port}` });
      const before = queued;
      const bringing = deliver(peer, outbox, { timeoutMs: TIMEOUT_MS }).catch(() => {});
      await until('something was brought', () => queued > before);
      if (run < times) {
        await later(prng.below(LONGEST_MS));
        await receiver.stop('SIGKILL');
        peer.remove();
        await bringing;
        if (run % READ_EVERY === READ_EVERY - 1) await readAll(inbox, texts);
      } else {
        running = false;
        await queuing;
        await bringing;
        await deliver(peer, outbox, { timeoutMs: TIMEOUT_MS });
      }
    }
    await readAll(inbox, texts);
    const arrived = new Set(texts);
    const promised = Array.from({ length: queued }, (_, i) => `0 ${i}`);
    const missing = promised.filter((text) => !arrived.has(text)).map((text) => `promised and lost: ${text}`);
    const notes = [`${queued} messages promised, ${texts.length} arrived`];
    return { runs: times, lost: [...missing, ...disorder(texts)], recoveryMs: [], notes };
  },
};
