// ReleaseAddress: refused while it is associated.

import type { ReleaseAddressRequest } from '@aws-sdk/client-ec2'
import { findAllocation } from '../../model/look-up.ts'
import { release } from '../../model/public-address.ts'
import { Refusal } from '../../model/refusal.ts'
import type { ChangeAction } from '../action.ts'
import { findPublic } from '../address-request.ts'

export const releaseAddress: ChangeAction<ReleaseAddressRequest, object> = {
  name: 'ReleaseAddress',
  honours: ['AllocationId', 'PublicIp'],
  change(world, { AllocationId: id, PublicIp: publicIp }) {
    if (id !== undefined) return { world: release(world, findAllocation(world, id)), output: {} }
    if (publicIp !== undefined) {
      return { world: release(world, findPublic(world, publicIp)), output: {} }
    }
    throw new Refusal('MissingParameter', 'The request must contain the parameter allocationId')
  },
}
