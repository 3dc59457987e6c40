/** Drops by reason and source, as many as a person can read: what a flood adds is counted and not listed. */
import { type Drop, formatAddress } from '../index.ts';

export interface DropLine {
  readonly reason: string;
  readonly from: string;
  readonly count: number;
}

/** Sources and reasons that are told apart between two reports. */
const MAX_LINES = 20;
export const OTHERS = 'other addresses';

export class DropLog {
  readonly #counts = new Map<string, DropLine>();

  add({ reason, from }: Drop): void {
    const key = `${reason} ${from.ip} ${from.port}`;
    const known = this.#counts.get(key);
    if (known !== undefined || this.#counts.size < MAX_LINES) this.#count(key, reason, formatAddress(from));
    else this.#count(reason, reason, OTHERS);
  }

  /** Those since the last time. */
  take(): DropLine[] {
    const lines = [...this.#counts.values()];
    this.#counts.clear();
    return lines;
  }

  #count(key: string, reason: string, from: string): void {
    const count = (this.#counts.get(key)?.count ?? 0) + 1;
    this.#counts.set(key, { reason, from, count });
  }
}
