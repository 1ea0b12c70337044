// One transaction that leaves of our tables exactly what a list of commands makes from nothing, while
// packets pass. Pure.
//
// Gates (chains on a hook) that stay as they are are emptied and filled, never made anew: the kernel
// opens a new one before its policy holds, and an old one drops all for a moment after its rules went.
// What is in a chain or a set, and which chains and sets there are, changes with the transaction as one
// (the kernel's generations): each packet is judged by all of the old or all of the new.

import { type Command, TABLE } from './nft.ts'

/** A chain, set or map as `nft -j list` says it. */
export type Listed = Readonly<Record<string, unknown>>

type Kind = 'chain' | 'set' | 'map'
type Thing = { readonly kind: Kind; readonly what: Listed }
type Element = { readonly family: string; readonly name: string; readonly elem: readonly unknown[] }

/** The transaction. `standing` is all that the kernel lists now; `commands` start from nothing. */
export function replaceAll(standing: readonly Listed[], commands: readonly Command[]): Command[] {
  const there = standing.flatMap(thingsOf).filter(({ what }) => what.table === TABLE)
  const chains = there.filter(({ kind }) => kind === 'chain')
  const wanted = new Map(commands.flatMap(added).map((thing) => [nameOf(thing), thing.what]))
  const stays = new Set(
    chains.filter((chain) => isSameGate(chain.what, wanted.get(nameOf(chain)))).map(nameOf),
  )
  const remove = (verb: 'flush' | 'delete', { kind, what }: Thing): Command => {
    const { family, name } = what as { family: string; name: string }
    return { [verb]: { [kind]: { family, table: TABLE, name } } }
  }
  return [
    ...chains.map((chain) => remove('flush', chain)),
    ...there.filter(({ kind }) => kind !== 'chain').map((set) => remove('delete', set)),
    ...chains.filter((chain) => !stays.has(nameOf(chain))).map((chain) => remove('delete', chain)),
    ...inFewer(
      commands.filter((command) => !added(command).some((thing) => stays.has(nameOf(thing)))),
    ),
  ]
}

/** The same commands with the elements of a set in one, at the end; in doubt, as they were. */
function inFewer(commands: readonly Command[]): Command[] {
  if (commands.some((command) => elementOf(command, 'delete') !== undefined)) return [...commands]
  const sets = new Map<string, Element & { elem: unknown[] }>()
  const others: Command[] = []
  for (const command of commands) {
    const element = elementOf(command, 'add')
    if (element === undefined) {
      others.push(command)
      continue
    }
    const key = `${element.family} ${element.name}`
    const set = sets.get(key)
    if (set === undefined) sets.set(key, { ...element, elem: [...element.elem] })
    else set.elem.push(...element.elem)
  }
  return [...others, ...[...sets.values()].map((element) => ({ add: { element } }) as Command)]
}

/** A gate that stays: of the same hook, device, priority and policy. */
function isSameGate(standing: Listed, wanted: Listed | undefined): boolean {
  if (wanted === undefined || wanted.hook === undefined) return false
  return ['type', 'hook', 'prio', 'policy', 'dev'].every((key) => standing[key] === wanted[key])
}

const nameOf = ({ kind, what }: Thing): string =>
  `${kind === 'chain' ? kind : 'set'} ${what.family} ${what.name}`

const added = (command: Command): Thing[] =>
  command.add === undefined ? [] : thingsOf(command.add as Listed)

function thingsOf(listed: Listed): Thing[] {
  return (['chain', 'set', 'map'] as const).flatMap((kind) => {
    const what = listed[kind]
    return typeof what === 'object' && what !== null ? [{ kind, what: what as Listed }] : []
  })
}

function elementOf(command: Command, verb: 'add' | 'delete'): Element | undefined {
  const object = command[verb] as { element?: Element } | undefined
  return object?.element
}
