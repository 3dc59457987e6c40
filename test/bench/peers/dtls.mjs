/** OpenSSL's DTLS 1.2 with a pre-shared key, in C at both ends. */
import { compile, externalPeer, missingLibraries } from './external.mjs';

const LIBRARIES = ['-lssl', '-lcrypto'];

export const dtls = externalPeer({
  label: 'DTLS 1.2 PSK (OpenSSL, C)',
  missing: () => missingLibraries('dtls', LIBRARIES, 'gcc libc6-dev libssl-dev'),
  command: async () => [await compile('dtls', LIBRARIES)],
});
