// A fresh API for each test of a file, that ends without a mistake of ours having been met.

import { afterEach, beforeEach, expect } from 'vitest'
import type { Rig } from './rig.ts'
import { openRig } from './rig.ts'

/** Hooks one up; what it answers is the rig of the test that runs. */
export function useRig(): Rig {
  const rig = {} as Rig
  beforeEach(async () => void Object.assign(rig, await openRig()))
  afterEach(async () => {
    await rig.close()
    expect(rig.defects).toEqual([])
  })
  return rig
}
