import { uptime } from 'node:os';

/** Milliseconds since an arbitrary moment. */
export interface Clock {
  now(): number;
}

/** What a machine has of clocks, in milliseconds. */
export interface ClockSources {
  /** Nobody sets it; on Linux it stands still while the machine sleeps. */
  readonly monotonic: () => number;
  /** Anybody sets it. */
  readonly date: () => number;
  /** Since the machine started, with the time that it slept; slower to read, and coarse. */
  readonly uptime: () => number;
}

/** More than what `uptime` is coarse by, and less than matters to anything. */
const NOTICED_MS = 2_000;

/**
 * A monotonic clock that goes on while the machine sleeps: whoever wakes up must not send again what the other side has
 * forgotten meanwhile (PROTOCOL §9.2). Setting the date does not move it.
 */
export function createClock({ monotonic, date, uptime }: ClockSources): Clock {
  let dateAhead = date() - monotonic();
  let uptimeAhead = uptime() - monotonic();
  let slept = 0;
  return {
    now() {
      const awake = monotonic();
      const shift = date() - awake - dateAhead;
      if (Math.abs(shift) >= NOTICED_MS) {
        // Somebody set the date, or the machine slept.
        dateAhead += shift;
        const missed = uptime() - awake - uptimeAhead;
        if (missed >= NOTICED_MS) {
          uptimeAhead += missed;
          slept += missed;
        }
      }
      return awake + slept;
    },
  };
}

export const monotonicClock: Clock = createClock({
  monotonic: () => performance.now(),
  date: Date.now,
  uptime: () => uptime() * 1_000,
});
