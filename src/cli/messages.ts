/** What the verbs about messages share. */
import {
  isTime,
  type Message,
  MessageStore,
  type PeerOptions,
  type PublicKey,
  UdpToolError,
} from '../index.ts';
import { choosePeer, type KeyOptions, messageFolder, openKeyStore } from './context.ts';
import { data, forData, json, printable } from './output.ts';

/** This machine's key, its peers and its messages. */
export async function openMessages(options: KeyOptions) {
  const store = await openKeyStore(options);
  const keyPair = await store.loadKeyPair();
  return {
    store,
    keyPair,
    peers: await store.loadPeers(),
    messages: new MessageStore(messageFolder(store), keyPair),
  };
}

/** The peer that is meant: one need not be askable to be written to, since it may ask. */
export function chooseCorrespondent(peers: readonly PeerOptions[], to: string | undefined): PeerOptions {
  const [only] = peers;
  return only !== undefined && peers.length === 1 && to === undefined ? only : choosePeer(peers, to);
}

export function nameOf(peers: readonly PeerOptions[], key: PublicKey): string {
  return peers.find(({ publicKey }) => publicKey.equals(key))?.name ?? key.toString();
}

/** A message on stdout. */
export function showMessage(from: string, { id, text, writtenAt }: Message, asJson: boolean): void {
  if (asJson) json({ event: 'message', peer: from, id, at: writtenAt, text });
  else data(`${forData.bold(from)} ${forData.dim(clockTime(writtenAt))}  ${indented(text)}`);
}

/** Printable, and no line of it looks as if it were another's. */
export function indented(text: string): string {
  return printable(text).replaceAll('\n', '\n    ');
}

/** As the sender's clock had it. */
function clockTime(at: number): string {
  return isTime(at) ? new Date(at).toLocaleString('sv').slice(0, 16) : '';
}

/** What became of a message that did not arrive. */
export function kept(error: UdpToolError, peer: string): UdpToolError {
  return new UdpToolError(error.code, `Kept for "${peer}". ${error.message}`, {
    cause: error,
    hint:
      error.code === 'unknown-command'
        ? `It does not take messages of this machine: on "${peer}", "udp-tool peer show NAME" and "peer allow NAME msg".`
        : `It is delivered when "${peer}" is there and "udp-tool serve", "chat" or another "msg" runs here. See it with "udp-tool outbox".`,
  });
}

/** A peer without an address comes for its messages itself. */
export function keptUntilFetched(code: 'no-answer' | 'aborted', peer: string): UdpToolError {
  return new UdpToolError(code, `Kept for "${peer}", which has no address here: it has to come and ask.`, {
    hint: `It gets it by "udp-tool inbox" or "chat" there, while "udp-tool serve" or "chat" runs here. See it with "udp-tool outbox".`,
  });
}
