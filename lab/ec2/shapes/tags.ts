// Tags as EC2 writes them: a list of Key and Value, in the order of their keys.

import type { Tag } from '@aws-sdk/client-ec2'
import { tagsOf } from '../../model/tag-rules.ts'
import type { World } from '../../model/world.ts'

/** The tags of a resource as a list; empty when there are none. */
export function tagList(world: World, id: string): Tag[] {
  return [...tagsOf(world, id)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([Key, Value]) => ({ Key, Value }))
}
