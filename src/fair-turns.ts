/** Shares the turns of the event loop among peers: who asks much at once waits for his own, and holds up nobody else. */

/** Of one turn, for one peer. */
const SLICE_MS = 1;
/** The clock is looked at once for so many. */
const LOOK_EVERY = 8;

interface Share {
  /** Done in this turn. */
  count: number;
  startedAt: number;
  readonly postponed: (() => void)[];
}

export class FairTurns<Key extends object> {
  readonly #now: () => number;
  readonly #onLate: () => void;
  readonly #shares = new Map<Key, Share>();
  #turnEnd: NodeJS.Immediate | null = null;

  /** @param onLate called after something was done in a later turn than it was asked in */
  constructor(now: () => number, onLate: () => void) {
    this.#now = now;
    this.#onLate = onLate;
  }

  /** Does it now, or where this one has had his share of the turn, in one that follows; in order. */
  run(key: Key, action: () => void): void {
    let share = this.#shares.get(key);
    if (share === undefined) this.#shares.set(key, (share = { count: 0, startedAt: 0, postponed: [] }));
    this.#turnEnd ??= setImmediate(this.#endTurn);
    if (share.postponed.length === 0 && this.#hasTime(share)) action();
    else share.postponed.push(action);
  }

  close(): void {
    if (this.#turnEnd !== null) clearImmediate(this.#turnEnd);
    this.#shares.clear();
  }

  #hasTime(share: Share): boolean {
    if (share.count === 0) share.startedAt = this.#now();
    else if (share.count % LOOK_EVERY === 0 && this.#now() - share.startedAt > SLICE_MS) return false;
    share.count++;
    return true;
  }

  readonly #endTurn = (): void => {
    this.#turnEnd = null;
    let isLate = false;
    for (const [key, share] of this.#shares) {
      share.count = 0;
      let done = 0;
      while (done < share.postponed.length && this.#hasTime(share)) {
        share.postponed[done++]?.();
        isLate = true;
      }
      share.postponed.splice(0, done);
      if (share.postponed.length === 0) this.#shares.delete(key);
    }
    if (this.#shares.size > 0) this.#turnEnd ??= setImmediate(this.#endTurn);
    if (isLate) this.#onLate();
  };
}
