/**
 * The HTTP of `gui`: what a connection says, and whether it is let in. There is no socket: a stream stands for it, and the
 * parser is Node's own. In an input, some bytes stand for the secrets of a session, which are new each time.
 */
import { Server } from 'node:net';
import { Duplex } from 'node:stream';
import type { Action } from '../../../src/gui/action.ts';
import { Door, type SessionSecrets } from '../../../src/gui/door.ts';
import { HttpServer } from '../../../src/gui/http-server.ts';
import { LiveHub } from '../../../src/gui/live.ts';
import { check, type Target } from '../target.ts';
import { VirtualTime } from '../virtual-time.ts';

const PORT = 8080;
const HOST = `127.0.0.1:${PORT}`;
/** Bytes that stand for something. */
const [COOKIE, PAGE_KEY, TOKEN] = ['\x01', '\x02', '\x03'];
const BODY = '{"text":"x","count":3,"isOn":true,"names":["a"]}';
const HEADERS = {
  'content-security-policy': /^default-src 'none'/,
  'x-content-type-options': /^nosniff$/,
  'x-frame-options': /^DENY$/,
  'referrer-policy': /^no-referrer$/,
  'cross-origin-resource-policy': /^same-origin$/,
};

function request(line: string, headers: Readonly<Record<string, string>>, body = ''): string {
  const all = { host: HOST, ...headers, ...(body !== '' && { 'content-length': String(body.length) }) };
  return [
    `${line} HTTP/1.1`,
    ...Object.entries(all).map(([name, value]) => `${name}: ${value}`),
    '',
    body,
  ].join('\r\n');
}

const SECRETS = { cookie: `udp-tool-${PORT}=${COOKIE}`, 'x-page-key': PAGE_KEY as string };
const OWN = { origin: `http://${HOST}`, 'content-type': 'application/json' };
const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));

export const http: Target = {
  name: 'http',
  seeds: () =>
    [
      request('GET /', {}),
      request('HEAD /app.js', { 'accept-encoding': 'gzip' }),
      request('GET /app.js', { 'if-none-match': '"etag"', host: '[::1]:1' }),
      request('GET /', { host: 'evil.example' }),
      request('POST /api/enter', OWN, `{"token":"${TOKEN}"}`).repeat(2),
      request('POST /api/change', { ...OWN, ...SECRETS }, BODY),
      request('POST /api/look', { ...OWN, ...SECRETS }, '{}').repeat(2),
      request('POST /api/fail', { ...OWN, ...SECRETS }, '{}'),
      request('POST /api/used', { ...OWN, ...SECRETS }, '{}'),
      request('POST /api/leave', { ...OWN, ...SECRETS }, '{}') +
        request('POST /api/look', { ...OWN, ...SECRETS }, '{}'),
      request(
        'POST /api/upload?name=x',
        { ...OWN, ...SECRETS, 'content-type': 'application/octet-stream' },
        'bytes',
      ),
      request('GET /api/events', SECRETS),
      request('GET /api/events', { ...SECRETS, 'sec-fetch-site': 'cross-site' }),
      request('POST /api/change', { ...OWN, ...SECRETS, origin: 'http://127.0.0.1:8081' }, BODY),
      request('POST /api/change', { ...OWN, ...SECRETS, 'content-type': 'text/plain' }, BODY),
      request('POST /api/change', OWN, BODY),
      request('POST /api/look', { ...OWN, ...SECRETS, cookie: `udp-tool-${PORT}=x` }, '{}'),
    ].flatMap((text, i) =>
      [0, ...(i % 4 === 1 ? [1, 8] : [])].map((how) => Uint8Array.of(how, ...bytesOf(text))),
    ),
  words: () =>
    [
      ...[
        'GET ',
        'POST ',
        ' HTTP/1.1\r\n',
        '\r\n\r\n',
        '/api/',
        'change',
        'events',
        'Transfer-Encoding: chunked\r\n',
      ],
      ...[
        'origin: null\r\n',
        'sec-fetch-site: same-origin\r\n',
        'host: localhost\r\n',
        '{"__proto__":',
        '0\r\n\r\n',
      ],
      ...[
        `udp-tool-${PORT}=`,
        '; ',
        `x-page-key: ${PAGE_KEY}\r\n`,
        'expect: 100-continue\r\n',
        'upgrade: x\r\n',
      ],
      ...['connection: close\r\n', '%2e%2e/', '//', 'http://a/'],
    ].map(bytesOf),
  work: { base: 20_000, perByte: 200 },
  memory: { base: 256 * 1024, perByte: 1024 },
  run: (input) =>
    VirtualTime.run(async (time) => {
      const scene = await Scene.open(time, (input[0] ?? 0) & 1);
      await scene.play(input.subarray(1), (input[0] ?? 0) >> 1);
      await scene.end();
    }),
};

/** What the server takes for a socket. */
class Connection extends Duplex {
  said = '';

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.said += chunk.toString('latin1');
    done();
  }

  setNoDelay(): void {}
}

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

interface Told {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

class Scene {
  readonly #time: VirtualTime;
  readonly #isReadOnly: boolean;
  readonly #door: Door;
  readonly #hub = new LiveHub();
  readonly #token: string;
  readonly #secrets: SessionSecrets;
  readonly #connection = new Connection();
  readonly #seen: Seen[] = [];
  /** What was done, by name, and until when it is waited for. */
  readonly #done: string[] = [];
  readonly #signals: AbortSignal[] = [];
  #http!: HttpServer;
  #server!: Server;

  private constructor(time: VirtualTime, isReadOnly: boolean) {
    this.#time = time;
    this.#isReadOnly = isReadOnly;
    this.#door = new Door({ now: () => time.now, idleMs: 60_000 });
    this.#secrets = this.#door.enter(this.#door.newToken()) as SessionSecrets;
    this.#token = this.#door.newToken();
  }

  static async open(time: VirtualTime, how: number): Promise<Scene> {
    const scene = new Scene(time, how === 1);
    scene.#hub.map('one').set('key', 'value');
    await scene.#listen();
    return scene;
  }

  async play(input: Uint8Array, step: number): Promise<void> {
    const { cookie, pageKey } = this.#secrets;
    const secrets = new Map([
      [COOKIE, cookie],
      [PAGE_KEY, pageKey],
      [TOKEN, this.#token],
    ]);
    const bytes = Buffer.from(
      [...Buffer.from(input).toString('latin1')].map((one) => secrets.get(one) ?? one).join(''),
      'latin1',
    );
    const size = step === 0 ? bytes.length || 1 : Math.max(1 + step, bytes.length >> 4);
    for (let at = 0; at < bytes.length; at += size) {
      if (!this.#connection.destroyed) this.#connection.push(bytes.subarray(at, at + size));
      await this.#settle();
    }
  }

  async end(): Promise<void> {
    this.#expectTold();
    this.#connection.destroy();
    await this.#settle();
    check(!this.#hub.isWatched, 'who went away is told on');
    check(
      this.#signals.every(({ aborted }) => aborted),
      'what was done is not told that nobody waits',
    );
    await this.#http[Symbol.asyncDispose]();
    await this.#time.pass(100);
    check(this.#time.timers.size === 0, 'a timer is left');
  }

  /** Has the server take streams for connections, and listen to nothing. */
  async #listen(): Promise<void> {
    const { listen } = Server.prototype;
    const scene = this;
    Server.prototype.listen = function (this: Server, ...args: unknown[]): Server {
      scene.#server = this;
      this.address = () => ({ address: '127.0.0.1', family: 'IPv4', port: PORT });
      process.nextTick(args.at(-1) as () => void);
      return this;
    } as typeof listen;
    const asset = { type: 'text/plain', body: bytesOf('body'), gzip: bytesOf('gzip'), etag: '"etag"' };
    const opened = HttpServer.open(
      {
        door: this.#door,
        hub: this.#hub,
        actions: this.#actions(),
        uploads: [
          {
            name: 'upload',
            take: async (input, body) => {
              this.#do('upload', input.optionalText('name') ?? '');
              let length = 0;
              for await (const chunk of body) length += chunk.length;
              return { length };
            },
          },
        ],
        assets: new Map([
          ['/', asset],
          ['/app.js', asset],
        ]),
        isReadOnly: this.#isReadOnly,
      },
      PORT,
    );
    Server.prototype.listen = listen;
    this.#http = await opened;
    this.#server.prependListener('request', ({ method, url, headers }: Seen) =>
      this.#seen.push({ method, url, headers }),
    );
    this.#server.emit('connection', this.#connection);
  }

  #actions(): Action[] {
    return [
      {
        name: 'look',
        isRead: true,
        run: (_input, signal) => {
          this.#signals.push(signal);
          this.#do('look', '');
          return { is: 'seen' };
        },
      },
      {
        name: 'change',
        run: (input) => {
          const names = input.texts('names', 4, 10);
          const [count, isOn] = [input.number('count', 0, 9), input.flag('isOn')];
          this.#do('change', input.text('text', 10));
          check(names.length <= 4 && names.every((name) => name.length <= 10), 'a list is too long');
          check(count >= 0 && count <= 9 && typeof isOn === 'boolean', 'a field is none');
        },
      },
      {
        name: 'fail',
        run: () => {
          this.#do('fail', '');
          throw new Error('a defect');
        },
      },
    ];
  }

  /** It is done only for who may have it done. */
  #do(name: string, text: string): void {
    this.#done.push(name);
    check(typeof text === 'string' && text.length <= 1024, 'a text is too long');
    const times = this.#done.filter((one) => one === name).length;
    check(
      this.#seen.filter((seen) => this.#mayHave(seen, name)).length >= times,
      `${name} is done for who may not have it done`,
    );
    check(!this.#isReadOnly || name === 'look', `${name} is done by who may only look`);
  }

  #mayHave({ method, url, headers }: Seen, name: string): boolean {
    const { host = '', origin, cookie, 'x-page-key': pageKey, 'content-type': type = '' } = headers;
    const isOwn = isLoopback(String(host)) && origin === `http://${String(host)}`;
    const hasSecrets =
      pageKey === this.#secrets.pageKey &&
      String(cookie).split('; ').includes(`udp-tool-${PORT}=${this.#secrets.cookie}`);
    const isRightType =
      name === 'upload' ? type === 'application/octet-stream' : String(type).startsWith('application/json');
    const path = new URL(url, 'http://x').pathname;
    const isSame = [undefined, 'same-origin'].includes(headers['sec-fetch-site'] as string | undefined);
    return method === 'POST' && path === `/api/${name}` && isOwn && isSame && hasSecrets && isRightType;
  }

  /** Answers stand in the order of what they answer. */
  #expectTold(): void {
    const { said } = this.#connection;
    const { cookie, pageKey } = this.#secrets;
    for (const secret of [cookie, pageKey, this.#token]) check(!said.includes(secret), 'a secret is told');
    check(!/access-control-/i.test(said), 'another origin is let in');
    let rest = said;
    let entered = 0;
    for (const seen of this.#seen) {
      while (rest.startsWith('HTTP/1.1 100 Continue\r\n\r\n')) rest = rest.slice(25);
      if (rest === '') return; // it is still being done, or waited for
      const told = read(rest, seen.method);
      if (told === null) return;
      rest = told.rest;
      if (this.#expectAnswer(seen, told) === 'entered') entered++;
    }
    check(entered <= 1, 'a token opens twice');
    // What Node does not understand, it answers by itself.
    const isNode = /^HTTP\/1\.1 (400|408|413|417|431) /.test(rest) && rest.split('HTTP/1.1 ').length === 2;
    check(rest === '' || isNode, `it says ${rest.slice(0, 40)}`);
  }

  #expectAnswer(seen: Seen, { status, headers, body }: Told): 'entered' | undefined {
    const { method, url } = seen;
    const host = String(seen.headers['host'] ?? '');
    check(
      [200, 304, 400, 401, 403, 404, 405, 413, 415, 421, 422, 500].includes(status),
      `it answers ${status}`,
    );
    for (const [name, value] of Object.entries(HEADERS))
      check(value.test(headers[name] ?? ''), `${name} is ${headers[name]}`);
    if (!isLoopback(host)) {
      check(status === 421, 'another host is let in');
      return undefined;
    }
    if (status === 500)
      check(this.#done.includes('fail') || !URL.canParse(url, 'http://page'), `a defect: ${method} ${url}`);
    if (!URL.canParse(url, 'http://page')) return undefined;
    const { pathname } = new URL(url, 'http://page');
    if (!pathname.startsWith('/api/')) {
      check([200, 304, 404, 405].includes(status), `a file is answered with ${status}`);
      return undefined;
    }
    check(headers['cache-control'] === 'no-store', 'what is told is stored');
    const name = pathname.slice(5);
    if (status !== 200) {
      if (method !== 'HEAD')
        check(
          typeof (JSON.parse(body) as { error: { code: string } }).error.code === 'string',
          'an error has no code',
        );
      return undefined;
    }
    if (name === 'enter') {
      check(
        seen.headers.origin === `http://${host}` &&
          /HttpOnly; SameSite=Strict/.test(headers['set-cookie'] ?? ''),
        'a cookie is given to anybody',
      );
      return 'entered';
    }
    check(headers['set-cookie'] === undefined, 'a cookie is given');
    if (name === 'events') {
      const isKnown =
        seen.headers['x-page-key'] === this.#secrets.pageKey &&
        String(seen.headers.cookie).includes(this.#secrets.cookie);
      check(method === 'GET' && isKnown, 'events are told to a stranger');
    } else check(this.#mayHave(seen, name), `${name} is answered to a stranger`);
    return undefined;
  }

  async #settle(): Promise<void> {
    // A stream says in one turn what it got in another.
    for (let i = 0; i < 4; i++) await this.#time.settle();
  }
}

function isLoopback(host: string): boolean {
  const name = host.replace(/:\d{1,5}$/, '');
  return ['127.0.0.1', 'localhost', '[::1]'].includes(name);
}

/** The first answer; null where not all of it is there. */
function read(text: string, method: string): (Told & { readonly rest: string }) | null {
  const end = text.indexOf('\r\n\r\n');
  const [line = '', ...lines] = text.slice(0, Math.max(0, end)).split('\r\n');
  const [, code = ''] = /^HTTP\/1\.1 (\d{3}) /.exec(line) ?? [];
  check(code !== '', `an answer begins with ${line}`);
  const headers = Object.fromEntries(
    lines.map((one): [string, string] => [
      one.slice(0, one.indexOf(':')).toLowerCase(),
      one.slice(one.indexOf(':') + 2),
    ]),
  );
  const status = Number(code);
  const length = method === 'HEAD' || status === 304 ? 0 : Number(headers['content-length'] ?? text.length);
  const body = text.slice(end + 4, end + 4 + length);
  const isNode = headers['content-security-policy'] === undefined && headers['connection'] === 'close';
  return isNode ? null : { status, headers, body, rest: text.slice(end + 4 + length) };
}
