/** The page, and its API, by HTTP on loopback: each request is refused here unless it is the page's own. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { UdpToolError, withoutSecretKeys } from '../index.ts';
import { type Action, Input, type Upload } from './action.ts';
import type { Asset } from './assets.ts';
import type { Door, SessionSecrets } from './door.ts';
import { isHostAllowed, isReadAllowed, isWriteAllowed } from './gatekeeper.ts';
import type { LiveHub } from './live.ts';

export interface HttpServerOptions {
  readonly door: Door;
  readonly hub: LiveHub;
  readonly actions: readonly Action[];
  readonly uploads: readonly Upload[];
  /** By path: `/`, `/app.js`. */
  readonly assets: ReadonlyMap<string, Asset>;
  readonly isReadOnly: boolean;
  /** How long a stranger may take for a request, milliseconds; 10 s if not given. */
  readonly patienceMs?: number;
}

const PAGE_KEY_HEADER = 'x-page-key';
const LOOPBACK = '127.0.0.1';
const MAX_BODY_BYTES = 256 * 1024;
const DEFAULT_PATIENCE_MS = 10_000;
/** A browser has six to one page. Any user of the machine can connect, so the oldest makes room for a new one. */
const MAX_STRANGERS = 64;
/** So that a proxy, or the page, sees that the connection lives; and the end of an idle session is noticed. */
const HEARTBEAT_MS = 15_000;
/** A page that reads so slowly is let go, and comes back for the state of then. */
const MAX_BACKLOG_BYTES = 8 * 1024 * 1024;

/** Nothing from elsewhere, nothing inline, nobody's frame, and no text that becomes markup. */
const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; media-src blob:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(self), microphone=(), geolocation=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

/** Answers with that status, and a JSON object that says why. */
class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const NOT_ENTERED = new Refusal(401, 'not-entered', 'Open the link that udp-tool shows.');

export class HttpServer implements AsyncDisposable {
  readonly #options: HttpServerOptions;
  readonly #actions: ReadonlyMap<string, Action>;
  readonly #uploads: ReadonlyMap<string, Upload>;
  /** Connections by which nobody has shown the secrets of a session yet, the oldest first; and what bounds the newest request. */
  readonly #strangers = new Map<Socket, NodeJS.Timeout | undefined>();
  readonly #patienceMs: number;
  readonly #server: Server;

  private constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#actions = new Map(options.actions.map((action) => [action.name, action]));
    this.#uploads = new Map(options.uploads.map((upload) => [upload.name, upload]));
    this.#patienceMs = options.patienceMs ?? DEFAULT_PATIENCE_MS;
    this.#server = createServer(
      {
        // A large file takes as long as it takes. Node has no bound for heads either then, unless it is told.
        requestTimeout: 0,
        headersTimeout: this.#patienceMs,
        connectionsCheckingInterval: this.#patienceMs,
      },
      (request, response) => {
        this.#bound(request);
        void this.#answer(request, response);
      },
    );
    this.#server.on('connection', (socket) => this.#admit(socket));
  }

  /**
   * @param port 0 for any free one
   * @throws UdpToolError `port-in-use`, `no-permission`
   */
  static async open(options: HttpServerOptions, port: number): Promise<HttpServer> {
    const http = new HttpServer(options);
    await new Promise<void>((done, fail) => {
      http.#server.once('error', (cause) => fail(cannotListen(port, cause)));
      http.#server.listen(port, LOOPBACK, done);
    });
    http.#server.on('error', () => {}); // of a connection, which is its own loss
    return http;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((done) => this.#server.close(done));
    this.#server.closeAllConnections();
    await closed;
  }

  #admit(socket: Socket): void {
    socket.setMaxListeners(0); // each request that is under way
    this.#strangers.set(socket, undefined);
    socket.once('close', () => this.#isNoStranger(socket));
    const [oldest] = this.#strangers.keys();
    if (this.#strangers.size > MAX_STRANGERS) oldest?.destroy();
  }

  #isNoStranger(socket: Socket): void {
    clearTimeout(this.#strangers.get(socket));
    this.#strangers.delete(socket);
  }

  /** A stranger's request has to be here in time, also one that was answered before its end. */
  #bound(request: IncomingMessage): void {
    const { socket } = request;
    if (!this.#strangers.has(socket)) return;
    clearTimeout(this.#strangers.get(socket)); // of the request before, which is here as a whole
    const late = setTimeout(() => request.complete || socket.destroy(), this.#patienceMs).unref();
    this.#strangers.set(socket, late);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    response.on('error', () => {}); // it went away
    try {
      if (!isHostAllowed(request.headers)) throw new Refusal(421, 'wrong-host', 'This is not that host.');
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://page');
      if (pathname.startsWith('/api/'))
        await this.#answerApi(request, response, pathname.slice(5), searchParams);
      else this.#answerAsset(request, response, pathname);
    } catch (error) {
      if (response.headersSent || response.destroyed) response.destroy();
      else sendError(response, error);
    }
  }

  #answerAsset(request: IncomingMessage, response: ServerResponse, path: string): void {
    const asset = this.#options.assets.get(path);
    if (asset === undefined) throw new Refusal(404, 'not-found', 'There is nothing.');
    if (request.method !== 'GET' && request.method !== 'HEAD')
      throw new Refusal(405, 'bad-method', 'It can only be read.');
    response.setHeader('etag', asset.etag);
    response.setHeader('cache-control', 'no-cache');
    response.setHeader('vary', 'accept-encoding');
    if (request.headers['if-none-match'] === asset.etag) {
      response.writeHead(304).end();
      return;
    }
    const isPacked = /\bgzip\b/.test(String(request.headers['accept-encoding']));
    const body = isPacked ? asset.gzip : asset.body;
    response.writeHead(200, {
      'content-type': asset.type,
      'content-length': body.length,
      ...(isPacked && { 'content-encoding': 'gzip' }),
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  async #answerApi(
    request: IncomingMessage,
    response: ServerResponse,
    name: string,
    query: URLSearchParams,
  ): Promise<void> {
    const { door } = this.#options;
    response.setHeader('cache-control', 'no-store');
    const isWrite = request.method === 'POST';
    if (!(isWrite ? isWriteAllowed(request.headers) : isReadAllowed(request.headers)))
      throw new Refusal(403, 'other-origin', 'That came from another page.');
    if (isWrite && name === 'enter') {
      await this.#enter(request, response);
      return;
    }
    if (request.method === 'GET' && name === 'proof') {
      const proof = door.prove(this.#cookieOf(request) ?? '', query.get('challenge') ?? '');
      if (proof === null) throw NOT_ENTERED;
      sendJson(response, 200, { proof });
      return;
    }
    const secrets = this.#secretsOf(request);
    if (secrets === null || !door.isOpenTo(secrets)) throw NOT_ENTERED;
    this.#isNoStranger(request.socket);
    if (!isWrite) {
      if (request.method !== 'GET' || name !== 'events')
        throw new Refusal(404, 'not-found', 'There is nothing.');
      this.#stream(request, response, secrets);
      return;
    }
    const upload = this.#uploads.get(name);
    if (upload !== undefined) {
      this.#refuseReadOnly();
      // As JSON is, this is a type that a form of another site cannot send.
      if (request.headers['content-type'] !== 'application/octet-stream')
        throw new Refusal(415, 'not-bytes', 'Only bytes are taken.');
      door.used(secrets); // who sends a large file is there all the time
      sendJson(response, 200, (await upload.take(new Input(Object.fromEntries(query)), request)) ?? {});
      return;
    }
    const input = new Input(await readJson(request));
    if (name === 'used') door.used(secrets);
    if (name === 'leave') door.leave(secrets);
    if (name === 'used' || name === 'leave') {
      sendJson(response, 200, {});
      return;
    }
    const action = this.#actions.get(name);
    if (action === undefined) throw new Refusal(404, 'not-found', 'There is nothing.');
    if (action.isRead !== true) this.#refuseReadOnly();
    const gone = new AbortController();
    whenGone(request, response, () => gone.abort());
    sendJson(response, 200, (await action.run(input, gone.signal)) ?? {});
  }

  #refuseReadOnly(): void {
    if (this.#options.isReadOnly)
      throw new Refusal(403, 'read-only', 'This page may only look: udp-tool was started with --read-only.');
  }

  async #enter(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const token = new Input(await readJson(request)).text('token', 100);
    const secrets = this.#options.door.enter(token);
    if (secrets === null)
      throw new Refusal(
        401,
        'bad-token',
        'That link was used, or is too old: udp-tool shows a new one at Enter.',
      );
    // Lax would do for reads; Strict is what a page needs that nobody links to. No Secure: there is no TLS on loopback.
    response.setHeader(
      'set-cookie',
      `${this.#cookieName}=${secrets.cookie}; HttpOnly; SameSite=Strict; Path=/api/`,
    );
    sendJson(response, 200, { pageKey: secrets.pageKey });
  }

  /** With the port: cookies are the host's, and each port has a page of its own. */
  get #cookieName(): string {
    return `udp-tool-${this.port}`;
  }

  #secretsOf(request: IncomingMessage): SessionSecrets | null {
    const pageKey = request.headers[PAGE_KEY_HEADER];
    const cookie = this.#cookieOf(request);
    return typeof pageKey === 'string' && cookie !== undefined ? { cookie, pageKey } : null;
  }

  #cookieOf({ headers }: IncomingMessage): string | undefined {
    const name = `${this.#cookieName}=`;
    const cookies = (headers.cookie ?? '').split('; ');
    return cookies.find((one) => one.startsWith(name))?.slice(name.length);
  }

  /** Server-sent events (WHATWG HTML §9.2). */
  #stream(request: IncomingMessage, response: ServerResponse, secrets: SessionSecrets): void {
    const { door, hub } = this.#options;
    request.socket.setNoDelay();
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const stop = hub.follow((updates) => {
      if (response.writableLength > MAX_BACKLOG_BYTES) response.destroy();
      else response.write(`data: ${toJson(updates)}\n\n`);
    });
    const timer = setInterval(() => {
      if (door.isOpenTo(secrets)) response.write(':\n\n');
      else response.end();
    }, HEARTBEAT_MS).unref();
    whenGone(request, response, () => {
      clearInterval(timer);
      stop();
    });
  }
}

/** Once: where its answer is sent, or where nobody can read it. Of one that waits for others on its connection, Node tells neither. */
function whenGone({ socket }: IncomingMessage, response: ServerResponse, then: () => void): void {
  const gone = (): void => {
    response.off('close', gone);
    socket.off('close', gone);
    then();
  };
  response.once('close', gone);
  socket.once('close', gone);
}

function cannotListen(port: number, cause: NodeJS.ErrnoException): UdpToolError {
  const hint = 'Choose another with --web-port, or leave it away.';
  if (cause.code === 'EADDRINUSE')
    return new UdpToolError('port-in-use', `TCP port ${port} is in use by another program.`, { cause, hint });
  return new UdpToolError(
    'no-permission',
    `The page cannot be served at TCP port ${port}: ${cause.message}`,
    {
      cause,
      hint,
    },
  );
}

/** A form of another site cannot send this type without asking first, which is never answered. */
async function readJson(request: IncomingMessage): Promise<unknown> {
  if (!/^application\/json(?:;|$)/.test(request.headers['content-type'] ?? ''))
    throw new Refusal(415, 'not-json', 'Only JSON is taken.');
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) throw new Refusal(413, 'too-large', 'That is too long.');
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new Refusal(400, 'not-json', 'That is no JSON.');
  }
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = toJson(value);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...(status === 421 || status === 413 ? { connection: 'close' } : {}),
  });
  response.end(body);
}

/** As the command line prints it: a secret key that somebody pasted in the wrong place is not repeated. */
function toJson(value: unknown): string {
  return withoutSecretKeys(JSON.stringify(value));
}

function sendError(response: ServerResponse, error: unknown): void {
  if (error instanceof Refusal) {
    sendJson(response, error.status, { error: { code: error.code, message: error.message } });
  } else if (error instanceof UdpToolError) {
    const { code, message, hint } = error;
    sendJson(response, 422, { error: { code, message, ...(hint !== undefined && { hint }) } });
  } else {
    sendJson(response, 500, { error: { code: 'failed', message: 'A defect of udp-tool.' } });
  }
}
