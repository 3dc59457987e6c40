/** How messages travel: `msg` brings one, `mail` hands one to whom it is for, where he cannot be reached (PROTOCOL §10.2). */
import type { PublicKey } from '../crypto/keys.ts';
import { type ErrorCode, errorForPeer, UdpToolError } from '../errors.ts';
import { type Command, defineCommand } from '../rpc/command.ts';
import { checkText, MAX_TEXT_BYTES, MESSAGE_ID, type Message } from './message.ts';
import type { MessageStore } from './message-store.ts';

/** Bytes of UTF-8 in one part: with everything around it, one request. */
export const PART_BYTES = 880;
const MAX_PARTS = Math.ceil(MAX_TEXT_BYTES / (PART_BYTES - 3));
/** Of what a date can be (ECMA-262). */
const MAX_TIME_MS = 8.64e15;
/** Messages of one peer that are being written: it sends one after the other. */
const MAX_WRITING = 8;
/** How long `mail` waits for a message; requests live longer. */
const MAX_WAIT_S = 30;

export interface MessageCommandsOptions {
  readonly store: MessageStore;
  /** A message came that was not there before, of the peer called `from`. */
  readonly onMessage?: (news: { readonly from: string; readonly message: Message }) => void;
  /** Messages cannot be kept, for a reason that is not told to peers: told once, until one was kept again. */
  readonly onTrouble?: (text: string) => void;
}

/** The commands of a machine that takes and keeps messages. */
export function messageCommands({ store, onMessage, onTrouble }: MessageCommandsOptions): Command[] {
  const assemblies = new Assemblies();
  const waiters = new Waiters();
  const writing = new Map<string, number>();
  let isTroubled = false;
  /** @throws UdpToolError `busy`; Error without a word of what is on this disk */
  const keep = async (message: Message): Promise<'new' | 'known'> => {
    const peer = message.peer.toString();
    const count = writing.get(peer) ?? 0;
    if (count >= MAX_WRITING) throw errorForPeer('busy', 'Messages of yours are still being written.');
    writing.set(peer, count + 1);
    try {
      const outcome = await store.receive(message);
      isTroubled = false;
      return outcome;
    } catch (error) {
      if (!(error instanceof UdpToolError) || !ITS_AFFAIR.includes(error.code)) {
        if (!isTroubled) onTrouble?.(error instanceof Error ? error.message : String(error));
        isTroubled = true;
        throw new Error('The message cannot be kept here.', { cause: error });
      }
      throw errorForPeer('busy', error.message, { cause: error });
    } finally {
      const left = (writing.get(peer) ?? 1) - 1;
      if (left > 0) writing.set(peer, left);
      else writing.delete(peer);
    }
  };
  const msg = defineCommand({
    name: 'msg',
    summary: 'Puts a message into the inbox here, once however often it is sent',
    args: [
      { name: 'id', type: 'text', summary: '32 hexadecimal digits that name it', pattern: MESSAGE_ID.source },
      {
        name: 'at',
        type: 'number',
        summary: 'When it was written, in milliseconds since 1970',
        min: -MAX_TIME_MS,
        max: MAX_TIME_MS,
      },
      { name: 'text', type: 'text', summary: 'Its text, or a part of it' },
      { name: 'part', type: 'integer', summary: 'Which part', min: 1, max: MAX_PARTS, default: 1 },
      { name: 'parts', type: 'integer', summary: 'Of how many', min: 1, max: MAX_PARTS, default: 1 },
    ],
    idempotent: true, // whether the server restarted or not
    async run({ args, peer }) {
      const text = assemblies.add(peer.publicKey, args);
      if (text === null) return 'part';
      checkText(text);
      const message = { id: args.id, peer: peer.publicKey, text, writtenAt: args.at };
      const outcome = await keep(message);
      if (outcome === 'new') onMessage?.({ from: peer.name, message });
      return outcome;
    },
  });

  const mail = defineCommand({
    name: 'mail',
    summary: 'The oldest message that waits here for you',
    args: [
      {
        name: 'received',
        type: 'text',
        summary: 'The id of the one before, which you have now',
        pattern: MESSAGE_ID.source,
        optional: true,
      },
      {
        name: 'wait',
        type: 'number',
        summary: 'Seconds to wait for one',
        min: 0,
        max: MAX_WAIT_S,
        default: 0,
      },
    ],
    idempotent: true,
    async run({ args: { received, wait }, peer, signal }) {
      if (received !== undefined) await store.settled({ peer: peer.publicKey, id: received });
      const late = AbortSignal.any([signal, waiters.next(peer.publicKey, wait)]);
      const message = await store.waitFor('outbox', () => store.firstWaiting(peer.publicKey), late);
      return message === undefined ? null : { id: message.id, at: message.writtenAt, text: message.text };
    },
  });
  return [msg, mail];
}

/** Failures that concern the sender. */
const ITS_AFFAIR: readonly ErrorCode[] = ['busy', 'spool-full'];

/** Of each peer one `mail` waits at a time: it has an inbox, and one more would be a second watcher of the same folder. */
class Waiters {
  readonly #byPeer = new Map<
    string,
    { readonly controller: AbortController; readonly timer: NodeJS.Timeout }
  >();

  /** A signal that aborts after so many seconds, or when the peer asks anew. */
  next(peer: PublicKey, seconds: number): AbortSignal {
    const key = peer.toString();
    const before = this.#byPeer.get(key);
    clearTimeout(before?.timer);
    before?.controller.abort();
    const controller = new AbortController();
    if (seconds === 0) {
      controller.abort();
      this.#byPeer.delete(key);
    } else {
      const timer = setTimeout(() => controller.abort(), seconds * 1000).unref();
      this.#byPeer.set(key, { controller, timer });
    }
    return controller.signal;
  }
}

interface Part {
  readonly id: string;
  readonly text: string;
  readonly part: number;
  readonly parts: number;
}

/** Parts of messages, until all are there: of each peer one message at a time, since it sends one after the other. */
class Assemblies {
  readonly #byPeer = new Map<string, { readonly id: string; readonly texts: (string | undefined)[] }>();

  /** The whole text, once it is. @throws UdpToolError `bad-arguments` */
  add(peer: PublicKey, { id, text, part, parts }: Part): string | null {
    if (part > parts) throw new UdpToolError('bad-arguments', `There is no part ${part} of ${parts}.`);
    if (parts === 1) return text;
    const key = peer.toString();
    let assembly = this.#byPeer.get(key);
    if (assembly?.id !== id || assembly.texts.length !== parts) {
      assembly = { id, texts: new Array<undefined>(parts).fill(undefined) };
      this.#byPeer.set(key, assembly);
    }
    assembly.texts[part - 1] = text;
    if (assembly.texts.includes(undefined)) return null;
    this.#byPeer.delete(key);
    return assembly.texts.join('');
  }
}

/** Cuts a text between characters into parts that fit a request each. */
export function partsOf(text: string): string[] {
  const parts: string[] = [];
  let part = '';
  let bytes = 0;
  for (const character of text) {
    const length = Buffer.byteLength(character);
    if (bytes + length > PART_BYTES) {
      parts.push(part);
      part = '';
      bytes = 0;
    }
    part += character;
    bytes += length;
  }
  return [...parts, part];
}
