/** CoAP of the npm package `coap`: confirmable requests with piggybacked answers, not encrypted. */
import { HOST, openSocket } from '../socket.mjs';
import { CONTENT_BYTES, missingPackages } from './shared.mjs';

export const coap = {
  label: 'CoAP (npm coap), not encrypted',
  missing: () => missingPackages(['coap', '1.5.0']),

  async serve() {
    const { createServer } = await import('coap');
    const { socket, port, close: closeSocket } = await openSocket();
    const answer = Buffer.alloc(CONTENT_BYTES);
    // By default answers are kept for 247 s, past the return of their 16-bit message id: then a request gets an old one.
    // This is room for the last thousand, of 33 bytes each.
    const server = createServer({ cacheSize: 1000 * 33 }, (_request, response) => response.end(answer));
    server.listen(socket);
    return {
      port,
      async close() {
        server.close();
        await closeSocket();
      },
    };
  },

  /** A GET has no payload: its path and token are what the content of other peers' requests is. */
  async connect(port, onAnswer) {
    const { Agent } = await import('coap');
    const { socket, close } = await openSocket();
    // An agent that opened its socket itself would close it whenever no request is outstanding.
    const agent = new Agent({ socket });
    const target = { hostname: HOST, port, pathname: '/bench' };
    return {
      request(slot) {
        const request = agent.request(target);
        request.on('response', () => onAnswer(slot));
        request.end();
      },
      retransmits: true,
      close,
    };
  },
};
