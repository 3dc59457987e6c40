/**
 * All of what can be reached from an object, in one number: whether anything in it changed. Private fields are among it,
 * since load.mjs makes them ordinary ones; what only a function can reach is not.
 */

/** Counters of what was dropped, and the time of the call that is under way. */
const NOT_STATE: ReadonlySet<string> = new Set(['drops', '$now']);

/** @param isLeftOut of an object in there, whether it does not count */
export function digest(root: object, isLeftOut: ((value: object) => boolean) | null = null): number {
  const seen = new Map<object, number>();
  const stack: unknown[] = [root];
  let hash = 17;
  const mix = (value: number): void => {
    hash = (Math.imul(hash ^ value, 0x9e3779b1) + (hash >>> 15)) | 0;
  };
  const mixText = (text: string): void => {
    mix(text.length);
    for (let i = 0; i < text.length; i++) mix(text.charCodeAt(i));
  };
  while (stack.length > 0) {
    const value = stack.pop();
    switch (typeof value) {
      case 'number':
        mix(value | 0);
        mix((value * 1_000) | 0);
        mix(value / 0x7fffffff);
        continue;
      case 'string':
        mixText(value);
        continue;
      case 'bigint':
        mix(Number(value & 0xffffffffn));
        mix(Number((value >> 32n) & 0xffffffffn));
        continue;
      case 'object':
        break;
      default:
        mix(value === true ? 1 : value === false ? 2 : 3);
        continue;
    }
    if (value === null) {
      mix(4);
      continue;
    }
    const known = seen.get(value);
    if (known !== undefined) {
      mix(known);
      continue;
    }
    seen.set(value, seen.size);
    if (isLeftOut?.(value)) continue;
    if (ArrayBuffer.isView(value)) {
      const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      mix(bytes.length);
      for (let i = 0; i < bytes.length; i++) mix(bytes[i] as number);
    } else if (value instanceof Map) {
      mix(value.size);
      for (const [key, entry] of value) stack.push(key, entry);
    } else if (value instanceof Set) {
      mix(value.size);
      for (const entry of value) stack.push(entry);
    } else {
      for (const [name, entry] of Object.entries(value)) {
        if (typeof entry === 'function' || NOT_STATE.has(name)) continue;
        mix(name.length);
        stack.push(entry);
      }
    }
  }
  return hash;
}
