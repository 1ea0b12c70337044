// The contract between the lab's EC2 (which knows what a VPC is) and its data plane (which moves
// packets). The EC2 side says what should be; the fabric makes it so on real interfaces, and every
// call resolves only when the kernel enforces it, or rejects and has changed nothing.
//
//   lab/ec2/… ──▶ Fabric ──▶ one network namespace: veth ends, routes, nftables

/** One rule of a security group, typed: nothing a caller wrote reaches nftables as text. */
export type Rule = {
  /** `sgr-…`; it is the rule's comment in nftables. */
  readonly ruleId: string
  readonly direction: 'ingress' | 'egress'
  /** An IP protocol number, or `all`. tcp 6, udp 17, icmp 1, icmpv6 58. */
  readonly protocol: number | 'all'
  /** tcp and udp: the port range. icmp and icmpv6: type and code, -1 is any. Else absent. */
  readonly from?: number
  readonly to?: number
  readonly peer:
    | { readonly kind: 'ipv4'; readonly cidr: string }
    | { readonly kind: 'ipv6'; readonly cidr: string }
    | { readonly kind: 'group'; readonly groupId: string }
}

/** A security group as the fabric sees it: all its rules, no names. */
export type Group = { readonly groupId: string; readonly rules: readonly Rule[] }

/** One entry of a network ACL, typed. It judges packets, not flows. */
export type AclEntry = {
  readonly direction: 'ingress' | 'egress'
  /** 1 to 32766: the lowest that matches decides. */
  readonly ruleNumber: number
  readonly action: 'allow' | 'deny'
  /** An IP protocol number, or `all`. */
  readonly protocol: number | 'all'
  /** tcp and udp: the range of destination ports. icmp (and icmpv6 in IPv6): type and code, -1 is any. */
  readonly from?: number
  readonly to?: number
  /** Who sends (ingress), or who is sent to (egress). */
  readonly peer: { readonly kind: 'ipv4' | 'ipv6'; readonly cidr: string }
}

/** A network ACL: what no entry allows is dropped at the subnet's border. */
export type Acl = { readonly aclId: string; readonly entries: readonly AclEntry[] }

/** A subnet: the router's addresses that the fabric answers for, and the ACL at its border. */
export type Subnet = {
  readonly subnetId: string
  /** Both absent: an IPv6-only subnet. */
  readonly ipv4Cidr?: string
  readonly ipv4Gateway?: string
  readonly ipv6Cidr?: string
  readonly aclId: string
  /** What leads out of it. Absent: nothing does, and its guests reach what is plugged in alone. */
  readonly routeTableId?: string
}

/** One route: the most specific that matches decides. */
export type Route = {
  readonly cidr: string
  /** A port that is not plugged in is nowhere. */
  readonly to:
    | { readonly kind: 'internet' | 'egress-only' | 'nowhere' }
    | { readonly kind: 'port'; readonly eniId: string }
}

/**
 * A route table: where packets go that are for none of the VPC's own `blocks`, or for a part of them
 * (or a whole one) that a route diverts. The rest of the blocks is local, as in every table.
 */
export type RouteTable = {
  readonly routeTableId: string
  readonly blocks: readonly string[]
  readonly routes: readonly Route[]
}

/** A public address, and the private one it is translated to and from at the internet gateway. */
export type PublicAddress = { readonly publicIp: string; readonly privateIp: string }

/** A NAT gateway: an ENI of its own, behind which IPv4 is translated to its private address. */
export type NatGateway = {
  readonly natGatewayId: string
  readonly eniId: string
  readonly subnetId: string
  readonly mac: string
  readonly ipv4: string
  /** The subnet's router and prefix length. */
  readonly ipv4Gateway: string
  readonly prefixLength: number
}

/** An ENI that is plugged in: its addresses, its groups, and the namespace its link appears in. */
export type Port = {
  readonly eniId: string
  readonly subnetId: string
  /** `02:…`, the MAC of the interface that appears in the guest. */
  readonly mac: string
  readonly ipv4: readonly string[]
  readonly ipv6: readonly string[]
  /** Delegated prefixes, /28 and /80: every address of one leads to the port. Absent: none. */
  readonly prefixes?: readonly string[]
  readonly groupIds: readonly string[]
  readonly sourceDestCheck: boolean
  /** Its guest is a NAT gateway: no group judges it, and it sends on what others sent. */
  readonly translates?: true
  /** The namespace in which the link is born: a path such as `/proc/self/ns/net` or `/run/netns/x`. */
  readonly netns: string
}

/** What became of a port's guest end, as the kernel tells it. */
export type PortEvent = { readonly eniId: string; readonly what: 'replugged' | 'gone' }

/** What leads out of the VPC: the part of the contract that speaks of routes and gateways. */
export interface FabricWays {
  /** Creates the route table or replaces its routes. */
  putRouteTable(table: RouteTable): Promise<void>
  dropRouteTable(routeTableId: string): Promise<void>
  /** Has the internet gateway translate; running flows of either address are cut. */
  putPublicAddress(address: PublicAddress): Promise<void>
  dropPublicAddress(publicIp: string): Promise<void>
  /** Makes a NAT gateway and plugs its ENI in. */
  putNatGateway(nat: NatGateway): Promise<void>
  dropNatGateway(natGatewayId: string): Promise<void>
}

export interface Fabric {
  readonly ways: FabricWays
  /** Makes the namespace (or sweeps a dead lab's and makes it anew), the table, and proves enforcement. */
  open(): Promise<void>
  /** The namespace's path, for listeners born in it and for the tests' oracle. */
  readonly netnsPath: string
  /** Creates the ACL or replaces its entries, in one transaction. */
  putAcl(acl: Acl): Promise<void>
  dropAcl(aclId: string): Promise<void>
  /** Creates the subnet, or gives it another gateway, ACL or route table; both must be there. */
  putSubnet(subnet: Subnet): Promise<void>
  dropSubnet(subnetId: string): Promise<void>
  /** Opens the resolver's port, at the VPC's own address and at those that all VPCs have. It must be closed. */
  openResolver(vpcAddress: string): Promise<void>
  /** Closes it there. It must be open. */
  closeResolver(vpcAddress: string): Promise<void>
  /** Creates the group or replaces its rules, in one transaction. */
  putGroup(group: Group): Promise<void>
  dropGroup(groupId: string): Promise<void>
  /** Both directions are closed first, then the groups apply, then the link appears (down, MTU 9001). */
  plug(port: Port): Promise<{ name: string; ifindex: number }>
  /** Removes the link wherever it is, and every rule of the port. A port that is not there is success. */
  unplug(eniId: string): Promise<void>
  /** Live change of groups, addresses or source/destination check of a plugged port. */
  update(port: Port): Promise<void>
  /** Called when a guest end vanished with its namespace and was plugged back, as EC2 would do. */
  onEvent(listener: (event: PortEvent) => void): void
  /** Takes everything away: links, namespace, table. */
  close(): Promise<void>
}
