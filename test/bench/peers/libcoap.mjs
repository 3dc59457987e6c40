/** CoAP of libcoap over DTLS with a pre-shared key, in C at both ends. */
import { compile, externalPeer, missingLibraries } from './external.mjs';

const LIBRARIES = ['-lcoap-3-openssl', '-lssl', '-lcrypto'];

export const libcoap = externalPeer({
  label: 'CoAP over DTLS PSK (libcoap, C)',
  missing: () => missingLibraries('libcoap', LIBRARIES, 'gcc libc6-dev libcoap3-dev libssl-dev'),
  command: async () => [await compile('libcoap', LIBRARIES)],
});
