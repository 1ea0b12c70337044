// The world a lab comes up with, and goes back to on reset: one default VPC with IPv4 and IPv6, a
// subnet in each of two zones, the default group, and one instance: this host.
//
//   10.0.0.0/16      us-west-2a 10.0.0.0/24   this host: device index 0, group enid-lab-host
//   2001:db8:…/56    us-west-2b 10.0.1.0/24
//   an internet gateway, and 0.0.0.0/0 to it in the main route table
//
// IPv6 comes from the documentation range (RFC 3849), not from fd00::/8: programs then order
// addresses as they do on AWS (RFC 6724 puts a unique local address behind IPv4), and nothing on
// the Internet can ever answer for it.

import { FIRST_HOST } from './addresses.ts'
import { regionsOptions } from './dhcp-options.ts'
import { newId, type Random } from './ids.ts'
import { defaultAclOf, newDefaultAcl, withAcl } from './network-acl.ts'
import { attached, makeEni } from './network-interface.ts'
import { newTable, withTable } from './route-table.ts'
import { newDefaultGroup, newGroup } from './security-group.ts'
import { type Instance, type Subnet, type Vpc, type World, withGroup, ZONES } from './world.ts'

/** The blocks of the default VPC. */
export const DEFAULT_VPC = {
  ipv4Cidr: '10.0.0.0/16',
  ipv6Cidr: '2001:db8:1234:1a00::/56',
  subnets: [
    { ipv4Cidr: '10.0.0.0/24', ipv6Cidr: '2001:db8:1234:1a00::/64' },
    { ipv4Cidr: '10.0.1.0/24', ipv6Cidr: '2001:db8:1234:1a01::/64' },
  ],
} as const

/** What the lab's one instance is like. */
export type HostWish = {
  readonly instanceType: string
  readonly netns: string
  /** The fabric's own namespace. */
  readonly labNetns: string
}

/** A new VPC with what EC2 makes beside it: DHCP options, main route table, default group and ACL. */
export function addVpc(
  world: World,
  block: { ipv4Cidr: string; ipv6Cidr?: string },
  isDefault: boolean,
  random: Random,
): { world: World; vpc: Vpc } {
  const options = regionsOptions(world, random)
  const vpcId = newId('vpc', random)
  const table = newTable(vpcId, random)
  const vpc: Vpc = {
    vpcId,
    ipv4Cidr: block.ipv4Cidr,
    ipv4AssociationId: newId('vpc-cidr-assoc', random),
    ...(block.ipv6Cidr === undefined
      ? {}
      : { ipv6Cidr: block.ipv6Cidr, ipv6AssociationId: newId('vpc-cidr-assoc', random) }),
    isDefault,
    enableDnsSupport: true,
    enableDnsHostnames: isDefault,
    dhcpOptionsId: options.id,
    mainRouteTableId: table.routeTableId,
    mainRouteTableAssociationId: newId('rtbassoc', random),
  }
  const vpcs = new Map(world.vpcs).set(vpc.vpcId, vpc)
  const guarded = withAcl({ ...options.world, vpcs }, newDefaultAcl(vpc, random))
  const routed = withTable(guarded, table)
  return { world: withGroup(routed, newDefaultGroup(vpc, random)), vpc }
}

/** A new subnet of a VPC, with its default ACL. The caller has checked its blocks. */
export function addSubnet(
  world: World,
  wish: Pick<Subnet, 'vpcId' | 'zone' | 'ipv4Cidr' | 'ipv6Cidr' | 'defaultForAz'>,
  random: Random,
): { world: World; subnet: Subnet } {
  const subnet: Subnet = {
    subnetId: newId('subnet', random),
    ...wish,
    ...(wish.ipv6Cidr === undefined
      ? {}
      : { ipv6AssociationId: newId('subnet-cidr-assoc', random) }),
    // In an IPv6-only subnet an ENI has no other address to come up with.
    assignIpv6OnCreation: wish.ipv4Cidr === undefined,
    ipv4Next: FIRST_HOST,
    ipv6Next: FIRST_HOST,
    ipv4PrefixNext: 0,
    ipv6PrefixNext: 0,
    aclId: defaultAclOf(world, wish.vpcId).aclId,
    aclAssociationId: newId('aclassoc', random),
    mapPublicIpOnLaunch: false,
  }
  const subnets = new Map(world.subnets).set(subnet.subnetId, subnet)
  return { world: { ...world, subnets }, subnet }
}

/** The world of a lab that has just come up. */
export function freshWorld(host: HostWish, random: Random, now: Date): World {
  const { world: withVpc, vpc } = addVpc(emptyWorld(random), DEFAULT_VPC, true, random)
  const placed = { ...withVpc, homeVpcId: vpc.vpcId, labNetns: host.labNetns }
  let world: World = withWayOut(placed, vpc, random)
  for (const [index, block] of DEFAULT_VPC.subnets.entries()) {
    const zone = ZONES[index]?.name ?? ZONES[0].name
    const wish = { vpcId: vpc.vpcId, zone, defaultForAz: true, ...block }
    world = addSubnet(world, wish, random).world
  }
  return addHost(world, vpc, host, random, now)
}

/** What AWS's own default VPCs have: an internet gateway, and all IPv4 to it. */
function withWayOut(world: World, { vpcId, mainRouteTableId }: Vpc, random: Random): World {
  const gatewayId = newId('igw', random)
  const internetGateways = new Map([[gatewayId, { gatewayId, vpcId }]])
  const target = { kind: 'internet-gateway', gatewayId } as const
  const routes = [{ family: 'ipv4', cidr: '0.0.0.0/0', target }] as const
  return withTable(
    { ...world, internetGateways },
    { routeTableId: mainRouteTableId, vpcId, routes },
  )
}

function addHost(world: World, vpc: Vpc, host: HostWish, random: Random, now: Date): World {
  const [subnet] = world.subnets.values()
  if (subnet === undefined) throw new Error('the model has no subnet for its instance')
  const instance: Instance = {
    instanceId: newId('i', random),
    reservationId: newId('r', random),
    instanceType: host.instanceType,
    zone: subnet.zone,
    launchedAt: now,
    netns: host.netns,
    state: 'running',
  }
  const group = newGroup(vpc, 'enid-lab-host', 'The host that runs the lab', random)
  const made = makeEni(
    withGroup(world, group),
    { subnetId: subnet.subnetId, groupIds: [group.groupId], description: 'Primary interface' },
    random,
  )
  // A record only: no netns, so the fabric plugs nothing into the host for device index 0.
  const primary = attached(made.eni, {
    attachmentId: newId('eni-attach', random),
    to: { instanceId: instance.instanceId },
    deviceIndex: 0,
    status: 'attached',
    deleteOnTermination: true,
    attachedAt: now,
  })
  return {
    ...made.world,
    enis: new Map(made.world.enis).set(primary.eniId, primary),
    instances: new Map([[instance.instanceId, instance]]),
  }
}

/** A world with nothing in it but the DHCP options that every VPC has. */
export function emptyWorld(random: Random): World {
  const empty: World = {
    homeVpcId: '',
    vpcs: new Map(),
    subnets: new Map(),
    subnetCidrReservations: new Map(),
    groups: new Map(),
    prefixLists: new Map(),
    enis: new Map(),
    instances: new Map(),
    hosts: new Map(),
    labNetns: '',
    dhcpOptions: new Map(),
    networkAcls: new Map(),
    routeTables: new Map(),
    internetGateways: new Map(),
    egressOnlyGateways: new Map(),
    natGateways: new Map(),
    publicAddresses: new Map(),
    tags: new Map(),
    clientTokens: new Map(),
    probes: new Map(),
  }
  return regionsOptions(empty, random).world
}
