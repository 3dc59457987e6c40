import { expect, test } from 'vitest';
import { FairTurns } from '../../src/fair-turns.ts';

const turn = (): Promise<void> => new Promise((done) => setImmediate(done));

test('who asks much gets a share of each turn, in order, and others theirs', async () => {
  let now = 0;
  let late = 0;
  const turns = new FairTurns<object>(
    () => now,
    () => late++,
  );
  const [greedy, quick] = [{ name: 'greedy' }, { name: 'quick' }];
  const done: string[] = [];
  const take = (who: object, what: string): void =>
    turns.run(who, () => {
      now += 0.2; // ms
      done.push(what);
    });
  for (let i = 0; i < 100; i++) take(greedy, `greedy ${i}`);
  const first = done.length;
  expect(first).toBeGreaterThan(4);
  expect(first).toBeLessThan(20);
  take(quick, 'quick');
  expect(done.at(-1)).toBe('quick');
  take(greedy, 'greedy 100');
  expect(done.at(-1)).toBe('quick'); // none of its own overtakes
  await turn();
  const second = done.length - first - 1;
  expect(second).toBeGreaterThan(4);
  expect(second).toBeLessThan(20);
  take(quick, 'quick again');
  expect(done.at(-1)).toBe('quick again');
  while (done.length < 103) await turn();
  expect(done.filter((what) => what.startsWith('greedy'))).toEqual(
    Array.from({ length: 101 }, (_, i) => `greedy ${i}`),
  );
  expect(late).toBeGreaterThan(4);
});

test('what is quick is done at once, however much it is', () => {
  const turns = new FairTurns<object>(
    () => 0,
    () => {},
  );
  const who = {};
  let done = 0;
  for (let i = 0; i < 10_000; i++) turns.run(who, () => done++);
  expect(done).toBe(10_000);
  turns.close();
});

test('nothing is done after it was closed', async () => {
  let now = 0;
  const turns = new FairTurns<object>(
    () => now,
    () => {},
  );
  const who = {};
  let done = 0;
  for (let i = 0; i < 100; i++)
    turns.run(who, () => {
      now++;
      done++;
    });
  turns.close();
  const before = done;
  await turn();
  await turn();
  expect(done).toBe(before);
});
