// What is known of subnets: enough to place a task and to configure its link. All of the VPC's are
// asked for at the start and every ten minutes, and addresses that we take are counted off in
// between, so that starting a task asks nothing. A count that is wrong costs one refused Create: EC2
// has the last word, and the next subnet is tried.

import type { Subnet as Ec2Subnet } from '@aws-sdk/client-ec2'
import ipaddr from 'ipaddr.js'
import type { SubnetFacts } from '../../state/allocation.ts'
import { BACKGROUND, type Purpose } from '../budget.ts'
import { type Clock, machineClock } from '../clock.ts'
import { Failure } from '../failure.ts'
import { unlessAborted } from './abort.ts'
import type { Ec2 } from './ec2.ts'

/** One subnet. */
export type Subnet = SubnetFacts & {
  readonly vpcId: string
  /** Of its IPv6 block; absent where it has none. */
  readonly ipv6PrefixLength?: number
} & Router

/** The prefix length of its IPv4 block and the VPC's router there; neither in a subnet of IPv6 alone. */
type Router =
  | { readonly ipv4PrefixLength: number; readonly ipv4Gateway: string }
  | { readonly ipv4PrefixLength?: undefined; readonly ipv4Gateway?: undefined }

export type Subnets = {
  /**
   * Learns of all subnets of the VPC, now and every ten minutes, until the signal aborts. While EC2
   * is away, what was known stands.
   */
  follow(signal: AbortSignal): Promise<void>
  /**
   * Learns of those of these that are unknown, or were full when last heard of. Throws `refused`
   * for one that does not exist or is in another VPC.
   */
  prepare(subnetIds: readonly string[], signal: AbortSignal, why?: Purpose): Promise<void>
  /** What is known now. Undefined: never heard of. */
  known(subnetId: string): Subnet | undefined
  /** Prepares one and returns it. */
  facts(subnetId: string, signal: AbortSignal, why?: Purpose): Promise<Subnet>
  /** One address was taken from it, or (-1) given back. */
  took(subnetId: string, count?: number): void
  /** EC2 says that it has no room: none until it is asked about again. */
  isFull(subnetId: string): void
}

/** How often all are asked for, milliseconds: what changes behind our back is rarely urgent. */
const FOLLOW_MS = 600_000
/** A full subnet is asked about again no sooner than this, milliseconds. */
const FULL_MS = 60_000
const PAGE_MAX = 1000
const ASKING = 'asking for subnets'
/** Whoever runs a task waits for it. */
const LAUNCH: Purpose = { priority: 'launch' }

/** Opens the book. */
export function openSubnets(options: {
  readonly ec2: Ec2
  readonly vpcId: string
  readonly clock?: Clock
}): Subnets {
  const { ec2, vpcId, clock = machineClock } = options
  const book = new Map<string, { subnet: Subnet; asOf: number }>()
  let learning: Promise<void> = Promise.resolve()
  const asking = new Map<string, Promise<void>>()

  function count(subnetId: string, change: (freeAddressCount: number) => number): void {
    const entry = book.get(subnetId)
    if (entry === undefined) return
    const freeAddressCount = Math.max(0, change(entry.subnet.freeAddressCount))
    book.set(subnetId, { ...entry, subnet: { ...entry.subnet, freeAddressCount } })
  }

  function enter(described: Ec2Subnet): void {
    const subnet = subnetOf(described, vpcId)
    book.set(subnet.subnetId, { subnet, asOf: clock.now() })
  }

  async function learnAll(signal: AbortSignal): Promise<void> {
    for (const described of await subnetsOf(ec2, vpcId, signal)) enter(described)
  }

  function isToBeAsked(subnetId: string): boolean {
    const entry = book.get(subnetId)
    if (entry === undefined) return true
    // Either way: a clock that was set back must not make the count look new for long.
    const ageMs = Math.abs(clock.now() - entry.asOf)
    return entry.subnet.freeAddressCount === 0 && ageMs > FULL_MS
  }

  async function ask(subnetIds: readonly string[], why: Purpose): Promise<void> {
    const input = { SubnetIds: [...subnetIds] }
    // Nobody's signal: one who gives up must not take the answer from the others.
    const { signal } = new AbortController()
    const { Subnets: answer } = await ec2.call('DescribeSubnets', input, signal, why)
    for (const described of answer ?? []) enter(described)
    const missing = subnetIds.find((id) => !book.has(id))
    if (missing !== undefined) throw unknown(missing)
  }

  async function prepare(
    subnetIds: readonly string[],
    signal: AbortSignal,
    why: Purpose = LAUNCH,
  ): Promise<void> {
    // Right after the start, the answer is on its way.
    if (subnetIds.some((id) => !book.has(id))) await unlessAborted(learning, signal, ASKING)
    const wanted = [...new Set(subnetIds)].filter(isToBeAsked)
    const asked = wanted.filter((id) => !asking.has(id))
    if (asked.length > 0) {
      const answer = ask(asked, why).finally(() => {
        for (const id of asked) asking.delete(id)
      })
      // Each who asked hears of a failure; when all gave up, nobody needs to.
      answer.catch(() => {})
      for (const id of asked) asking.set(id, answer)
    }
    await unlessAborted(Promise.all(wanted.map((id) => asking.get(id))), signal, ASKING)
  }

  return {
    async follow(signal) {
      while (!signal.aborted) {
        learning = learnAll(signal).catch((error) => {
          if (!(error instanceof Failure)) throw error
        })
        await learning
        await passed(clock, FOLLOW_MS * (0.9 + 0.2 * clock.random()), signal)
      }
    },
    prepare,
    known: (subnetId) => book.get(subnetId)?.subnet,
    async facts(subnetId, signal, why) {
      await prepare([subnetId], signal, why)
      const entry = book.get(subnetId)
      if (entry === undefined) throw unknown(subnetId)
      return entry.subnet
    },
    took: (subnetId, taken = 1) => count(subnetId, (free) => free - taken),
    isFull: (subnetId) => count(subnetId, () => 0),
  }
}

/** All subnets of the VPC that a task of ours could live in. */
async function subnetsOf(ec2: Ec2, vpcId: string, signal: AbortSignal): Promise<Ec2Subnet[]> {
  const found: Ec2Subnet[] = []
  let token: string | undefined
  do {
    const page = token === undefined ? {} : { NextToken: token }
    const filters = [{ Name: 'vpc-id', Values: [vpcId] }]
    const input = { Filters: filters, MaxResults: PAGE_MAX, ...page }
    const answer = await ec2.call('DescribeSubnets', input, signal, BACKGROUND)
    found.push(...(answer.Subnets ?? []))
    token = answer.NextToken
  } while (token !== undefined && token !== '')
  return found
}

/** Resolves after `ms`, or as soon as the signal aborts. */
async function passed(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const cancel = clock.after(ms, resolve)
  const end = () => resolve()
  signal.addEventListener('abort', end)
  if (signal.aborted) end()
  await promise
  cancel()
  signal.removeEventListener('abort', end)
}

/** Whether its ENIs have no IPv4 address. */
export const isIpv6Only = ({ ipv4Gateway }: Subnet): boolean => ipv4Gateway === undefined

function unknown(subnetId: string): Failure {
  const message = `The subnet ID '${subnetId}' does not exist`
  return new Failure('refused', 'InvalidSubnetID.NotFound', message, {
    hint: 'Check the subnet id, and that the subnet is in this region and account.',
  })
}

/** Ours from EC2's. Throws `refused` where a task of this host could not live in it. */
function subnetOf(described: Ec2Subnet, vpcId: string): Subnet {
  const { SubnetId: subnetId = '', CidrBlock: cidr = '', VpcId: itsVpcId = '' } = described
  if (itsVpcId !== vpcId) {
    const message = `subnet ${subnetId} is in ${itsVpcId}, but this host is in ${vpcId}`
    throw new Failure('refused', 'SubnetInAnotherVpc', message, {
      hint: 'Name subnets of the VPC that the host is in.',
    })
  }
  const ipv6Cidrs = (described.Ipv6CidrBlockAssociationSet ?? [])
    .filter(({ Ipv6CidrBlockState: state }) => state?.State === 'associated')
    .flatMap(({ Ipv6CidrBlock: block }) => block ?? [])
  const [ipv6Cidr] = ipv6Cidrs
  return {
    subnetId,
    vpcId: itsVpcId,
    availabilityZone: described.AvailabilityZone ?? '',
    // EC2 counts IPv4 alone, and says 0 of a subnet without it. Of IPv6 the smallest block has 2^64.
    freeAddressCount:
      cidr === '' && ipv6Cidr !== undefined
        ? Number.POSITIVE_INFINITY
        : (described.AvailableIpAddressCount ?? 0),
    cidrs: [...(cidr === '' ? [] : [cidr]), ...ipv6Cidrs],
    ...(ipv6Cidr !== undefined && { ipv6PrefixLength: ipaddr.IPv6.parseCIDR(ipv6Cidr)[1] }),
    ...(cidr === '' ? {} : routerOf(cidr)),
  }
}

/** The prefix length of a subnet, and its router: network + 1 (VPC user guide, "Subnet sizing"). */
export function routerOf(cidr: string): { ipv4PrefixLength: number; ipv4Gateway: string } {
  const [, ipv4PrefixLength] = ipaddr.IPv4.parseCIDR(cidr)
  // A subnet is never smaller than /28, so the last byte of its network has room for the one.
  const [a, b, c, d = 0] = ipaddr.IPv4.networkAddressFromCIDR(cidr).octets
  return { ipv4PrefixLength, ipv4Gateway: [a, b, c, d + 1].join('.') }
}
