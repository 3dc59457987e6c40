/** The page of `udp-tool gui`, as a program that speaks HTTP has it. */
import type { Program } from './cli.ts';

export interface PageSession {
  readonly link: URL;
  /** What each of the page's requests has. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Opens the link that `gui --json` shows. */
export async function enterPage(program: Program): Promise<PageSession> {
  const link = new URL(String((await program.event('link'))['url']));
  const own = { origin: link.origin, 'content-type': 'application/json' };
  const entered = await fetch(`${link.origin}/api/enter`, {
    method: 'POST',
    headers: own,
    body: JSON.stringify({ token: link.hash.slice(1) }),
  });
  const { pageKey } = (await entered.json()) as { pageKey: string };
  const cookie = String(entered.headers.get('set-cookie')).split(';')[0] ?? '';
  return { link, headers: { ...own, cookie, 'x-page-key': pageKey } };
}
