/**
 * What lies between who sends and who receives: nothing but loopback, or a link that the program in `LINK_TOOL` emulates
 * between network namespaces. That program is called as `link up DELAY_MS LOSS_PERCENT RATE_MBIT QUEUE_MS` and `link down`,
 * with a `LINK_NAME`, from which it names the two namespaces (`NAMEa`, 10.77.0.1, and `NAMEb`, 10.77.0.2).
 */
import { readFile } from 'node:fs/promises';
import { exec } from '../peers/shared.mjs';
import { HOST } from '../socket.mjs';
import { freePort } from '../sshd.mjs';

const CONTROLLER = '/proc/sys/net/ipv4/tcp_congestion_control';
/** Nobody else has ports there. */
const PORT = 7000;
const INTERFACE = 'link0';
const NETWORK = '10.77.0.0/24';

export async function loopback() {
  return {
    sender: { address: HOST, launcher: [], port: () => freePort(HOST) },
    receiver: { address: HOST, launcher: [] },
    /** The machine's own settings stay as they are. */
    controllers: [(await readFile(CONTROLLER, 'utf8').catch(() => 'system')).trim()],
    pin: async () => {},
    close: async () => {},
  };
}

/**
 * Many links may be open at once.
 * @param folder where the tool may have its own files
 */
export async function emulated(programs, folder, { oneWayMs, lossPercent, rateMbit, queueMs }) {
  const name = `bench${process.pid}x${opened++}`;
  const env = { ...process.env, LINK_NAME: name, TMPDIR: folder };
  // Its emulator runs on, and must not hold a pipe of ours.
  const numbers = [oneWayMs, lossPercent, rateMbit, queueMs].map(String);
  const up = () => programs.run([process.env.LINK_TOOL, 'up', ...numbers], { env, stdio: 'ignore' });
  /** Also when all else is to end: what runs there would not hear that the other side has gone. */
  const close = async () => {
    for (const end of ['a', 'b']) {
      const { stdout } = await exec('ip', ['netns', 'pids', `${name}${end}`]).catch(() => ({ stdout: '' }));
      for (const pid of stdout.split('\n').filter(Boolean)) stop(Number(pid));
    }
    await exec(process.env.LINK_TOOL, ['down'], { env });
  };
  try {
    await up();
  } catch (error) {
    await close().catch(() => {});
    throw error;
  }
  let port = PORT;
  const machine = (end, address) => ({
    address,
    namespace: `${name}${end}`,
    launcher: ['ip', 'netns', 'exec', `${name}${end}`],
    port: async () => port++,
  });
  const [sender, receiver] = [machine('a', '10.77.0.1'), machine('b', '10.77.0.2')];
  return {
    sender,
    receiver,
    controllers: ['cubic', 'bbr'],
    /** For connections that are made from now on. By the route, as namespaces may not set every one by sysctl. */
    async pin(controller) {
      for (const { namespace, address } of [sender, receiver]) {
        const route = `${NETWORK} dev ${INTERFACE} src ${address} congctl ${controller}`;
        await programs.run(['ip', '-n', namespace, 'route', 'replace', ...route.split(' ')]);
      }
    },
    close,
  };
}
let opened = 0;

function stop(pid) {
  try {
    process.kill(pid);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error; // it has ended meanwhile
  }
}

/** The second link's receiver moves in with the first one's, on a network of its own. */
export async function join(programs, first, second) {
  const [from, to] = [second.receiver.namespace, first.receiver.namespace];
  const joined = `${INTERFACE}second`;
  const ip = (namespace, line) => programs.run(['ip', '-n', namespace, ...line.split(' ')]);
  await ip(second.sender.namespace, `address flush dev ${INTERFACE}`);
  await ip(second.sender.namespace, `address add 10.77.1.1/24 dev ${INTERFACE}`);
  await ip(from, `link set dev ${INTERFACE} down`);
  await ip(from, `link set dev ${INTERFACE} netns ${to} name ${joined}`);
  await ip(to, `address add 10.77.1.2/24 dev ${joined}`);
  await ip(to, `link set dev ${joined} up txqueuelen 2000`);
  return { ...second, sender: { ...second.sender, address: '10.77.1.1' }, receiver: first.receiver };
}
