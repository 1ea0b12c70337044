// Internet gateways: which VPC has one, and what keeps it there. A VPC has one at most, and one of
// the egress-only kind, which belongs to it from the start. Pure.

import { newId, type Random } from './ids.ts'
import { QUOTA } from './quota.ts'
import { Refusal } from './refusal.ts'
import type { EgressOnlyGateway, InternetGateway } from './way-out.ts'
import { drop, put, type Vpc, type World } from './world.ts'

/** The internet gateway that is attached to a VPC. */
export function gatewayOf(world: World, vpcId: string): InternetGateway | undefined {
  return [...world.internetGateways.values()].find((each) => each.vpcId === vpcId)
}

/** A new gateway, attached to nothing. */
export function addGateway(
  world: World,
  random: Random,
): { world: World; gateway: InternetGateway } {
  if (world.internetGateways.size >= QUOTA.internetGatewaysPerRegion) {
    throw new Refusal(
      'InternetGatewayLimitExceeded',
      'The maximum number of internet gateways has been reached.',
    )
  }
  const gateway = { gatewayId: newId('igw', random) }
  return { world: withGateway(world, gateway), gateway }
}

/** Attaches a gateway to a VPC that has none. */
export function attachGateway(
  world: World,
  { gatewayId, vpcId }: InternetGateway,
  vpc: Vpc,
): World {
  if (vpcId !== undefined) {
    throw new Refusal(
      'Resource.AlreadyAssociated',
      `resource ${gatewayId} is already attached to network ${vpcId}`,
    )
  }
  if (gatewayOf(world, vpc.vpcId) !== undefined) {
    throw new Refusal(
      'InvalidParameterValue',
      `Network ${vpc.vpcId} already has an internet gateway attached`,
    )
  }
  return withGateway(world, { gatewayId, vpcId: vpc.vpcId })
}

/** Detaches it; refused while an interface of the VPC has a public address. */
export function detachGateway(world: World, gateway: InternetGateway, vpc: Vpc): World {
  const { gatewayId } = gateway
  if (gateway.vpcId !== vpc.vpcId) {
    throw new Refusal(
      'Gateway.NotAttached',
      `resource ${gatewayId} is not attached to network ${vpc.vpcId}`,
    )
  }
  const mapped = [...world.publicAddresses.values()].some(
    ({ association }) => world.enis.get(association?.eniId ?? '')?.vpcId === vpc.vpcId,
  )
  if (mapped) {
    throw new Refusal(
      'DependencyViolation',
      `Network ${vpc.vpcId} has some mapped public address(es). Please unmap those public ` +
        'address(es) before detaching the gateway.',
    )
  }
  return withGateway(world, { gatewayId })
}

/** Deletes one that is attached to nothing. */
export function dropGateway(world: World, { gatewayId, vpcId }: InternetGateway): World {
  if (vpcId !== undefined) {
    throw new Refusal(
      'DependencyViolation',
      `The internetGateway '${gatewayId}' has dependencies and cannot be deleted.`,
    )
  }
  return {
    ...world,
    internetGateways: drop(world.internetGateways, gatewayId),
    tags: drop(world.tags, gatewayId),
  }
}

/** A new egress-only gateway of a VPC that has none. */
export function addEgressOnly(
  world: World,
  { vpcId }: Vpc,
  random: Random,
): { world: World; made: EgressOnlyGateway } {
  const all = [...world.egressOnlyGateways.values()]
  if (all.length >= QUOTA.egressOnlyGatewaysPerRegion) {
    throw new Refusal(
      'EgressOnlyInternetGatewayLimitExceeded',
      'The maximum number of egress-only internet gateways has been reached.',
    )
  }
  if (all.some((each) => each.vpcId === vpcId)) {
    throw new Refusal(
      'InvalidParameterValue',
      `Network ${vpcId} already has an egress-only internet gateway attached`,
    )
  }
  const made = { gatewayId: newId('eigw', random), vpcId }
  const egressOnlyGateways = put(world.egressOnlyGateways, made.gatewayId, made)
  return { world: { ...world, egressOnlyGateways }, made }
}

/** Deletes one; routes to it stay, and lead nowhere. */
export const dropEgressOnly = (world: World, { gatewayId }: EgressOnlyGateway): World => ({
  ...world,
  egressOnlyGateways: drop(world.egressOnlyGateways, gatewayId),
  tags: drop(world.tags, gatewayId),
})

const withGateway = (world: World, gateway: InternetGateway): World => ({
  ...world,
  internetGateways: put(world.internetGateways, gateway.gatewayId, gateway),
})
