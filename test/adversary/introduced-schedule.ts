/** One schedule between two who are introduced; then the attacker lets go, and gets all that is left. */
import { REFUSED_PAUSE_MS } from '../../src/p2p/constants.ts';
import type { P2pMachine } from '../../src/p2p/p2p-machine.ts';
import type { Host, Sent } from './host.ts';
import { IntroducedAttacker } from './introduced-attacker.ts';
import { IntroducedWorld } from './introduced-world.ts';
import { ledger } from './ledger/ledger.ts';
import { violated } from './properties.ts';
import { readable } from './reader.ts';
import type { Report } from './schedule.ts';
import type { Asked } from './wire.ts';

const MIN_STEPS = 10;
const MAX_STEPS = 50;
/** Polls that failed pause for a minute at most, and end after half a minute. */
const RECOVERY_MS = 150_000;
const ASK_EVERY_MS = 5_000;
const ASK_MS = 10_000;
const SILENCE_MS = 16 * 60_000;
const READ = 0.004;

/**
 * @param reads how often everything recorded is tried
 * @throws Violation
 */
export function runIntroduced(seed: number, reads: number = READ): Report {
  const world = new IntroducedWorld(seed);
  const attacker = new IntroducedAttacker(world);
  const steps = MIN_STEPS + world.prng.below(MAX_STEPS - MIN_STEPS);
  if (world.prng.chance(0.8)) world.calm(1_000, undefined, () => attacker.serve());
  for (let i = 0; i < steps; i++) attacker.step();

  const isRead = world.prng.chance(reads);
  if (isRead) expectSecret(world);
  world.letGo();
  if (world.isRefused) world.calm(REFUSED_PAUSE_MS);
  const recoveredAfterMs = recovery(world);
  return {
    steps,
    datagrams: world.sent.length,
    relayed: world.relayed.length,
    answered: world.requests.answered,
    recoveredAfterMs,
    readable: isRead ? whatIsReadable(world) : null,
  };
}

/** Somebody who wants to be answered looks for a way again and again. */
function recovery(world: IntroducedWorld): number {
  const { alice, carol } = world;
  const askedAt = world.now;
  const asked: Asked[] = [];
  let askAgainAt = askedAt;
  const isOver = (): boolean => asked.some(({ ok }) => ok);
  world.calm(RECOVERY_MS, isOver, () => {
    if (world.now < askAgainAt) return;
    askAgainAt += ASK_EVERY_MS;
    asked.push(world.reachAndAsk(alice, carol, 'echo', ASK_MS));
  });
  if (isOver()) return world.now - askedAt;
  violated('recovery', `not answered ${RECOVERY_MS} ms after the attacker had let go`);
}

/** Bob has his own keys, and what is in his memory; he has the other two sides' datagrams. */
function expectSecret(world: IntroducedWorld): void {
  const { alice, bob, carol } = world;
  ledger.acting = null;
  const pairs: [Host, Host][] = [
    [alice, bob],
    [carol, bob],
  ];
  const count = readable(world.relayed, pairs, ledger.secretsOf(bob));
  if (count > 0) violated('secret to the relay', `${count} datagrams that were relayed can be read by Bob`);
}

function whatIsReadable(world: IntroducedWorld): NonNullable<Report['readable']> {
  const { alice, bob, carol } = world;
  const pairs: [Host, Host][] = [
    [alice, bob],
    [carol, bob],
    [alice, carol],
    [carol, alice],
  ];
  const attempt = (sent: readonly Sent[]): number => {
    ledger.acting = null;
    return readable(sent, pairs, ledger.secrets());
  };
  const all = [...world.sent, ...world.relayed];
  const atOnce = attempt(all);
  const relayed = attempt(world.relayed);
  for (const { machine } of [alice, carol]) (machine as P2pMachine).reachable.stop();
  world.pass(SILENCE_MS);
  const later = attempt(all);
  if (later > 0) violated('forward secrecy', `${later} datagrams can be read when all is over`);
  return { atOnce, relayed, later };
}
