/** The wire: datagrams as they pass, while somebody looks, and what was dropped, always. */
import { formatAddress, type SeenDatagram, toHex } from '../../index.ts';
import type { Action } from '../action.ts';
import type { DatagramView, DropsView } from '../api.ts';
import type { Feature, MachineSlot } from '../feature.ts';
import type { LiveHub, LiveLog, LiveMap } from '../live.ts';
import type { Machine } from '../machine.ts';

/** A page says so often that it looks; after so long without, nothing is looked at any more. */
const LOOK_MS = 20_000;

export class Wire implements Feature {
  readonly #slot: MachineSlot;
  readonly #seen: LiveLog<DatagramView>;
  readonly #drops: LiveMap<DropsView>;
  #number = 0;
  #stop: (() => void) | null = null;
  #timer: NodeJS.Timeout | undefined;

  constructor(hub: LiveHub, slot: MachineSlot) {
    this.#slot = slot;
    this.#seen = hub.log('wire', { kept: 200, atOnce: 50 });
    this.#drops = hub.map('drops');
  }

  readonly actions: readonly Action[] = [{ name: 'wire/look', isRead: true, run: () => this.#look() }];

  begin({ onDrop, signal }: Machine): void {
    onDrop.add(({ reason, from }) => {
      const count = (this.#drops.get(reason)?.count ?? 0) + 1;
      this.#drops.set(reason, { count, from: formatAddress(from), at: Date.now() });
    });
    signal.addEventListener('abort', () => this.#lookAway(), { once: true });
  }

  #look(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lookAway(), LOOK_MS).unref();
    this.#stop ??= this.#slot.machine.endpoint.onDatagram((seen) => {
      const number = ++this.#number;
      const at = Date.now();
      this.#seen.add(() => view(seen, number, at));
    });
  }

  #lookAway(): void {
    clearTimeout(this.#timer);
    this.#stop?.();
    this.#stop = null;
  }
}

function view(seen: SeenDatagram, number: number, at: number): DatagramView {
  const { direction, address, via, length, start, kind, peer, dropped, messages, messageCount } = seen;
  return {
    number,
    at,
    direction,
    address: formatAddress(address),
    ...(via !== undefined && { via }),
    length,
    start: toHex(start),
    kind,
    ...(peer !== undefined && { peer }),
    ...(dropped !== undefined && { dropped }),
    messages,
    messageCount,
  };
}
