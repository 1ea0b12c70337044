// What is asked of one ENI beside what networkConfiguration says, and a further ENI in words: each word
// says by its form whether it is an id of a subnet, a group, an ENI, an Elastic IP, or an address.

import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { invalid, shown } from './aws-error.ts'
import { checkIds, readGroups } from './awsvpc.ts'

/** What is asked of one ENI beside its subnets and groups. */
export type EniWish = {
  readonly ipv4?: string
  readonly ipv6?: string
  /** An ENI that is there already. */
  readonly eniId?: string
  /** `new`, or an allocation id. */
  readonly publicIp?: string
}

/** A further ENI: what it does not name it shares with the first. */
export type MoreEni = EniWish & {
  readonly subnets: readonly string[]
  readonly groups: readonly string[]
}

/** Each word says by its form what it is. */
export function moreEni(key: string, value: string): MoreEni {
  const words = wordsOf(value)
  const take = (isIt: (word: string) => boolean) => words.filter(isIt)
  const begins = (prefix: string) => take((word) => word.startsWith(`${prefix}-`))
  const one = (found: readonly string[]): string | undefined => {
    if (found.length < 2) return found[0]
    throw invalid(key, `${found.join(' and ')}: there may be one of these`)
  }
  const [subnets, groups] = [begins('subnet'), begins('sg')]
  if (subnets.length > 0) checkIds(subnets, 'subnet', key)
  if (groups.length > 0) readGroups(groups, key)
  const eniId = one(begins('eni'))
  if (eniId !== undefined) checkIds([eniId], 'eni', key)
  const publicIp = one([...begins('eipalloc'), ...take((word) => word === 'public')])
  if (publicIp?.startsWith('eipalloc')) checkIds([publicIp], 'eipalloc', key)
  const ipv4 = one(take((word) => isIP(word) === 4))
  const ipv6 = one(take((word) => isIP(word) === 6))
  const known = [subnets, groups, eniId, publicIp, ipv4, ipv6].flat()
  const strange = words.find((word) => !known.includes(word))
  if (strange !== undefined) {
    const rule = `${shown(strange)} is no id of a subnet, group, ENI or Elastic IP, no address, and not public`
    throw invalid(key, rule)
  }
  return {
    subnets,
    groups,
    ...(eniId && { eniId }),
    ...(publicIp && { publicIp: publicIp === 'public' ? 'new' : publicIp }),
    ...(ipv4 && { ipv4 }),
    ...(ipv6 && { ipv6: address(key, ipv6, 6) }),
  }
}

/** An address in the form in which EC2 writes it. */
export function address(key: string, value: string, version: 4 | 6): string {
  if (isIP(value) === version) return version === 4 ? value : ipaddr.parse(value).toString()
  throw invalid(key, `${shown(value)} is not an IPv${version} address`)
}

/** AWS allows no comma in a tag, a file may have them: words with either between them. */
export const wordsOf = (value: string): string[] =>
  value.split(/[ ,]+/).filter((word) => word !== '')
