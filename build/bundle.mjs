/**
 * Bundles the command line into one file: of the time that `udp-tool send` takes, most was finding and compiling
 * modules, and decoding libsodium's WebAssembly from base64 in JavaScript that is not compiled yet.
 * What it measures and what it brought: docs/performance.md, cold start.
 */
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { build } from 'esbuild';

const ENTRY = 'dist/cli/main.js';
const OUTPUT = 'dist/cli/udp-tool.js';
const WASM = 'dist/cli/libsodium.wasm';

/**
 * What src/crypto/sodium.ts uses of libsodium-wrappers, without its 120 kB of functions for each call; and with the
 * randomness of node:crypto, which is there sooner than that of webcrypto.
 */
const WRAPPERS = `
import { randomBytes } from 'node:crypto';
import create from 'libsodium';
const libsodium = await create({ getRandomValue: () => randomBytes(4).readUInt32LE() });
if (libsodium._sodium_init() < 0) throw new Error('libsodium cannot be initialised.');
export default { ready: Promise.resolve(), libsodium };
`;

const leanSodium = {
  name: 'lean-sodium',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]libsodium-wrappers\.mjs$/ }, ({ path }) => ({
      contents: WRAPPERS,
      loader: 'js',
      resolveDir: dirname(path),
    }));
    // It holds one `??=(decoder)("AGFzbQ…")`; that is "\0asm" in base64. The bytes go into a file of their own.
    onLoad({ filter: /[\\/]libsodium\.mjs$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      const [before, base64, after] = source.split(/\("(AGFzbQ[A-Za-z0-9+/=]+)"\)/);
      const decoder = before.lastIndexOf('??=(');
      if (after === undefined || decoder < 0 || !before.slice(decoder).includes('charCodeAt')) {
        throw new Error(`${path} holds its WebAssembly otherwise than before: look at build/bundle.mjs.`);
      }
      await writeFile(WASM, Buffer.from(base64, 'base64'));
      const bytes = `readWasm(new URL("./${basename(WASM)}",import.meta.url))`;
      const imports = 'import { readFileSync as readWasm } from "node:fs";';
      return { contents: `${imports}${before.slice(0, decoder)}??=${bytes}${after}`, loader: 'js' };
    });
  },
};

await build({
  entryPoints: [ENTRY],
  outfile: OUTPUT,
  bundle: true,
  // Their kilobytes would cost every start milliseconds; only --qr needs the one, and who looks into the LAN the other.
  external: ['uqr', 'multicast-dns'],
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  minify: true,
  keepNames: true, // errors and inspection show names of classes
  legalComments: 'eof',
  // commander is CommonJS, and asks for Node's modules by require.
  banner: {
    js: "import { createRequire as nodeRequire } from 'node:module'; const require = nodeRequire(import.meta.url);",
  },
  plugins: [leanSodium],
  logLevel: 'warning',
});
await chmod(OUTPUT, 0o755);
