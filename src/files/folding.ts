/** File systems for which two names are one: that mind neither case, or not how accents are written. */
import { lstat, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UdpToolError } from '../errors.ts';
import { unlessGone } from './disk-error.ts';
import type { ManifestFile } from './manifest-file.ts';
import { foldName } from './names.ts';

/**
 * Reads a manifest to its end, or to where it is refused.
 * @throws UdpToolError `exists` where two of its names would be one in that folder
 */
export async function refuseClashes(manifest: ManifestFile, folder: string): Promise<void> {
  const seen = (await isFolding(folder)) ? new Map<string, string>() : null;
  for (let entry = await manifest.peek(); entry !== null; entry = await manifest.peek()) {
    manifest.advance();
    if (seen === null) continue;
    const folded = foldName(entry.path);
    const other = seen.get(folded);
    if (other !== undefined) throw clash(other, entry.path);
    seen.set(folded, entry.path);
  }
}

function clash(one: string, other: string): UdpToolError {
  return new UdpToolError('exists', `"${one}" and "${other}" would be one and the same here.`, {
    hint: 'This file system does not tell their names apart: fetch it into another one.',
  });
}

const PROBE = 'probe-\u00e9';

/** Whether the file system of a folder takes a name for another that {@link foldName} makes equal. */
async function isFolding(folder: string): Promise<boolean> {
  await writeFile(join(folder, PROBE), '');
  try {
    for (const other of [PROBE.toUpperCase(), PROBE.normalize('NFD')])
      if ((await lstat(join(folder, other)).catch(unlessGone)) !== undefined) return true;
    return false;
  } finally {
    await rm(join(folder, PROBE), { force: true });
  }
}
