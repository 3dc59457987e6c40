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
free nothing: key. free nobody: point.         (* for what a fault leaves out *)

free i, r: scalar [private].

(* Initiator, responder, session, request, answer. A session is ck, sid, E_s and E_c: README.md says why not P. *)
event Sent(point, point, bitstring, bitstring).
event Answered(point, point, bitstring, bitstring, bitstring).
event Took(point, point, bitstring, bitstring, random).
event Heard(point, point, bitstring, bitstring, bitstring).
event Consumed(id, random).
`;

/** The same term, or nothing where it is the fault of the model that it is left out. */
const except = (without) => (name, term) => (without.includes(name) ? 'nothing' : term);

/**
 * What is random is drawn first: to the prover, a name that is drawn later is a function of all that was received before, and
 * there is no end of them. So it may be lost also where the handshake came no further.
 *
 * @param later what is lost after the fact, in phase 1
 * @param without what is left out, by a fault
 */
function initiator({ later = {}, without = [] }) {
  const part = except(without);
  const [I, R] = without.includes('names') ? ['nobody', 'nobody'] : ['I', 'R'];
  const hello = without.includes('hello') ? 'HELLO' : 'hello';
  const losses = [later.ephemerals && 'out(net, e_c)', later.kem && 'out(net, d)'].filter(Boolean);
  return `
let Initiator(own: scalar, R: point, psk: key) =
  new d: kem_secret; new nonce: bitstring; new e_c: scalar; new request: bitstring;
  ( ${losses.length > 0 ? `(phase 1; ${losses.join('; ')}) |` : ''}
  ( let I = public(own) in
    let k0 = pair_key(dh(own, R), psk) in
    let hello = (nonce, box(k_h(k0, I, R), (HELLO, nonce), kem_public(d))) in
    out(net, hello);
    in(net, (nonce2: bitstring, challenge: bitstring));
    let (boot: bitstring, E_s: point, kem_ct: bitstring, sid: id, cookie: bitstring) =
      unbox(k_c(k0, I, R), (CHALLENGE, hash(hello), nonce2), challenge) in
    let ck = chaining(decapsulate(d, kem_ct), ${I}, ${R}, hash((${hello}, boot, E_s, kem_ct))) in
    let E_c = public(e_c) in
    let P = mixed(${part('k0', 'k0')}, ${part('k_es', 'dh(e_c, R)')}, ${part('k_se', 'dh(own, E_s)')}, ${part('k_ee', 'dh(e_c, E_s)')},
      ${part('ck', 'ck')}, sid, E_c) in
    let session = (ck, sid, E_s, E_c) in
    event Sent(I, R, session, request);
    let box2 = box(k_c2s(P, ${I}, ${R}), (OPEN, sid), request) in
    out(net, (sid, cookie, box(k_open(ck), (OPEN, sid), (E_c, hash(box2))), box2));
    in(net, data: bitstring);
    let answer: bitstring = unbox(k_s2c(P, ${I}, ${R}), (DATA, sid), data) in
    event Heard(I, R, session, request, answer) )).
`;
}

/** The cookie is bound to the peer and to sid; what it says of an address is left out. */
function responder({ stolen = {}, later = {}, insider = false, without = [] }) {
  const part = except(without);
  const [I, R] = without.includes('names') ? ['nobody', 'nobody'] : ['I', 'R'];
  const hello = without.includes('hello') ? 'HELLO' : 'hello';
  return `
let AnswerHello(own: scalar, I: point, psk: key, epoch: key, e_s: scalar, boot: bitstring) =
  new co: coins; new sid: id; new nonce2: bitstring;
  ( ${later.kem ? '(phase 1; out(net, co)) |' : ''}
  ( in(net, (nonce: bitstring, sealed: bitstring));
    let R = public(own) in
    let k0 = pair_key(dh(own, I), psk) in
    let kem_pk: bitstring = unbox(k_h(k0, I, R), (HELLO, nonce), sealed) in
    let hello = (nonce, sealed) in
    let ct = encapsulated(kem_pk, co) in
    let ck = chaining(shared(kem_pk, co), ${I}, ${R}, hash((${hello}, boot, public(e_s), ct))) in
    let cookie = box(epoch, (COOKIE, sid), (ck, I)) in
    out(net, (nonce2, box(k_c(k0, I, R), (CHALLENGE, hash(hello), nonce2), (boot, public(e_s), ct, sid, cookie)))) )).

let AnswerOpen(own: scalar, psk: key, epoch: key, e_s: scalar) =
  new once: random;
  in(net, (sid: id, cookie: bitstring, box1: bitstring, box2: bitstring));
  let R = public(own) in
  let (ck: key, I: point) = unbox(epoch, (COOKIE, sid), cookie) in
  let (E_c: point, h: bitstring) = unbox(k_open(ck), (OPEN, sid), box1) in
  if h = hash(box2) then
  let k0 = pair_key(dh(own, I), psk) in
  let P = mixed(${part('k0', 'k0')}, ${part('k_es', 'dh(own, E_c)')}, ${part('k_se', 'dh(e_s, I)')}, ${part('k_ee', 'dh(e_s, E_c)')},
    ${part('ck', 'ck')}, sid, E_c) in
  let session = (ck, sid, public(e_s), E_c) in
  let request: bitstring = unbox(k_c2s(P, ${I}, ${R}), (OPEN, sid), box2) in
  event Consumed(sid, once);
  event Took(I, R, session, request, once);
  (* Drawn here, and not first: to the prover it would be one answer to whoever asked. *)
  new answer: bitstring;
  event Answered(I, R, session, request, answer);
  out(net, box(k_s2c(P, ${I}, ${R}), (DATA, sid), answer)).

let Responder(own: scalar, I: point, psk: key) =
  new boot: bitstring; out(net, boot);
  ! ( new epoch: key; new e_s: scalar;
      ( ! ${insider ? '(in(net, J: point); AnswerHello(own, J, psk, epoch, e_s, boot))' : 'AnswerHello(own, I, psk, epoch, e_s, boot)'}
      | ! AnswerOpen(own, psk, epoch, e_s)
      ${later.ephemerals ? '| (phase 1; out(net, e_s))' : ''}
      ${stolen.cookie ? '| out(net, epoch)' : ''}${later.cookie ? '| (phase 1; out(net, epoch))' : ''} ) ).
`;
}

/**
 * What stays secret, and until when. It only helps the prover, who would not come to an end otherwise: it proves this too, and
 * ends with an error where it is not so.
 */
function secrets({ stolen = {}, later = {}, hasPsk = false }) {
  const { statics, ephemerals } = later;
  const owners = [!stolen.initiator && 'i', !stolen.responder && 'r'].filter(Boolean);
  const names = [
    ['new e_c', ephemerals],
    ['new e_s', ephemerals],
    ['dh(new e_c, public(new e_s))', ephemerals],
    ['new d', later.kem],
    ['new co', later.kem],
    ...(stolen.cookie ? [] : [['new epoch', later.cookie]]),
    ...owners.flatMap((own) => [
      [own, statics],
      [`dh(${own}, public(new e_c))`, statics || ephemerals],
      [`dh(${own}, public(new e_s))`, statics || ephemerals],
    ]),
    ...(owners.length === 2 ? [['dh(i, public(r))', statics]] : []),
    ...(hasPsk ? [['psk', false]] : []),
  ];
  return names.map(([name, isLost]) => `not attacker(${name})${isLost ? ' phase 0' : ''}.`).join('\n');
}

/** What is asked, by a short name. */
function queries({ stolen = {}, injective = false }) {
  const inj = injective ? 'inj-' : '';
  const all = {
    'request secrecy':
      'query s: bitstring, m: bitstring; event(Sent(public(i), public(r), s, m)) && attacker(m) ==> false.',
    'responder authentication': `query s: bitstring, m: bitstring, a: bitstring; ${inj}event(Heard(public(i), public(r), s, m, a)) ==> ${inj}event(Answered(public(i), public(r), s, m, a)).`,
    'initiator authentication': `query s: bitstring, m: bitstring, o: random; ${inj}event(Took(public(i), public(r), s, m, o)) ==> ${inj}event(Sent(public(i), public(r), s, m)).`,
    'answer secrecy':
      'query s: bitstring, m: bitstring, a: bitstring; event(Answered(public(i), public(r), s, m, a)) && attacker(a) ==> false.',
    'no unknown key share':
      'query s: bitstring, I: point, R: point, I2: point, R2: point, m: bitstring, n: bitstring, o: random; event(Sent(I, R, s, m)) && event(Took(I2, R2, s, n, o)) ==> I = I2 && R = R2.',
    // Has to be false: or the model would not run to its end, and everything else be true of nothing.
    'reached (false is right)':
      'query s: bitstring, m: bitstring, a: bitstring; event(Answered(public(i), public(r), s, m, a)) && event(Heard(public(i), public(r), s, m, a)) ==> false.',
  };
  // Who has the responder's key is the responder to everybody; and so for the initiator's.
  const left = stolen.responder
    ? ['request secrecy', 'responder authentication']
    : stolen.initiator
      ? ['initiator authentication', 'answer secrecy']
      : [];
  return Object.entries(all).filter(([name]) => !left.includes(name));
}

function model(what = {}) {
  const { stolen = {}, later = {}, bothRoles = false, insider = false } = what;
  const { injective = false, hasPsk = false, without = [], unifies = true } = what;
  const get = bothRoles ? 'get owners(own, peer) in ' : '';
  const [initiates, responds] = bothRoles ? ['own, peer', 'own, peer'] : ['i, public(r)', 'r, public(i)'];
  return `(* Written by model.mjs. *)
(* Neither changes what is proved: the first one the time that it takes, the second how an attack is looked for. *)
set redundancyElim = no.
${unifies ? '' : 'set unifyDerivation = false.'}
${TERMS}
${hasPsk ? 'free psk: key [private].' : 'free psk: key.'}
${injective && !without.includes('consumed') ? 'restriction s: id, a: random, b: random; event(Consumed(s, a)) && event(Consumed(s, b)) ==> a = b.' : ''}
${queries(what)
  .map(([name, query]) => `(* ${name} *)\n${query}`)
  .join('\n')}
${secrets(what)}
${initiator(what)}${responder(what)}
table owners(scalar, point).
process
  out(net, public(i)); out(net, public(r));
  ${bothRoles ? 'insert owners(i, public(r)); insert owners(r, public(i));' : ''}
  ${stolen.initiator ? 'out(net, i);' : ''}${stolen.responder ? 'out(net, r);' : ''}
  ( (! (${get}${
    // Both trust whatever keys the attacker names: his own, and others, even their own.
    insider
      ? `in(net, R: point); Initiator(${initiates.split(',')[0]}, R, psk)`
      : `Initiator(${initiates}, psk)`
  }))
  | (! (${get}Responder(${responds}, psk)))
  ${later.statics ? '| (phase 1; out(net, i); out(net, r))' : ''} )
`;
}

const MODELS = {
  outsider: model(),
  'outsider-injective': model({ injective: true }),
  'both-roles': model({ bothRoles: true }),
  'initiator-key-stolen': model({ stolen: { initiator: true } }),
  'responder-key-stolen': model({ stolen: { responder: true } }),
  'statics-later': model({ later: { statics: true } }),
  'statics-and-x25519-later': model({ later: { statics: true, ephemerals: true } }),
  'statics-and-kem-later': model({ later: { statics: true, kem: true } }),
  'all-ephemerals-later': model({ later: { statics: true, ephemerals: true, kem: true } }),
  'cookie-key-later': model({ later: { statics: true, cookie: true } }),
  'all-but-psk-later': model({ later: { statics: true, ephemerals: true, kem: true }, hasPsk: true }),
  insider: model({ insider: true }),
  'insider-both-roles': model({ insider: true, bothRoles: true }),
  'insider-and-initiator-key-stolen': model({ stolen: { initiator: true }, insider: true }),
  'insider-and-responder-key-stolen': model({ stolen: { responder: true }, insider: true }),
  'insider-and-cookie-key-stolen': model({ stolen: { cookie: true }, insider: true }),
};

/** Models with a fault: in each of them something has to fall, or the queries would ask nothing. */
const FAULTS = {
  'without-k_es': model({ without: ['k_es'], stolen: { initiator: true } }),
  'without-k_se': model({ without: ['k_se'], stolen: { responder: true }, unifies: false }),
  'without-k_ee': model({ without: ['k_ee'], later: { statics: true, kem: true } }),
  'without-ck': model({ without: ['ck'], later: { statics: true, ephemerals: true } }),
  'without-k0': model({
    without: ['k0'],
    later: { statics: true, ephemerals: true, kem: true },
    hasPsk: true,
  }),
  'without-consumed': model({ without: ['consumed'], injective: true }),
  'without-names': model({ without: ['names', 'hello', 'k0', 'k_es', 'k_se'], insider: true }),
};

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('Where to? node model.mjs FOLDER\n');
  process.exit(2);
}
mkdirSync(folder, { recursive: true });
for (const [name, text] of Object.entries({ ...MODELS, ...FAULTS }))
  writeFileSync(join(folder, `${name}.pv`), text);
