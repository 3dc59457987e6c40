import { type Command, defineCommand } from '../../src/rpc/command.ts';

/** Gives back its argument; running it twice does no harm. */
export const echo = defineCommand({
  name: 'echo',
  summary: 'Gives back what it is given',
  args: [{ name: 'text', type: 'text', summary: 'Any text', default: '' }],
  idempotent: true,
  run: ({ args }) => args.text,
});

/** Stands for what must not happen twice. */
export const launch = defineCommand({
  name: 'launch',
  summary: 'Does something once',
  args: [{ name: 'what', type: 'text', summary: 'What' }],
  idempotent: false,
  run: ({ args }) => `launched ${args.what}`,
});

const PATTERN = Uint8Array.from({ length: 1_000_000 }, (_, i) => (i * 31 + 7) & 0xff);

/** An answer of a given size. */
export const blob = defineCommand({
  name: 'blob',
  summary: 'So many bytes',
  args: [{ name: 'length', type: 'integer', summary: 'Bytes', min: 0, max: 1_000_000 }],
  idempotent: true,
  run: ({ args }) => PATTERN.slice(0, args.length),
});

/** Yields once, then waits until nobody watches; says when it was left. */
export function held(onLeft: () => void): Command {
  return defineCommand({
    name: 'held',
    summary: 'One value, and then none',
    idempotent: true,
    async *run({ signal }) {
      try {
        yield 1;
        await new Promise((done) => signal.addEventListener('abort', done));
      } finally {
        onLeft();
      }
    },
  });
}
