// Goal: the terminal of a program beside the container's own has the caller's size, and what Docker
// refuses is told. Method: the real dockerd; the oracle is what the program sees of its terminal.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDocker } from '../../agent/drivers/docker.ts'
import type { Executing } from '../../agent/drivers/docker-exec.ts'
import { never } from './jobs.ts'
import { docker, importTestImage } from './test-image.ts'

const connection = openDocker()
let image: string
let container: string

beforeAll(async () => {
  image = await importTestImage()
  const idle = ['/busybox', 'sh', '-c', 'while :; do /busybox sleep 1; done']
  container = (await docker('run', '--detach', '--network', 'none', image, ...idle)).trim()
})
afterAll(async () => {
  await docker('rm', '--force', container)
  await docker('rmi', image)
})

const inTerminal = (line: string): Promise<Executing> =>
  connection.exec(container, { command: ['/busybox', 'sh', '-c', line], tty: true }, never())

async function said({ stream }: Executing): Promise<string> {
  const all: Buffer[] = []
  for await (const data of stream) all.push(data as Buffer)
  return Buffer.concat(all).toString()
}

// P526
test('a size that is ordered at once is the size of the terminal, every time', async () => {
  const sizes: string[] = []
  for (let n = 1; n <= 20; n++) {
    const running = await inTerminal('/busybox sleep 0.3; /busybox stty size')
    await running.resize(100 + n, 30)
    sizes.push((await said(running)).trim())
  }
  expect(sizes).toEqual(Array.from({ length: 20 }, (_, n) => `30 ${101 + n}`))
}, 180_000)

// P526
test('of a program that has ended it does nothing; what Docker refuses otherwise is a Failure', async () => {
  const ended = await inTerminal('exit 0')
  await said(ended)
  await expect.poll(() => ended.exitCode()).toBe(0)
  await ended.resize(80, 24)
  const running = await inTerminal('read line')
  const refusal = { kind: 'refused', code: 'CannotResizeExec' }
  await expect(running.resize(Number.NaN, 24)).rejects.toMatchObject(refusal)
  running.stream.end('\n')
  await said(running)
})
