/** How far something is: one line that changes on a terminal, a line of JSON now and then, else nothing. */
import { json, printable, statusLine } from './output.ts';

export interface Progress {
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Who brings it. */
  readonly sources?: readonly string[];
}

const TERMINAL_MS = 200;
const JSON_MS = 1_000;
/** The rate is of so long. */
const WINDOW_MS = 3_000;

export class ProgressLine {
  readonly #label: string;
  readonly #isJson: boolean;
  readonly #now: () => number;
  readonly #startedAt: number;
  readonly #intervalMs: number;
  readonly #samples: { readonly at: number; readonly bytes: number }[] = [];
  #toldAt = 0;

  constructor(label: string, isJson: boolean, now: () => number = () => performance.now()) {
    this.#label = label;
    this.#isJson = isJson;
    this.#now = now;
    this.#startedAt = now();
    this.#intervalMs = isJson ? JSON_MS : TERMINAL_MS;
  }

  /** Call it as often as you like. */
  update(progress: Progress): void {
    const now = this.#now();
    if (now - this.#toldAt < this.#intervalMs) return;
    this.#toldAt = now;
    this.#samples.push({ at: now, bytes: progress.doneBytes });
    while (this.#samples.length > 2 && now - (this.#samples[0]?.at ?? 0) > WINDOW_MS) this.#samples.shift();
    const { doneBytes, totalBytes, sources = [] } = progress;
    const bytesPerSecond = this.#rate();
    const secondsLeft = bytesPerSecond > 0 ? Math.ceil((totalBytes - doneBytes) / bytesPerSecond) : null;
    if (this.#isJson) {
      json({
        event: 'progress',
        name: this.#label,
        doneBytes,
        totalBytes,
        bytesPerSecond,
        secondsLeft,
        sources,
      });
      return;
    }
    const percent = totalBytes === 0 ? 100 : Math.floor((100 * doneBytes) / totalBytes);
    const left = secondsLeft === null ? '' : `  ${duration(secondsLeft)} left`;
    const from = sources.length === 0 ? '' : `  from ${sources.join(', ')}`;
    const rate =
      bytesPerSecond > 0 || now - this.#startedAt < WINDOW_MS ? `${size(bytesPerSecond)}/s` : 'waiting';
    // What changes comes first: where there is no room, a long name is cut.
    statusLine(
      `${percent} %  ${size(doneBytes)} of ${size(totalBytes)}  ${rate}${left}  ${printable(this.#label)}${from}`,
    );
  }

  get elapsedMs(): number {
    return Math.max(1, this.#now() - this.#startedAt);
  }

  clear(): void {
    if (!this.#isJson) statusLine('');
  }

  #rate(): number {
    const [first] = this.#samples;
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.at === first.at) return 0;
    return Math.max(0, Math.round(((last.bytes - first.bytes) * 1000) / (last.at - first.at)));
  }
}

/** `1.2 GB`: powers of 1,000, as disks and networks have them. */
export function size(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

function duration(seconds: number): string {
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
