// The names that EC2 gives: of addresses, of instances, and which of them a host believes to be its
// own. One place, because the API shows them, IMDS tells them, DHCP hands them out, and the resolver
// answers for them (lab/dns/zone.ts), and all four must agree.

import { knownCidr } from './addresses.ts'
import { addressAt } from './cidr.ts'
import { AMAZON_DNS, internalDomain, optionsOf } from './dhcp-options.ts'
import {
  type Instance,
  type NetworkInterface,
  REGION,
  type Subnet,
  type Vpc,
  type World,
} from './world.ts'

/** The private DNS name of an address: `ip-10-0-0-35.us-west-2.compute.internal`. */
export const privateDnsName = (ipv4: string, region: string): string =>
  `${addressLabel(ipv4)}.${internalDomain(region)}`

/** The first label of that name. */
export const addressLabel = (ipv4: string): string => `ip-${ipv4.replaceAll('.', '-')}`

/** The public DNS name of an address: `ec2-198-51-100-5.us-west-2.compute.amazonaws.com`. */
export const publicDnsName = (publicIp: string, region: string): string =>
  `${PUBLIC_LABEL}${publicIp.replaceAll('.', '-')}.${publicDomain(region)}`

/** How the first label of that name begins. */
export const PUBLIC_LABEL = 'ec2-'

/** The domain of a region's public names. */
export const publicDomain = (region: string): string =>
  region === 'us-east-1' ? 'compute-1.amazonaws.com' : `${region}.compute.amazonaws.com`

/** The name of an instance by its id, which resolves where the instance's options say so. */
export const resourceName = (instanceId: string, region: string): string =>
  `${instanceId}.${internalDomain(region)}`

/**
 * What a host calls itself: its private DNS name, or where the VPC has name servers and a domain of
 * its own, that name in that domain (EC2 API reference, CreateDhcpOptions). One without IPv4 is called
 * by its instance's id; its further interfaces have no name.
 */
export function hostName(world: World, eni: NetworkInterface): string | undefined {
  const [ipv4] = eni.ipv4
  const { to, deviceIndex } = eni.attachment ?? {}
  if (ipv4 === undefined) {
    const isPrimary = to !== undefined && 'instanceId' in to && deviceIndex === 0
    return isPrimary ? resourceName(to.instanceId, REGION) : undefined
  }
  const options = optionsOf(world, eni.vpcId)
  const servers = options['domain-name-servers'] ?? [AMAZON_DNS]
  const [domain = internalDomain(REGION)] = options['domain-name'] ?? []
  if (servers.includes(AMAZON_DNS)) return privateDnsName(ipv4, REGION)
  return `${addressLabel(ipv4)}.${domain}`
}

/** Whether the VPC has names for its addresses: EC2 takes both attributes for it. */
export const isNamed = (vpc: Vpc): boolean => vpc.enableDnsSupport && vpc.enableDnsHostnames

/** The address of a VPC's resolver: the VPC's own plus two. */
export const resolverAddress = ({ ipv4Cidr }: Vpc): string => addressAt(knownCidr(4, ipv4Cidr), 2n)

/** The address of the resolver in the VPC of the fabric; undefined where DNS support is off. */
export function resolverOf(world: World): string | undefined {
  const vpc = world.vpcs.get(world.homeVpcId)
  return vpc?.enableDnsSupport === true ? resolverAddress(vpc) : undefined
}

/** Where the resolver is in every VPC by IPv6. */
export const RESOLVER_IPV6 = 'fd00:ec2::253'

/** The name servers of a VPC's hosts, by its DHCP options; the resolver's is its address. */
export function nameServersOf(world: World, vpc: Vpc, amazon = resolverAddress(vpc)): string[] {
  const servers = optionsOf(world, vpc.vpcId)['domain-name-servers'] ?? []
  return servers.map((server) => (server === AMAZON_DNS ? amazon : server))
}

/**
 * What a host in the subnet has as its resolv.conf: servers and search domains of the DHCP options.
 * One without IPv4 gets those servers that have an IPv6 address.
 */
export function resolvConf(world: World, { vpcId, ipv4Cidr }: Subnet): string {
  const vpc = world.vpcs.get(vpcId)
  const amazon = ipv4Cidr === undefined ? RESOLVER_IPV6 : undefined
  const all = vpc === undefined ? [] : nameServersOf(world, vpc, amazon)
  const servers = all.filter((server) => amazon === undefined || server.includes(':'))
  const [domain = ''] = optionsOf(world, vpcId)['domain-name'] ?? []
  const lines = [
    ...(domain === '' ? [] : [`search ${domain}`]),
    ...servers.map((server) => `nameserver ${server}`),
  ]
  return lines.map((line) => `${line}\n`).join('')
}

/** Which names of an instance resolve, and which of them it has as its own. EC2's defaults, with IPv4. */
export const nameOptionsOf = ({ nameOptions }: Instance): NonNullable<Instance['nameOptions']> =>
  nameOptions ?? { hostnameType: 'ip-name', resourceNameA: false, resourceNameAaaa: false }
