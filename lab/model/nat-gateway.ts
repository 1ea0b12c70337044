// A NAT gateway's life: pending with an interface of its own in its subnet, available, deleted; or
// failed, for reasons that EC2 tells only then. One that has ended is told of for an hour. Pure.

import { newId, type Random } from './ids.ts'
import { gatewayOf } from './internet-gateway.ts'
import { attached, makeEni } from './network-interface.ts'
import { associate, type ElasticIp } from './public-address.ts'
import { QUOTA } from './quota.ts'
import { Refusal } from './refusal.ts'
import type { NatGateway } from './way-out.ts'
import {
  type NetworkInterface,
  put,
  type Subnet,
  type World,
  withEni,
  withoutEni,
} from './world.ts'

/** Who attaches the interfaces of NAT gateways. */
export const NAT_OWNER = 'amazon-aws'
const TOLD_MS = 60 * 60 * 1000

/** What a new one should be like. */
export type NatWish = {
  readonly subnet: Subnet
  /** Absent: it translates to its private address alone. */
  readonly elasticIp?: ElasticIp
  readonly privateIp?: string
}

/** Makes one, `pending`; it may be one that will fail. */
export function addNat(
  world: World,
  { subnet, elasticIp, privateIp }: NatWish,
  now: Date,
  random: Random,
): { world: World; made: NatGateway } {
  const siblings = [...world.natGateways.values()].filter(
    ({ zone, eniId }) => zone === subnet.zone && eniId !== undefined,
  )
  if (siblings.length >= QUOTA.natGatewaysPerZone) {
    throw new Refusal(
      'NatGatewayLimitExceeded',
      `The maximum number of NAT gateways in ${subnet.zone} has been reached.`,
    )
  }
  const { subnetId, vpcId, zone } = subnet
  const nat: NatGateway = {
    natGatewayId: newId('nat', random),
    vpcId,
    subnetId,
    zone,
    connectivity: elasticIp === undefined ? 'private' : 'public',
    state: 'pending',
    createdAt: now,
    ...(elasticIp === undefined
      ? {}
      : { allocationId: elasticIp.allocationId, publicIp: elasticIp.publicIp }),
  }
  const failure = failureOf(world, nat, elasticIp)
  if (failure !== undefined) {
    const made = { ...nat, failure }
    return { world: withNat(world, made), made }
  }
  const { world: placed, eni } = addInterface(world, nat, privateIp, now, random)
  const made = { ...nat, eniId: eni.eniId, privateIp: eni.ipv4[0] ?? '' }
  const next = withNat(placed, made)
  if (elasticIp === undefined) return { world: next, made }
  const move = { privateIp: made.privateIp, mayMove: false }
  return { world: associate(next, elasticIp, eni, move, random).world, made }
}

/** The world when that one is no longer pending. */
export function settleNat(world: World, natGatewayId: string, now: Date): World {
  const nat = world.natGateways.get(natGatewayId)
  if (nat?.state !== 'pending') return world
  return nat.failure === undefined
    ? withNat(world, { ...nat, state: 'available' })
    : withNat(world, { ...nat, state: 'failed', endedAt: now })
}

/** Begins to delete one: its interface goes, and its Elastic IP is free again. */
export function endNat(world: World, nat: NatGateway): World {
  if (nat.state === 'deleted' || nat.state === 'deleting') return world
  const { eniId, ...rest } = nat
  const without = eniId === undefined ? world : withoutEni(world, eniId)
  return withNat(without, { ...rest, state: 'deleting' })
}

/** The world when that one's deleting is over. */
export function settleEnded(world: World, natGatewayId: string, now: Date): World {
  const nat = world.natGateways.get(natGatewayId)
  if (nat?.state !== 'deleting') return world
  return withNat(world, { ...nat, state: 'deleted', endedAt: now })
}

/** Whether anything is still told of it. */
export const isTold = ({ endedAt }: NatGateway, now: Date): boolean =>
  endedAt === undefined || now.getTime() - endedAt.getTime() < TOLD_MS

function failureOf(
  world: World,
  { vpcId }: NatGateway,
  elasticIp: ElasticIp | undefined,
): NatGateway['failure'] {
  if (elasticIp === undefined) return undefined
  if (gatewayOf(world, vpcId) === undefined) {
    return {
      code: 'Gateway.NotAttached',
      message: `Network ${vpcId} has no Internet gateway attached`,
    }
  }
  if (elasticIp.association === undefined) return undefined
  return {
    code: 'Resource.AlreadyAssociated',
    message: `Elastic IP address [${elasticIp.allocationId}] is already associated`,
  }
}

function addInterface(
  world: World,
  { natGatewayId, subnetId }: NatGateway,
  privateIp: string | undefined,
  now: Date,
  random: Random,
): { world: World; eni: NetworkInterface } {
  const made = makeEni(
    world,
    {
      subnetId,
      description: `Interface for NAT Gateway ${natGatewayId}`,
      ipv6Count: 0,
      managed: true,
      ...(privateIp === undefined ? {} : { ipv4Asked: [privateIp] }),
    },
    random,
  )
  // No namespace: the fabric makes one for it, with what is in it.
  const eni = attached(
    { ...made.eni, groupIds: [], sourceDestCheck: false, natGatewayId },
    {
      attachmentId: newId('ela-attach', random),
      to: { owner: NAT_OWNER },
      deviceIndex: 1,
      status: 'attached',
      deleteOnTermination: false,
      attachedAt: now,
    },
  )
  return { world: withEni(made.world, eni), eni }
}

const withNat = (world: World, nat: NatGateway): World => ({
  ...world,
  natGateways: put(world.natGateways, nat.natGatewayId, nat),
})
