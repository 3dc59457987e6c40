/**
 * The tree of hashes over a byte string, so that each chunk of it can be verified when it arrives, from anybody.
 *
 * Chunks stand at level 0. A node of level n holds the hashes of up to {@link FAN_OUT} items of level n − 1, and so on
 * until one item is left, the top. The id binds size and top, so that whoever has both id and size knows at the first
 * thing that arrives whether one of them was a lie.
 */

import { concat, equalBytes, idBytes, utf8 } from '../bytes.ts';
import { blake2b } from '../crypto/hash.ts';

export const CHUNK_BYTES: number = 128 * 1024;
export const FAN_OUT = 1024;
export const HASH_BYTES = 32;

const CHUNK_LABEL = utf8('udp-tool/1 chunk');
const NODE_LABEL = utf8('udp-tool/1 node');
const BLOB_LABEL = utf8('udp-tool/1 blob');

export function hashChunk(bytes: Uint8Array): Uint8Array {
  return blake2b(HASH_BYTES, CHUNK_LABEL, bytes);
}

export function hashNode(level: number, content: Uint8Array): Uint8Array {
  return blake2b(HASH_BYTES, NODE_LABEL, Uint8Array.of(level), content);
}

export function blobId(size: number, top: Uint8Array): Uint8Array {
  return blake2b(HASH_BYTES, BLOB_LABEL, idBytes(BigInt(size)), top);
}

/** Whether the hash of a blob's top is the one that its id and size say. */
export function isTop(top: Uint8Array, size: number, id: Uint8Array): boolean {
  return equalBytes(blobId(size, top), id);
}

const zeros = new Uint8Array(CHUNK_BYTES);
let zeroChunkHash: Uint8Array | undefined;

/** The hash of a chunk of so many zeros, which a file system need not store. */
export function hashZeros(length: number): Uint8Array {
  if (length < CHUNK_BYTES) return hashChunk(zeros.subarray(0, length));
  zeroChunkHash ??= hashChunk(zeros);
  return zeroChunkHash;
}

/** What the size of a blob says about its tree. It costs the same for any size. */
export class TreeShape {
  readonly size: number;
  /** How many items each level has; the last has one. */
  readonly #counts: number[];

  /** @param size from 0 to 2^53 − 1 */
  constructor(size: number) {
    this.size = size;
    let count = Math.max(1, Math.ceil(size / CHUNK_BYTES));
    this.#counts = [count];
    while (count > 1) this.#counts.push((count = Math.ceil(count / FAN_OUT)));
  }

  /** The level of the top. */
  get height(): number {
    return this.#counts.length - 1;
  }

  get chunks(): number {
    return this.count(0);
  }

  /** How many items a level has; 0 for a level that is not there. */
  count(level: number): number {
    return this.#counts[level] ?? 0;
  }

  /** How long an item is: a chunk at level 0, a node above; null where there is no such item. */
  bytesAt(level: number, index: number): number | null {
    if (!Number.isInteger(index) || index < 0 || index >= this.count(level)) return null;
    if (level === 0) return Math.min(CHUNK_BYTES, this.size - index * CHUNK_BYTES);
    return HASH_BYTES * Math.min(FAN_OUT, this.count(level - 1) - index * FAN_OUT);
  }

  /** Where a node stands in the file of all nodes: level after level from 1, without gaps. */
  nodeOffset(level: number, index: number): number {
    let hashes = index * FAN_OUT;
    for (let below = 0; below < level - 1; below++) hashes += this.count(below);
    return hashes * HASH_BYTES;
  }

  /** How long the file of all nodes is. */
  get nodesBytes(): number {
    return this.height === 0 ? 0 : this.nodeOffset(this.height, 0) + (this.bytesAt(this.height, 0) ?? 0);
  }
}

interface Level {
  /** Of the items that are in no node yet. */
  hashes: Uint8Array[];
  nodes: number;
}

/** Makes the tree of a blob from its chunks in order, with memory for one node a level. */
export class TreeBuilder {
  readonly #onNode: (level: number, index: number, content: Uint8Array) => void;
  readonly #levels: Level[] = [];

  /** @param onNode is given each node when it is whole */
  constructor(onNode: (level: number, index: number, content: Uint8Array) => void = () => {}) {
    this.#onNode = onNode;
  }

  add(chunk: Uint8Array): void {
    this.#add(0, hashChunk(chunk));
  }

  /** The id, after the last chunk. An empty blob has one empty chunk. */
  finish(size: number): Uint8Array {
    for (let level = 0; ; level++) {
      const { hashes, nodes } = this.#at(level);
      const [top] = hashes;
      if (top !== undefined && hashes.length === 1 && nodes === 0) return blobId(size, top);
      if (hashes.length > 0) this.#endNode(level);
    }
  }

  #add(level: number, hash: Uint8Array): void {
    const { hashes } = this.#at(level);
    if (hashes.push(hash) === FAN_OUT) this.#endNode(level);
  }

  #endNode(level: number): void {
    const items = this.#at(level);
    const content = concat(...items.hashes);
    items.hashes = [];
    this.#onNode(level + 1, items.nodes++, content);
    this.#add(level + 1, hashNode(level + 1, content));
  }

  #at(level: number): Level {
    return (this.#levels[level] ??= { hashes: [], nodes: 0 });
  }
}
