/** The property list of launchd, macOS: launchd.plist(5), launchctl(1). */
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import {
  MARKER,
  type ServiceManager,
  type ServiceOptions,
  type ServiceScope,
  type ServiceStatus,
  serveArgv,
} from './manager.ts';

export function launchd(scope: ServiceScope): ServiceManager {
  const isSystem = scope === 'system';
  const library = isSystem ? '/Library' : join(homedir(), 'Library');
  const folder = join(library, isSystem ? 'LaunchDaemons' : 'LaunchAgents');
  const domain = isSystem ? 'system' : `gui/${userInfo().uid}`;
  const path = (name: string): string => join(folder, `${name}.plist`);
  const log = (name: string): string => join(library, 'Logs', `${name}.log`);
  return {
    hasOwnUser: false,
    paths: (name) => [path(name)],
    files: (service) => [{ path: path(service.name), text: propertyList(service, log(service.name)) }],
    folders: () => [],
    start: (paths) => paths.map((plist) => ['launchctl', 'bootstrap', domain, plist]),
    stop: (paths) => paths.map((plist) => ['launchctl', 'bootout', domain, plist]),
    forget: [],
    status: (name) => ['launchctl', 'list', name],
    readStatus,
    log: (name) => `tail -f "${log(name)}"`,
  };
}

/** @throws UdpToolError `bad-usage` for what cannot be written into it */
export function propertyList(service: ServiceOptions, log: string): string {
  const argv = serveArgv(service, true);
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- ${MARKER} -->
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${service.name}</string>
  <key>ProgramArguments</key>
  <array>
${argv.map((word) => `    <string>${escapeXml(word)}</string>`).join('\n')}
  </array>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ProcessType</key>
  <string>Background</string>
  <key>Umask</key>
  <integer>63</integer>
  <key>StandardErrorPath</key>
  <string>${escapeXml(log)}</string>
</dict>
</plist>
`;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** Of `launchctl list NAME`: a dictionary in which `"PID" = 123;` stands while it runs. */
function readStatus(printed: string): ServiceStatus {
  const pid = /"PID" = (\d+);/.exec(printed)?.[1];
  const exit = /"LastExitStatus" = (\d+);/.exec(printed)?.[1];
  const installed = printed.includes('"Label" =');
  return {
    installed,
    running: pid !== undefined,
    enabled: installed,
    state: pid === undefined ? `not running, last exit status ${exit ?? 'unknown'}` : 'running',
    ...(pid !== undefined && { pid: Number(pid) }),
  };
}
