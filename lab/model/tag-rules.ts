// Tags: which keys EC2 takes, how many, and on what. All tags of the world stand in one map by
// resource id, so that CreateTags and a TagSpecification at creation end in the same function.

import { type IdPrefix, isId } from './ids.ts'
import { KINDS, type KindName } from './kinds.ts'
import { noSuch } from './look-up.ts'
import { fitsPath, metadataOptionsOf } from './metadata-options.ts'
import { QUOTA } from './quota.ts'
import { Refusal } from './refusal.ts'
import { put, type Tags, type World } from './world.ts'

/** EC2's names of the resource types that the lab can tag. */
export type ResourceType =
  | 'dhcp-options'
  | 'egress-only-internet-gateway'
  | 'elastic-ip'
  | 'instance'
  | 'internet-gateway'
  | 'natgateway'
  | 'network-acl'
  | 'network-interface'
  | 'prefix-list'
  | 'route-table'
  | 'security-group'
  | 'security-group-rule'
  | 'subnet'
  | 'subnet-cidr-reservation'
  | 'vpc'

const TAGGABLE: readonly (readonly [KindName, ResourceType])[] = [
  ['dhcpOptions', 'dhcp-options'],
  ['egressOnlyGateway', 'egress-only-internet-gateway'],
  ['allocation', 'elastic-ip'],
  ['instance', 'instance'],
  ['internetGateway', 'internet-gateway'],
  ['natGateway', 'natgateway'],
  ['networkAcl', 'network-acl'],
  ['eni', 'network-interface'],
  ['prefixList', 'prefix-list'],
  ['routeTable', 'route-table'],
  ['group', 'security-group'],
  ['rule', 'security-group-rule'],
  ['subnet', 'subnet'],
  ['subnetCidrReservation', 'subnet-cidr-reservation'],
  ['vpc', 'vpc'],
]

/** One tag as a caller wrote it. */
export type WrittenTag = { readonly Key?: string | undefined; readonly Value?: string | undefined }

/** The tags of a resource; empty when it has none. */
export const tagsOf = (world: World, id: string): Tags => world.tags.get(id) ?? NONE

/** The resource type of an id that exists; else the NotFound of its kind, or InvalidID. */
export function resourceTypeOf(world: World, id: string): ResourceType {
  for (const [kind, type] of TAGGABLE) {
    const prefix: IdPrefix = KINDS[kind].prefix
    if (!isId(prefix, id)) continue
    if (!exists(world, kind, id)) throw noSuch(kind, id)
    return type
  }
  throw new Refusal('InvalidID', `The ID '${id}' is not valid`)
}

/** The world with those tags set on that resource: a key that is there gets the new value. */
export function withTags(world: World, id: string, written: readonly WrittenTag[]): World {
  if (written.length === 0) return world
  const tags = new Map(tagsOf(world, id))
  const keys = new Set<string>()
  for (const tag of written) {
    const { key, value } = checkTag(tag)
    checkPath(world, id, key)
    if (keys.has(key)) {
      throw new Refusal('InvalidParameterValue', `Duplicate tag key '${key}' specified.`)
    }
    keys.add(key)
    tags.set(key, value)
  }
  if (tags.size > QUOTA.tagsPerResource) {
    throw new Refusal(
      'TagLimitExceeded',
      `The maximum number of tags for resource '${id}' is ${QUOTA.tagsPerResource}.`,
    )
  }
  return { ...world, tags: put(world.tags, id, tags) }
}

/** Refuses a key that IMDS could not show, of an instance whose IMDS shows tags. */
function checkPath(world: World, id: string, key: string): void {
  const instance = world.instances.get(id)
  if (instance === undefined || fitsPath(key)) return
  if (metadataOptionsOf(instance).instanceMetadataTags === 'disabled') return
  throw new Refusal(
    'InvalidParameterValue',
    `'${key}' is not a valid tag key. Tag keys must match pattern ` +
      `([0-9a-zA-Z\\-_+=,.@:]{1,255}), and must not be a reserved name ('.', '..', '_index')`,
  )
}

/** One tag with its value, or the rule of EC2 that it breaks. */
function checkTag(tag: WrittenTag): { key: string; value: string } {
  const key = tag.Key ?? ''
  const value = tag.Value ?? ''
  if (key === '') {
    throw new Refusal('InvalidParameterValue', 'Tag key cannot be null or empty.')
  }
  if (/^aws:/i.test(key)) {
    throw new Refusal(
      'InvalidParameterValue',
      `Invalid tag key: '${key}'. Tag keys starting with 'aws:' are reserved for internal use`,
    )
  }
  if ([...key].length > 128) {
    throw new Refusal('InvalidParameterValue', 'Tag key exceeds the maximum length of 128.')
  }
  if ([...value].length > 256) {
    throw new Refusal('InvalidParameterValue', 'Tag value exceeds the maximum length of 256.')
  }
  return { key, value }
}

function exists(world: World, kind: KindName, id: string): boolean {
  switch (kind) {
    case 'vpc':
      return world.vpcs.has(id)
    case 'subnet':
      return world.subnets.has(id)
    case 'subnetCidrReservation':
      return world.subnetCidrReservations.has(id)
    case 'group':
      return world.groups.has(id)
    case 'prefixList':
      return world.prefixLists.has(id)
    case 'eni':
      return world.enis.has(id)
    case 'instance':
      return world.instances.has(id)
    case 'networkAcl':
      return world.networkAcls.has(id)
    case 'dhcpOptions':
      return world.dhcpOptions.has(id)
    case 'routeTable':
      return world.routeTables.has(id)
    case 'internetGateway':
      return world.internetGateways.has(id)
    case 'egressOnlyGateway':
      return world.egressOnlyGateways.has(id)
    case 'natGateway':
      return world.natGateways.has(id)
    case 'allocation':
      return [...world.publicAddresses.values()].some((each) => each.allocationId === id)
    case 'rule':
      return [...world.groups.values()].some((group) => group.rules.some((r) => r.ruleId === id))
    case 'attachment':
    case 'subnetCidrAssociation':
    case 'aclAssociation':
    case 'routeAssociation':
    case 'addressAssociation':
      return false
  }
}

const NONE: Tags = new Map()
