/** Sends over a channel between processes what may be lost, and so holds back nothing while the channel is backed up. */
export class LossySender<Message> {
  readonly #send: (message: Message, sent: () => void) => boolean;
  #full = false;

  /** @param send as of a process: false when the channel is backed up, `sent` when the message has left */
  constructor(send: (message: Message, sent: () => void) => boolean) {
    this.#send = send;
  }

  /** Whether the message is on its way. */
  send(message: Message): boolean {
    if (this.#full) return false;
    // What `send` refuses it has queued all the same, and that leaves last.
    let left = false;
    const more = this.#send(message, () => {
      left = true;
      this.#full = false;
    });
    this.#full = !more && !left;
    return true;
  }
}
