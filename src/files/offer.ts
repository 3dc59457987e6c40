/** What a machine offers, and what can be asked for of it. */
import type { CborValue } from '../wire/cbor.ts';
import type { TreeShape } from './content-tree.ts';
import { isId, isMtime, isSize, MAX_MANIFEST_BYTES } from './manifest.ts';
import { nameProblem } from './names.ts';

interface Offered {
  readonly name: string;
  /** Bytes of the file, or of all files of the folder together. */
  readonly size: number;
  /** How many files. */
  readonly files: number;
  /** Of the file's bytes, or of the folder's manifest. */
  readonly id: Uint8Array;
  readonly mtimeMs: number;
}

export interface FileOffer extends Offered {
  readonly kind: 'file';
  readonly isExecutable: boolean;
}

export interface FolderOffer extends Offered {
  readonly kind: 'folder';
  /** Bytes of the manifest, which is a blob of its own. */
  readonly manifestSize: number;
}

export type Offer = FileOffer | FolderOffer;

/** A piece of a blob: of its bytes, or of the tree of hashes above them. */
export type Subject =
  | { readonly kind: 'chunk'; readonly blob: Uint8Array; readonly index: number }
  | { readonly kind: 'node'; readonly blob: Uint8Array; readonly level: number; readonly index: number };

/** How long it is; null where the blob has no such place. */
export function bytesOf(subject: Subject, shape: TreeShape): number | null {
  if (subject.kind === 'chunk') return shape.bytesAt(0, subject.index);
  return subject.level === 0 ? null : shape.bytesAt(subject.level, subject.index);
}

/** Chunks stand at level 0 of the tree. */
export function subjectAt(blob: Uint8Array, level: number, index: number): Subject {
  return level === 0 ? { kind: 'chunk', blob, index } : { kind: 'node', blob, level, index };
}

/** How an offer is said to a peer: `[name, size, files, id, mtimeMs, isExecutable]`, or of a folder `manifestSize` at the end. */
export function offerToCbor(offer: Offer): CborValue {
  const { name, size, files, id, mtimeMs } = offer;
  return [name, size, files, id, mtimeMs, offer.kind === 'file' ? offer.isExecutable : offer.manifestSize];
}

/** Null for what is no offer, or has a name that is refused. */
export function offerFromCbor(value: CborValue): Offer | null {
  if (!Array.isArray(value) || value.length !== 6) return null;
  const [name, size, files, id, mtimeMs, last] = value as readonly CborValue[];
  if (typeof name !== 'string' || nameProblem(name) !== null) return null;
  if (!isSize(size) || !isSize(files) || !isId(id) || !isMtime(mtimeMs)) return null;
  const offered = { name, size, files, id, mtimeMs };
  if (typeof last === 'boolean') return files === 1 ? { kind: 'file', ...offered, isExecutable: last } : null;
  return isSize(last) && last <= MAX_MANIFEST_BYTES
    ? { kind: 'folder', ...offered, manifestSize: last }
    : null;
}
