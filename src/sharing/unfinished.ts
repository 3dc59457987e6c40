/** Why a fetch did not end with all of it, as an error. */
import { UdpToolError } from '../errors.ts';
import type { Offer } from '../files/offer.ts';
import type { FetchEnd } from './fetch.ts';
import type { SourceLoss } from './source.ts';

/** An error `aborted`, `no-answer`, `not-offered`, or `integrity` where everybody sent what is wrong. */
export function unfinished(
  { name }: Offer,
  end: Exclude<FetchEnd, 'complete'>,
  losses: readonly SourceLoss[],
): UdpToolError {
  const hint = 'What has come stays: ask for it again, and it goes on where it stopped.';
  switch (end) {
    case 'aborted':
      return new UdpToolError('aborted', `Stopped before "${name}" was complete.`, { hint });
    case 'no-source':
      if (losses.length > 0 && losses.every((loss) => loss === 'wrong')) {
        return new UdpToolError('integrity', `What was sent as "${name}" is not what was offered.`, {
          hint: 'Nothing wrong of it was kept. Ask whom it is from whether it is whole there.',
        });
      }
      return new UdpToolError('not-offered', `Nobody offers "${name}" any more, as it was.`, { hint });
    case 'silence':
      return new UdpToolError('no-answer', `Nobody who has "${name}" answers any more.`, { hint });
  }
}
