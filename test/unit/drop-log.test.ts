import { expect, test } from 'vitest';
import { DropLog, OTHERS } from '../../src/cli/drop-log.ts';

test('tells sources apart, a few of them, and counts all', () => {
  const log = new DropLog();
  for (let i = 0; i < 10_000; i++) {
    log.add({
      reason: i % 2 ? 'bad-box' : 'unknown-tag',
      from: { ip: `10.0.${i >> 8}.${i & 255}`, port: 9 },
    });
    log.add({ reason: 'too-short', from: { ip: '10.1.1.1', port: 1 } });
  }
  const lines = log.take();
  expect(lines.length).toBeLessThan(30);
  expect(lines.reduce((sum, { count }) => sum + count, 0)).toBe(20_000);
  expect(lines).toContainEqual({ reason: 'too-short', from: '10.1.1.1:1', count: 10_000 });
  expect(
    lines
      .filter(({ from }) => from === OTHERS)
      .map(({ reason }) => reason)
      .sort(),
  ).toEqual(['bad-box', 'unknown-tag']);
  expect(log.take()).toEqual([]);
});
