import { describe, expect, test } from 'vitest';
import { replaces } from '../../src/session/initiator.ts';

const session = (isDirect: boolean, begunAt: number, createdAt: number) => ({ isDirect, begunAt, createdAt });

describe('a session that was confirmed is sent on', () => {
  test('where there is none', () => {
    expect(replaces(session(false, 1, 2), null)).toBe(true);
  });

  test('instead of an older one of its kind', () => {
    for (const isDirect of [true, false]) {
      expect(replaces(session(isDirect, 1, 9), session(isDirect, 3, 4))).toBe(true);
      expect(replaces(session(isDirect, 3, 4), session(isDirect, 1, 9))).toBe(false);
    }
  });

  test('without a relay, also where the relayed one was made later, unless it was begun later', () => {
    expect(replaces(session(true, 1, 5), session(false, 3, 8))).toBe(true);
    expect(replaces(session(true, 1, 5), session(false, 6, 8))).toBe(false);
  });

  test('by a relay only where it was begun after the other one had been made', () => {
    expect(replaces(session(false, 6, 8), session(true, 1, 5))).toBe(true);
    expect(replaces(session(false, 4, 8), session(true, 1, 5))).toBe(false);
  });
});
