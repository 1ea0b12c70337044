// Goal: the conformance suite sees what it is there to see. Method: mutants of the lab, the bugs that
// other emulators shipped among them, are put into a copy of it; the cases named beside each must
// fail, every one. All of them take a quarter of an hour (`npm run conformance -- --mutants`), so each day
// has its handful here.

import { expect, test } from 'vitest'
import { MUTANTS } from '../conformance/mutants.ts'
import { runMutants } from '../conformance/mutate.ts'

const DAY_MS = 86_400_000
const A_DAY = 5

const days = Math.ceil(MUTANTS.length / A_DAY)
const today = Math.floor(Date.now() / DAY_MS) % days
const handful = MUTANTS.filter((_, n) => n % days === today)

// P284
test.each(handful.map((mutant) => [mutant.name, mutant] as const))(
  'a lab in which %s is caught',
  async (_name, mutant) => {
    const [result] = await runMutants([mutant])
    expect(result).toMatchObject({ caught: true })
  },
  120_000,
)
