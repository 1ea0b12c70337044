// Goal: a container is made ahead of its start, wears the mark of the row that starts it, is made once
// whatever a death left behind, and is removed by the row that made it. Method: the real dockerd; the
// oracle is the docker command.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { containerDriver } from '../../agent/drivers/container.ts'
import { createdDriver } from '../../agent/drivers/created.ts'
import { openDocker } from '../../agent/drivers/docker.ts'
import type { Details, Job } from '../../agent/drivers/driver.ts'
import { MARK } from '../../agent/drivers/driver.ts'
import { openRoles } from '../../agent/drivers/roles/roles.ts'
import { sandboxDriver } from '../../agent/drivers/sandbox.ts'
import { openValues } from '../../agent/drivers/values/values.ts'
import type { ContainerSpec } from '../../state/spec.ts'
import type { RowId } from '../../state/task.ts'
import { container, eniDetails, job, mark, never, newHolderId, newHost, spec } from './jobs.ts'
import { folders } from './own-folders.ts'
import { docker, importTestImage, inspect, sh, wearing } from './test-image.ts'

const host = newHost()
const connection = openDocker()
const secretsDir = mkdtempSync(join(tmpdir(), 'enid-created-'))
const roles = openRoles({ sources: new Map(), region: host.region })
const values = openValues({ roles, region: host.region, secretsDir })
const creator = createdDriver({ docker: connection, host, values })
const starter = containerDriver({ docker: connection, host, values })
const kernel = { holdNetns: async () => {}, dropNetns: async () => {} }
const sandbox = sandboxDriver({ docker: connection, kernel, host, folders })
const pauseJob = job('sandbox', { known: { 'eni:0': eniDetails() } })
let image: string
let pause: Details['sandbox']
let holderId: string

beforeAll(async () => {
  image = await importTestImage()
  pause = await sandbox.ensure(pauseJob, never())
})

beforeEach(() => {
  holderId = newHolderId()
})

afterEach(async () => {
  for (const name of await wearing(MARK.holder, holderId)) await docker('rm', '--force', name)
})

afterAll(async () => {
  await sandbox.release({ ...pauseJob, again: true }, never())
  await docker('rmi', image)
  rmSync(secretsDir, { recursive: true, force: true })
  expect(await wearing(MARK.instance, host.instanceId)).toEqual([])
})

type Known = { created?: Details['created']; container?: Details['container']; again?: boolean }

const jobFor = (
  row: RowId,
  { again = false, ...known }: Known,
  own: Partial<ContainerSpec> = {},
): Job =>
  job(row, {
    holderId,
    again,
    spec: spec({
      containers: [container({ image, command: sh('exec /busybox sleep 60'), ...own })],
      madeAhead: true,
    }),
    known: {
      sandbox: pause,
      ...(known.created && { 'created:app': known.created }),
      ...(known.container && { 'container:app': known.container }),
    },
  })
const making = (known: Known = {}, own: Partial<ContainerSpec> = {}) =>
  jobFor('created:app', known, own)
const starting = (known: Known, own: Partial<ContainerSpec> = {}) =>
  jobFor('container:app', known, own)
const stateOf = async (id: string) =>
  (await inspect<{ State: { Status: string } }>(id)).State.Status

// P470
test('it is made without a process, wears the mark of its start, and is started as it is', async () => {
  const created = await creator.ensure(making(), never())
  const { Config } = await inspect<{ Config: { Labels: object } }>(created.containerId)
  expect(Config.Labels).toMatchObject(mark(host, starting({ created })))
  expect(await stateOf(created.containerId)).toBe('created')
  expect(await starter.ensure(starting({ created }), never())).toEqual(created)
  expect(await stateOf(created.containerId)).toBe('running')
})

// P470
test('what an attempt without an answer made is found, and no second one is made', async () => {
  const created = await creator.ensure(making(), never())
  expect(await creator.ensure(making({ again: true }), never())).toEqual(created)
  // Not even by who does not know that there was an attempt: the name is taken.
  expect(await creator.ensure(making(), never())).toEqual(created)
  expect(await wearing(MARK.holder, holderId)).toHaveLength(1)
})

// P470
test('one that is gone is made anew as long as it was never started, and never after that', async () => {
  const created = await creator.ensure(making(), never())
  await docker('rm', '--force', created.containerId)
  const anew = await creator.ensure(making({ created, again: true }), never())
  expect(anew).not.toEqual(created)
  const started = await starter.ensure(starting({ created: anew }), never())
  await docker('rm', '--force', anew.containerId)
  const known = { created: anew, container: started, again: true }
  expect(await creator.ensure(making(known), never())).toEqual(anew)
  expect(await wearing(MARK.holder, holderId)).toEqual([])
  await expect(starter.ensure(starting(known), never())).rejects.toMatchObject({
    kind: 'lost',
    code: 'ContainerGone',
  })
})

// P470
test('the row of its start ends it and keeps its log; the row that made it removes it', async () => {
  const own = { command: sh('echo hello; exec /busybox sleep 60'), stopTimeoutMs: 1 }
  const created = await creator.ensure(making({}, own), never())
  const started = await starter.ensure(starting({ created }, own), never())
  await expect.poll(() => docker('logs', created.containerId)).toContain('hello')
  const remains = await starter.release(starting({ created, container: started }, own), never())
  expect(remains).toMatchObject({ logTail: 'hello\n', exit: { exitCode: 137 } })
  expect(await stateOf(created.containerId)).toBe('exited')
  await creator.release(making({ created }, own), never())
  await creator.release(making({ created }, own), never())
  expect(await wearing(MARK.holder, holderId)).toEqual([])
})

// P470
test('one of which only the mark is known is removed, and another’s of that name is not', async () => {
  const created = await creator.ensure(making(), never())
  const name = `ecs-web-app-${holderId.slice(0, 8)}`
  await docker('rename', created.containerId, 'enid-created-renamed')
  const others = (await docker('create', '--name', name, image, '/busybox')).trim()
  try {
    await creator.release(making({ again: true }), never())
    expect(await wearing(MARK.holder, holderId)).toEqual([])
    expect(await stateOf(others)).toBe('created')
    await expect(creator.ensure(making(), never())).rejects.toMatchObject({
      kind: 'refused',
      code: 'CannotCreateContainerError',
    })
  } finally {
    await docker('rm', '--force', others)
  }
})

// P470
test('what Docker refuses at the start is told without the value that was fetched before', async () => {
  writeFileSync(join(secretsDir, 'size'), 'hunter2')
  const secretOptions = [{ name: 'max-size', from: { store: 'file', path: 'size' } as const }]
  const own = { log: { driver: 'json-file', options: {}, secretOptions } }
  const created = await creator.ensure(making({}, own), never())
  const refusal = await starter.ensure(starting({ created }, own), never()).catch((e: unknown) => e)
  expect(refusal).toMatchObject({ kind: 'refused', code: 'CannotStartContainerError' })
  const { message, cause } = refusal as Error
  expect(message).toContain('…')
  expect(`${message} ${JSON.stringify(cause)}`).not.toContain('hunter2')
})

test('what Docker refuses because the pause container died is the loss of that, with the remedy', async () => {
  const own = job('sandbox', { known: { 'eni:0': eniDetails() } })
  const dead = await sandbox.ensure(own, never())
  const joined = (made: Job): Job => ({
    ...made,
    details: (kind, row) => (row === 'sandbox' ? (dead as never) : made.details(kind, row)),
    known: (kind, row) => (row === 'sandbox' ? (dead as never) : made.known(kind, row)),
  })
  const created = await creator.ensure(joined(making()), never())
  await docker('kill', dead.containerId)
  const gone = { kind: 'lost', code: 'PauseGone', hint: expect.stringContaining('live-restore') }
  await expect(starter.ensure(joined(starting({ created })), never())).rejects.toMatchObject(gone)
  await sandbox.release({ ...own, again: true }, never())
  await expect(starter.ensure(joined(starting({ created })), never())).rejects.toMatchObject(gone)
})
