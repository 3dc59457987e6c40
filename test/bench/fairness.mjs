/**
 * What one peer's burst of requests does to another's: `node test/bench/fairness.mjs [ROUNDS]`, after `npm run build`.
 * A quick peer asks again and again, while a greedy one asks 10,000 times at once, and before, while two processes are as
 * busy with something else as that one and the server are then: there may be fewer processors than processes.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createEndpoint, defineCommand, keyPairFromSecret, SecretKey } from '../../dist/index.js';

const HOST = '127.0.0.1';
const BURST = 10_000;
const QUIET_MS = 1_000;
/** Of the burst; what hangs lasts longer, and is over in effect. */
const BURST_MS = 600;
const PAUSE_MS = 2;

const keyOf = (byte) => keyPairFromSecret(SecretKey.fromBytes(new Uint8Array(32).fill(byte)));
const [server, greedy, quick] = [keyOf(1), keyOf(2), keyOf(3)];
const cyclic = {};
cyclic.itself = cyclic;
const large = 'x'.repeat(1_000_000);
const COMMANDS = {
  throws: () => {
    throw new Error('no');
  },
  hangs: () => new Promise(() => {}),
  large: () => large,
  cyclic: () => cyclic,
};

const roles = {
  async spinner() {
    return { onTask: () => spin(QUIET_MS) };
  },
  async server() {
    const define = (name, run) => defineCommand({ name, summary: '', idempotent: true, run });
    const endpoint = await createEndpoint({
      keyPair: server,
      ip: HOST,
      peers: [greedy, quick].map(({ publicKey }, i) => ({ name: `peer${i}`, publicKey })),
      commands: [
        define('quick', () => 1),
        ...Object.entries(COMMANDS).map(([name, run]) => define(name, run)),
      ],
    });
    return { value: endpoint.addresses[0].port, onTask: () => process.memoryUsage.rss() };
  },
  async greedy(port) {
    const peer = await asking(greedy, port);
    return {
      onTask: async (command) => {
        const codes = {};
        const ask = () => peer.request(command, [], { timeoutMs: 5_000 }).catch(({ code }) => code);
        for (const code of await Promise.all(Array.from({ length: BURST }, ask)))
          codes[code] = (codes[code] ?? 0) + 1;
        return codes;
      },
    };
  },
  async quick(port) {
    const peer = await asking(quick, port);
    for (let i = 0; i < 3_000; i++) await peer.request('quick');
    return {
      onTask: async (ms) => {
        const times = [];
        for (const end = performance.now() + ms; performance.now() < end; ) {
          const start = performance.now();
          await peer.request('quick', [], { timeoutMs: 30_000 });
          times.push(performance.now() - start);
          await new Promise((done) => setTimeout(done, PAUSE_MS));
        }
        return times.sort((a, b) => a - b);
      },
    };
  },
};

function spin(ms) {
  for (const end = performance.now() + ms; performance.now() < end; );
}

async function asking(keyPair, port) {
  const peers = [{ name: 'server', publicKey: server.publicKey, at: `${HOST}:${port}` }];
  const endpoint = await createEndpoint({ keyPair, ip: HOST, peers, commands: [] });
  await endpoint.peer('server').request('quick');
  return endpoint.peer('server');
}

const [role, port] = process.argv.slice(2);
if (role in roles) {
  const { value, onTask } = await roles[role](port);
  process.on('message', async (task) => process.send({ value: await onTask(task) }));
  process.send({ value });
} else {
  for (const command of Object.keys(COMMANDS)) console.log(await measured(command, Number(role) || 7));
}

async function measured(command, rounds) {
  const results = [];
  for (let i = 0; i < rounds; i++) results.push(await round(command));
  const middle = (pick) => results.map(pick).sort((a, b) => a - b)[rounds >> 1];
  const figure = (pick) => middle(pick).toFixed(2);
  return [
    command.padEnd(7),
    `median ${figure(({ during }) => at(during, 0.5))} ms, ${figure(({ before, during }) => at(during, 0.5) / at(before, 0.5))} times that of before;`,
    `nine of ten within ${figure(({ during }) => at(during, 0.9))} ms, all within ${figure(({ during }) => at(during, 1))};`,
    `server ${middle(({ grownMb }) => grownMb).toFixed(0)} MB more; the greedy got ${JSON.stringify(results[0].codes)}`,
  ].join(' ');
}

function at(sorted, quantile) {
  return sorted[Math.floor(quantile * (sorted.length - 1))];
}

async function round(command) {
  const children = [];
  const start = async (...args) => {
    const child = fork(new URL(import.meta.url), args);
    children.push(child);
    return { child, value: (await once(child, 'message'))[0].value };
  };
  const call = async ({ child }, task) => {
    const answer = once(child, 'message');
    child.send(task ?? null);
    return (await answer)[0].value;
  };
  try {
    const serving = await start('server');
    const quickly = await start('quick', serving.value);
    const greedily = await start('greedy', serving.value);
    const spinners = [await start('spinner'), await start('spinner')];
    const [before] = await Promise.all([call(quickly, QUIET_MS), ...spinners.map((one) => call(one))]);
    const rss = await call(serving, 0);
    const [during, codes] = await Promise.all([call(quickly, BURST_MS), call(greedily, command)]);
    return { before, during, codes, grownMb: ((await call(serving, 0)) - rss) / 1e6 };
  } finally {
    for (const child of children) child.kill();
  }
}
