// Goal: what EC2 has for all actions is so for every action of the lab: dry runs, parameters refused
// by name, filters as documented, pages, client tokens, tags. Method: tables over all actions there
// are; what is documented is read from the SDK's schemas and from the API reference that it ships.

import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ACTIONS } from '../../lab/ec2/actions.ts'
import { OPERATIONS, requiredMembers } from '../../lab/ec2/wire/operations.ts'
import { documentedFilters } from './api-reference.ts'
import { ABSENT, FOUND_AT, IMPLIED } from './filter-paths.ts'
import { errorOf, makeRig, type Rig } from './rig.ts'
import { branchOf, fill, type Input, send, type Things, VALID } from './valid-calls.ts'

let rig: Rig
let things: Things
beforeAll(async () => {
  rig = await makeRig()
  things = await fill(rig)
})
afterAll(() => rig.end())

const all = [...ACTIONS.values()]
const membersOf = (action: string): string[] => {
  const input = OPERATIONS.get(action)?.input
  return input?.isStructSchema() ? [...input.structIterator()].map(([name]) => name) : []
}
const withMember = (member: string): string[] =>
  all.map(({ name }) => name).filter((name) => membersOf(name).includes(member))
const honours = (name: string): readonly string[] => ACTIONS.get(name)?.honours ?? []
const valid = (name: string): Input => VALID[name]?.(things) ?? {}
const refused = (name: string, input: Input) => errorOf(send(branchOf(rig).client, name, input))

describe('every action', () => {
  test('has a valid call in the table', () => {
    expect(all.map(({ name }) => name).filter((name) => VALID[name] === undefined)).toEqual([])
  })

  // P300
  test.each(all)('$name: a dry run says what would be, and does nothing', async ({ name }) => {
    const { client, ec2, fabric } = branchOf(rig)
    const before = ec2.region.world
    if (!membersOf(name).includes('DryRun')) {
      const { text } = await rig.query(`Action=${name}&DryRun=true`)
      expect(text, 'two of EC2’s actions know no dry run').toContain('UnknownParameter')
      return
    }
    const { code } = await errorOf(send(client, name, { ...valid(name), DryRun: true }))
    expect(code).toBe('DryRunOperation')
    expect(ec2.region.world).toBe(before)
    expect(fabric.said).toEqual([])
    const bad = { ...valid(name), DryRun: true, ...broken(name) }
    if (Object.keys(broken(name)).length === 0) return
    expect((await errorOf(send(client, name, bad))).code, 'bad input').not.toBe('DryRunOperation')
  })

  // P300
  test.each(all)('$name: the valid call is answered, and changes what it says', async (action) => {
    const { client, ec2 } = branchOf(rig)
    const before = ec2.region.world
    await send(client, action.name, valid(action.name))
    if ('change' in action) expect(ec2.region.world).not.toBe(before)
    else expect(ec2.region.world).toBe(before)
  })

  test.each(all)('$name: a parameter it lacks or needs is refused by name', async ({ name }) => {
    const refusal = async (query: string): Promise<string> => (await rig.query(query)).text
    const unknown = await refusal(`Action=${name}&Colour=red`)
    expect(unknown).toContain('<Code>UnknownParameter</Code>')
    expect(unknown).toContain('The parameter Colour is not recognized')
    const input = OPERATIONS.get(name)?.input
    if (input === undefined || requiredMembers(input).length === 0) return
    expect(await refusal(`Action=${name}`)).toContain('<Code>MissingParameter</Code>')
  })
})

/** Something that makes the valid call a bad one: an id of nothing. */
function broken(name: string): Input {
  const ids = Object.entries(valid(name)).filter(([, value]) =>
    /^[a-z]+(-attach)?-[0-9a-f]{17}$/.test(String(value)),
  )
  return Object.fromEntries(
    ids.map(([key, value]) => [key, `${value}`.replace(/[0-9a-f]{17}$/, '0'.repeat(17))]),
  )
}

/** The rows of a listing's answer; instances come in reservations, one in each. */
function listIn(output: Input): readonly unknown[] {
  const rows: unknown = Object.values(output).find((value) => Array.isArray(value))
  if (!Array.isArray(rows)) return []
  return rows.map((row: { Instances?: readonly object[] }) =>
    row.Instances === undefined ? row : { ...row, Instances: undefined, ...row.Instances[0] },
  )
}

describe('filters', () => {
  /** One of EC2's actions has its list of filters in the singular. */
  const MEMBERS = ['Filters', 'Filter']
  const memberOf = (name: string): string =>
    MEMBERS.find((member) => membersOf(name).includes(member)) ?? ''
  const filtered = MEMBERS.flatMap(withMember)
  const rowsOf = async (name: string, input: Input): Promise<readonly unknown[]> => {
    const output = await send(rig.ec2, name, { ...valid(name), ...input })
    return listIn(output)
  }
  const find = (name: string, filter: string, ...Values: string[]) =>
    rowsOf(name, { [memberOf(name)]: [{ Name: filter, Values }] })
  const rows = filtered.flatMap((name) =>
    documentedFilters(name, memberOf(name)).map((filter) => [name, filter] as const),
  )

  test('are there in every listing that has them on EC2', () => {
    expect(filtered.filter((name) => !honours(name).includes(`${memberOf(name)}.Name`))).toEqual([])
    expect(rows.length, 'the reference was read').toBeGreaterThan(300)
  })

  // P301
  test.each(filtered)(
    '%s: each documented one finds the rows whose answer says so',
    async (name) => {
      const everything = await rowsOf(name, {})
      for (const filter of documentedFilters(name, memberOf(name))) {
        const key = `${name} ${filter}`
        const call = find(name, filter, '*')
        const found = await call.catch((error: Error) => error)
        if (found instanceof Error) {
          expect(found.name, key).toBe('UnsupportedOperation')
          expect(found.message, key).toContain(`does not implement the filter '${filter}'`)
          continue
        }
        const values = new Set(everything.flatMap((row) => valuesAt(row, name, filter)))
        if (ABSENT.has(key)) {
          expect([...values, ...found], key).toEqual([])
          continue
        }
        if (IMPLIED.has(key)) {
          expect(found.length, key).toBeGreaterThan(0)
          expect(await find(name, filter, 'no such value'), key).toEqual([])
          continue
        }
        expect(values.size, `${key}: something in the answers says it`).toBeGreaterThan(0)
        for (const value of [...values].slice(0, 4)) {
          const expected = everything.filter((row) => valuesAt(row, name, filter).includes(value))
          expect(await find(name, filter, escaped(value)), `${key}=${value}`).toEqual(expected)
        }
        const some = everything.filter((row) => valuesAt(row, name, filter).length > 0)
        expect(found, `${key}=*`).toEqual(some)
        expect(await find(name, filter, 'no such value'), key).toEqual([])
      }
    },
  )

  test.each(filtered)('%s: one that is not documented is refused by name', async (name) => {
    for (const filter of ['colour', 'constructor', '__proto__', 'Vpc-Id', 'tag-value']) {
      const { code, message } = await errorOf(find(name, filter, 'x'))
      expect(code).toBe('InvalidParameterValue')
      expect(message).toContain(`'${filter}'`)
    }
  })

  test('are 50 at most, of 200 values at most, of 255 characters at most', async () => {
    const call = (count: number, values: number, length: number) =>
      rowsOf('DescribeVpcs', {
        Filters: Array.from({ length: count }, () => ({
          Name: 'state',
          Values: Array.from({ length: values }, () => 'a'.repeat(length)),
        })),
      })
    expect(await call(50, 1, 255)).toEqual([])
    expect(await call(1, 200, 255)).toEqual([])
    expect((await errorOf(call(51, 1, 1))).code).toBe('FilterLimitExceeded')
    expect((await errorOf(call(1, 201, 1))).code).toBe('FilterLimitExceeded')
    expect((await errorOf(call(1, 1, 256))).code).toBe('InvalidParameterValue')
  })
})

/** What an answer's row says under the members that a filter is named after. */
function valuesAt(row: unknown, action: string, filter: string): string[] {
  const path = FOUND_AT[`${action} ${filter}`] ?? FOUND_AT[filter] ?? pathOf(filter)
  const found = leaves(row, '').filter(([at]) => path.test(at))
  return [...new Set(found.map(([, value]) => value))]
}

/** `attachment.device-index`: the member deviceindex, somewhere under one with attachment in its name. */
function pathOf(filter: string): RegExp {
  const names = filter.toLowerCase().replaceAll('-', '').split('.')
  const last = names.pop() ?? ''
  const above = names.map((name) => `[a-z0-9]*${name}[a-z0-9]*\\.`).join('')
  return new RegExp(`^${above === '' ? '' : `(?:[a-z0-9]+\\.)*${above}`}${last}$`)
}

function leaves(value: unknown, at: string): [string, string][] {
  if (value instanceof Date) return [[at, value.toISOString()]]
  if (Array.isArray(value)) return value.flatMap((each) => leaves(each, at))
  if (typeof value !== 'object' || value === null) return [[at, String(value)]]
  return Object.entries(value).flatMap(([name, each]) =>
    each === undefined ? [] : leaves(each, `${at === '' ? '' : `${at}.`}${name.toLowerCase()}`),
  )
}

const escaped = (value: string): string => value.replaceAll(/[*?\\]/g, '\\$&')

describe('pages', () => {
  /** From the service model that AWS publishes with botocore 1.43: the least and most of MaxResults. */
  const SIZES: Readonly<Record<string, readonly [number, number]>> = {
    DescribeDhcpOptions: [5, 1000],
    DescribeEgressOnlyInternetGateways: [5, 255],
    DescribeInstanceStatus: [5, 1000],
    DescribeInstanceTypeOfferings: [5, 1000],
    DescribeInstanceTypes: [5, 100],
    DescribeInstances: [5, 1000],
    DescribeInternetGateways: [5, 1000],
    DescribeManagedPrefixLists: [1, 100],
    DescribeNatGateways: [5, 1000],
    DescribeNetworkAcls: [5, 1000],
    DescribeNetworkInterfaces: [5, 1000],
    DescribeRouteTables: [5, 100],
    DescribeSecurityGroupRules: [5, 1000],
    DescribeSecurityGroups: [5, 1000],
    DescribeStaleSecurityGroups: [5, 255],
    DescribeSubnets: [5, 1000],
    DescribeTags: [5, 1000],
    DescribeVpcs: [5, 1000],
    GetManagedPrefixListAssociations: [5, 255],
    GetManagedPrefixListEntries: [1, 100],
    GetSecurityGroupsForVpc: [5, 1000],
    GetSubnetCidrReservations: [5, 1000],
  }
  const paged = withMember('MaxResults')

  test('are there in every listing that has them on EC2, and each has its sizes in the table', () => {
    expect(paged.filter((name) => !honours(name).includes('NextToken'))).toEqual([])
    expect(paged.filter((name) => SIZES[name] === undefined)).toEqual([])
  })

  // P302
  test.each(paged)(
    '%s: of the documented sizes, one after the other, give each row once',
    async (name) => {
      const [least = 0, most = 0] = SIZES[name] ?? []
      for (const size of [-1, 0, least - 1, most + 1, 2147483647]) {
        const { code, message } = await refused(name, { ...valid(name), MaxResults: size })
        expect(code).toBe('InvalidParameterValue')
        expect(message).toContain(`Value ( ${size} )`)
      }
      const everything = listIn(await send(rig.ec2, name, valid(name)))
      const largest = await send(rig.ec2, name, { ...valid(name), MaxResults: most })
      expect(listIn(largest)).toHaveLength(everything.length)
      const seen: unknown[] = []
      let NextToken: unknown
      do {
        const token = NextToken === undefined ? {} : { NextToken }
        const page = await send(rig.ec2, name, { ...valid(name), MaxResults: least, ...token })
        seen.push(...listIn(page))
        NextToken = page.NextToken
        if (NextToken !== undefined) expect(listIn(page)).toHaveLength(least)
      } while (NextToken !== undefined && seen.length <= everything.length)
      const sorted = (rows: readonly unknown[]) => rows.map((row) => JSON.stringify(row)).sort()
      expect(sorted(seen)).toEqual(sorted(everything))
    },
  )

  // P302
  test.each(paged)('%s: a token of nobody or of another action is refused', async (name) => {
    const other = name === 'DescribeTags' ? 'DescribeNetworkInterfaces' : 'DescribeTags'
    const { NextToken } = await send(rig.ec2, other, { MaxResults: 5 })
    expect(NextToken, 'there are several pages').toBeTypeOf('string')
    for (const token of ['hello', String(NextToken), 'W10', '\u00e9']) {
      const { code } = await refused(name, { ...valid(name), NextToken: token })
      expect(code, token).toBe('InvalidNextToken')
    }
  })

  test('a token is for the same question: with another filter or of another list it is refused', async () => {
    const { NextToken } = await send(rig.ec2, 'DescribeNetworkInterfaces', { MaxResults: 5 })
    const Filters = [{ Name: 'status', Values: ['*'] }]
    const { code } = await refused('DescribeNetworkInterfaces', { NextToken, Filters })
    expect(code).toBe('InvalidNextToken')
    const { PrefixListId } = valid('GetManagedPrefixListEntries')
    const page = await send(rig.ec2, 'GetManagedPrefixListEntries', { PrefixListId, MaxResults: 1 })
    const elsewhere = { PrefixListId, TargetVersion: 1, NextToken: page.NextToken }
    expect((await refused('GetManagedPrefixListEntries', elsewhere)).code).toBe('InvalidNextToken')
  })

  // P302
  test('whatever comes and goes between pages, the rest is there once (100 random histories)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.tuple(fc.boolean(), fc.nat(30)), { maxLength: 4 }), { maxLength: 8 }),
        async (history) => {
          const { client } = branchOf(rig)
          const first = await send(client, 'DescribeSecurityGroups', {})
          const staying = new Set(groupIds(first))
          const seen: string[] = []
          let NextToken: unknown
          for (let page = 0; page === 0 || NextToken !== undefined; page++) {
            const token = NextToken === undefined ? {} : { NextToken }
            const input = { MaxResults: 5, ...token }
            const answer = await send(client, 'DescribeSecurityGroups', input)
            seen.push(...groupIds(answer))
            NextToken = answer.NextToken
            for (const [isNew, n] of history[page] ?? []) {
              const [gone] = [...staying].slice(n)
              if (isNew) {
                const name = `new ${page} ${n}`
                const input = { GroupName: name, Description: name, VpcId: things.emptyVpcId }
                await send(client, 'CreateSecurityGroup', input).catch(() => undefined)
              } else if (gone !== undefined) {
                const deleted = await send(client, 'DeleteSecurityGroup', { GroupId: gone }).catch(
                  () => undefined, // In use, or a default one: it stays.
                )
                if (deleted !== undefined) staying.delete(gone)
              }
            }
          }
          expect(new Set(seen).size, 'none twice').toBe(seen.length)
          expect([...staying].filter((groupId) => !seen.includes(groupId))).toEqual([])
        },
      ),
      { numRuns: 100, seed: 300 },
    )
  })
})

const groupIds = (answer: Input): string[] =>
  listIn(answer).map((row) => (row as { GroupId: string }).GroupId)

describe('client tokens and tags', () => {
  const sizes = (world: object): string =>
    JSON.stringify(
      Object.entries(world).map(([name, map]) => [name, map instanceof Map ? map.size : 0]),
    )
  /** The resource type of what each action makes. */
  const TAGGED: Readonly<Record<string, string>> = {
    AllocateAddress: 'elastic-ip',
    AuthorizeSecurityGroupEgress: 'security-group-rule',
    AuthorizeSecurityGroupIngress: 'security-group-rule',
    CreateDhcpOptions: 'dhcp-options',
    CreateEgressOnlyInternetGateway: 'egress-only-internet-gateway',
    CreateInternetGateway: 'internet-gateway',
    CreateManagedPrefixList: 'prefix-list',
    CreateNatGateway: 'natgateway',
    CreateNetworkAcl: 'network-acl',
    CreateNetworkInterface: 'network-interface',
    CreateRouteTable: 'route-table',
    CreateSecurityGroup: 'security-group',
    CreateSubnet: 'subnet',
    CreateSubnetCidrReservation: 'subnet-cidr-reservation',
    CreateVpc: 'vpc',
    RunInstances: 'instance',
  }
  const tagging = withMember('TagSpecifications')

  // P303
  test.each(withMember('ClientToken'))('%s: is done once for a token', async (name) => {
    expect(honours(name)).toContain('ClientToken')
    const { client, ec2 } = branchOf(rig)
    const input = { ...valid(name), ClientToken: 'a-token-of-mine' }
    const made = await send(client, name, input)
    const after = sizes(ec2.region.world)
    expect(idsIn(await send(client, name, input))).toEqual(idsIn(made))
    expect(sizes(ec2.region.world)).toBe(after)
    const TagSpecifications = [{ ResourceType: TAGGED[name], Tags: [{ Key: 'a', Value: 'b' }] }]
    const code = async (change: Input) =>
      (await errorOf(send(client, name, { ...input, ...change }))).code
    expect(await code({ TagSpecifications })).toBe('IdempotentParameterMismatch')
    expect(await code({ ClientToken: 'x'.repeat(65) })).toBe('InvalidClientToken')
  })

  test('TagSpecifications are taken wherever EC2 takes them, each with its resource type', () => {
    expect(tagging.filter((name) => TAGGED[name] === undefined)).toEqual([])
  })

  // P303
  test.each(tagging)('%s: tags what it makes, with all its tags or not at all', async (name) => {
    const { client, ec2 } = branchOf(rig)
    const before = ec2.region.world
    const tagged = (type: string, Tags: object[]): Input => ({
      ...valid(name),
      TagSpecifications: [{ ResourceType: type, Tags }],
    })
    const type = TAGGED[name] ?? ''
    const tag = (n: number) => ({ Key: `key ${n}`, Value: '' })
    const many = Array.from({ length: 51 }, (_, n) => tag(n))
    const code = async (input: Input): Promise<string> =>
      (await errorOf(send(client, name, input))).code
    expect(await code(tagged(type, many))).toBe('TagLimitExceeded')
    expect(await code(tagged(type, [{ Key: 'aws:mine', Value: '' }]))).toBe('InvalidParameterValue')
    expect(await code(tagged(type === 'vpc' ? 'subnet' : 'vpc', [tag(1)]))).toBe(
      'InvalidParameterValue',
    )
    expect(await code(tagged(type, [tag(1), tag(1)]))).toBe('InvalidParameterValue')
    expect(ec2.region.world).toBe(before)
    await send(client, name, tagged(type, many.slice(1)))
    const Filters = [{ Name: 'key', Values: ['key *'] }]
    const types = listIn(await send(client, 'DescribeTags', { Filters })).map(
      (row) => (row as { ResourceType: string }).ResourceType,
    )
    expect(types).toEqual(Array.from({ length: 50 }, () => type))
  })
})

const idsIn = (value: unknown): string[] =>
  leaves(value, '')
    .map(([, text]) => text)
    .filter((text) => /^[a-z]+-[0-9a-f]{17}$/.test(text))
