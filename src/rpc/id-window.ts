/** Requests by id, where all that matter lie within {@link REQUEST_WINDOW} of each other. */
import { REQUEST_WINDOW } from './constants.ts';

/**
 * An array, and no Map: the tables that a Map leaves behind as it is filled and emptied hold on to what was in them,
 * and once one of them is promoted to the old generation V8 promotes all that follow (docs/performance.md).
 */
export class IdWindow<T extends { readonly id: number }> {
  /** By id modulo the window. */
  readonly #slots: (T | undefined)[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Whether this id can be added; while one is taken that is a window older, it cannot. */
  isFree(id: number): boolean {
    return this.#slots[id % REQUEST_WINDOW] === undefined;
  }

  get(id: number): T | undefined {
    const item = this.#slots[id % REQUEST_WINDOW];
    return item?.id === id ? item : undefined;
  }

  /** Only where the id is free. */
  add(item: T): void {
    this.#slots[item.id % REQUEST_WINDOW] = item;
    this.#size++;
  }

  /** The item that was removed, if there was one. */
  delete(id: number): T | undefined {
    const item = this.get(id);
    if (item === undefined) return undefined;
    this.#slots[id % REQUEST_WINDOW] = undefined;
    this.#size--;
    return item;
  }

  /** In ascending order of ids. */
  values(): T[] {
    if (this.#size === 0) return [];
    return this.#slots.filter((item) => item !== undefined).sort((a, b) => a.id - b.id);
  }
}
