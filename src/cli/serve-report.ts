/** What `serve` tells of itself, to people and as JSON; with workers, the primary tells it for all of them. */
import {
  type Address,
  addressesOfThisMachine,
  type Command,
  type Drop,
  type DropReason,
  formatAddress,
  type HostPort,
  type PublicKey,
} from '../index.ts';
import { type DropLine, DropLog } from './drop-log.ts';
import { json, note, printable } from './output.ts';
import type { Reload } from './reload.ts';

export interface ReportOptions {
  readonly verbose?: boolean;
  readonly explain?: boolean;
  readonly json?: boolean;
}

/** How often it is looked whether something was dropped. */
export const DROP_REPORT_MS = 1_000;

/** A request that was answered; `error` is the code with which it was refused. */
export interface RequestReport {
  readonly peer: string;
  readonly command: string;
  readonly error: string | undefined;
  /** It is there, and the peer may not call it. */
  readonly isDenied: boolean;
  /** The worker that answered, where there are several. */
  readonly worker?: number;
}

export type DropCounts = Readonly<Record<string, number>>;

/** What commonly lies behind a drop, for the person who looks for the reason of silence. */
const EXPLAINED: ReadonlyMap<string, string> = new Map<DropReason, string>([
  ['too-short', 'No datagram of ours: a port scan, or the look of udp-tool itself whether a port is open.'],
  [
    'unknown-tag',
    'Somebody says hello whom no trusted key fits: compare "peer list" here, where a peer may be paused, with "peer show" there, and the reverse.',
  ],
  ['unknown-session', 'For a session of before a restart; a client finds out by itself.'],
  ['bad-box', 'Tampered on the way, or a pre-shared key that differs.'],
  ['bad-cookie', 'The answer to a challenge came after two minutes, or from before a restart.'],
  ['replayed', 'A copy of a datagram that was here before.'],
]);

/** Where others reach a socket on all IPv4 addresses. */
function reachableAt(addresses: readonly Address[]): string[] {
  const listening = addresses.find(({ ip }) => ip === '0.0.0.0');
  if (listening === undefined) return [];
  return addressesOfThisMachine('IPv4').map((ip) => formatAddress({ ip, port: listening.port }));
}

export class ServeReport {
  readonly #verbose: boolean;
  readonly #json: boolean;
  readonly #explain: boolean;
  readonly #reported = new Map<string, number>();
  readonly #dropLog = new DropLog();
  /** Reasons of which it was said what commonly lies behind them. */
  readonly #explained = new Set<string>();

  constructor({ verbose = false, explain = false, json = false }: ReportOptions) {
    this.#verbose = verbose;
    this.#explain = explain;
    this.#json = json;
  }

  line(text: string): void {
    note(text);
  }

  /** Something about files: `event` for JSON, `text` for people. */
  files(event: Readonly<Record<string, unknown>>, text: string): void {
    if (this.#json) json(event);
    else note(text);
  }

  listening(addresses: readonly Address[], publicKey: PublicKey, peers: number, workers?: number): void {
    const listening = addresses.map(formatAddress);
    if (this.#json)
      json({ event: 'listening', addresses: listening, publicKey, peers, ...(workers && { workers }) });
    const by = workers === undefined ? '' : `, with ${workers} workers`;
    note(`Listening on ${listening.join(' and ')}, as ${publicKey}, for ${counted(peers, 'peer')}${by}.`);
    const reachable = reachableAt(addresses);
    if (reachable.length > 0) note(`Others reach it at ${reachable.join(' or ')}.`);
    if (peers === 0)
      note('Trusts nobody yet: add a peer with "udp-tool peer add NAME KEY"; no restart is needed.');
  }

  /** What it serves of somebody's own, if anything. */
  commands(files: readonly string[], own: readonly Command[]): void {
    if (files.length === 0) return;
    note(`Commands of your own: ${own.map(({ name }) => name).join(', ')}.`);
    note('A peer may call those that you say: udp-tool peer allow NAME COMMAND');
  }

  /** Where Prometheus finds its numbers. */
  metrics({ host, port }: HostPort): void {
    const url = `http://${formatAddress({ ip: host, port })}/metrics`;
    if (this.#json) json({ event: 'metrics', url });
    note(`Numbers for Prometheus: ${url}`);
  }

  request({ peer, command, error, isDenied, worker }: RequestReport): void {
    if (this.#json)
      json({
        event: 'request',
        peer,
        command,
        ...(error !== undefined && { error }),
        ...(isDenied && { denied: true }),
        ...(worker !== undefined && { worker }),
      });
    if (!this.#verbose) return;
    const outcome = isDenied
      ? `not allowed   (udp-tool peer allow ${peer} ${command})`
      : (error ?? 'answered');
    note(`${peer}: ${printable(command)}: ${outcome}`);
  }

  peers(changes: readonly string[], count: number): void {
    if (this.#json) json({ event: 'peers', changes, count });
    note(`The peer book changed: ${changes.join(' ')}; ${counted(count, 'peer')} now.`);
  }

  /** A message came of that peer. */
  message(peer: string): void {
    if (this.#json) json({ event: 'message', peer });
    note(`A message of ${printable(peer)}: read it with "udp-tool inbox".`);
  }

  /** That peer has a message that waited for it. */
  delivered(peer: string): void {
    if (this.#json) json({ event: 'delivered', peer });
    if (this.#verbose) note(`${peer}: has a message that waited for it`);
  }

  reloaded(reload: Reload): void {
    if (reload.ok) {
      const { changes, count } = reload;
      if (this.#json) json({ event: 'reloaded', changes, count });
      const what = changes.length === 0 ? 'no command came or went' : changes.join(' ');
      note(`Reloaded: ${what}; ${counted(count, 'command')} now.`);
      return;
    }
    const { error } = reload;
    if (this.#json) json({ event: 'reload-failed', error });
    note(`Not reloaded, so the commands before still hold: ${printable(error.message)}`);
    if (error.hint !== undefined) note(error.hint);
  }

  /** A datagram was dropped: told with others, at the next call of {@link drops}. */
  drop(drop: Drop): void {
    this.#dropLog.add(drop);
  }

  /** What was dropped so far; told is what changed. */
  drops(drops: DropCounts): void {
    if (this.#explain) this.explain(this.#dropLog.take());
    else this.#countDrops(drops);
  }

  /** Who sent what was dropped, for the operator's eyes. */
  explain(lines: readonly DropLine[]): void {
    for (const { reason, from, count } of lines) {
      if (this.#json) json({ event: 'dropped-from', reason, from, count });
      const why = this.#explained.has(reason) ? '' : (EXPLAINED.get(reason) ?? '');
      this.#explained.add(reason);
      note(`dropped ${count} from ${printable(from)}: ${reason}. ${why}`.trimEnd());
    }
  }

  #countDrops(drops: DropCounts): void {
    for (const [reason, count] of Object.entries(drops)) {
      if (count === (this.#reported.get(reason) ?? 0)) continue;
      this.#reported.set(reason, count);
      if (this.#json) json({ event: 'dropped', reason, count });
      if (this.#verbose)
        note(`dropped, ${reason}: ${count} in all. ${EXPLAINED.get(reason) ?? ''}`.trimEnd());
    }
  }

  /** A worker ended by itself, or serves again. */
  worker(worker: number, event: 'worker-ended' | 'worker-restarted', text: string): void {
    if (this.#json) json({ event, worker });
    note(text);
  }
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
