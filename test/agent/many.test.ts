// Goal: what one task costs the agent does not grow with the tasks beside it, but for one look at
// each, and nothing is done for tasks at rest. Method: the real journal, runner, queue and placement
// over a world in memory; what is counted is how often the journal is gone through, not the time.

import { expect, test } from 'vitest'
import type { Host } from '../../agent/orders.ts'
import type { PlacementFacts } from '../../agent/placement.ts'
import { choose } from '../../agent/placement.ts'
import { Queue } from '../../agent/queue.ts'
import { watchStartTimeouts } from '../../agent/start-timeouts.ts'
import type { Journal } from '../../state/journal.ts'
import type { Spec } from '../../state/spec.ts'
import { container, spec } from '../state/specs.ts'
import { memory, settleHolder } from './journals.ts'
import { newRunner, StillClock, settle, World } from './world.ts'

const host = {
  ...{ instanceId: 'i-1', instanceType: 'lab.unlimited', availabilityZone: 'z1' },
  eniCountMax: 5000,
} as Host

/** So many running tasks, as many that are over, and everything that one more needs. */
function crowd(count: number) {
  const clock = new StillClock()
  const world = new World()
  const defects: unknown[] = []
  const { journal } = memory(clock.now)
  const stop = { type: 'stopAsked', stop: { code: 'UserInitiated', reason: '' } } as const
  for (let n = 0; n < count; n++) {
    for (const id of [`up-${n}`, `over-${n}`]) {
      journal.begin(id, spec())
      settleHolder(journal, id, { 'attachment:0': { choice: String(n + 1) } })
    }
    journal.append(`over-${n}`, stop)
    settleHolder(journal, `over-${n}`)
  }
  journal.compact(count)
  const facts: PlacementFacts = {
    ...{ host, journal: { all: () => journal.living() }, foreignIndices: new Set([0]) },
    capacity: { cpuUnits: 1e9, memoryMiB: 1e9 },
    subnet: (subnetId) => ({ subnetId, availabilityZone: 'z1', freeAddressCount: 9999 }),
  }
  const runner = newRunner(
    { journal, world, clock, defects },
    { choose: (entry, row) => choose(facts, entry, row) },
  )
  const queue = new Queue({
    ...{ journal, facts, runner, clock, isDraining: () => false },
    onDefect: (error) => defects.push(error),
  })
  return { clock, world, journal, runner, queue, defects }
}

/** From now on: how often the journal was gone through, and how many entries that were. */
function counted(journal: Journal): () => { looks: number; entries: number } {
  let looks = 0
  let entries = 0
  for (const name of ['all', 'living', 'ended'] as const) {
    const real = journal[name].bind(journal) as () => unknown[]
    Object.assign(journal, {
      [name]: () => {
        const found = real()
        looks += 1
        entries += found.length
        return found
      },
    })
  }
  return () => ({ looks, entries })
}

/** One task as RunTask begins it, to RUNNING and to STOPPED. */
async function live({ journal, queue, runner }: ReturnType<typeof crowd>, made: Spec = spec()) {
  expect(queue.room(made).taskCount).toBeGreaterThan(0)
  journal.begin('one', made)
  queue.look()
  runner.advance('one')
  await settle()
  expect(journal.get('one')?.holder.ran).toBe(true)
  runner.stop('one', { code: 'UserInitiated', reason: '' })
  await settle()
  expect(journal.living().some(({ id }) => id === 'one')).toBe(false)
}

// P486
test('a lifecycle goes through the tasks as often beside two hundred as beside ten', async () => {
  const few = crowd(10)
  const many = crowd(200)
  const seen = { few: counted(few.journal), many: counted(many.journal) }
  await live(few)
  await live(many)
  const [a, b] = [seen.few(), seen.many()]
  expect(b.looks).toBe(a.looks)
  // RunTask asks for room twice; then a device index is chosen.
  expect(b.looks).toBeLessThan(20)
  // What is over is not looked at.
  expect(b.entries).toBeLessThan(b.looks * 203)
  expect([...few.defects, ...many.defects]).toEqual([])
})

// P486
test('what many wait for is found by one look at each', () => {
  const { journal, queue, runner } = crowd(100)
  const seen = counted(journal)
  for (let n = 0; n < 100; n++) queue.waiting(`up-${n}`)
  expect([...queue.waits(), ...runner.waits()]).toEqual([])
  expect(seen()).toEqual({ looks: 1, entries: 100 })
})

// P487
test('nobody looks for overdue starts while no task is on its way up with a startTimeout', async () => {
  const { journal, runner, clock } = crowd(3)
  let timers = 0
  const counting = {
    now: clock.now,
    after: (ms: number, call: () => void) => {
      timers += 1
      return clock.after(ms, call)
    },
  }
  const onDefect = (error: unknown) => expect.fail(String(error))
  const end = watchStartTimeouts({ journal, runner, clock: counting, onDefect })
  journal.begin('plain', spec())
  journal.append('plain', { type: 'began', verb: 'ensure', row: 'image:web' })
  await clock.pass(60_000)
  expect(timers).toBe(0)
  const containers = [
    container('web', { db: 'HEALTHY' }),
    container('db', {}, { startTimeoutMs: 5_000 }),
  ]
  journal.begin('slow', spec({ containers }))
  runner.advance('slow')
  await clock.pass(4_000)
  expect(journal.get('slow')?.holder.desired).toBe('running')
  await clock.pass(2_000)
  expect(journal.get('slow')?.holder.stop?.reason).toContain('startTimeout')
  const after = timers
  await clock.pass(60_000)
  expect(timers).toBe(after)
  end()
})
