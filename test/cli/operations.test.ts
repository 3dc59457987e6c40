import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { Lab, LOOPBACK } from '../support/cli.ts';
import { Consoles, consolesOf } from '../support/transcript.ts';

const text = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8');
const boxes = consolesOf(text);

test('docs/operations.md has consoles', () => {
  expect(boxes.length).toBeGreaterThan(6);
});

test.concurrent.each(boxes.map((steps) => [steps[0]?.command ?? '', steps] as const))(
  'docs/operations.md: the box that begins with "%s" is as it says',
  async (_first, steps) => {
    await using lab = await Lab.open();
    const pi = await lab.machine('pi');
    const mac = await lab.machine('mac');
    const consoles = await Consoles.open({ pi, mac }, ['9999', '9998', '9464']);
    await pi.trust(mac);
    await mac.store.addPeer({
      name: 'pi',
      publicKey: await pi.publicKey(),
      at: `${LOOPBACK}:${consoles.portFor('9999')}`,
    });
    await consoles.run(steps);
  },
);
