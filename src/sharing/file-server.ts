/** Answers peers that ask for files: what is offered to them, pieces of it, and whether this machine takes theirs. */
import { UdpToolError } from '../errors.ts';
import type { Offer, Subject } from '../files/offer.ts';
import type { RemotePeer } from '../remote-peer.ts';
import type { StreamQuestion, UdpEndpoint } from '../udp-endpoint.ts';
import { encodeOffers, type Question, readQuestion } from './offer-list.ts';
import type { Receiver } from './receiver.ts';

/** What a machine offers, as a {@link Shelf} does. */
export interface Offers {
  offersFor(peer: string): Promise<readonly Offer[]> | readonly Offer[];
  read(peer: string, piece: Subject): Promise<Uint8Array | null>;
  /** What a piece is of that is offered to the peer; null where there is no such offer. */
  offerOf(peer: string, piece: Subject): Offer | null;
}

export interface FileServerOptions {
  readonly offers: readonly Offers[];
  /** Takes what peers push; nothing is taken if not given. */
  readonly receiver?: Receiver;
  /** A peer has a piece of an offer, or is about to; so many bytes, at most a chunk. */
  readonly onServed?: (peer: RemotePeer, offer: Offer, bytes: number) => void;
}

/** Has the endpoint answer for files, in place of what it answered streams with before. */
export function serveFiles(endpoint: UdpEndpoint, options: FileServerOptions): void {
  endpoint.serveStreams((question) => {
    const read = readQuestion(question.subject);
    if (read === null) question.refuse('unknown');
    else
      answer(question, read, options).catch((error: unknown) => {
        const isChanged = error instanceof UdpToolError && error.code === 'content-changed';
        question.refuse(isChanged ? 'changed' : 'failed');
      });
  });
}

async function answer(
  question: StreamQuestion,
  asked: Question,
  { offers, receiver, onServed }: FileServerOptions,
): Promise<void> {
  const peer = question.peer.publicKey.toString();
  switch (asked.kind) {
    case 'offers': {
      const lists = await Promise.all(offers.map((one) => one.offersFor(peer)));
      question.answer(encodeOffers(lists.flat()));
      return;
    }
    case 'push':
      if (receiver === undefined) question.refuse('refused');
      else question.answer(await receiver.onPush(question.peer, asked, question.route));
      return;
    case 'piece':
      for (const one of offers) {
        const bytes = await one.read(peer, asked.piece);
        if (bytes === null) continue;
        question.answer(bytes);
        if (onServed !== undefined) {
          const offer = one.offerOf(peer, asked.piece);
          if (offer !== null) onServed(question.peer, offer, bytes.length);
        }
        return;
      }
      question.refuse('unknown');
  }
}
