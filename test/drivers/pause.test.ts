// Goal: the pause program is what pause.c says, reaps what is orphaned to it, and leaves at once and
// with exit code 0 when it is told to. Method: compile again where the compiler is the same; run it
// as PID 1 in Docker.

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDocker } from '../../agent/drivers/docker.ts'
import { type Arch, buildPause, compilerOf } from '../../agent/drivers/pause/build.ts'
import { pauseImage, tarOf } from '../../agent/drivers/pause/image.ts'
import { pause as arm64 } from '../../agent/drivers/pause/pause-arm64.ts'
import { pause as x64 } from '../../agent/drivers/pause/pause-x64.ts'
import { never } from './jobs.ts'
import { docker, importTestImage, inspect, sh } from './test-image.ts'

const committed = { x64, arm64 }
/** e_machine of the ELF header (elf.h): EM_X86_64, EM_AARCH64. */
const MACHINE = { x64: 62, arm64: 183 }
let image: string

beforeAll(async () => {
  image = await importTestImage()
  await pauseImage().ensureIn(openDocker(), never())
})

afterAll(async () => {
  await docker('rmi', image)
})

test.for(['x64', 'arm64'] as const)('the program for %s is a small ELF file', (arch) => {
  const bytes = Buffer.from(committed[arch].base64, 'base64')
  expect(bytes.subarray(0, 4)).toEqual(Buffer.from('\x7fELF', 'latin1'))
  expect(bytes.readUInt16LE(18)).toBe(MACHINE[arch])
  expect(bytes.length).toBeLessThan(1024)
})

test.for(['x64', 'arm64'] as const)(
  'the program for %s is what pause.c compiles to',
  async (arch) => {
    await expectSameBuild(arch)
  },
)

async function expectSameBuild(arch: Arch): Promise<void> {
  const compiler = await compilerOf(arch)
  // Another compiler makes other bytes of the same program: nothing to compare then.
  if (compiler !== committed[arch].compiler) return
  const cacheDir = await mkdtemp(join(tmpdir(), 'enid-pause-'))
  try {
    const bytes = await buildPause(arch, cacheDir)
    expect(bytes.toString('base64')).toBe(committed[arch].base64)
  } finally {
    await rm(cacheDir, { recursive: true })
  }
}

test('a machine without a pause program is refused by name', () => {
  expect(() => pauseImage('riscv64')).toThrow('no pause program for the machine "riscv64"')
})

test('the archive is the same bytes every time', () => {
  expect(tarOf('pause', Buffer.from('x'))).toEqual(tarOf('pause', Buffer.from('x')))
})

test('it reaps what is orphaned to it and leaves with exit code 0 on SIGTERM', async () => {
  const id = await docker('run', '--detach', '--network=none', pauseImage().reference)
  try {
    const pid = (await inspect<{ State: { Pid: number } }>(id)).State.Pid
    const orphans = sh('(/busybox sleep 0.01 &) ; (/busybox sleep 0.01 &) ; /busybox sleep 0.2')
    await docker('run', '--rm', '--network=none', `--pid=container:${id}`, image, ...orphans)
    expect(await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).toBe('')

    const begun = performance.now()
    await docker('stop', '--time=10', id)
    expect(performance.now() - begun).toBeLessThan(5_000)
    expect((await inspect<{ State: { ExitCode: number } }>(id)).State.ExitCode).toBe(0)
  } finally {
    await docker('rm', '--force', id)
  }
})
