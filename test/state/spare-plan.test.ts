// Goal: there are as many spares as launches ask for, and none is in a launch's way. Method: the
// policy is a function; situations in, decisions out, the numbers worked out by hand.

import { describe, expect, test } from 'vitest'
import type { PoolPlace } from '../../state/spare.ts'
import { poolKey } from '../../state/spare.ts'
import type { Launched, SeenSpare, SpareSituation } from '../../state/spare-plan.ts'
import {
  LEARNED_MS,
  MAKING_MAX,
  mostSpares,
  planSpares,
  QUIET_MS,
  WINDOW_MS,
} from '../../state/spare-plan.ts'

const NOW = 1_700_000_000_000
const web: PoolPlace = { subnetId: 'subnet-a', securityGroupIds: ['sg-web'] }
const db: PoolPlace = { subnetId: 'subnet-a', securityGroupIds: ['sg-db'] }

const situation = (change: Partial<SpareSituation> = {}): SpareSituation => ({
  now: NOW,
  rules: { target: 1, max: 4, listed: [] },
  launched: [],
  spares: [],
  leaving: [],
  slots: { total: 14, free: 14 },
  slotsWanted: 0,
  addressesWanted: [],
  notBefore: () => undefined,
  ...change,
})
const launches = (pool: PoolPlace, count: number, agoMs: number): Launched[] =>
  Array.from({ length: count }, () => ({ ...pool, at: NOW - agoMs }))
const seen = (id: string, pool: PoolPlace, isReady = true): SeenSpare => ({ id, pool, isReady })
const listed = (pool: PoolPlace, target: number, max = target) => ({
  rules: { target: 0, max: 0, listed: [{ ...pool, target, max }] },
})
const made = (given: SpareSituation): string[] => planSpares(given).make.map(poolKey)
const gone = (given: SpareSituation): string[] => planSpares(given).giveUp.map(({ id }) => id)

describe('how many are made', () => {
  test('none where nothing was launched and no pool is named', () => {
    expect(planSpares(situation())).toMatchObject({ pools: [], make: [], giveUp: [] })
  })

  test('the target of a pool in which something ran within the hour, and none after it', () => {
    const ago = (ms: number) => situation({ launched: launches(web, 1, ms) })
    expect(made(ago(LEARNED_MS - 1))).toEqual([poolKey(web)])
    expect(made(ago(LEARNED_MS))).toEqual([])
  })

  // P460
  test('as many as were launched in the last minute, up to the maximum', () => {
    const wanted = (count: number) =>
      planSpares(situation({ launched: launches(web, count, 30_000) })).pools[0]?.wanted
    expect([1, 3, 9].map(wanted)).toEqual([1, 3, 4])
  })

  test('kept for ten minutes, then fewer', () => {
    const spares = ['a', 'b', 'c'].map((id) => seen(id, web))
    const ago = (ms: number) => situation({ spares, launched: launches(web, 3, ms) })
    expect(gone(ago(WINDOW_MS.down - 1))).toEqual([])
    expect(gone(ago(WINDOW_MS.down))).toEqual(['c', 'b'])
  })

  test('of named pools only, whatever is launched', () => {
    const given = situation({ ...listed(db, 2), launched: launches(web, 5, 1000) })
    expect(made(given)).toEqual([poolKey(db), poolKey(db)])
  })

  test('a few at once, those on their way counted', () => {
    const spares = [seen('a', db, false), seen('b', db, false)]
    const given = situation({ ...listed(db, 7), spares })
    expect(made(given)).toHaveLength(MAKING_MAX - 2)
  })

  test('in turn, where several pools are short', () => {
    const given = situation({
      launched: [...launches(web, 3, 1000), ...launches(db, 2, 1000)],
      slots: { total: 6, free: 6 },
    })
    expect(made(given)).toEqual([poolKey(web), poolKey(db), poolKey(web)])
  })

  test('not in the moment after a launch, nor before a pool that failed may be tried', () => {
    const just = { ...listed(web, 1), latestLaunchAt: NOW - QUIET_MS + 1 }
    expect(planSpares(situation(just))).toMatchObject({ make: [], lookAt: NOW + 1 })
    const failed = { ...listed(web, 1), notBefore: () => NOW + 5000 }
    expect(planSpares(situation(failed))).toMatchObject({ make: [], lookAt: NOW + 5000 })
  })
})

describe('what is left to launches', () => {
  // P461
  test.each([
    [1, 0],
    [2, 1],
    [3, 1],
    [14, 7],
  ])('of %i slots for tasks at most %i are for spares, and it says so', (total, most) => {
    expect(mostSpares(total)).toBe(most)
    const { limit, why, make } = planSpares(
      situation({ ...listed(web, 9), slots: { total, free: total } }),
    )
    expect(limit).toBe(Math.min(most, total - 1))
    expect(why).toContain(`this host has ${total} ENI slots for tasks`)
    expect(make.length).toBeLessThanOrEqual(most)
  })

  test('the last free slot is never taken', () => {
    const free = (count: number) =>
      situation({ ...listed(web, 5), slots: { total: 14, free: count } })
    expect([0, 1, 2, 3].map((count) => made(free(count)).length)).toEqual([0, 0, 1, 2])
  })

  test('and is kept free by giving a spare up, when tasks fill the host', () => {
    const spares = [seen('a', web), seen('b', web)]
    const full = { ...listed(web, 2), spares, slots: { total: 14, free: 0 } }
    expect(gone(situation(full))).toEqual(['b'])
    expect(gone(situation({ ...full, leaving: [web] }))).toEqual([])
  })

  // P455
  test('a launch that waits for a slot is given one at once, the unready first', () => {
    const spares = [seen('a', web), seen('b', web, false), seen('c', web)]
    const given = { ...listed(web, 3), spares, slots: { total: 14, free: 0 }, slotsWanted: 1 }
    const { giveUp, make } = planSpares(situation(given))
    expect(giveUp.map(({ id }) => id)).toEqual(['b', 'c'])
    expect(giveUp[0]?.why).toBe('a launch needs its slot')
    expect(make).toEqual([])
    const coming = { ...given, spares: [seen('a', web)], leaving: [web, web] }
    expect(gone(situation(coming)), 'what comes free is counted').toEqual([])
  })

  test('a launch that waits for an address is given that of a spare in its subnet', () => {
    const far = { ...web, subnetId: 'subnet-b' }
    const spares = [seen('a', far), seen('b', web)]
    const rules = {
      target: 0,
      max: 0,
      listed: [far, web].map((p) => ({ ...p, target: 1, max: 1 })),
    }
    const given = situation({ rules, spares, addressesWanted: [['subnet-a']] })
    expect(planSpares(given).giveUp).toEqual([{ id: 'b', why: 'a launch needs its address' }])
    expect(gone({ ...given, leaving: [web] })).toEqual([])
  })

  test('of the pool with the fewest launches first', () => {
    const given = situation({
      rules: { target: 1, max: 1, listed: [] },
      launched: [...launches(web, 1, 1000), ...launches(db, 2, 1000)],
      spares: [seen('a', web), seen('b', db)],
      slots: { total: 14, free: 0 },
    })
    expect(gone(given)).toEqual(['a'])
  })
})

test('where there are to be none, all are given up and none is made', () => {
  const isOff = 'this host is DRAINING: a person wants it'
  const given = situation({ ...listed(web, 3), spares: [seen('a', web), seen('b', db)], isOff })
  const { giveUp, make, limit, why } = planSpares(given)
  expect(giveUp.map(({ id }) => id).sort()).toEqual(['a', 'b'])
  expect([make, limit, why]).toEqual([[], 0, isOff])
})

test('what was decided once is decided: the next look finds nothing to do', () => {
  for (const free of [0, 1, 2, 3, 8, 14]) {
    for (const count of [0, 1, 2, 5, 7, 9]) {
      let spares = Array.from({ length: count }, (_, n) => seen(`s${n}`, n % 2 === 0 ? web : db))
      const rules = {
        target: 0,
        max: 0,
        listed: [web, db].map((p) => ({ ...p, target: 2, max: 3 })),
      }
      let slots = { total: 14, free }
      let changes = 0
      for (let look = 0; look < 12; look++) {
        const { giveUp, make } = planSpares(situation({ rules, spares, slots }))
        expect(giveUp.length === 0 || make.length === 0 || look === 0).toBe(true)
        changes = giveUp.length + make.length
        const going = new Set(giveUp.map(({ id }) => id))
        spares = spares.filter(({ id }) => !going.has(id))
        spares = [...spares, ...make.map((pool, n) => seen(`m${look}-${n}`, pool))]
        slots = { total: 14, free: slots.free + giveUp.length - make.length }
      }
      expect(changes, `${free} free, ${count} spares`).toBe(0)
      expect(slots.free).toBeGreaterThanOrEqual(Math.min(1, free + count))
    }
  }
})
