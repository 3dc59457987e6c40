/** The requests of a report as a picture: a bar for each way to ask, with 64 outstanding, as a ratio to raw dgram. */
import { writeFileSync } from 'node:fs';

const OUTSTANDING = 64;
const [LABEL_WIDTH, BAR_WIDTH, ROW_HEIGHT, TOP] = [250, 330, 26, 34];

export function writeChart(file, { before, cases }) {
  const rows = cases
    .filter(({ outstanding }) => outstanding === OUTSTANDING)
    .map(({ kind, ratio }) => ({ name: NAMES[kind] ?? kind, ours: kind in OURS, ratio: ratio.median }))
    .sort((a, b) => b.ratio - a.ratio);
  const scale = BAR_WIDTH / Math.max(...rows.map(({ ratio }) => ratio));
  const bars = rows.map(({ name, ours, ratio }, i) => {
    const y = TOP + i * ROW_HEIGHT;
    const width = Math.max(1, ratio * scale);
    return [
      `<text x="${LABEL_WIDTH - 8}" y="${y + 15}" text-anchor="end">${escaped(name)}</text>`,
      `<rect x="${LABEL_WIDTH}" y="${y + 3}" width="${width.toFixed(1)}" height="16" class="${ours ? 'ours' : 'other'}"/>`,
      `<text x="${(LABEL_WIDTH + width + 6).toFixed(1)}" y="${y + 15}">${ratio.toFixed(2)}</text>`,
    ].join('');
  });
  const [width, height] = [LABEL_WIDTH + BAR_WIDTH + 60, TOP + rows.length * ROW_HEIGHT + 8];
  const title = `Requests a second to raw node:dgram, ${OUTSTANDING} outstanding, loopback, Node ${before.node.slice(1)}`;
  writeFileSync(
    file,
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${title}">
<style>text{font:12px system-ui,sans-serif;fill:#24292f}.ours{fill:#0969da}.other{fill:#8c959f}@media(prefers-color-scheme:dark){text{fill:#e6edf3}}</style>
<text x="8" y="20" style="font-weight:600">${title}</text>
${bars.join('\n')}
</svg>
`,
  );
}

const OURS = { library: true, sealed: true };
const NAMES = {
  raw: 'raw node:dgram, not encrypted',
  plain: 'CBOR over node:dgram, not encrypted',
  sealed: 'udp-tool, one message a datagram',
  library: 'udp-tool, the library',
};

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
