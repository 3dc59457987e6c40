import { UdpToolError } from '../../index.ts';
import type { ErrorView } from '../api.ts';

/** What the page is told of an error. */
export function errorView(error: unknown): ErrorView {
  if (!(error instanceof UdpToolError)) return { code: 'failed', message: 'A defect of udp-tool.' };
  const { code, message, hint } = error;
  return { code, message, ...(hint !== undefined && { hint }) };
}
