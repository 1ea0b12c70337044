// How a port becomes elements of the gates' sets (gates.ts). Pure. A port is a handful of elements
// and no rule of its own but its guard, so plugging one costs little at ten and at a thousand.
// Ports with the same set of groups share two chains, one per direction, that ask each group: first
// whether the flow is one that is not tracked, because the most permissive rule of all of them counts.

import { createHash } from 'node:crypto'
import { canonical, familyOf, linkLocal } from './address.ts'
import { borderElements, putBorder } from './border.ts'
import { hasNumberOf, leadsTo } from './chain-numbers.ts'
import { prefixElements } from './delegated-prefix.ts'
import type { Acl, Group, Port, Subnet } from './fabric.ts'
import { baseRuleset } from './gates.ts'
import { OPEN, TO_GATEWAY } from './gateway-gates.ts'
import { nearElement } from './near.ts'
import { putAcl } from './network-acl.ts'
import {
  accept,
  addChain,
  addIngress,
  addRule,
  type Command,
  changeElement,
  deleteChain,
  type Element,
  flushChain,
  jump,
  match,
  payload,
  type Statement,
} from './nft.ts'
import { type Direction, groupChain, memberSet, putGroup } from './security-group.ts'
import { leaseElement } from './services.ts'
import { freeChain, isFree, notFree, openChain } from './tracking.ts'

const DIRECTIONS: readonly Direction[] = ['egress', 'ingress']

/** A port and the name of its link in the fabric, by which every set knows it. */
export type LinkedPort = { readonly port: Port; readonly link: string }

/** The whole ruleset at once, from nothing: what the incremental changes add up to. */
export function compile(
  acls: readonly Acl[],
  subnets: readonly Subnet[],
  groups: readonly Group[],
  ports: readonly LinkedPort[],
): Command[] {
  const empty = groups.map((group) => ({ ...group, rules: [] }))
  const plugged = ports.map((port, at) => {
    const others = ports.slice(0, at).map((other) => other.port.groupIds)
    return changePort(undefined, port, () => others)
  })
  return [
    ...baseRuleset(),
    ...acls.flatMap((acl) => putAcl(acl, true)),
    ...subnets.flatMap((subnet) => putBorder(subnet, true)),
    ...empty.flatMap((group) => putGroup(group)),
    ...groups.flatMap((group) => putGroup(group, { ...group, rules: [] })),
    ...plugged.flat(),
  ]
}

/**
 * What turns one port's elements into another's; `undefined` is no port. `others` are the groups
 * of the other ports: a set of groups that one of them has has its chains, and keeps them.
 */
export function changePort(
  before: LinkedPort | undefined,
  after: LinkedPort | undefined,
  others: () => Iterable<readonly string[]>,
): Command[] {
  const old = before === undefined ? [] : elementsOf(before)
  const now = after === undefined ? [] : elementsOf(after)
  const [leaving, coming] = [before?.port.groupIds ?? [], after?.port.groupIds ?? []]
  const [oldSet, newSet] = [groupSetName(leaving), groupSetName(coming)]
  const isUsed = (groupIds: readonly string[]): boolean => {
    const key = setKey(groupIds)
    for (const each of others()) if (setKey(each) === key) return true
    return false
  }
  return [
    ...(newSet !== oldSet && newSet !== '' && !isUsed(coming) ? addGroupSet(newSet, coming) : []),
    ...without(old, now).map((element) => changeElement('delete', element)),
    ...without(now, old).map((element) => changeElement('add', element)),
    ...(newSet !== oldSet && oldSet !== '' && !isUsed(leaving)
      ? DIRECTIONS.flatMap((direction) => {
          const chain = `${direction}-${oldSet}`
          return [
            changeElement('delete', leadsTo(`${direction}_chains`, chain, chain)),
            deleteChain('inet', chain),
          ]
        })
      : []),
  ]
}

/**
 * Guards a new link against every frame that is not its own; the link must be there. What is IP and
 * from its own MAC, so all but a few, passes by a comparison; the rest is for `frames` to judge.
 */
export function guardLink(link: string, mac: string): Command[] {
  const isOwn = match(payload('ether', 'saddr'), mac)
  const isOf = (type: 'ip' | 'ip6') => match(payload('ether', 'type'), type)
  return [
    addIngress(link, link),
    addRule('netdev', link, [isOwn, isOf('ip'), accept]),
    addRule('netdev', link, [isOwn, isOf('ip6'), accept]),
    addRule('netdev', link, [jump('frames')]),
  ]
}

/**
 * Takes the guard of a link away. Kernels differ in whether it went with its link, so it is made
 * (if it is there, this changes nothing) before it is emptied and deleted.
 */
export function unguardLink(link: string): Command[] {
  return [addChain('netdev', link), flushChain('netdev', link), deleteChain('netdev', link)]
}

/** The name that stands for a set of groups, in any order; empty for none. */
export function groupSetName(groupIds: readonly string[]): string {
  if (groupIds.length === 0) return ''
  return `groups-${createHash('sha256').update(setKey(groupIds)).digest('hex').slice(0, 24)}`
}

/** Asked of every port at each change of one: known by the list itself, which is never changed. */
function setKey(groupIds: readonly string[]): string {
  const known = KEYS.get(groupIds)
  if (known !== undefined) return known
  const key = [...new Set(groupIds)].sort().join(' ')
  KEYS.set(groupIds, key)
  return key
}

const KEYS = new WeakMap<readonly string[], string>()

function addGroupSet(name: string, groupIds: readonly string[]): Command[] {
  const ids = [...new Set(groupIds)]
  return DIRECTIONS.flatMap((direction) => {
    const chain = `${direction}-${name}`
    const rule = (...statements: Statement[]): Command => addRule('inet', chain, statements)
    return [
      addChain('inet', chain),
      rule(notFree),
      ...ids.map((id) => rule(jump(freeChain(id, direction)))),
      ...ids.map((id) => rule(isFree, jump(openChain(id, direction)))),
      ...ids.map((id) => rule(jump(groupChain(id, direction)))),
      changeElement('add', leadsTo(`${direction}_chains`, chain, chain)),
    ]
  })
}

/** Everything that the sets must hold for a port. */
function elementsOf({ port, link }: LinkedPort): Element[] {
  const { mac, subnetId, groupIds, sourceDestCheck } = port
  const inet = (set: string, ...key: string[]): Element => ({ family: 'inet', set, key })
  const netdev = (set: string, ...key: string[]): Element => ({ family: 'netdev', set, key })
  const addresses = [...port.ipv4, ...port.ipv6].map(canonical)
  const wears = [...new Set(groupIds)]
  const groupSet = groupSetName(groupIds)
  const translates = port.translates === true
  return [
    netdev('mac', link, mac),
    netdev('arp_sender', link, mac, '0.0.0.0'), // An address probe.
    ...port.ipv4.map((address) => netdev('arp_sender', link, mac, address)),
    inet('link_local', link, linkLocal(mac)),
    inet('link_local', link, '::'), // Duplicate address detection.
    ...borderElements(subnetId, link),
    ...port.ipv4.slice(0, 1).map((address) => leaseElement(link, address)),
    ...addresses.flatMap((address) => {
      const version = familyOf(address) ?? 'ipv4'
      return [
        inet(`source_${version}`, link, address),
        inet(`destination_${version}`, link, address),
        nearElement(subnetId, link, address),
        ...wears.map((groupId) => inet(memberSet(groupId, version), address)),
      ]
    }),
    ...(port.prefixes ?? []).flatMap((prefix) =>
      prefixElements(prefix, { link, mac, groupIds: wears }),
    ),
    ...(translates
      ? [
          inet('gateways', link),
          inet('unchecked_destination', link),
          hasNumberOf('egress_groups', link, OPEN),
          hasNumberOf('ingress_groups', link, TO_GATEWAY),
        ]
      : []),
    ...(sourceDestCheck || translates
      ? []
      : [
          netdev('unchecked', link, mac),
          inet('unchecked_source', link),
          inet('unchecked_destination', link),
        ]),
    ...(groupSet === ''
      ? []
      : DIRECTIONS.map((direction) =>
          hasNumberOf(`${direction}_groups`, link, `${direction}-${groupSet}`),
        )),
  ]
}

function without(elements: readonly Element[], taken: readonly Element[]): Element[] {
  const keys = new Set(taken.map((element) => JSON.stringify(element)))
  return elements.filter((element) => !keys.has(JSON.stringify(element)))
}
