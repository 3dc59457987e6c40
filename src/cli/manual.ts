/** What `--help` and the man page tell beside the definitions of the verbs. */
import { columns } from './output.ts';

type Line = readonly [what: string, about: string];

export const EXAMPLES: readonly Line[] = [
  ['udp-tool pair', 'on the Pi, once: the two trust each other, without typing keys'],
  ['udp-tool pair 192.168.2.3', 'on the Mac, meanwhile'],
  ['udp-tool keygen', 'or, on each machine, once'],
  ['udp-tool peer add mac udp1…', 'on the Pi: trust the Mac'],
  ['udp-tool serve', 'on the Pi: answer'],
  ['udp-tool peer add pi udp1… --at 192.168.2.3:9999', 'on the Mac: trust the Pi'],
  ['udp-tool send time', 'on the Mac: ask'],
  ['udp-tool share holiday.mov', 'on the Pi, instead of serve: offer a file'],
  ['udp-tool get holiday.mov', 'on the Mac: fetch it'],
];

export const FILES: readonly Line[] = [
  ['secret.key', 'in the key folder: the secret key of this machine, for its owner alone'],
  ['peers.toml', 'in the key folder: the peers, as text that a person may edit'],
  ['inbox/, outbox/', 'in the key folder: messages, sealed, until they are read or delivered'],
  ['hashes/', 'in the key folder: hashes of what is shared, so that nothing is hashed twice'],
  ['seen.json', 'in the key folder: where peers were found last, to look for them there again'],
  ['./keys', 'the key folder of a checkout, or where it holds your key'],
  ['~/.config/udp-tool', 'the key folder elsewhere, under XDG_CONFIG_HOME where that is set'],
  ['/etc/udp-tool', 'the key folder of a service that was installed with --system'],
];

export const ENVIRONMENT: readonly Line[] = [
  ['UDP_TOOL_KEYS', 'the key folder, where --keys does not say it'],
  ['XDG_CONFIG_HOME', 'the folder above the key folder; ~/.config if not set'],
  ['NO_COLOR', 'no colours, also on a terminal'],
  [
    'CREDENTIALS_DIRECTORY',
    'set by systemd: where it holds udp-tool.secret.key, that is the secret key, instead of the one in the key folder',
  ],
  ['STATE_DIRECTORY', 'set by systemd: where messages and seen.json are kept, instead of in the key folder'],
  [
    'LISTEN_FDS, LISTEN_PID',
    'set by systemd: "serve" answers on the sockets that it was given, instead of opening its own',
  ],
];

export function examplesForHelp(): string {
  return columns(EXAMPLES.map(([line, about]) => [`  ${line}`, `   ${about}`]));
}
