/** What the raw baseline is, in Python: its socket module at both ends, nothing encrypted. */
import { fileURLToPath } from 'node:url';
import { externalPeer } from './external.mjs';
import { missingCommand } from './shared.mjs';

const SCRIPT = fileURLToPath(new URL('./python_udp.py', import.meta.url));

export const python = externalPeer({
  label: 'Python 3 UDP, not encrypted',
  missing: () => missingCommand('python3', ['--version'], 'python3'),
  command: () => ['python3', SCRIPT],
});
