/** One schedule: the attacker has the wire for a while, then lets go; and at the end he gets all that is left. */
import { Attacker } from './attacker.ts';
import type { Host } from './host.ts';
import { ledger } from './ledger/ledger.ts';
import { violated } from './properties.ts';
import { readable } from './reader.ts';
import { World } from './world.ts';

const MIN_STEPS = 10;
const MAX_STEPS = 70;
/** Retransmission at its slowest, a session that is found to be dead, a handshake. */
const RECOVERY_MS = 30_000;
/** Of the schedules, those in which he goes on to replay HELLOs, while Alice has to begin anew. */
const GOES_ON = 0.01;
/** Longer than any token is good. */
const EPOCHS_MS = 130_000;
/** Longer than a session lives without a word, and an epoch. */
const SILENCE_MS = 16 * 60_000;
/** Of the schedules, those after which everything recorded is tried. */
const READ = 0.004;

export interface Report {
  readonly steps: number;
  readonly datagrams: number;
  /** Of them, between two others and over a relay. */
  readonly relayed: number;
  readonly answered: number;
  /** How long the first request took after the attacker had let go, in ms. */
  readonly recoveredAfterMs: number;
  /** Datagrams that whoever gets everything can read: at once, and after a silence. Null where nobody tried. */
  readonly readable: { readonly atOnce: number; readonly relayed: number; readonly later: number } | null;
}

/**
 * @param reads how often everything recorded is tried
 * @throws Violation
 */
export function runSchedule(seed: number, reads: number = READ): Report {
  const world = new World(seed);
  const attacker = new Attacker(world);
  const steps = MIN_STEPS + world.prng.below(MAX_STEPS - MIN_STEPS);
  for (let i = 0; i < steps; i++) attacker.step();

  const goesOn = world.prng.chance(GOES_ON);
  if (goesOn) {
    attacker.gather();
    if (world.prng.chance(0.5)) world.pass(EPOCHS_MS);
    attacker.storm();
    world.restart(world.alice);
  }
  const result = world.ask(world.alice, world.bob, 'echo', RECOVERY_MS);
  const askedAt = world.now;
  world.calm(RECOVERY_MS, () => result.settledAt !== null, goesOn ? () => attacker.replayHellos(2) : null);
  if (!result.ok) violated('recovery', `not answered ${RECOVERY_MS} ms after the attacker had let go`);
  const read = world.prng.chance(reads) ? whatIsReadable(world) : null;
  return {
    steps,
    datagrams: world.sent.length,
    relayed: 0,
    answered: world.requests.answered,
    recoveredAfterMs: (result.settledAt as number) - askedAt,
    readable: read,
  };
}

function whatIsReadable(world: World): NonNullable<Report['readable']> {
  const { alice, bob, mallory } = world;
  const pairs: [Host, Host][] = [
    [alice, bob],
    [bob, alice],
    [mallory, bob],
  ];
  const attempt = (): number => {
    ledger.acting = null;
    return readable(world.sent, pairs, ledger.secrets());
  };
  const atOnce = attempt();
  world.pass(SILENCE_MS);
  const later = attempt();
  if (later > 0) violated('forward secrecy', `${later} datagrams can be read when all is over`);
  return { atOnce, relayed: 0, later };
}
