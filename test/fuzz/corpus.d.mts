export function readCorpus(name: string): Promise<Uint8Array[]>;
