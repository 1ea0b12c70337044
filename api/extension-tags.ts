// What ECS has no member for, asked for by tags: `enid:<name>` on RunTask or TagResource. An AWS CLI
// passes tags as they are, so it needs no change. One table: the name, where it is taken, how its value
// is read. Such tags are orders: they are carried out, and neither task nor ENI carries them afterwards.
//
//   tags ─▶ splitTags ─▶ plain tags          (checked as AWS's)
//                    └─▶ Extensions          (read by the table; unknown: refused, with the nearest name)

import type { Tag } from '@aws-sdk/client-ecs'
import { invalid, shown } from './aws-error.ts'
import { checkIds, readGroups } from './awsvpc.ts'
import { address, type EniWish, type MoreEni, moreEni, wordsOf } from './further-eni.ts'
import { nearest } from './nearest.ts'
import { checkTags, PREFIX } from './tags.ts'

/** What was asked for by tags, read and checked. Absent: not asked for. */
export type Extensions = {
  /** Further ENIs, by their numbers from 1. */
  readonly more?: Readonly<Record<number, MoreEni>>
  /** Of the task's first ENI. */
  readonly first?: EniWish
  /** How long the task may wait for room on this host, milliseconds. */
  readonly waitMs?: number
  /** Tags of the ENI alone. */
  readonly eniTags?: Readonly<Record<string, string>>
  /** The groups that a task's ENI is to wear from now on, by the ENI's number. */
  readonly securityGroups?: Readonly<Record<number, readonly string[]>>
}

/** The requests that take such tags. */
export type TaggedAction = 'RunTask' | 'TagResource'

/** One tag as it was given. `rest`: what stands behind a name that ends in a colon. */
type Given = { readonly key: string; readonly value: string; readonly rest: string }

/** One row of the table. */
export type Extension = {
  readonly on: TaggedAction
  /** What the value is, in words: for errors and docs/extensions.md. */
  readonly value: string
  /** What was read so far, with this. Throws AwsError. */
  readonly read: (given: Given, before: Extensions) => Extensions
}

/** By name, without `enid:`. A name that ends in a colon takes a word of the caller's behind it. */
export const EXTENSIONS: Readonly<Record<string, Extension>> = {
  'eni-tag:': {
    on: 'RunTask',
    value: 'the value of that tag on the ENI',
    read: ({ key, value, rest }, { eniTags, ...before }) => {
      checkTags([{ key: rest, value }], key)
      return { ...before, eniTags: { ...eniTags, [rest]: value } }
    },
  },
  privateIpv4: {
    on: 'RunTask',
    value: 'the IPv4 address that its ENI is to have, of one of the subnets',
    read: ({ key, value }, before) => ofFirst(before, { ipv4: address(key, value, 4) }),
  },
  ipv6: {
    on: 'RunTask',
    value: 'the IPv6 address that its ENI is to have',
    read: ({ key, value }, before) => ofFirst(before, { ipv6: address(key, value, 6) }),
  },
  eniId: {
    on: 'RunTask',
    value: 'an ENI that is there, lent to the task for its life',
    read: ({ key, value }, before) => {
      checkIds([value], 'eni', key)
      return ofFirst(before, { eniId: value })
    },
  },
  wait: {
    on: 'RunTask',
    value: 'how many seconds the task may wait for room on this host, 1 to 86400',
    read: ({ key, value }, before) => ({ ...before, waitMs: secondsOf(key, value) * 1000 }),
  },
  publicIp: {
    on: 'RunTask',
    value: '`new`, or the allocation id of an Elastic IP',
    read: ({ key, value }, before) => {
      if (value !== 'new') checkIds([value], 'eipalloc', key)
      return ofFirst(before, { publicIp: value })
    },
  },
  'eni:': {
    on: 'RunTask',
    value: 'a further ENI by its number from 1: ids and addresses with spaces between them',
    read: (given, before) => {
      const n = wholeNumber(given)
      return { ...before, more: { ...before.more, [n]: moreEni(given.key, given.value) } }
    },
  },
  securityGroups: {
    on: 'TagResource',
    value: 'security group ids with spaces between them, for the first ENI',
    read: (given, before) => withGroups(given, 0, before),
  },
  'securityGroups:': {
    on: 'TagResource',
    value: 'the same for the ENI of that number, from 0',
    read: (given, before) => withGroups(given, wholeNumber(given), before),
  },
}

/** The mark on what enid makes: nobody else's to set. */
const MARK = ['instance', 'holder', 'row']

/** AWS's tags and ours, told apart and checked. Throws AwsError at the first that is not right. */
export function splitTags(
  tags: readonly Tag[],
  action: TaggedAction,
): { readonly plain: readonly Tag[]; readonly extensions: Extensions } {
  checkTags(tags, 'tags', { withExtensions: true })
  const isOurs = ({ key = '' }: Tag) => PREFIX.test(key)
  const extensions = tags.reduce<Extensions>((before, { key = '', value = '' }, index) => {
    if (!isOurs({ key })) return before
    const name = key.slice('enid:'.length)
    const found = find(name, action, `tags[${index}].key`)
    return found.extension.read({ key, value, rest: name.slice(found.name.length) }, before)
  }, {})
  return { plain: tags.filter((tag) => !isOurs(tag)), extensions }
}

function find(name: string, action: TaggedAction, field: string) {
  const names = Object.keys(EXTENSIONS)
  const isIt = (known: string) =>
    known === name || (known.endsWith(':') && name.startsWith(known) && name !== known)
  const found = names.find(isIt)
  const extension = found === undefined ? undefined : EXTENSIONS[found]
  if (found === undefined || extension === undefined) {
    const given = shown(`enid:${name}`)
    if (MARK.includes(name)) throw invalid(field, `${given} is enid's own mark: it is reserved`)
    const known = names.filter((each) => EXTENSIONS[each]?.on === action)
    const near = nearest(name, known)
    const hint =
      near === undefined
        ? `${action} knows ${known.map((each) => `enid:${each}${each.endsWith(':') ? '…' : ''}`).join(', ')}`
        : `Did you mean enid:${near}?`
    throw invalid(field, `${given} is no extension of enid`, hint)
  }
  if (extension.on === action) return { name: found, extension }
  const instead =
    extension.on === 'TagResource'
      ? 'RunTask has networkConfiguration for that; on a running task it is for TagResource'
      : 'It is for RunTask: a running task keeps what it began with'
  throw invalid(field, `${shown(`enid:${name}`)} is not taken by ${action}`, instead)
}

const ofFirst = (before: Extensions, wish: EniWish): Extensions => ({
  ...before,
  first: { ...before.first, ...wish },
})

function withGroups({ key, value }: Given, n: number, before: Extensions): Extensions {
  const groups = readGroups(wordsOf(value), key)
  return { ...before, securityGroups: { ...before.securityGroups, [n]: groups } }
}

function secondsOf(key: string, value: string): number {
  const seconds = /^\d{1,5}$/.test(value) ? Number(value) : 0
  if (seconds >= 1 && seconds <= 86_400) return seconds
  throw invalid(key, `${shown(value)}: whole seconds, from 1 to 86400`)
}

function wholeNumber({ key, rest }: Given): number {
  if (/^\d{1,2}$/.test(rest)) return Number(rest)
  throw invalid(key, `${shown(rest)} is not the number of an ENI: 0 is the first`)
}
