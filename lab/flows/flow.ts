// A flow as the lab tells it: one verdict in words for programs and people, and what one may ask
// for. Pure.

import type { Lost, Verdict } from '../fabric/verdict.ts'
import type { World } from '../model/world.ts'

/** One line of `enid lab flows --json`: a verdict, or how many got lost at that place. */
export type Flow =
  | {
      /** Counts up by one with each line. */
      readonly number: number
      readonly at: string
      readonly verdict: 'accept' | 'drop'
      readonly from?: string
      readonly to?: string
      /** An IP protocol number; absent for what is not IP, which has its ethertype. */
      readonly protocol?: number
      readonly etherType?: number
      readonly source?: string
      readonly sourcePort?: number
      readonly destination?: string
      readonly destinationPort?: number
      readonly icmpType?: number
      readonly icmpCode?: number
      readonly bytes?: number
      readonly rules: Verdict['rules']
      readonly gate?: string
      /** Of a drop: the rule that decided (`acl-… ingress 100`), or why. */
      readonly reason?: string
    }
  | { readonly number: number; readonly at: string; readonly lost: number }

/** Which flows; all of it must hold. */
export type Wish = {
  readonly dropped?: boolean
  /** At either end. */
  readonly eniId?: string
  /** A security group's id or name, worn by the ENI at either end. */
  readonly group?: string
  /** No older than that, in milliseconds since 1970. */
  readonly sinceMs?: number
}

/** A verdict as a line. `ownerOf` finds the ENI that has an address, for packets that got nowhere. */
export function flowOf(
  heard: Verdict | Lost,
  number: number,
  ownerOf: (address: string) => string | undefined,
): Flow {
  const at = new Date(heard.atMs).toISOString()
  if ('lost' in heard) return { number, at, lost: heard.lost }
  const { verdict, from, rules, gate, reason, packet } = heard
  const { etherType, ...headers } = packet
  const to = heard.to ?? (headers.destination && ownerOf(headers.destination))
  return {
    number,
    at,
    verdict,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...headers,
    ...(headers.protocol === undefined ? { etherType } : {}),
    rules,
    ...(gate === undefined ? {} : { gate }),
    ...(reason === undefined ? {} : { reason }),
  }
}

/** Whether a line is wished for. What got lost could have been anything, so it always is. */
export function isWished(flow: Flow, wish: Wish, world: World): boolean {
  if (wish.sinceMs !== undefined && Date.parse(flow.at) < wish.sinceMs) return false
  if ('lost' in flow) return true
  if (wish.dropped === true && flow.verdict !== 'drop') return false
  const ends = [flow.from, flow.to].filter((end) => end !== undefined)
  if (wish.eniId !== undefined && !ends.includes(wish.eniId)) return false
  return wish.group === undefined || ends.some((end) => wears(world, end, wish.group ?? ''))
}

function wears(world: World, eniId: string, group: string): boolean {
  const groupIds = world.enis.get(eniId)?.groupIds ?? []
  return groupIds.some((id) => id === group || world.groups.get(id)?.name === group)
}
