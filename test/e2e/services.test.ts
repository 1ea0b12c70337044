// Goal: services on real parts, driven by the unmodified AWS CLI and the SDK: kept at their count,
// rolled over without ever falling below the minimum, and gone without a trace. Method: lab, agent and
// dockerd as users run them; Docker and the lab's EC2 are looked at from outside.

import { DescribeServicesCommand, type Service, UpdateServiceCommand } from '@aws-sdk/client-ecs'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { must } from '../../scripts/demo/program.ts'
import { Rig } from './rig.ts'

let rig: Rig
let group = ''

beforeAll(async () => {
  rig = await Rig.open()
  // What ECS waits 40 s for takes 4 s.
  await rig.endAgent('SIGTERM')
  rig.env.ENID_TIMEOUT_SCALE = '0.1'
  await rig.startAgent()
  group = await rig.group('web')
})
afterAll(async () => {
  await rig?.close()
})

const WAIT = { timeout: 60_000, interval: 200 }

async function aws(...args: string[]) {
  const env = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_PAGER: '' }
  const region = rig.env.AWS_REGION ?? ''
  const all = ['ecs', ...args, '--endpoint-url', rig.ecsUrl, '--region', region, '--output', 'json']
  const text = await must('aws', all, { env })
  return text.trim() === '' ? {} : JSON.parse(text)
}

async function service(name: string): Promise<Service> {
  const { services = [] } = await rig.ecs.send(new DescribeServicesCommand({ services: [name] }))
  return services[0] ?? {}
}

/** Containers of tasks of this family that run now, by Docker: the ids of their tasks. */
async function running(family: string): Promise<string[]> {
  const filters = [`label=com.amazonaws.ecs.task-definition-family=${family}`]
  const format = '{{.Label "enid:holder"}} {{.Label "enid:row"}}'
  const flags = filters.flatMap((filter) => ['--filter', filter])
  const text = await must('docker', ['ps', ...flags, '--format', format])
  return text
    .split('\n')
    .filter((line) => line.endsWith(' container:app'))
    .map((line) => line.split(' ')[0] ?? '')
}

const awsvpc = async () =>
  `awsvpcConfiguration={subnets=[${await rig.subnetId()}],securityGroups=[${group}]}`

const isSteady = (name: string) =>
  vi.waitFor(async () => {
    const { deployments = [], desiredCount, runningCount } = await service(name)
    expect(deployments.map(({ rolloutState }) => rolloutState)).toEqual(['COMPLETED'])
    expect(runningCount).toBe(desiredCount)
  }, WAIT)

// P431
test('the AWS CLI makes a service; a container that is killed has its task replaced', async () => {
  await rig.define('kept', 'while :; do sleep 1; done')
  const made = await aws(
    ...['create-service', '--service-name', 'kept', '--task-definition', 'kept'],
    ...['--desired-count', '2', '--network-configuration', await awsvpc()],
  )
  expect(made.service).toMatchObject({ status: 'ACTIVE', desiredCount: 2 })
  await aws('wait', 'services-stable', '--services', 'kept')
  await isSteady('kept')
  const before = await running('kept')
  expect(before).toHaveLength(2)
  const [victim = ''] = before
  await must('docker', ['kill', await rig.containerId(victim, 'container:app')])
  await vi.waitFor(async () => {
    const now = await running('kept')
    expect(now).toHaveLength(2)
    expect(now).not.toContain(victim)
  }, WAIT)
  expect((await rig.task(victim)).stopCode).toBe('EssentialContainerExited')
  const [replaced = ''] = (await running('kept')).filter((id) => !before.includes(id))
  expect((await rig.task(replaced)).group).toBe('service:kept')
  await isSteady('kept')
  const { stdout } = await rig.enid('services')
  expect(stdout).toMatch(/^kept +ACTIVE +2\/2 +kept:1 +COMPLETED/m)
})

// P431
test('an agent that is killed in the middle of it makes no third task', async () => {
  const [victim = ''] = await running('kept')
  await rig.endAgent('SIGKILL')
  await must('docker', ['kill', await rig.containerId(victim, 'container:app')])
  await rig.startAgent()
  await rig.waitFor(victim, 'STOPPED')
  await isSteady('kept')
  expect(await running('kept')).toHaveLength(2)
  expect(await running('kept')).not.toContain(victim)
  expect(await rig.enis()).toHaveLength(2)
})

// P432
test('a rolling update keeps the minimum at every look, and the maximum', async () => {
  await rig.define('kept', 'while :; do sleep 2; done')
  const before = await running('kept')
  const limits = { minimumHealthyPercent: 50, maximumPercent: 100 }
  await rig.ecs.send(
    new UpdateServiceCommand({
      service: 'kept',
      taskDefinition: 'kept:2',
      deploymentConfiguration: limits,
    }),
  )
  const counts: number[] = []
  const enis: number[] = []
  const look = async () => {
    counts.push((await running('kept')).length)
    const up = await service('kept')
    enis.push((up.runningCount ?? 0) + (up.pendingCount ?? 0))
    return up
  }
  await vi.waitFor(async () => {
    const { deployments = [] } = await look()
    expect(deployments.map(({ rolloutState }) => rolloutState)).toEqual(['COMPLETED'])
  }, WAIT)
  expect(counts.length).toBeGreaterThan(10)
  expect(Math.min(...counts)).toBeGreaterThanOrEqual(1)
  expect(Math.max(...enis)).toBe(2)
  const after = await running('kept')
  expect(after.filter((id) => before.includes(id))).toEqual([])
  expect((await service('kept')).taskDefinition).toMatch(/kept:2$/)
})

// P433
test('a revision that never comes up is given up, and the one before goes on', async () => {
  const before = await running('kept')
  await rig.define('kept', 'exit 3')
  await rig.ecs.send(
    new UpdateServiceCommand({
      service: 'kept',
      taskDefinition: 'kept:3',
      deploymentConfiguration: {
        minimumHealthyPercent: 100,
        maximumPercent: 200,
        deploymentCircuitBreaker: { enable: true, rollback: true },
      },
    }),
  )
  await vi.waitFor(async () => {
    const { events = [] } = await service('kept')
    expect(events.some(({ message }) => /rolling back to deployment/.test(message ?? ''))).toBe(
      true,
    )
  }, WAIT)
  await isSteady('kept')
  expect((await service('kept')).taskDefinition).toMatch(/kept:2$/)
  expect((await running('kept')).toSorted()).toEqual(before.toSorted())
})

// P434
test('deleted, it leaves nothing: no container, no ENI, no link', async () => {
  await aws('update-service', '--service', 'kept', '--desired-count', '0')
  await vi.waitFor(async () => expect(await running('kept')).toEqual([]), WAIT)
  const { service: after } = await aws('delete-service', '--service', 'kept')
  expect(after.status).toBe('DRAINING')
  await aws('wait', 'services-inactive', '--services', 'kept')
  await vi.waitFor(async () => {
    expect(await rig.containers()).toEqual([])
    expect(await rig.enis()).toEqual([])
  }, WAIT)
  // All that is there is the lab's own.
  const lab = rig.env.ENID_LAB ?? ''
  expect((await rig.leftovers()).filter((what) => !what.includes(lab))).toEqual([])
})
