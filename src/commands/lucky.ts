import { randomInt } from 'node:crypto';
import { UdpToolError } from '../errors.ts';
import { defineCommand } from '../rpc/command.ts';

/** randomInt takes a range below this. */
const MAX_RANGE = 2 ** 48 - 1;

export const lucky = defineCommand({
  name: 'lucky',
  summary: 'A lucky number, each of the range equally likely',
  args: [
    { name: 'min', type: 'integer', summary: 'The smallest', default: 1 },
    { name: 'max', type: 'integer', summary: 'The largest', default: 100 },
  ],
  idempotent: true,
  run: ({ args: { min, max } }) => {
    if (min > max) throw new UdpToolError('bad-arguments', `<min> (${min}) must not be above <max> (${max})`);
    if (max - min >= MAX_RANGE) throw new UdpToolError('bad-arguments', 'The range must be below 2^48');
    return min + randomInt(max - min + 1);
  },
});
