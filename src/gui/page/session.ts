/** The page's side of the door: the key that it keeps, and what it asks of udp-tool. */
import type { ErrorView } from '../api.ts';

const PAGE_KEY = 'page-key';
const PAGE_KEY_HEADER = 'x-page-key';

/** What udp-tool refused, or that it is not there. */
class CallError extends Error implements ErrorView {
  readonly code: string;
  readonly hint?: string;

  constructor({ code, message, hint }: ErrorView) {
    super(message);
    this.code = code;
    if (hint !== undefined) this.hint = hint;
  }
}

/** @throws CallError */
export function call<Result = object>(
  name: string,
  body: object = {},
  signal?: AbortSignal,
): Promise<Result> {
  return post(name, JSON.stringify(body), 'application/json', signal);
}

/** @throws CallError */
export async function upload(name: string, fields: Record<string, string>, file: Blob): Promise<void> {
  await post(`${name}?${new URLSearchParams(fields)}`, file, 'application/octet-stream');
}

async function post<Result>(
  path: string,
  body: string | Blob,
  type: string,
  signal?: AbortSignal,
): Promise<Result> {
  let response: Response;
  try {
    response = await fetch(`/api/${path}`, {
      method: 'POST',
      headers: { 'content-type': type, ...keyHeader() },
      body,
      ...(signal && { signal }),
    });
  } catch {
    throw new CallError({ code: 'no-answer', message: 'udp-tool does not run any more.' });
  }
  const answer: unknown = await response.json();
  if (!response.ok) throw new CallError((answer as { readonly error: ErrorView }).error);
  return answer as Result;
}

/** Null where there is none: what is no token is a place in the page. */
export function tokenInAddress(): string | null {
  const text = location.hash.slice(1);
  return text === '' || text.startsWith('/') ? null : text;
}

/** Takes the one-time token out of the address, where it has one, so that nobody reads it there. */
export async function enter(): Promise<void> {
  const token = tokenInAddress();
  if (token === null) return;
  history.replaceState(null, '', '#/');
  const { pageKey } = await call<{ pageKey: string }>('enter', { token });
  localStorage.setItem(PAGE_KEY, pageKey);
}

export async function leave(): Promise<void> {
  await call('leave').catch(() => {}); // it may not run any more
  localStorage.removeItem(PAGE_KEY);
  location.reload();
}

export function keyHeader(): Record<string, string> {
  const key = localStorage.getItem(PAGE_KEY);
  return key === null ? {} : { [PAGE_KEY_HEADER]: key };
}

const USED_EVERY_MS = 60_000;
let usedAt = 0;

/** A person is here, which keeps the session open; told at most once a minute. */
export function tellUsed(): void {
  if (Date.now() - usedAt < USED_EVERY_MS) return;
  usedAt = Date.now();
  call('used').catch(() => {});
}
