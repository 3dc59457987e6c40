/** One schedule in which messages are written; then the attacker lets go, and all of them come. */
import { Attacker } from './attacker.ts';
import { MessageWorld } from './message-world.ts';
import { violated } from './properties.ts';
import type { Report } from './schedule.ts';

const MIN_STEPS = 10;
const MAX_STEPS = 60;
const WRITTEN = 0.1;
/** Up to six parts. */
const LENGTHS = [10, 500, 2_000, 5_000] as const;
const RECOVERY_MS = 60_000;

/** @throws Violation */
export async function runMessages(seed: number): Promise<Report> {
  const world = new MessageWorld(seed);
  const attacker = new Attacker(world);
  const { prng } = world;
  const steps = MIN_STEPS + prng.below(MAX_STEPS - MIN_STEPS);
  for (let i = 0; i < steps; i++) {
    if (prng.chance(WRITTEN)) world.write(LENGTHS[prng.below(LENGTHS.length)] as number);
    if (prng.chance(0.5)) world.bring();
    attacker.step();
    await world.settle();
  }
  world.write(10);
  world.underway.length = 0;
  const letGoAt = world.now;
  while (!world.areAllDelivered) {
    if (world.now - letGoAt > RECOVERY_MS)
      violated('recovery', `messages still wait ${RECOVERY_MS} ms after the attacker had let go`);
    world.bring();
    await world.leaveAlone();
  }
  world.expectAll();
  return {
    steps,
    datagrams: world.sent.length,
    relayed: 0,
    answered: world.delivered,
    recoveredAfterMs: world.now - letGoAt,
    readable: null,
  };
}
