// An ENI that somebody lends to a task. It is theirs: it gets no mark, is never deleted, and nobody's
// guard; while the task lives it is plugged in here, and then it is as free as it was. What is not free
// when the task begins is refused, and then nothing of it is undone either: it was not our doing.
//
//   take: described, free, of this VPC and zone      giveBack: no attachment of ours is left on it

import type { NetworkInterface } from '@aws-sdk/client-ec2'
import { launching, releasing } from '../budget.ts'
import { Failure } from '../failure.ts'
import type { Host } from '../orders.ts'
import { type Details, eniOf, type Job, MARK, numberOf } from './driver.ts'
import type { Ec2 } from './ec2.ts'
import { eniDetails } from './eni-details.ts'
import { sameSet, wear } from './eni-groups.ts'
import type { EniLookup } from './eni-lookup.ts'
import type { Subnets } from './subnets.ts'

export type LentOptions = {
  readonly ec2: Ec2
  readonly lookup: EniLookup
  readonly subnets: Subnets
  readonly host: Host
}

/**
 * Looks whether the ENI can be had, and puts it into the groups that were asked for, if any were.
 * Throws `refused` (EniNotLent) with the reason where it cannot.
 */
export async function takeLent(
  { ec2, lookup, subnets, host }: LentOptions,
  job: Job,
  signal: AbortSignal,
): Promise<Details['eni']> {
  const { lentEniId: eniId = '', securityGroupIds: asked, subnetIds } = eniOf(job)
  const seen = await lookup.byId(eniId, signal, launching(job))
  const why = seen === undefined ? 'EC2 does not show it' : whyNot(seen, host, subnetIds)
  if (seen === undefined || why !== undefined) throw notLent(eniId, why ?? '')
  const subnet = await subnets.facts(seen.SubnetId ?? '', signal, launching(job))
  const details = eniDetails(seen, subnet, host)
  if (asked.length === 0 || sameSet(asked, details.securityGroupIds)) return details
  await wear({ ec2, job, eniId }, asked, signal)
  return { ...details, securityGroupIds: [...asked] }
}

/** Why this ENI cannot be had; undefined where it can. */
function whyNot(
  eni: NetworkInterface,
  host: Host,
  subnetIds: readonly string[],
): string | undefined {
  const { VpcId, AvailabilityZone, SubnetId = '', Attachment: at, TagSet = [] } = eni
  if (eni.RequesterManaged === true || (eni.InterfaceType ?? 'interface') !== 'interface') {
    return `it belongs to an AWS service (${eni.InterfaceType}, requester ${eni.RequesterId})`
  }
  if (TagSet.some(({ Key }) => Key === MARK.holder))
    return "it is a task's own: it wears enid's mark"
  if (VpcId !== host.vpcId) return `it is in ${VpcId}, and this host in ${host.vpcId}`
  if (AvailabilityZone !== host.availabilityZone) {
    return `it is in ${AvailabilityZone}, and this host in ${host.availabilityZone}`
  }
  if (!subnetIds.includes(SubnetId)) {
    return `it is in ${SubnetId}, which is none of the subnets named: ${subnetIds.join(', ')}`
  }
  if (at !== undefined && at.Status !== 'detached') {
    const where =
      at.InstanceId === undefined ? '' : ` to ${at.InstanceId} at index ${at.DeviceIndex}`
    return `it is in use: ${at.Status ?? 'attached'}${where}`
  }
  return eni.Status === 'available' ? undefined : `its status is ${eni.Status}, not available`
}

function notLent(eniId: string, why: string): Failure {
  return new Failure('refused', 'EniNotLent', `${eniId} cannot be had: ${why}`, {
    hint: "Name a free ENI of this host's VPC and zone, and its subnet, or leave enid:eniId out.",
  })
}

/**
 * Sees to it that nothing of ours is plugged into it. Only what stands at the very index that was
 * chosen for this task is ours. Throws `transient` while EC2 is detaching it.
 */
export async function giveLentBack(
  { ec2, lookup, host }: LentOptions,
  job: Job,
  signal: AbortSignal,
): Promise<void> {
  const known = job.known('eni', job.row)
  // It was never ours to use: whatever became of it was not our doing.
  if (known === undefined) return
  const at = (await lookup.byId(known.eniId, signal, releasing(job)))?.Attachment
  if (!isOurs(at, host, job.choiceOf(`attachment:${numberOf(job)}`))) return
  if (at.Status !== 'detaching') {
    // An Attach that was given up may be carried out after its row was released.
    const input = { AttachmentId: at.AttachmentId ?? '' }
    const call = ec2.call('DetachNetworkInterface', input, signal, releasing(job))
    await call.catch((error) => {
      if (!(error instanceof Failure) || !/\.NotFound$/.test(error.code)) throw error
    })
  }
  throw new Failure('transient', 'EniDetaching', `${known.eniId} is being detached`)
}

type Attachment = NonNullable<NetworkInterface['Attachment']>

/** Whether an attachment of a lent ENI is of our making: here, and where we chose. */
export function isOurs(
  at: Attachment | undefined,
  { instanceId }: Pick<Host, 'instanceId'>,
  choice: string | undefined,
): at is Attachment {
  return (
    at !== undefined &&
    at.Status !== 'detached' &&
    at.InstanceId === instanceId &&
    choice !== undefined &&
    at.DeviceIndex === Number(choice)
  )
}
