/** The asking side of streams (PROTOCOL.md §8.6), and the content tree of files (§10.3). */
import { bigEndian, join } from './bytes.ts';
import type { Value } from './cbor.ts';
import type { Initiator } from './initiator.ts';
import { hash } from './keys.ts';
import { T } from './messages.ts';

/** The runs of an ACK: from the highest counter down, by turns how many came and how many lack. */
export function ackOf(counters: ReadonlySet<number>): { readonly largest: number; readonly runs: number[] } {
  const [largest = 0, ...below] = [...counters].sort((a, b) => b - a);
  const runs = [0];
  let last = largest;
  for (const counter of below) {
    const lacking = last - counter - 1;
    if (lacking === 0) runs.push((runs.pop() ?? 0) + 1);
    else runs.push(lacking - 1, 0);
    last = counter;
  }
  return { largest, runs: runs.slice(0, 63) };
}

/** The bytes of the answer, or the code of a RESET. */
export async function ask(
  peer: Initiator,
  stream: number,
  subject: readonly Value[],
): Promise<Uint8Array | string> {
  const pieces = new Map<number, Uint8Array>();
  let end = Number.POSITIVE_INFINITY;
  const answer = new Promise<Uint8Array | string>((done) => {
    void peer.next(([type, of, offset, bytes]) => {
      if (of !== stream || (type !== T.stream && type !== T.last && type !== T.reset)) return false;
      if (type === T.reset) {
        done(String(offset));
        return true;
      }
      pieces.set(Number(offset), bytes as Uint8Array);
      if (type === T.last) end = Number(offset) + (bytes as Uint8Array).length;
      const whole = new Uint8Array(Number.isFinite(end) ? end : 0);
      let reached = 0;
      for (const [at, piece] of [...pieces].sort(([a], [b]) => a - b)) {
        if (at > reached || at + piece.length > whole.length) return false;
        whole.set(piece, at);
        reached = Math.max(reached, at + piece.length);
      }
      if (reached !== end) return false;
      done(whole);
      return true;
    });
  });
  peer.say([T.ask, stream, subject]);
  return answer;
}

/** The id of a blob that is one chunk. */
export function idOfChunk(chunk: Uint8Array): Uint8Array {
  const top = hash(256, join('udp-tool/1 chunk', chunk));
  return hash(256, join('udp-tool/1 blob', bigEndian(chunk.length, 8), top));
}
