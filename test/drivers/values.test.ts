// Goal: what is fetched for a container reaches its processes and its log driver, by the documented
// precedence, and is in nothing else that we or Docker say. Method: the real dockerd; the oracle is
// the docker command and what the process sees.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { containerDriver } from '../../agent/drivers/container.ts'
import { openDocker } from '../../agent/drivers/docker.ts'
import type { Details } from '../../agent/drivers/driver.ts'
import { MARK } from '../../agent/drivers/driver.ts'
import { openRoles } from '../../agent/drivers/roles/roles.ts'
import type { RoleSource } from '../../agent/drivers/roles/roles-file.ts'
import { sandboxDriver } from '../../agent/drivers/sandbox.ts'
import { openValues } from '../../agent/drivers/values/values.ts'
import type { ContainerSpec, SecretSpec, Spec } from '../../state/spec.ts'
import { container, eniDetails, job, never, newHolderId, newHost, spec } from './jobs.ts'
import { folders } from './own-folders.ts'
import { docker, importTestImage, inspect, sh, wearing } from './test-image.ts'

const ROLE = 'arn:aws:iam::123456789012:role/web'
const host = newHost()
const connection = openDocker()
const kernel = { holdNetns: async () => {}, dropNetns: async () => {} }
const secretsDir = mkdtempSync(join(tmpdir(), 'enid-secrets-'))
const sources = new Map<string, RoleSource>([[ROLE, { kind: 'file', path: join(secretsDir, 'k') }]])
const roles = openRoles({ sources, region: host.region })
const values = openValues({ roles, region: host.region, secretsDir })
const driver = containerDriver({ docker: connection, host, roles, values })

let image: string
let pause: Details['sandbox']
let holderId: string
const pauseJob = job('sandbox', { known: { 'eni:0': eniDetails() } })

beforeAll(async () => {
  image = await importTestImage()
  pause = await sandboxDriver({ docker: connection, kernel, host, folders }).ensure(
    pauseJob,
    never(),
  )
})
beforeEach(() => {
  holderId = newHolderId()
})
afterEach(async () => {
  for (const name of await wearing(MARK.holder, holderId)) await docker('rm', '--force', name)
})
afterAll(async () => {
  await sandboxDriver({ docker: connection, kernel, host, folders }).release(pauseJob, never())
  await docker('rmi', image)
  rmSync(secretsDir, { recursive: true })
  expect(await wearing(MARK.instance, host.instanceId)).toEqual([])
})

const put = (name: string, text: string) =>
  writeFileSync(join(secretsDir, name), text, { mode: 0o600 })

const secret = (name: string, path = name): SecretSpec => ({
  name,
  from: { store: 'file', path },
})

const newJob = (line: string, change: Partial<ContainerSpec>, task: Partial<Spec> = {}) =>
  job('container:app', {
    holderId,
    spec: spec({ containers: [container({ image, command: sh(line), ...change })], ...task }),
    known: { sandbox: pause },
  })

// P349
test('a process sees files, then environment over them, then secrets over both, then our own', async () => {
  put('one.env', 'A=one\nB=one\nC=one\nD=one\nECS_AGENT_URI=forged')
  put('two.env', 'A=two\nE=two')
  put('C', 'secret\n')
  const given = newJob('echo $A.$B.$C.$D.$E.$ECS_AGENT_URI; exec /busybox sleep 60', {
    environmentFiles: [
      { store: 'file', path: 'one.env' },
      { store: 'file', path: 'two.env' },
    ],
    environment: { B: 'env', C: 'env' },
    secrets: [secret('C')],
  })
  const { containerId } = await driver.ensure(given, never())
  await expect
    .poll(() => docker('logs', containerId))
    .toMatch(/^one\.env\.secret\.one\.two\.http:\/\/169\.254\.170\.2\/api\/[0-9a-f]{32}-\d{10}$/)
  // Docker's environment has it, unavoidably, and nothing else of the container does.
  const { Config, ...rest } = await inspect<{ Config: { Env: string[] } }>(containerId)
  const { Env, ...other } = Config
  expect(Env).toContain('C=secret')
  expect(JSON.stringify([rest, other])).not.toContain('C=secret')
})

// P358
test.each<[string, Partial<ContainerSpec>, string]>([
  ['that names none is told the host’s, by both variables', {}, '/us-west-2/us-west-2/'],
  ['that names one keeps it, and gets no other', { environment: { AWS_REGION: 'a' } }, '/a//'],
  [
    'whose file names one keeps it',
    { environmentFiles: [{ store: 'file', path: 'region.env' }] },
    '//b/',
  ],
])('of regions, a container %s', async (_what, change, seen) => {
  put('region.env', 'AWS_DEFAULT_REGION=b')
  const line = 'echo /$AWS_REGION/$AWS_DEFAULT_REGION/; exec /busybox sleep 60'
  const { containerId } = await driver.ensure(newJob(line, change), never())
  await expect.poll(() => docker('logs', containerId)).toBe(seen)
})

// P358
test('of regions, a container whose image names one keeps it', async () => {
  const tag = `${image}-region`
  const name = `enid-${holderId}`
  await docker('run', '--name', name, '--env', 'A=b', image, '/busybox', 'true')
  await docker('commit', '--change', 'ENV AWS_REGION=of-the-image', name, tag)
  await docker('rm', name)
  try {
    const line = 'echo /$AWS_REGION/$AWS_DEFAULT_REGION/; exec /busybox sleep 60'
    const { containerId } = await driver.ensure(newJob(line, { image: tag }), never())
    await expect.poll(() => docker('logs', containerId)).toBe('/of-the-image//')
    await docker('rm', '--force', containerId)
  } finally {
    await docker('rmi', tag)
  }
})

test('a log option that is fetched reaches the driver', async () => {
  put('tag', 'of-a-secret')
  const log = { driver: 'json-file', options: { 'max-file': '1' }, secretOptions: [secret('tag')] }
  const { containerId } = await driver.ensure(newJob('exec /busybox sleep 60', { log }), never())
  const format = '{{json .HostConfig.LogConfig.Config}}'
  expect(JSON.parse(await docker('inspect', '--format', format, containerId))).toMatchObject({
    'max-file': '1',
    tag: 'of-a-secret',
  })
})

// P349
test('what Docker refuses is told without the value that it quotes', async () => {
  put('mode', 'hunter2')
  const log = { driver: 'json-file', options: {}, secretOptions: [secret('max-size', 'mode')] }
  const given = newJob('true', { log })
  const error = await driver.ensure(given, never()).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ kind: 'refused', code: expect.stringMatching(/^Cannot/) })
  const { message, cause } = error as Error
  expect(message).toContain('…')
  expect(`${message} ${JSON.stringify(cause)}`).not.toContain('hunter2')
})

test('a secret that is not there leaves no container', async () => {
  const given = newJob('true', { secrets: [secret('NONE')] })
  await expect(driver.ensure(given, never())).rejects.toMatchObject({
    kind: 'refused',
    code: 'ResourceInitializationError',
    message: expect.stringMatching(/NONE of container app: .*NONE is not there/),
  })
  expect(await wearing(MARK.holder, holderId)).toEqual([])
})

// P349
test('a container is made once its role’s credentials are there, and told where they are', async () => {
  const task = { roles: { task: ROLE, credentialsId: '0123-id' } }
  const line = 'echo $AWS_CONTAINER_CREDENTIALS_RELATIVE_URI; exec /busybox sleep 60'
  const given = newJob(line, {}, task)
  rmSync(join(secretsDir, 'k'), { force: true })
  await expect(driver.ensure(given, never())).rejects.toMatchObject({
    kind: 'transient',
    code: 'RoleCredentialsFailed',
  })
  expect(await wearing(MARK.holder, holderId)).toEqual([])
  put('k', JSON.stringify({ Version: 1, AccessKeyId: 'A', SecretAccessKey: 'hunter2' }))
  // After a failure it rests for five seconds.
  const made = () => driver.ensure(given, never()).catch(() => undefined)
  let containerId = ''
  await expect
    .poll(async () => (containerId = (await made())?.containerId ?? ''), { timeout: 10_000 })
    .not.toBe('')
  await expect.poll(() => docker('logs', containerId)).toBe('/v2/credentials/0123-id')
  expect(JSON.stringify(await inspect(containerId))).not.toContain('hunter2')
}, 90_000)
