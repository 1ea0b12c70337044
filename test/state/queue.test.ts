// Goal: who waits for room is served in the order of coming, no small one waits for ever behind a big
// one, and no big one for ever because of small ones. Method: the rule over plain numbers, and random
// hosts on which tasks come and go, second by second.

import { describe, expect, test } from 'vitest'
import type { Demand, Waiter } from '../../state/queue.ts'
import { admit, demandOf, fits, isHeldFor, less, TURN_MS, takenBy } from '../../state/queue.ts'
import { isWaiting, learn, newHolder, nextSteps } from '../../state/task.ts'
import { container, spec } from './specs.ts'

const cpu = (cpuUnits: number): Demand => ({ cpuUnits, memoryMiB: 0, eniCount: 1 })
const host: Demand = { cpuUnits: 8, memoryMiB: 0, eniCount: 100 }
const waiter = (id: string, size: number, since = 0): Waiter => ({
  ...{ id, since, demand: cpu(size) },
  hasAddress: true,
})

describe('who is admitted', () => {
  // P388
  test('is who came first, as far as there is room', () => {
    const three = [waiter('a', 3), waiter('b', 3), waiter('c', 3)]
    expect(admit(three, host, 0)).toEqual({
      admitted: ['a', 'b'],
      left: { ...cpu(2), eniCount: 98 },
    })
  })

  // P389
  test('passes a big one for a minute; then what that needs is held, and what it does not need is not', () => {
    const queue = [waiter('big', 6), waiter('small', 2)]
    const free = { ...host, cpuUnits: 4 }
    expect(admit(queue, free, TURN_MS - 1).admitted).toEqual(['small'])
    expect(admit(queue, free, TURN_MS)).toEqual({ admitted: [], left: { ...cpu(0), eniCount: 99 } })
    expect(admit(queue, free, 2 * TURN_MS).admitted).toEqual(['small'])
    const other: Waiter = { ...waiter('other', 0), demand: { ...cpu(0) } }
    expect(admit([...queue, other], free, TURN_MS).admitted).toEqual(['other'])
  })

  // P389
  test('room is held for the oldest alone, and not for one whose subnet has no address', () => {
    const free = { ...host, cpuUnits: 4 }
    const two = [waiter('big', 6, TURN_MS / 2), waiter('big too', 5, 0), waiter('small', 4)]
    expect(admit(two, free, TURN_MS + 1).admitted).toEqual(['small'])
    const full = { ...waiter('big', 6), hasAddress: false }
    expect(admit([full, waiter('small', 4)], free, TURN_MS).admitted).toEqual(['small'])
    expect(admit([{ ...waiter('a', 1), hasAddress: false }], free, 0).admitted).toEqual([])
  })

  test('room is held in turns, each twice as long as the last', () => {
    const held = [...Array(12).keys()].map((minute) => isHeldFor(minute * TURN_MS))
    const [o, x] = [false, true]
    expect(held).toEqual([o, x, o, x, x, o, x, x, x, x, o, x])
    expect(isHeldFor(10 ** 12)).toBeTypeOf('boolean')
  })
})

/** Seconds of a host on which tasks come and go; when each was admitted, if it was. */
function live(
  seed: number,
  options: {
    seconds: number
    first: readonly [string, number][]
    longestS: number
    smallEveryS: number
  },
) {
  let state = seed * 2_654_435_761 + 1
  const random = (below: number) => {
    state = (state * 48_271) % 2_147_483_647
    return Math.abs(state) % below
  }
  let waiting = options.first.map(([id, size]) => waiter(id, size))
  const running: { endsAt: number; demand: Demand }[] = []
  const admittedAt = new Map<string, number>()
  const cameAt = new Map(options.first.map(([id]) => [id, 0]))
  for (let second = 0; second < options.seconds; second++) {
    const now = second * 1000
    if (second % options.smallEveryS === 0) {
      const id = `small ${second}`
      waiting.push(waiter(id, 1 + random(3), now))
      cameAt.set(id, second)
    }
    const used = running.filter(({ endsAt }) => endsAt > second).map(({ demand }) => demand)
    const free = used.reduce(less, host)
    for (const id of admit(waiting, free, now).admitted) {
      const { demand } = waiting.find((each) => each.id === id) as Waiter
      expect(
        fits(
          demand,
          running
            .filter(({ endsAt }) => endsAt > second)
            .map((r) => r.demand)
            .reduce(less, host),
        ),
        `${id} fits`,
      ).toBe(true)
      running.push({ endsAt: second + 1 + random(options.longestS), demand })
      admittedAt.set(id, second)
    }
    waiting = waiting.filter(({ id }) => !admittedAt.has(id))
  }
  return { admittedAt, cameAt, waiting }
}

// P389
test('a big one is admitted however many small ones come, where every task ends', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const longestS = 30 + (seed % 5) * 60
    const { admittedAt } = live(seed, {
      ...{ seconds: 3600, longestS, smallEveryS: 2 },
      first: [
        ['small', 2],
        ['small too', 3],
        ['big', 8],
      ],
    })
    // The turn that is as long as the longest task ends within five times that, and a minute or two.
    expect(admittedAt.get('big'), `seed ${seed}`).toBeLessThan(5 * longestS + 200)
  }
})

// P389
test('small ones are admitted past a big one for which there is never room', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const { admittedAt, cameAt, waiting } = live(seed, {
      ...{ seconds: 3600, longestS: 20, smallEveryS: 60 },
      // Larger than the host: nothing ever makes room for it.
      first: [['big', 9]],
    })
    expect(admittedAt.has('big')).toBe(false)
    const waits = [...cameAt]
      .filter(([id]) => id !== 'big')
      .map(([id, at]) => (admittedAt.get(id) ?? 3600) - at)
    // At worst one turn, and no turn is longer than all that came before it.
    expect(Math.max(...waits), `seed ${seed}`).toBeLessThan(1800)
    expect(admittedAt.size, `seed ${seed}`).toBeGreaterThan(20)
    expect(waiting.length).toBeLessThan(40)
  }
})

describe('a task that waits', () => {
  const given = spec({ waitMs: 1000, cgroup: { cpuUnits: 128, memoryMiB: 64 } })

  // P390
  test('begins nothing and takes up nothing before it is admitted, and all of it after', () => {
    const holder = newHolder(given)
    expect([isWaiting(holder), nextSteps(holder), takenBy(holder).cpuUnits]).toEqual([true, [], 0])
    expect(() => learn(holder, { type: 'began', verb: 'ensure', row: 'eni:0' })).toThrow(
      /waits for room/,
    )
    const admitted = learn(holder, { type: 'admitted' })
    expect(nextSteps(admitted).map(({ row }) => row)).toEqual(['eni:0', 'image:web', 'cgroup'])
    expect(takenBy(admitted)).toMatchObject({ cpuUnits: 128, memoryMiB: 64 })
    expect(learn(admitted, { type: 'admitted' })).toEqual(admitted)
  })

  // P390
  test('is stopped at once when that is asked, and not begun by an admission that comes too late', () => {
    const stop = { code: 'UserInitiated', reason: 'asked' } as const
    const stopped = learn(newHolder(given), { type: 'stopAsked', stop })
    expect([isWaiting(stopped), nextSteps(stopped)]).toEqual([false, []])
    expect(nextSteps(learn(stopped, { type: 'admitted' }))).toEqual([])
  })

  test('takes up what it says as a whole, else what its containers reserve', () => {
    const containers = [
      container('a', {}, { cpuShares: 512, memoryMiB: 100, memoryReservationMiB: 60 }),
      container('b', {}, { cpuShares: 2, memoryMiB: 40 }),
    ]
    expect(demandOf(spec({ containers }))).toEqual({ cpuUnits: 512, memoryMiB: 100, eniCount: 1 })
  })
})
