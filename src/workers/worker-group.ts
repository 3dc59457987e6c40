/**
 * Several processes on one UDP port. The kernel gives each a share of the clients by their addresses; what reaches the
 * wrong one, as when a client's address changed, goes to the right one by way of the primary, which is this.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { UdpToolError } from '../errors.ts';
import type { Address } from '../session/address.ts';
import { canSharePort } from '../transport/port-sharing.ts';
import { random } from '../transport/random.ts';
import { UdpSocket } from '../transport/udp-socket.ts';
import { LossySender } from './lossy-sender.ts';
import { GROUP_KEY_BYTES, readFromWorker, type Stray, type ToWorker } from './messages.ts';
import { WORKER_VARIABLE } from './worker-seat.ts';

export const MAX_WORKERS = 64;

export interface WorkerGroupOptions {
  /** How many, 1 to 64. */
  readonly count: number;
  /** 0 for any free port. */
  readonly port: number;
  /** Literal address to listen on; every address of the machine if not given. */
  readonly ip?: string;
  /** The program that every worker runs, which calls `WorkerSeat.take()`; this one's if not given. */
  readonly file?: string;
  /** Its arguments; this program's if not given. */
  readonly args?: readonly string[];
  /** What a worker reported. */
  readonly onReport?: (report: unknown, worker: number) => void;
  /** A worker ended by itself, for the reason `how`; it is started again after that many milliseconds. */
  readonly onEnd?: (worker: number, how: string, restartMs: number) => void;
  /** A worker that was started again serves. */
  readonly onRestarted?: (worker: number) => void;
}

/** A worker that ends is started again at once; when it ends again soon, after 250 ms, 500 ms, and so on to 8 s. */
const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 8_000;
/** Who was up for so long did not end soon. */
const STEADY_MS = 10_000;
/** A worker that does not end by itself is ended. */
const CLOSE_PATIENCE_MS = 5_000;

/** A worker's place and who has it; processes come and go. */
interface Place {
  readonly number: number;
  process: ChildProcess | null;
  strays: LossySender<Stray> | null;
  restart: NodeJS.Timeout | null;
  upAt: number | null;
  /** How often it ended without having been steady. */
  failures: number;
}

export class WorkerGroup implements AsyncDisposable {
  readonly #options: WorkerGroupOptions;
  readonly #key = random(GROUP_KEY_BYTES);
  readonly #port: number;
  readonly #places: readonly Place[];
  #addresses: readonly Address[] = [];
  #closing = false;
  #started: () => void = () => {};
  #startFailed: (error: UdpToolError) => void = () => {};

  private constructor(options: WorkerGroupOptions, port: number) {
    this.#options = options;
    this.#port = port;
    this.#places = Array.from({ length: options.count }, (_, number) => ({
      number,
      process: null,
      strays: null,
      restart: null,
      upAt: null,
      failures: 0,
    }));
  }

  /**
   * Starts the workers, and waits until all of them serve.
   * @throws UdpToolError `bad-usage` where a port cannot be shared; `port-in-use`, `no-permission`; and the error of a
   *   worker that cannot start
   */
  static async start(options: WorkerGroupOptions): Promise<WorkerGroup> {
    const { count, port, ip } = options;
    if (!Number.isInteger(count) || count < 1 || count > MAX_WORKERS)
      throw new UdpToolError('bad-usage', `A group has 1 to ${MAX_WORKERS} workers.`);
    if (!(await canSharePort())) {
      throw new UdpToolError(
        'bad-usage',
        `Node ${process.versions.node} on ${process.platform} cannot share a UDP port between workers.`,
        {
          hint: 'That needs Node 22.12 or newer (23.1 of the 23s) on Linux. Without workers, one process serves all.',
        },
      );
    }
    // Workers of one user could join the port of another group of his unnoticed: so it is had alone first.
    const claim = await UdpSocket.bind({ port, ...(ip !== undefined && { ip }) });
    const claimed = claim.addresses[0]?.port ?? port;
    await claim.close();
    const group = new WorkerGroup(options, claimed);
    try {
      await new Promise<void>((started, failed) => {
        group.#started = started;
        group.#startFailed = failed;
        for (const place of group.#places) group.#fork(place);
      });
    } catch (error) {
      await group.close();
      throw error;
    }
    return group;
  }

  /** Where it listens. */
  get addresses(): readonly Address[] {
    return this.#addresses;
  }

  /** The workers that serve now. */
  get up(): readonly number[] {
    return this.#places.filter(({ upAt }) => upAt !== null).map(({ number }) => number);
  }

  /** Tells every worker to read anew what it read; returns which there are. */
  reload(): readonly number[] {
    const told = this.#places.filter(({ process }) => process !== null && post(process, { type: 'reload' }));
    return told.map(({ number }) => number);
  }

  /** Has every worker say goodbye to its peers and end. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#places.map((place) => this.#end(place)));
    this.#key.fill(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #end({ process, restart, upAt }: Place): Promise<void> {
    if (restart !== null) clearTimeout(restart);
    if (process === null) return;
    const ended = new Promise<void>((done) => process.once('exit', () => done()));
    if (upAt === null)
      process.kill('SIGKILL'); // it has nobody to say goodbye to, and may not listen yet
    else post(process, { type: 'stop' });
    const patience = setTimeout(() => process.kill('SIGKILL'), CLOSE_PATIENCE_MS);
    await ended;
    clearTimeout(patience);
  }

  #fork(place: Place): void {
    const { file = process.argv[1] ?? '', args = process.argv.slice(2) } = this.#options;
    const child = fork(file, args, {
      serialization: 'advanced',
      env: { ...process.env, [WORKER_VARIABLE]: '1' },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    place.process = child;
    place.strays = new LossySender((stray, sent) => post(child, stray, sent));
    let why: UdpToolError | null = null;
    child.on('message', (received) => {
      const message = readFromWorker(received);
      switch (message?.type) {
        case 'here':
          post(child, {
            type: 'seat',
            key: this.#key,
            number: place.number,
            count: this.#places.length,
            port: this.#port,
            ip: this.#options.ip,
          });
          break;
        case 'up':
          this.#up(place, message.addresses);
          break;
        case 'failed':
          why = message.error;
          break;
        case 'stray':
          // For a worker that is away it is lost, as its session is.
          this.#places[message.owner]?.strays?.send(message);
          break;
        case 'report':
          this.#options.onReport?.(message.report, place.number);
          break;
      }
    });
    const ended = (how: string): void => {
      if (place.process !== child) return;
      place.process = null;
      place.strays = null;
      this.#ended(place, why, how);
    };
    child.once('error', (error) => ended(error.message)); // it could not be started
    child.once('exit', (code, signal) => ended(signal ?? `exit code ${code}`));
  }

  #up(place: Place, addresses: readonly Address[]): void {
    const restarted = this.#addresses.length > 0;
    place.upAt = performance.now();
    if (restarted) this.#options.onRestarted?.(place.number);
    if (restarted || this.up.length < this.#places.length) return;
    this.#addresses = addresses;
    this.#started();
  }

  #ended(place: Place, why: UdpToolError | null, how: string): void {
    const upMs = place.upAt === null ? 0 : performance.now() - place.upAt;
    place.upAt = null;
    if (this.#closing) return;
    if (this.#addresses.length === 0) {
      const what = `Worker ${place.number} ended before it served: ${how}.`;
      this.#startFailed(why ?? new UdpToolError('failed', what));
      return;
    }
    if (upMs >= STEADY_MS) place.failures = 0;
    const delay =
      place.failures === 0 ? 0 : Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (place.failures - 1));
    place.failures++;
    this.#options.onEnd?.(place.number, why?.message ?? how, delay);
    place.restart = setTimeout(() => {
      place.restart = null;
      this.#fork(place);
    }, delay);
  }
}

function post(child: ChildProcess, message: ToWorker, sent: () => void = () => {}): boolean {
  return child.connected && child.send(message, undefined, {}, sent);
}
