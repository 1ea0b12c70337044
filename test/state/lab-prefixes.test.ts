// Goal: what a subnet of the lab gives is never given twice, never reserved, and whole; and a subnet
// that is fragmented is told from one that is full. Method: random orders against a subnet, judged
// by plain arithmetic on a picture of all its addresses that shares nothing with the allocator.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { availableCount } from '../../lab/model/addresses.ts'
import { assign, unassign } from '../../lab/model/assignment.ts'
import { addSubnet, freshWorld } from '../../lab/model/fresh-world.ts'
import { makeEni } from '../../lab/model/network-interface.ts'
import { Refusal } from '../../lab/model/refusal.ts'
import { reserve } from '../../lab/model/subnet-cidr-reservation.ts'
import {
  type NetworkInterface,
  type Subnet,
  type World,
  withEni,
  withoutEni,
} from '../../lab/model/world.ts'

const SIZE = 128 // 10.0.5.0/25: eight blocks, of which the first and the last are never whole.

let seed = 0
const random = (length: number): Uint8Array =>
  Uint8Array.from({ length }, () => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31
    return seed >> 16
  })

function subnetIn(world: World): { world: World; subnetId: string } {
  const wish = { vpcId: world.homeVpcId, zone: 'us-west-2a', defaultForAz: false }
  const made = addSubnet(world, { ...wish, ipv4Cidr: '10.0.5.0/25' }, random)
  return { world: made.world, subnetId: made.subnet.subnetId }
}
const fresh = () => {
  seed = 1
  return subnetIn(
    freshWorld(
      { instanceType: 'lab.unlimited', netns: '/x', labNetns: '/run/netns/enid-lab-x' },
      random,
      new Date(0),
    ),
  )
}

const host = (ip: string): number => {
  expect(ip).toMatch(/^10\.0\.5\.\d+$/)
  return Number(ip.split('.')[3])
}

/** Whose each address of the subnet is, written down from the ENIs alone; twice is an error. */
function picture(world: World, subnetId: string): (string | undefined)[] {
  const owners: (string | undefined)[] = Array.from({ length: SIZE })
  const take = (at: number, eniId: string): void => {
    expect(owners[at], `address ${at} is given twice`).toBeUndefined()
    expect(at, 'a reserved address').toBeGreaterThan(3)
    expect(at, 'a reserved address').toBeLessThan(SIZE - 1)
    owners[at] = eniId
  }
  for (const eni of world.enis.values()) {
    if (eni.subnetId !== subnetId) continue
    for (const ip of eni.ipv4) take(host(ip), eni.eniId)
    for (const prefix of eni.ipv4Prefixes) {
      const [base = '', length] = prefix.split('/')
      expect(length).toBe('28')
      expect(host(base) % 16, `${prefix} is aligned`).toBe(0)
      for (let at = host(base); at < host(base) + 16; at++) take(at, eni.eniId)
    }
  }
  return owners
}

const free = (owners: readonly unknown[]): number[] =>
  owners.flatMap((owner, at) => (owner === undefined && at > 3 && at < SIZE - 1 ? [at] : []))
const wholeBlocks = (owners: readonly unknown[]): number[] =>
  [1, 2, 3, 4, 5, 6].filter((block) =>
    owners.slice(block * 16, block * 16 + 16).every((owner) => owner === undefined),
  )

type Order =
  | { readonly do: 'create' | 'assign'; readonly count: number; readonly prefixes: number }
  | { readonly do: 'ask'; readonly at: number }
  | { readonly do: 'askPrefix'; readonly block: number }
  | { readonly do: 'delete' | 'unassign'; readonly which: number }

const orders: fc.Arbitrary<Order[]> = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constantFrom('create' as const, 'assign' as const),
      count: fc.nat({ max: 20 }),
      prefixes: fc.nat({ max: 3 }),
    }),
    fc.record({ do: fc.constant('ask' as const), at: fc.nat({ max: SIZE - 1 }) }),
    fc.record({ do: fc.constant('askPrefix' as const), block: fc.nat({ max: 7 }) }),
    fc.record({ do: fc.constantFrom('delete' as const, 'unassign' as const), which: fc.nat() }),
  ),
  { minLength: 1, maxLength: 40 },
)

/** Does one order; what is refused leaves the world, and its reason must be the true one. */
function obey(world: World, subnetId: string, order: Order): World {
  const owners = picture(world, subnetId)
  const mine = [...world.enis.values()].filter((eni) => eni.subnetId === subnetId)
  const one = mine.at('which' in order ? order.which % Math.max(mine.length, 1) : 0)
  try {
    switch (order.do) {
      case 'create': {
        const wish = { subnetId, ipv4Count: order.count + 1, ipv4PrefixCount: order.prefixes }
        return makeEni(world, wish, random).world
      }
      case 'assign':
        if (one === undefined) return world
        return assign(world, one, 4, { count: order.count, prefixCount: order.prefixes }).world
      case 'ask':
        if (one === undefined) return world
        return assign(world, one, 4, { asked: [`10.0.5.${order.at}`] }).world
      case 'askPrefix':
        if (one === undefined) return world
        return assign(world, one, 4, { prefixesAsked: [`10.0.5.${order.block * 16}/28`] }).world
      case 'delete':
        return one === undefined ? world : withoutEni(world, one.eniId)
      case 'unassign':
        if (one === undefined) return world
        return withEni(world, unassign(one, 4, one.ipv4.slice(1), one.ipv4Prefixes).eni)
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    checkReason(error, order, owners)
    return world
  }
}

function checkReason(error: Refusal, order: Order, owners: readonly unknown[]): void {
  const left = free(owners).length
  switch (order.do) {
    case 'ask':
      expect(free(owners), error.message).not.toContain(order.at)
      return
    case 'askPrefix':
      expect(wholeBlocks(owners), error.message).not.toContain(order.block)
      return
    case 'create':
    case 'assign': {
      const singles = order.count + (order.do === 'create' ? 1 : 0)
      if (error.code === 'InsufficientFreeAddressesInSubnet') {
        expect(singles).toBeGreaterThan(left)
      } else if (error.code === 'InsufficientCidrBlocks') {
        expect(left - singles, 'enough addresses, so fragmented').toBeGreaterThanOrEqual(
          order.prefixes * 16,
        )
      } else {
        expect(error.message).toBe("There aren't sufficient free Ipv4 addresses or prefixes")
        expect(left - singles, 'full').toBeLessThan(order.prefixes * 16)
      }
      return
    }
    default:
      throw error
  }
}

// P263
test('whatever is asked, no address is given twice or reserved, and a refusal tells the true reason', () => {
  fc.assert(
    fc.property(orders, (all) => {
      let { world, subnetId } = fresh()
      for (const order of all) {
        world = obey(world, subnetId, order)
        const subnet = world.subnets.get(subnetId)
        const left = free(picture(world, subnetId)).length
        expect(subnet && availableCount(world, subnet)).toBe(left)
      }
    }),
    { numRuns: 100 },
  )
})

const addresses = (subnetId: string, ...hosts: number[]) => ({
  subnetId,
  ipv4Asked: hosts.map((at) => `10.0.5.${at}`),
})

// P263
test('a subnet with an address taken in each block is fragmented, and full when too few are left', () => {
  const { world: empty, subnetId } = fresh()
  const { world } = makeEni(empty, addresses(subnetId, 20, 40, 50, 70, 90, 100), random)
  const wish = (ipv4PrefixCount: number) => () =>
    makeEni(world, { subnetId, ipv4PrefixCount }, random)
  expect(wish(1)).toThrow(/does not have enough free cidr blocks/)
  expect(wish(7)).toThrow(/does not have enough free cidr blocks/) // 116 of 117 addresses left.
  expect(wish(8)).toThrow(/aren't sufficient free Ipv4 addresses or prefixes/)
  const filled = makeEni(empty, { subnetId, ipv4Count: 107 }, random)
  expect(
    () => makeEni(filled.world, { subnetId, ipv4PrefixCount: 1 }, random),
    'sixteen are left, and its own primary address takes one',
  ).toThrow(/aren't sufficient free/)
  const five = makeEni(empty, addresses(subnetId, 20), random)
  expect(makeEni(five.world, { subnetId, ipv4PrefixCount: 5 }, random).eni.ipv4Prefixes).toEqual(
    [96, 80, 64, 48, 32].map((at) => `10.0.5.${at}/28`),
  )
  expect(() => makeEni(five.world, { subnetId, ipv4PrefixCount: 6 }, random)).toThrow(Refusal)
})

test('a prefix that was given back rests until all others have been given', () => {
  let { world, subnetId } = fresh()
  const seen: string[] = []
  for (let n = 0; n < 7; n++) {
    const made = makeEni(world, { subnetId, ipv4PrefixCount: 1 }, random)
    seen.push(...made.eni.ipv4Prefixes)
    world = withoutEni(made.world, made.eni.eniId)
  }
  expect(seen.map((prefix) => Number(prefix.split(/[./]/)[3]) / 16)).toEqual([6, 5, 4, 3, 2, 1, 6])
})

test('an IPv6 prefix is one of the subnet’s /80, and never the one with its reserved addresses', () => {
  const { world } = fresh()
  const subnet = [...world.subnets.values()].find(({ ipv6Cidr }) => ipv6Cidr !== undefined)
  const { subnetId = '' } = subnet ?? {}
  const { eni } = makeEni(world, { subnetId, ipv6PrefixCount: 2 }, random)
  expect(eni.ipv6Prefixes).toEqual(['2001:db8:1234:1a00:fffe::/80', '2001:db8:1234:1a00:fffd::/80'])
  expect(eni.ipv6, 'no address beside prefixes that were asked for').toEqual([])
  for (const taken of ['2001:db8:1234:1a00::/80', '2001:db8:1234:1a00:ffff::/80']) {
    expect(() => makeEni(world, { subnetId, ipv6PrefixesAsked: [taken] }, random)).toThrow(
      /reserved addresses/,
    )
  }
})

// P264
test('a reservation is given to nobody by itself; one for prefixes to prefixes, and first', () => {
  const { world: empty, subnetId } = fresh()
  let world = empty
  const reserved = (cidr: string, type: string): void => {
    const subnet = world.subnets.get(subnetId) as Subnet
    world = reserve(world, subnet, { cidr, type, description: '' }, random).world
  }
  reserved('10.0.5.0/28', 'explicit')
  reserved('10.0.5.32/27', 'prefix')
  reserved('10.0.5.104/29', 'prefix') // Not a whole block: of no use to a prefix.
  const { eni } = makeEni(world, { subnetId, ipv4Count: 5 }, random)
  expect(eni.ipv4.map(host), 'the first that are in none').toEqual([16, 17, 18, 19, 20])
  const many = makeEni(world, { subnetId, ipv4PrefixCount: 4 }, random)
  expect(many.eni.ipv4Prefixes.map((prefix) => prefix.replace('10.0.5.', ''))).toEqual([
    '48/28',
    '32/28',
    '80/28',
    '64/28',
  ])
  expect(() => makeEni(world, { subnetId, ipv4PrefixCount: 5 }, random)).toThrow(/cidr blocks/)
  const asked = makeEni(world, addresses(subnetId, 5, 40), random)
  expect(asked.eni.ipv4.map(host), 'who names an address of one gets it').toEqual([5, 40])
  expect(() => reserved('10.0.5.48/28', 'explicit')).toThrow(/overlaps with the reservation scr-/)
})

test('an address that is reassigned leaves its owner; a primary one, or one in a prefix, does not', () => {
  const { world: empty, subnetId } = fresh()
  const first = makeEni(empty, addresses(subnetId, 10, 11, 12), random)
  const second = makeEni(first.world, { subnetId, ipv4PrefixesAsked: ['10.0.5.32/28'] }, random)
  const third = makeEni(second.world, { subnetId }, random)
  const take = (at: number, mayReassign = true) =>
    assign(third.world, third.eni, 4, { asked: [`10.0.5.${at}`], mayReassign })
  const done = take(11)
  const hosts = (eniId: string): number[] => {
    const eni = done.world.enis.get(eniId) as NetworkInterface
    return eni.ipv4.map(host)
  }
  expect(hosts(first.eni.eniId)).toEqual([10, 12])
  expect(hosts(third.eni.eniId)).toEqual([...third.eni.ipv4.map(host), 11])
  for (const at of [10, 35]) expect(() => take(at), String(at)).toThrow(/is in use/)
  expect(() => take(11, false)).toThrow(/is in use/)
})
