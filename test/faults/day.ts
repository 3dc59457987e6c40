/** A day on the virtual clock: hours of nothing, requests, rekeyings, restarts, and a network that loses and reorders. */
import { echo } from '../support/commands.ts';
import type { Prng } from '../support/prng.ts';
import { VirtualHost, VirtualNetwork } from '../support/virtual-network.ts';
import { memoryInUse } from './memory.ts';
import type { Figures, Scenario } from './scenario.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const TIMEOUT_MS = 60 * SECOND;

/** When a client asks: so often, with a pause now and then. */
interface Habit {
  readonly everyMs: number;
  readonly pauseMs: number;
  /** Requests between pauses. */
  readonly burst: number;
  /** It starts anew after so many bursts. */
  readonly restartsAfter: number;
}

const HABITS: readonly Habit[] = [
  // Always there: its sessions are rekeyed.
  {
    everyMs: 30 * SECOND,
    pauseMs: 0,
    burst: Number.POSITIVE_INFINITY,
    restartsAfter: Number.POSITIVE_INFINITY,
  },
  // Its sessions end by themselves in its pauses.
  { everyMs: 2 * SECOND, pauseMs: 40 * MINUTE, burst: 30, restartsAfter: Number.POSITIVE_INFINITY },
  // As long as sessions just live, and a little longer.
  { everyMs: 13 * MINUTE, pauseMs: 5 * HOUR, burst: 20, restartsAfter: Number.POSITIVE_INFINITY },
  { everyMs: 15 * MINUTE, pauseMs: 20 * MINUTE, burst: 3, restartsAfter: Number.POSITIVE_INFINITY },
  // A phone that is switched off.
  { everyMs: 500, pauseMs: 97 * MINUTE, burst: 20, restartsAfter: 1 },
];
const SERVER_RESTARTS_EVERY = 5 * HOUR;
const IDLE_FROM = 23 * HOUR;

interface Result {
  readonly outcome: { readonly ok: boolean } | null;
}

class Day {
  readonly network: VirtualNetwork;
  readonly server: VirtualHost;
  readonly clients: readonly VirtualHost[];
  readonly lost: string[] = [];
  requests = 0;
  answers = 0;
  handshakes = 0;
  restarts = 0;
  readonly answeredAfterMs: number[] = [];

  constructor(prng: Prng) {
    const link = { delayMs: 20, jitterMs: 30, loss: 0.02, duplication: 0.01 };
    this.network = new VirtualNetwork(prng.below(2 ** 31), link);
    this.network.intercept = (flight) => {
      if (flight.datagram[0] === 1) this.handshakes++;
      return [flight];
    };
    this.server = new VirtualHost(this.network, { ip: '192.168.2.3', commands: [echo] });
    this.clients = HABITS.map((_, i) => new VirtualHost(this.network, { ip: `192.168.2.${10 + i}` }));
    for (const client of this.clients) {
      this.server.trust(client);
      client.trust(this.server, [this.server.address]);
    }
    for (const [i, habit] of HABITS.entries())
      this.#live(this.clients[i] as VirtualHost, habit, i * SECOND, 0);
    this.network.at(SERVER_RESTARTS_EVERY, this.#restartServer);
  }

  readonly #restartServer = (): void => {
    if (this.network.now >= IDLE_FROM) return;
    this.server.restart();
    this.restarts++;
    this.network.at(this.network.now + SERVER_RESTARTS_EVERY, this.#restartServer);
  };

  #live(client: VirtualHost, habit: Habit, at: number, asked: number): void {
    if (at >= IDLE_FROM) return;
    this.network.at(at, () => {
      if (asked > 0 && asked % (habit.burst * habit.restartsAfter) === 0) {
        client.restart();
        this.restarts++;
      }
      this.#ask(client);
      const isPause = (asked + 1) % habit.burst === 0;
      this.#live(client, habit, this.network.now + (isPause ? habit.pauseMs : habit.everyMs), asked + 1);
    });
  }

  #ask(client: VirtualHost): void {
    const askedAt = this.network.now;
    this.requests++;
    const result: Result & { readonly settledAt: number } = client.request('echo', ['x'], TIMEOUT_MS);
    this.network.at(askedAt + TIMEOUT_MS + SECOND, () => {
      if (result.outcome?.ok) {
        this.answers++;
        this.answeredAfterMs.push(result.settledAt - askedAt);
      } else
        this.lost.push(`a request of ${(askedAt / HOUR).toFixed(2)} h: ${JSON.stringify(result.outcome)}`);
    });
  }

  get sessions(): number {
    return [this.server, ...this.clients].reduce(
      (sum, { machine }) => sum + machine.endpoint.sessionCount,
      0,
    );
  }
}

/** @param onQuarter every six hours */
export async function liveADay(prng: Prng, onQuarter: (hour: number) => Promise<void>): Promise<Figures> {
  const one = new Day(prng);
  let mostSessions = 0;
  const lost: string[] = [];
  for (let hour = 1; hour <= 24; hour++) {
    const before = one.network.timeouts;
    one.network.runUntil(hour * HOUR);
    mostSessions = Math.max(mostSessions, one.sessions);
    if (hour % 6 === 0) await onQuarter(hour);
    const woken = one.network.timeouts - before;
    // In the last hour nobody asks; what there is to forget is forgotten.
    if (hour === 24 && woken > 60 * (1 + one.clients.length))
      lost.push(`woken ${woken} times in an hour of nothing`);
  }
  if (one.sessions > 0) lost.push(`${one.sessions} sessions are left after an hour of nothing`);
  // Each side of each client: one that is used, one that it replaced, one that was replaced by a restart.
  if (mostSessions > 6 * one.clients.length) lost.push(`${mostSessions} sessions at once`);
  const { answers, requests, handshakes, restarts } = one;
  const note = `${answers} of ${requests} requests answered, ${handshakes} HELLOs, ${restarts} restarts, ${mostSessions} sessions at most`;
  return { runs: 1, lost: [...lost, ...one.lost], recoveryMs: one.answeredAfterMs, notes: [note] };
}

export const day: Scenario = {
  name: 'day',
  unit: 'virtual days',
  times: 10,
  missing: null,
  async run(times, prng): Promise<Figures> {
    const days: Figures[] = [];
    const notes: string[] = [];
    for (let i = 0; i < times; i++) {
      const memory: string[] = [];
      const measure = async (hour: number): Promise<void> => {
        memory.push(`${(await memoryInUse()).heap.toFixed(1)} MB at ${hour} h`);
      };
      const one = await liveADay(prng, measure);
      days.push(one);
      notes.push(`${one.notes?.[0]}; ${memory.join(', ')}`);
    }
    return {
      runs: times,
      lost: days.flatMap(({ lost }) => lost),
      recoveryMs: days.flatMap(({ recoveryMs }) => recoveryMs),
      notes,
    };
  },
};
