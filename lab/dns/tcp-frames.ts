// DNS over TCP: each message behind its length in two bytes (RFC 1035, 4.2.2). Pure.

/** The message as it goes onto a stream. */
export function frame(message: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}

/** Puts a stream's pieces together again. Holds no more than one message that is not whole. */
export class Frames {
  #rest: Buffer = Buffer.alloc(0)

  /** The messages that are whole now. Each is a copy. */
  add(piece: Buffer): Buffer[] {
    let rest = Buffer.concat([this.#rest, piece])
    const whole: Buffer[] = []
    while (rest.length >= 2) {
      const end = 2 + rest.readUInt16BE(0)
      if (rest.length < end) break
      whole.push(Buffer.from(rest.subarray(2, end)))
      rest = rest.subarray(end)
    }
    this.#rest = rest
    return whole
  }
}
