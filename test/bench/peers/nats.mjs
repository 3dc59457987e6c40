/** NATS: requester and responder meet at a broker, each over TLS. */

import { HOST } from '../socket.mjs';
import { Program, processorUs } from './external.mjs';
import { CONTENT_BYTES, makeCertificate, missingCommand, missingPackages } from './shared.mjs';

const PACKAGE = '@nats-io/transport-node';
const SUBJECT = 'bench';
const TIMEOUT_MS = 10_000;
/** Where Debian installs the broker, and the PATH of an ordinary user does not lead. */
const BROKER_PATH = 'PATH="$PATH:/usr/sbin"';
/** Ends the broker and removes its folder when standard input closes, whatever became of whoever started it. */
const SUPERVISOR = `
  trap : INT TERM
  ${BROKER_PATH}
  nats-server --addr ${HOST} --port -1 --ports_file_dir "$1" --log "$1/log" \
    --tls --tlscert "$2" --tlskey "$3" &
  broker=$!
  until [ -s "$1/nats-server_$broker.ports" ]; do
    kill -0 $broker || break
    sleep 0.05
  done
  echo "{\\"pid\\":$broker,\\"ports\\":$(tr -d '\\n' <"$1/nats-server_$broker.ports")}"
  cat >/dev/null
  kill $broker
  wait
  rm -rf "$1"
`;

async function connectTo(port) {
  const { connect } = await import(PACKAGE);
  return connect({
    servers: `${HOST}:${port}`,
    // The certificate is its own authority, and no part of what is measured.
    tls: { rejectUnauthorized: false },
    // A stack trace for each request would cost more than the request.
    noAsyncTraces: true,
  });
}

export const nats = {
  label: 'NATS request/reply over TLS',

  async missing() {
    return (
      (await missingPackages([PACKAGE, '3.4.0'])) ??
      (await missingCommand('sh', ['-c', `${BROKER_PATH} nats-server --version`], 'nats-server')) ??
      (await missingCommand('openssl', ['version'], 'openssl'))
    );
  },

  /** The broker counts as the server's side. */
  async serve() {
    const { folder, certificate, key } = await makeCertificate();
    const supervisor = new Program('sh', ['-c', SUPERVISOR, 'sh', folder, certificate, key]);
    const { pid, ports } = await supervisor.line();
    const port = Number(new URL(ports.nats[0]).port);
    const connection = await connectTo(port);
    connection.subscribe(SUBJECT, { callback: (_error, message) => message.respond(message.data) });
    await connection.flush();
    return {
      port,
      usage() {
        const { user, system } = process.cpuUsage();
        return user + system + processorUs(pid);
      },
      async close() {
        await connection.close();
        await supervisor.close();
      },
    };
  },

  async connect(port, onAnswer) {
    const connection = await connectTo(port);
    const content = new Uint8Array(CONTENT_BYTES);
    const options = { timeout: TIMEOUT_MS };
    return {
      request: (slot) => void connection.request(SUBJECT, content, options).then(() => onAnswer(slot)),
      retransmits: true,
      close: () => connection.close(),
    };
  },
};
