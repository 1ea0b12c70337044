// A customer-managed prefix list's life: made, given new versions of its entries, resized, dropped
// when no rule names it. Pure. A list has one IP version; a rule that names it allows what the
// entries of its newest version say, and counts in its group's quota as many rules as it has room for.

import { formatCidr, parseCidr } from './cidr.ts'
import { QUOTA } from './quota.ts'
import { badValue, Refusal } from './refusal.ts'
import { roomFor } from './security-group.ts'
import { drop, type PrefixList, type PrefixListEntry, put, type World } from './world.ts'

/** An entry as a caller writes it. */
export type WrittenEntry = {
  readonly Cidr?: string | undefined
  readonly Description?: string | undefined
}

/** The world with that list added or replaced. */
export const withPrefixList = (world: World, list: PrefixList): World => ({
  ...world,
  prefixLists: put(world.prefixLists, list.prefixListId, list),
})

/** The entries of a version, the newest unless said; InvalidParameterValue when it is not kept. */
export function entriesOf(list: PrefixList, version = list.version): readonly PrefixListEntry[] {
  const entries = list.versions.get(version)
  if (entries !== undefined) return entries
  throw badValue('TargetVersion', version, `${list.prefixListId} is at version ${list.version}.`)
}

/** A list's name as EC2 takes it. */
export function checkName(name: string): string {
  if (name === '' || name.length > 255 || /^com\.amazonaws/i.test(name)) {
    throw badValue('PrefixListName', name, 'It has 1 to 255 characters, not com.amazonaws first.')
  }
  return name
}

/** How many entries a list may have room for. */
export function checkMaxEntries(max: number): number {
  if (Number.isInteger(max) && max >= 1 && max <= QUOTA.entriesPerPrefixList) return max
  throw badValue(
    'MaxEntries',
    max,
    `Must specify a max size between 1 and ${QUOTA.entriesPerPrefixList}.`,
  )
}

/** The list with one more version: some entries taken away, then some added; all or none. */
export function withEntries(
  list: PrefixList,
  added: readonly WrittenEntry[],
  removed: readonly WrittenEntry[],
): PrefixList {
  for (const each of [added, removed]) {
    if (each.length > QUOTA.entriesPerCall) {
      throw new Refusal(
        'InvalidParameterValue',
        `The number of entries per request cannot exceeds limit (${QUOTA.entriesPerCall}).`,
      )
    }
  }
  const entries = new Map(entriesOf(list).map((entry) => [entry.cidr, entry]))
  for (const { Cidr } of removed) {
    const { cidr } = readEntry(list, { Cidr })
    if (!entries.delete(cidr)) throw wrongChange(`the list has no entry ${cidr} to remove`)
  }
  const gone = new Set(removed.map((each) => readEntry(list, each).cidr))
  for (const each of added) {
    const entry = readEntry(list, each)
    if (gone.has(entry.cidr)) throw wrongChange(`${entry.cidr} is both added and removed`)
    if (entries.has(entry.cidr)) throw wrongChange(`the list has an entry ${entry.cidr} already`)
    entries.set(entry.cidr, entry)
  }
  return withVersion(list, [...entries.values()])
}

/** The list with one more version that has these entries; the oldest makes room. */
export function withVersion(list: PrefixList, entries: readonly PrefixListEntry[]): PrefixList {
  if (entries.length > list.maxEntries) {
    throw new Refusal(
      'PrefixListMaxEntriesExceeded',
      `The prefix list ${list.prefixListId} has room for ${list.maxEntries} entries at most; ` +
        `this would make ${entries.length}.`,
    )
  }
  const version = list.version + 1
  const versions = new Map(list.versions).set(version, entries)
  versions.delete(version - QUOTA.versionsPerPrefixList)
  return { ...list, version, versions }
}

/** Refuses a change that was made for another version. */
export function checkVersion(list: PrefixList, version: number): void {
  if (version === list.version) return
  throw new Refusal(
    'PrefixListVersionMismatch',
    `The prefix list has the incorrect version number. It is at version ${list.version}.`,
  )
}

/**
 * The list with another size. EC2 answers and then fails in the list's state, naming up to ten
 * groups, where one of them has no room for it; nothing has changed then.
 */
export function resized(world: World, list: PrefixList, maxEntries: number): PrefixList {
  checkMaxEntries(maxEntries)
  const count = entriesOf(list).length
  if (maxEntries < count) throw badValue('MaxEntries', maxEntries, `The list has ${count} entries.`)
  const grown = { ...list, maxEntries }
  const lists = put(world.prefixLists, list.prefixListId, grown)
  const full = namedBy(world, list.prefixListId).filter((groupId) => {
    const group = world.groups.get(groupId)
    return group !== undefined && !roomFor(group.rules, lists)
  })
  if (full.length === 0) return { ...grown, state: 'modify-complete' }
  const stateMessage = `No room for ${maxEntries} rules: ${full.slice(0, 10).join(', ')}`
  return { ...list, state: 'modify-failed', stateMessage }
}

/** The groups whose rules name the list. */
export function namedBy(world: World, prefixListId: string): string[] {
  const names = ({ peer }: { peer: { kind: string; prefixListId?: string } }): boolean =>
    peer.kind === 'prefix-list' && peer.prefixListId === prefixListId
  return [...world.groups.values()].flatMap(({ groupId, rules }) =>
    rules.some(names) ? [groupId] : [],
  )
}

/** Drops a list that no rule names, with its tags; DependencyViolation otherwise. */
export function dropPrefixList(world: World, { prefixListId }: PrefixList): World {
  const [groupId] = namedBy(world, prefixListId)
  if (groupId !== undefined) {
    throw new Refusal(
      'DependencyViolation',
      `The prefix list '${prefixListId}' is named by a rule of ${groupId}. Revoke it first.`,
    )
  }
  return {
    ...world,
    prefixLists: drop(world.prefixLists, prefixListId),
    tags: drop(world.tags, prefixListId),
  }
}

function readEntry(list: PrefixList, { Cidr = '', Description = '' }: WrittenEntry) {
  const cidr = parseCidr(list.family === 'ipv4' ? 4 : 6, Cidr)
  if (cidr === undefined) throw badValue('Cidr', Cidr, `The list has ${list.family} blocks only.`)
  if (Description.length > 255) {
    throw badValue('Description', Description, 'It has up to 255 characters.')
  }
  return { cidr: formatCidr(cidr), ...(Description === '' ? {} : { description: Description }) }
}

const wrongChange = (why: string): Refusal =>
  new Refusal('InvalidPrefixListModification', `The entries cannot be changed so: ${why}.`)
