// How many warm spares there should be, of which pools, and which are given up. Pure.
//
//   slots that are free, less one for whatever fits no spare, less what launches wait for ─▶ a limit
//   launches of the last minute ─▶ how many each pool wants, from its target to its maximum
//   fewer than that ─▶ one more is made, after a pause   more than the last ten minutes asked for,
//                                                        or than the limit ─▶ given up

import type { PoolPlace } from './spare.ts'
import { poolKey } from './spare.ts'
import type { HolderId } from './spec.ts'

/** How many spares of a pool there should be: as many as were launched in a minute, between these. */
export type SpareRule = { readonly target: number; readonly max: number }

/** A pool that is named in the settings. */
export type PoolRule = PoolPlace & SpareRule

/** Which pools there are: those that are named, or, without any, those that tasks were launched in. */
export type SpareRules = SpareRule & { readonly listed: readonly PoolRule[] }

/** A launch that a spare would have fitted, when it ran. */
export type Launched = PoolPlace & { readonly at: number }

/** A spare that is to run. */
export type SeenSpare = {
  readonly id: HolderId
  readonly pool: PoolPlace
  readonly isReady: boolean
}

export type SpareSituation = {
  /** Milliseconds since the epoch, like all moments here. */
  readonly now: number
  readonly rules: SpareRules
  readonly launched: readonly Launched[]
  /** When a task was last launched. */
  readonly latestLaunchAt?: number
  readonly spares: readonly SeenSpare[]
  /** The pools of those on their way down, whose slots come free. */
  readonly leaving: readonly PoolPlace[]
  /** ENI slots: for tasks in all, and free. */
  readonly slots: { readonly total: number; readonly free: number }
  /** How many slots launches wait for that could have them, were no spare there. */
  readonly slotsWanted: number
  /** The subnets of launches that wait for an address, one entry for each address. */
  readonly addressesWanted: readonly (readonly string[])[]
  /** Why there is to be no spare now. */
  readonly isOff?: string
  /** When this pool may be tried again, after a spare of its failed. */
  readonly notBefore: (pool: string) => number | undefined
}

/** A pool as it is to be. */
export type WantedPool = PoolPlace &
  SpareRule & {
    /** For the launches of the last minute. */
    readonly wanted: number
    /** So many are kept, for the launches of the last ten. */
    readonly kept: number
  }

export type SparePlan = {
  readonly pools: readonly WantedPool[]
  readonly make: readonly PoolPlace[]
  readonly giveUp: readonly { readonly id: HolderId; readonly why: string }[]
  /** How many there may be at this moment, and why not more. */
  readonly limit: number
  readonly why: string
  /** When to look again, though nothing happens. */
  readonly lookAt?: number
}

/** A pool follows the launches of this time up, and of that time down; milliseconds (judgement). */
export const WINDOW_MS = { up: 60_000, down: 600_000 }
/** A pool that is not named is one for as long after its last launch, milliseconds. */
export const LEARNED_MS = 3_600_000
/** Nothing is made so shortly after a launch, milliseconds: its containers are being started. */
export const QUIET_MS = 500
/** So many are made at once: making one takes about as long as a cold launch. */
export const MAKING_MAX = 4

/** The most that this host ever keeps: half of its slots for tasks. On small instances 0 or 1. */
export const mostSpares = (slotsForTasks: number): number => Math.floor(slotsForTasks / 2)

/** What is to be done about the spares now. */
export function planSpares(situation: SpareSituation): SparePlan {
  const { spares, isOff } = situation
  const { limit, why } = limitOf(situation)
  const pools = isOff === undefined ? poolsOf(situation) : []
  const giveUp = [...surplus(situation, pools)]
  const going = new Set(giveUp.map(({ id }) => id))
  giveUp.push(...overLimit(situation, pools, limit, going))
  for (const { id } of giveUp) going.add(id)
  const left = spares.filter(({ id }) => !going.has(id))
  const { make, lookAt } = shortage(situation, pools, limit, left)
  return { pools, make, giveUp, limit, why, ...(lookAt !== undefined && { lookAt }) }
}

function limitOf(situation: SpareSituation): { limit: number; why: string } {
  const { slots, slotsWanted, spares, leaving, isOff } = situation
  if (isOff !== undefined) return { limit: 0, why: isOff }
  const most = mostSpares(slots.total)
  const room = Math.max(0, slots.free + leaving.length + spares.length - slotsWanted - 1)
  const whole = `this host has ${slots.total} ENI slots for tasks`
  if (most <= room) return { limit: most, why: `${whole}: at most half of them are for spares` }
  const waited = slotsWanted === 0 ? '' : `, launches wait for ${slotsWanted}`
  return { limit: room, why: `${whole}, ${slots.free} are free${waited}, and one is kept free` }
}

/** The pools, those with the most launches first. */
function poolsOf({ now, rules, launched }: SpareSituation): WantedPool[] {
  const since = (ms: number, key: string) =>
    launched.filter((each) => now - each.at < ms && poolKey(each) === key).length
  const within = ({ target, max }: SpareRule, count: number) =>
    Math.min(max, Math.max(target, count))
  const learned = new Map(
    launched.filter(({ at }) => now - at < LEARNED_MS).map((each) => [poolKey(each), each]),
  )
  const all: readonly PoolRule[] =
    rules.listed.length > 0
      ? rules.listed
      : [...learned.values()].map(({ subnetId, securityGroupIds }) => ({
          ...{ subnetId, securityGroupIds, target: rules.target, max: rules.max },
        }))
  const rank = new Map(all.map((pool) => [pool, since(LEARNED_MS, poolKey(pool))]))
  return all
    .filter(({ max }) => max > 0)
    .toSorted((a, b) => (rank.get(b) ?? 0) - (rank.get(a) ?? 0))
    .map((pool) => {
      const wanted = within(pool, since(WINDOW_MS.up, poolKey(pool)))
      return { ...pool, wanted, kept: within(pool, since(WINDOW_MS.down, poolKey(pool))) }
    })
}

type GivenUp = SparePlan['giveUp'][number]

/** Those of pools that are none any more, and those above what a pool keeps: the unready first. */
function surplus({ spares, isOff }: SpareSituation, pools: readonly WantedPool[]): GivenUp[] {
  const kept = new Map(pools.map((pool) => [poolKey(pool), pool.kept]))
  return [...Map.groupBy(spares, ({ pool }) => poolKey(pool))].flatMap(([key, own]) => {
    const count = own.length - (kept.get(key) ?? 0)
    const isPool = `its pool keeps ${kept.get(key)}: fewer tasks are launched`
    const why = isOff ?? (kept.has(key) ? isPool : 'its pool is none any more')
    return leastReady(own)
      .slice(0, Math.max(0, count))
      .map(({ id }) => ({ id, why }))
  })
}

/** Those that a launch needs the address or the slot of: of the pool with the fewest launches first. */
function overLimit(
  { spares, leaving, addressesWanted, slotsWanted }: SpareSituation,
  pools: readonly WantedPool[],
  limit: number,
  going: ReadonlySet<HolderId>,
): GivenUp[] {
  const place = new Map(pools.map((pool, n) => [poolKey(pool), n]))
  const rank = ({ pool }: SeenSpare) => place.get(poolKey(pool)) ?? pools.length
  const left = leastReady(spares.filter(({ id }) => !going.has(id))).toSorted(
    (a, b) => Number(a.isReady) - Number(b.isReady) || rank(b) - rank(a),
  )
  const chosen: GivenUp[] = []
  const coming = [...leaving]
  for (const subnetIds of addressesWanted) {
    const isThere = coming.findIndex(({ subnetId }) => subnetIds.includes(subnetId))
    if (isThere >= 0) {
      coming.splice(isThere, 1)
      continue
    }
    const at = left.findIndex(({ pool }) => subnetIds.includes(pool.subnetId))
    if (at < 0) continue
    for (const { id } of left.splice(at, 1)) chosen.push({ id, why: 'a launch needs its address' })
  }
  const why = slotsWanted > 0 ? 'a launch needs its slot' : 'tasks need the slots of this host'
  const count = Math.max(0, left.length - limit)
  return [...chosen, ...left.slice(0, count).map(({ id }) => ({ id, why }))]
}

/** The youngest first among those that are still made, then the others. */
const leastReady = (spares: readonly SeenSpare[]): SeenSpare[] =>
  spares.toReversed().toSorted((a, b) => Number(a.isReady) - Number(b.isReady))

/** What is made, in turn for each pool that has too few. */
function shortage(
  { now, notBefore, latestLaunchAt, slotsWanted, addressesWanted, slots }: SpareSituation,
  pools: readonly WantedPool[],
  limit: number,
  left: readonly SeenSpare[],
): { make: PoolPlace[]; lookAt: number | undefined } {
  const make: PoolPlace[] = []
  const times: number[] = []
  const count = new Map<string, number>()
  for (const { pool } of left) count.set(poolKey(pool), (count.get(poolKey(pool)) ?? 0) + 1)
  const making = left.filter(({ isReady }) => !isReady).length
  const isWanted = slotsWanted > 0 || addressesWanted.length > 0
  const most = isWanted
    ? 0
    : Math.min(limit - left.length, MAKING_MAX - making, Math.max(0, slots.free - 1))
  const quietAt = latestLaunchAt === undefined ? 0 : latestLaunchAt + QUIET_MS
  const due = pools.filter((pool) => {
    const isShort = (count.get(poolKey(pool)) ?? 0) < pool.wanted
    const at = Math.max(quietAt, notBefore(poolKey(pool)) ?? 0)
    if (isShort && at > now) times.push(at)
    return isShort && at <= now
  })
  for (let found = true; found && make.length < most; ) {
    found = false
    for (const pool of due) {
      const have = count.get(poolKey(pool)) ?? 0
      if (have >= pool.wanted || make.length >= most) continue
      count.set(poolKey(pool), have + 1)
      make.push({ subnetId: pool.subnetId, securityGroupIds: pool.securityGroupIds })
      found = true
    }
  }
  return { make, lookAt: times.length === 0 ? undefined : Math.min(...times) }
}
