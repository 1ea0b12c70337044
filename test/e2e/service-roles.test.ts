// Goal: a service whose tasks have a task role and an execution role is what it is on ECS: its programs
// sign with the task role, its secrets are fetched with the execution role, and a task that replaces
// another has a credentials id of its own. Method: CreateService by the SDK, the AWS CLI inside the tasks,
// an STS in the VPC that checks signatures, stores that keep whose key asked.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CreateServiceCommand,
  DeleteServiceCommand,
  DescribeServicesCommand,
  ListTasksCommand,
} from '@aws-sdk/client-ecs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { must, program } from '../../scripts/demo/program.ts'
import { openStores, type Stores } from '../agent/secret-stores.ts'
import { mountPoints, NODE, volumes } from './host-programs.ts'
import { fact, Rig } from './rig.ts'

const role = (name: string) => `arn:aws:iam::123456789012:role/${name}`
const WEB = { AccessKeyId: 'AKIAWEB', SecretAccessKey: 'secret-of-web' }
const EXECUTION = { AccessKeyId: 'AKIAEXEC', SecretAccessKey: 'secret-of-execution' }
const WHO = 'arn:aws:sts::123456789012:assumed-role/web/t'
const VARIABLE = 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'

let rig: Rig
let folder = ''
let group = ''
let stores: Stores
let stsUrl = ''

beforeAll(async () => {
  rig = await Rig.open()
  folder = mkdtempSync(join(tmpdir(), 'enid-service-roles-'))
  stores = await openStores()
  stores.answers.set('/web/key', 'of-ssm')
  const roles = { [role('web')]: { static: WEB }, [role('execution')]: { static: EXECUTION } }
  writeFileSync(join(folder, 'roles.json'), JSON.stringify(roles), { mode: 0o600 })
  const file = { ENID_ROLES_FILE: join(folder, 'roles.json') }
  Object.assign(rig.env, file, { AWS_ENDPOINT_URL_SSM: stores.url, ENID_TIMEOUT_SCALE: '0.5' })
  await rig.endAgent('SIGTERM')
  await rig.startAgent()
  group = await rig.group('all', { port: 8080, cidr: '10.0.0.0/16' })
  const keys = { [WEB.AccessKeyId]: { secret: WEB.SecretAccessKey, arn: WHO } }
  const environment = [{ name: 'KEYS', value: JSON.stringify(keys) }]
  const sts = { memory: 256, mountPoints, environment }
  await rig.define('sts', `exec ${NODE} /app/consumers/sts.mjs`, sts, { volumes })
  const [id = ''] = await rig.run('sts', [group])
  stsUrl = `http://${fact(await rig.waitFor(id, 'RUNNING', 120_000), 'privateIPv4Address')}:8080`
}, 120_000)
afterAll(async () => {
  await rig?.close()
  await stores?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** The ids of the service's tasks that are to run. */
async function tasks(): Promise<string[]> {
  const { taskArns = [] } = await rig.ecs.send(new ListTasksCommand({ serviceName: 'web' }))
  return taskArns.map((arn) => arn.split('/').at(-1) ?? '')
}

/** A program in the task's container, as any of its own. */
async function within(id: string, ...command: string[]): Promise<string> {
  const container = await rig.containerId(id, 'container:app')
  const done = await program('docker', ['exec', container, ...command], { timeoutMs: 30_000 })
  expect(done.code, done.stderr).toBe(0)
  return done.stdout.trim()
}
const uriOf = (id: string) => within(id, '/busybox', 'sh', '-c', `echo $${VARIABLE}`)
const aws = ['/usr/bin/python3', '/usr/bin/aws', 'sts', 'get-caller-identity']
const whoIs = (id: string) =>
  within(
    ...[id, ...aws, '--region', 'us-west-2'],
    ...['--endpoint-url', stsUrl, '--query', 'Arn', '--output', 'text'],
  )
const askFor = (id: string, uri: string) =>
  within(id, '/usr/bin/curl', '-sS', '-m', '3', `http://169.254.170.2${uri}`)

let first = ''
let uri = ''

// P513
test('its tasks sign with the task role, and their secret was fetched with the execution role', async () => {
  await rig.define(
    'web',
    'echo $KEY | /busybox rev; exec /busybox sleep 600',
    { memory: 256, mountPoints, secrets: [{ name: 'KEY', valueFrom: '/web/key' }] },
    { volumes, taskRoleArn: role('web'), executionRoleArn: role('execution') },
  )
  const awsvpcConfiguration = { subnets: [await rig.subnetId()], securityGroups: [group] }
  await rig.ecs.send(
    new CreateServiceCommand({
      serviceName: 'web',
      taskDefinition: 'web',
      desiredCount: 1,
      networkConfiguration: { awsvpcConfiguration },
    }),
  )
  await expect.poll(tasks, { timeout: 20_000 }).toHaveLength(1)
  first = (await tasks())[0] ?? ''
  await rig.waitFor(first, 'RUNNING', 120_000)
  expect(await whoIs(first)).toBe(WHO)
  await expect
    .poll(async () => (await rig.enid('logs', first)).stdout, { timeout: 10_000 })
    .toContain('mss-fo')
  expect(stores.asked).toEqual([{ what: '/web/key', key: EXECUTION.AccessKeyId }])
  uri = await uriOf(first)
  expect(JSON.parse(await askFor(first, uri))).toMatchObject({ ...WEB, RoleArn: role('web') })
}, 120_000)

// P513
test('a task that replaces one has them by an id of its own, also when the agent was killed meanwhile', async () => {
  await rig.endAgent('SIGKILL')
  await must('docker', ['kill', await rig.containerId(first, 'container:app')])
  await rig.startAgent()
  await rig.waitFor(first, 'STOPPED', 120_000)
  await expect
    .poll(async () => (await tasks()).filter((id) => id !== first), { timeout: 30_000 })
    .toHaveLength(1)
  const [next = ''] = (await tasks()).filter((id) => id !== first)
  await rig.waitFor(next, 'RUNNING', 120_000)
  const own = await uriOf(next)
  expect(own).not.toBe(uri)
  expect(await whoIs(next)).toBe(WHO)
  // What the dead one knew is worth nothing any more, in the new one's hands either.
  expect(await askFor(next, uri)).toContain('InvalidIdInRequest')
  // Its secret was fetched anew, by the same role.
  expect(stores.asked.map(({ key }) => key)).toEqual(Array(2).fill(EXECUTION.AccessKeyId))
}, 120_000)

test('deleted, it leaves nothing', async () => {
  await rig.ecs.send(new DeleteServiceCommand({ service: 'web', force: true }))
  const status = async () =>
    (await rig.ecs.send(new DescribeServicesCommand({ services: ['web'] }))).services?.[0]?.status
  await expect.poll(status, { timeout: 60_000 }).toBe('INACTIVE')
  const { taskArns = [] } = await rig.ecs.send(new ListTasksCommand({}))
  await rig.stopAndWait(...taskArns.map((arn) => arn.split('/').at(-1) ?? ''))
  expect(await rig.enis()).toEqual([])
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 120_000)
