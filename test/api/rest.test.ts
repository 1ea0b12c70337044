// Goal: operators see everything, and both faces do the same thing with the same code. Method: fetch
// over loopback, next to the AWS SDK.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { GROUP, SUBNET } from './fake-orders.ts'
import { describeOne, register, runOne } from './questions.ts'
import { nginx, openRig, seedDefinition } from './rig.ts'
import { useRig } from './use-rig.ts'

const rig = useRig()

type Answer = { status: number; body: ReturnType<typeof JSON.parse> }

async function ask(method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(`${rig.url}${path}`, {
    method,
    ...(body === undefined
      ? {}
      : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json')
  return { status: response.status, body: isJson ? JSON.parse(text) : text }
}

const idOf = (arn: string) => arn.split('/').at(-1) ?? ''

describe('POST /tasks', () => {
  test('runs tasks as RunTask does', async () => {
    await register(rig)
    const { status, body } = await ask('POST', '/tasks', {
      taskDefinition: 'nginx-awsvpc',
      subnets: [SUBNET],
      securityGroups: [GROUP],
      count: 2,
      tags: { team: 'a' },
      overrides: { containerOverrides: [{ name: 'nginx', command: ['x'] }] },
    })
    expect([status, body.failures, body.tasks.length]).toEqual([201, [], 2])
    const task = await describeOne(rig, body.tasks[0].taskArn)
    expect(task).toMatchObject({ lastStatus: 'RUNNING', tags: [{ key: 'team', value: 'a' }] })
    expect(task.overrides?.containerOverrides?.[0]?.command).toEqual(['x'])
  })

  test('registers a definition that it carries, once for the same definition', async () => {
    const run = (definition: object) =>
      ask('POST', '/tasks', { definition, subnets: [SUBNET], clientToken: undefined })
    expect((await run(seedDefinition())).body.tasks[0].revision).toBe(1)
    expect((await run(seedDefinition())).body.tasks[0].revision).toBe(1)
    expect((await run(seedDefinition(nginx({ cpu: 1 })))).body.tasks[0].revision).toBe(2)
  })

  test('refused for its network registers nothing', async () => {
    const { status, body } = await ask('POST', '/tasks', {
      definition: seedDefinition(),
      subnets: ['web'],
    })
    expect([status, body.error.field]).toEqual([400, 'subnets[0]'])
    expect(rig.catalog.definitions()).toEqual([])
  })

  test('without room is 409 with the numbers', async () => {
    await register(rig)
    rig.orders.slots = 0
    const { status, body } = await ask('POST', '/tasks', {
      taskDefinition: 'nginx-awsvpc',
      subnets: [SUBNET],
    })
    expect([status, body]).toEqual([
      409,
      { error: { code: 'RESOURCE:ENI', message: 'm5.large has 3 ENIs, 0 free' } },
    ])
  })

  test.each<[object, number, string]>([
    [{ subnets: [SUBNET] }, 400, 'taskDefinition'],
    [{ taskDefinition: 'nope', subnets: [SUBNET] }, 404, 'taskDefinition'],
    [{ taskDefinition: 'nginx-awsvpc' }, 400, 'subnets'],
    [{ taskDefinition: 'nginx-awsvpc', subnets: 'x' }, 400, 'subnets'],
    [{ taskDefinition: 'nginx-awsvpc', subnets: [1] }, 400, 'subnets[0]'],
    [{ taskDefinition: 'nginx-awsvpc', subnets: [SUBNET], count: 11 }, 400, 'count'],
    [{ taskDefinition: 'nginx-awsvpc', subnets: [SUBNET], tags: { a: 1 } }, 400, 'tags.a'],
    [{ taskDefinition: 'nginx-awsvpc', subnet: [SUBNET] }, 400, 'subnet'],
    [
      { taskDefinition: 'nginx-awsvpc', subnets: [SUBNET], overrides: { x: 1 } },
      400,
      'overrides.x',
    ],
    [
      { definition: { ...seedDefinition(), networkMode: 'host' }, subnets: [SUBNET] },
      400,
      'networkMode',
    ],
    [{ definition: { ...seedDefinition(), x: 1 }, subnets: [SUBNET] }, 400, 'definition.x'],
  ])('of %j is %i and names %s', async (request, wanted, field) => {
    await register(rig)
    const { status, body } = await ask('POST', '/tasks', request)
    expect([status, body.error.field]).toEqual([wanted, field])
    expect(rig.journal.all()).toEqual([])
    expect(rig.catalog.definitions()).toHaveLength(1)
  })
})

describe('a task', () => {
  test('is shown with every row, choice, detail and time', async () => {
    await register(rig)
    const id = idOf(await runOne(rig))
    const { status, body } = await ask('GET', `/tasks/${id}`)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      taskId: id,
      cluster: 'default',
      family: 'nginx-awsvpc',
      revision: 1,
      lastStatus: 'RUNNING',
      desiredStatus: 'RUNNING',
      enis: [{ eniId: 'eni-b0aaa4b2', ipv4: '10.0.0.35', securityGroupIds: [GROUP] }],
      containers: [{ name: 'nginx', lastStatus: 'RUNNING', essential: true }],
      waiting: [],
    })
    expect(body.rows[0]).toMatchObject({ row: 'eni:0', is: 'held', choice: SUBNET, needs: [] })
    expect(body.rows.map(({ is }: { is: string }) => is)).toEqual(Array(9).fill('held'))
    expect(body.steps[0]).toEqual({
      verb: 'ensure',
      row: 'eni:0',
      attempts: 1,
      beganAt: expect.stringMatching(/^\d{4}-.*Z$/),
      afterMs: expect.any(Number),
      durationMs: expect.any(Number),
    })
  })

  test('is stopped by DELETE, and kept', async () => {
    await register(rig)
    const id = idOf(await runOne(rig))
    const { status, body } = await ask('DELETE', `/tasks/${id}?reason=enough`)
    expect([status, body.desiredStatus]).toEqual([202, 'STOPPED'])
    expect((await ask('GET', `/tasks/${id}`)).body).toMatchObject({
      lastStatus: 'STOPPED',
      stopCode: 'UserInitiated',
      stoppedReason: 'enough',
      enis: [{ eniId: 'eni-b0aaa4b2', status: 'DELETED' }],
    })
  })

  test('has logs, of a container that is named where there are several', async () => {
    await register(rig)
    const one = idOf(await runOne(rig))
    expect((await ask('GET', `/tasks/${one}/logs`)).body).toBe(`100 lines of nginx of ${one}\n`)
    await register(rig, nginx(), { name: 'b', image: 'b', memory: 6 })
    const two = idOf(await runOne(rig))
    const { status, body } = await ask('GET', `/tasks/${two}/logs`)
    expect([status, body.error.field, body.error.hint]).toEqual([
      400,
      'container',
      'The task has: nginx, b',
    ])
    const log = await ask('GET', `/tasks/${two}/logs?container=b&lines=5`)
    expect(log.body).toBe(`5 lines of b of ${two}\n`)
    const many = await ask('GET', `/tasks/${two}/logs?container=b&lines=many`)
    expect([many.status, many.body.error.field]).toEqual([400, 'lines'])
  })

  // P530
  test('has the statistics of each of its containers, none of one that does not run', async () => {
    await register(rig, nginx(), { name: 'b', image: 'b', memory: 6 })
    rig.orders.stats = async (_id, name) =>
      name === 'nginx' ? { pids_stats: { current: 2 } } : undefined
    const taskId = idOf(await runOne(rig))
    const { status, body } = await ask('GET', `/tasks/${taskId}/stats`)
    const containers = { nginx: { pids_stats: { current: 2 } }, b: null }
    expect([status, body]).toEqual([200, { taskId, containers }])
  })

  test.each(['GET /tasks/ID', 'DELETE /tasks/ID', 'GET /tasks/ID/logs', 'GET /tasks/ID/stats'])(
    'that is not known is 404 for %s',
    async (route) => {
      const [method = '', path = ''] = route.replace('ID', 'f'.repeat(32)).split(' ')
      const { status, body } = await ask(method, path)
      expect([status, body.error.field]).toEqual([404, 'taskId'])
    },
  )

  test('is listed by cluster, family and status, and an unknown filter is refused', async () => {
    await register(rig)
    const id = idOf(await runOne(rig))
    const list = async (query = '') =>
      (await ask('GET', `/tasks${query}`)).body.tasks.map((t: { taskId: string }) => t.taskId)
    expect(await list()).toEqual([id])
    expect(await list('?status=RUNNING&family=nginx-awsvpc&cluster=default')).toEqual([id])
    expect(await list('?status=STOPPED')).toEqual([])
    const { status, body } = await ask('GET', '/tasks?statu=RUNNING')
    expect([status, body.error.message]).toEqual([
      400,
      'statu: is not known here. Did you mean status?',
    ])
  })
})

// P156
test('the status tells the host, the slots, and what waits for what', async () => {
  await register(rig)
  const id = idOf(await runOne(rig))
  const waiting = { row: 'eni:0', verb: 'ensure', attempt: 2, code: 'Throttling' } as const
  rig.orders.waits = [{ ...waiting, reason: 'slow', nextTryAt: 0 }]
  const { body } = await ask('GET', '/status')
  expect(body).toMatchObject({
    version: '0.0.1-test',
    host: { instanceId: 'i-0123456789abcdef0', subnetId: SUBNET },
    slots: { used: 2, total: 100 },
    tasks: { RUNNING: 1, STOPPED: 0 },
    waiting: [{ taskId: id, ...waiting, nextTryAt: '1970-01-01T00:00:00.000Z' }],
    quarantined: [],
  })
})

test('what the sweep found of a task is shown with the task and in the status', async () => {
  await register(rig)
  const id = idOf(await runOne(rig))
  const found = { what: 'eni', id: 'eni-b0aaa4b2', row: 'eni:0', verdict: 'leave' } as const
  rig.orders.finds = [{ ...found, holderId: id, why: 'it wears sg-9', seenAt: 0 }]
  const shown = { ...found, why: 'it wears sg-9', seenAt: '1970-01-01T00:00:00.000Z' }
  expect((await ask('GET', `/tasks/${id}`)).body.findings).toEqual([shown])
  expect((await ask('GET', '/status')).body.findings).toEqual([{ taskId: id, ...shown }])
})

test('a task that cannot be read is listed beside the others', async () => {
  rig.journal.quarantined.push({ id: 'ab'.repeat(16), why: 'no row eni:9' })
  const { body } = await ask('GET', '/tasks')
  expect(body).toEqual({
    tasks: [],
    quarantined: [{ taskId: 'ab'.repeat(16), why: 'no row eni:9' }],
  })
})

test('events come as they are journaled, and end when the API closes', async () => {
  await register(rig)
  const response = await fetch(`${rig.url}/events`)
  expect(response.headers.get('content-type')).toBe('text/event-stream')
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const read = async () => {
    const { value = '', done = true } = (await reader?.read()) ?? {}
    text += value
    return done
  }
  await read()
  const id = idOf(await runOne(rig))
  while (!text.includes('"row":"container:nginx","details"')) expect(await read()).toBe(false)
  const [first] = text.split('\n\n').filter((block) => block.startsWith('event:'))
  const data = JSON.parse(first?.split('data: ')[1] ?? '')
  expect(first).toMatch(/^event: began\n/)
  expect(data).toMatchObject({ taskId: id, type: 'began', verb: 'ensure', row: 'eni:0' })
  const other = await fetch(`${rig.url}/events?task=${'f'.repeat(32)}`)
  await rig.close()
  while (!(await read()));
  expect(await other.text()).toBe(': events of enid\n\n')
  Object.assign(rig, await openRig())
})

// P497
test('metrics count tasks by status, steps by row, and requests by action', async () => {
  await register(rig)
  await runOne(rig)
  await rig.raw('Nonsense', '{}')
  const attach = { action: 'AttachNetworkInterface', burst: 5, perSecond: 0.5, share: 0.1 }
  const actions = [{ ...attach, tokens: 0.5, waiting: 3, throttled: 2 }]
  rig.orders.budget = () => ({ share: 0.1, actions })
  await ask('GET', '/tasks/web')
  const { body } = await ask('GET', '/metrics')
  for (const line of [
    'enid_tasks{status="RUNNING"} 1',
    'enid_tasks{status="STOPPED"} 0',
    'enid_tasks_queued 0',
    'enid_ec2_calls_waiting{action="AttachNetworkInterface"} 3',
    'enid_ec2_tokens{action="AttachNetworkInterface"} 0.5',
    'enid_ec2_throttles_total{action="AttachNetworkInterface"} 2',
    'enid_step_waiting_seconds_max{verb="release"} 0',
    'enid_eni_slots{state="total"} 100',
    'enid_tasks_quarantined 0',
    'enid_step_duration_seconds_count{verb="ensure",row="link"} 1',
    'enid_task_start_duration_seconds_count{way="cold"} 1',
    'enid_http_requests_total{face="ecs",action="RunTask",status="200"} 1',
    'enid_http_requests_total{face="ecs",action="unknown",status="400"} 1',
    'enid_http_requests_total{face="rest",action="/tasks/:taskId",status="400"} 1',
  ]) {
    expect(body).toContain(`${line}\n`)
  }
})

// P499
test('every metric has its row in docs/operations.md, and every row is of a metric', async () => {
  const { body } = await ask('GET', '/metrics')
  const told = [...body.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name)
  const text = readFileSync(join(import.meta.dirname, '../../docs/operations.md'), 'utf8')
  const documented = [...text.matchAll(/^\| `(enid_\w+)` \|/gm)].map(([, name]) => name)
  expect(documented.toSorted()).toEqual(told.toSorted())
  expect(told.length).toBeGreaterThan(15)
})

// P497
test('metrics say what steps wait for, how long, and how many tasks wait for room', async () => {
  await register(rig)
  rig.orders.may = ({ row }) => row !== 'attachment:0'
  const id = idOf(await runOne(rig))
  const wait = { attempt: 3, reason: '', nextTryAt: 0 } as const
  rig.orders.waits = [
    { ...wait, verb: 'ensure', row: 'attachment:0', code: 'RequestLimitExceeded' },
    { ...wait, verb: 'ensure', row: 'image:nginx', code: 'RegistryUnreachable' },
  ]
  const series = async () => (await ask('GET', '/metrics')).body as unknown as string
  const of = (text: string, name: string) =>
    text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
  const text = await series()
  expect(of(text, 'enid_steps_waiting').toSorted()).toEqual([
    'enid_steps_waiting{verb="ensure",row="attachment",code="RequestLimitExceeded"} 1',
    'enid_steps_waiting{verb="ensure",row="image",code="RegistryUnreachable"} 1',
  ])
  const [oldest = ''] = of(text, 'enid_step_waiting_seconds_max')
  const createdAt = rig.journal.get(id)?.timeline.createdAt ?? 0
  const seconds = Number(oldest.split(' ')[1])
  expect(seconds).toBeGreaterThan(0)
  expect(seconds).toBeLessThanOrEqual((Date.now() - createdAt) / 1000)
  rig.orders.waits = []
  expect(of(await series(), 'enid_steps_waiting')).toEqual([])
  const spec = rig.journal.get(id)?.holder.spec ?? expect.fail('no spec')
  for (const n of [1, 2]) rig.journal.begin(`${n}`.repeat(32), { ...spec, waitMs: 60_000 })
  expect(of(await series(), 'enid_tasks_queued')).toEqual(['enid_tasks_queued 2'])
})

// P497
test('metrics count starts, stops and failures by their codes, each once', async () => {
  await register(rig)
  const id = idOf(await runOne(rig))
  const cause = { code: 'LinkGone', message: 'its card is gone' }
  rig.journal.append(id, { type: 'doubted', row: 'link:0', why: 'looked' })
  rig.journal.append(id, { type: 'lost', row: 'link:0', cause })
  rig.journal.append(id, { type: 'stopAsked', stop: { code: 'UserInitiated', reason: 'late' } })
  const { body } = await ask('GET', '/metrics')
  for (const line of [
    'enid_step_failures_total{outcome="lost",row="link",code="LinkGone"} 1',
    'enid_task_stops_total{code="EssentialContainerExited"} 1',
    'enid_task_start_duration_seconds_count{way="cold"} 1',
  ]) {
    expect(body).toContain(`${line}\n`)
  }
  expect(body).not.toContain('code="UserInitiated"')
})

// P497
test('metrics tell the start of a task that took a spare over from others', async () => {
  await register(rig)
  const { spec } = rig.journal.get(idOf(await runOne(rig)))?.holder ?? expect.fail('no task')
  const id = 'a'.repeat(32)
  rig.journal.begin(id, { ...spec, kind: 'spare', containers: [] })
  rig.journal.append(id, { type: 'assigned', spec, rows: [] })
  rig.orders.start(id)
  const isUp = async () => expect((await describeOne(rig, id)).lastStatus).toBe('RUNNING')
  await vi.waitFor(isUp, { timeout: 4000 })
  const { body } = await ask('GET', '/metrics')
  for (const way of ['warm', 'cold']) {
    expect(body).toContain(`enid_task_start_duration_seconds_count{way="${way}"} 1\n`)
  }
})

// P495
test('a task shows of each step how it went: retries, calls with their request ids, what failed', async () => {
  await register(rig)
  rig.orders.may = ({ row }) => row !== 'attachment:0'
  const id = idOf(await runOne(rig))
  const calls = [{ action: 'AttachNetworkInterface', ms: 7, requestId: 'req', code: 'X' }]
  const course = { retries: 1, waitedMs: 150, calls }
  const row = 'attachment:0'
  rig.journal.append(id, { type: 'began', verb: 'ensure', row, choice: '1' })
  rig.journal.append(id, { type: 'refused', row, cause: { code: 'X', message: '' }, course })
  const { body } = await ask('GET', `/tasks/${id}`)
  const step = body.steps.find((each: { row: string }) => each.row === row)
  expect(step).toMatchObject({ verb: 'ensure', gaveUp: true, failure: 'X', ...course })
  expect(step.durationMs).toBeGreaterThanOrEqual(0)
  expect(body.steps[0]).toMatchObject({ verb: 'ensure', row: 'eni:0' })
  expect(body.steps[0]).not.toHaveProperty('gaveUp')
})

test('the OpenAPI document has every route with its schema', async () => {
  const { body } = await ask('GET', '/openapi.json')
  expect(body.info).toMatchObject({ title: 'enid', version: '0.0.1-test' })
  expect(Object.keys(body.paths).toSorted()).toEqual([
    '/',
    '/drain',
    '/events',
    '/healthz',
    '/metrics',
    '/services',
    '/services/{cluster}/{name}',
    '/status',
    '/sweep',
    '/tasks',
    '/tasks/{taskId}',
    '/tasks/{taskId}/exec',
    '/tasks/{taskId}/logs',
    '/tasks/{taskId}/security-groups',
    '/tasks/{taskId}/stats',
  ])
  const start = body.paths['/tasks'].post.requestBody.content['application/json'].schema
  expect(start.required).toEqual(['subnets'])
  expect(start.properties.count).toEqual({ type: 'integer', minimum: 1, maximum: 10 })
})

// P486
test('/status goes through the tasks as often as there are questions, not as tasks', async () => {
  await register(rig)
  const looks = async () => {
    let count = 0
    const { all, living, ended } = rig.journal
    rig.journal.all = () => expect.fail('what is over was read')
    rig.journal.living = () => {
      count += 1
      return living.call(rig.journal)
    }
    rig.journal.ended = () => {
      count += 1
      return ended.call(rig.journal)
    }
    rig.orders.waiting = () => expect.fail('one task was asked about')
    expect((await ask('GET', '/status')).status).toBe(200)
    Object.assign(rig.journal, { all, living, ended })
    return count
  }
  await runOne(rig)
  const one = await looks()
  for (let n = 0; n < 9; n++) await runOne(rig)
  expect(await looks()).toBe(one)
})

test('health is answered, and what is no route is 404 with the way on', async () => {
  expect(await ask('GET', '/healthz')).toEqual({ status: 200, body: { ok: true } })
  const { status, body } = await ask('GET', '/nope')
  expect([status, body.error.hint]).toEqual([
    404,
    'GET /openapi.json lists them; the ECS protocol is POST /',
  ])
})

test('a mistake of ours is said as one, logged, and shows nothing of itself', async () => {
  await register(rig)
  const boom = new Error('secret detail')
  rig.orders.room = () => {
    throw boom
  }
  const request = { taskDefinition: 'nginx-awsvpc', subnets: [SUBNET] }
  const { status, body } = await ask('POST', '/tasks', request)
  expect([status, body.error.code]).toEqual([500, 'ServerException'])
  expect(JSON.stringify(body)).not.toContain('secret')
  expect(rig.defects.splice(0)).toEqual([boom])
})
