/** The causes of a failure in words, for every verb that asks a peer. */
import { diagnose, type PublicKey, type RemotePeer, RequestError, type Suggestion } from '../index.ts';

/** Where nothing authentic came back: the likely causes in order, each with what checks it. */
export function explain(error: unknown, peer: RemotePeer, ownKey: PublicKey, hasPsk: boolean): string[] {
  if (!(error instanceof RequestError) || error.code !== 'no-answer') return [];
  const { name, publicKey, at } = peer;
  if (error.progress !== 'no-handshake' || at === undefined) return [];
  const subject = { name, publicKey, at, hasPsk, ownKey };
  return [
    'A secure server is silent to whom it does not know. Likely causes, the likeliest first:',
    ...listed(diagnose(subject, { progress: error.progress, strays: false, paths: [] })),
    `What the network tells of them: udp-tool doctor ${name}`,
  ];
}

export function listed(suggestions: readonly Suggestion[]): string[] {
  return suggestions.flatMap(({ text, checks }, i) => [
    `${String(i + 1).padStart(3)}. ${text}`,
    ...checks.map((check) => `     ${check}`),
  ]);
}
