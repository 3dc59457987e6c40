import type { Target } from '../target.ts';
import { cbor } from './cbor.ts';
import { envelope } from './envelope.ts';
import { manifest, offers } from './files.ts';
import { addresses, keys, peerBook } from './keys.ts';

export const targets: readonly Target[] = [cbor, envelope, offers, manifest, keys, peerBook, addresses];
