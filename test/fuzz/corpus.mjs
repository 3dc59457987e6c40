/** Inputs that are kept in the repository: of each target a list, in hexadecimal, shortest first. */
import { readFile, writeFile } from 'node:fs/promises';

/** Of one target: what is replayed in the suite takes moments. */
const MAX_INPUTS = 200;
const MAX_BYTES = 16 * 1024;
const fileOf = (name) => new URL(`corpus/${name}.json`, import.meta.url);

/**
 * @param {string} name of the target
 * @returns {Promise<Uint8Array[]>} none where none are kept
 */
export async function readCorpus(name) {
  try {
    const texts = JSON.parse(await readFile(fileOf(name), 'utf8'));
    return texts.map((text) => new Uint8Array(Buffer.from(text, 'hex')));
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
}

/**
 * Those of the inputs that find something new when the shortest go first.
 * @param {string} name of the target
 * @param {readonly Uint8Array[]} inputs
 * @param {(inputs: readonly Uint8Array[]) => Promise<readonly Uint8Array[]>} minimised gives those that find something new, in order
 */
export async function writeCorpus(name, inputs, minimised) {
  const sorted = [...inputs].sort((a, b) => a.length - b.length || Buffer.compare(a, b));
  let bytes = 0;
  const texts = (await minimised(sorted))
    .slice(0, MAX_INPUTS)
    .filter((input) => (bytes += input.length) <= MAX_BYTES)
    .map((input) => Buffer.from(input).toString('hex'));
  await writeFile(fileOf(name), `${JSON.stringify(texts, null, 2)}\n`);
}
