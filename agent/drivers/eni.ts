// The ENI in EC2: created with the task's security groups, tagged in the same call, deleted when the
// task is over. CreateNetworkInterface takes a client token, so it can be repeated: the same token
// answers with the same ENI, which makes it the one question about an ENI that is never stale.
//
//   straight: Create … Delete      in doubt: look it up when its id is known, else Create again

import type { NetworkInterfaceAttachment } from '@aws-sdk/client-ec2'
import { isLent } from '../../state/task.ts'
import { launching, type Purpose, releasing } from '../budget.ts'
import { Failure } from '../failure.ts'
import type { Host } from '../orders.ts'
import { type Details, type Driver, eniOf, type Job } from './driver.ts'
import type { Ec2 } from './ec2.ts'
import { eniDetails } from './eni-details.ts'
import { recheck } from './eni-groups.ts'
import type { EniLookup } from './eni-lookup.ts'
import { giveLentBack, takeLent } from './lent-eni.ts'
import { labelsOf, shortId } from './mark.ts'
import type { Subnets } from './subnets.ts'

/** An ENI that is to be deleted, and what it was last seen attached to. */
type Made = { readonly eniId: string; readonly attachment?: NetworkInterfaceAttachment | undefined }

export type EniOptions = {
  readonly ec2: Ec2
  readonly lookup: EniLookup
  readonly subnets: Subnets
  readonly host: Host
  /** Whether the task's security groups are put back where somebody changed them: no unless told. */
  readonly keepGroups?: boolean
}

/**
 * The driver of `eni:<n>` rows; the choice is the subnet. A subnet without room is `refused` of the
 * choice. An ENI that was attached once and is not there any more is `lost`.
 */
export function eniDriver(options: EniOptions): Driver<'eni'> {
  const { ec2, lookup, subnets, host, keepGroups } = options
  const wearerOf = ({ holderId, row }: Job) => ({ instanceId: host.instanceId, holderId, row })

  async function create(job: Job, signal: AbortSignal, why: Purpose): Promise<Details['eni']> {
    const subnet = await subnets.facts(choiceOf(job), signal, why)
    const { securityGroupIds: groups, ipv4, ipv6 } = eniOf(job)
    const input = {
      SubnetId: subnet.subnetId,
      ClientToken: job.token,
      Description: `enid task ${job.holderId}`,
      TagSpecifications: [{ ResourceType: 'network-interface' as const, Tags: tagsOf(job) }],
      ...(groups.length === 0 ? {} : { Groups: [...groups] }),
      ...(ipv4 === undefined ? {} : { PrivateIpAddress: ipv4 }),
      ...(ipv6 === undefined ? {} : { Ipv6Addresses: [{ Ipv6Address: ipv6 }] }),
      ...(ipv6 === undefined && subnet.ipv6PrefixLength !== undefined
        ? { Ipv6AddressCount: 1 }
        : {}),
    }
    try {
      const answer = await ec2.call('CreateNetworkInterface', input, signal, why)
      subnets.took(subnet.subnetId)
      return eniDetails(answer.NetworkInterface ?? {}, subnet, host)
    } catch (error) {
      if (isNoRoom(error)) subnets.isFull(subnet.subnetId)
      throw error
    }
  }

  function tagsOf(job: Job): { Key: string; Value: string }[] {
    const name = `ecs-${job.spec.family}-${shortId(job.holderId)}`
    const tags = { Name: name, ...eniOf(job).tags, ...labelsOf(wearerOf(job)) }
    return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
  }

  /**
   * What a Create of ours may have left behind when its answer never came. Tags are looked at first,
   * because that makes nothing. But EC2 shows a new ENI late, and a Create that we gave up may still
   * be under way: an empty answer proves nothing, and an ENI forgotten here would never be deleted.
   * So then the Create is repeated with its token: it answers with the ENI that it made, or, when it
   * never arrived, makes one for a second. Only a refusal of what was asked for (no room, no such
   * group) says that there is none; a missing permission says nothing.
   */
  async function whatWasMade(job: Job, signal: AbortSignal): Promise<Made[]> {
    const tagged = await lookup.byTags(labelsOf(wearerOf(job)), signal, releasing(job))
    if (tagged.length > 0) {
      return tagged.map((eni) => ({
        eniId: eni.NetworkInterfaceId ?? '',
        attachment: eni.Attachment,
      }))
    }
    try {
      return [await create(job, signal, releasing(job))]
    } catch (error) {
      if (provesAbsence(error)) return []
      // IdempotentParameterMismatch, too: an ENI was made, and its tags must show sooner or later.
      throw error
    }
  }

  async function remove(job: Job, eniId: string, signal: AbortSignal): Promise<void> {
    const input = { NetworkInterfaceId: eniId }
    try {
      await ec2.call('DeleteNetworkInterface', input, signal, releasing(job))
    } catch (error) {
      if (isGone(error)) return
      throw error
    }
    if (job.choice !== undefined) subnets.took(job.choice, -1)
  }

  /**
   * Tried before, so it may still be in use: looking costs one call for all tasks that stop. Where many
   * stop, it is looked the first time too: right after a Detach EC2 mostly refuses a Delete, and at five
   * stops a second the account has one Delete for each.
   */
  async function lookAgain(job: Job, eniId: string, signal: AbortSignal): Promise<Made> {
    const canAfford = ec2.hasPlenty?.('DeleteNetworkInterface') ?? true
    if (!job.again && canAfford) return { eniId }
    return { eniId, attachment: (await lookup.byId(eniId, signal, releasing(job)))?.Attachment }
  }

  /**
   * Usually EC2 is still detaching. But an Attach that was given up may have been carried out after
   * its row was released: nothing else would ever undo that.
   */
  async function leave(job: Job, { eniId, attachment }: Made, signal: AbortSignal): Promise<void> {
    const isOurs = attachment?.InstanceId === host.instanceId && attachment.DeviceIndex !== 0
    if (attachment === undefined || !isOurs || attachment.Status === 'detached') return
    if (attachment.Status === 'detaching') {
      throw new Failure('transient', 'EniDetaching', `${eniId} is being detached`)
    }
    const input = { AttachmentId: attachment.AttachmentId ?? '' }
    const call = ec2.call('DetachNetworkInterface', input, signal, releasing(job))
    await call.catch((error) => {
      // An old picture: it is detached. Passed on, this would say that the ENI itself is gone.
      if (!codeIs(error, /^InvalidAttachmentID\.NotFound$/)) throw error
    })
  }

  return {
    async ensure(job, signal) {
      const known = job.again ? job.known('eni', job.row) : undefined
      if (known === undefined && isLent(job.spec, job.row))
        return await takeLent(options, job, signal)
      return known === undefined
        ? await create(job, signal, launching(job))
        : await recheck({ ec2, lookup, keepGroups }, { job, known }, signal)
    },

    async release(job, signal) {
      if (isLent(job.spec, job.row)) {
        await giveLentBack(options, job, signal)
        return undefined
      }
      const known = job.known('eni', job.row)
      if (known === undefined && job.choice === undefined) return undefined
      const all =
        known === undefined
          ? await whatWasMade(job, signal)
          : [await lookAgain(job, known.eniId, signal)]
      for (const made of all) {
        await leave(job, made, signal)
        await remove(job, made.eniId, signal)
      }
      return undefined
    },
  }
}

function choiceOf({ row, choice }: Job): string {
  if (choice === undefined) throw new Error(`${row} has no subnet chosen`)
  return choice
}

const codeIs = (error: unknown, pattern: RegExp): boolean =>
  error instanceof Failure && pattern.test(error.code)
const isGone = (error: unknown): boolean =>
  codeIs(error, /^InvalidNetworkInterfaceI[Dd]\.NotFound$/)
const isNoRoom = (error: unknown): boolean =>
  error instanceof Failure && error.ofChoice && !codeIs(error, /NotFound|Mismatch/)

const provesAbsence = (error: unknown): boolean =>
  codeIs(
    error,
    /^(Insufficient|Invalid(Subnet|Group|Parameter|IPAddress)|NetworkInterfaceLimit|SecurityGr)/,
  )
