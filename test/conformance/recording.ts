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
