/** A monotonic clock: milliseconds since an arbitrary moment. Setting the date does not move it. */
export interface Clock {
  now(): number;
}

export const monotonicClock: Clock = { now: () => performance.now() };
