/** Requests to the page's other side, as the page makes them and as others do. */
import { type IncomingHttpHeaders, request } from 'node:http';
import { Desk, type DeskOptions } from './gui.ts';

interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Only the head is waited for. */
  readonly isStream?: boolean;
}

/** As no browser would let a page: with any headers. */
export function ask(
  desk: Desk,
  path: string,
  { method = 'POST', headers = {}, body = '{}', isStream }: Asked = {},
) {
  return new Promise<Answered>((done, fail) => {
    const sent = request(
      { host: '127.0.0.1', port: desk.gui.webPort, path, method, headers, agent: false },
      (response) => {
        let text = '';
        const { statusCode: status = 0 } = response;
        if (isStream && status === 200) {
          done({ status, headers: response.headers, body: '' });
          response.destroy();
          return;
        }
        response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
        response.on('end', () => done({ status, headers: response.headers, body: text }));
      },
    );
    sent.on('error', fail);
    sent.end(method === 'GET' ? undefined : body);
  });
}

/** Headers of the page itself, and those of a session. */
export async function entered(options?: DeskOptions) {
  const desk = await Desk.open(options);
  const own = { origin: desk.origin, 'content-type': 'application/json' };
  const token = new URL(desk.gui.newLink()).hash.slice(1);
  const answer = await ask(desk, '/api/enter', { headers: own, body: JSON.stringify({ token }) });
  const cookie = (answer.headers['set-cookie']?.[0] ?? '').split(';')[0] ?? '';
  const session = { ...own, cookie, 'x-page-key': (JSON.parse(answer.body) as { pageKey: string }).pageKey };
  return { desk, own, session, token, answer };
}
