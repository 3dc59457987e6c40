/** A system that refuses to send, now and then or always, in each of the ways in which Node tells it. */
import { Socket } from 'node:dgram';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { offersOf, type RemotePeer, Shelf, serveFiles, Transfer, UdpToolError } from '../../src/index.ts';
import { echo, launch } from '../support/commands.ts';
import { portOf, startClient, startServer } from '../support/endpoints.ts';
import { patterned, plant } from '../support/files.ts';
import type { Prng } from '../support/prng.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { type Figures, later, median, type Scenario, time } from './scenario.ts';

const CODES = ['EAGAIN', 'ENOBUFS', 'EMSGSIZE', 'ENETUNREACH', 'EPERM'] as const;
/** Of datagrams. */
const RATES = [0.01, 0.1, 0.5, 0.9, 1];
/** Above, a file is too slow to be waited for: congestion control takes what is lost for a sign to be slow. */
const HIGHEST_WAITED = 0.1;
const FILE_BYTES = 2_000_000;
const AT_ONCE = 20;
/** Of each request, while it lasts. */
const TIMEOUT_MS = 2_000;
/** Of what is asked when it is over. */
const PATIENCE_MS = 60_000;

/** While it is open, every socket of this process refuses so many datagrams. */
class Refusal implements Disposable {
  rate = 0;
  refused = 0;
  readonly #send = Socket.prototype.send;

  constructor(prng: Prng) {
    const send = this.#send as (...args: unknown[]) => void;
    const refuse = (socket: Socket, args: readonly unknown[]): void => {
      this.refused++;
      const code = CODES[prng.below(CODES.length)] ?? 'EAGAIN';
      const error = Object.assign(new Error(`send ${code}`), { code, errno: -1, syscall: 'send' });
      const callback = args.at(-1);
      if (typeof callback === 'function') process.nextTick(callback, error);
      else if (prng.chance(1 / 3)) throw error;
      else if (prng.chance(1 / 2)) process.nextTick(() => socket.emit('error', error));
    };
    const isRefused = (): boolean => prng.chance(this.rate);
    Socket.prototype.send = function (this: Socket, ...args: unknown[]): void {
      if (isRefused()) refuse(this, args);
      else send.apply(this, args);
    } as Socket['send'];
  }

  [Symbol.dispose](): void {
    Socket.prototype.send = this.#send;
  }
}

/** How a request ends while its datagrams are refused. */
async function outcome(peer: RemotePeer, timeoutMs: number): Promise<string> {
  try {
    await peer.request('launch', ['x'], { timeoutMs });
    return 'ok';
  } catch (error) {
    return error instanceof UdpToolError ? error.code : String(error);
  }
}

export const refusedSends: Scenario = {
  name: 'refused-sends',
  unit: 'times at each of five rates',
  times: 5,
  missing: null,
  run: (times, prng) => refuse(RATES, times, prng),
};

export async function refuse(rates: readonly number[], times: number, prng: Prng): Promise<Figures> {
  const lost: string[] = [];
  const recoveryMs: number[] = [];
  const notes: string[] = [];
  using refusal = new Refusal(prng);
  await using folder = await TemporaryFolder.make();
  const content = patterned(FILE_BYTES);
  await plant(join(folder.path, 'source'), { file: content });
  const shelf = await Shelf.open({ stateDir: join(folder.path, 'state') });
  await shelf.add(join(folder.path, 'source', 'file'));
  let executions = 0;
  const counted = { ...launch, run: () => ++executions };
  for (const rate of rates) {
    let [asked, answered, refused] = [0, 0, 0];
    const after: number[] = [];
    const transferMs: number[] = [];
    for (let i = 0; i < times; i++) {
      executions = 0;
      await using server = await startServer([counted, echo]);
      await using client = await startClient(portOf(server));
      const peer = client.peer('server');
      serveFiles(server, { offers: [shelf] });
      const [offer] = await offersOf(peer, { timeoutMs: PATIENCE_MS });
      if (offer === undefined) throw new Error('nothing is offered');
      const before = refusal.refused;
      refusal.rate = rate;
      const into = join(folder.path, `into-${rate}-${i}`);
      await mkdir(into);
      const begun = performance.now();
      const holders = (): RemotePeer[] => [peer];
      const options = { offer, into, conflict: 'fail', holders, now: () => performance.now() } as const;
      const transfer = new Transfer(options);
      const fetching = transfer.start();
      const said = await Promise.all(Array.from({ length: AT_ONCE }, () => outcome(peer, TIMEOUT_MS)));
      // What is refused for good ends after a while of its own.
      if (rate > HIGHEST_WAITED) await later(prng.below(TIMEOUT_MS));
      else await fetching;
      refusal.rate = 0;
      const endedAt = performance.now();
      if ((await outcome(peer, PATIENCE_MS)) === 'ok') after.push(performance.now() - endedAt);
      else lost.push(`at ${rate}: no answer afterwards`);
      await fetching;
      transferMs.push(performance.now() - (rate > HIGHEST_WAITED ? endedAt : begun));
      const there = await readFile(join(into, 'file')).catch(() => Buffer.alloc(0));
      if (transfer.state !== 'done' || !there.equals(content))
        lost.push(`at ${rate}: the file did not come: ${transfer.error}`);
      const strange = said.filter((one) => one !== 'ok' && one !== 'no-answer');
      lost.push(...strange.map((one) => `at ${rate}: a request ended with ${one}`));
      asked += said.length;
      answered += said.filter((one) => one === 'ok').length;
      refused += refusal.refused - before;
      // One more was asked afterwards.
      if (executions > said.length + 1)
        lost.push(`at ${rate}: ${executions} executions of ${said.length + 1} requests`);
      if (executions < said.filter((one) => one === 'ok').length + 1)
        lost.push(`at ${rate}: an answer without execution`);
    }
    if (refused === 0) lost.push(`at ${rate}: nothing was refused`);
    recoveryMs.push(...after);
    notes.push(
      `${rate * 100} % of datagrams refused: ${answered} of ${asked} requests answered within 2 s, the next afterwards in ${time(median(after))} / ${time(Math.max(...after))}; 2 MB in ${time(median(transferMs))} / ${time(Math.max(...transferMs))}${rate > HIGHEST_WAITED ? ' after it ended' : ''}`,
    );
  }
  await shelf.close();
  return { runs: times, lost, recoveryMs, notes };
}
