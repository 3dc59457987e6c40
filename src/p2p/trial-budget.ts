/**
 * How often addresses that an introducer told are tried: whoever introduces must not have somebody else flooded. Of one
 * IP, so few addresses in so long a time that no 10 s see more than 10 HELLOs go there.
 */
import { type Address, formatAddress } from '../session/address.ts';
import { MAX_CANDIDATES_PER_IP, TRIED_MEMORY_MS } from './constants.ts';

const MAX_REMEMBERED = 1_024;

export class TrialBudget {
  /** When each was tried, the oldest first. */
  #tried: { readonly ip: string; readonly at: number }[] = [];

  /** Those of the addresses that may be tried now; they count as tried. */
  take(addresses: readonly Address[], now: number): Address[] {
    this.#tried = this.#tried.filter(({ at }) => now - at < TRIED_MEMORY_MS);
    const seen = new Set<string>();
    return addresses.filter((address) => {
      const { ip } = address;
      const key = formatAddress(address);
      const ofIp = this.#tried.filter((one) => one.ip === ip).length;
      if (seen.has(key) || ofIp >= MAX_CANDIDATES_PER_IP || this.#tried.length >= MAX_REMEMBERED)
        return false;
      seen.add(key);
      this.#tried.push({ ip, at: now });
      return true;
    });
  }
}
