// DHCP options sets: what may stand in one (VPC user guide, "DHCP option sets"; EC2 API reference,
// CreateDhcpOptions), and which a VPC has. A set is never changed: another one takes its place.

import { isIPv4, isIPv6 } from 'node:net'
import { newId, type Random } from './ids.ts'
import { QUOTA } from './quota.ts'
import { badValue, notInLab, Refusal } from './refusal.ts'
import { type DhcpOptions, put, REGION, type Vpc, type World } from './world.ts'

/** Stands for the VPC's own resolver, at VPC+2. An instance then has EC2's name whatever the domain. */
export const AMAZON_DNS = 'AmazonProvidedDNS'

/** The domain of a region's private names: `us-west-2.compute.internal`. */
export const internalDomain = (region: string): string =>
  region === 'us-east-1' ? 'ec2.internal' : `${region}.compute.internal`

/** What a VPC has in place of a set's id when it has none: no name servers, no domain. */
export const NO_OPTIONS = 'default'

/** One option as a caller wrote it. */
export type WrittenOption = {
  readonly Key?: string | undefined
  readonly Values?: readonly string[] | undefined
}

type Rule = {
  /** Of IPv4 addresses so many, and as many of IPv6. */
  readonly most: number
  readonly says: string
  readonly allows: (value: string) => boolean
}

const isAddress = (value: string): boolean =>
  isIPv4(value) || (isIPv6(value) && !value.includes('%'))

const RULES: Readonly<Record<string, Rule>> = {
  'domain-name': {
    most: 1,
    says: 'a domain name; some hosts take several, with spaces between them',
    // What a DNS name, a resolv.conf and one DHCP option can carry.
    allows: (value) => /^[A-Za-z0-9_-]+([. ][A-Za-z0-9_-]+)*$/.test(value) && value.length <= 253,
  },
  'domain-name-servers': {
    most: 4,
    says: `IP addresses, or ${AMAZON_DNS}`,
    allows: (value) => value === AMAZON_DNS || isAddress(value),
  },
  'ntp-servers': { most: 4, says: 'IPv4 addresses, and as many IPv6 ones', allows: isAddress },
  'netbios-name-servers': { most: 4, says: 'IPv4 addresses', allows: (value) => isIPv4(value) },
  'netbios-node-type': {
    most: 1,
    says: '1, 2, 4 or 8',
    allows: (value) => ['1', '2', '4', '8'].includes(value),
  },
}

/** The set that a region gives a VPC when it makes one. */
const REGIONS_OWN: DhcpOptions['configurations'] = {
  'domain-name': [internalDomain(REGION)],
  'domain-name-servers': [AMAZON_DNS],
}

/** A new set with those options, each checked by its rule. */
export function newDhcpOptions(
  world: World,
  written: readonly WrittenOption[],
  random: Random,
): DhcpOptions {
  if (world.dhcpOptions.size >= QUOTA.dhcpOptionsPerRegion) {
    throw new Refusal(
      'DhcpOptionsLimitExceeded',
      `The maximum number of DHCP options sets (${QUOTA.dhcpOptionsPerRegion}) has been reached.`,
    )
  }
  const configurations: Record<string, readonly string[]> = {}
  for (const { Key: key = '', Values: values = [] } of written) {
    if (Object.hasOwn(configurations, key)) {
      throw badValue('dhcpConfiguration', key, 'The option is given twice.')
    }
    configurations[key] = checked(key, values)
  }
  if (Object.keys(configurations).length === 0) {
    throw new Refusal(
      'MissingParameter',
      'The request must contain the parameter dhcpConfiguration: at least one option.',
    )
  }
  return { dhcpOptionsId: newId('dopt', random), configurations }
}

/** The options of a VPC; none where it has no set. */
export function optionsOf(world: World, vpcId: string): DhcpOptions['configurations'] {
  const id = world.vpcs.get(vpcId)?.dhcpOptionsId ?? NO_OPTIONS
  return world.dhcpOptions.get(id)?.configurations ?? {}
}

/** The set of a VPC that is made: the region's own, which is made anew where somebody deleted it. */
export function regionsOptions(world: World, random: Random): { world: World; id: string } {
  const wanted = JSON.stringify(REGIONS_OWN)
  for (const { dhcpOptionsId, configurations } of world.dhcpOptions.values()) {
    if (JSON.stringify(configurations) === wanted) return { world, id: dhcpOptionsId }
  }
  const dhcpOptionsId = newId('dopt', random)
  const options = { dhcpOptionsId, configurations: REGIONS_OWN }
  return {
    world: { ...world, dhcpOptions: put(world.dhcpOptions, dhcpOptionsId, options) },
    id: dhcpOptionsId,
  }
}

/** The first VPC that has that set, if any. */
export function vpcWith(world: World, dhcpOptionsId: string): Vpc | undefined {
  return [...world.vpcs.values()].find((vpc) => vpc.dhcpOptionsId === dhcpOptionsId)
}

function checked(key: string, values: readonly string[]): readonly string[] {
  if (key === 'ipv6-address-preferred-lease-time') {
    throw notInLab(`the DHCP option ${key}`, 'It has no DHCPv6: leave it out.')
  }
  const rule = Object.hasOwn(RULES, key) ? RULES[key] : undefined
  if (rule === undefined) {
    throw badValue('key', key, `Unknown DHCP option: use ${Object.keys(RULES).join(', ')}.`)
  }
  const ipv6Count = key === 'ntp-servers' ? values.filter((value) => isIPv6(value)).length : 0
  const counts = [values.length - ipv6Count, ipv6Count]
  if (values.length === 0 || counts.some((count) => count > rule.most)) {
    throw badValue(key, values.join(','), `It takes 1 to ${rule.most} values: ${rule.says}.`)
  }
  for (const value of values) {
    if (!rule.allows(value)) throw badValue(key, value, `It must be ${rule.says}.`)
  }
  return values
}
