/** Looks for secrets in what was printed, written or sent: whole or in part, in whatever form bytes get into text. */
import { bech32m } from '@scure/base';

/** What is found is never shorter: no text has 8 random bytes by chance. */
const PIECE_BYTES = 8;

type Forms = Readonly<Record<string, (text: Texts) => boolean>>;

/** One text, as each kind of form is looked for. */
interface Texts {
  readonly bytes: Buffer;
  /** Lower case, without what stands between the digits of hex. */
  readonly hex: string;
  /** Without white space, in the alphabet of base64. */
  readonly base64: string;
  /** Lower case, without white space. */
  readonly bech32m: string;
  /** Numbers with one space around each, without indexes before a colon. */
  readonly numbers: string;
}

export class SecretSearch {
  readonly #pieces: { readonly name: string; readonly forms: Forms }[] = [];

  /** @param secret some bytes, 8 or more */
  add(name: string, secret: Uint8Array): void {
    for (let at = 0; at + PIECE_BYTES <= secret.length; at += PIECE_BYTES)
      this.#pieces.push({ name, forms: formsOf(secret.subarray(at, at + PIECE_BYTES)) });
    if (secret.length === 32) this.#pieces.push({ name, forms: formsOfKey(secret) });
  }

  /** Names of the secrets that are in there, with the form. */
  find(what: string | Uint8Array): string[] {
    const texts = textsOf(typeof what === 'string' ? Buffer.from(what) : Buffer.from(what));
    const found = new Set<string>();
    for (const { name, forms } of this.#pieces)
      for (const [form, isIn] of Object.entries(forms)) if (isIn(texts)) found.add(`${name} as ${form}`);
    return [...found];
  }
}

function textsOf(bytes: Buffer): Texts {
  const text = bytes.toString('latin1');
  const dense = text.replace(/\s+/g, '');
  return {
    bytes,
    hex: text.replace(/0x|\\x|\\u00|[^0-9a-z]+/gi, '').toLowerCase(),
    base64: dense.replaceAll('-', '+').replaceAll('_', '/'),
    bech32m: dense.toLowerCase(),
    numbers: ` ${text.replace(/"?\b\d+"?:/g, ' ').replace(/[^0-9]+/g, ' ')} `,
  };
}

function formsOf(piece: Uint8Array): Forms {
  const bytes = Buffer.from(piece);
  const mangled = Buffer.from(bytes.toString('latin1'), 'utf8');
  const escaped = JSON.stringify(bytes.toString('latin1')).slice(1, -1);
  const hex = bytes.toString('hex');
  const numbers = ` ${bytes.join(' ')} `;
  // Where it begins among the groups of three bytes decides how it looks.
  const inBase64 = [0, 2, 3].map((skip, before) =>
    Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .slice(skip, skip + 10),
  );
  return {
    bytes: (text) => text.bytes.includes(bytes),
    'bytes as Latin-1 in UTF-8': (text) => text.bytes.includes(mangled),
    'an escaped text': (text) => text.bytes.includes(escaped),
    'UTF-16': (text) => text.bytes.includes(Buffer.from(bytes.toString('latin1'), 'utf16le')),
    hex: (text) => text.hex.includes(hex),
    base64: (text) => inBase64.some((form) => text.base64.includes(form)),
    numbers: (text) => text.numbers.includes(numbers),
  };
}

/** What shows only of the whole of it. */
function formsOfKey(secret: Uint8Array): Forms {
  // Of BIP 350, 13 letters are 65 bits.
  const letters = bech32m.encodeFromBytes('udp', secret).slice('udp1'.length);
  const parts = [0, 13, 26, 39].map((at) => letters.slice(at, at + 13));
  // What is no UTF-8 is lost; where much is lost, nothing is told.
  const lossy = Buffer.from(secret).toString('utf8');
  const isTelling = lossy.replaceAll('\u{fffd}', '').length >= PIECE_BYTES;
  return {
    bech32m: (text) => parts.some((part) => text.bech32m.includes(part)),
    'UTF-8 that it is not': (text) => isTelling && text.bytes.includes(Buffer.from(lossy)),
  };
}
