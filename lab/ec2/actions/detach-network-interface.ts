// DetachNetworkInterface: the link goes, wherever it is, and then the call is answered. `Force` is
// honoured by having nothing to force: the fabric always takes the link.

import type { DetachNetworkInterfaceRequest } from '@aws-sdk/client-ec2'
import { findAttached } from '../../model/look-up.ts'
import { attached, settleDetaching } from '../../model/network-interface.ts'
import { Refusal } from '../../model/refusal.ts'
import { withEni } from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'

export const detachNetworkInterface: ChangeAction<DetachNetworkInterfaceRequest, object> = {
  name: 'DetachNetworkInterface',
  honours: ['AttachmentId', 'Force'],
  change(world, input) {
    const { attachment, ...eni } = findAttached(world, input.AttachmentId ?? '')
    if ('owner' in attachment.to) {
      throw new Refusal(
        'OperationNotPermitted',
        "You are not allowed to manage 'ela-attach' attachments.",
      )
    }
    if (attachment.deviceIndex === 0) {
      throw new Refusal(
        'OperationNotPermitted',
        'The network interface at device index 0 and networkCard index 0 cannot be detached.',
      )
    }
    // Asked again while it is still detaching: nothing begins anew.
    if (attachment.status === 'detaching') return { world, output: {} }
    return {
      world: withEni(world, attached(eni, { ...attachment, status: 'detaching' })),
      output: {},
      settle: (now) => settleDetaching(now, eni.eniId, attachment.attachmentId),
    }
  },
}
