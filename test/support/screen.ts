/** What a camera sees of a terminal: blocks and colours as pixels. */

const COLOURS: Readonly<Record<string, number>> = { 16: 0, 231: 255 };
const INK: Readonly<Record<string, readonly [boolean, boolean]>> = {
  ' ': [false, false],
  '▀': [true, false],
  '▄': [false, true],
  '█': [true, true],
};
/** Of a module, in pixels. */
const SCALE = 4;

export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly rgba: Uint8ClampedArray;
}

/** A terminal with its own colours, 0 black to 255 white. */
export interface Theme {
  readonly ink: number;
  readonly paper: number;
}

export const DARK: Theme = { ink: 230, paper: 20 };
export const LIGHT: Theme = { ink: 30, paper: 250 };

/** The picture of all lines that are made of blocks alone, amid a margin of the terminal's own colour. */
export function photograph(printed: string, theme: Theme): Picture {
  const rows: number[][] = [];
  for (const line of printed.split(/\r?\n/)) {
    const [ink, paper, text] = colours(line, theme);
    const cells = [...text].map((character) => INK[character]);
    if (cells.length < 20 || cells.includes(undefined)) continue;
    for (const half of [0, 1]) rows.push(cells.map((cell) => (cell?.[half] ? ink : paper)));
  }
  const margin = 3;
  const width = (Math.max(0, ...rows.map((row) => row.length)) + 2 * margin) * SCALE;
  const height = (rows.length + 2 * margin) * SCALE;
  const rgba = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const shade = rows[Math.floor(y / SCALE) - margin]?.[Math.floor(x / SCALE) - margin] ?? theme.paper;
      rgba.fill(shade, (y * width + x) * 4, (y * width + x) * 4 + 3);
    }
  }
  return { width, height, rgba };
}

function colours(line: string, { ink, paper }: Theme): [number, number, string] {
  const match = /^\u001b\[38;5;(\d+);48;5;(\d+)m(.*)\u001b\[0m$/.exec(line);
  if (match === null) return [ink, paper, line];
  return [COLOURS[match[1] ?? ''] ?? ink, COLOURS[match[2] ?? ''] ?? paper, match[3] ?? ''];
}
