// What a call says of a route: the block it is for, and where it leads, each exactly one. What AWS
// can lead a route to and the lab cannot is no parameter that these actions honour.

import type { CreateRouteRequest, ReplaceRouteRequest } from '@aws-sdk/client-ec2'
import { formatCidr, parseCidr } from '../model/cidr.ts'
import { isId } from '../model/ids.ts'
import { findEgressOnlyGateway, findEni, findInstance, findNatGateway } from '../model/look-up.ts'
import { attachedTo } from '../model/network-interface.ts'
import { badValue, notInLab, Refusal } from '../model/refusal.ts'
import type { Route, RouteTable, RouteTarget } from '../model/way-out.ts'
import type { NetworkInterface, World } from '../model/world.ts'

type Input = CreateRouteRequest & ReplaceRouteRequest
type Block = Pick<Route, 'family' | 'cidr'>

/** The parameters that say where a route leads. */
export const TARGETS = [
  'GatewayId',
  'EgressOnlyInternetGatewayId',
  'NatGatewayId',
  'NetworkInterfaceId',
  'InstanceId',
] as const

/** The parameters that say what a route is for. */
export const DESTINATIONS = ['DestinationCidrBlock', 'DestinationIpv6CidrBlock'] as const

/** The block of a route, canonical. */
export function readDestination(input: Pick<Input, (typeof DESTINATIONS)[number]>): Block {
  const { DestinationCidrBlock: ipv4, DestinationIpv6CidrBlock: ipv6 } = input
  if (ipv4 !== undefined && ipv6 !== undefined) {
    throw new Refusal(
      'InvalidParameterCombination',
      'destinationCidrBlock and destinationIpv6CidrBlock cannot be used together.',
    )
  }
  if (ipv6 !== undefined) return block('ipv6', 'destinationIpv6CidrBlock', ipv6)
  if (ipv4 !== undefined) return block('ipv4', 'destinationCidrBlock', ipv4)
  throw new Refusal(
    'MissingParameter',
    'The request must contain the parameter destinationCidrBlock or destinationIpv6CidrBlock',
  )
}

/** Where a route leads; `undefined` is LocalTarget. */
export function readTarget(
  world: World,
  table: RouteTable,
  input: Input,
  family: Route['family'],
): RouteTarget | undefined {
  const names: readonly (keyof Input)[] = [...TARGETS, 'LocalTarget']
  const given = names.filter((name) => input[name] !== undefined)
  if (given.length !== 1) {
    throw new Refusal(
      given.length === 0 ? 'MissingParameter' : 'InvalidParameterCombination',
      `The request must contain exactly one of ${names.join(', ')}.`,
    )
  }
  if (input.LocalTarget === true) return undefined
  if (input.LocalTarget === false)
    throw badValue('localTarget', 'false', 'Only true says anything.')
  if (input.GatewayId !== undefined) return internetGateway(world, table, input.GatewayId)
  if (input.EgressOnlyInternetGatewayId !== undefined) {
    return egressOnly(world, table, input.EgressOnlyInternetGatewayId, family)
  }
  if (input.NatGatewayId !== undefined) return natGateway(world, table, input.NatGatewayId, family)
  const eni =
    input.NetworkInterfaceId === undefined
      ? onlyInterface(world, input.InstanceId ?? '')
      : findEni(world, input.NetworkInterfaceId)
  return networkInterface(table, eni)
}

function block(family: Route['family'], parameter: string, text: string): Block {
  const cidr = parseCidr(family === 'ipv4' ? 4 : 6, text)
  if (cidr === undefined) throw badValue(parameter, text, 'This is not a valid CIDR block.')
  return { family, cidr: formatCidr(cidr) }
}

function internetGateway(world: World, table: RouteTable, gatewayId: string): RouteTarget {
  if (isId('igw', gatewayId) || !/^(vgw|vpce|cagw|lgw)-/.test(gatewayId)) {
    const gateway = world.internetGateways.get(gatewayId)
    if (gateway === undefined) {
      throw new Refusal('InvalidGatewayID.NotFound', `The gateway ID '${gatewayId}' does not exist`)
    }
    checkNetwork(table, `network gateway ${gatewayId}`, gateway.vpcId)
    return { kind: 'internet-gateway', gatewayId }
  }
  throw notInLab(
    `routes to ${gatewayId.split('-')[0]}-…`,
    'Lead it to an internet gateway, a NAT gateway or an interface.',
  )
}

function egressOnly(
  world: World,
  table: RouteTable,
  id: string,
  family: Route['family'],
): RouteTarget {
  const { gatewayId, vpcId } = findEgressOnlyGateway(world, id)
  if (family === 'ipv4') {
    throw badValue('egressOnlyInternetGatewayId', id, 'It takes IPv6 alone.')
  }
  checkNetwork(table, `network gateway ${gatewayId}`, vpcId)
  return { kind: 'egress-only', gatewayId }
}

function natGateway(
  world: World,
  table: RouteTable,
  id: string,
  family: Route['family'],
): RouteTarget {
  const { natGatewayId, vpcId, state } = findNatGateway(world, id)
  if (family === 'ipv6') {
    throw notInLab('NAT64', 'Lead IPv6 to an internet gateway or an egress-only one.')
  }
  checkNetwork(table, `NAT gateway ${natGatewayId}`, vpcId)
  if (state === 'pending' || state === 'available') return { kind: 'nat-gateway', natGatewayId }
  throw new Refusal('InvalidNatGatewayID.NotFound', `The natGateway ID '${id}' does not exist`)
}

function onlyInterface(world: World, instanceId: string): NetworkInterface {
  const [eni, ...others] = attachedTo(world, findInstance(world, instanceId).instanceId)
  if (eni !== undefined && others.length === 0) return eni
  throw new Refusal(
    'InvalidInstanceID',
    `There are multiple interfaces attached to instance '${instanceId}'. Please specify an ` +
      'interface ID for the operation instead.',
  )
}

function networkInterface(table: RouteTable, eni: NetworkInterface): RouteTarget {
  checkNetwork(table, `interface ${eni.eniId}`, eni.vpcId)
  if (eni.attachment?.deviceIndex === 0 && eni.attachment.netns === undefined) {
    throw notInLab(
      `a route to ${eni.eniId}, its host's own interface, which is a record only`,
      'Lead it to an interface that is attached at device index 1 or above.',
    )
  }
  return { kind: 'eni', eniId: eni.eniId }
}

function checkNetwork(
  { routeTableId, vpcId }: RouteTable,
  what: string,
  other: string | undefined,
): void {
  if (other === vpcId) return
  throw new Refusal(
    'InvalidParameterValue',
    `route table ${routeTableId} and ${what} belong to different networks`,
  )
}
