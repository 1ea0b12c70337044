// What an action is: a name, the list of parameters it honours, and one pure function. An action
// that reads gets the world and answers; an action that changes gives the next world beside its
// answer. Neither knows of HTTP, XML, the queue or the fabric: lab/ec2/call.ts does all that.

import type { Random } from '../model/ids.ts'
import type { World } from '../model/world.ts'
import type { Change } from '../region.ts'

/** What a call brings along beside its input: the only clock and randomness there is. */
export type Call = { readonly now: Date; readonly random: Random }

type Named = {
  /** As AWS names it. */
  readonly name: string
  /** The input members it acts on, as dotted names; every other one is refused by name. */
  readonly honours: readonly string[]
}

/** An action that only reads. */
export type ReadAction<In, Out extends object> = Named & {
  readonly read: (world: World, input: In, call: Call) => Out
}

/** An action that changes the world. */
export type ChangeAction<In, Out extends object> = Named & {
  readonly change: (world: World, input: In, call: Call) => Change<Out>
}

/** Any action, its input type forgotten: it was read by the schema of that very name. */
export type Action = ReadAction<never, object> | ChangeAction<never, object>

/** The parameters of every listing with filters. */
export const FILTERS = ['Filters.Name', 'Filters.Values'] as const

/** The parameters of every listing in pages. */
export const PAGES = ['MaxResults', 'NextToken'] as const

/** The parameters of an entry of a network ACL. */
export const NETWORK_ACL_ENTRY = [
  'NetworkAclId',
  'RuleNumber',
  'Egress',
  'Protocol',
  'RuleAction',
  'CidrBlock',
  'Ipv6CidrBlock',
  'PortRange.From',
  'PortRange.To',
  'IcmpTypeCode.Type',
  'IcmpTypeCode.Code',
] as const

/** The parameters that tag a resource when it is made. */
export const TAG_SPECIFICATIONS = [
  'TagSpecifications.ResourceType',
  'TagSpecifications.Tags.Key',
  'TagSpecifications.Tags.Value',
] as const
