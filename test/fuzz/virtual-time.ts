/**
 * Timers and the clock as src/ sees them while a target runs: time passes when the input says so, and the same input
 * takes the same steps.
 */
import { check } from './target.ts';

const MAX_FIRED = 20_000;
const turn = setImmediate;
type Callback = (...args: unknown[]) => void;

class Timer {
  readonly #time: VirtualTime;
  readonly callback: () => void;
  readonly ms: number;
  readonly repeats: boolean;
  at = 0;

  constructor(time: VirtualTime, callback: () => void, ms: number, repeats: boolean) {
    this.#time = time;
    this.callback = callback;
    this.ms = Math.max(1, ms);
    this.repeats = repeats;
    this.refresh();
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  refresh(): this {
    this.at = this.#time.now + this.ms;
    this.#time.timers.add(this);
    return this;
  }
}

export class VirtualTime {
  /** Milliseconds. */
  now = 1_000;
  /** Those that wait. */
  readonly timers = new Set<Timer>();

  /** Runs a scene in a time of its own. A promise that fails with nobody to hear it is a finding. */
  static async run(scene: (time: VirtualTime) => Promise<void>): Promise<void> {
    const time = new VirtualTime();
    const unheard: unknown[] = [];
    const onUnheard = (reason: unknown): void => void unheard.push(reason);
    const restore = time.#install();
    // Nobody else is told of what is looked for here.
    const others = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection');
    process.on('unhandledRejection', onUnheard);
    try {
      await scene(time);
      await time.settle();
    } finally {
      process.off('unhandledRejection', onUnheard);
      for (const other of others) process.on('unhandledRejection', other);
      restore();
    }
    if (unheard.length > 0) throw unheard[0];
  }

  /** What goes on by itself goes on as far as it can. */
  async settle(): Promise<void> {
    await new Promise<void>((done) => turn(done));
  }

  async pass(ms: number): Promise<void> {
    const until = this.now + ms;
    await this.settle();
    for (let fired = 0; ; fired++) {
      check(fired < MAX_FIRED, 'there is no end of timers');
      let next: Timer | undefined;
      for (const timer of this.timers)
        if (timer.at <= until && (next === undefined || timer.at < next.at)) next = timer;
      if (next === undefined) break;
      this.now = Math.max(this.now, next.at);
      if (next.repeats) next.refresh();
      else this.timers.delete(next);
      next.callback();
      await this.settle();
    }
    this.now = until;
  }

  #install(): () => void {
    const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis;
    const { timeout } = AbortSignal;
    const { now } = Date;
    const set =
      (repeats: boolean) =>
      (callback: Callback, ms = 0, ...args: unknown[]): Timer =>
        new Timer(this, () => callback(...args), ms, repeats);
    const clear =
      (real: (timer: NodeJS.Timeout) => void) =>
      (timer: unknown): void => {
        if (timer instanceof Timer) this.timers.delete(timer);
        else real(timer as NodeJS.Timeout);
      };
    Object.assign(globalThis, {
      setTimeout: set(false),
      clearTimeout: clear(clearTimeout),
      setInterval: set(true),
      clearInterval: clear(clearInterval),
    });
    Object.defineProperty(performance, 'now', { value: () => this.now, configurable: true });
    Date.now = () => this.now;
    AbortSignal.timeout = (ms) => {
      const controller = new AbortController();
      globalThis.setTimeout(() => controller.abort(new DOMException('late', 'TimeoutError')), ms);
      return controller.signal;
    };
    return () => {
      Object.assign(globalThis, { setTimeout, clearTimeout, setInterval, clearInterval });
      Reflect.deleteProperty(performance, 'now');
      AbortSignal.timeout = timeout;
      Date.now = now;
    };
  }
}
