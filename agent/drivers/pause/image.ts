// The image of the pause container. It needs no registry: the program is carried in the product and
// imported into Docker when it is missing, also after somebody pruned it.

import { createHash } from 'node:crypto'
import { Failure } from '../../failure.ts'
import type { Docker } from '../docker.ts'
import type { PauseBinary } from './build.ts'
import { pause as arm64 } from './pause-arm64.ts'
import { pause as x64 } from './pause-x64.ts'

const BINARIES: Readonly<Record<string, PauseBinary>> = { x64, arm64 }

export type PauseImage = {
  /** `enid/pause:<hash of the program>`: another program is another image. */
  readonly reference: string
  /** Makes sure that Docker has it. */
  ensureIn(docker: Docker, signal: AbortSignal): Promise<void>
}

/** The pause image for a machine as Node names it. Throws `refused` for one that is not known. */
export function pauseImage(arch: string = process.arch): PauseImage {
  const binary = BINARIES[arch]
  if (binary === undefined) {
    throw new Failure('refused', 'PauseImageError', `no pause program for the machine "${arch}"`, {
      hint: `There is one for ${Object.keys(BINARIES).join(' and ')}.`,
    })
  }
  const program = Buffer.from(binary.base64, 'base64')
  const repository = 'enid/pause'
  const tag = createHash('sha256').update(program).digest('hex').slice(0, 12)
  const changes = ['ENTRYPOINT ["/pause"]', 'LABEL enid:pause=yes']
  const reference = `${repository}:${tag}`
  let importing: Promise<void> | undefined
  return {
    reference,
    async ensureIn(docker, signal) {
      // Each import makes another image and leaves the one before without a name.
      if ((await docker.image(reference, signal)) !== undefined) return
      const tar = tarOf('pause', program)
      importing ??= docker.importImage(tar, { repository, tag, changes }, signal).finally(() => {
        importing = undefined
      })
      await importing
    },
  }
}

/**
 * A tar archive (ustar, POSIX.1-1988) of one executable file that root owns, made in 1970: the same
 * bytes every time.
 */
export function tarOf(name: string, content: Buffer): Buffer {
  const header = Buffer.alloc(512)
  const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, '0')}\0`
  header.write(name, 0)
  header.write(octal(0o755, 8), 100) // mode
  header.write(octal(0, 8), 108) // user
  header.write(octal(0, 8), 116) // group
  header.write(octal(content.length, 12), 124)
  header.write(octal(0, 12), 136) // modification time
  header.write('        ', 148) // the checksum is taken with spaces in its place
  header.write('0', 156) // a regular file
  header.write('ustar\x0000', 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  const padding = Buffer.alloc((512 - (content.length % 512)) % 512)
  return Buffer.concat([header, content, padding, Buffer.alloc(1024)])
}
