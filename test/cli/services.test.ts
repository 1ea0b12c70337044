// Goal: enid services, service, logs -f and exec say what is asked for and print what comes. Method: the
// command itself against a stand-in agent that answers what a test writes down.

import { afterAll, beforeAll, expect, test } from 'vitest'
import type { StandIn } from './stand-in.ts'
import { openStandIn } from './stand-in.ts'

let agent: StandIn
beforeAll(async () => {
  agent = await openStandIn()
})
afterAll(async () => {
  await agent.close()
})

const web = {
  cluster: 'default',
  name: 'web',
  serviceArn: 'arn:aws:ecs:us-west-2:123456789012:service/default/web',
  status: 'ACTIVE',
  strategy: 'REPLICA',
  taskDefinition: 'web:3',
  desiredCount: 3,
  runningCount: 1,
  pendingCount: 1,
  rollout: 'IN_PROGRESS',
  rolloutReason: 'ECS deployment ecs-svc/1 in progress.',
  failedTasks: 2,
  isSteady: false,
  createdAt: new Date(Date.now() - 7_200_000).toISOString(),
  waiting: { code: 'Throttled', reason: '2 tasks failed', until: '2026-11-27T00:00:00.000Z' },
}
const each = { ...web, cluster: 'blue', name: 'log', strategy: 'DAEMON', desiredCount: 1 }
const gone = { ...web, name: 'gone', status: 'INACTIVE' }
const detail = {
  ...web,
  minimumHealthyPercent: 50,
  maximumPercent: 150,
  deployments: [
    {
      id: 'ecs-svc/1',
      taskDefinition: 'web:3',
      running: 1,
      pending: 1,
      rollout: 'IN_PROGRESS',
      failedTasks: 2,
      taskIds: ['aaaaaaaabbbb', 'ccccccccdddd'],
    },
  ],
  events: [{ at: '2026-11-27T00:00:00.000Z', message: '(service web) has started 1 tasks.' }],
}

test('enid services prints one line per service, and why it waits', async () => {
  const { waiting: _, ...still } = each
  agent.rest.set('GET /services', { services: [web, still, gone], unread: ['service default/bad'] })
  const { code, stdout } = await agent.enid('services')
  expect(code).toBe(0)
  expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
    ['SERVICE', 'STATUS', 'TASKS', 'FAMILY:REV', 'ROLLOUT', 'AGE', 'WHY'],
    [
      'web',
      'ACTIVE',
      '1/3 +1',
      'web:3',
      'IN_PROGRESS',
      '2h',
      '2 tasks failed (until 2026-11-27T00:00:00.000Z)',
    ],
    ['blue/log', 'ACTIVE', '1/1* +1', 'web:3', 'IN_PROGRESS', '2h'],
    ['service default/bad cannot be read: left alone'],
    [''],
  ])
  const all = await agent.enid('services', '--all', '--cluster', 'default', '--json')
  expect(JSON.parse(all.stdout).services.map(({ name }: { name: string }) => name)).toEqual([
    'web',
    'gone',
  ])
})

test('enid service shows a service, and gives one order at a time', async () => {
  agent.rest.set('GET /services/default/web', detail)
  const shown = await agent.enid('service', 'web')
  expect(shown.stdout).toContain('healthy  50 to 150 % of the desired count')
  expect(shown.stdout).toMatch(
    /ecs-svc\/1 +PRIMARY +web:3 +IN_PROGRESS +1 \+1 +2 +aaaaaaaa cccccccc/,
  )
  expect(shown.stdout).toContain('2026-11-27T00:00:00.000Z  (service web) has started 1 tasks.')
  agent.ecs.set('UpdateService', {})
  agent.ecs.set('DeleteService', {})
  agent.asked.length = 0
  for (const flags of [['--scale', '4'], ['--redeploy'], ['--delete', '--force']]) {
    expect((await agent.enid('service', 'default/web', ...flags)).code).toBe(0)
  }
  const named = { cluster: 'default', service: 'web' }
  expect(agent.asked.filter(({ input }) => input !== undefined)).toEqual([
    { what: 'UpdateService', input: { ...named, desiredCount: 4 } },
    { what: 'UpdateService', input: { ...named, forceNewDeployment: true } },
    { what: 'DeleteService', input: { ...named, force: true } },
  ])
  expect(await agent.enid('service', 'web', '--redeploy', '--delete')).toMatchObject({
    code: 2,
    stderr: 'enid service: --redeploy and --delete: one thing at a time\n',
  })
  expect(await agent.enid('service', 'web', '--force')).toMatchObject({ code: 2 })
  expect(await agent.enid('service', 'web', '--scale', 'x')).toMatchObject({ code: 2 })
  expect(await agent.enid('service', 'other')).toMatchObject({
    code: 1,
    stderr: 'no service "other" in cluster default: enid services\n',
  })
})

test('enid exec and logs refuse what cannot be meant', async () => {
  expect(await agent.enid('exec', 'x')).toMatchObject({ code: 2 })
  expect(await agent.enid('exec', 'x', 'ls')).toMatchObject({ code: 2 })
  expect(await agent.enid('logs', '-f', '--json', 'x')).toMatchObject({
    code: 2,
    stderr: 'enid logs: --follow has no end for --json: leave one out\n',
  })
})
