// Goal: a task cannot send past the IMDS block through AF_XDP, which no nftables hook sees. Method:
// a program that tries, in a container as enid makes it; and in one with Docker's defaults,
// where it gets through, so that the refusal proves something.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { containerDriver } from '../../agent/drivers/container.ts'
import { containerLogs } from '../../agent/drivers/container-logs.ts'
import { openDocker } from '../../agent/drivers/docker.ts'
import { tarOf } from '../../agent/drivers/pause/image.ts'
import { sandboxDriver } from '../../agent/drivers/sandbox.ts'
import { container, eniDetails, job, never, newHost, spec } from './jobs.ts'
import { folders } from './own-folders.ts'
import { docker } from './test-image.ts'

const host = newHost()
const connection = openDocker()
const kernel = { holdNetns: async () => {}, dropNetns: async () => {} }
const pauseJob = job('sandbox', { known: { 'eni:0': eniDetails() } })
const image = 'enid-test/xdp:1'
const folder = mkdtempSync(join(tmpdir(), 'enid-xdp-'))

beforeAll(async () => {
  const program = join(folder, 'xdp')
  const source = join(import.meta.dirname, 'xdp.c')
  execFileSync('gcc', ['-static', '-O1', '-o', program, source])
  const [repository = '', tag = ''] = image.split(':')
  const layer = tarOf('xdp', readFileSync(program))
  await connection.importImage(layer, { repository, tag, changes: [] }, never())
})

afterAll(async () => {
  await docker('rmi', image)
  rmSync(folder, { recursive: true })
})

// P182
test('a container of a task gets no memory for AF_XDP frames', async () => {
  const sandbox = sandboxDriver({ docker: connection, kernel, host, folders })
  const pause = await sandbox.ensure(pauseJob, never())
  const containers = [container({ image, command: ['/xdp'] })]
  const given = job('container:app', { spec: spec({ containers }), known: { sandbox: pause } })
  const driver = containerDriver({ docker: connection, host })
  try {
    const { containerId } = await driver.ensure(given, never())
    await docker('wait', containerId)
    expect(await containerLogs(connection, containerId, 5, never())).toMatch(/^(memory|socket) \d+/)
  } finally {
    await driver.release(given, never())
    await sandbox.release(pauseJob, never())
  }
})

test('with the defaults of Docker it would get through', async () => {
  const flags = ['run', '--rm', '--network', 'none']
  expect(await docker(...flags, image, '/xdp')).toBe('sends')
})
