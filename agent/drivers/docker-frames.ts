// Docker's frames, as they come: one byte stream number, three zero bytes, four bytes length, data.
// A container or an exec with a terminal has one stream, and no frames.

/** What a process wrote: 1 is its output, 2 its errors. */
export type Written = { readonly channel: 1 | 2; readonly data: Buffer }

const HEADER = 8

/** The frames of a stream, each as soon as it is whole; a torn last one is left out. */
export async function* framesOf(stream: AsyncIterable<Buffer>): AsyncIterable<Written> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of stream) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    while (rest.length >= HEADER) {
      const end = HEADER + rest.readUInt32BE(4)
      if (rest.length < end) break
      yield { channel: rest[0] === 2 ? 2 : 1, data: rest.subarray(HEADER, end) }
      rest = rest.subarray(end)
    }
  }
}

/** The same of a stream that has none. */
export async function* plainOf(stream: AsyncIterable<Buffer>): AsyncIterable<Written> {
  for await (const data of stream) yield { channel: 1, data }
}
