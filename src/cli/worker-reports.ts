/** What a worker of `serve` tells the primary, which alone prints. */
import type { Book, EndpointStats } from '../index.ts';
import type { DropLine } from './drop-log.ts';
import type { Reload } from './reload.ts';
import type { RequestReport } from './serve-report.ts';

export type WorkerReport =
  | ({ readonly type: 'request' } & RequestReport)
  | { readonly type: 'stats'; readonly stats: EndpointStats }
  /** Who sent what was dropped lately. */
  | { readonly type: 'dropped'; readonly lines: readonly DropLine[] }
  /** A message came. */
  | { readonly type: 'message'; readonly from: string }
  /** The peers that it trusts now. */
  | { readonly type: 'book'; readonly book: Book }
  /** Why it cannot follow the peer book. */
  | { readonly type: 'trouble'; readonly text: string }
  /** It was told to read anew what it read. */
  | { readonly type: 'reloaded'; readonly reload: Reload };

export function readReport(value: unknown): WorkerReport | null {
  if (typeof value !== 'object' || value === null || !('type' in value)) return null;
  const fields: Record<string, unknown> = { ...value };
  switch (fields['type']) {
    case 'request': {
      const { peer, command, error, isDenied } = fields;
      if (!isText(peer) || !isText(command) || !(error === undefined || isText(error))) return null;
      return { type: 'request', peer, command, error, isDenied: isDenied === true };
    }
    case 'stats': {
      const { stats } = fields;
      return isStats(stats) ? { type: 'stats', stats } : null;
    }
    case 'dropped': {
      const { lines } = fields;
      return Array.isArray(lines) && lines.every(isDropLine) ? { type: 'dropped', lines } : null;
    }
    case 'message': {
      const { from } = fields;
      return isText(from) ? { type: 'message', from } : null;
    }
    case 'book': {
      const { book } = fields;
      return isBook(book) ? { type: 'book', book } : null;
    }
    case 'trouble': {
      const { text } = fields;
      return isText(text) ? { type: 'trouble', text } : null;
    }
    case 'reloaded': {
      const { reload } = fields;
      return isReload(reload) ? { type: 'reloaded', reload } : null;
    }
    default:
      return null;
  }
}

function isReload(value: unknown): value is Reload {
  if (typeof value !== 'object' || value === null) return false;
  const { ok, changes, count, error }: Record<string, unknown> = { ...value };
  if (ok === true) return Array.isArray(changes) && changes.every(isText) && isNumber(count);
  return ok === false && isRecordOf(error, isText) && isText(error['code']) && isText(error['message']);
}

function isStats(value: unknown): value is EndpointStats {
  if (typeof value !== 'object' || value === null) return false;
  const { sessions, drops, received, sent }: Record<string, unknown> = { ...value };
  return isNumber(sessions) && [drops, received, sent].every((counts) => isRecordOf(counts, isNumber));
}

function isDropLine(value: unknown): value is DropLine {
  if (typeof value !== 'object' || value === null) return false;
  const { reason, from, count }: Record<string, unknown> = { ...value };
  return isText(reason) && isText(from) && isNumber(count);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number';
}

function isRecordOf<T>(value: unknown, is: (item: unknown) => item is T): value is Record<string, T> {
  return typeof value === 'object' && value !== null && Object.values(value).every(is);
}

function isBook(value: unknown): value is Map<string, string> {
  return value instanceof Map && [...value].every((entry) => entry.every(isText));
}
