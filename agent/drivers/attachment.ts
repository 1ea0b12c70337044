// The ENI at this instance. AttachNetworkInterface takes no client token, so whoever is in doubt
// looks first: attached to us is as good as done, under whatever device index.
//
//   straight: Attach … Detach      in doubt: look it up, adopt the attachment or attach

import type { NetworkInterfaceAttachment } from '@aws-sdk/client-ec2'
import { isLent } from '../../state/task.ts'
import { launching, releasing } from '../budget.ts'
import { Failure } from '../failure.ts'
import type { Host } from '../orders.ts'
import { type Details, type Driver, type Job, numberOf } from './driver.ts'
import type { Ec2 } from './ec2.ts'
import type { EniLookup } from './eni-lookup.ts'
import { isOurs } from './lent-eni.ts'

export type AttachmentOptions = {
  readonly ec2: Ec2
  readonly lookup: EniLookup
  readonly host: Host
  /** EC2 says that a slot which we took for free is not: somebody else has it. */
  readonly onTaken: () => void
}

/**
 * The driver of `attachment:<n>` rows; the choice is the device index. An index that is taken is
 * `refused` of the choice; an instance that carries no more is `refused`.
 */
export function attachmentDriver(options: AttachmentOptions): Driver<'attachment'> {
  const { ec2, lookup, host, onTaken } = options

  /** Our attachment of this ENI, undefined when it has none. Throws where somebody else has it. */
  async function find(
    job: Job,
    eniId: string,
    signal: AbortSignal,
  ): Promise<Details['attachment'] | undefined> {
    const attachment = (await lookup.byId(eniId, signal, launching(job)))?.Attachment
    if (attachment === undefined || attachment.Status === 'detached') return undefined
    const { AttachmentId: attachmentId = '', DeviceIndex: deviceIndex = -1 } = attachment
    if (attachment.InstanceId !== host.instanceId || !mayBeOurs(job, attachment, host)) {
      const message = `${eniId} is attached to ${attachment.InstanceId} at index ${deviceIndex}`
      throw new Failure('refused', 'EniAttachedElsewhere', message, {
        hint: 'Somebody took the ENI of this task: run the task again.',
      })
    }
    if (attachment.Status !== 'detaching') return { attachmentId, deviceIndex }
    throw new Failure('transient', 'EniDetaching', `${eniId} is being detached`)
  }

  async function attach(
    job: Job,
    eniId: string,
    signal: AbortSignal,
  ): Promise<Details['attachment']> {
    const deviceIndex = Number(job.choice)
    const input = {
      NetworkInterfaceId: eniId,
      InstanceId: host.instanceId,
      DeviceIndex: deviceIndex,
      // Left out, EC2 checks the index against all cards of a multi-card type (cilium PR 42512).
      NetworkCardIndex: 0,
    }
    try {
      const answer = await ec2.call('AttachNetworkInterface', input, signal, launching(job))
      return { attachmentId: answer.AttachmentId ?? '', deviceIndex }
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      // The index may be taken by this very ENI, by an Attach whose answer we never got.
      const own = error.ofChoice ? await find(job, eniId, signal) : undefined
      if (own !== undefined) return own
      if (error.ofChoice || error.code === 'AttachmentLimitExceeded') onTaken()
      throw tooNew(job, error)
    }
  }

  return {
    async ensure(job, signal) {
      const { eniId } = job.details('eni', `eni:${numberOf(job)}`)
      const found = job.again ? await find(job, eniId, signal) : undefined
      return found ?? (await attach(job, eniId, signal))
    },

    async release(job, signal) {
      const known = job.known('attachment', job.row)
      const attachmentId = known?.attachmentId ?? (await attachmentOf(job, signal))
      if (attachmentId === undefined) return undefined
      const input = { AttachmentId: attachmentId }
      const call = ec2.call('DetachNetworkInterface', input, signal, releasing(job))
      await call.catch((error) => {
        if (!(error instanceof Failure) || !/\.NotFound$/.test(error.code)) throw error
      })
      // EC2 is not waited for: deleting the ENI is refused until the detach is through.
      return undefined
    },
  }

  /** What an Attach without an answer may have made. eni.ts catches one that shows only later. */
  async function attachmentOf(job: Job, signal: AbortSignal): Promise<string | undefined> {
    const eniId = job.known('eni', `eni:${numberOf(job)}`)?.eniId
    if (eniId === undefined) return undefined
    const attachment = (await lookup.byId(eniId, signal, releasing(job)))?.Attachment
    const isOurs = attachment?.InstanceId === host.instanceId && attachment.DeviceIndex !== 0
    if (attachment !== undefined && !mayBeOurs(job, attachment, host)) return undefined
    const isLeaving = attachment?.Status === 'detaching' || attachment?.Status === 'detached'
    return isOurs && !isLeaving ? attachment.AttachmentId : undefined
  }
}

/** A lent ENI may be plugged in by its owner: only at the index that we chose it was us. */
const mayBeOurs = (job: Job, at: NetworkInterfaceAttachment, host: Host): boolean =>
  !isLent(job.spec, job.row) || isOurs(at, host, job.choice)

/**
 * An ENI that EC2 does not know right after it was made is only too new to be known everywhere, for
 * up to a minute or so. One that was attached before is gone.
 */
function tooNew(job: Job, failure: Failure): Failure {
  const isUnknown = failure.code.startsWith('InvalidNetworkInterfaceI')
  if (!isUnknown || job.known('attachment', job.row) !== undefined) return failure
  return new Failure('transient', failure.code, failure.message, {
    hint: 'EC2 may not know it everywhere yet.',
    cause: failure,
  })
}
