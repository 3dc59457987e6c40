import { uptime } from 'node:os';
import { defineCommand } from '../rpc/command.ts';

export const time = defineCommand({
  name: 'time',
  summary: "The other machine's date and time, and for how many seconds it has been up",
  idempotent: true,
  // With its padding, the answer is as long as that of lucky.
  run: () => ({ time: localIsoTime(new Date()), uptime: Math.floor(uptime()) }),
});

/** RFC 3339 with the local offset: `2026-11-22T14:09:00.123+01:00`. */
function localIsoTime(date: Date): string {
  const offset = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, 23);
  const pad = (n: number): string => String(n).padStart(2, '0');
  const minutes = Math.abs(offset);
  return `${local}${offset < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`;
}
