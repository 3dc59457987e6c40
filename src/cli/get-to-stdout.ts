/** `get -o -`: what is fetched goes to stdout, in order, as it comes. */

import { UdpToolError } from '../index.ts';
import type { Chosen, GetOptions } from './get.ts';

export async function getToStdout(chosen: Chosen, options: GetOptions, signal: AbortSignal): Promise<void> {
  void chosen;
  void options;
  void signal;
  throw new UdpToolError('bad-usage', 'not yet');
}
