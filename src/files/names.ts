/** Names that may come from another machine: of a file below one folder, and nothing else on any system. */
import { utf8 } from '../bytes.ts';

/** How names begin that are this program's own. */
export const OWN_PREFIX = '.udp-tool-';

const MAX_PART_BYTES = 255;
const MAX_PATH_BYTES = 4096;
export const MAX_PATH_DEPTH = 64;

/**
 * Control characters, line ends of any kind, marks that turn text round, and the byte order mark: a name that holds them
 * is shown as another than it is. What joins letters or emoji is needed, and goes.
 */
const MISLEADING = /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/u;
const LONE_SURROGATE = /\p{Surrogate}/u;
/** Devices in every folder of Windows, with any extension. */
const DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)/i;

/** Why a name of one part is refused; null where it may be used. */
export function nameProblem(name: string): string | null {
  if (name === '' || name === '.' || name === '..') return 'it is no name';
  if (name.includes('/') || name.includes('\\')) return 'it has a slash';
  if (LONE_SURROGATE.test(name)) return 'it is no valid text';
  if (MISLEADING.test(name)) return 'it has control characters, or marks that make it look like another';
  if (isLonger(name, MAX_PART_BYTES)) return `it is longer than ${MAX_PART_BYTES} bytes`;
  if (DEVICE.test(name)) return 'it is a device on Windows';
  if (name.toLowerCase().startsWith(OWN_PREFIX)) return 'it is for files of udp-tool itself';
  return null;
}

/** Why a path of parts with "/" between is refused; null where it may be used below any folder. */
export function pathProblem(path: string): string | null {
  if (isLonger(path, MAX_PATH_BYTES)) return `it is longer than ${MAX_PATH_BYTES} bytes`;
  const parts = path.split('/');
  if (parts.length > MAX_PATH_DEPTH) return `it has more than ${MAX_PATH_DEPTH} folders`;
  for (const part of parts) {
    const problem = nameProblem(part);
    if (problem !== null) return problem;
  }
  return null;
}

/** In bytes of UTF-8, of which a unit of UTF-16 becomes three at most. */
function isLonger(text: string, maxBytes: number): boolean {
  if (text.length * 3 <= maxBytes) return false;
  return text.length > maxBytes || utf8(text).length > maxBytes;
}

/** The order of a manifest: by bytes of UTF-8, "/" before all others, so that a folder's contents follow it at once. */
export function comparePaths(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [one, other] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (one !== other) return rank(one) - rank(other);
  }
  return a.length - b.length;
}

const SLASH = 0x2f;

/** UTF-8 sorts as code points do; of UTF-16, surrogates stand for those that come last. */
function rank(unit: number): number {
  if (unit === SLASH) return 0;
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/** Names that are equal after this are one file on a system that minds neither case nor how accents are written. */
export function foldName(name: string): string {
  return name.normalize('NFC').toUpperCase().toLowerCase().normalize('NFC');
}
