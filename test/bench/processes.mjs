/** Servers and clients are processes of their own, so that neither takes the other's processor time. */
import { fork } from 'node:child_process';
import { once } from 'node:events';

/** What a call may take beyond the time that it was asked to run for. */
const PATIENCE_MS = 15_000;
const children = new Set();

export class Child {
  #process;

  /** @param {URL} script */
  constructor(script) {
    this.#process = fork(script);
  }

  /** @param {URL} script */
  static async start(script = new URL('./child.mjs', import.meta.url)) {
    const child = new Child(script);
    children.add(child);
    // What is sent before its modules are loaded would be lost.
    await once(child.#process, 'message');
    return child;
  }

  /** Resolves with what the action returned; rejects when it failed, took too long or ended its process. */
  call(action, options = {}) {
    return new Promise((done, fail) => {
      const finish = (outcome, value) => {
        clearTimeout(timer);
        this.#process.off('message', onMessage);
        this.#process.off('exit', onExit);
        outcome(value);
      };
      const onMessage = ({ result, error }) =>
        error === undefined ? finish(done, result) : finish(fail, new Error(error));
      const onExit = () => finish(fail, new Error(`The process ended during "${action}".`));
      const timer = setTimeout(
        () => finish(fail, new Error(`"${action}" took too long.`)),
        PATIENCE_MS + (options.seconds ?? 0) * 1000,
      );
      this.#process.on('message', onMessage);
      this.#process.on('exit', onExit);
      this.#process.send({ action, options });
    });
  }

  async close() {
    if (!children.delete(this)) return;
    const exit = once(this.#process, 'exit');
    await this.call('close');
    await exit;
  }

  kill() {
    this.#process.kill();
  }
}

export async function closeAll() {
  await Promise.all([...children].map((child) => child.close()));
}

/** After a failure: nothing stays behind. */
export function killAll() {
  for (const child of children) child.kill();
}
