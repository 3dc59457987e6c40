import { expect, test } from 'vitest';
import { Outbox } from '../../src/session/outbox.ts';

const TO = { ip: '192.168.2.1', port: 9999 };
const KIB = new Uint8Array(1024);

test('takes 1 MiB of messages, and more once those were taken, or thrown away', () => {
  const outbox = new Outbox();
  const fill = (): void => {
    for (let i = 0; i < 1024; i++) expect(outbox.push({ message: KIB, to: TO })).toBe(true);
    expect(outbox.push({ message: new Uint8Array(1), to: TO })).toBe(false);
  };
  fill();
  const [run] = outbox.take();
  expect(run?.messages).toHaveLength(1024);
  fill();
  outbox.clear();
  expect(outbox.empty).toBe(true);
  fill();
});
