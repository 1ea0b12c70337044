// DeleteTags: a key alone means any value, a key with an empty value means only the empty one, and
// no tags at all mean every tag.

import type { DeleteTagsRequest, Tag } from '@aws-sdk/client-ec2'
import { resourceTypeOf, tagsOf } from '../../model/tag-rules.ts'
import { drop, put, type World } from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'

export const deleteTags: ChangeAction<DeleteTagsRequest, object> = {
  name: 'DeleteTags',
  honours: ['Resources', 'Tags.Key', 'Tags.Value'],
  change(world, input) {
    const { Resources: ids = [], Tags: tags } = input
    for (const id of ids) resourceTypeOf(world, id)
    return { world: ids.reduce((so, id) => without(so, id, tags), world), output: {} }
  },
}

function without(world: World, id: string, tags: readonly Tag[] | undefined): World {
  if (tags === undefined || tags.length === 0) return { ...world, tags: drop(world.tags, id) }
  const rest = new Map(tagsOf(world, id))
  for (const { Key: key = '', Value: value } of tags) {
    if (value === undefined || rest.get(key) === value) rest.delete(key)
  }
  return { ...world, tags: put(world.tags, id, rest) }
}
