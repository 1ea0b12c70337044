// Goal: a task's own volume is there for its containers and gone with them; a shared one is found, or
// made where the definition says so, and stays. Method: the real dockerd; the oracle is its command.

import { mkdtempSync, readdirSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { containerDriver } from '../../agent/drivers/container.ts'
import { openDocker } from '../../agent/drivers/docker.ts'
import type { Details, Job } from '../../agent/drivers/driver.ts'
import { MARK } from '../../agent/drivers/driver.ts'
import { openMounts } from '../../agent/drivers/mounts.ts'
import { sandboxDriver } from '../../agent/drivers/sandbox.ts'
import { volumeDriver } from '../../agent/drivers/volume.ts'
import { Failure } from '../../agent/failure.ts'
import type { ContainerSpec } from '../../state/spec.ts'
import type { VolumeSpec } from '../../state/volume.ts'
import { container, eniDetails, job, mark, never, newHolderId, newHost, spec } from './jobs.ts'
import { folders } from './own-folders.ts'
import { docker, importTestImage, inspect, sh, wearing } from './test-image.ts'

const host = newHost()
const connection = openDocker()
const routersDir = mkdtempSync('/tmp/enid-routers-')
const mounts = openMounts({ stateDir: '/nowhere' })
const driver = volumeDriver({ docker: connection, host, routersDir, mounts })
const containers = containerDriver({ docker: connection, host })
const kernel = { holdNetns: async () => {}, dropNetns: async () => {} }
const none = { driver: 'local', options: {}, labels: {} }
/** One that nobody else has, and that a failed test would leave behind. */
const sharedName = `enid-test-${newHolderId()}`
let image: string
let pause: Details['sandbox']
const pauseJob = job('sandbox', { known: { 'eni:0': eniDetails() } })

beforeAll(async () => {
  image = await importTestImage()
  pause = await sandboxDriver({ docker: connection, kernel, host, folders }).ensure(
    pauseJob,
    never(),
  )
})
afterEach(async () => {
  for (const name of await wearing(MARK.instance, host.instanceId)) {
    if (!name.endsWith('-pause')) await docker('rm', '--force', name)
  }
  await docker('volume', 'rm', '--force', sharedName)
})
afterAll(async () => {
  await sandboxDriver({ docker: connection, kernel, host, folders }).release(pauseJob, never())
  await rm(routersDir, { recursive: true })
  await docker('rmi', image)
})

const jobOf = (volume: VolumeSpec, holderId = newHolderId()): Job =>
  job(`volume:${volume.name}`, { holderId, spec: spec({ volumes: [volume] }) })

const names = () =>
  docker('volume', 'ls', '--quiet', '--filter', `label=${MARK.instance}=${host.instanceId}`)

const failing = (failure: Record<string, unknown>) => expect.objectContaining(failure)

/** Runs a line in a container of the task that mounts these; answers its id once it has ended. */
async function ran(
  given: Job,
  line: string,
  change: Partial<ContainerSpec>,
  known: Record<string, object>,
): Promise<string> {
  const own = container({ image, command: sh(line), essential: false, ...change })
  const task = { ...given.spec, containers: [own] }
  const row = `container:${own.name}` as const
  const options = { holderId: given.holderId, spec: task, known: { sandbox: pause, ...known } }
  const { containerId } = await containers.ensure(job(row, options), never())
  expect(await docker('wait', containerId)).toBe('0')
  return containerId
}

// P197
test('a volume of the task wears its mark, is made once, and goes with it', async () => {
  const labels = { own: 'label', [MARK.holder]: 'forged' }
  const given = jobOf({ name: 'data', kind: 'task', ...none, labels })
  const made = await driver.ensure(given, never())
  expect(made).toEqual({ volumeName: `ecs-web-data-${given.holderId}` })
  expect(await driver.ensure({ ...given, again: true }, never())).toEqual(made)
  expect(await names()).toBe(made.volumeName)
  const shown = JSON.parse(await docker('volume', 'inspect', made.volumeName))[0]
  expect(shown).toMatchObject({ Driver: 'local', Labels: { own: 'label', ...mark(host, given) } })

  const mounts = [{ volume: 'data', path: '/data', readOnly: false }]
  const known = { 'volume:data': made }
  await ran(given, 'echo kept > /data/word', { mounts }, known)
  const readOnly = [{ volume: 'data', path: '/data', readOnly: true }]
  const line = '/busybox cat /data/word; echo x > /data/word || echo cannot'
  const id = await ran(given, line, { name: 'reader', mounts: readOnly }, known)
  expect(await docker('logs', id)).toMatch(/^kept\n(.*\n)*cannot/)

  // Not under a container that uses it: the table takes that down first.
  await expect(driver.release(given, never())).rejects.toEqual(
    failing({ kind: 'transient', code: 'CannotRemoveVolumeError' }),
  )
  for (const name of await wearing(MARK.holder, given.holderId)) await docker('rm', name)
  await driver.release(given, never())
  expect(await names()).toBe('')
  await driver.release(given, never())
})

// P197
test('a shared volume is made where that was asked for, and stays', async () => {
  const shared = { name: sharedName, kind: 'shared', ...none } as const
  const missing = await driver.ensure(jobOf({ ...shared, isMade: false }), never()).catch((e) => e)
  expect(missing).toBeInstanceOf(Failure)
  expect(missing).toMatchObject({ kind: 'refused', code: 'CannotCreateVolumeError' })
  expect(missing.message).toContain(`there is no volume ${sharedName}`)

  const given = jobOf({ ...shared, isMade: true, labels: { team: 'a' } })
  expect(await driver.ensure(given, never())).toEqual({ volumeName: sharedName })
  const there = jobOf({ ...shared, isMade: false })
  expect(await driver.ensure(there, never())).toEqual({ volumeName: sharedName })
  await driver.release(given, never())
  const shown = JSON.parse(await docker('volume', 'inspect', sharedName))[0]
  expect(shown.Labels).toEqual({ team: 'a' })

  const other = jobOf({ ...shared, isMade: true, driver: 'nfs' })
  await expect(driver.ensure(other, never())).rejects.toThrow('is of driver local, not nfs')
})

test('a place of the host is mounted, and made where it is missing', async () => {
  const folder = await mkdtemp('/tmp/enid-volume-')
  try {
    const hostPath = join(folder, 'made')
    const given = jobOf({ name: 'place', kind: 'bind', hostPath })
    const mounts = [{ volume: 'place', path: '/place', readOnly: false }]
    await ran(given, 'echo from inside > /place/word', { mounts }, {})
    expect(await readFile(join(hostPath, 'word'), 'utf8')).toBe('from inside\n')
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('one container mounts all that another does', async () => {
  const given = jobOf({ name: 'data', kind: 'task', ...none })
  const made = await driver.ensure(given, never())
  const mounts = [{ volume: 'data', path: '/data', readOnly: false }]
  const known = { 'volume:data': made }
  const first = await ran(given, 'echo word > /data/word', { name: 'first', mounts }, known)
  const from = [{ container: 'first', readOnly: true }]
  const line = '/busybox cat /data/word; echo x > /data/word || echo cannot'
  const second = await ran(
    given,
    line,
    { name: 'second', volumesFrom: from },
    {
      'container:first': { containerId: first },
    },
  )
  expect(await docker('logs', second)).toMatch(/^word\n(.*\n)*cannot/)
  const { HostConfig } = await inspect<{ HostConfig: object }>(second)
  expect(HostConfig).toMatchObject({ VolumesFrom: [`${first}:ro`] })
  for (const name of await wearing(MARK.holder, given.holderId)) await docker('rm', name)
  await driver.release(given, never())
})

test('a log router’s folder has its files and a place for the socket, and goes with the task', async () => {
  const holderId = newHolderId()
  const from = { store: 's3', bucket: 'b', key: 'k' } as const
  const volumes: VolumeSpec[] = [
    {
      name: '~firelens',
      kind: 'router',
      files: [
        { name: 'fluent.conf', text: 'of {task-id}, {task-id}' },
        { name: 'external.conf', from },
      ],
    },
  ]
  const asked: unknown[] = []
  const values = {
    async file(source: unknown) {
      asked.push(source)
      return 'fetched'
    },
  }
  const wish = job('volume:~firelens', { holderId, spec: spec({ volumes }) })
  const routers = volumeDriver({ docker: connection, host, routersDir, mounts, values })
  for (let turn = 0; turn < 2; turn++) {
    const { volumeName } = await routers.ensure(wish, never())
    expect(volumeName).toBe(join(routersDir, holderId))
    const text = (name: string) => readFile(join(volumeName, name), 'utf8')
    expect(await text('fluent.conf')).toBe(`of ${holderId}, ${holderId}`)
    expect(await text('external.conf')).toBe('fetched')
    expect(readdirSync(join(volumeName, 'socket'))).toEqual([])
  }
  expect(asked).toEqual([from, from])
  await routers.release(wish, never())
  expect(readdirSync(routersDir)).toEqual([])
  await routers.release(wish, never())
})

test.each([
  [`/${'x'.repeat(80)}`, /too long a path/],
  ['/a:b', /has a colon/],
])('a log router below %s is refused', async (below, message) => {
  const volumes: VolumeSpec[] = [{ name: '~firelens', kind: 'router', files: [] }]
  const wish = job('volume:~firelens', { spec: spec({ volumes }) })
  const routers = volumeDriver({ docker: connection, host, routersDir: below, mounts })
  await expect(routers.ensure(wish, never())).rejects.toMatchObject({
    kind: 'refused',
    code: 'CannotCreateVolumeError',
    message: expect.stringMatching(message),
  })
})
