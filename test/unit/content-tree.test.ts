import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BlobReader, type Wanted } from '../../src/files/blob-reader.ts';
import {
  blobId,
  CHUNK_BYTES,
  FAN_OUT,
  HASH_BYTES,
  hashNode,
  hashZeros,
  TreeBuilder,
  TreeShape,
} from '../../src/files/content-tree.ts';

test('the places of any size: as many as are needed, one top, nodes without gaps', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (size) => {
      const shape = new TreeShape(size);
      expect(shape.count(shape.height)).toBe(1);
      const chunks = shape.count(0);
      expect((chunks - 1) * CHUNK_BYTES + (shape.bytesAt(0, chunks - 1) as number)).toBe(size);
      let offset = 0;
      for (let level = 1; level <= shape.height; level++) {
        const last = shape.count(level) - 1;
        expect(shape.nodeOffset(level, 0)).toBe(offset);
        offset = shape.nodeOffset(level, last) + (shape.bytesAt(level, last) as number);
        expect(offset - shape.nodeOffset(level, 0)).toBe(shape.count(level - 1) * HASH_BYTES);
      }
      for (const [level, index] of [
        [0, chunks],
        [0, -1],
        [0, 0.5],
        [shape.height + 1, 0],
        [-1, 0],
      ] as const)
        expect(shape.bytesAt(level, index)).toBeNull();
    }),
  );
});

/** The nodes of a blob of zeros so large that its tree has three levels: most are the same. */
function zeros(chunks: number): {
  id: Uint8Array;
  size: number;
  node(level: number, index: number): Uint8Array;
} {
  const size = chunks * CHUNK_BYTES;
  const shape = new TreeShape(size);
  const known = new Map<string, { content: Uint8Array; hash: Uint8Array }>();
  const at = (level: number, index: number): { content: Uint8Array; hash: Uint8Array } => {
    const length = shape.bytesAt(level, index) as number;
    if (level === 0) return { content: new Uint8Array(), hash: hashZeros(length) };
    const isLast = index === shape.count(level) - 1;
    const key = `${level}/${isLast}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const content = new Uint8Array(length);
    for (let i = 0; i < length / HASH_BYTES; i++)
      content.set(at(level - 1, index * FAN_OUT + i).hash, i * HASH_BYTES);
    const made = { content, hash: hashNode(level, content) };
    known.set(key, made);
    return made;
  };
  return {
    id: blobId(size, at(shape.height, 0).hash),
    size,
    node: (level, index) => at(level, index).content,
  };
}

test('three levels are read through, with few nodes at a time', () => {
  const blob = zeros(FAN_OUT * FAN_OUT + 1);
  const reader = new BlobReader(blob.id, blob.size);
  const awaited: Wanted[] = [];
  while (!reader.isComplete) {
    for (let wanted = reader.next(); wanted !== null; wanted = reader.next()) awaited.push(wanted);
    expect(awaited.length).toBeLessThanOrEqual(2);
    const subject = awaited.shift()?.subject;
    if (subject?.kind !== 'node') throw new Error('a node was expected');
    expect(reader.arrived(subject, blob.node(subject.level, subject.index))).toBe('verified');
    for (let span = reader.unlooked(); span !== null; span = reader.unlooked()) {
      for (let i = span.first; i < span.first + span.count; i++) if (reader.isZeros(i)) reader.found(i);
      reader.lookedAt(span.first);
    }
  }
  expect(reader.doneBytes).toBe(blob.size);
});

/** A blob of several chunks, and all there is to ask for of it. */
function sample(): { id: Uint8Array; size: number; chunks: Uint8Array[]; nodes: Uint8Array[] } {
  const size = 3 * CHUNK_BYTES + 5;
  const nodes: Uint8Array[] = [];
  const builder = new TreeBuilder((_level, _index, content) => nodes.push(content));
  const chunks: Uint8Array[] = [];
  for (let i = 0; i < 4; i++) {
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, size - i * CHUNK_BYTES)).fill(i + 1);
    builder.add(chunk);
    chunks.push(chunk);
  }
  return { id: builder.finish(size), size, chunks, nodes };
}

test('chunks and nodes in any order, lost, doubled and forged: each is taken once, and only if it is right', () => {
  const { id, size, chunks, nodes } = sample();
  fc.assert(
    fc.property(fc.infiniteStream(fc.nat(99)), (choices) => {
      const reader = new BlobReader(id, size);
      const draw = (): number => choices.next().value as number;
      const awaited: { level: number; index: number }[] = [];
      const taken = new Set<string>();
      for (let step = 0; step < 500 && !reader.isComplete; step++) {
        const wanted = reader.next();
        if (wanted !== null) {
          const { subject } = wanted;
          awaited.push({ level: subject.kind === 'node' ? subject.level : 0, index: subject.index });
        }
        if (awaited.length === 0) throw new Error('nothing is asked for, and it is not complete');
        if (wanted !== null && draw() < 50) continue;
        const [one] = awaited.splice(draw() % awaited.length, 1) as [{ level: number; index: number }];
        const subject =
          one.level === 0
            ? ({ kind: 'chunk', blob: id, index: one.index } as const)
            : ({ kind: 'node', blob: id, ...one } as const);
        const right = (one.level === 0 ? chunks[one.index] : nodes[0]) as Uint8Array;
        const fate = draw();
        if (fate < 20) {
          reader.release(subject);
          continue;
        }
        if (fate < 40) {
          const forged = fate < 30 ? right.subarray(1) : right.slice().fill(fate, 3, 4);
          expect(reader.arrived(subject, forged)).toBe('wrong');
          continue;
        }
        const key = `${one.level}/${one.index}`;
        expect(reader.arrived(subject, right)).toBe(taken.has(key) ? 'unwanted' : 'verified');
        expect(reader.arrived(subject, right)).toBe('unwanted');
        taken.add(key);
        if (one.level > 0) reader.lookedAt(0);
        else if (fate < 60) {
          reader.stored(one.index, false); // the disk was full
          taken.delete(key);
        } else reader.stored(one.index, true);
      }
      expect(reader.isComplete).toBe(true);
      expect(reader.doneBytes).toBe(size);
    }),
    { numRuns: 50 },
  );
});

test('a lie about the size fails at the first thing that arrives', () => {
  const { id, size, chunks, nodes } = sample();
  for (const lie of [0, 1, CHUNK_BYTES, size - 1, size + 1, size * 1000, Number.MAX_SAFE_INTEGER]) {
    const reader = new BlobReader(id, lie);
    const wanted = reader.next() ?? { subject: { kind: 'chunk', blob: id, index: 0 } as const, bytes: 0 };
    const answer = wanted.subject.kind === 'node' ? nodes[0] : chunks[0];
    if (wanted.subject.kind === 'chunk') reader.lookedAt(0);
    for (const bytes of [answer, new Uint8Array(wanted.bytes), answer?.subarray(0, wanted.bytes)])
      expect(reader.arrived(wanted.subject, bytes ?? new Uint8Array())).toBe('wrong');
  }
});
