// Delete-on-termination: when the instance goes, EC2 deletes the task's ENI with it. Attach never
// sets that, so it takes a call of its own. Nothing waits for it.

import { launching } from '../budget.ts'
import { Failure } from '../failure.ts'
import { type Driver, numberOf } from './driver.ts'
import type { Ec2 } from './ec2.ts'

/** The driver of `guard:<n>` rows. The attachment takes the guard along, so release does nothing. */
export function guardDriver({ ec2 }: { readonly ec2: Ec2 }): Driver<'guard'> {
  return {
    async ensure(job, signal) {
      const n = numberOf(job)
      const { attachmentId } = job.details('attachment', `attachment:${n}`)
      const input = {
        NetworkInterfaceId: job.details('eni', `eni:${n}`).eniId,
        Attachment: { AttachmentId: attachmentId, DeleteOnTermination: true },
      }
      const call = ec2.call('ModifyNetworkInterfaceAttribute', input, signal, launching(job))
      await call.catch((error) => {
        if (!(error instanceof Failure) || error.kind !== 'lost') throw error
        // Too new, or gone: whether the attachment is gone is for its own row to find out.
        throw new Failure('transient', error.code, error.message, { cause: error })
      })
      return {}
    },

    async release() {
      return undefined
    },
  }
}
