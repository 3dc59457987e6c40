/** Offers, what is asked of them, manifests and the states of pushes (PROTOCOL §10.3). */
import { concat } from '../../../src/bytes.ts';
import { encodeEntry, type ManifestEntry, ManifestReader } from '../../../src/files/manifest.ts';
import { nameProblem, pathProblem } from '../../../src/files/names.ts';
import type { Offer } from '../../../src/files/offer.ts';
import {
  askForPiece,
  askToTake,
  decodeOffers,
  encodeOffers,
  OFFERS,
  readQuestion,
} from '../../../src/sharing/offer-list.ts';
import { decodePushState, encodePushState } from '../../../src/sharing/push-state.ts';
import { decodeCbor, encodeCbor } from '../../../src/wire/cbor.ts';
import type { StreamSubject } from '../../../src/wire/stream-messages.ts';
import { check, same, type Target } from '../target.ts';

const ID = new Uint8Array(32).fill(7);
const FILE: Offer = {
  kind: 'file',
  name: 'a.txt',
  size: 5,
  files: 1,
  id: ID,
  mtimeMs: 1_700_000_000_000,
  isExecutable: true,
};
const FOLDER: Offer = {
  kind: 'folder',
  name: 'fotos',
  size: 70_000,
  files: 3,
  id: ID,
  mtimeMs: -1,
  manifestSize: 300,
};
const text = (word: string): Uint8Array => Uint8Array.from(Buffer.from(word));
const NAMES = (): Uint8Array[] =>
  ['con', '.udp-tool-', '..', '\u202e', '\u200f', 'é', '\ufeff', 'a/b', '\\'].map(text);
const QUESTIONS: readonly StreamSubject[] = [
  OFFERS,
  askToTake(FILE, 1),
  askToTake(FOLDER, 2),
  askForPiece({ kind: 'chunk', blob: ID, index: 3 }),
  askForPiece({ kind: 'node', blob: ID, level: 1, index: 0 }),
];

export const offers: Target = {
  name: 'offers',
  seeds: () => [
    encodeOffers([]),
    encodeOffers([FILE]),
    encodeOffers([FILE, FOLDER]),
    encodeOffers([{ ...FILE, name: 'b' }]),
    ...QUESTIONS.map((question) => encodeCbor(question)),
    ...(['asked', 'taking', 'done', 'refused', 'failed', 'busy'] as const).map((state, i) =>
      encodePushState({ state, doneBytes: 300 * i }),
    ),
  ],
  words: NAMES,
  work: { base: 3_000, perByte: 200 },
  memory: { base: 80 * 1024, perByte: 64 },
  run(input) {
    const list = decodeOffers(input);
    if (list !== null) {
      list.forEach(expectOffer);
      const encoded = encodeOffers(list);
      check(decodeOffers(encoded)?.length === list.length, 'a list that was encoded again has other offers');
      same(encodeOffers(decodeOffers(encoded) ?? []), encoded, 'offers change when they are told on');
    }
    const decoded = decodeCbor(input);
    const question = decoded.ok && Array.isArray(decoded.value) ? readQuestion(decoded.value) : null;
    if (question !== null && decoded.ok) {
      if (question.kind === 'push') expectOffer(question.offer);
      const subject =
        question.kind === 'offers'
          ? OFFERS
          : question.kind === 'push'
            ? askToTake(question.offer, question.push)
            : askForPiece(question.piece);
      same(
        encodeCbor(subject),
        encodeCbor(decoded.value),
        'a question is another one when it is asked again',
      );
    }
    const state = decodePushState(input);
    if (state !== null && decoded.ok) {
      check(Number.isSafeInteger(state.doneBytes) && state.doneBytes >= 0, 'there are no such many bytes');
      same(encodePushState(state), encodeCbor(decoded.value), 'a state is another one when it is told on');
    }
  },
};

function expectOffer(offer: Offer): void {
  expectName(offer.name);
  check(offer.id.length === 32, 'an id has another length');
  for (const size of [offer.size, offer.files])
    check(Number.isSafeInteger(size) && size >= 0, `there are ${size} files or bytes`);
  check(!Number.isNaN(new Date(offer.mtimeMs).getTime()), 'a time is none');
  if (offer.kind === 'file') check(offer.files === 1, 'a file has several files');
  else check(offer.manifestSize <= 512 * 1024 * 1024, 'a manifest is too large');
}

/** What may not be in a name on any system, in other words than those of names.ts. */
function expectName(name: string): void {
  check(nameProblem(name) === null, 'a name is refused that was taken');
  check(name !== '' && !/[/\\\0-\x1f\x7f]/.test(name) && !/^\.\.?$/.test(name), `a name leads away: ${name}`);
  check(Buffer.byteLength(name) <= 255 && !/\p{Surrogate}/u.test(name), 'a name is too long, or no text');
  check(!/^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$/i.test(name), `a name is a device: ${name}`);
}

const file = (path: string): ManifestEntry => ({
  kind: 'file',
  path,
  size: 5,
  mtimeMs: 1_700_000_000_000,
  isExecutable: false,
  id: ID,
});

/** The first byte says in pieces of how many bytes the rest arrives. */
export const manifest: Target = {
  name: 'manifest',
  seeds: () => [
    Uint8Array.of(1),
    concat(Uint8Array.of(7), encodeEntry(file('a'))),
    concat(
      Uint8Array.of(30),
      ...[
        file('a'),
        { kind: 'folder', path: 'b', mtimeMs: -1 } as const,
        { kind: 'folder', path: 'b/c', mtimeMs: 0 } as const,
        file('b/c/ö'),
        file('b/d'),
        file('😀'),
      ].map(encodeEntry),
    ).slice(),
  ],
  words: NAMES,
  work: { base: 3_000, perByte: 2_000 },
  memory: { base: 80 * 1024, perByte: 1024 },
  run(input) {
    const [step = 1] = input;
    const bytes = input.subarray(1);
    const whole = read([bytes]);
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += step + 1) pieces.push(bytes.subarray(at, at + step + 1));
    const inPieces = read(pieces);
    check(
      inPieces.problem === whole.problem,
      `in pieces: ${inPieces.problem}, and as a whole: ${whole.problem}`,
    );
    if (whole.problem !== null) return;
    const encoded = concat(...whole.entries.map(encodeEntry)).slice();
    same(concat(...inPieces.entries.map(encodeEntry)), encoded, 'pieces have other entries');
    const again = read([encoded]);
    check(again.problem === null, `what was read is refused: ${again.problem}`);
    const [files, folders] = [new Set<string>(), new Set<string>()];
    let sum = 0;
    for (const entry of whole.entries) {
      const { path } = entry;
      check(pathProblem(path) === null, 'a path is refused that was taken');
      path.split('/').forEach(expectName);
      check(!files.has(path) && !folders.has(path), `${path} stands twice`);
      const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
      check(parent === '' || folders.has(parent), `${path} is in no folder`);
      (entry.kind === 'file' ? files : folders).add(path);
      if (entry.kind === 'file') sum += entry.size;
    }
    check(files.size === whole.files && sum === whole.bytes, 'files or bytes are counted wrongly');
    check(Number.isSafeInteger(sum), 'there are more bytes than a number tells');
    const sorted = whole.entries.map(({ path }) => path.replaceAll('/', '\0'));
    for (const [i, path] of sorted.entries()) {
      if (i > 0)
        check(
          Buffer.compare(Buffer.from(sorted[i - 1] as string), Buffer.from(path)) < 0,
          'entries are not in order',
        );
    }
  },
};

function read(pieces: readonly Uint8Array[]): {
  entries: ManifestEntry[];
  problem: string | null;
  files: number;
  bytes: number;
} {
  const reader = new ManifestReader();
  const entries: ManifestEntry[] = [];
  for (const piece of pieces) {
    const found = reader.push(piece);
    if (found === null) break;
    entries.push(...found);
  }
  reader.end();
  return { entries, problem: reader.problem, files: reader.files, bytes: reader.bytes };
}
