// What leads out of a VPC, as the world knows it: route tables, gateways and public addresses. Plain
// immutable data like the rest of it (world.ts).

export type RouteTarget =
  | { readonly kind: 'internet-gateway'; readonly gatewayId: string }
  | { readonly kind: 'egress-only'; readonly gatewayId: string }
  | { readonly kind: 'nat-gateway'; readonly natGatewayId: string }
  | { readonly kind: 'eni'; readonly eniId: string }

export type Route = {
  readonly family: 'ipv4' | 'ipv6'
  readonly cidr: string
  readonly target: RouteTarget
}

/** Beside these routes each of the VPC's blocks is local, unless a route replaces just that one. */
export type RouteTable = {
  readonly routeTableId: string
  readonly vpcId: string
  readonly routes: readonly Route[]
}

export type InternetGateway = { readonly gatewayId: string; readonly vpcId?: string }

export type EgressOnlyGateway = { readonly gatewayId: string; readonly vpcId: string }

export type NatGateway = {
  readonly natGatewayId: string
  readonly vpcId: string
  readonly subnetId: string
  readonly zone: string
  readonly connectivity: 'public' | 'private'
  readonly state: 'pending' | 'available' | 'deleting' | 'deleted' | 'failed'
  readonly createdAt: Date
  /** When it was deleted, or failed: an hour later nothing is told of it. */
  readonly endedAt?: Date
  readonly failure?: { readonly code: string; readonly message: string }
  /** Its interface, while it has one, and what it is told to have had. */
  readonly eniId?: string
  readonly privateIp?: string
  readonly allocationId?: string
  readonly publicIp?: string
}

/** A public address: an Elastic IP, or one that came with an interface and goes with it. */
export type PublicAddress = {
  readonly publicIp: string
  readonly allocationId?: string
  readonly association?: {
    readonly associationId: string
    readonly eniId: string
    readonly privateIp: string
  }
}

/** All of it, each kind by its ids; public addresses by the address itself. */
export type WaysOut = {
  readonly routeTables: ReadonlyMap<string, RouteTable>
  readonly internetGateways: ReadonlyMap<string, InternetGateway>
  readonly egressOnlyGateways: ReadonlyMap<string, EgressOnlyGateway>
  readonly natGateways: ReadonlyMap<string, NatGateway>
  readonly publicAddresses: ReadonlyMap<string, PublicAddress>
}

/** What of it is made under a client token. */
export type MadeWayOut = RouteTable | NatGateway | EgressOnlyGateway

/** The addresses with those that match associated no longer; one that came with its ENI is gone. */
export function letGo(
  addresses: ReadonlyMap<string, PublicAddress>,
  leaves: (address: PublicAddress) => boolean,
): ReadonlyMap<string, PublicAddress> {
  const leaving = [...addresses.values()].filter(leaves)
  if (leaving.length === 0) return addresses
  const rest = new Map(addresses)
  for (const { publicIp, allocationId } of leaving) {
    if (allocationId === undefined) rest.delete(publicIp)
    else rest.set(publicIp, { publicIp, allocationId })
  }
  return rest
}

/** The addresses with that of a private one which moves from one ENI to another moved along. */
export function handedOver(
  addresses: ReadonlyMap<string, PublicAddress>,
  privateIp: string,
  from: string,
  to: string,
): ReadonlyMap<string, PublicAddress> {
  const moved = [...addresses.values()].flatMap((address): [string, PublicAddress][] => {
    const { association } = address
    if (association?.eniId !== from || association.privateIp !== privateIp) return []
    return [[address.publicIp, { ...address, association: { ...association, eniId: to } }]]
  })
  return moved.length === 0 ? addresses : new Map([...addresses, ...moved])
}
