// Goal: nothing that can be sent makes the API fail, hang or act by accident; every refusal comes in
// the form of the face that was asked. Method: raw HTTP, over TCP and the unix socket.

import { statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { RunTask$ } from '@aws-sdk/client-ecs'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ACTION_NAMES } from '../../api/actions.ts'
import { readInput, writeOutput } from '../../api/protocol.ts'
import { register, runOne } from './questions.ts'
import type { Rig } from './rig.ts'
import { network, nginx, openRig, seedDefinition } from './rig.ts'

let rig: Rig

beforeAll(async () => {
  rig = await openRig()
  await register(rig)
})
afterAll(async () => {
  expect(rig.defects).toEqual([])
  await rig.close()
})

type Sent = {
  method?: string
  path?: string
  headers?: Record<string, string>
  body?: string
  socketPath?: string
}

/** fetch() forbids the Host header, so this is plain http. */
function send({ method = 'POST', path = '/', headers = {}, body = '', socketPath }: Sent) {
  const { hostname, port } = new URL(rig.url)
  const where = socketPath === undefined ? { hostname, port } : { socketPath }
  return new Promise<{ status: number; body: Record<string, unknown> }>((resolve, reject) => {
    const outgoing = request({ ...where, method, path, headers }, (incoming) => {
      let text = ''
      incoming.on('data', (chunk) => {
        text += chunk
      })
      incoming.on('end', () =>
        resolve({ status: incoming.statusCode ?? 0, body: JSON.parse(text) }),
      )
    })
    outgoing.once('error', reject)
    outgoing.end(body)
  })
}

const ECS = {
  'content-type': 'application/x-amz-json-1.1',
  'x-amz-target': 'AmazonEC2ContainerServiceV20141113.ListClusters',
}

describe('a browser on this machine', () => {
  test.each(['evil.example', 'evil.example:51680', 'localhost.evil.example', '10.0.0.1'])(
    'that names the host %j is turned away from both faces',
    async (host) => {
      const ecs = await send({ headers: { ...ECS, host }, body: '{}' })
      expect([ecs.status, ecs.body.__type]).toEqual([403, 'AccessDeniedException'])
      const rest = await send({ method: 'GET', path: '/tasks', headers: { host } })
      expect([rest.status, rest.body]).toMatchObject([
        403,
        { error: { code: 'AccessDeniedException' } },
      ])
    },
  )

  test.each(['localhost', '127.0.0.1:1', '[::1]:51680', 'LOCALHOST:80'])(
    'is let in as %j',
    async (host) => {
      expect((await send({ headers: { ...ECS, host }, body: '{}' })).status).toBe(200)
    },
  )

  test.each([undefined, 'text/plain', 'application/x-www-form-urlencoded', 'application/json'])(
    'cannot send a simple request: content type %j is refused',
    async (type) => {
      const { 'content-type': _, ...rest } = ECS
      const headers = type === undefined ? rest : { ...rest, 'content-type': type }
      const { status, body } = await send({ headers, body: '{}' })
      expect([status, body.__type]).toEqual([400, 'SerializationException'])
    },
  )

  test.each([undefined, 'text/plain', 'application/x-amz-json-1.1'])(
    'cannot start tasks with content type %j',
    async (type) => {
      const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type }
      const { status, body } = await send({ path: '/tasks', headers, body: '{}' })
      expect([status, body]).toMatchObject([415, { error: { code: 'SerializationException' } }])
    },
  )
})

describe('a body', () => {
  // P154
  test('over 1 MiB is refused in the form of each face', async () => {
    const body = JSON.stringify({ nextToken: 'x'.repeat(1 << 20) })
    const ecs = await send({ headers: ECS, body })
    expect([ecs.status, ecs.body.__type]).toEqual([413, 'RequestEntityTooLargeException'])
    const headers = { 'content-type': 'application/json' }
    const rest = await send({ path: '/tasks', headers, body })
    expect([rest.status, rest.body]).toMatchObject([
      413,
      { error: { code: 'RequestEntityTooLargeException' } },
    ])
  })

  test('of exactly 1 MiB is read', async () => {
    const frame = JSON.stringify({ nextToken: '' }).length
    const body = JSON.stringify({ nextToken: 'x'.repeat((1 << 20) - frame) })
    const { status, body: answer } = await send({ headers: ECS, body })
    expect([status, answer.__type]).toEqual([400, 'InvalidParameterException'])
  })

  test.each(['{', '[]', 'null', '"x"', '{"a":1}}', '\u0000', '[[[[[', '1e999'])(
    'that is %j is refused, not guessed at',
    async (body) => {
      const { status, body: answer } = await rig.raw('RegisterTaskDefinition', body)
      expect([status, answer.__type]).toEqual([400, 'SerializationException'])
    },
  )

  test('nested a hundred thousand deep is refused', async () => {
    const deep = `{"tags":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
    const { body } = await rig.raw('CreateCluster', deep)
    expect(body.message).toBe('tags[0]: expected an object, got a list')
  })

  test('may be empty, as for an action without parameters', async () => {
    expect((await send({ headers: ECS, body: '' })).status).toBe(200)
  })
})

test.each([undefined, 'RunTask', 'AmazonEC2ContainerServiceV20141113.', 'X.RunTask', 'DynamoDB.Y'])(
  'the target %j names no action, and that is said',
  async (target) => {
    const headers = { 'content-type': ECS['content-type'] }
    const more = target === undefined ? {} : { 'x-amz-target': target }
    const { status, body } = await send({ headers: { ...headers, ...more }, body: '{}' })
    expect([status, body.__type]).toEqual([400, 'UnknownOperationException'])
  },
)

test.each(['__proto__', 'constructor', 'toString', 'Run<Task>'])(
  'the action %j is not found among the properties of objects',
  async (action) => {
    const { status, body } = await rig.raw(action, '{}')
    expect([status, body.__type]).toEqual([400, 'UnknownOperationException'])
  },
)

test('a member of the prototype is named as any other that is unknown', async () => {
  for (const key of ['__proto__', 'constructor', 'hasOwnProperty']) {
    const { body } = await rig.raw('ListTasks', `{"${key}": {"cluster": "x"}}`)
    expect(body.message).toMatch(new RegExp(`^${key}: is not a member that ECS knows here`))
  }
})

test('a label or tag may be called __proto__', async () => {
  const family = '"family":"proto","networkMode":"awsvpc"'
  const labelled = JSON.stringify({ ...nginx(), dockerLabels: 0 }).replace(
    '"dockerLabels":0',
    '"dockerLabels":{"__proto__":"x"}',
  )
  const body = `{${family},"containerDefinitions":[${labelled}]}`
  expect((await rig.raw('RegisterTaskDefinition', body)).status).toBe(200)
  const stored = rig.catalog.definition('proto')?.body
  expect(JSON.stringify(stored)).toContain('"dockerLabels":{"__proto__":"x"}')
})

describe('whatever is sent', { timeout: 30_000 }, () => {
  const isCalm = ({ status, body }: { status: number; body: Record<string, unknown> }) => {
    expect([200, 400, 413]).toContain(status)
    if (status !== 200)
      expect([typeof body.__type, typeof body.message]).toEqual(['string', 'string'])
  }

  // P154
  test('as JSON to any action is answered, and begins no task', async () => {
    const before = rig.journal.all().length
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...ACTION_NAMES), fc.json(), async (action, body) => {
        isCalm(await rig.raw(action, body))
      }),
      { numRuns: 100 },
    )
    expect(rig.journal.all()).toHaveLength(before)
  })

  test('as text is answered', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), async (body) => {
        isCalm(await rig.raw('RunTask', body))
      }),
      { numRuns: 30 },
    )
  })

  test('in place of one member of a good request is answered', async () => {
    const good = {
      RunTask: { taskDefinition: 'nginx-awsvpc', networkConfiguration: network, count: 11 },
      RegisterTaskDefinition: { ...seedDefinition(), networkMode: 'none' },
    }
    const paths = fc.constantFrom(
      ['RunTask', 'networkConfiguration'],
      ['RunTask', 'overrides'],
      ['RunTask', 'tags'],
      ['RunTask', 'cluster'],
      ['RegisterTaskDefinition', 'containerDefinitions'],
      ['RegisterTaskDefinition', 'family'],
      ['RegisterTaskDefinition', 'runtimePlatform'],
    )
    await fc.assert(
      fc.asyncProperty(paths, fc.jsonValue(), async ([action = '', member = ''], value) => {
        const sane = good[action as keyof typeof good]
        const { status, body } = await rig.raw(action, { ...sane, [member]: value })
        expect(status).toBe(400)
        isCalm({ status, body })
      }),
      { numRuns: 100 },
    )
  })
})

describe('the codec', () => {
  test('reads what it is given and nothing else', () => {
    const good = { taskDefinition: 'a', count: 1, tags: [{ key: 'k', value: null }] }
    expect(readInput(RunTask$, good)).toEqual({
      taskDefinition: 'a',
      count: 1,
      tags: [{ key: 'k' }],
    })
  })

  test('throws on an answer that the schema does not have', () => {
    expect(writeOutput(RunTask$, { tasks: [{ createdAt: new Date(1500) }] })).toEqual({
      tasks: [{ createdAt: 1.5 }],
    })
    expect(() => writeOutput(RunTask$, { tasks: [{ ipv4: 'x' }] })).toThrow(/ipv4 is not in/)
    expect(() => writeOutput(RunTask$, { tasks: [{ cpu: 100 }] })).toThrow(/cpu: not what/)
    expect(() => writeOutput(RunTask$, { tasks: {} })).toThrow(/tasks: not a list/)
  })
})

describe('the unix socket', () => {
  // P155
  test('is for its owner and group, and any Host will do', async () => {
    const socketPath = join(rig.folder, 'deep', 'enid.sock')
    await rig.listenUnix(socketPath)
    expect((statSync(socketPath).mode & 0o777).toString(8)).toBe('660')
    const headers = { ...ECS, host: 'whatever' }
    expect((await send({ socketPath, headers, body: '{}' })).status).toBe(200)
    const arn = await runOne(rig)
    const path = `/tasks/${arn.split('/').at(-1)}`
    expect((await send({ socketPath, method: 'GET', path })).body).toMatchObject({ taskArn: arn })
  })

  // P155
  test('never takes the place of a file that is none', async () => {
    const path = join(rig.folder, 'file')
    writeFileSync(path, '')
    await expect(rig.listenUnix(path)).rejects.toThrow(/is no socket; move it away/)
  })
})
