// ModifyInstanceMetadataOptions: `pending` in the answer; IMDS obeys from the next request on.

import type {
  ModifyInstanceMetadataOptionsRequest,
  ModifyInstanceMetadataOptionsResult,
} from '@aws-sdk/client-ec2'
import { findInstance } from '../../model/look-up.ts'
import { changedOptions, metadataOptionsOf } from '../../model/metadata-options.ts'
import { tagsOf } from '../../model/tag-rules.ts'
import { put } from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'
import { metadataOptionsShape } from '../shapes/instance.ts'

export const modifyInstanceMetadataOptions: ChangeAction<
  ModifyInstanceMetadataOptionsRequest,
  ModifyInstanceMetadataOptionsResult
> = {
  name: 'ModifyInstanceMetadataOptions',
  honours: [
    'InstanceId',
    'HttpTokens',
    'HttpPutResponseHopLimit',
    'HttpEndpoint',
    'HttpProtocolIpv6',
    'InstanceMetadataTags',
  ],
  change(world, input) {
    const { InstanceId: id = '', DryRun: _dryRun, ...wish } = input
    const instance = findInstance(world, id)
    const tagKeys = [...tagsOf(world, id).keys()]
    const metadataOptions = changedOptions(metadataOptionsOf(instance), wish, tagKeys)
    const changed = { ...instance, metadataOptions }
    return {
      world: { ...world, instances: put(world.instances, id, changed) },
      output: {
        InstanceId: id,
        InstanceMetadataOptions: metadataOptionsShape(changed, 'pending'),
      },
    }
  },
}
