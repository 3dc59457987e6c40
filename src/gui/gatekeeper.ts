/** Which requests of a browser are this page's own, by their headers. */
import type { IncomingHttpHeaders } from 'node:http';

/** Names of this machine's loopback: any other name in Host is somebody's who has pointed it here (DNS rebinding). */
const LOOPBACK_HOST = /^(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?$/;

/** Any port: the end of an ssh tunnel may have another. */
export function isHostAllowed({ host }: IncomingHttpHeaders): boolean {
  return host !== undefined && LOOPBACK_HOST.test(host);
}

/** What a page of another origin, even of another port of this machine, cannot make a browser send. */
export function isReadAllowed(headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site'];
  // Old browsers do not send it; those are kept out by the page key.
  if (site !== undefined && site !== 'same-origin') return false;
  return headers.origin === undefined || isOwnOrigin(headers);
}

export function isWriteAllowed(headers: IncomingHttpHeaders): boolean {
  return isReadAllowed(headers) && isOwnOrigin(headers);
}

function isOwnOrigin({ origin, host }: IncomingHttpHeaders): boolean {
  return origin === `http://${host}`;
}
