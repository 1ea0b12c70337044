// The forward protocol of fluentd and fluent-bit, as far as Docker speaks it: messages of MessagePack,
// each a tag, a time, a record and options. Written from the two specifications.

/** One message. `time` in seconds since the epoch. */
export type Message = { tag: string; time: number; record: Record<string, unknown> }

/** All whole messages in these bytes, in their order. */
export function messagesIn(bytes: Buffer): Message[] {
  const messages: Message[] = []
  const reader = new Reader(bytes)
  while (!reader.isAtEnd) {
    const [tag, time, record] = reader.read() as [string, number, Record<string, unknown>]
    messages.push({ tag, time, record })
  }
  return messages
}

class Reader {
  #at = 0
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  /** The next value. Throws for a type that Docker does not send. */
  read(): unknown {
    const type = this.#number(1)
    if (type < 0x80) return type
    if (type < 0x90) return this.#map(type & 0x0f)
    if (type < 0xa0) return this.#list(type & 0x0f)
    if (type < 0xc0) return this.#text(type & 0x1f)
    if (type >= 0xe0) return type - 0x100
    switch (type) {
      case 0xc0:
        return null
      case 0xc2:
      case 0xc3:
        return type === 0xc3
      case 0xc4:
      case 0xd9:
        return this.#text(this.#number(1))
      case 0xc5:
      case 0xda:
        return this.#text(this.#number(2))
      case 0xdb:
        return this.#text(this.#number(4))
      case 0xc7:
        return this.#extension(this.#number(1))
      case 0xcc:
        return this.#number(1)
      case 0xcd:
        return this.#number(2)
      case 0xce:
      case 0xd2:
        return this.#number(4)
      case 0xcf:
      case 0xd3:
        return this.#number(4) * 2 ** 32 + this.#number(4)
      case 0xd7:
        return this.#extension(8)
      case 0xdc:
        return this.#list(this.#number(2))
      case 0xde:
        return this.#map(this.#number(2))
    }
    throw new Error(`MessagePack type 0x${type.toString(16)} at ${this.#at - 1}`)
  }

  /** EventTime, type 0: seconds and nanoseconds. */
  #extension(length: number): number {
    const type = this.#number(1)
    if (type !== 0 || length !== 8) throw new Error(`extension ${type} of ${length} bytes`)
    return this.#number(4) + this.#number(4) / 1e9
  }

  #number(length: number): number {
    const value = this.#bytes.readUIntBE(this.#at, length)
    this.#at += length
    return value
  }

  #text(length: number): string {
    const text = this.#bytes.toString('utf8', this.#at, this.#at + length)
    this.#at += length
    return text
  }

  #list(length: number): unknown[] {
    return Array.from({ length }, () => this.read())
  }

  #map(length: number): Record<string, unknown> {
    const entries = Array.from({ length }, () => [this.read(), this.read()] as [string, unknown])
    return Object.fromEntries(entries)
  }
}
