// Goal: no signal makes the kernel hands, or the fabric, say that something failed which was done.
// Method: signals are thrown at every thread of this process, thousands a second, as a profiler does,
// while links are taken in and given back, and ports plugged.

import { readdirSync } from 'node:fs'
import koffi from 'koffi'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { everything, Rig } from './fabric-rig.ts'
import { useKernel } from './use-kernel.ts'

const { rig, kernel } = useKernel()
const tgkill = koffi.load('libc.so.6').func('int tgkill(int pid, int tid, int signal)')
const SIGUSR2 = 12

// Heeded, so that it interrupts: what nobody listens for ends the process.
process.on('SIGUSR2', () => {})

/** Until it is ended; answers how many were thrown. */
function storm(): () => number {
  let [count, isOver] = [0, false]
  const others = readdirSync('/proc/self/task').map(Number)
  const go = () => {
    for (const tid of others) if (tgkill(process.pid, tid, SIGUSR2) === 0) count++
    if (!isOver) setImmediate(go)
  }
  go()
  return () => {
    isOver = true
    return count
  }
}

let fabric: Rig

beforeAll(async () => {
  fabric = await Rig.open('signals')
})
afterAll(() => fabric.close())

// P494
test('signals in the middle of it fail no link that is taken in or given back', async () => {
  const end = storm()
  try {
    for (let round = 0; round < 20; round++) {
      const [eni, netns] = [rig.plug(), rig.netns()]
      const request = rig.expectation(eni, netns)
      await kernel.takeIn(request)
      expect(await kernel.verify(request)).toEqual([])
      await kernel.giveBack(request)
    }
  } finally {
    expect(end()).toBeGreaterThan(10_000)
  }
})

// P494
test('signals in the middle of it fail no port that is plugged, and no rule that is put', async () => {
  const end = storm()
  try {
    for (let n = 1; n <= 20; n++) {
      // The chains of a set of groups that no port has had are libnftables' work.
      const groupId = `sg-${n}`
      await fabric.fabric.putGroup({ groupId, rules: everything('ingress') })
      const port = fabric.port(n, fabric.netns(`signals${n}`), { groupIds: [groupId] })
      await fabric.fabric.plug(port)
      await fabric.fabric.putGroup({ groupId, rules: everything('egress') })
    }
  } finally {
    expect(end()).toBeGreaterThan(10_000)
  }
})
