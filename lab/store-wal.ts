// Whether SQLite's write-ahead log is as it was written. SQLite reads it up to the first frame that does
// not verify and drops the rest in silence, and with it calls that were answered. A process that was
// killed leaves one such frame at most, the last, which belongs to no answered call; a frame behind it
// was written, so it is damage. (The format: sqlite.org/fileformat2.html, "The Write-Ahead Log".)
//
//   header: magic, version, page size, number, 2 salts, 2 sums │ frame: page, size, 2 salts, 2 sums, page
//
// Each frame's sums go on from those of the frame before, and its salts are the header's: what an
// earlier log left behind the end has others.

import { existsSync, readFileSync, statSync } from 'node:fs'
import { uptime } from 'node:os'

const MAGIC = { little: 0x377f0682, big: 0x377f0683 } as const
const HEADER_BYTES = 32
const FRAME_BYTES = 24
/** What a frame's sums are of, beside its page. */
const SUMMED_BYTES = 8

type Sums = readonly [number, number]

/**
 * Throws when the log beside this file is none, or is damaged before its end. One that was written
 * before the machine started is let be: a power loss may take any frame that no fsync wrote.
 */
export function checkWal(path: string): void {
  const log = `${path}-wal`
  if (!existsSync(log)) return
  const bytes = readFileSync(log)
  if (bytes.length === 0) return
  const magic = bytes.length < 4 ? 0 : bytes.readUInt32BE(0)
  if (magic !== MAGIC.little && magic !== MAGIC.big) {
    throw new Error('its write-ahead log (world.db-wal) is none')
  }
  if (statSync(log).mtimeMs < Date.now() - uptime() * 1000) return
  const lost = framesLost(bytes, magic === MAGIC.little)
  if (lost > 1) {
    throw new Error(
      `its write-ahead log (world.db-wal) is damaged: ${lost} pages at its end would be lost`,
    )
  }
}

/** How many frames of this log stand at and behind the first that does not verify. */
function framesLost(bytes: Buffer, isLittle: boolean): number {
  if (bytes.length < HEADER_BYTES) return 0
  const step = FRAME_BYTES + bytes.readUInt32BE(8)
  const salts = bytes.subarray(16, 24)
  let sums = sum([0, 0], bytes.subarray(0, 24), isLittle)
  let isWhole = isSum(bytes.subarray(24, 32), sums)
  let lost = 0
  for (let at = HEADER_BYTES; at + step <= bytes.length; at += step) {
    const frame = bytes.subarray(at, at + step)
    if (!frame.subarray(8, 16).equals(salts)) {
      isWhole = false
      continue
    }
    sums = sum(sums, frame.subarray(0, SUMMED_BYTES), isLittle)
    sums = sum(sums, frame.subarray(FRAME_BYTES), isLittle)
    isWhole &&= isSum(frame.subarray(16, 24), sums)
    if (!isWhole) lost++
  }
  return lost
}

function sum([first, second]: Sums, bytes: Buffer, isLittle: boolean): Sums {
  const word = (at: number): number => (isLittle ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at))
  let [a, b] = [first, second]
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    a = (a + word(at) + b) >>> 0
    b = (b + word(at + 4) + a) >>> 0
  }
  return [a, b]
}

const isSum = (written: Buffer, [a, b]: Sums): boolean =>
  written.readUInt32BE(0) === a && written.readUInt32BE(4) === b
