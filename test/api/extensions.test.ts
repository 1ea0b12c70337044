// Goal: what ECS has no member for can be asked for by tags that an unmodified client passes, by REST
// fields and by routes, and what cannot be is refused by name. Method: the real SDK and fetch over
// loopback, a real state file, a fake agent.

import { readFileSync } from 'node:fs'
import {
  ListTagsForResourceCommand,
  RegisterTaskDefinitionCommand,
  TagResourceCommand,
} from '@aws-sdk/client-ecs'
import { beforeEach, describe, expect, test } from 'vitest'
import { EXTENSIONS } from '../../api/extension-tags.ts'
import { rows } from '../../state/task.ts'
import { GROUP, SUBNET } from './fake-orders.ts'
import { describeOne, register, run, runOne } from './questions.ts'
import { network, seedDefinition } from './rig.ts'
import { useRig } from './use-rig.ts'

const OTHER = 'sg-11111111'
const MORE = 'sg-22222222'
const rig = useRig()
beforeEach(async () => {
  await register(rig)
})

const idOf = (arn: string) => arn.split('/').at(-1) ?? ''
const tagged = (...tags: [key: string, value: string][]) => ({
  tags: tags.map(([key, value]) => ({ key, value })),
})
const eniSpec = (arn: string, n = 0) => rig.journal.get(idOf(arn))?.holder.spec.enis[n]
const order = (resourceArn: string, ...tags: [key: string, value: string][]) =>
  rig.ecs.send(new TagResourceCommand({ resourceArn, ...tagged(...tags) }))

async function put(id: string, body: unknown, path = 'security-groups') {
  const response = await fetch(`${rig.url}/tasks/${id}/${path}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: response.status, body: (await response.json()) as ReturnType<typeof JSON.parse> }
}

// P406
test('every one of them stands in docs/extensions.md, with where it is taken', () => {
  const text = readFileSync('docs/extensions.md', 'utf8')
  const rows = [...text.matchAll(/^\| `enid:([^`]+)` \| (\w+)/gm)].map(([, name = '', on]) => [
    name.replace(/:[A-Z]+$/, ':'),
    on,
  ])
  expect(rows).toEqual(Object.entries(EXTENSIONS).map(([name, { on }]) => [name, on]))
})

describe('tags of the ENI', () => {
  // P405
  test('are put on it alone; the task’s own and the definition’s go on both', async () => {
    const definition = { ...seedDefinition(), tags: [{ key: 'team', value: 'a' }] }
    await rig.ecs.send(new RegisterTaskDefinitionCommand(definition))
    const own = tagged(['stage', 'test'], ['enid:eni-tag:cost', '7'], ['enid:eni-tag:team', 'b'])
    const arn = await runOne(rig, { ...own, propagateTags: 'TASK_DEFINITION' })
    expect(eniSpec(arn)?.tags).toEqual({ team: 'b', stage: 'test', cost: '7' })
    expect((await describeOne(rig, arn)).tags).toEqual([
      { key: 'stage', value: 'test' },
      { key: 'team', value: 'a' },
    ])
  })

  test('come as REST fields as well', async () => {
    const response = await fetch(`${rig.url}/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        taskDefinition: 'nginx-awsvpc',
        subnets: [SUBNET],
        extensions: { 'eni-tag:cost': '7' },
      }),
    })
    const { tasks } = (await response.json()) as { tasks: { taskId: string }[] }
    expect(eniSpec(tasks[0]?.taskId ?? '')?.tags).toEqual({ cost: '7' })
  })

  // P406
  test.each([
    ['enid:eni-tag:aws:x', '1', /enid:eni-tag:aws:x\[0\]\.key: .*reserved/],
    ['enid:eni-tag:enid:holder', '1', /enid:eni-tag:enid:holder\[0\]\.key: .*reserved/],
    ['enid:eni-tag:', '1', /"": 1 to 128 characters/],
    [
      'enid:eni-tagg:x',
      '1',
      /"enid:eni-tagg:x" is no extension of enid. Did you mean enid:eni-tag:\?/,
    ],
    ['enid:nothing-like-it', 'x', /RunTask knows .*enid:eni-tag:…/],
    ['enid:holder', 'x', /tags\[0\]\.key: "enid:holder" is enid's own mark/],
    ['enid:securityGroups', GROUP, /not taken by RunTask.*networkConfiguration/],
  ])('%s=%s is refused', async (key, value, message) => {
    await expect(run(rig, tagged([key, value]))).rejects.toThrow(message)
    expect(rig.journal.all()).toEqual([])
  })
})

describe('an address or an ENI of the caller’s choice', () => {
  const ENI = 'eni-11111111'
  const ADDRESS: [string, string] = ['enid:privateIpv4', '10.0.0.9']

  test('is what the task’s ENI is to be; IPv6 in the form in which EC2 writes it', async () => {
    const arn = await runOne(rig, tagged(ADDRESS, ['enid:ipv6', '2600:0DB8::0009'], ['a', 'b']))
    expect(eniSpec(arn)).toMatchObject({ ipv4: '10.0.0.9', ipv6: '2600:db8::9', tags: { a: 'b' } })
    const lent = await runOne(rig, tagged(['enid:eniId', ENI], ['a', 'b']))
    expect(eniSpec(lent)).toEqual({
      ...{ subnetIds: [SUBNET], securityGroupIds: [GROUP] },
      ...{ tags: {}, lentEniId: ENI },
    })
    expect((await describeOne(rig, lent)).tags).toEqual([{ key: 'a', value: 'b' }])
  })

  // P410
  test('a public address is a row of its own, which containers wait for', async () => {
    const arn = await runOne(rig, tagged(['enid:publicIp', 'new']))
    expect(eniSpec(arn)?.publicIp).toBe('new')
    const enabled = { ...network.awsvpcConfiguration, assignPublicIp: 'ENABLED' as const }
    const asked = await runOne(rig, { networkConfiguration: { awsvpcConfiguration: enabled } })
    expect(eniSpec(asked)).toEqual(eniSpec(arn))
    const all = rows(rig.journal.get(idOf(arn))?.holder.spec ?? expect.fail('no task'))
    const needs = (row: string) => all.find(({ id }) => id === row)?.needs.map((need) => need.row)
    expect(needs('publicIp:0')).toEqual(['eni:0'])
    expect(needs('container:nginx')).toContain('publicIp:0')
    await describeOne(rig, arn)
    const answer = await fetch(`${rig.url}/tasks/${idOf(arn)}`)
    expect(await answer.json()).toMatchObject({ enis: [{ publicIpv4: '198.51.100.7' }] })
    const given: [string, string] = ['enid:publicIp', 'eipalloc-11111111']
    await expect(run(rig, { ...tagged(given), count: 2 })).rejects.toThrow(/share eipalloc-1111/)
    expect((await run(rig, { ...tagged(['enid:publicIp', 'new']), count: 2 })).tasks).toHaveLength(
      2,
    )
    await expect(run(rig, tagged(['enid:publicIp', 'yes']))).rejects.toThrow(/"yes" is not an id/)
  })

  // P412
  test('further ENIs are read word by word; what they do not name is as for the first', async () => {
    const words = 'sg-11111111 10.0.9.9 subnet-22222222 public'
    const arn = await runOne(
      rig,
      tagged(['enid:eni:1', words], ['enid:eni:2', ''], ['enid:eni:3', 'eni-33333333'], ['a', 'b']),
    )
    const shared = { subnetIds: [SUBNET], securityGroupIds: [GROUP], tags: { a: 'b' } }
    expect(eniSpec(arn)).toEqual(shared)
    expect(eniSpec(arn, 1)).toEqual({
      ...{ subnetIds: ['subnet-22222222'], securityGroupIds: ['sg-11111111'], tags: { a: 'b' } },
      ...{ ipv4: '10.0.9.9', publicIp: 'new' },
    })
    expect(eniSpec(arn, 2)).toEqual(shared)
    expect(eniSpec(arn, 3)).toEqual({
      ...{ subnetIds: [SUBNET], securityGroupIds: [], tags: {}, lentEniId: 'eni-33333333' },
    })
    expect(rig.orders.prepared.at(-1)).toEqual([SUBNET, 'subnet-22222222'])
  })

  test.each([
    [['enid:eni:2', ''], /enid:eni:2: there is no enid:eni:1/],
    [['enid:eni:0', ''], /enid:eni:0: there is no enid:eni:1/],
    [['enid:eni:x', ''], /"x" is not the number of an ENI/],
    [['enid:eni:1', 'web'], /enid:eni:1: "web" is no id of a subnet, group/],
    [['enid:eni:1', '10.0.0.1 10.0.0.2'], /10.0.0.1 and 10.0.0.2: there may be one/],
    [['enid:eni:1', 'sg-1'], /"sg-1" is not an id/],
  ] as const)('%j is refused', async ([key, value], message) => {
    await expect(run(rig, tagged([key, value]))).rejects.toThrow(message)
  })

  // P409
  test('an ENI that is lent, and an address, are for one task at a time', async () => {
    await expect(run(rig, { ...tagged(ADDRESS), count: 2 })).rejects.toThrow(
      /count: 2 tasks cannot/,
    )
    const lend = tagged(['enid:eniId', ENI])
    await expect(run(rig, { ...lend, count: 2 })).rejects.toThrow(/cannot share eni-11111111/)
    const id = idOf(await runOne(rig, lend))
    await expect(run(rig, lend)).rejects.toThrow(`enid:eniId: ${ENI} is lent to task ${id}`)
    await describeOne(rig, id)
    rig.orders.may = () => false
    rig.orders.stop(id, { code: 'UserInitiated', reason: 'x' })
    await expect(run(rig, lend), 'not given back yet').rejects.toThrow(/is lent to task/)
    rig.orders.may = () => true
    rig.orders.settle()
    await runOne(rig, lend)
  })

  test.each([
    [['enid:privateIpv4', '10.0.0.300'], /"10.0.0.300" is not an IPv4 address/],
    [['enid:ipv6', '10.0.0.3'], /"10.0.0.3" is not an IPv6 address/],
    [['enid:eniId', 'eni-xyz'], /enid:eniId\[0\]: "eni-xyz" is not an id/],
  ] as const)('%j is refused', async ([key, value], message) => {
    await expect(run(rig, tagged([key, value]))).rejects.toThrow(message)
  })

  test('what a lent ENI has already is not asked for beside it', async () => {
    const lend: [string, string] = ['enid:eniId', ENI]
    await expect(run(rig, tagged(lend, ADDRESS))).rejects.toThrow(/has its addresses already/)
    const tag: [string, string] = ['enid:eni-tag:x', 'y']
    await expect(run(rig, tagged(lend, tag))).rejects.toThrow(/keeps its own tags/)
  })
})

describe('the security groups of a running task', () => {
  // P400
  test('are changed by TagResource, which answers when they are in force', async () => {
    const arn = await runOne(rig)
    await describeOne(rig, arn)
    await order(arn, ['enid:securityGroups', `${OTHER} ${MORE}`], ['team', 'a'])
    expect(eniSpec(arn)?.securityGroupIds).toEqual([OTHER, MORE])
    const answer = await fetch(`${rig.url}/tasks/${idOf(arn)}`)
    const { enis } = (await answer.json()) as { enis: { securityGroupIds: string[] }[] }
    expect(enis[0]?.securityGroupIds).toEqual([OTHER, MORE])
    const { tags } = await rig.ecs.send(new ListTagsForResourceCommand({ resourceArn: arn }))
    expect(tags, 'an order is no tag').toEqual([{ key: 'team', value: 'a' }])
  })

  // P400
  test('are changed by REST, in one event that is written before anything is done', async () => {
    const id = idOf(await runOne(rig))
    const events: string[] = []
    rig.journal.follow((_, event) => events.push(event.type))
    const { status, body } = await put(id, { securityGroups: [OTHER] })
    expect([status, body.enis[0].securityGroupIds]).toEqual([200, [OTHER]])
    expect(events).toEqual(['amended', 'began', 'done'])
  })

  // P402
  test('that EC2 refuses are withdrawn, and its cause is the answer', async () => {
    const arn = await runOne(rig)
    await describeOne(rig, arn)
    rig.orders.groupsRefused = {
      code: 'InvalidGroup.NotFound',
      message: `The security group '${OTHER}' does not exist`,
    }
    const refused = await order(arn, ['enid:securityGroups', OTHER], ['a', 'b']).catch((e) => e)
    expect(refused.name).toBe('InvalidParameterException')
    expect(refused.message).toBe(
      `enid:securityGroups: InvalidGroup.NotFound: The security group '${OTHER}' does not exist`,
    )
    expect(eniSpec(arn)?.securityGroupIds).toEqual([GROUP])
    const { tags } = await rig.ecs.send(new ListTagsForResourceCommand({ resourceArn: arn }))
    expect(tags, 'nothing of the request was done').toEqual([])
    const { status, body } = await put(idOf(arn), { securityGroups: [OTHER] })
    expect([status, body.error.field]).toEqual([400, 'securityGroups'])
  })

  // P403
  test('are shown as wanted while EC2 does not answer, and the order stands', async () => {
    const id = idOf(await runOne(rig))
    await describeOne(rig, id)
    rig.orders.may = ({ row }) => row !== 'eni:0'
    const { status, body } = await put(id, { securityGroups: [OTHER] })
    expect(status).toBe(202)
    expect(body.enis[0]).toMatchObject({
      securityGroupIds: [GROUP],
      securityGroupIdsWanted: [OTHER],
    })
    rig.orders.may = () => true
    rig.orders.settle()
    const { status: later } = await put(id, { securityGroups: [OTHER] })
    expect(later).toBe(200)
  }, 90_000)

  test.each([
    [{ securityGroups: [] }, 400, /0 security groups; 1 to 16/],
    [{ securityGroups: ['sg'] }, 400, /securityGroups\[0\]: "sg" is not an id/],
    [{ securityGroups: [OTHER, OTHER] }, 400, /stands twice/],
    [{ securityGroups: [OTHER], eni: 1 }, 400, /eni: 1: the task has 1 ENIs/],
    [{ securityGroups: [OTHER], enis: 1 }, 400, /Did you mean eni\?/],
  ])('%j is refused', async (body, status, message) => {
    const id = idOf(await runOne(rig))
    await describeOne(rig, id)
    const answer = await put(id, body)
    expect([answer.status, answer.body.error.message]).toEqual([
      status,
      expect.stringMatching(message),
    ])
    expect(eniSpec(id)?.securityGroupIds).toEqual([GROUP])
  })

  test('are refused for what is no running task with an ENI', async () => {
    rig.orders.may = () => false
    const id = idOf(await runOne(rig))
    const wanted = { securityGroups: [OTHER] }
    expect((await put(id, wanted)).body.error.message).toMatch(/not made yet. Ask again/)
    rig.orders.stop(id, { code: 'UserInitiated', reason: 'x' })
    expect((await put(id, wanted)).status).toBe(409)
    expect((await put('f'.repeat(32), wanted)).status).toBe(404)
    const { taskDefinition } = await register(rig)
    const arn = taskDefinition?.taskDefinitionArn ?? ''
    await expect(order(arn, ['enid:securityGroups', OTHER])).rejects.toThrow(/for tasks alone/)
    await expect(order(arn, ['enid:eni-tag:x', 'y'])).rejects.toThrow(/It is for RunTask/)
  })
})
