// What the world of the table of valid calls (valid-calls.ts) holds of ways out: gateways of each
// kind, one in use and one not; a table with routes and a subnet; Elastic IPs of an instance, of a
// secondary address, of a NAT gateway and of nobody.

import type { World } from '../../lab/model/world.ts'

/** Their ids. */
export type RouteThings = {
  /** A VPC with an internet gateway and no public address. */
  readonly otherVpcId: string
  readonly otherGatewayId: string
  /** The default VPC's. */
  readonly gatewayId: string
  readonly unusedGatewayId: string
  readonly egressOnlyId: string
  readonly natGatewayId: string
  readonly tableId: string
  readonly tableAssociationId: string
  readonly unusedTableId: string
  readonly unusedAllocationId: string
  readonly addressAssociationId: string
}

type Make = (action: string, input: Readonly<Record<string, unknown>>) => Promise<never>

/** What is there before. */
type Place = {
  readonly world: () => World
  readonly vpcId: string
  readonly subnetId: string
  readonly subnetB: string
  readonly instanceId: string
  readonly attachedEniId: string
}

/** Makes them, with tags. */
export async function fillRoutes(make: Make, place: Place): Promise<RouteThings> {
  const { world, vpcId, subnetId, subnetB, instanceId, attachedEniId } = place
  const tags = (type: string) => ({
    TagSpecifications: [{ ResourceType: type, Tags: [{ Key: 'kind', Value: 'way out' }] }],
  })
  const gateway = async (): Promise<string> => {
    const made: { InternetGateway: { InternetGatewayId: string } } = await make(
      'CreateInternetGateway',
      tags('internet-gateway'),
    )
    return made.InternetGateway.InternetGatewayId
  }
  const table = async (): Promise<string> => {
    const input = { VpcId: vpcId, ...tags('route-table') }
    const made: { RouteTable: { RouteTableId: string } } = await make('CreateRouteTable', input)
    return made.RouteTable.RouteTableId
  }
  const allocate = async (): Promise<string> => {
    const made: { AllocationId: string } = await make('AllocateAddress', tags('elastic-ip'))
    return made.AllocationId
  }
  const gatewayId =
    [...world().internetGateways.values()].find((each) => each.vpcId === vpcId)?.gatewayId ?? ''
  const [otherGatewayId, unusedGatewayId] = [await gateway(), await gateway()]
  const other: { Vpc: { VpcId: string } } = await make('CreateVpc', { CidrBlock: '10.67.0.0/16' })
  const otherVpcId = other.Vpc.VpcId
  await make('AttachInternetGateway', { InternetGatewayId: otherGatewayId, VpcId: otherVpcId })
  const egress: { EgressOnlyInternetGateway: { EgressOnlyInternetGatewayId: string } } = await make(
    'CreateEgressOnlyInternetGateway',
    { VpcId: vpcId, ...tags('egress-only-internet-gateway') },
  )
  const egressOnlyId = egress.EgressOnlyInternetGateway.EgressOnlyInternetGatewayId

  const associated: { AssociationId: string } = await make('AssociateAddress', {
    AllocationId: await allocate(),
    InstanceId: instanceId,
  })
  const more: { AssignedPrivateIpAddresses: { PrivateIpAddress: string }[] } = await make(
    'AssignPrivateIpAddresses',
    { NetworkInterfaceId: attachedEniId, SecondaryPrivateIpAddressCount: 1 },
  )
  await make('AssociateAddress', {
    AllocationId: await allocate(),
    NetworkInterfaceId: attachedEniId,
    PrivateIpAddress: more.AssignedPrivateIpAddresses[0]?.PrivateIpAddress,
  })
  const nat: { NatGateway: { NatGatewayId: string } } = await make('CreateNatGateway', {
    SubnetId: subnetB,
    AllocationId: await allocate(),
    ...tags('natgateway'),
  })
  const { NatGatewayId: natGatewayId } = nat.NatGateway

  const [tableId, unusedTableId] = [await table(), await table()]
  const routes = [
    { DestinationCidrBlock: '0.0.0.0/0', NatGatewayId: natGatewayId },
    { DestinationIpv6CidrBlock: '::/0', EgressOnlyInternetGatewayId: egressOnlyId },
    { DestinationCidrBlock: '192.0.2.0/24', NetworkInterfaceId: attachedEniId },
    { DestinationCidrBlock: '203.0.113.0/24', GatewayId: gatewayId },
  ]
  for (const route of routes) await make('CreateRoute', { RouteTableId: tableId, ...route })
  const association: { AssociationId: string } = await make('AssociateRouteTable', {
    RouteTableId: tableId,
    SubnetId: subnetId,
  })
  return {
    otherVpcId,
    otherGatewayId,
    gatewayId,
    unusedGatewayId,
    egressOnlyId,
    natGatewayId,
    tableId,
    tableAssociationId: association.AssociationId,
    unusedTableId,
    unusedAllocationId: await allocate(),
    addressAssociationId: associated.AssociationId,
  }
}
