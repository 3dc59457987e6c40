/** What a target is to notice, it notices: the library with a fault in it fails after so many inputs, and without it never. */
import { describe, expect, test } from 'vitest';
import type { Mutation } from '../support/bundle.mjs';
import { load } from './bundle.mjs';

const SEED = 1;
/** It is found long before. */
const MAX_SECONDS = 20;
/** More than there are seeds of any target. */
const RUNS = 100;

const FAULTS: readonly (Mutation & { readonly target: string; readonly fault: string })[] = [
  {
    target: 'cbor',
    fault: 'a map has a key twice',
    file: 'src/wire/cbor.ts',
    from: "if (keys.has(key)) return 'a map key stands twice';",
    to: '',
  },
  {
    target: 'cbor',
    fault: 'lengths have several forms',
    file: 'src/wire/cbor.ts',
    from: 'return this.#argument < smallest ?',
    to: 'return this.#argument < 0 ?',
  },
  {
    target: 'cbor',
    fault: 'text is not checked',
    file: 'src/wire/cbor.ts',
    from: "return 'a text is not valid UTF-8';",
    to: 'return null;',
  },
  {
    target: 'cbor',
    fault: 'a length is believed',
    file: 'src/wire/cbor.ts',
    from: 'for (let i = 0; i < count; i++) {\n      const problem = this.item(depth - 1);',
    to: 'new Uint32Array(Math.min(count, 1e6));\n    for (let i = 0; i < count; i++) {\n      const problem = this.item(depth - 1);',
  },
  {
    target: 'envelope',
    fault: 'bytes behind the mark of a piece',
    file: 'src/wire/envelope.ts',
    from: 'for (let i = end + 1; i < plaintext.length; i++) if (plaintext[i] !== 0) return null;',
    to: '',
  },
  {
    target: 'envelope',
    fault: 'runs of an ACK below zero',
    file: 'src/wire/stream-messages.ts',
    from: 'if (high < 0 || run > high) return null;',
    to: 'if (high < 0) return null;',
  },
  {
    target: 'envelope',
    fault: 'what proves a path is shown',
    file: 'src/wire/describe-message.ts',
    from: 'case MessageType.INSTANCE:\n    case MessageType.CLOSE:\n      return {};',
    to: "case MessageType.INSTANCE:\n      return { instance: 'x' };\n    case MessageType.CLOSE:\n      return {};",
  },
  {
    target: 'handshake',
    fault: 'a datagram is longer than its fields',
    file: 'src/session/handshake-datagrams.ts',
    from: 'return offset === decoded.value.length ? fields : null;',
    to: 'return offset <= decoded.value.length ? fields : null;',
  },
  {
    target: 'offers',
    fault: 'a name with control characters',
    file: 'src/files/names.ts',
    from: 'if (MISLEADING.test(name)) return',
    to: 'if (name.length === 0) return',
  },
  {
    target: 'offers',
    fault: 'fewer bytes than none',
    file: 'src/sharing/push-state.ts',
    from: ' && doneBytes >= 0',
    to: '',
  },
  {
    target: 'manifest',
    fault: 'a file in no folder',
    file: 'src/files/manifest.ts',
    from: "if (parent !== '' && this.#folders.length === 0) return 'an entry is in no folder';",
    to: '',
  },
  {
    target: 'manifest',
    fault: 'what an entry lacks is waited for without end',
    file: 'src/files/manifest.ts',
    from: 'this.#rest = input.slice(offset);',
    to: 'this.#rest = new Uint8Array(input.slice(offset));\n    new Uint8Array(65_536);',
  },
  {
    target: 'introductions',
    fault: 'this machine itself is tried for somebody else',
    file: 'src/p2p/candidates.ts',
    from: " || (scope === 'loopback' && scopeOf(introducer.ip) !== 'loopback')",
    to: '',
  },
  {
    target: 'pairing-datagrams',
    fault: 'an offer has any length',
    file: 'src/pairing/offer.ts',
    from: 'if (bytes.length !== OFFER_BYTES) return null;',
    to: '',
  },
  {
    target: 'announcement',
    fault: 'a port is any number',
    file: 'src/lan/announcement.ts',
    from: ' || port > 65_535',
    to: '',
  },
  {
    target: 'keys',
    fault: 'one point has two keys',
    file: 'src/crypto/keys.ts',
    from: 'if (!isCanonical(bytes))',
    to: 'if (bytes.length === 0)',
  },
  {
    target: 'addresses',
    fault: 'the port of a name is that of sessions, always',
    file: 'src/transport/resolve.ts',
    from: 'match?.[3] === undefined ? defaultPort',
    to: 'match?.[3] === undefined ? DEFAULT_PORT',
  },
  {
    target: 'peer-book',
    fault: 'a name of a peer is any text',
    file: 'src/peer-book.ts',
    from: 'if (!isPeerName(name)) refuse',
    to: "if (name === '') refuse",
  },
  {
    target: 'machine',
    fault: 'a forged counter moves the replay window',
    file: 'src/session/session.ts',
    from: 'const plaintext = openWithin(datagram, boxOffset, this.#receiveKey);',
    to: 'this.#window.commit(counter);\n    const plaintext = openWithin(datagram, boxOffset, this.#receiveKey);',
  },
  {
    target: 'machine',
    fault: 'a forged datagram keeps a session alive',
    file: 'src/session/session.ts',
    from: 'const plaintext = openWithin(datagram, boxOffset, this.#receiveKey);',
    to: 'this.#lastReceivedAt = now;\n    const plaintext = openWithin(datagram, boxOffset, this.#receiveKey);',
  },
  {
    target: 'machine',
    fault: 'a stranger uses up random bytes',
    file: 'src/session/responder.ts',
    from: "if (peer === undefined) return 'unknown-tag';\n    for",
    to: "if (peer === undefined) {\n      random(1);\n      return 'unknown-tag';\n    }\n    for",
  },
  {
    target: 'machine',
    fault: 'a request that comes again is executed again',
    file: 'src/rpc/request-server.ts',
    from: 'const known = lane.entries.get(request.id);',
    to: 'const known = lane.entries.get(-1);',
  },
  {
    target: 'machine',
    fault: 'a session is never forgotten',
    file: 'src/session/session.ts',
    from: 'now < this.expiresAt && now - this.#lastReceivedAt < this.#idleMs && ',
    to: '',
  },
  {
    target: 'pairing',
    fault: 'a yes of the person here is enough',
    file: 'src/pairing/pairing.ts',
    from: 'this.#theirs >= Step.YES && ',
    to: '',
  },
  {
    target: 'pairing',
    fault: 'a proof is not looked at',
    file: 'src/pairing/pairing.ts',
    from: 'if (!isStep(step) || !this.#exchange.isProofOfOther(step, proof)) {',
    to: 'if (!isStep(step)) {',
  },
  {
    target: 'parts',
    fault: 'parts of two runs of a server are put together',
    file: 'src/rpc/request-client.ts',
    from: '!equalBytes(assembly.boot, session.boot) || ',
    to: '',
  },
  {
    target: 'parts',
    fault: 'a part that comes twice counts twice',
    file: 'src/rpc/answer.ts',
    from: 'if (hasBit(this.have, part.index)) return true;',
    to: '',
  },
  {
    target: 'parts',
    fault: 'what is there is sent again',
    file: 'src/rpc/answer.ts',
    from: 'messages.filter((_, index) => !hasBit(have, index))',
    to: 'messages.filter(() => have.length > 0)',
  },
  {
    target: 'parts',
    fault: 'what is over is on the way for ever',
    file: 'src/rpc/flight-window.ts',
    from: "if (item.flight === 'in flight') this.#bytes -= item.bytes;",
    to: '',
  },
  {
    target: 'conversation',
    fault: 'what waits is dropped for what is newer',
    file: 'src/messages/conversation-file.ts',
    from: ' || this.#waiting.has(entry)',
    to: '',
  },
  {
    target: 'conversation',
    fault: 'what could not be written is there all the same',
    file: 'src/messages/conversation-file.ts',
    from: 'await truncate(this.#path, this.#size).catch(() => {});',
    to: '',
  },
  {
    target: 'conversation',
    fault: 'a message is read before it came',
    file: 'src/messages/conversation-file.ts',
    from: 'const upTo = Math.min(stored.upTo, this.#lastSeq);',
    to: 'const { upTo } = stored;',
  },
  {
    target: 'messages',
    fault: 'parts of two messages are put together',
    file: 'src/messages/commands.ts',
    from: 'if (assembly?.id !== id || assembly.texts.length !== parts) {',
    to: 'if (assembly?.texts.length !== parts) {',
  },
  {
    target: 'messages',
    fault: 'a message waits no longer, and has not arrived yet',
    file: 'src/messages/delivery.ts',
    from: 'await bring(peer, message, options);\n    await store.settled(message);',
    to: 'await store.settled(message);\n    await bring(peer, message, options);',
  },
  {
    target: 'messages',
    fault: 'mail is any text',
    file: 'src/messages/delivery.ts',
    from: ' ||\n    !isText(text)',
    to: '',
  },
  {
    target: 'watched',
    fault: 'values are made while nobody waits',
    file: 'src/watching/watches.ts',
    from: 'this.#polls.length > 0 && this.#unacknowledged.size',
    to: 'this.#unacknowledged.size',
  },
  {
    target: 'watched',
    fault: 'what was made is told after it was taken away',
    file: 'src/watching/watches.ts',
    from: '(this.#running !== null || this.#unsent.length > 0) && !',
    to: 'this.#running !== null && !',
  },
  {
    target: 'watched',
    fault: 'what did not come is not given again',
    file: 'src/watching/watches.ts',
    from: 'this.#unacknowledged.set(item.seq, item);',
    to: '',
  },
  {
    target: 'watching',
    fault: 'what never came is said to be there',
    file: 'src/watching/watch.ts',
    from: 'const upTo = this.#contiguous();',
    to: 'const upTo = Math.max(this.#taken, ...this.#came.keys());',
  },
  {
    target: 'watching',
    fault: 'a peer that has nothing is asked at once again',
    file: 'src/watching/watch.ts',
    from: "if (afterMs < TOO_SOON_MS) this.#stop('gone');",
    to: '',
  },
  {
    target: 'pushes',
    fault: 'something is on the disk before anybody is asked',
    file: 'src/sharing/incoming-push.ts',
    from: 'await Download.refuseTooLarge({ offer, into });',
    to: "await (await Download.open({ offer, into, conflict: 'rename' })).suspend();",
  },
  {
    target: 'pushes',
    fault: 'nobody is asked before it is fetched',
    file: 'src/sharing/incoming-push.ts',
    from: 'if (accepts?.(peer, offer)) return true;',
    to: 'await this.#fetch(await this.#open());',
  },
  {
    target: 'pushes',
    fault: 'a piece is not looked at',
    file: 'src/files/blob-reader.ts',
    from: "if (!this.matches(index, bytes)) return 'wrong';",
    to: '',
  },
  {
    target: 'http',
    fault: 'a page of another origin may have things done',
    file: 'src/gui/gatekeeper.ts',
    from: 'return isReadAllowed(headers) && isOwnOrigin(headers);',
    to: 'return headers.origin !== undefined;',
  },
  {
    target: 'http',
    fault: 'any cookie opens the door',
    file: 'src/gui/http-server.ts',
    from: 'if (secrets === null || !door.isOpenTo(secrets))',
    to: 'if (secrets === null)',
  },
  {
    target: 'http',
    fault: 'who may only look changes things',
    file: 'src/gui/http-server.ts',
    from: 'if (action.isRead !== true) this.#refuseReadOnly();',
    to: '',
  },
  {
    target: 'workers',
    fault: 'where a datagram came from is lost on the way round',
    file: 'src/workers/messages.ts',
    from: "return { type: 'stray', owner, datagram, from: address };",
    to: "return { type: 'stray', owner, datagram, from: { ...address, port: 9999 } };",
  },
  {
    target: 'workers',
    fault: 'what is of no worker is handed on',
    file: 'src/session/session-ids.ts',
    from: 'return owner < this.#place.count ? owner : null;',
    to: 'return owner;',
  },
];

/** Of targets/, where it is not the name of the target. */
const FILES: Readonly<Record<string, string>> = {
  offers: 'files',
  manifest: 'files',
  introductions: 'p2p',
  announcement: 'p2p',
  'pairing-datagrams': 'handshake',
  addresses: 'keys',
  'peer-book': 'keys',
  watched: 'watching',
};

describe('a fault', () => {
  test.each(FAULTS)('of $target: $fault', async ({ target: name, ...mutation }) => {
    const { targets, fuzz } = await load(mutation, `${FILES[name] ?? name}.ts`);
    const target = targets.find((one) => one.name === name);
    if (target === undefined) throw new Error(`There is no target ${name}.`);
    const { failure } = await fuzz({ target, seed: SEED, corpus: [], seconds: MAX_SECONDS, shortens: false });
    expect(failure, 'nothing was noticed').not.toBeNull();
  });
});

test('without a fault, the same inputs find nothing', async () => {
  const { targets, fuzz } = await load();
  expect(new Set(FAULTS.map(({ target }) => target))).toEqual(new Set(targets.map(({ name }) => name)));
  for (const target of targets) {
    const { failure, runs, features } = await fuzz({ target, seed: SEED, corpus: [], runs: RUNS });
    expect(failure, target.name).toBeNull();
    expect(runs).toBe(RUNS);
    expect(features).toBeGreaterThan(10);
  }
});
