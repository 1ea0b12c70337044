// Goal: the conformance suite sees what it is there to see. Method: each of its mutants, the bugs that
// other emulators shipped among them, is put into a copy of the lab; the cases named beside it must
// fail, every one.

import { expect, test } from 'vitest'
import { MUTANTS } from '../conformance/mutants.ts'
import { runMutants } from '../conformance/mutate.ts'

// P284
test.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))(
  'a lab in which %s is caught',
  async (_name, mutant) => {
    const [result] = await runMutants([mutant])
    expect(result).toMatchObject({ caught: true })
  },
  120_000,
)
