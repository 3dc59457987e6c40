import { expect, test } from 'vitest';
import { toHex } from '../../src/bytes.ts';
import { CHUNK_BYTES, TreeBuilder, TreeShape } from '../../src/files/content-tree.ts';
import vectors from './content-tree.json' with { type: 'json' };

test.each(vectors.blobs)('a blob of $size bytes', ({ size, id }) => {
  const builder = new TreeBuilder();
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (let index = 0; index < new TreeShape(size).chunks; index++) {
    chunk.fill(index % 251);
    builder.add(chunk.subarray(0, size - index * CHUNK_BYTES));
  }
  expect(toHex(builder.finish(size))).toBe(id);
});
