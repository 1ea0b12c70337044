// Goal: filters, pages and tags as EC2 has them, through the SDK's own paginators.

import {
  CreateTagsCommand,
  DeleteTagsCommand,
  DescribeNetworkInterfacesCommand,
  DescribeTagsCommand,
  paginateDescribeInstanceTypes,
  paginateDescribeNetworkInterfaces,
} from '@aws-sdk/client-ec2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { globMatches } from '../../lab/ec2/glob.ts'
import { errorOf, makeRig, type Rig } from './rig.ts'

let rig: Rig
const eniIds: string[] = []
beforeAll(async () => {
  rig = await makeRig()
  for (let n = 0; n < 12; n++) {
    const eni = await rig.createEni({
      Description: n % 2 === 0 ? `web ${n}` : `db ${n}`,
      SubnetId: n < 6 ? rig.subnetA : rig.subnetB,
      TagSpecifications: [
        { ResourceType: 'network-interface', Tags: [{ Key: 'n', Value: String(n) }] },
      ],
    })
    eniIds.push(eni.NetworkInterfaceId)
  }
})
afterAll(() => rig.end())

const find = async (...filters: [string, ...string[]][]) =>
  (
    await rig.ec2.send(
      new DescribeNetworkInterfacesCommand({
        Filters: filters.map(([Name, ...Values]) => ({ Name, Values })),
      }),
    )
  ).NetworkInterfaces ?? []

describe('filters', () => {
  test('are any of the values, and all of the names', async () => {
    expect(await find(['description', 'web 0', 'web 2', 'none'])).toHaveLength(2)
    expect(await find(['description', 'web*'], ['subnet-id', rig.subnetB])).toHaveLength(3)
    expect(await find(['availability-zone', 'us-west-2?'], ['tag:n', '1', '2'])).toHaveLength(2)
    expect(await find(['tag-key', 'n'])).toHaveLength(12)
    expect(await find(['description', 'WEB*']), 'case counts').toEqual([])
    expect(await find(['attachment.device-index', '0'])).toHaveLength(1)
    expect(await find(['requester-managed', 'false'])).toHaveLength(13)
  })

  test('that EC2 does not know are refused, with or without rows', async () => {
    expect(await errorOf(find(['colour', 'red']))).toEqual({
      code: 'InvalidParameterValue',
      message: "The filter 'colour' is invalid",
    })
    expect((await errorOf(find(['constructor', 'x']))).code).toBe('InvalidParameterValue')
    expect((await errorOf(find(['status']))).code).toBe('InvalidParameterValue')
    const values = Array.from({ length: 201 }, (_, n) => String(n))
    expect((await errorOf(find(['tag:n', ...values]))).code).toBe('FilterLimitExceeded')
  })

  test('match wildcards, and a backslash takes them literally', () => {
    expect(globMatches('a*c', 'abbbc')).toBe(true)
    expect(globMatches('a?c', 'abbc')).toBe(false)
    expect(globMatches('a\\*c', 'abc')).toBe(false)
    expect(globMatches('a\\*c', 'a*c')).toBe(true)
    expect(globMatches('*b*', 'abc')).toBe(true)
    expect(globMatches('', '')).toBe(true)
    expect(globMatches('.*', 'x')).toBe(false)
    expect(globMatches(`${'*a'.repeat(50)}b`, 'a'.repeat(5000)), 'and never for ever').toBe(false)
  })
})

describe('pages', () => {
  test('hold every row once, also when rows come and go between them', async () => {
    const seen: string[] = []
    const pages = paginateDescribeNetworkInterfaces(
      { client: rig.ec2, pageSize: 5 },
      { Filters: [{ Name: 'tag-key', Values: ['n'] }] },
    )
    for await (const { NetworkInterfaces = [] } of pages) {
      expect(NetworkInterfaces.length).toBeLessThanOrEqual(5)
      seen.push(...NetworkInterfaces.map((eni) => eni.NetworkInterfaceId ?? ''))
      await rig.createEni()
    }
    expect(seen.toSorted()).toEqual(eniIds.toSorted())
    let types = 0
    for await (const page of paginateDescribeInstanceTypes({ client: rig.ec2, pageSize: 7 }, {})) {
      types += page.InstanceTypes?.length ?? 0
    }
    expect(types).toBeGreaterThan(40)
  })

  test('refuse bad sizes, tokens of others, and lists of ids', async () => {
    const ask = (input: object) =>
      errorOf(rig.ec2.send(new DescribeNetworkInterfacesCommand(input))).then(({ code }) => code)
    expect(await ask({ MaxResults: 4 })).toBe('InvalidParameterValue')
    expect(await ask({ MaxResults: 1001 })).toBe('InvalidParameterValue')
    expect(await ask({ NextToken: 'hello' })).toBe('InvalidNextToken')
    expect(await ask({ MaxResults: 5, NetworkInterfaceIds: eniIds })).toBe(
      'InvalidParameterCombination',
    )
    const first = await rig.ec2.send(new DescribeNetworkInterfacesCommand({ MaxResults: 5 }))
    const { NextToken } = first
    expect(await ask({ NextToken, Filters: [{ Name: 'tag-key', Values: ['n'] }] })).toBe(
      'InvalidNextToken',
    )
  })

  test('an unknown id fails the whole call and is named', async () => {
    const missing = 'eni-0123456789abcdef0'
    const call = rig.ec2.send(
      new DescribeNetworkInterfacesCommand({
        NetworkInterfaceIds: [eniIds[0] ?? '', missing, 'eni-x'],
      }),
    )
    expect((await errorOf(call)).message).toContain(missing)
  })
})

describe('tags', () => {
  const create = (id: string, ...tags: [string, string][]) =>
    rig.ec2.send(
      new CreateTagsCommand({
        Resources: [id],
        Tags: tags.map(([Key, Value]) => ({ Key, Value })),
      }),
    )
  const tagsOf = async (id: string) => {
    const { Tags } = await rig.ec2.send(
      new DescribeTagsCommand({ Filters: [{ Name: 'resource-id', Values: [id] }] }),
    )
    return Object.fromEntries((Tags ?? []).map(({ Key, Value }) => [Key, Value]))
  }

  test('are set, overwritten and taken away on every kind of resource', async () => {
    const ruleId = [...rig.lab.region.world.groups.values()][0]?.rules[0]?.ruleId ?? ''
    for (const id of [rig.vpcId, rig.subnetA, rig.defaultGroup, rig.instanceId, ruleId]) {
      await create(id, ['Name', 'one'], ['empty', ''])
      await create(id, ['Name', '<two> & "three"'])
      expect(await tagsOf(id)).toEqual({ Name: '<two> & "three"', empty: '' })
      const remove = (Tags?: object[]) =>
        rig.ec2.send(new DeleteTagsCommand({ Resources: [id], ...(Tags && { Tags }) }))
      await remove([{ Key: 'Name', Value: 'one' }])
      expect(await tagsOf(id), 'another value stays').toHaveProperty('Name')
      await remove([{ Key: 'Name' }])
      expect(await tagsOf(id)).toEqual({ empty: '' })
      await remove()
      expect(await tagsOf(id)).toEqual({})
    }
  })

  test('that EC2 refuses are refused, on all resources or none', async () => {
    const [eniId = ''] = eniIds
    const code = (call: Promise<unknown>) => errorOf(call).then((error) => error.code)
    expect(await code(create(eniId, ['aws:mine', 'x']))).toBe('InvalidParameterValue')
    expect(await code(create(eniId, ['', 'x']))).toBe('InvalidParameterValue')
    expect(await code(create(eniId, ['k'.repeat(129), 'x']))).toBe('InvalidParameterValue')
    expect(await code(create(eniId, ['k', 'v'.repeat(257)]))).toBe('InvalidParameterValue')
    const many = Array.from({ length: 50 }, (_, n): [string, string] => [`k${n}`, ''])
    expect(await code(create(eniId, ...many))).toBe('TagLimitExceeded')
    expect(await code(create('hello', ['k', 'v']))).toBe('InvalidID')
    expect(await code(create('vpc-0123456789abcdef0', ['k', 'v']))).toBe('InvalidVpcID.NotFound')
    const both = new CreateTagsCommand({
      Resources: [eniId, 'sg-0123456789abcdef0'],
      Tags: [{ Key: 'k', Value: 'v' }],
    })
    expect(await code(rig.ec2.send(both))).toBe('InvalidGroup.NotFound')
    expect(await tagsOf(eniId)).toEqual({ n: '0' })
  })
})
