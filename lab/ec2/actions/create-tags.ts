// CreateTags: all tags on all resources, or none.

import type { CreateTagsRequest } from '@aws-sdk/client-ec2'
import { QUOTA } from '../../model/quota.ts'
import { Refusal } from '../../model/refusal.ts'
import { resourceTypeOf, withTags } from '../../model/tag-rules.ts'
import type { ChangeAction } from '../action.ts'

export const createTags: ChangeAction<CreateTagsRequest, object> = {
  name: 'CreateTags',
  honours: ['Resources', 'Tags.Key', 'Tags.Value'],
  change(world, input) {
    const { Resources: ids = [], Tags: tags = [] } = input
    if (tags.length === 0 || ids.length === 0) {
      const missing = ids.length === 0 ? 'ResourceId' : 'Tag'
      throw new Refusal('MissingParameter', `The request must contain the parameter ${missing}`)
    }
    if (ids.length > QUOTA.resourcesPerTagCall) {
      throw new Refusal(
        'InvalidParameterValue',
        `At most ${QUOTA.resourcesPerTagCall} resources can be tagged in one call.`,
      )
    }
    for (const id of ids) resourceTypeOf(world, id)
    return { world: ids.reduce((so, id) => withTags(so, id, tags), world), output: {} }
  },
}
