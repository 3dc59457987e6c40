/**
 * `node test/bench/workers.mjs`, after `npm run build`: requests a second with two workers to those with one, and what
 * handing a datagram on costs. Server and clients share the machine's processors.
 */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { keyPairFromSecret, SecretKey } from '../../dist/crypto/keys.js';
import { createEndpoint, defineCommand, WorkerGroup, WorkerSeat } from '../../dist/index.js';
import { canSharePort } from '../../dist/transport/port-sharing.js';

import { Child, closeAll, killAll } from './processes.mjs';
import { HOST } from './socket.mjs';

const CLIENTS = 6;
const OUTSTANDING = 16;
const SECONDS = 0.7;
const ROUNDS = 5;
const HAND_ONS = 20_000;
const HAND_ONS_UNDER_WAY = 16;
const DATAGRAM_BYTES = 104;
/** They guard nothing: every process of the benchmark has them. */
const KEYS = { server: '11'.repeat(32), client: '22'.repeat(32) };
const FILE = fileURLToPath(import.meta.url);

const seat = await WorkerSeat.take();
if (seat !== null) await (process.argv[2] === 'hand-on' ? handOn(seat) : serve(seat));
else if (await canSharePort()) await measure();
else console.log(`skipped: Node ${process.versions.node} cannot share a UDP port`);

async function measure() {
  try {
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => Child.start()));
    const ratios = [];
    for (let i = 0; i < 3; i++) await perSecond(clients, 1 + (i % 2)); // until the clients' code is compiled
    for (let round = 0; round < ROUNDS; round++) {
      // Each comes first in turn.
      const order = round % 2 === 0 ? [1, 2] : [2, 1];
      const rates = new Map();
      for (const count of order) rates.set(count, await perSecond(clients, count));
      const [one, two] = [rates.get(1), rates.get(2)];
      ratios.push(two / one);
      console.log(`round ${round + 1}: ${one.toFixed(0)}/s with 1, ${two.toFixed(0)}/s with 2 workers`);
    }
    const sorted = ratios.toSorted((a, b) => a - b).map((ratio) => ratio.toFixed(2));
    const median = sorted[Math.floor(ROUNDS / 2)];
    console.log(
      `2 workers to 1: ${median} (${sorted[0]} to ${sorted.at(-1)}), ${availableParallelism()} processors`,
    );
    console.log(`a datagram handed on: ${(await handOnUs()).toFixed(1)} us`);
    await closeAll();
  } finally {
    killAll();
  }
}

async function perSecond(clients, count) {
  const group = await WorkerGroup.start({ count, port: 0, ip: HOST, file: FILE, args: ['serve'] });
  const { port } = group.addresses[0];
  await Promise.all(clients.map((client) => client.call('connect', { kind: 'library', keys: KEYS, port })));
  const run = (seconds) =>
    Promise.all(clients.map((client) => client.call('run', { outstanding: OUTSTANDING, seconds })));
  await run(SECONDS / 2); // warm-up
  const runs = await run(SECONDS);
  await group.close();
  return runs.reduce((sum, { perSecond: one }) => sum + one, 0);
}

async function handOnUs() {
  let report = () => {};
  const reported = new Promise((done) => {
    report = done;
  });
  const options = { count: 2, port: 0, ip: HOST, file: FILE, args: ['hand-on'], onReport: report };
  const group = await WorkerGroup.start(options);
  const us = await reported;
  await group.close();
  return us;
}

async function serve(seat) {
  const bench = defineCommand({
    name: 'bench',
    summary: 'Answers at once',
    args: [],
    idempotent: true,
    run: () => 42,
  });
  const pairOf = (hex) => keyPairFromSecret(SecretKey.fromBytes(Buffer.from(hex, 'hex')));
  const endpoint = await createEndpoint({
    keyPair: pairOf(KEYS.server),
    peers: [{ name: 'client', publicKey: pairOf(KEYS.client).publicKey }],
    commands: [bench],
    worker: seat,
  });
  seat.up(endpoint.addresses);
  endOn(seat);
}

/** Worker 0 hands on to worker 1, which hands back; the time is that of one way. */
async function handOn(seat) {
  const from = { ip: HOST, port: 9 };
  const pass = (datagram) => seat.handOn(1 - seat.number, datagram, from);
  let left = HAND_ONS / 2;
  let startedAt = 0;
  const begin = () => {
    startedAt = performance.now();
    for (let i = 0; i < HAND_ONS_UNDER_WAY; i++) pass(new Uint8Array(DATAGRAM_BYTES));
  };
  seat.onHandedOn = (datagram) => {
    if (seat.number === 1) return pass(datagram);
    if (startedAt === 0) return begin(); // worker 1 is there
    if (--left === 0) return seat.report(((performance.now() - startedAt) * 1000) / HAND_ONS);
    if (left > 0) pass(datagram);
  };
  seat.up([from]);
  endOn(seat);
  if (seat.number === 1) {
    const knock = setInterval(() => pass(new Uint8Array(1)), 50);
    const onHandedOn = seat.onHandedOn;
    seat.onHandedOn = (datagram) => {
      clearInterval(knock);
      onHandedOn(datagram);
    };
  }
}

function endOn(seat) {
  seat.stop.addEventListener('abort', () => process.exit());
}
