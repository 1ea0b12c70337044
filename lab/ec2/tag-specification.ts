// TagSpecifications at creation: the tags for the new resource, or the rule that is broken.

import { Refusal } from '../model/refusal.ts'
import type { ResourceType, WrittenTag } from '../model/tag-rules.ts'

type Specification = {
  readonly ResourceType?: string | undefined
  readonly Tags?: readonly WrittenTag[] | undefined
}

/** The tags meant for a resource of that type; any other type is InvalidParameterValue. */
export function specifiedTags(
  specifications: readonly Specification[] | undefined,
  type: ResourceType,
): readonly WrittenTag[] {
  return (specifications ?? []).flatMap((specification) => {
    if (specification.ResourceType === type) return specification.Tags ?? []
    throw new Refusal(
      'InvalidParameterValue',
      `"${specification.ResourceType ?? ''}" is not a valid taggable resource type for this ` +
        `operation: use "${type}".`,
    )
  })
}
