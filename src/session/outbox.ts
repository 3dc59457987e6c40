/** What one session has to say at the end of a turn of the event loop. */
import { type Address, sameAddress } from './address.ts';
import { MAX_OUTBOX_BYTES } from './constants.ts';

interface Outgoing {
  readonly message: Uint8Array;
  readonly to: Address;
}

export class Outbox {
  #waiting: Outgoing[] = [];
  #bytes = 0;

  get empty(): boolean {
    return this.#waiting.length === 0;
  }

  /** False when too much waits already: the message is lost, as it may be on the wire. */
  push(outgoing: Outgoing): boolean {
    if (this.#bytes + outgoing.message.length > MAX_OUTBOX_BYTES) return false;
    this.#waiting.push(outgoing);
    this.#bytes += outgoing.message.length;
    return true;
  }

  /** Everything, in order: runs of messages for one address together. */
  take(): { to: Address; messages: Uint8Array[] }[] {
    const runs: { to: Address; messages: Uint8Array[] }[] = [];
    for (const { message, to } of this.#waiting) {
      const last = runs.at(-1);
      if (last !== undefined && sameAddress(last.to, to)) last.messages.push(message);
      else runs.push({ to, messages: [message] });
    }
    this.clear();
    return runs;
  }

  clear(): void {
    this.#waiting = [];
    this.#bytes = 0;
  }
}
