import { Courier, type MessageStore, type UdpEndpoint, UdpToolError } from '../index.ts';
import type { ServeReport } from './serve-report.ts';

/** Delivers messages that wait; undefined, and said, where there is no place for any. */
export async function startCourier(
  endpoint: UdpEndpoint,
  store: MessageStore,
  report: ServeReport,
  stop: AbortSignal,
): Promise<Courier | undefined> {
  try {
    const onDelivered = ({ name }: { readonly name: string }): void => report.delivered(name);
    return await Courier.start({ endpoint, store, onDelivered }, stop);
  } catch (error) {
    if (!(error instanceof UdpToolError)) throw error;
    report.line(`No messages are taken or delivered: ${error.message}`);
    return undefined;
  }
}
