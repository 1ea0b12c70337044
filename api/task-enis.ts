// The ENIs of a task that is to begin: from networkConfiguration, and from what was asked for beside it
// (extension-tags.ts). What names one thing in the world is for one task at a time.

import type { EniSpec } from '../state/spec.ts'
import { holdsNothing } from '../state/task.ts'
import type { Api } from './api.ts'
import { AwsError, invalid } from './aws-error.ts'
import type { Network } from './awsvpc.ts'
import type { Extensions } from './extension-tags.ts'
import type { EniWish, MoreEni } from './further-eni.ts'
import { checkTags, listOf } from './tags.ts'

export type EniRequest = {
  readonly network: Network
  readonly extensions: Extensions
  /** The task's own, which its ENIs carry as well. */
  readonly tags: Readonly<Record<string, string>>
  /** How many tasks are asked for. */
  readonly count: number
}

/** The specs of its ENIs. Throws AwsError for what cannot go together. */
export function enisOf(api: Api, { network, extensions, tags, count }: EniRequest): EniSpec[] {
  const { eniTags = {}, first = {} } = extensions
  const all = { ...tags, ...eniTags }
  checkTags(listOf(all), "tags of the ENI with the task's")
  if (first.eniId !== undefined && Object.keys(eniTags).length > 0) {
    throw invalid('enid:eni-tag', 'a lent ENI (enid:eniId) keeps its own tags', 'Leave one out')
  }
  const further = inOrder(extensions.more ?? {}).map(({ subnets, groups, ...wish }) => {
    const subnetIds = subnets.length > 0 ? subnets : network.subnetIds
    const isShared = groups.length === 0 && wish.eniId === undefined
    const securityGroupIds = isShared ? network.securityGroupIds : groups
    return eniSpec({ subnetIds, securityGroupIds }, wish, all)
  })
  const enis = [eniSpec(network, first, all), ...further]
  checkCount(enis, count)
  for (const eni of enis) checkNotLent(api, eni)
  const named = enis.flatMap(({ lentEniId, ipv4, ipv6 }) => lentEniId ?? [ipv4, ipv6])
  const twice = named.find((each, n) => each !== undefined && named.indexOf(each) !== n)
  if (twice !== undefined) throw invalid('tags', `${twice} cannot be two ENIs of one task`)
  return enis
}

/** By their numbers, which begin with 1 and leave none out. */
function inOrder(more: Readonly<Record<number, MoreEni>>): MoreEni[] {
  return Object.entries(more).map(([n, eni], index) => {
    if (Number(n) === index + 1) return eni
    throw invalid(`enid:eni:${n}`, `there is no enid:eni:${index + 1}`, 'Number them from 1')
  })
}

function eniSpec(
  network: Network,
  { eniId, ipv4, ipv6, publicIp: asked }: EniWish,
  tags: Readonly<Record<string, string>>,
): EniSpec {
  const { assignPublicIp, ...places } = network
  const publicIp = asked ?? (assignPublicIp ? 'new' : undefined)
  const more = { ...places, ...(publicIp && { publicIp }) }
  if (eniId === undefined) {
    return { ...more, tags, ...(ipv4 && { ipv4 }), ...(ipv6 && { ipv6 }) }
  }
  if (ipv4 === undefined && ipv6 === undefined) return { ...more, tags: {}, lentEniId: eniId }
  const field = ipv4 === undefined ? 'enid:ipv6' : 'enid:privateIpv4'
  throw invalid(field, `${eniId} has its addresses already`, 'Leave one of the two out')
}

/** One address, and one ENI, is for one task. */
function checkCount(enis: readonly EniSpec[], count: number): void {
  const only = enis.flatMap(({ lentEniId, ipv4, ipv6, publicIp }) => {
    const given = publicIp === 'new' ? undefined : publicIp
    return lentEniId ?? ipv4 ?? ipv6 ?? given ?? []
  })[0]
  if (count === 1 || only === undefined) return
  throw invalid('count', `${count} tasks cannot share ${only}`, 'Run them one by one')
}

/** Throws where another task has this ENI, or had it and has not given it back. */
function checkNotLent(api: Api, { lentEniId }: EniSpec): void {
  if (lentEniId === undefined) return
  const borrower = api.journal.living().find(({ holder }) => {
    const has = holder.spec.enis.some((eni) => eni.lentEniId === lentEniId)
    return has && (holder.desired === 'running' || !holdsNothing(holder))
  })
  if (borrower === undefined) return
  const rule = `${lentEniId} is lent to task ${borrower.id}`
  const hint = 'Wait until that task is STOPPED, or name another ENI'
  throw new AwsError('InvalidParameterException', rule, { field: 'enid:eniId', hint })
}
