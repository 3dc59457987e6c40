/**
 * The only place that prints. Its rules:
 *
 * - Data goes to stdout, everything for people to stderr, so that a pipe gets data alone.
 * - `--json` prints one object on stdout, also for a failure: `{"ok":false,"error":{"code",…}}`.
 * - A failure says what happened, the likely causes, and what to do next.
 * - What a peer sent is shown without its control characters: a terminal obeys them.
 * - Colour only on a terminal, and never with NO_COLOR.
 * - A secret key that somebody pasted in the wrong place is not repeated.
 */
import { clearLine, cursorTo, type Interface } from 'node:readline';
import { type CborValue, jsonReplacer, type UdpToolError, withoutSecretKeys } from '../index.ts';

/** A line of data. */
export function data(line: string): void {
  process.stdout.write(`${withoutSecretKeys(line)}\n`);
}

/**
 * Bytes of a file, as they are; resolves when stdout wants more.
 * @param onGone nobody reads stdout any more
 */
export function toStdout(bytes: Uint8Array, onGone: () => void): Promise<void> {
  return new Promise((done) => {
    process.stdout.write(bytes, (error) => {
      if (error) onGone();
      done();
    });
  });
}

/** One JSON object on a line. */
export function json(value: unknown): void {
  data(JSON.stringify(value, jsonReplacer).replace(UNPRINTABLE, escaped));
}

/** A line for the person. */
export function note(line: string): void {
  process.stderr.write(`${withoutSecretKeys(line)}\n`);
}

/** Replaces a line for the person that changes; nothing where stderr is no terminal. An empty one clears it. */
export function statusLine(line: string): void {
  if (process.stderr.isTTY !== true) return;
  cursorTo(process.stderr, 0);
  clearLine(process.stderr, 0);
  process.stderr.write(withoutSecretKeys(line).slice(0, (process.stderr.columns ?? 80) - 1));
}

/** Prints while somebody types: above what is typed, which stays. */
export function aboveLine(lines: Interface, print: () => void): void {
  cursorTo(process.stderr, 0);
  clearLine(process.stderr, 0);
  print();
  lines.prompt(true);
}

/** A question to the person, who answers on the same line. */
export function prompt(question: string): void {
  process.stderr.write(withoutSecretKeys(question));
}

export function failure(error: UdpToolError, options: { json: boolean; details?: readonly string[] }): void {
  if (options.json) {
    json({ ok: false, error });
    return;
  }
  note(`${forPeople.bold('udp-tool:')} ${printable(error.message)}`);
  for (const line of options.details ?? []) note(line);
  if (error.hint !== undefined) note(error.hint);
}

interface Style {
  bold(text: string): string;
  dim(text: string): string;
  /** Whatever colours the person has chosen for the terminal; null without colour. */
  readonly blackOnWhite: ((text: string) => string) | null;
}

/** How text looks on stdout, and on stderr. */
export const forData: Style = style(process.stdout);
export const forPeople: Style = style(process.stderr);

function style(stream: { isTTY?: boolean }): Style {
  const colour = stream.isTTY === true && !process.env['NO_COLOR'];
  const code = (on: number) => (text: string) => (colour ? `\x1b[${on}m${text}\x1b[22m` : text);
  // Of the 256 colours, 16 to 231 are the ones that no theme changes.
  const blackOnWhite = (text: string): string => `\x1b[38;5;16;48;5;231m${text}\x1b[0m`;
  return { bold: code(1), dim: code(2), blackOnWhite: colour ? blackOnWhite : null };
}

/** An answer for people: text as it is, an object as lines, a list as a line each. */
export function render(value: CborValue): string {
  if (Array.isArray(value)) return value.map((item: CborValue) => renderInline(item)).join('\n');
  if (isObject(value)) {
    const width = Math.max(0, ...Object.keys(value).map((key) => key.length));
    return Object.entries(value)
      .map(([key, item]) => `${printable(key).padEnd(width)}  ${renderInline(item)}`)
      .join('\n');
  }
  return renderInline(value);
}

/** Two columns, the second ragged. */
export function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `${left.padEnd(width)}  ${right}`.trimEnd()).join('\n');
}

/** Without what a terminal would obey: control characters, and marks that turn text round. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, '\u{fffd}');
}

function escaped(characters: string): string {
  return [...characters].map((one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
}

const UNPRINTABLE = /[^\P{C}\n\t]|[\u202a-\u202e\u2066-\u2069]/gu;

function renderInline(value: CborValue): string {
  if (typeof value === 'string') return printable(value);
  if (value === undefined) return '';
  return typeof value === 'object' ? printable(JSON.stringify(value, jsonReplacer)) : String(value);
}

function isObject(value: CborValue): value is { readonly [key: string]: CborValue } {
  return (
    typeof value === 'object' && value !== null && !(value instanceof Uint8Array) && !Array.isArray(value)
  );
}
