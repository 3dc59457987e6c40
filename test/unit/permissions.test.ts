import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  allowing,
  DEFAULT_ALLOW,
  denying,
  EVERY_COMMAND,
  mayCall,
  type Permissions,
} from '../../src/index.ts';

const DEFAULT: Permissions = { allow: DEFAULT_ALLOW, deny: [] };
const names = ['time', 'lucky', 'temp', 'reboot'];
const callable = (permissions: Permissions): string[] => names.filter((name) => mayCall(permissions, name));

describe('what a peer may call', () => {
  test('is by default nothing that somebody added', () => {
    expect(callable(DEFAULT)).toEqual(['time', 'lucky']);
  });

  test('can be added to and taken from', () => {
    const more = allowing(DEFAULT, ['temp']);
    expect(callable(more)).toEqual(['time', 'lucky', 'temp']);
    expect(callable(denying(more, ['time']))).toEqual(['lucky', 'temp']);
  });

  test('can be everything, also what is added later, and everything but something', () => {
    const all = allowing(DEFAULT, [EVERY_COMMAND]);
    expect(mayCall(all, 'added-later')).toBe(true);
    const but = denying(all, ['reboot']);
    expect(mayCall(but, 'added-later')).toBe(true);
    expect(mayCall(but, 'reboot')).toBe(false);
    expect(mayCall(allowing(but, ['reboot']), 'reboot')).toBe(true);
  });

  test('can be nothing; help, which lists it, and ping are always there', () => {
    const nothing = denying(allowing(DEFAULT, [EVERY_COMMAND]), [EVERY_COMMAND]);
    expect(callable(nothing)).toEqual([]);
    expect(['help', 'ping'].every((name) => mayCall(nothing, name))).toBe(true);
  });

  test('follows the last thing that was said of each command', () => {
    const word = fc.constantFrom(...names, EVERY_COMMAND);
    const step = fc.record({ allow: fc.boolean(), commands: fc.array(word, { minLength: 1, maxLength: 3 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
        let permissions = DEFAULT;
        const model = new Map(names.map((name) => [name, mayCall(DEFAULT, name)]));
        for (const { allow, commands } of steps) {
          permissions = (allow ? allowing : denying)(permissions, commands);
          for (const name of names) {
            if (commands.includes(name) || commands.includes(EVERY_COMMAND)) model.set(name, allow);
          }
          expect(callable(permissions)).toEqual(names.filter((name) => model.get(name)));
        }
      }),
    );
  });
});
