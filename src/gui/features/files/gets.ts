/** What this machine gets, and goes on getting after a restart, once somebody says so. */
import { join } from 'node:path';
import { type Giver, type Offer, offerFromCbor, offerToCbor, Transfer } from '../../../index.ts';
import { StateFile } from '../../state-file.ts';
import { type Moving, movingGet, type Transfers } from './transfers.ts';

export interface GetsOptions {
  readonly stateDir: string;
  readonly inbox: string;
  readonly transfers: Transfers;
  /** Who had it when peers were asked last. */
  readonly holders: (offer: Offer) => readonly Giver[];
  /** Asks the peers what they offer. */
  readonly look: () => Promise<unknown>;
}

/** As peers tell each other of it, with its id in hexadecimal. */
type Kept = readonly unknown[];

export class Gets {
  readonly #options: GetsOptions;
  readonly #file: StateFile<readonly Kept[]>;
  readonly #unfinished = new Set<Transfer>();

  constructor(options: GetsOptions) {
    this.#options = options;
    this.#file = new StateFile(join(options.stateDir, 'gui-transfers.json'), (json) =>
      Array.isArray(json) ? (json as Kept[]) : null,
    );
  }

  /** Those of the last time are there again, paused. */
  async restore(): Promise<void> {
    for (const kept of (await this.#file.read()) ?? []) {
      const offer = offerOf(kept);
      if (offer !== null) this.#add(offer);
    }
  }

  /** Into the inbox, beside what has its name there. */
  begin(offer: Offer): void {
    void this.#add(offer).start();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#unfinished].map((transfer) => transfer.pause()));
    await this.#file.settled();
  }

  #add(offer: Offer): Transfer {
    const { transfers, inbox, holders } = this.#options;
    const transfer = new Transfer({
      offer,
      into: inbox,
      conflict: 'rename',
      holders: () => holders(offer),
      now: () => performance.now(),
      onChange: () => {
        transfers.show(id);
        if (transfer.state === 'done' || transfer.state === 'cancelled') this.#forget(transfer);
      },
    });
    this.#unfinished.add(transfer);
    const id = transfers.add({ ...this.#moving(transfer), forgotten: () => this.#forget(transfer) });
    void this.#keep();
    return transfer;
  }

  #moving(transfer: Transfer): Moving {
    const { holders, look } = this.#options;
    return {
      ...movingGet(transfer),
      resume: async () => {
        if (holders(transfer.offer).length === 0) await look();
        void transfer.resume(); // what becomes of it is shown
      },
    };
  }

  #forget(transfer: Transfer): void {
    if (this.#unfinished.delete(transfer)) void this.#keep();
  }

  #keep(): Promise<void> {
    return this.#file.write([...this.#unfinished].map(({ offer }) => keptOf(offer)));
  }
}

function keptOf(offer: Offer): Kept {
  return (offerToCbor(offer) as readonly unknown[]).map((field) =>
    field instanceof Uint8Array ? Buffer.from(field).toString('hex') : field,
  );
}

function offerOf(kept: Kept): Offer | null {
  if (!Array.isArray(kept)) return null;
  const [name, size, files, id, ...rest] = kept;
  if (typeof id !== 'string') return null;
  return offerFromCbor([name, size, files, new Uint8Array(Buffer.from(id, 'hex')), ...rest]);
}
