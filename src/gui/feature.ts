/** A part of the page's other side: what it can have done, and what it shows once the machine runs. */
import { UdpToolError } from '../index.ts';
import type { Action, Upload } from './action.ts';
import type { Machine } from './machine.ts';

export interface Feature {
  readonly actions: readonly Action[];
  readonly uploads?: readonly Upload[];
  begin?(machine: Machine): void | Promise<void>;
  /** The machine is about to end. */
  end?(): Promise<void>;
}

/** Holds the machine, once there is one. */
export class MachineSlot {
  #machine: Machine | null = null;

  get isFilled(): boolean {
    return this.#machine !== null;
  }

  fill(machine: Machine): void {
    this.#machine = machine;
  }

  /** @throws UdpToolError `key-missing` */
  get machine(): Machine {
    if (this.#machine !== null) return this.#machine;
    throw new UdpToolError('key-missing', 'This machine has no key yet.', {
      hint: 'Make one on the first page.',
    });
  }
}
