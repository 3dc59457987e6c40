import { describe, expect, test } from 'vitest';
import { UdpToolError } from '../../src/errors.ts';
import {
  type ArgumentSpec,
  type Command,
  defineCommand,
  parseArguments,
  usage,
} from '../../src/rpc/command.ts';
import type { CborValue } from '../../src/wire/cbor.ts';

const command = (...args: ArgumentSpec[]): Command =>
  defineCommand({ name: 'try', summary: 'Tries.', args, idempotent: true, run: () => null });

function errorOf(call: () => unknown): UdpToolError {
  try {
    call();
  } catch (error) {
    if (error instanceof UdpToolError) return error;
    throw error;
  }
  throw new Error('accepted');
}

const count: ArgumentSpec = { name: 'count', summary: '', type: 'integer' };
const ratio: ArgumentSpec = { name: 'ratio', summary: '', type: 'number' };
const flag: ArgumentSpec = { name: 'flag', summary: '', type: 'boolean' };
const word: ArgumentSpec = { name: 'word', summary: '', type: 'text' };

/** What the one argument becomes, or the message of the refusal. */
function parsed(spec: ArgumentSpec, value: CborValue): CborValue {
  try {
    return parseArguments(command(spec), [value])[spec.name];
  } catch (error) {
    if (!(error instanceof UdpToolError) || error.code !== 'bad-arguments') throw error;
    return error.message;
  }
}

describe('defineCommand', () => {
  test('keeps what it is given, and takes no arguments unless told', async () => {
    const run = () => 'done';
    const made = defineCommand({ name: 'a', summary: 'b', idempotent: false, run });
    expect(made).toEqual({ name: 'a', summary: 'b', idempotent: false, args: [], run });
    expect(command(count, word).args).toEqual([count, word]);
  });

  test.each(['', 'A', '1st', 'a b', 'a\n', 'ä', '../a', '\u001b[2J', `a${'b'.repeat(64)}`])(
    'refuses the name %j',
    (name) => {
      const error = errorOf(() => defineCommand({ name, summary: '', idempotent: true, run: () => null }));
      expect(error.code).toBe('bad-usage');
    },
  );

  test('accepts what can be typed', () => {
    const names = ['a', 'my-command', 'my.command_2', `a${'b'.repeat(63)}`];
    const made = names.map(
      (name) => defineCommand({ name, summary: '', idempotent: true, run: () => null }).name,
    );
    expect(made).toEqual(names);
  });

  test('refuses a required argument behind one that may be absent', () => {
    for (const first of [
      { ...count, optional: true },
      { ...count, default: 3 },
    ]) {
      expect(errorOf(() => command(first, word)).code).toBe('bad-usage');
      expect(errorOf(() => command(word, first, flag)).code).toBe('bad-usage');
      expect(errorOf(() => command(first, word, { ...flag, optional: true })).code).toBe('bad-usage');
    }
  });

  test('a default that is false, zero or empty is a default', () => {
    const specs: ArgumentSpec[] = [
      { ...count, default: 0 },
      { ...flag, default: false },
      { ...word, default: '' },
    ];
    expect(parseArguments(command(...specs), [])).toEqual({ count: 0, flag: false, word: '' });
    expect(errorOf(() => command({ ...count, default: 0 }, word)).code).toBe('bad-usage');
  });
});

test('usage shows which arguments are wanted', () => {
  expect(usage(command())).toBe('try');
  expect(usage(command(word, { ...count, optional: true }, { ...ratio, default: 1 }))).toBe(
    'try <word> [count] [ratio]',
  );
});

describe('parseArguments', () => {
  test('names the values in order', () => {
    expect(parseArguments(command(word, count, flag), ['a', 2, true])).toEqual({
      word: 'a',
      count: 2,
      flag: true,
    });
  });

  test('fills in defaults, and undefined for what is optional', () => {
    const made = command(word, { ...count, default: 6 }, { ...flag, optional: true });
    expect(parseArguments(made, ['a'])).toStrictEqual({ word: 'a', count: 6, flag: undefined });
    expect(parseArguments(made, ['a', undefined, true])).toStrictEqual({ word: 'a', count: 6, flag: true });
    expect(parseArguments(made, ['a', 7, undefined])).toStrictEqual({ word: 'a', count: 7, flag: undefined });
  });

  test('wants what is required', () => {
    for (const values of [[], [undefined], ['a'], ['a', undefined]]) {
      const error = errorOf(() => parseArguments(command(word, count), values));
      expect(error.code).toBe('bad-arguments');
      expect(error.message).toContain('Usage: try <word> <count>');
    }
    expect(errorOf(() => parseArguments(command(word, count), ['a'])).message).toContain('wants <count>');
  });

  test('refuses more than there are', () => {
    const error = errorOf(() => parseArguments(command(word), ['a', 'b', 'c']));
    expect(error).toMatchObject({
      code: 'bad-arguments',
      message: expect.stringContaining('at most 1 arguments, not 3'),
    });
    expect(errorOf(() => parseArguments(command(), [undefined])).code).toBe('bad-arguments');
  });

  test('null stands for nothing: it is a value of no type', () => {
    for (const spec of [count, ratio, flag, word]) {
      expect(parsed({ ...spec, optional: true } as ArgumentSpec, null)).toContain(`<${spec.name}> must be`);
    }
  });
});

const WHOLE = '<count> must be a whole number. Usage: try <count>';
describe('a whole number', () => {
  test.each<[CborValue, number]>([
    [0, 0],
    [-7, -7],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    ['12', 12],
    ['-12', -12],
    ['+12', 12],
    ['1e3', 1000],
    ['2.0', 2],
    ['007', 7],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ])('%j', (value, expected) => {
    expect(parsed(count, value)).toBe(expected);
  });

  test.each<[CborValue]>([
    [1.5],
    ['1.5'],
    [2 ** 53],
    ['9007199254740993'],
    ['1e400'],
    [Number.NaN],
    [Number.POSITIVE_INFINITY],
    [''],
    [' '],
    [' 5'],
    ['5 '],
    ['five'],
    ['0x10'],
    ['0b1'],
    ['1_000'],
    ['1,000'],
    ['5n'],
    ['Infinity'],
    ['NaN'],
    ['٣'],
    ['--5'],
    ['e5'],
    ['.'],
    ['1\n'],
    [true],
    [new Uint8Array([5])],
    [[5]],
    [{}],
  ])('not %j', (value) => {
    expect(parsed(count, value)).toBe(WHOLE);
  });

  test('within its bounds, which belong to it', () => {
    const die: ArgumentSpec = { ...count, min: 1, max: 6 };
    expect([1, '1', 6, '6'].map((value) => parsed(die, value))).toEqual([1, 1, 6, 6]);
    for (const value of [0, '0', -1]) expect(parsed(die, value)).toContain('a whole number of at least 1');
    for (const value of [7, '7']) expect(parsed(die, value)).toContain('a whole number of at most 6');
    expect(parsed({ ...count, min: 0, max: 0 }, 0)).toBe(0);
    expect(parsed({ ...count, min: 0 }, -1)).toContain('at least 0');
    expect(parsed({ ...count, max: 0 }, 1)).toContain('at most 0');
  });
});

describe('a number', () => {
  test.each<[CborValue, number]>([
    [1.5, 1.5],
    ['1.5', 1.5],
    ['.5', 0.5],
    ['5.', 5],
    ['-1E-3', -0.001],
    [2 ** 60, 2 ** 60],
    [5, 5],
  ])('%j', (value, expected) => {
    expect(parsed(ratio, value)).toBe(expected);
  });

  test.each<[CborValue]>([
    [Number.NaN],
    [Number.NEGATIVE_INFINITY],
    ['1e999'],
    ['one'],
    [''],
    [false],
    [null],
    [[1]],
  ])('not %j', (value) => {
    expect(parsed(ratio, value)).toBe('<ratio> must be a number. Usage: try <ratio>');
  });

  test('within its bounds', () => {
    const share: ArgumentSpec = { ...ratio, min: 0, max: 1 };
    expect([0, 0.5, '1'].map((value) => parsed(share, value))).toEqual([0, 0.5, 1]);
    expect(parsed(share, -0.001)).toContain('a number of at least 0');
    expect(parsed(share, '1.001')).toContain('a number of at most 1');
  });
});

test('true or false', () => {
  expect([true, 'true', false, 'false'].map((value) => parsed(flag, value))).toEqual([
    true,
    true,
    false,
    false,
  ]);
  for (const value of ['', 'yes', 'TRUE', ' true', 1, 0, [], {}] as CborValue[]) {
    expect(parsed(flag, value)).toBe('<flag> must be true or false. Usage: try <flag>');
  }
});

test('text, as it is', () => {
  expect(['', ' a ', '5', 'true', 'ü😀'].map((value) => parsed(word, value))).toEqual([
    '',
    ' a ',
    '5',
    'true',
    'ü😀',
  ]);
  for (const value of [5, true, ['a'], new Uint8Array(1), {}] as CborValue[]) {
    expect(parsed(word, value)).toBe('<word> must be text. Usage: try <word>');
  }
  const short: ArgumentSpec = { ...word, maxLength: 3 };
  expect(parsed(short, 'abc')).toBe('abc');
  expect(parsed(short, 'abcd')).toContain('at most 3 characters');
  expect(parsed({ ...word, maxLength: 0 }, 'a')).toContain('at most 0 characters');
});
