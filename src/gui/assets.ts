/** The page's files, which the build put beside this one. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';

export interface Asset {
  readonly type: string;
  readonly body: Uint8Array;
  readonly gzip: Uint8Array;
  readonly etag: string;
}

const FILES: readonly (readonly [path: string, file: string, type: string])[] = [
  ['/', 'index.html', 'text/html; charset=utf-8'],
  ['/app.js', 'app.js', 'text/javascript; charset=utf-8'],
  ['/app.css', 'app.css', 'text/css; charset=utf-8'],
  ['/icon.svg', 'icon.svg', 'image/svg+xml'],
];

/** @param folder `dist/gui/page/` */
export async function loadAssets(folder: URL): Promise<ReadonlyMap<string, Asset>> {
  const entries = FILES.map(async ([path, file, type]): Promise<[string, Asset]> => {
    const body = await readFile(new URL(file, folder));
    const etag = `"${createHash('sha256').update(body).digest('base64url')}"`;
    return [path, { type, body, gzip: gzipSync(body), etag }];
  });
  return new Map(await Promise.all(entries));
}
