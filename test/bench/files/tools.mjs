/**
 * What can fetch a file, each as somebody competent uses it: `missing()` tells why it cannot be measured here; `serve()`
 * starts whoever has the file, and returns `{ child, receive, ownRate }`: what to run to have it at a path, and how many bytes
 * a second it were as the tool itself tells it (NaN where it does not).
 */
import { mkdtemp } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exec, makeCertificate, missingCommand } from '../peers/shared.mjs';
import { missingSshd, startSshd } from '../sshd.mjs';

const TLS_FILE = fileURLToPath(new URL('tls-file.mjs', import.meta.url));
const UDP_TOOL = fileURLToPath(new URL('../../../dist/cli/udp-tool.js', import.meta.url));

const scp = {
  name: 'scp',
  overTcp: true,
  missing: async () => missingSshd(),
  async serve({ programs, folder, link, source }) {
    const { sender, receiver } = link;
    const own = await mkdtemp(join(folder, 'ssh-'));
    const port = await sender.port();
    const { child, options, destination } = await startSshd(own, sender.address, port, sender.launcher);
    programs.adopt(child);
    const from = `${destination}:${source}`;
    return {
      child,
      receive: (target) => [
        ...receiver.launcher,
        'scp',
        '-v',
        '-o',
        'Compression=no',
        ...options,
        from,
        target,
      ],
      /** Bytes a second of the whole connection. */
      ownRate: ({ stderr }) => Number(/Bytes per second: sent [\d.]+, received ([\d.]+)/.exec(stderr)?.[1]),
    };
  },
};

const tls = {
  name: 'TLS',
  overTcp: true,
  missing: () => missingCommand('openssl', ['version'], 'openssl'),
  async serve({ programs, link, source, bytes }) {
    const { sender, receiver } = link;
    const place = [sender.address, String(await sender.port())];
    const { certificate, key, remove } = await makeCertificate();
    const command = [process.execPath, TLS_FILE, 'serve', ...place, source, certificate, key];
    const child = await programs.serve([...sender.launcher, ...command]).finally(remove);
    return {
      child,
      receive: (target) => [...receiver.launcher, process.execPath, TLS_FILE, 'receive', ...place, target],
      ownRate: ({ stdout }) => (bytes / Number(stdout)) * 1000,
    };
  },
};

const udpTool = {
  name: 'udp-tool',
  overTcp: false,
  async missing() {
    const { stdout } = await exec(process.execPath, [UDP_TOOL, '--help']);
    return /^ +share /m.test(stdout) && /^ +get /m.test(stdout) ? null : 'it has no "share" and "get" yet';
  },
  async serve({ programs, folder, link, source }) {
    const own = await mkdtemp(join(folder, 'keys-'));
    const peer = { name: 'source', link, keys: join(own, 'source') };
    const keys = join(own, 'receiver');
    await newKeys(programs, keys);
    const child = await share(programs, peer, keys, source);
    return { child, ...get(link.receiver, keys, [peer], basename(source)) };
  },
};

export const tools = [scp, tls, udpTool];

/** Several sources of one file: `{ children, receive(from), ownRate }`. */
export async function shareFromAll({ programs, folder, links, source }) {
  const own = await mkdtemp(join(folder, 'keys-'));
  const keys = join(own, 'receiver');
  await newKeys(programs, keys);
  const peers = links.map((link, i) => ({ name: `source${i}`, link, keys: join(own, `source${i}`) }));
  const children = [];
  for (const peer of peers) children.push(await share(programs, peer, keys, source));
  return {
    children,
    from: (count) => get(links[0].receiver, keys, peers.slice(0, count), basename(source)),
  };
}

async function share(programs, { name, link, keys }, receiverKeys, source) {
  const { sender } = link;
  const port = String(await sender.port());
  await newKeys(programs, keys);
  await trust(programs, keys, 'receiver', receiverKeys);
  await trust(programs, receiverKeys, name, keys, '--at', `${sender.address}:${port}`);
  const command = udp('share', source, '--json', '--port', port, '--keys', keys);
  return programs.serve([...sender.launcher, ...command]);
}

function get(receiver, keys, peers, file) {
  const from = peers.flatMap(({ name }) => ['--from', name]);
  return {
    receive: (target) => [
      ...receiver.launcher,
      ...udp('get', file, ...from, '-o', dirname(target), '--json', '--keys', keys),
    ],
    ownRate: ({ stdout }) => Number(JSON.parse(stdout.trim().split('\n').at(-1)).bytesPerSecond),
  };
}

function newKeys(programs, keys) {
  return programs.run(udp('keygen', '--keys', keys));
}

async function trust(programs, keys, name, theirKeys, ...options) {
  const { stdout } = await programs.run(udp('peer', 'show', '--keys', theirKeys));
  const [publicKey] = /udp1[a-z0-9]+/.exec(stdout);
  await programs.run(udp('peer', 'add', name, publicKey, ...options, '--keys', keys));
}

function udp(...args) {
  return [process.execPath, UDP_TOOL, ...args];
}
