/** What others would use instead, each as somebody competent uses it. `missing()` tells what is not installed here. */
import { coap } from './coap.mjs';
import { dtls } from './dtls.mjs';
import { libcoap } from './libcoap.mjs';
import { nats } from './nats.mjs';
import { python } from './python.mjs';
import { secretStream } from './secret-stream.mjs';
import { tls } from './tls.mjs';

export const peers = { coap, nats, tls, python, dtls, libcoap, secretStream };
