/** Fetches an offer for a verb, and tells how far it is, who is asked no more, and how it ended. */
import {
  fetchPieces,
  type Offer,
  type RemotePeer,
  type Sink,
  type SourceLoss,
  unfinished,
} from '../index.ts';
import { json, note } from './output.ts';
import { ProgressLine } from './progress.ts';

/** What is fetched, and of whom. */
export interface Chosen {
  readonly offer: Offer;
  readonly peers: readonly RemotePeer[];
}

export interface FetchingOptions {
  readonly limit?: number;
  readonly json?: boolean;
}

/** What was fetched now, without what was there before. */
export interface Fetched {
  readonly receivedBytes: number;
  readonly ms: number;
}

const TELL_MS = 1_000;

type CountingSink = Sink & { readonly progress: { readonly doneBytes: number } };

/** @throws UdpToolError `aborted`, `no-answer`, `not-offered`, `integrity`; and as the sink does */
export async function fetchChosen(
  { offer, peers }: Chosen,
  sink: CountingSink,
  options: FetchingOptions,
  signal: AbortSignal,
): Promise<Fetched> {
  const progress = new ProgressLine(offer.name, options.json === true);
  const busy = new Set<string>();
  const losses: SourceLoss[] = [];
  let receivedBytes = 0;
  const tell = (): void =>
    progress.update({ doneBytes: sink.progress.doneBytes, totalBytes: offer.size, sources: [...busy] });
  const timer = setInterval(tell, TELL_MS); // also that nothing comes
  const end = await fetchPieces({
    sink,
    givers: peers,
    signal,
    now: () => performance.now(),
    ...(options.limit !== undefined && { limit: options.limit }),
    onBytes: (name, bytes) => {
      receivedBytes += bytes;
      busy.add(name);
      tell();
    },
    onLoss: (name, loss) => {
      busy.delete(name);
      losses.push(loss);
      tellLoss(name, loss, options);
    },
  }).finally(() => {
    clearInterval(timer);
    progress.clear();
  });
  if (end !== 'complete') throw unfinished(offer, end, losses);
  return { receivedBytes, ms: progress.elapsedMs };
}

function tellLoss(name: string, loss: SourceLoss, options: FetchingOptions): void {
  if (options.json) json({ event: 'source-lost', peer: name, reason: loss });
  else note(`"${name}" ${LOSSES[loss]}; it is asked no more.`);
}

const LOSSES: Record<SourceLoss, string> = {
  wrong: 'sent what is not what it offered',
  changed: 'says that it changed there',
  gone: 'offers it no more',
};
