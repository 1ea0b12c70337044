// What a fault may ask of a call: its action, the ENIs and tasks it is about, its subnet, and
// whether it is a listing with a filter or in pages. Pure; the input has been read by its schema.

import type { World } from '../model/world.ts'
import { type FaultOptions, HOLDER_TAG, type Occasion } from './fault.ts'

/** An EC2 call as faults see it. */
export type CallFacts = Occasion & {
  readonly action: string
  /** Whether a filter or pagination is asked for: what decides between two throttle buckets. */
  readonly narrowed: boolean
  readonly deviceIndex?: number
}

/** The members by which actions name an ENI, whatever the action. */
type Named = {
  readonly NetworkInterfaceId?: string
  readonly NetworkInterfaceIds?: readonly string[]
  readonly AttachmentId?: string
  readonly Attachment?: { readonly AttachmentId?: string }
  readonly Resources?: readonly string[]
  readonly SubnetId?: string
  readonly DeviceIndex?: number
  readonly Filters?: readonly { readonly Name?: string; readonly Values?: readonly string[] }[]
  readonly TagSpecifications?: readonly {
    readonly Tags?: readonly { readonly Key?: string; readonly Value?: string }[]
  }[]
  readonly MaxResults?: number
  readonly NextToken?: string
}

/** Reads the facts off a call. */
export function factsOf(action: string, input: object, world: World): CallFacts {
  const named: Named = input
  const { Filters = [], SubnetId, DeviceIndex } = named
  const eniIds = enisOf(named, world)
  return {
    action,
    eniIds,
    holders: [...eniIds.flatMap((eniId) => holderOf(world, eniId)), ...saidHolders(named)],
    ...(SubnetId === undefined ? {} : { subnetId: SubnetId }),
    ...(DeviceIndex === undefined ? {} : { deviceIndex: DeviceIndex }),
    narrowed: Filters.length > 0 || named.MaxResults !== undefined || named.NextToken !== undefined,
  }
}

/** The holder that an ENI's tag names, as a list of none or one. */
export function holderOf(world: World, eniId: string): string[] {
  const holder = world.tags.get(eniId)?.get(HOLDER_TAG)
  return holder === undefined ? [] : [holder]
}

/** The ENIs that a fault names by id or task: none where it names neither, of both what is of both. */
export function namedEnis(world: World, { eni, task }: FaultOptions): string[] {
  if (eni === undefined && task === undefined) return []
  const all = [...world.enis.keys()].filter((id) => eni === undefined || id === eni)
  return all.filter((id) => task === undefined || holderOf(world, id).includes(task))
}

function enisOf(named: Named, world: World): string[] {
  const { NetworkInterfaceId: one, NetworkInterfaceIds: several = [], Resources = [] } = named
  const said = [...(one === undefined ? [] : [one]), ...several]
  const tagged = Resources.filter((id) => world.enis.has(id))
  const filtered = filterValues(named, 'network-interface-id')
  const attachmentId = named.AttachmentId ?? named.Attachment?.AttachmentId
  const attached: string[] = []
  if (attachmentId !== undefined && said.length === 0) {
    for (const eni of world.enis.values()) {
      if (eni.attachment?.attachmentId === attachmentId) attached.push(eni.eniId)
    }
  }
  return [...said, ...tagged, ...filtered, ...attached]
}

function saidHolders(named: Named): string[] {
  const tags = (named.TagSpecifications ?? []).flatMap(({ Tags = [] }) => Tags)
  const made = tags.flatMap(({ Key, Value = '' }) => (Key === HOLDER_TAG ? [Value] : []))
  return [...made, ...filterValues(named, `tag:${HOLDER_TAG}`)]
}

const filterValues = ({ Filters = [] }: Named, name: string): string[] =>
  Filters.flatMap(({ Name, Values = [] }) => (Name === name ? Values : []))
