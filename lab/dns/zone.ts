// What the VPC's resolver knows by itself, as a function from a question to a verdict: the names of
// the VPC's addresses and instances, both ways, and the domains that are nobody else's to answer for.
// All the rest is to be forwarded. Pure.
//
//   ip-10-0-0-5.us-west-2.compute.internal   A       of an ENI of the VPC
//   i-….us-west-2.compute.internal           A AAAA  of an instance, where its options say so
//   5.0.0.10.in-addr.arpa, ….ip6.arpa        PTR     back to these names
//   ec2-198-51-100-5.….amazonaws.com         A       public-zone.ts
//
// Names that EC2 did not give do not exist (NXDOMAIN), private reverse domains included: Amazon's
// resolver answers for these itself (Route 53 guide, "autodefined system rules"; RFC 6303).

import { knownCidr } from '../model/addresses.ts'
import { formatAddress, holds, parseAddress } from '../model/cidr.ts'
import { internalDomain } from '../model/dhcp-options.ts'
import { isNamed, nameOptionsOf, privateDnsName, resourceName } from '../model/dns-name.ts'
import { attachedTo } from '../model/network-interface.ts'
import { type Instance, REGION, type Vpc, type World } from '../model/world.ts'
import { lookUpPublic } from './public-zone.ts'
import { addressOfReverse } from './reverse.ts'
import { answered, type Found, type Question, type Verdict } from './verdict.ts'

/** Answers from the home VPC's names, or says that the question is to be forwarded. */
export function lookUp(world: World, question: Question): Verdict {
  const asked = question.name.toLowerCase()
  const vpc = world.vpcs.get(world.homeVpcId)
  const zone = zoneOf(asked, vpc)
  if (zone === undefined) return lookUpPublic(world, question, 'inside')
  const records = vpc === undefined ? [] : recordsOf(world, vpc, asked)
  if (records.length === 0 && !hasNamesBelow(asked, zone)) return { kind: 'no-such-name', zone }
  return answered(question, zone, records)
}

/** The domains that are the resolver's own, those of RFC 6303 among them. */
const OWN_ZONES = [
  internalDomain(REGION),
  'compute.internal',
  'ec2.internal',
  'localhost',
  'localdomain',
  '0.in-addr.arpa',
  '10.in-addr.arpa',
  '127.in-addr.arpa',
  '254.169.in-addr.arpa',
  '168.192.in-addr.arpa',
  '255.255.255.255.in-addr.arpa',
  ...Array.from({ length: 16 }, (_, at) => `${16 + at}.172.in-addr.arpa`),
  'c.f.ip6.arpa',
  'd.f.ip6.arpa',
  ...['8', '9', 'a', 'b'].map((nibble) => `${nibble}.e.f.ip6.arpa`),
  `${'0.'.repeat(31)}0.ip6.arpa`,
  `1.${'0.'.repeat(31)}ip6.arpa`,
]

function zoneOf(name: string, vpc: Vpc | undefined): string | undefined {
  const own = OWN_ZONES.find((zone) => name === zone || name.endsWith(`.${zone}`))
  if (own !== undefined || vpc === undefined) return own
  // The VPC's own addresses, where they are of no private range.
  const address = addressOfReverse(name)
  if (address === undefined) return undefined
  const cidr = address.family === 4 ? vpc.ipv4Cidr : vpc.ipv6Cidr
  const inside = cidr !== undefined && holds(knownCidr(address.family, cidr), address.value)
  return inside ? (address.family === 4 ? 'in-addr.arpa' : 'ip6.arpa') : undefined
}

/** Whether a name stands above others, so that it exists though it has no record of its own. */
const hasNamesBelow = (name: string, zone: string): boolean =>
  name === zone || (zone.endsWith('.arpa') && addressOfReverse(name) === undefined)

function recordsOf(world: World, vpc: Vpc, name: string): Found[] {
  if (name === 'localhost' || name.endsWith('.localhost')) {
    return [
      { type: 'A', data: '127.0.0.1' },
      { type: 'AAAA', data: '::1' },
    ]
  }
  if (name === '1.0.0.127.in-addr.arpa' || /^1\.(0\.){31}ip6\.arpa$/.test(name)) {
    return [{ type: 'PTR', data: 'localhost' }]
  }
  if (!isNamed(vpc)) return []
  const address = addressOfReverse(name)
  if (address !== undefined) {
    const text = formatAddress(address.family, address.value)
    return address.family === 4 ? pointersTo(world, vpc, text) : pointersToIpv6(world, text)
  }
  const domain = internalDomain(REGION)
  if (!name.endsWith(`.${domain}`)) return []
  const label = name.slice(0, -domain.length - 1)
  return label.startsWith('ip-') ? addressRecords(world, vpc, label) : instanceRecords(world, label)
}

function addressRecords(world: World, vpc: Vpc, label: string): Found[] {
  const ipv4 = label.slice('ip-'.length).replaceAll('-', '.')
  // As EC2 writes it and in no other way: `ip-010-0-0-5` is no name.
  if (parseAddress(4, ipv4) === undefined || !isOfVpc(world, vpc, ipv4)) return []
  return [{ type: 'A', data: ipv4 }]
}

function instanceRecords(world: World, label: string): Found[] {
  const instance = world.instances.get(label)
  if (instance === undefined) return []
  const { resourceNameA, resourceNameAaaa } = nameOptionsOf(instance)
  const { ipv4, ipv6 } = primaryOf(world, instance)
  return [
    ...(resourceNameA && ipv4 !== undefined ? [{ type: 'A', data: ipv4 } as const] : []),
    ...(resourceNameAaaa && ipv6 !== undefined ? [{ type: 'AAAA', data: ipv6 } as const] : []),
  ]
}

const pointersTo = (world: World, vpc: Vpc, ipv4: string): Found[] =>
  isOfVpc(world, vpc, ipv4) ? [{ type: 'PTR', data: privateDnsName(ipv4, REGION) }] : []

/** An IPv6 address has a name only as its instance's, where that one resolves to it. */
function pointersToIpv6(world: World, ipv6: string): Found[] {
  for (const instance of world.instances.values()) {
    if (!nameOptionsOf(instance).resourceNameAaaa) continue
    if (primaryOf(world, instance).ipv6 !== ipv6) continue
    return [{ type: 'PTR', data: resourceName(instance.instanceId, REGION) }]
  }
  return []
}

/** The first addresses of an instance's primary interface, as far as it is in the home VPC. */
function primaryOf(world: World, instance: Instance): { ipv4?: string; ipv6?: string } {
  const [primary] = attachedTo(world, instance.instanceId)
  if (primary === undefined || primary.vpcId !== world.homeVpcId) return {}
  const [[ipv4], [ipv6]] = [primary.ipv4, primary.ipv6]
  return { ...(ipv4 === undefined ? {} : { ipv4 }), ...(ipv6 === undefined ? {} : { ipv6 }) }
}

function isOfVpc(world: World, { vpcId }: Vpc, ipv4: string): boolean {
  for (const eni of world.enis.values()) {
    if (eni.vpcId === vpcId && eni.ipv4.includes(ipv4)) return true
  }
  return false
}
