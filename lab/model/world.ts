// The lab's world: everything its EC2 knows, as plain immutable data. An action is a function from
// one world to the next; nothing is changed in place, so a call that fails half-way has changed
// nothing, a dry run is a run whose result is thrown away, and the fabric is told the difference
// between two worlds (fabric-plan.ts).
//
//   vpcs ─┬─ subnets (with their reservations) ── enis ── attachment ── instances
//         ├─ network ACLs: each subnet has one
//         ├─ route tables: each subnet has one, its own or the VPC's main one
//         ├─ internet, egress-only and NAT gateways
//         └─ groups (with their rules)          tags: by resource id, for all kinds
//   prefix lists (with their versions)   hosts: the instances that are machines of the lab's own
//   public addresses

import type { Probe } from './probe.ts'
import { letGo, type MadeWayOut, type WaysOut } from './way-out.ts'

/** What the lab is: one account, one region, two zones. */
export const ACCOUNT_ID = '123456789012'
export const REGION = 'us-west-2'
export const ZONES = [
  { name: 'us-west-2a', zoneId: 'usw2-az1' },
  { name: 'us-west-2b', zoneId: 'usw2-az2' },
] as const

/** The image that the lab's instances claim to have been launched from. */
export const IMAGE_ID = 'ami-00000000000000001'

/** The name that stands as the owner of what the lab itself plugs in (probes). */
export const LAB_OWNER = 'enid-lab'

export type Vpc = {
  readonly vpcId: string
  readonly ipv4Cidr: string
  readonly ipv4AssociationId: string
  /** A /56, when the VPC has IPv6. */
  readonly ipv6Cidr?: string
  readonly ipv6AssociationId?: string
  readonly isDefault: boolean
  readonly enableDnsSupport: boolean
  readonly enableDnsHostnames: boolean
  /** A set's id, or `default`: none. */
  readonly dhcpOptionsId: string
  readonly mainRouteTableId: string
  readonly mainRouteTableAssociationId: string
}

export type Subnet = {
  readonly subnetId: string
  readonly vpcId: string
  readonly zone: string
  /** Absent: an IPv6-only subnet. */
  readonly ipv4Cidr?: string
  readonly ipv6Cidr?: string
  readonly ipv6AssociationId?: string
  readonly defaultForAz: boolean
  readonly assignIpv6OnCreation: boolean
  /** Host numbers at which the next search for a free address starts (round robin). */
  readonly ipv4Next: number
  readonly ipv6Next: number
  /** The same for prefixes: blocks, counted from the end of the subnet. */
  readonly ipv4PrefixNext: number
  readonly ipv6PrefixNext: number
  /** The network ACL at its border, and the id under which it has it. */
  readonly aclId: string
  readonly aclAssociationId: string
  /** A route table of its own choice; without one it has the VPC's main table. */
  readonly routeTable?: { readonly associationId: string; readonly routeTableId: string }
  /** Whether what is launched into it gets a public address. */
  readonly mapPublicIpOnLaunch: boolean
}

/** A range of a subnet that EC2 gives to nobody by itself, or to prefixes alone. */
export type SubnetCidrReservation = {
  readonly reservationId: string
  readonly subnetId: string
  readonly family: 4 | 6
  readonly cidr: string
  readonly type: 'prefix' | 'explicit'
  readonly description: string
}

export type PlainPeer =
  | { readonly kind: 'ipv4'; readonly cidr: string }
  | { readonly kind: 'ipv6'; readonly cidr: string }
  | { readonly kind: 'group'; readonly groupId: string }

export type Peer = PlainPeer | { readonly kind: 'prefix-list'; readonly prefixListId: string }

/** What a rule allows, in canonical form: two rules that mean the same are equal. */
export type Permission = {
  readonly direction: 'ingress' | 'egress'
  /** `tcp`, `udp`, `icmp`, `icmpv6`, `-1`, or an IP protocol number. */
  readonly protocol: string
  /** Ports, or ICMP type and code (-1 is any); absent for every other protocol. */
  readonly from?: number
  readonly to?: number
  readonly peer: Peer
}

export type SecurityGroupRule = Permission & {
  readonly ruleId: string
  readonly description?: string
}

export type SecurityGroup = {
  readonly groupId: string
  readonly vpcId: string
  readonly name: string
  readonly description: string
  readonly rules: readonly SecurityGroupRule[]
}

export type PrefixListEntry = { readonly cidr: string; readonly description?: string }

export type PrefixList = {
  readonly prefixListId: string
  readonly name: string
  readonly family: 'ipv4' | 'ipv6'
  readonly maxEntries: number
  readonly state: PrefixListState
  readonly stateMessage?: string
  /** The newest version, and the entries of all that are kept. */
  readonly version: number
  readonly versions: ReadonlyMap<number, readonly PrefixListEntry[]>
}

export type PrefixListState =
  | `${'create' | 'modify' | 'restore'}-${'in-progress' | 'complete'}`
  | 'modify-failed'
  | 'delete-in-progress'

export type Attachment = {
  readonly attachmentId: string
  /** The instance, or the owner's name where the lab itself plugged it in. */
  readonly to: { readonly instanceId: string } | { readonly owner: string }
  readonly deviceIndex: number
  readonly status: 'attaching' | 'attached' | 'detaching'
  readonly deleteOnTermination: boolean
  readonly attachedAt: Date
  /** The namespace the link appears in; absent where the lab plugs nothing (device index 0). */
  readonly netns?: string
  /** EC2 says attached, and the host has no link: not yet, or never (lab/faults/). */
  readonly unlinked?: true
}

export type NetworkInterface = {
  readonly eniId: string
  readonly subnetId: string
  readonly vpcId: string
  readonly zone: string
  readonly mac: string
  /** The first is the primary address; none in an IPv6-only subnet. */
  readonly ipv4: readonly string[]
  readonly ipv6: readonly string[]
  /** Delegated prefixes: /28 and /80. */
  readonly ipv4Prefixes: readonly string[]
  readonly ipv6Prefixes: readonly string[]
  readonly groupIds: readonly string[]
  readonly description: string
  readonly sourceDestCheck: boolean
  readonly status: 'pending' | 'available' | 'in-use'
  /** Made by the lab for itself: EC2 calls may look at it and not touch it. */
  readonly managed: boolean
  /** The NAT gateway whose interface it is. */
  readonly natGatewayId?: string
  readonly attachment?: Attachment
}

/** How an instance may ask for its metadata. */
export type MetadataOptions = {
  readonly httpTokens: 'optional' | 'required'
  /** The IP TTL with which a token leaves: 1 to 64. */
  readonly httpPutResponseHopLimit: number
  readonly httpEndpoint: 'enabled' | 'disabled'
  readonly httpProtocolIpv6: 'enabled' | 'disabled'
  readonly instanceMetadataTags: 'enabled' | 'disabled'
}

export type Instance = {
  readonly instanceId: string
  readonly reservationId: string
  readonly instanceType: string
  readonly zone: string
  readonly launchedAt: Date
  /** The namespace that its attached interfaces appear in. */
  readonly netns: string
  /** Absent: the defaults (metadata-options.ts). */
  readonly metadataOptions?: MetadataOptions
  /** Which names resolve beside those of its addresses. Absent: none (dns-name.ts). */
  readonly nameOptions?: {
    readonly hostnameType: 'ip-name' | 'resource-name'
    readonly resourceNameA: boolean
    readonly resourceNameAaaa: boolean
  }
  readonly state: 'pending' | 'running' | 'shutting-down' | 'terminated'
  /** Why it ends or ended, as EC2 says it: `Client.UserInitiatedShutdown: …`. */
  readonly stateReason?: string
  readonly terminatedAt?: Date
}

/** An instance that the lab makes beside the one it runs on (lab/hosts/), by its name. */
export type Host = {
  readonly name: string
  readonly instanceId: string
  /** Whether it runs a dockerd of its own. */
  readonly docker: boolean
}

/** What one RunInstances made. */
export type Reservation = {
  readonly reservationId: string
  readonly instances: readonly Instance[]
}

/** One numbered entry of a network ACL, in canonical form. */
export type NetworkAclEntry = {
  readonly direction: 'ingress' | 'egress'
  /** 1 to 32766, once in a direction: the lowest that matches decides. */
  readonly ruleNumber: number
  readonly action: 'allow' | 'deny'
  /** An IP protocol number, or all. */
  readonly protocol: number | 'all'
  /** Ports, or ICMP type and code (-1 is any); absent for every other protocol. */
  readonly from?: number
  readonly to?: number
  readonly peer: { readonly kind: 'ipv4' | 'ipv6'; readonly cidr: string }
}

export type NetworkAcl = {
  readonly aclId: string
  readonly vpcId: string
  readonly isDefault: boolean
  readonly entries: readonly NetworkAclEntry[]
}

export type DhcpOptions = {
  readonly dhcpOptionsId: string
  readonly configurations: Readonly<Record<string, readonly string[]>>
}

/** An answered client token: 24 h long, the same request gets the same thing, another is refused. */
export type ClientToken = {
  readonly request: string
  readonly made: NetworkInterface | NetworkAcl | PrefixList | Reservation | MadeWayOut
  readonly givenAt: Date
}

export type Tags = ReadonlyMap<string, string>

export type World = WaysOut & {
  /** The VPC of the lab's instance: the only one whose packets the fabric carries. */
  readonly homeVpcId: string
  readonly vpcs: ReadonlyMap<string, Vpc>
  readonly subnets: ReadonlyMap<string, Subnet>
  readonly subnetCidrReservations: ReadonlyMap<string, SubnetCidrReservation>
  readonly groups: ReadonlyMap<string, SecurityGroup>
  readonly prefixLists: ReadonlyMap<string, PrefixList>
  readonly enis: ReadonlyMap<string, NetworkInterface>
  readonly instances: ReadonlyMap<string, Instance>
  readonly hosts: ReadonlyMap<string, Host>
  /** The fabric's namespace, by its path: those of hosts are named after it. */
  readonly labNetns: string
  readonly dhcpOptions: ReadonlyMap<string, DhcpOptions>
  readonly networkAcls: ReadonlyMap<string, NetworkAcl>
  readonly tags: ReadonlyMap<string, Tags>
  /** By action and token. */
  readonly clientTokens: ReadonlyMap<string, ClientToken>
  readonly probes: ReadonlyMap<string, Probe>
}

/** The map with one entry set. */
export function put<K, V>(map: ReadonlyMap<K, V>, key: K, value: V): ReadonlyMap<K, V> {
  return new Map(map).set(key, value)
}

/** The map without one entry. */
export function drop<K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> {
  const rest = new Map(map)
  rest.delete(key)
  return rest
}

/** The world with that ENI added or replaced. Public addresses leave what is no longer its own. */
export const withEni = (world: World, eni: NetworkInterface): World => ({
  ...world,
  enis: put(world.enis, eni.eniId, eni),
  publicAddresses: letGo(
    world.publicAddresses,
    ({ association: of }) => of?.eniId === eni.eniId && !eni.ipv4.includes(of.privateIp),
  ),
})

/** The world without that ENI and its tags. Public addresses leave it, or go with it. */
export const withoutEni = (world: World, eniId: string): World => ({
  ...world,
  enis: drop(world.enis, eniId),
  tags: drop(world.tags, eniId),
  publicAddresses: letGo(world.publicAddresses, ({ association }) => association?.eniId === eniId),
})

/** The world with that group added or replaced. */
export const withGroup = (world: World, group: SecurityGroup): World => ({
  ...world,
  groups: put(world.groups, group.groupId, group),
})
