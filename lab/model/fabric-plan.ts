// What the fabric must do so that packets follow from the new world as they did from the old one:
// the difference between two worlds, as steps in a safe order, each with its opposite. Pure.
//
//   ACLs, routes, subnets, groups  ──▶  unplug, update, plug  ──▶  dropped groups, subnets, …
//                            hosts' namespaces around it: made before, given addresses after
//
// Only the home VPC is in the fabric. No instance lives in another one, so no ENI of another VPC
// can be attached, and traffic between VPCs has no way at all.

import type { Acl, Subnet as FabricSubnet, Group, Port } from '../fabric/fabric.ts'
import type { GuestPlan } from '../fabric/guest.ts'
import type { LabFabric } from '../fabric/open.ts'
import { type Change, changes } from './changes.ts'
import { resolverOf } from './dns-name.ts'
import { performWay, type WayCall, waySteps } from './fabric-ways.ts'
import { hostSteps } from './host-plan.ts'
import { routerOf } from './network-interface.ts'
import { protocolNumber } from './permission.ts'
import { type PlainGroup, plainGroups } from './plain-rules.ts'
import { tableOf } from './route-table.ts'
import type { NetworkAcl, NetworkInterface, Subnet, World } from './world.ts'

/** One call on the fabric. */
export type FabricCall =
  | { readonly verb: 'putAcl'; readonly acl: Acl }
  | { readonly verb: 'dropAcl'; readonly aclId: string }
  | WayCall
  | { readonly verb: 'putSubnet'; readonly subnet: FabricSubnet }
  | { readonly verb: 'dropSubnet'; readonly subnetId: string }
  | { readonly verb: 'openResolver' | 'closeResolver'; readonly vpcAddress: string }
  | { readonly verb: 'putGroup'; readonly group: Group }
  | { readonly verb: 'dropGroup'; readonly groupId: string }
  | { readonly verb: 'plug'; readonly port: Port }
  | { readonly verb: 'update'; readonly port: Port }
  | { readonly verb: 'unplug'; readonly eniId: string }
  | { readonly verb: 'makeNetns'; readonly name: string; readonly resolvConf: string }
  | { readonly verb: 'removeNetns'; readonly name: string }
  | { readonly verb: 'configureGuest'; readonly plan: GuestPlan }

/** A call and the call that takes it back. */
export type FabricStep = { readonly call: FabricCall; readonly undo: FabricCall }

/** The steps from one world to the next. Equal worlds give none. */
export function fabricPlan(before: World, after: World): FabricStep[] {
  const acls = changes(before.networkAcls, after.networkAcls, (a) => fabricAcl(after.homeVpcId, a))
  const subnets =
    before.subnets === after.subnets && before.vpcs === after.vpcs
      ? []
      : changes(fabricSubnets(before), fabricSubnets(after), (subnet) => subnet)
  const groups = groupChanges(before, after)
  const ports = changes(before.enis, after.enis, portOf)
  return [
    ...acls.map(aclStep),
    ...subnets.map(subnetStep),
    ...resolverSteps(resolverOf(before), resolverOf(after)),
    ...waySteps(before, after),
    ...groups.flatMap(groupSteps),
    ...givingFirst(ports).flatMap(portSteps),
    ...hostSteps(before, after),
  ].sort((a, b) => placeOf(a.call) - placeOf(b.call))
}

/** A group's plain rules change with its own rules, or with the prefix lists that they name. */
function groupChanges(before: World, after: World): Change<Group>[] {
  if (before.groups === after.groups && before.prefixLists === after.prefixLists) return []
  return changes(plainGroups(before), plainGroups(after), (group) =>
    fabricGroup(after.homeVpcId, group),
  )
}

/** Performs one call. */
export async function perform(fabric: LabFabric, call: FabricCall): Promise<void> {
  switch (call.verb) {
    case 'putAcl':
      return fabric.putAcl(call.acl)
    case 'dropAcl':
      return fabric.dropAcl(call.aclId)
    case 'putSubnet':
      return fabric.putSubnet(call.subnet)
    case 'dropSubnet':
      return fabric.dropSubnet(call.subnetId)
    case 'openResolver':
      return fabric.openResolver(call.vpcAddress)
    case 'closeResolver':
      return fabric.closeResolver(call.vpcAddress)
    case 'putGroup':
      return fabric.putGroup(call.group)
    case 'dropGroup':
      return fabric.dropGroup(call.groupId)
    case 'plug':
      await fabric.plug(call.port)
      return
    case 'update':
      return fabric.update(call.port)
    case 'unplug':
      return fabric.unplug(call.eniId)
    case 'makeNetns':
      await fabric.makeNetns(call.name, call.resolvConf)
      return
    case 'removeNetns':
      return fabric.removeNetns(call.name)
    case 'configureGuest':
      return fabric.configureGuest(call.plan)
    default:
      return performWay(fabric.ways, call)
  }
}

/** The port of an ENI that is plugged in; undefined for all others. */
export function portOf(eni: NetworkInterface): Port | undefined {
  const { attachment } = eni
  if (attachment?.netns === undefined || attachment.unlinked === true) return undefined
  if (attachment.status === 'detaching') return undefined
  const prefixes = [...eni.ipv4Prefixes, ...eni.ipv6Prefixes]
  return {
    eniId: eni.eniId,
    subnetId: eni.subnetId,
    mac: eni.mac,
    ipv4: eni.ipv4,
    ipv6: eni.ipv6,
    ...(prefixes.length === 0 ? {} : { prefixes }),
    groupIds: eni.groupIds,
    sourceDestCheck: eni.sourceDestCheck,
    netns: attachment.netns,
  }
}

/** An address that moves from one ENI to another leaves the one before it comes to the other. */
const givingFirst = (ports: readonly Change<Port>[]): Change<Port>[] =>
  ports.toSorted((a, b) => Number(gives(b)) - Number(gives(a)))

function gives({ was, now }: Change<Port>): boolean {
  if (was === undefined || now === undefined) return false
  return [...was.ipv4, ...was.ipv6].some((ip) => !now.ipv4.includes(ip) && !now.ipv6.includes(ip))
}

const ORDER: readonly FabricCall['verb'][] = [
  'dropPublicAddress',
  'putAcl',
  'putRouteTable',
  'putSubnet',
  'closeResolver',
  'openResolver',
  'putGroup',
  'unplug',
  'dropNatGateway',
  'removeNetns',
  'makeNetns',
  'update',
  'plug',
  'configureGuest',
  'putNatGateway',
  'putPublicAddress',
  'dropGroup',
  'dropSubnet',
  'dropRouteTable',
  'dropAcl',
]

/** Groups that come together may name each other, so each is there, empty, before any has rules. */
const placeOf = (call: FabricCall): number =>
  ORDER.indexOf(call.verb) + (call.verb === 'putGroup' && call.group.rules.length > 0 ? 0.5 : 0)

function aclStep({ id, was, now }: Change<Acl>): FabricStep {
  const order = (acl: Acl | undefined): FabricCall =>
    acl === undefined ? { verb: 'dropAcl', aclId: id } : { verb: 'putAcl', acl }
  return { call: order(now), undo: order(was) }
}

function subnetStep({ id, was, now }: Change<FabricSubnet>): FabricStep {
  const order = (subnet: FabricSubnet | undefined): FabricCall =>
    subnet === undefined ? { verb: 'dropSubnet', subnetId: id } : { verb: 'putSubnet', subnet }
  return { call: order(now), undo: order(was) }
}

function resolverSteps(was: string | undefined, now: string | undefined): FabricStep[] {
  if (was === now) return []
  const open = (vpcAddress: string): FabricCall => ({ verb: 'openResolver', vpcAddress })
  const close = (vpcAddress: string): FabricCall => ({ verb: 'closeResolver', vpcAddress })
  return [
    ...(was === undefined ? [] : [{ call: close(was), undo: open(was) }]),
    ...(now === undefined ? [] : [{ call: open(now), undo: close(now) }]),
  ]
}

function groupSteps({ id, was, now }: Change<Group>): FabricStep[] {
  const order = (group: Group | undefined): FabricCall =>
    group === undefined ? { verb: 'dropGroup', groupId: id } : { verb: 'putGroup', group }
  // Groups that come or go together may name each other: each is there, or lets go, before that.
  const viaEmpty = was === undefined ? now !== undefined && namesOthers(now) : now === undefined
  const states = viaEmpty ? [was, { groupId: id, rules: [] }, now] : [was, now]
  return states.slice(1).map((to, at) => ({ call: order(to), undo: order(states[at]) }))
}

const namesOthers = ({ groupId, rules }: Group): boolean =>
  rules.some(({ peer }) => peer.kind === 'group' && peer.groupId !== groupId)

function portSteps({ id, was, now }: Change<Port>): FabricStep[] {
  const unplug: FabricCall = { verb: 'unplug', eniId: id }
  if (was !== undefined && now !== undefined && was.netns === now.netns) {
    return [{ call: { verb: 'update', port: now }, undo: { verb: 'update', port: was } }]
  }
  const steps: FabricStep[] = []
  if (was !== undefined) steps.push({ call: unplug, undo: { verb: 'plug', port: was } })
  if (now !== undefined) steps.push({ call: { verb: 'plug', port: now }, undo: unplug })
  return steps
}

function fabricAcl(homeVpcId: string, { aclId, vpcId, entries }: NetworkAcl): Acl | undefined {
  return vpcId === homeVpcId ? { aclId, entries } : undefined
}

/** The home VPC's subnets as the fabric sees them, by id. */
function fabricSubnets(world: World): ReadonlyMap<string, FabricSubnet> {
  const home = [...world.subnets.values()].filter(({ vpcId }) => vpcId === world.homeVpcId)
  return new Map(home.map((subnet) => [subnet.subnetId, fabricSubnet(world, subnet)]))
}

function fabricSubnet(world: World, subnet: Subnet): FabricSubnet {
  const routeTableId = tableOf(world, subnet)
  const { ipv4Cidr } = subnet
  const { ipv4: ipv4Gateway } = routerOf(subnet)
  return {
    subnetId: subnet.subnetId,
    ...(ipv4Cidr === undefined || ipv4Gateway === undefined ? {} : { ipv4Cidr, ipv4Gateway }),
    aclId: subnet.aclId,
    ...(subnet.ipv6Cidr === undefined ? {} : { ipv6Cidr: subnet.ipv6Cidr }),
    ...(routeTableId === undefined ? {} : { routeTableId }),
  }
}

function fabricGroup(homeVpcId: string, group: PlainGroup): Group | undefined {
  if (group.vpcId !== homeVpcId) return undefined
  const rules = group.rules.map(({ ruleId, direction, protocol, from, to, peer }) => ({
    ruleId,
    direction,
    protocol: protocolNumber(protocol),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    peer,
  }))
  return { groupId: group.groupId, rules }
}
