export function knownByte(page: number, at: number): number;
