// What travels over the connection of an exec once it was upgraded: frames of one byte kind, four bytes
// length (big-endian) and data, in both directions.
//
//   to the program    0 input · 1 its input is over · 2 size of the terminal (columns, rows: 2 bytes each)
//   from the program  1 output · 2 errors · 3 it has ended (exit code: 4 bytes) · 4 why nobody can tell

/** The protocol's name in the Upgrade header. No web page can send it. */
export const EXEC_PROTOCOL = 'enid-exec'

export const TO = { input: 0, inputOver: 1, size: 2 } as const
export const FROM = { exit: 3, failure: 4 } as const

export type Frame = { readonly kind: number; readonly data: Buffer }

const HEADER = 5
/** No frame of a client is longer, bytes. */
const FRAME_MAX = 1 << 20

export function frame(kind: number, data: Buffer | string = ''): Buffer {
  const bytes = Buffer.from(data)
  const header = Buffer.alloc(HEADER)
  header.writeUInt8(kind)
  header.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([header, bytes])
}

/** The frames of a connection, each when it is whole. Throws for one that is longer than may be. */
export async function* readFrames(stream: AsyncIterable<Buffer>): AsyncIterable<Frame> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of stream) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    while (rest.length >= HEADER) {
      const length = rest.readUInt32BE(1)
      if (length > FRAME_MAX) throw new Error(`a frame of ${length} bytes`)
      if (rest.length < HEADER + length) break
      yield { kind: rest.readUInt8(), data: rest.subarray(HEADER, HEADER + length) }
      rest = rest.subarray(HEADER + length)
    }
  }
}
