/** Why a datagram is dropped (PROTOCOL §11), for people. */
export const DROP_WORDS: Readonly<Record<string, string>> = {
  'bad-source': 'It says that it comes from port 0, to which nothing can be sent.',
  'too-short': 'It is shorter than any datagram of udp-tool.',
  'too-long': 'It is longer than any datagram of udp-tool.',
  'unknown-type': 'Something else than udp-tool sent it.',
  'bad-length': 'It is a handshake, and not as long as one.',
  'bad-header': 'Its first bytes are not as udp-tool writes them.',
  'unknown-tag':
    'Somebody wants to talk whom this machine does not trust: a stranger, or a machine whose key changed.',
  'unknown-hello': 'It answers a handshake that this machine did not begin, or had ended.',
  'unknown-session': 'Its session is over, or was never here: perhaps udp-tool was started anew.',
  'bad-box': 'It was sealed under another key, or changed on the way.',
  replayed: 'It came before. Networks repeat datagrams at times; so do attackers.',
  consumed: 'It answers a handshake that was answered already.',
  'bad-cookie': 'It answers a handshake of long ago, or one that never was.',
  'bad-key': 'It holds a key that is none.',
  'rate-limited': 'A peer begins more handshakes than it needs.',
  'peer-full': 'Too many programs of that peer talk to this machine at once.',
  expired: 'Its session is past its life; its sender will make a new one.',
  'bad-envelope': 'A peer sealed it, and it is not as the protocol has it.',
};
