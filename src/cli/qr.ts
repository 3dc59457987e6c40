/** A QR code on the terminal. A character shows two of its modules, one above the other. */
import { forPeople, note } from './output.ts';

/** Modules around the code that stay light: scanners look for them (ISO/IEC 18004). */
const QUIET_ZONE = 4;
const BLOCKS = { neither: ' ', upper: '▀', lower: '▄', both: '█' } as const;

export async function showQrCode(text: string): Promise<void> {
  const { encode } = await import('uqr'); // which no other verb needs
  const { data: isDark } = encode(text, { border: QUIET_ZONE });
  // Without colour there is the terminal's own ink alone, which is light on most: it draws what is light then.
  const { blackOnWhite } = forPeople;
  const hasInk = (row: number, column: number): boolean =>
    (isDark[row]?.[column] ?? false) === (blackOnWhite !== null);
  for (let row = 0; row < isDark.length; row += 2) {
    const line = isDark.map((_, column) => block(hasInk(row, column), hasInk(row + 1, column))).join('');
    note(blackOnWhite === null ? line : blackOnWhite(line));
  }
}

function block(upper: boolean, lower: boolean): string {
  if (upper) return lower ? BLOCKS.both : BLOCKS.upper;
  return lower ? BLOCKS.lower : BLOCKS.neither;
}
