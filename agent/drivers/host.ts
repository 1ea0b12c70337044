// Which host this is: identity from IMDSv2, the rest from EC2. All of it is constant while the agent
// runs, but for the device indices, which others may take and give back.
//
//   IMDS ─▶ instance, type, zone, MAC of device 0, VPC, subnet, account
//   EC2  ─▶ how many ENIs the type carries;  VPC ─▶ DHCP options ─▶ resolvers and search domains

import type { DhcpOptions, Vpc } from '@aws-sdk/client-ec2'
import ipaddr from 'ipaddr.js'
import { Failure } from '../failure.ts'
import type { Host } from '../orders.ts'
import type { Ec2 } from './ec2.ts'
import type { Imds } from './imds.ts'

const PAGE_MAX = 1000

/** Finds out which host this is, in three describes. Throws `transient` while IMDS or EC2 do not answer. */
export async function findHost(imds: Imds, ec2: Ec2, signal: AbortSignal): Promise<Host> {
  const identity = await identityOf(imds, signal)
  const { instanceType, vpcId, region } = identity
  const [eniCountMax, { nameServers, searchDomains }] = await Promise.all([
    eniCountMaxOf(ec2, instanceType, signal),
    resolversOf(ec2, vpcId, region, signal),
  ])
  return { ...identity, eniCountMax, nameServers, searchDomains }
}

/** The region, for a client that is opened before the host is found. */
export const regionOf = (imds: Imds, signal: AbortSignal): Promise<string> =>
  imds.read('meta-data/placement/region', signal)

/** An ENI at network card 0 of the instance. */
export type Plugged = { readonly eniId: string; readonly deviceIndex: number }

/** What is attached to network card 0 of the instance: its own interface, ours and others'. */
export async function pluggedEnis(
  ec2: Ec2,
  instanceId: string,
  signal: AbortSignal,
): Promise<Plugged[]> {
  const { NetworkInterfaces: enis = [] } = await instanceOf(ec2, instanceId, signal)
  const onCard0 = enis.filter(({ Attachment }) => (Attachment?.NetworkCardIndex ?? 0) === 0)
  return onCard0.map(({ NetworkInterfaceId: eniId = '', Attachment }) => ({
    eniId,
    deviceIndex: Attachment?.DeviceIndex ?? 0,
  }))
}

async function identityOf(imds: Imds, signal: AbortSignal) {
  const read = (path: string) => imds.read(`meta-data/${path}`, signal)
  const primaryMac = (await read('mac')).toLowerCase()
  const eni = `network/interfaces/macs/${primaryMac}`
  const identity = await Promise.all([
    read('instance-id'),
    read('instance-type'),
    read('placement/availability-zone'),
    read('placement/region'),
    read(`${eni}/vpc-id`),
    read(`${eni}/subnet-id`),
    read(`${eni}/owner-id`),
  ])
  const [instanceId, instanceType, availabilityZone, region, vpcId, subnetId, accountId] = identity
  const host = { instanceId, instanceType, availabilityZone, region, vpcId, subnetId, accountId }
  return { ...host, primaryMac }
}

async function instanceOf(ec2: Ec2, instanceId: string, signal: AbortSignal) {
  // By filter and in pages: those calls have the larger rate.
  const filter = { Name: 'instance-id', Values: [instanceId] }
  const input = { Filters: [filter], MaxResults: PAGE_MAX }
  const { Reservations } = await ec2.call('DescribeInstances', input, signal)
  const instance = Reservations?.[0]?.Instances?.[0]
  if (instance !== undefined) return instance
  throw new Failure('transient', 'InstanceNotDescribed', `EC2 does not show ${instanceId}`, {
    hint: 'Check that IMDS and the EC2 endpoint speak of the same region and account.',
  })
}

/** How many ENIs network card 0 carries, the instance's own included. */
async function eniCountMaxOf(ec2: Ec2, type: string, signal: AbortSignal): Promise<number> {
  const input = { InstanceTypes: [type as never] }
  const { InstanceTypes } = await ec2.call('DescribeInstanceTypes', input, signal)
  const info = InstanceTypes?.[0]?.NetworkInfo
  const card0 = info?.NetworkCards?.find((card) => card.NetworkCardIndex === 0)
  const count = card0?.MaximumNetworkInterfaces ?? info?.MaximumNetworkInterfaces
  if (count !== undefined) return count
  throw new Failure('refused', 'InstanceTypeUnknown', `EC2 tells no ENI limit of type ${type}`)
}

type Resolvers = { readonly nameServers: string[]; readonly searchDomains: string[] }

async function resolversOf(
  ec2: Ec2,
  vpcId: string,
  region: string,
  signal: AbortSignal,
): Promise<Resolvers> {
  const { Vpcs } = await ec2.call('DescribeVpcs', { VpcIds: [vpcId] }, signal)
  const vpc = Vpcs?.[0] ?? {}
  const optionsId = vpc.DhcpOptionsId
  if (optionsId === undefined || optionsId === 'default') return resolvers({}, vpc, region)
  const input = { DhcpOptionsIds: [optionsId] }
  const { DhcpOptions: found } = await ec2.call('DescribeDhcpOptions', input, signal)
  return resolvers(found?.[0] ?? {}, vpc, region)
}

/** What a host would get by DHCP (VPC user guide, "DHCP option sets"). */
export function resolvers(options: DhcpOptions, vpc: Vpc, region: string): Resolvers {
  const valuesOf = (key: string): string[] =>
    (options.DhcpConfigurations ?? [])
      .filter(({ Key }) => Key === key)
      .flatMap(({ Values }) => Values ?? [])
      .flatMap(({ Value }) => (Value === undefined ? [] : [Value]))
  const servers = valuesOf('domain-name-servers')
  const domains = valuesOf('domain-name').flatMap((value) => value.split(/[\s,]+/))
  const amazonDomain = region === 'us-east-1' ? 'ec2.internal' : `${region}.compute.internal`
  return {
    nameServers: (servers.length > 0 ? servers : [AMAZON]).map((server) =>
      server === AMAZON ? amazonResolver(vpc) : server,
    ),
    searchDomains: domains.length > 0 ? domains : [amazonDomain],
  }
}

/** Stands for the VPC's own resolver: the VPC's network + 2. */
const AMAZON = 'AmazonProvidedDNS'

function amazonResolver({ CidrBlock: cidr }: Vpc): string {
  if (cidr === undefined) return '169.254.169.253'
  const [a, b, c, d = 0] = ipaddr.IPv4.networkAddressFromCIDR(cidr).octets
  return [a, b, c, d + 2].join('.')
}
