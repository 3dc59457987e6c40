import type { FileHandle } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { RunWriter } from '../../src/files/run-writer.ts';

test('what the disk did not take in the middle is heard at the end', async () => {
  const failure = new Error('EIO');
  const handle = {
    writev: async (buffers: readonly Uint8Array[]) => ({
      bytesWritten: buffers.reduce((sum, { length }) => sum + length, 0),
    }),
    datasync: () => Promise.reject(failure),
  } as unknown as FileHandle;
  const writer = new RunWriter(async () => handle);
  const bytes = new Uint8Array(8 * 1024 * 1024);
  await writer.write(bytes, 0);
  await writer.assertFlushed();
  for (let i = 1; i < 5; i++) await writer.write(bytes, i * bytes.length);
  await writer.settled();
  await expect(writer.assertFlushed()).rejects.toBe(failure);
});
