// Goal: what enid answers about tasks, this host and services is what docs/answers.md says of every
// member that ECS has. Method: the schemas of the SDK are walked; answers of many kinds are taken over
// the wire and looked at member by member; the samples that botocore and the AWS CLI carry are the
// oracle of what ECS's own answers look like.

import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  CreateServiceCommand,
  DeleteServiceCommand,
  RegisterTaskDefinitionCommand,
  type RegisterTaskDefinitionCommandInput,
  RunTaskCommand,
  type RunTaskCommandInput,
  UpdateServiceCommand,
} from '@aws-sdk/client-ecs'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { ANSWERS } from '../../api/fields/answers.ts'
import { answerAt, DOCUMENT, documentText, membersOf } from '../../scripts/answers-doc.ts'
import { settleIpv6 } from './ipv6-only.ts'
import type { Rig } from './rig.ts'
import { network, nginx, openRig, seedDefinition } from './rig.ts'

const ACTIONS = Object.keys(ANSWERS)

// P439
test.each(ACTIONS)('%s: every member that the SDK knows has its line', (action) => {
  expect(membersOf(action).filter((path) => answerAt(action, path) === undefined)).toEqual([])
})

test.each(ACTIONS)('%s: no member is spoken of that the SDK does not know', (action) => {
  const known = new Set(membersOf(action))
  const spoken = Object.entries(ANSWERS[action] ?? {}).flatMap(([place, members]) =>
    Object.keys(members).map((name) => (place === '' ? name : `${place}.${name}`)),
  )
  expect(spoken.filter((path) => !known.has(path))).toEqual([])
})

test('docs/answers.md says the same', () => {
  expect(readFileSync(DOCUMENT, 'utf8')).toBe(documentText())
})

type Json = { readonly [name: string]: Json } | readonly Json[] | string | number | boolean | null

/** Every structure in an answer, by its place without indices. */
function* structures(value: Json, place: string): Iterable<readonly [string, readonly string[]]> {
  if (Array.isArray(value)) {
    for (const item of value) yield* structures(item, place)
    return
  }
  if (typeof value !== 'object' || value === null) return
  yield [place, Object.keys(value)]
  for (const [name, item] of Object.entries(value)) {
    yield* structures(item, place === '' ? name : `${place}.${name}`)
  }
}

let rig: Rig
/** Answers as they came over the wire, by action. */
const taken = new Map<string, Json[]>()

async function ask(action: string, input: object): Promise<Json> {
  const { status, body } = await rig.raw(action, input)
  expect(status, JSON.stringify(body)).toBe(200)
  taken.set(action, [...(taken.get(action) ?? []), body])
  return body
}

const define = (change: Partial<RegisterTaskDefinitionCommandInput>) =>
  rig.ecs.send(new RegisterTaskDefinitionCommand({ ...seedDefinition(), ...change }))

async function run(change: Partial<RunTaskCommandInput>): Promise<string> {
  const input = { taskDefinition: 'plain', networkConfiguration: network, ...change }
  const { tasks = [], failures } = await rig.ecs.send(new RunTaskCommand(input))
  expect(failures).toEqual([])
  return tasks[0]?.taskArn ?? ''
}

/** Tasks of every kind and age, this host, services in the middle of things. */
async function live(): Promise<void> {
  await define({ family: 'plain' })
  await define({
    family: 'rich',
    containerDefinitions: [nginx({ memory: 64, memoryReservation: 32 })],
  })
  const keys = { accessKeyId: 'a', secretAccessKey: 'b', token: 'c', expiresAt: 0 }
  for (const role of ['task', 'execution']) {
    rig.orders.roles.set(`arn:aws:iam::123456789012:role/${role}`, keys)
  }
  await define({
    family: 'soft',
    containerDefinitions: [nginx({ memory: undefined, memoryReservation: 32 })],
  })
  // Nothing of it has begun yet.
  rig.orders.may = () => false
  const early = await run({ taskDefinition: 'soft' })
  await ask('DescribeTasks', { tasks: [early] })
  rig.orders.may = () => true
  const rich = await run({
    taskDefinition: 'rich',
    startedBy: 'me',
    tags: [{ key: 'team', value: 'blue' }],
    overrides: {
      cpu: '256',
      memory: '512',
      taskRoleArn: 'arn:aws:iam::123456789012:role/task',
      executionRoleArn: 'arn:aws:iam::123456789012:role/execution',
      ephemeralStorage: { sizeInGiB: 21 },
      containerOverrides: [
        {
          name: 'nginx',
          command: ['x'],
          environment: [{ name: 'A', value: 'b' }],
          environmentFiles: [{ type: 's3', value: 'arn:aws:s3:::bucket/a.env' }],
          cpu: 10,
          memory: 64,
          memoryReservation: 32,
        },
      ],
    },
  })
  rig.orders.settle()
  const plain = await run({})
  rig.orders.settle()
  rig.orders.may = () => false
  const six = await run({})
  settleIpv6(rig, six.split('/').at(-1) ?? '')
  await ask('DescribeTasks', { tasks: [rich, early, plain, six], include: ['TAGS'] })
  const id = early.split('/').at(-1) ?? ''
  rig.journal.append(id, { type: 'exited', container: 'nginx', exitCode: 137, outOfMemory: true })
  const stop = { code: 'EssentialContainerExited', reason: 'x', row: 'container:nginx' } as const
  rig.orders.stop(id, stop)
  rig.orders.settle()
  await ask('DescribeTasks', { tasks: [early, 'f'.repeat(32)] })
  rig.journal.quarantined.push({ id: 'e'.repeat(32), why: 'no row' })
  await ask('DescribeTasks', { tasks: ['e'.repeat(32)] })
  await ask('ListTasks', { maxResults: 1 })
  await run({})
  await ask('ListTasks', {})

  const [arn = ''] = (
    (await ask('ListContainerInstances', {})) as { containerInstanceArns: string[] }
  ).containerInstanceArns
  await rig.raw('TagResource', { resourceArn: arn, tags: [{ key: 'a', value: 'b' }] })
  await ask('DescribeContainerInstances', { containerInstances: [arn, 'x'] })
  rig.orders.drained = { since: 0, why: 'a person wants it' }
  const include = ['TAGS', 'CONTAINER_INSTANCE_HEALTH']
  await ask('DescribeContainerInstances', { containerInstances: [arn], include })
  rig.orders.drained = undefined

  const service = { serviceName: 'web', taskDefinition: 'plain', desiredCount: 1 }
  const breaker = { enable: true, rollback: true }
  const awsvpcConfiguration = {
    ...network.awsvpcConfiguration,
    assignPublicIp: 'DISABLED' as const,
  }
  await rig.ecs.send(
    new CreateServiceCommand({
      ...service,
      networkConfiguration: { awsvpcConfiguration },
      tags: [{ key: 'a', value: 'b' }],
      deploymentConfiguration: { deploymentCircuitBreaker: breaker },
    }),
  )
  await ask('DescribeServices', { services: ['web', 'x'], include: ['TAGS'] })
  await vi.waitFor(() => expect(rig.services.get('default/web')?.isSteady).toBe(true))
  const off = { deploymentCircuitBreaker: { enable: false, rollback: false } }
  await rig.ecs.send(
    new UpdateServiceCommand({
      service: 'web',
      forceNewDeployment: true,
      deploymentConfiguration: off,
      networkConfiguration: {
        awsvpcConfiguration: { subnets: network.awsvpcConfiguration.subnets },
      },
    }),
  )
  await ask('DescribeServices', { services: ['web'] })
  await rig.ecs.send(new DeleteServiceCommand({ service: 'web', force: true }))
  await ask('DescribeServices', { services: ['web'] })
}

describe('the answers', () => {
  beforeAll(async () => {
    rig = await openRig()
    await live()
  })
  afterAll(async () => {
    await rig.close()
    expect(rig.defects).toEqual([])
  })

  // P439
  test.each(ACTIONS)('of %s have what the table says', (action) => {
    const found = new Map<string, (readonly string[])[]>()
    for (const answer of taken.get(action) ?? []) {
      for (const [place, names] of structures(answer, '')) {
        found.set(place, [...(found.get(place) ?? []), names])
      }
    }
    const wrong: string[] = []
    for (const [place, members] of Object.entries(ANSWERS[action] ?? {})) {
      const seen = found.get(place) ?? []
      for (const [name, { is }] of Object.entries(members)) {
        const path = place === '' ? name : `${place}.${name}`
        const count = seen.filter((names) => names.includes(name)).length
        if (is === 'always' && (count === 0 || count < seen.length)) {
          wrong.push(`${path}: always, and in ${count} of ${seen.length}`)
        }
        if (is === 'sometimes' && (count === 0 || count === seen.length)) {
          wrong.push(`${path}: sometimes, and in ${count} of ${seen.length}`)
        }
        if (is === 'never' && count > 0) wrong.push(`${path}: never, and in ${count}`)
      }
    }
    expect(wrong).toEqual([])
  })

  // P439
  test.each(ACTIONS)('of %s have every member of the samples in the documentation', (action) => {
    const samples = samplesOf(action)
    expect(samples.length).toBeGreaterThan(0)
    const ours = new Map<string, Set<string>>()
    for (const answer of taken.get(action) ?? []) {
      for (const [path, kind] of kinds(answer, '')) {
        ours.set(path, (ours.get(path) ?? new Set()).add(kind))
      }
    }
    const lacking = samples
      .flatMap((sample) => [...kinds(sample, '')])
      .filter(([path]) => answerAt(action, path)?.is !== 'never')
      // Times are numbers on the wire; botocore's samples have them as Python prints them.
      .filter(([path, kind]) => !ours.get(path)?.has(kind) && !/At$/.test(path))
    expect([...new Set(lacking.map(([path, kind]) => `${path}: ${kind}`))]).toEqual([])
  })
})

/** Every member of an answer by its path, and whether it is text, a number, a list. */
function* kinds(value: Json, path: string): Iterable<readonly [string, string]> {
  if (path !== '') yield [path, Array.isArray(value) ? 'list' : typeof value]
  if (Array.isArray(value)) {
    for (const item of value) {
      if (typeof item === 'object')
        for (const one of kinds(item, path)) if (one[0] !== path) yield one
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, item] of Object.entries(value)) {
      yield* kinds(item, path === '' ? name : `${path}.${name}`)
    }
  }
}

/** What botocore and the AWS CLI, as they are installed, give as examples of this answer. */
function samplesOf(action: string): Json[] {
  const program = 'import botocore, awscli; print(botocore.__path__[0]); print(awscli.__path__[0])'
  const [botocore = '', awscli = ''] = execFileSync('/usr/bin/python3', ['-c', program], {
    encoding: 'utf8',
  }).split('\n')
  const file = join(botocore, 'data/ecs/2014-11-13/examples-1.json')
  const all = JSON.parse(readFileSync(file, 'utf8')) as {
    examples: Record<string, { output?: Json }[]>
  }
  const name = action.replaceAll(/(?<!^)([A-Z])/g, '-$1').toLowerCase()
  const pages = readdirSync(join(awscli, 'examples/ecs')).filter((page) => page === `${name}.rst`)
  const printed = pages.flatMap((page) =>
    jsonIn(readFileSync(join(awscli, 'examples/ecs', page), 'utf8')),
  )
  return [...(all.examples[action] ?? []).flatMap(({ output }) => output ?? []), ...printed]
}

/** The JSON documents that stand indented in a page: from a brace in a line of its own to its fellow. */
function jsonIn(page: string): Json[] {
  return [...page.matchAll(/^([ \t]+)\{\n[\s\S]*?^\1\}/gm)].map(
    ([text]) => JSON.parse(text) as Json,
  )
}
