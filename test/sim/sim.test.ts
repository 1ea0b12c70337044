// Goal: whatever the world does and whenever the agent dies, the invariants hold, peace brings it to
// rest, and a stop of everything leaves nothing. Method: seeded runs; a failure names its seed.

import { expect, test } from 'vitest'
import { simulate } from './run.ts'

const SEED_COUNT = 200

// P1
test(`${SEED_COUNT} seeds hold every invariant at every moment, settle, and leave nothing`, async () => {
  const total = { lifecycles: 0, deaths: 0, restarts: 0, launches: 0, adopted: 0 }
  for (let seed = 1; seed <= SEED_COUNT; seed++) {
    try {
      const { lifecycles, deaths, restarts, launches, adopted } = await simulate(seed)
      total.lifecycles += lifecycles
      total.deaths += deaths
      total.restarts += restarts
      total.launches += launches
      total.adopted += adopted
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error })
    }
  }
  // A simulation in which nothing ever happens proves nothing.
  expect(total.lifecycles).toBeGreaterThan(2 * SEED_COUNT)
  expect(total.deaths).toBeGreaterThan(SEED_COUNT)
  expect(total.restarts).toBeGreaterThan(SEED_COUNT / 20)
  expect(total.launches).toBeGreaterThan(SEED_COUNT / 2)
  expect(total.adopted).toBeGreaterThan(SEED_COUNT / 10)
}, 240_000)

// P2, P126
test('the same seed gives the same run', async () => {
  expect(await simulate(7)).toEqual(await simulate(7))
})
