/**
 * The only place that prints. Its rules:
 *
 * - Data goes to stdout, everything for people to stderr, so that a pipe gets data alone.
 * - `--json` prints one object on stdout, also for a failure: `{"ok":false,"error":{"code",…}}`.
 * - A failure says what happened, the likely causes, and what to do next.
 * - What a peer sent is shown without its control characters: a terminal obeys them.
 * - Colour only on a terminal, and never with NO_COLOR.
 * - Nothing here is given a secret.
 */
import type { CborValue, UdpToolError } from '../index.ts';

/** A line of data. */
export function data(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** One JSON object on a line. */
export function json(value: unknown): void {
  data(JSON.stringify(value, jsonValue));
}

/** A line for the person. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

export function failure(error: UdpToolError, options: { json: boolean; details?: readonly string[] }): void {
  if (options.json) {
    json({ ok: false, error });
    return;
  }
  note(`${bold('udp-tool:')} ${printable(error.message)}`);
  for (const line of options.details ?? []) note(line);
  if (error.hint !== undefined) note(error.hint);
}

const colour = process.stderr.isTTY === true && !process.env['NO_COLOR'];

export function bold(text: string): string {
  return colour ? `\x1b[1m${text}\x1b[22m` : text;
}

export function dim(text: string): string {
  return colour ? `\x1b[2m${text}\x1b[22m` : text;
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

const UNPRINTABLE = /[^\P{C}\n\t]|[\u202a-\u202e\u2066-\u2069]/gu;

function renderInline(value: CborValue): string {
  if (typeof value === 'string') return printable(value);
  if (value === undefined) return '';
  return typeof value === 'object' ? printable(JSON.stringify(value, jsonValue)) : String(value);
}

function isObject(value: CborValue): value is { readonly [key: string]: CborValue } {
  return (
    typeof value === 'object' && value !== null && !(value instanceof Uint8Array) && !Array.isArray(value)
  );
}

/** Bytes as base64; numbers that JSON lacks as their names. */
function jsonValue(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  return value;
}
