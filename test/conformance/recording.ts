/** What somebody who has a session's keys reads in recorded datagrams. */
import { hex } from './bytes.ts';
import { BOX2, HEADER, type SessionKeys, TYPE } from './handshake.ts';
import { unbox } from './keys.ts';
import { type Message, messagesOf } from './messages.ts';

/** The messages of each OPEN and DATA of that session, in the order recorded; undefined for what does not open. */
export function readRecording(
  datagrams: readonly Uint8Array[],
  { sid, csid, c2s, s2c }: SessionKeys,
): (readonly Message[] | undefined)[] {
  return datagrams.flatMap((datagram) => {
    const receiver = hex(datagram.subarray(1, 9));
    const type = datagram[0];
    if ((type !== TYPE.open && type !== TYPE.data) || (receiver !== hex(sid) && receiver !== hex(csid)))
      return [];
    const sealed = datagram.subarray(type === TYPE.open ? BOX2 : HEADER);
    const plain = unbox(receiver === hex(sid) ? c2s : s2c, datagram.subarray(0, HEADER), sealed);
    return [plain && messagesOf(plain)];
  });
}

/** The messages of that type in what was recorded of a session. */
export const read = (recorded: readonly Uint8Array[], keys: SessionKeys, wanted: number): Message[] =>
  readRecording(recorded, keys).flatMap((messages) => messages?.filter(([type]) => type === wanted) ?? []);

/** Whether it is as long as those with a PART that is not the last. */
export const isPart = (datagram: Uint8Array): boolean => datagram[0] === TYPE.data && datagram.length > 1_200;
