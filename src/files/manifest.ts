/**
 * What is in a folder: a blob of strict CBOR items one behind the other, an item for each folder and file below it, a
 * folder's own before those of what is in it, in the order of {@link comparePaths}. It is read as it arrives, and nothing
 * of it is believed.
 */
import { concat } from '../bytes.ts';
import { type CborValue, decodeCbor, encodeTrusted } from '../wire/cbor.ts';
import { HASH_BYTES } from './content-tree.ts';
import { comparePaths, pathProblem } from './names.ts';

interface FolderEntry {
  readonly kind: 'folder';
  readonly path: string;
  readonly mtimeMs: number;
}

export interface FileEntry {
  readonly kind: 'file';
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;
  readonly isExecutable: boolean;
  readonly id: Uint8Array;
}

export type ManifestEntry = FolderEntry | FileEntry;

const MAX_ENTRY_BYTES = 8 * 1024;
export const MAX_ENTRIES = 1_000_000;
/** A manifest is judged once it is whole, so its size is. A million entries of usual length have a third of that. */
export const MAX_MANIFEST_BYTES: number = 512 * 1024 * 1024;
/** What a Date can hold (ECMA-262). */
const MAX_TIME_MS = 8.64e15;

export function encodeEntry(entry: ManifestEntry): Uint8Array {
  if (entry.kind === 'folder') return encodeTrusted([entry.path, entry.mtimeMs]);
  return encodeTrusted([entry.path, entry.size, entry.mtimeMs, entry.isExecutable, entry.id]);
}

export class ManifestReader {
  /** How many files were read, and how many bytes they have. */
  files = 0;
  bytes = 0;
  /** Why the manifest is refused, once it is. */
  problem: string | null = null;
  #entries = 0;
  #rest: Uint8Array = new Uint8Array();
  #last = '';
  /** The folders in which the last entry is, from the outermost. */
  readonly #folders: string[] = [];

  /** The next bytes; gives the entries that end in them, or null where the manifest is refused. */
  push(bytes: Uint8Array): ManifestEntry[] | null {
    const input = this.#rest.length === 0 ? bytes : concat(this.#rest, bytes);
    const entries: ManifestEntry[] = [];
    let offset = 0;
    while (this.problem === null && offset < input.length) {
      const length = itemLength(input, offset);
      if (length > MAX_ENTRY_BYTES || (length === UNFINISHED && input.length - offset > MAX_ENTRY_BYTES)) {
        this.problem = 'an entry is too long, or is none';
      } else if (length === UNFINISHED) {
        break;
      } else {
        const entry = this.#read(input.subarray(offset, offset + length));
        if (entry !== null) entries.push(entry);
        offset += length;
      }
    }
    this.#rest = input.slice(offset);
    return this.problem === null ? entries : null;
  }

  /** After the last bytes. */
  end(): boolean {
    if (this.problem === null && this.#rest.length > 0) this.problem = 'it ends too early';
    return this.problem === null;
  }

  #read(bytes: Uint8Array): ManifestEntry | null {
    const decoded = decodeCbor(bytes, 1);
    const entry = decoded.ok ? entryOf(decoded.value) : null;
    this.problem = entry === null ? 'an entry is none' : this.#problemWith(entry);
    if (entry === null || this.problem !== null) return null;
    this.#last = entry.path;
    this.#entries++;
    if (entry.kind === 'folder') this.#folders.push(entry.path);
    else {
      this.files++;
      this.bytes += entry.size;
    }
    return entry;
  }

  #problemWith(entry: ManifestEntry): string | null {
    const problem = pathProblem(entry.path);
    if (problem !== null) return `a name is refused: ${problem}`;
    if (this.#entries >= MAX_ENTRIES) return `it has more than ${MAX_ENTRIES} entries`;
    if (this.#entries > 0 && comparePaths(this.#last, entry.path) >= 0)
      return 'its entries are not in order, or one stands twice';
    const parent = entry.path.slice(0, Math.max(0, entry.path.lastIndexOf('/')));
    while (this.#folders.length > 0 && this.#folders.at(-1) !== parent) this.#folders.pop();
    if (parent !== '' && this.#folders.length === 0) return 'an entry is in no folder';
    if (entry.kind === 'file' && this.bytes + entry.size > Number.MAX_SAFE_INTEGER)
      return 'its files are too large';
    return null;
  }
}

function entryOf(value: CborValue): ManifestEntry | null {
  if (!Array.isArray(value)) return null;
  if (value.length === 2) {
    const [path, mtimeMs] = value as readonly CborValue[];
    return typeof path === 'string' && isMtime(mtimeMs) ? { kind: 'folder', path, mtimeMs } : null;
  }
  if (value.length !== 5) return null;
  const [path, size, mtimeMs, isExecutable, id] = value as readonly CborValue[];
  if (typeof path !== 'string' || !isSize(size) || !isMtime(mtimeMs)) return null;
  if (typeof isExecutable !== 'boolean' || !isId(id)) return null;
  return { kind: 'file', path, size, mtimeMs, isExecutable, id };
}

export function isSize(value: CborValue): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

export function isMtime(value: CborValue): value is number {
  return Number.isSafeInteger(value) && Math.abs(value as number) <= MAX_TIME_MS;
}

export function isId(value: CborValue): value is Uint8Array {
  return value instanceof Uint8Array && value.length === HASH_BYTES;
}

const UNFINISHED = -1;
const NO_ITEM = Number.POSITIVE_INFINITY;

/** How long a flat array of small items is; {@link UNFINISHED} where it does not end here. Only the strict scan says that it is good. */
function itemLength(bytes: Uint8Array, start: number): number {
  const head = bytes[start] as number;
  if (head !== 0x82 && head !== 0x85) return NO_ITEM;
  let offset = start + 1;
  for (let item = 0; item < (head & 0x1f); item++) {
    const initial = bytes[offset];
    if (initial === undefined) return UNFINISHED;
    const info = initial & 0x1f;
    const width = info < 24 ? 0 : 1 << (info - 24);
    if (width > 8) return NO_ITEM;
    const major = initial >> 5;
    if (major > 3 && major !== 7) return NO_ITEM;
    let argument = info;
    if (width > 0) {
      argument = 0;
      for (let i = 1; i <= width; i++) {
        const byte = bytes[offset + i];
        if (byte === undefined) return UNFINISHED;
        argument = argument * 256 + byte;
      }
    }
    const hasContent = major === 2 || major === 3;
    offset += 1 + width + (hasContent ? argument : 0);
    if (offset - start > MAX_ENTRY_BYTES) return NO_ITEM;
  }
  return offset > bytes.length ? UNFINISHED : offset - start;
}
