/** Writes the man page, from the definitions of the verbs that the command line has. */
import { mkdir, writeFile } from 'node:fs/promises';
import { manPage } from '../dist/cli/man-page.js';
import { buildProgram } from '../dist/cli/program.js';

await mkdir('dist/man', { recursive: true });
await writeFile('dist/man/udp-tool.1', manPage(buildProgram()));
