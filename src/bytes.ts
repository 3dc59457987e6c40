/** Bytes without Node's Buffer: the protocol core runs anywhere that has WebAssembly. */

const encoder = new TextEncoder();

/** The UTF-8 bytes of a text; the protocol's labels are ASCII. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

const SLAB_BYTES = 64 * 1024;
let slab = new Uint8Array(SLAB_BYTES);
let slabUsed = 0;

/**
 * Zeroed bytes for something short-lived, such as a datagram. They are cut from a slab, since an array of its own
 * beyond 64 bytes costs about a microsecond in V8; so whoever keeps them keeps the slab. Not for keys.
 */
export function allocate(length: number): Uint8Array {
  if (length > SLAB_BYTES / 8) return new Uint8Array(length);
  if (slabUsed + length > SLAB_BYTES) {
    slab = new Uint8Array(SLAB_BYTES);
    slabUsed = 0;
  }
  slabUsed += length;
  return slab.subarray(slabUsed - length, slabUsed);
}

/**
 * Zeroed bytes for a secret. V8 puts an array of up to 64 bytes into its heap, where the garbage collector moves it and
 * leaves copies that nobody wipes; a buffer stays where it is.
 */
export function keyBytes(length: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(length));
}

/** A copy of a secret, as {@link keyBytes}. */
export function copyKey(bytes: Uint8Array): Uint8Array {
  const copy = keyBytes(bytes.length);
  copy.set(bytes);
  return copy;
}

export function concat(...parts: Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = allocate(length);
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** Whether two byte strings are equal, in a time that depends on their length alone. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number);
  return difference === 0;
}

export function isAllZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

export function toHex(bytes: Uint8Array): string {
  let hex = '';
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0');
  return hex;
}

const idBuffer = new Uint8Array(8);
const idView = new DataView(idBuffer.buffer);

/** The 8 bytes at `offset` as a table key: equal ids give equal keys. */
export function idAt(bytes: Uint8Array, offset = 0): bigint {
  // A view for each call would cost more than the copy.
  for (let i = 0; i < 8; i++) idBuffer[i] = bytes[offset + i] as number;
  return idView.getBigUint64(0);
}

export function idBytes(id: bigint): Uint8Array {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, id);
  return out;
}
