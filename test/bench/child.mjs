/**
 * A process of the benchmark, forked by processes.mjs: a server, a client or a stranger. It obeys one message at a
 * time, and ends with its parent.
 */
import { flood } from './flood.mjs';
import { kinds } from './kinds.mjs';
import { Load } from './load.mjs';
import { peers } from './peers/index.mjs';

const load = new Load();
let server = null;
let client = null;

const actions = {
  async serve({ kind, keys }) {
    server = await (kind in peers ? peers[kind].serve() : kinds[kind].serve(keys));
    return server.port;
  },
  async connect({ kind, keys, port }) {
    client = await (kind in peers
      ? peers[kind].connect(port, load.answered)
      : kinds[kind].connect(keys, port, load.answered));
  },
  /** A client in another language has a load of its own. */
  run: ({ outstanding, seconds }) =>
    client.run?.(outstanding, seconds) ?? load.run(client, outstanding, seconds),
  flood: ({ port, shape, seconds }) => flood(port, shape, seconds),
  usage() {
    const { user, system } = process.cpuUsage();
    return { cpuUs: server.usage?.() ?? user + system, received: server.received?.() ?? 0 };
  },
  async close() {
    await client?.close();
    await server?.close();
  },
};

process.on('message', async ({ action, options }) => {
  try {
    process.send({ result: await actions[action](options) });
  } catch (error) {
    process.send({ error: error.stack });
  }
  if (action === 'close') process.disconnect();
});
process.on('disconnect', () => process.exit());
process.send('ready');
