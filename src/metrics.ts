/** Numbers of a server for Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/ (text, 0.0.4). */
import { createServer } from 'node:http';
import { hasSystemCode, UdpToolError } from './errors.ts';
import type { HostPort } from './transport/resolve.ts';
import type { EndpointStats, RequestLog } from './udp-endpoint.ts';

/** What is known at the moment of the question. */
export interface MetricsSource {
  readonly stats: EndpointStats;
  readonly peers: readonly { readonly name: string; readonly roundTripMs: number | null }[];
}

/** Of a command that does not exist, whose name anybody could have made up. */
const UNKNOWN = '(unknown)';
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export class Metrics {
  readonly #requests = new Map<string, number>();

  /** Counts a request that was answered. */
  request({
    peer,
    command,
    error,
  }: Omit<RequestLog, 'error'> & { readonly error: string | undefined }): void {
    const labels = labelsOf({
      peer,
      command: error === 'unknown-command' ? UNKNOWN : command,
      outcome: error ?? 'ok',
    });
    this.#requests.set(labels, (this.#requests.get(labels) ?? 0) + 1);
  }

  /** The page that Prometheus reads. */
  render({ stats, peers }: MetricsSource): string {
    const { sessions, drops, received, sent } = stats;
    const roundTrips = peers.filter(({ roundTripMs }) => roundTripMs !== null);
    return [
      ...family('udp_tool_sessions', 'gauge', 'Live sessions.', [['', sessions]]),
      ...family('udp_tool_peers', 'gauge', 'Peers that are trusted.', [['', peers.length]]),
      ...family('udp_tool_requests_total', 'counter', 'Requests answered, by peer, command and outcome.', [
        ...this.#requests,
      ]),
      ...family(
        'udp_tool_dropped_datagrams_total',
        'counter',
        'Datagrams dropped in silence, by reason.',
        Object.entries(drops).map(([reason, count]) => [labelsOf({ reason }), count]),
      ),
      ...family('udp_tool_datagrams_total', 'counter', 'Datagrams, by direction.', [
        [labelsOf({ direction: 'received' }), received.datagrams],
        [labelsOf({ direction: 'sent' }), sent.datagrams],
      ]),
      ...family('udp_tool_bytes_total', 'counter', 'Bytes of datagrams, by direction.', [
        [labelsOf({ direction: 'received' }), received.bytes],
        [labelsOf({ direction: 'sent' }), sent.bytes],
      ]),
      ...family(
        'udp_tool_round_trip_seconds',
        'gauge',
        'Smoothed round trip of what this machine asked a peer.',
        roundTrips.map(({ name, roundTripMs }) => [labelsOf({ peer: name }), (roundTripMs ?? 0) / 1000]),
      ),
      ...family('process_resident_memory_bytes', 'gauge', 'Resident memory.', [
        ['', process.memoryUsage.rss()],
      ]),
      ...family('process_cpu_seconds_total', 'counter', 'User and system time.', [['', cpuSeconds()]]),
      '',
    ].join('\n');
  }
}

/**
 * Answers `GET /metrics`, until the signal aborts.
 * @throws UdpToolError `port-in-use`, `no-permission`, `bad-usage`
 */
export async function serveMetrics(
  metrics: Metrics,
  source: () => MetricsSource,
  { host, port }: HostPort,
  signal: AbortSignal,
): Promise<HostPort> {
  const server = createServer((request, response) => {
    const found = request.method === 'GET' && request.url === '/metrics';
    response.writeHead(found ? 200 : 404, { 'content-type': CONTENT_TYPE });
    response.end(found ? metrics.render(source()) : 'See /metrics\n');
  });
  await new Promise<void>((done, fail) => {
    server.once('error', (cause) => fail(listenError(cause, host, port)));
    server.listen(port, host, done);
  });
  server.on('error', () => {}); // of a connection, which is its own loss
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  signal.addEventListener('abort', close, { once: true });
  if (signal.aborted) close();
  const address = server.address();
  return { host, port: typeof address === 'object' && address !== null ? address.port : port };
}

function family(
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  samples: readonly (readonly [labels: string, value: number])[],
): string[] {
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...samples.map(([labels, value]) => `${name}${labels} ${value}`),
  ];
}

function labelsOf(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return `{${pairs.join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n');
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function listenError(cause: Error, host: string, port: number): UdpToolError {
  const where = `${host}:${port}`;
  if (hasSystemCode(cause, 'EADDRINUSE')) {
    return new UdpToolError(
      'port-in-use',
      `Another program uses TCP port ${port}, where metrics were to be.`,
      {
        cause,
        hint: 'Choose another with --metrics HOST:PORT.',
      },
    );
  }
  if (hasSystemCode(cause, 'EACCES', 'EPERM')) {
    return new UdpToolError('no-permission', `The system does not let this user listen on ${where}.`, {
      cause,
    });
  }
  return new UdpToolError('bad-usage', `Metrics cannot be offered at ${where}: ${cause.message}`, {
    cause,
    hint: 'Give an address of this machine, such as 127.0.0.1:9464.',
  });
}
