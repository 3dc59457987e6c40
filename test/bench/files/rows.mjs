/** What is measured. A link's delay is one way; its queue is as long as is common: 100 ms. */
const LINK = { oneWayMs: 10, lossPercent: 0, rateMbit: 500, queueMs: 100 };

/**
 * `slow`: mebibytes for TCP with CUBIC where it does less than a megabyte a second; what another size would take is
 * known from these.
 */
export const rows = [
  { name: 'loopback', title: 'loopback', link: null },
  { name: 'clean', title: '20 ms round trip, 500 Mbit/s', link: LINK },
  {
    name: 'lossy',
    title: '20 ms round trip, 500 Mbit/s, 1 % loss',
    link: { ...LINK, lossPercent: 1 },
    slow: 8,
  },
  {
    name: 'far',
    title: '100 ms round trip, 500 Mbit/s, 0.5 % loss',
    link: { ...LINK, oneWayMs: 50, lossPercent: 0.5 },
    slow: 8,
  },
];

/** Beside somebody else's TCP flow. */
export const shared = {
  name: 'shared',
  title: '20 ms round trip, 100 Mbit/s, beside a TCP flow with CUBIC',
  link: { ...LINK, rateMbit: 100 },
};

export const twoSources = {
  name: 'two',
  title: 'two sources of 50 Mbit/s each, 20 ms round trip',
  link: { ...LINK, rateMbit: 50 },
  /** A part of the size that the others have. */
  share: 1 / 4,
};
