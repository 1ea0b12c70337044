// The kernel hands of a test file over a VPC of its own, both open while its tests run. What the worker
// complains of fails the test that it happened in.

import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { type Kernel, openKernel } from '../../agent/drivers/kernel/kernel.ts'
import { Rig } from './kernel-rig.ts'

export type KernelInUse = {
  readonly rig: Rig
  readonly kernel: Kernel
  /** One more, which the test closes. */
  readonly openAnother: () => Kernel
}

/** Hooks both up. */
export function useKernel(): KernelInUse {
  const rig = new Rig()
  const kernel = {} as Kernel
  const complaints: string[] = []
  const say = (_: object, message: string) => complaints.push(message)
  const openAnother = () => openKernel({ warn: say, error: say })
  beforeAll(async () => {
    await rig.open()
    Object.assign(kernel, openAnother())
  })
  afterAll(async () => {
    await kernel.close()
    await rig.close()
  })
  afterEach(() => {
    expect(complaints.splice(0)).toEqual([])
  })
  return { rig, kernel, openAnother }
}
