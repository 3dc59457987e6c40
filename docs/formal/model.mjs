#!/usr/bin/env node
/**
 * Writes ProVerif models of the handshake of PROTOCOL §3 to §5, one for each question, into a folder: README.md says what
 * they leave out. `node model.mjs FOLDER`
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Terms, in the words of PROTOCOL. `dh` is X, `box` is box with its nonce bound to it. */
const TERMS = `
free net: channel.
type scalar. type point. type key. type kem_secret. type coins. type random. type id.
free HELLO, CHALLENGE, OPEN, DATA, COOKIE: bitstring.

fun public(scalar): point.
fun dh(scalar, point): key.
equation forall x: scalar, y: scalar; dh(x, public(y)) = dh(y, public(x)).

fun box(key, bitstring, bitstring): bitstring.
reduc forall k: key, n: bitstring, m: bitstring; unbox(k, n, box(k, n, m)) = m.
fun hash(bitstring): bitstring.

fun kem_public(kem_secret): bitstring.
fun encapsulated(bitstring, coins): bitstring.
fun shared(bitstring, coins): key.
reduc forall d: kem_secret, r: coins; decapsulate(d, encapsulated(kem_public(d), r)) = shared(kem_public(d), r).

(* §3.2 *)
fun pair_key(key, key): key.
fun k_h(key, point, point): key.
fun k_c(key, point, point): key.
(* §5.1 *)
fun chaining(key, point, point, bitstring): key.
fun k_open(key): key.
fun mixed(key, key, key, key, key, id, point): key.
fun k_c2s(key, point, point): key.
fun k_s2c(key, point, point): key.

free i, r: scalar [private].

event Sent(point, point, key, bitstring).      (* initiator, responder, keys, request *)
event Answered(point, point, key, bitstring, bitstring).
event Took(point, point, key, bitstring, random).
event Heard(point, point, key, bitstring, bitstring).
event Consumed(id, random).
`;

/** @param later what is lost after the fact, in phase 1 */
function initiator(later) {
  const losses = [later.ephemerals && 'out(net, e_c)', later.kem && 'out(net, d)'].filter(Boolean);
  return `
let Initiator(own: scalar, R: point, psk: key) =
  let I = public(own) in
  let k0 = pair_key(dh(own, R), psk) in
  new d: kem_secret; new nonce: bitstring;
  let hello = (nonce, box(k_h(k0, I, R), (HELLO, nonce), kem_public(d))) in
  out(net, hello);
  in(net, (nonce2: bitstring, challenge: bitstring));
  let (boot: bitstring, E_s: point, kem_ct: bitstring, sid: id, cookie: bitstring) =
    unbox(k_c(k0, I, R), (CHALLENGE, hash(hello), nonce2), challenge) in
  let ck = chaining(decapsulate(d, kem_ct), I, R, hash((hello, boot, E_s, kem_ct))) in
  new e_c: scalar;
  let E_c = public(e_c) in
  let P = mixed(k0, dh(e_c, R), dh(own, E_s), dh(e_c, E_s), ck, sid, E_c) in
  new request: bitstring;
  event Sent(I, R, P, request);
  let box2 = box(k_c2s(P, I, R), (OPEN, sid), request) in
  out(net, (sid, cookie, box(k_open(ck), (OPEN, sid), (E_c, hash(box2))), box2));
  ( ( in(net, data: bitstring);
      let answer: bitstring = unbox(k_s2c(P, I, R), (DATA, sid), data) in
      event Heard(I, R, P, request, answer) )
  ${losses.length > 0 ? `| (phase 1; ${losses.join('; ')})` : ''} ).
`;
}

/** The cookie is bound to the peer and to sid; what it says of an address is left out. */
function responder(later, insider) {
  return `
let AnswerHello(own: scalar, I: point, psk: key, epoch: key, e_s: scalar, boot: bitstring) =
  in(net, (nonce: bitstring, sealed: bitstring));
  let R = public(own) in
  let k0 = pair_key(dh(own, I), psk) in
  let kem_pk: bitstring = unbox(k_h(k0, I, R), (HELLO, nonce), sealed) in
  new co: coins; new sid: id; new nonce2: bitstring;
  let hello = (nonce, sealed) in
  let ct = encapsulated(kem_pk, co) in
  let ck = chaining(shared(kem_pk, co), I, R, hash((hello, boot, public(e_s), ct))) in
  let cookie = box(epoch, (COOKIE, sid), (ck, I)) in
  ( out(net, (nonce2, box(k_c(k0, I, R), (CHALLENGE, hash(hello), nonce2), (boot, public(e_s), ct, sid, cookie))))
  ${later.kem ? '| (phase 1; out(net, co))' : ''} ).

let AnswerOpen(own: scalar, psk: key, epoch: key, e_s: scalar) =
  in(net, (sid: id, cookie: bitstring, box1: bitstring, box2: bitstring));
  let R = public(own) in
  let (ck: key, I: point) = unbox(epoch, (COOKIE, sid), cookie) in
  let (E_c: point, h: bitstring) = unbox(k_open(ck), (OPEN, sid), box1) in
  if h = hash(box2) then
  let k0 = pair_key(dh(own, I), psk) in
  let P = mixed(k0, dh(own, E_c), dh(e_s, I), dh(e_s, E_c), ck, sid, E_c) in
  let request: bitstring = unbox(k_c2s(P, I, R), (OPEN, sid), box2) in
  new once: random;
  event Consumed(sid, once);
  event Took(I, R, P, request, once);
  new answer: bitstring;
  event Answered(I, R, P, request, answer);
  out(net, box(k_s2c(P, I, R), (DATA, sid), answer)).

let Responder(own: scalar, I: point, psk: key) =
  new boot: bitstring;
  ! ( new epoch: key; new e_s: scalar;
      ( ! AnswerHello(own, I, psk, epoch, e_s, boot)
      | ! AnswerOpen(own, psk, epoch, e_s)
      ${insider ? '| ! (in(net, x: scalar); AnswerHello(own, public(x), psk, epoch, e_s, boot))' : ''}
      ${later.ephemerals ? '| (phase 1; out(net, e_s))' : ''}
      ${later.cookie ? '| (phase 1; out(net, epoch))' : ''} ) ).
`;
}

/** What is asked, by a short name. */
function queries({ stolen = {}, injective = false, isPlain = false }) {
  const inj = injective ? 'inj-' : '';
  const all = {
    'request secrecy':
      'query P: key, m: bitstring; event(Sent(public(i), public(r), P, m)) && attacker(m) ==> false.',
    'responder authentication': `query P: key, m: bitstring, a: bitstring; ${inj}event(Heard(public(i), public(r), P, m, a)) ==> ${inj}event(Answered(public(i), public(r), P, m, a)).`,
    'initiator authentication': `query P: key, m: bitstring, o: random; ${inj}event(Took(public(i), public(r), P, m, o)) ==> ${inj}event(Sent(public(i), public(r), P, m)).`,
    'answer secrecy':
      'query P: key, m: bitstring, a: bitstring; event(Answered(public(i), public(r), P, m, a)) && attacker(a) ==> false.',
    'no unknown key share':
      'query P: key, I: point, R: point, I2: point, R2: point, m: bitstring, n: bitstring, o: random; event(Sent(I, R, P, m)) && event(Took(I2, R2, P, n, o)) ==> I = I2 && R = R2.',
    // Has to be false: or the model would not run to its end, and everything else be true of nothing. Where the attacker
    // only has more than in the plain model, he can do all that he can there.
    'reached (false is right)':
      'query P: key, m: bitstring, a: bitstring; event(Heard(public(i), public(r), P, m, a)) ==> false.',
  };
  // Who has the responder's key is the responder to everybody; and so for the initiator's.
  const left = stolen.responder
    ? ['request secrecy', 'responder authentication']
    : stolen.initiator
      ? ['initiator authentication', 'answer secrecy']
      : [];
  if (!isPlain) left.push('reached (false is right)');
  return Object.entries(all).filter(([name]) => !left.includes(name));
}

function model({ stolen = {}, later = {}, hasPsk = false, bothRoles = false, insider = false, ...more }) {
  const asked = queries({ stolen, ...more });
  return `(* Written by model.mjs. *)
${TERMS}
${hasPsk ? 'free psk: key [private].' : 'free psk: key.'}
${more.injective ? 'restriction s: id, a: random, b: random; event(Consumed(s, a)) && event(Consumed(s, b)) ==> a = b.' : ''}
${asked.map(([name, query]) => `(* ${name} *)\n${query}`).join('\n')}
${initiator(later)}${responder(later, insider)}
process
  out(net, public(i)); out(net, public(r));
  ${stolen.initiator ? 'out(net, i);' : ''}${stolen.responder ? 'out(net, r);' : ''}
  ( (! Initiator(i, public(r), psk)) | (! Responder(r, public(i), psk))
  ${bothRoles ? '| (! Initiator(r, public(i), psk)) | (! Responder(i, public(r), psk))' : ''}
  ${insider ? '| (! (in(net, x: scalar); Initiator(i, public(x), psk)))' : ''}
  ${later.statics ? '| (phase 1; out(net, i); out(net, r))' : ''} )
`;
}

/**
 * Who the responder takes for the initiator, where the answer over the whole handshake does not come to an end: the keys of
 * a session alone. The attacker chooses E_s and ck of each initiator and ck of each responder, sees every sid, and has
 * whatever else of the handshake he likes, since it is not there: he can do more than in the protocol, so what is true here
 * is true there.
 */
function core({ stolen = {}, insider = false }) {
  return `(* Written by model.mjs: the core. *)
free net: channel.
type scalar. type point. type key. type id. type random.
free OPEN: bitstring.
fun public(scalar): point.
fun dh(scalar, point): key.
equation forall x: scalar, y: scalar; dh(x, public(y)) = dh(y, public(x)).
fun box(key, bitstring, bitstring): bitstring.
reduc forall k: key, n: bitstring, m: bitstring; unbox(k, n, box(k, n, m)) = m.
fun pair_key(key): key.
fun mixed(key, key, key, key, key, id, point): key.
fun k_c2s(key, point, point): key.
free i, r: scalar [private].
event Sent(point, point, key, bitstring).
event Took(point, point, key, bitstring).
(* initiator authentication *)
query P: key, m: bitstring; event(Took(public(i), public(r), P, m)) ==> event(Sent(public(i), public(r), P, m)).
(* no unknown key share *)
query P: key, I: point, R: point, I2: point, R2: point, m: bitstring, n: bitstring; event(Sent(I, R, P, m)) && event(Took(I2, R2, P, n)) ==> I = I2 && R = R2.
(* reached (false is right) *)
query P: key, m: bitstring; event(Took(public(i), public(r), P, m)) ==> false.

let Initiator(own: scalar, R: point) =
  in(net, (E_s: point, ck: key, sid: id));
  new e_c: scalar; new request: bitstring;
  let I = public(own) in
  let P = mixed(pair_key(dh(own, R)), dh(e_c, R), dh(own, E_s), dh(e_c, E_s), ck, sid, public(e_c)) in
  event Sent(I, R, P, request);
  out(net, (public(e_c), box(k_c2s(P, I, R), (OPEN, sid), request))).

let Responder(own: scalar, I: point, e_s: scalar) =
  new sid: id; out(net, sid);
  in(net, (ck: key, E_c: point, box2: bitstring));
  let R = public(own) in
  let P = mixed(pair_key(dh(own, I)), dh(own, E_c), dh(e_s, I), dh(e_s, E_c), ck, sid, E_c) in
  let request: bitstring = unbox(k_c2s(P, I, R), (OPEN, sid), box2) in
  event Took(I, R, P, request).

process
  out(net, public(i)); out(net, public(r));
  ${stolen.responder ? 'out(net, r);' : ''}
  ( (! Initiator(i, public(r)))
  ${insider ? '| (! (in(net, x: scalar); Initiator(i, public(x))))' : ''}
  | (! (new e_s: scalar; out(net, public(e_s));
       ( (! Responder(r, public(i), e_s)) ${insider ? '| (! (in(net, x: scalar); Responder(r, public(x), e_s)))' : ''} ))) )
`;
}

const MODELS = {
  outsider: model({ isPlain: true }),
  'outsider-injective': model({ injective: true }),
  'both-roles': model({ bothRoles: true }),
  'initiator-key-stolen': model({ stolen: { initiator: true } }),
  'responder-key-stolen': model({ stolen: { responder: true } }),
  'responder-key-stolen-core': core({ stolen: { responder: true } }),
  'statics-later': model({ later: { statics: true } }),
  'statics-and-x25519-later': model({ later: { statics: true, ephemerals: true } }),
  'statics-and-kem-later': model({ later: { statics: true, kem: true } }),
  'all-ephemerals-later': model({ later: { statics: true, ephemerals: true, kem: true } }),
  'cookie-key-later': model({ later: { statics: true, cookie: true } }),
  'all-but-psk-later': model({ later: { statics: true, ephemerals: true, kem: true }, hasPsk: true }),
  insider: model({ insider: true }),
  'insider-core': core({ insider: true }),
  'insider-and-responder-key-stolen-core': core({ stolen: { responder: true }, insider: true }),
};

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('Where to? node model.mjs FOLDER\n');
  process.exit(2);
}
mkdirSync(folder, { recursive: true });
for (const [name, text] of Object.entries(MODELS)) writeFileSync(join(folder, `${name}.pv`), text);
