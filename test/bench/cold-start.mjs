/**
 * What a whole `udp-tool send time` takes, server on loopback, beside `node -e 0` and ssh.
 *
 * `node test/bench/cold-start.mjs [ROUNDS]`, after `npm run build`; or as a part of `npm run bench`.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { spread } from './report.mjs';
import { HOST } from './socket.mjs';
import { freePort, missingSshd, startSshd } from './sshd.mjs';

const run = promisify(execFile);
const BUNDLED = fileURLToPath(new URL('../../dist/cli/udp-tool.js', import.meta.url));
const UNBUNDLED = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const TIMEOUT_MS = 30_000;
/** A datagram to oneself and out: what any program of Node's must spend that asks something over UDP. */
const ONE_SHOT = `const s = require('node:dgram').createSocket('udp4');
s.on('message', () => process.exit());
s.bind(0, '${HOST}', () => s.send('x', s.address().port, '${HOST}'));`;

/** Rows of `{name, ms, ratio}`, ratios to `node -e 0` of the same round; and what was left out, with the reason. */
export async function measureColdStart(rounds) {
  const folder = mkdtempSync(join(tmpdir(), 'udp-tool-cold-'));
  const children = [];
  try {
    const keys = await serve(folder, children);
    const { command: ssh, missing } = await sshCommand(folder, children);
    const send = ['send', 'time', '--keys', keys];
    const cases = [
      { name: 'node -e 0', command: [process.execPath, '-e', '0'] },
      { name: 'a datagram to itself, node:dgram', command: [process.execPath, '-e', ONE_SHOT] },
      { name: 'udp-tool --version', command: [process.execPath, BUNDLED, '--version'] },
      { name: 'udp-tool send time', command: [process.execPath, BUNDLED, ...send] },
      { name: 'udp-tool send time, not bundled', command: [process.execPath, UNBUNDLED, ...send] },
      ...(ssh ? [{ name: 'ssh date', command: ssh }] : []),
    ].map((one) => ({ ...one, times: [] }));
    for (let round = -1; round < rounds; round++) {
      for (const { command, times } of round % 2 === 0 ? cases : cases.toReversed()) {
        const startedAt = performance.now();
        await run(command[0], command.slice(1), { timeout: TIMEOUT_MS });
        if (round >= 0) times.push(performance.now() - startedAt); // the first round fills the caches
      }
    }
    const [base] = cases;
    const rows = cases.map(({ name, times }) => ({
      name,
      ms: spread(times),
      ratio: spread(times.map((ms, i) => ms / base.times[i])),
    }));
    return { rows, missing };
  } finally {
    // They remove files of their own as they end; to remove the folder meanwhile leaves some of it behind.
    await Promise.all(children.map(end));
    rmSync(folder, { recursive: true, force: true });
  }
}

async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill();
  await exit;
}

async function serve(folder, children) {
  const [here, there] = [join(folder, 'here'), join(folder, 'there')];
  const tool = async (...args) => (await run(process.execPath, [BUNDLED, ...args])).stdout;
  const publicKeyOf = async (keys) => /udp1[a-z0-9]+/.exec(await tool('peer', 'show', '--keys', keys))[0];
  for (const keys of [here, there]) await tool('keygen', '--keys', keys);
  await tool('peer', 'add', 'mac', await publicKeyOf(here), '--keys', there);
  const serving = ['serve', '--json', '--host', HOST, '--port', '0', '--keys', there];
  const server = spawn(process.execPath, [BUNDLED, ...serving], { stdio: ['ignore', 'pipe', 'ignore'] });
  children.push(server);
  const [line] = await once(createInterface({ input: server.stdout }), 'line');
  const [address] = JSON.parse(line).addresses;
  await tool('peer', 'add', 'pi', await publicKeyOf(there), '--at', address, '--keys', here);
  return here;
}

async function sshCommand(folder, children) {
  const advice = missingSshd();
  if (advice !== null) return { missing: `ssh: ${advice}` };
  const { child, options, destination } = await startSshd(folder, HOST, await freePort(HOST));
  children.push(child);
  const command = ['ssh', ...options, '-o', 'LogLevel=ERROR', destination, 'date'];
  try {
    await run(command[0], command.slice(1), { timeout: TIMEOUT_MS });
    return { command };
  } catch (error) {
    return { missing: `ssh: ${error.message.trim().split('\n').at(-1)}` };
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { rows, missing } = await measureColdStart(Number(process.argv[2]) || 15);
  console.log(`Node ${process.version}`);
  for (const { name, ms, ratio } of rows) {
    console.log(`${name.padEnd(34)} ${ms.median.toFixed(0).padStart(5)} ms  ${ratio.median.toFixed(2)}`);
  }
  if (missing) console.log(`left out: ${missing}`);
}
