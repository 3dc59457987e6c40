/** Byte `at` of what call `call` draws. */
export function knownByte(call: number, at: number): number;
