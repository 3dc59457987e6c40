/** Builds the page of `udp-tool gui`: everything that it needs is in it, and nothing is fetched from elsewhere. */
import { copyFile, mkdir } from 'node:fs/promises';
import { build } from 'esbuild';

const FROM = 'src/gui/page';
const TO = 'dist/gui/page';

await mkdir(TO, { recursive: true });
await build({
  entryPoints: [`${FROM}/main.tsx`],
  outfile: `${TO}/app.js`,
  bundle: true,
  format: 'esm',
  target: ['chrome114', 'firefox115', 'safari16.4'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  minify: true,
  legalComments: 'eof',
  logLevel: 'warning',
});
for (const file of ['index.html', 'icon.svg']) await copyFile(`${FROM}/${file}`, `${TO}/${file}`);
