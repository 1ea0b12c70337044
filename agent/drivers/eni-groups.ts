// The security groups of an ENI that is there: those of the task, put on where the task asks for others
// than it did. Where somebody else changed them, they are put back only by setting: who quarantines an
// ENI must not be undone.

import { launching } from '../budget.ts'
import { Failure } from '../failure.ts'
import { type Details, eniOf, type Job, numberOf } from './driver.ts'
import type { Ec2 } from './ec2.ts'
import type { EniLookup } from './eni-lookup.ts'

export type GroupsOptions = {
  readonly ec2: Ec2
  readonly lookup: EniLookup
  /** Whether groups that somebody changed are put back. */
  readonly keepGroups?: boolean | undefined
}

/**
 * The known ENI, in the groups that are its own: the task's, or those that EC2 filled in for none.
 * Throws a Failure: EC2's where it refuses them, `lost` where the ENI is gone.
 */
export async function recheck(
  { ec2, lookup, keepGroups = false }: GroupsOptions,
  { job, known }: { readonly job: Job; readonly known: Details['eni'] },
  signal: AbortSignal,
): Promise<Details['eni']> {
  const { eniId, securityGroupIds: own } = known
  const { securityGroupIds: asked, groupsOrder = 0, unheard = [], ...order } = eniOf(job)
  const { isWithdrawn, isTakenOver } = order
  const wanted = asked.length === 0 ? own : [...asked]
  // An order counts also for groups that are the task's already: somebody may have changed them.
  const isAmended = groupsOrder !== (known.groupsOrder ?? 0) || !sameSet(wanted, own)
  const wears = async () => {
    const seen = await lookup.byId(eniId, signal, launching(job))
    if (seen === undefined) throw gone(job, eniId)
    return (seen.Groups ?? []).map(({ GroupId }) => GroupId ?? '')
  }
  const ordered = groupsOrder === 0 ? {} : { groupsOrder }
  const details = { ...known, securityGroupIds: wanted, ...ordered }
  // A spare's are replaced, whatever it wears now: there is nothing to look at first.
  if (isTakenOver && known.groupsOrder === undefined) {
    await wear({ ec2, job, eniId }, wanted, signal)
    return details
  }
  const now = await wears()
  if (sameSet(wanted, now) || !(isAmended || keepGroups)) return details
  // What is neither the task's nor of an order that failed is somebody else's doing.
  const isStrange = isWithdrawn && !unheard.some((groups) => sameSet(groups, now))
  if (isStrange && !keepGroups) return details
  await wear({ ec2, job, eniId }, wanted, signal)
  const worn = isAmended ? wanted : await wears()
  if (!sameSet(wanted, worn)) throw notShownYet(eniId, worn)
  return details
}

/** Puts the ENI into these groups. */
export async function wear(
  { ec2, job, eniId }: { readonly ec2: Ec2; readonly job: Job; readonly eniId: string },
  groups: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const input = { NetworkInterfaceId: eniId, Groups: [...groups] }
  try {
    await ec2.call('ModifyNetworkInterfaceAttribute', input, signal, launching(job))
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'InvalidGroup.NotFound') throw error
    const message = `${eniId} cannot be put into ${groups.join(', ')}: ${error.message}`
    throw new Failure('refused', 'InvalidGroup.NotFound', message, {
      hint: 'The ENI stays in those it wears. Run the task again with others, or order others.',
      cause: error,
    })
  }
}

/** Whether both name the same, in whatever order. */
export const sameSet = (a: readonly string[], b: readonly string[]): boolean =>
  new Set(a).symmetricDifference(new Set(b)).size === 0

/**
 * EC2 does not show a known ENI. One whose card was in the task would have taken it along (LinkGone):
 * an old picture. One that was attached was there for all to see: gone. Else it may be too new.
 */
function gone(job: Job, eniId: string): Failure {
  const was = (kind: 'link' | 'attachment') => job.known(kind, `${kind}:${numberOf(job)}`)
  const isGone = was('attachment') !== undefined && was('link') === undefined
  const hint = isGone
    ? 'It was deleted outside. Run the task again.'
    : 'EC2 may show an old picture: a task that runs goes on while its card is there.'
  const message = `The networkInterface ID '${eniId}' does not exist`
  const code = 'InvalidNetworkInterfaceID.NotFound'
  return new Failure(isGone ? 'lost' : 'transient', code, message, { hint })
}

function notShownYet(eniId: string, worn: readonly string[]): Failure {
  const message = `EC2 took the change of groups, but shows ${eniId} in ${worn.join(', ')}`
  return new Failure('transient', 'SecurityGroupsNotShown', message, {
    hint: 'EC2 may show an old picture, or somebody changes them again.',
  })
}
