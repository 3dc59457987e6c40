import type { Target } from '../target.ts';
import { cbor } from './cbor.ts';
import { conversation } from './conversation.ts';
import { envelope } from './envelope.ts';
import { manifest, offers } from './files.ts';
import { handshake, pairingDatagrams } from './handshake.ts';
import { http } from './http.ts';
import { addresses, keys, peerBook } from './keys.ts';
import { machine } from './machine.ts';
import { messages } from './messages.ts';
import { announcement, introductions } from './p2p.ts';
import { pairing } from './pairing.ts';
import { parts } from './parts.ts';
import { pushes } from './pushes.ts';
import { watched, watching } from './watching.ts';
import { workers } from './workers.ts';

export const targets: readonly Target[] = [
  cbor,
  envelope,
  handshake,
  offers,
  manifest,
  introductions,
  pairingDatagrams,
  announcement,
  keys,
  addresses,
  peerBook,
  machine,
  pairing,
  parts,
  conversation,
  messages,
  watched,
  watching,
  pushes,
  http,
  workers,
];
