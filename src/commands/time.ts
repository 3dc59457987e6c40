import { uptime } from 'node:os';
import { defineCommand } from '../rpc/command.ts';

export const time = defineCommand({
  name: 'time',
  summary: "The other machine's date and time, and for how many seconds it has been up",
  idempotent: true,
  run: () => ({ time: localIsoTime(new Date()), uptime: Math.floor(uptime()) }),
});

/** RFC 3339 with the local offset, to the second: `2026-11-22T14:09:00+01:00`. */
function localIsoTime(date: Date): string {
  const offset = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, 19);
  const pad = (n: number): string => String(n).padStart(2, '0');
  const minutes = Math.abs(offset);
  return `${local}${offset < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`;
}
