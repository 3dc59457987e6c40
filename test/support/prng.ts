/** Reproducible randomness for simulations (mulberry32); never for keys that guard anything. */
export class Prng {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Uniform in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** A whole number in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  readonly bytes = (length: number): Uint8Array => {
    const out = new Uint8Array(length);
    for (let i = 0; i < length; i++) out[i] = this.below(256);
    return out;
  };
}

/** Seeds for a simulation: fixed ones, or the one in `SEED`. A failure prints its seed in the test's name. */
export function seeds(count: number): number[] {
  const wanted = process.env['SEED'];
  return wanted === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(wanted)];
}
