/** The page's side of the door: the key that it keeps, and what it asks of udp-tool. */
import type { ErrorView } from '../api.ts';

const PAGE_KEY = 'page-key';
const PAGE_KEY_HEADER = 'x-page-key';
const ENTER = 'enter';
/** Who listens at this port is the udp-tool that gave the key. While that does not run, it can be anybody. */
let isProven = false;

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
  if (!isProven && path !== ENTER) throw noAnswer();
  let response: Response;
  try {
    response = await fetch(`/api/${path}`, {
      method: 'POST',
      headers: { 'content-type': type, ...keyHeader() },
      body,
      ...(signal && { signal }),
    });
  } catch {
    throw noAnswer();
  }
  const answer: unknown = await response.json();
  if (!response.ok) throw new CallError((answer as { readonly error: ErrorView }).error);
  return answer as Result;
}

function noAnswer(): CallError {
  return new CallError({ code: 'no-answer', message: 'udp-tool does not run any more.' });
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
  const { pageKey } = await call<{ pageKey: string }>(ENTER, { token });
  localStorage.setItem(PAGE_KEY, pageKey);
}

export async function leave(): Promise<void> {
  await call('leave').catch(() => {}); // it may not run any more
  localStorage.removeItem(PAGE_KEY);
  location.reload();
}

/**
 * Has whoever listens at this port show that it has the key; nothing is sent there before.
 * @throws what `fetch` does
 */
export async function meet(signal: AbortSignal): Promise<'proven' | 'away' | 'logged-out'> {
  part();
  const key = localStorage.getItem(PAGE_KEY);
  if (key === null) return 'logged-out';
  const challenge = crypto.randomUUID();
  const response = await fetch(`/api/proof?challenge=${challenge}`, { signal });
  if (response.status === 401) return 'logged-out';
  if (!response.ok) return 'away';
  const { proof } = (await response.json()) as { readonly proof: unknown };
  isProven = proof === (await hmac(key, challenge));
  return isProven ? 'proven' : 'logged-out';
}

/** Its connection ended: it may be somebody else the next time. */
export function part(): void {
  isProven = false;
}

/** HMAC-SHA256 in hexadecimal digits. */
async function hmac(key: string, text: string): Promise<string> {
  const encoder = new TextEncoder();
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const imported = await crypto.subtle.importKey('raw', encoder.encode(key), algorithm, false, ['sign']);
  const mac = await crypto.subtle.sign('HMAC', imported, encoder.encode(text));
  return Array.from(new Uint8Array(mac), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function keyHeader(): Record<string, string> {
  const key = localStorage.getItem(PAGE_KEY);
  return key === null || !isProven ? {} : { [PAGE_KEY_HEADER]: key };
}

const USED_EVERY_MS = 60_000;
let usedAt = 0;

/** A person is here, which keeps the session open; told at most once a minute. */
export function tellUsed(): void {
  if (Date.now() - usedAt < USED_EVERY_MS) return;
  usedAt = Date.now();
  call('used').catch(() => {});
}
