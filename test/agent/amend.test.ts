// Goal: what is wanted of a running task may change, and the runner brings it about: whatever was under
// way for the old wish, whatever dies in between, and back again where it is refused. Method: real
// journal and core, an ENI driver over a map of groups.

import Sqlite from 'better-sqlite3'
import { beforeEach, expect, test } from 'vitest'
import { Failure } from '../../agent/failure.ts'
import type { Runner } from '../../agent/runner.ts'
import { withGroups } from '../../state/amendment.ts'
import { Journal } from '../../state/journal.ts'
import { MIGRATIONS } from '../../state/migrations.ts'
import { lastStatus } from '../../state/status.ts'
import { rowState } from '../../state/task.ts'
import { spec } from '../state/specs.ts'
import { newRunner, StillClock, settle, World } from './world.ts'

let db: Sqlite.Database
let journal: Journal
let world: World
let clock: StillClock
let runner: Runner
let defects: unknown[]
/** What EC2 has put the ENI into, and what it does before it answers. */
let worn: readonly string[]
let before: (wanted: readonly string[]) => Promise<void> | void
let after: () => Promise<void> | void

function live(): void {
  journal = new Journal(db, clock.now)
  const drivers = world.drivers()
  const eni = {
    ...drivers.eni,
    async ensure(job: Parameters<typeof drivers.eni.ensure>[0]) {
      const { securityGroupIds, groupsOrder } = job.spec.enis[0] ?? expect.fail('no ENI')
      await before(securityGroupIds)
      worn = securityGroupIds
      await after()
      return { eniId: 'eni-1', securityGroupIds, ...(groupsOrder && { groupsOrder }) } as never
    },
  }
  runner = newRunner({ journal, world, clock, defects }, { drivers: { ...drivers, eni } })
}

beforeEach(async () => {
  db = new Sqlite(':memory:')
  for (const statements of MIGRATIONS) db.exec(statements)
  world = new World()
  clock = new StillClock()
  defects = []
  worn = []
  before = () => {}
  after = () => {}
  live()
  journal.begin('a', spec())
  runner.advance('a')
  await settle()
  world.calls.length = 0
})

const holder = () => journal.get('a')?.holder ?? expect.fail('no a')
const want = (...groups: string[]) => runner.amend('a', withGroups(holder(), 0, groups), ['eni:0'])
const known = () => rowState(holder(), 'eni:0')
const settled = (groups: string[], order: number) => {
  expect(known()).toMatchObject({
    is: 'held',
    details: { securityGroupIds: groups, groupsOrder: order },
  })
  expect(worn).toEqual(groups)
  expect(holder().spec.enis[0]?.securityGroupIds).toEqual(groups)
  expect(lastStatus(holder())).toBe('RUNNING')
  expect(defects).toEqual([])
}

// P400
test('a change is carried out, and nothing but the ENI is touched', async () => {
  want('sg-2')
  expect(lastStatus(holder())).toBe('RUNNING')
  await settle()
  settled(['sg-2'], 1)
  expect(world.calls, 'no other row was ensured').toEqual([])
})

// P401
test('a second wish that comes while the first is under way is the one that holds', async () => {
  const gate = Promise.withResolvers<void>()
  before = (groups) => (groups[0] === 'sg-2' ? gate.promise : undefined)
  want('sg-2')
  await settle()
  want('sg-3')
  gate.resolve()
  await settle()
  settled(['sg-3'], 2)
})

// P401
test('a refusal of a wish that was overtaken takes nothing back', async () => {
  const gate = Promise.withResolvers<void>()
  before = async (groups) => {
    if (groups[0] !== 'sg-2') return
    await gate.promise
    throw new Failure('refused', 'InvalidGroup.NotFound', 'no sg-2')
  }
  want('sg-2')
  await settle()
  want('sg-3')
  gate.resolve()
  await clock.pass(1000)
  settled(['sg-3'], 2)
})

// P402
test('a wish that is refused is withdrawn to what EC2 took last, with the cause, and the task runs on', async () => {
  want('sg-2')
  await settle()
  before = (groups) => {
    if (groups[0] === 'sg-9') throw new Failure('refused', 'InvalidGroup.NotFound', 'no sg-9')
  }
  const causes: unknown[] = []
  journal.follow((_, event) => {
    if (event.type === 'amended' && event.cause) causes.push(event.cause)
  })
  want('sg-9')
  await settle()
  settled(['sg-2'], 3)
  expect(causes).toEqual([{ code: 'InvalidGroup.NotFound', message: 'no sg-9' }])
})

// P402
test('where an order that was overtaken took effect unheard, what EC2 took last is put on again', async () => {
  want('sg-2')
  await settle()
  // Carried out, and the answer is lost.
  after = () => {
    throw new Failure('transient', 'Ec2Unreachable', 'no answer')
  }
  want('sg-3')
  await settle()
  expect(worn).toEqual(['sg-3'])
  after = () => {}
  before = (groups) => {
    if (groups[0] === 'sg-9') throw new Failure('refused', 'InvalidGroup.NotFound', 'no sg-9')
  }
  want('sg-9')
  await clock.pass(1000)
  settled(['sg-2'], 4)
})

test('what cannot be put on again either is tried again, not at once', async () => {
  const gate = Promise.withResolvers<void>()
  before = async (groups) => {
    await gate.promise
    throw new Failure('refused', 'InvalidGroup.NotFound', `no ${groups}`)
  }
  want('sg-8')
  await settle()
  want('sg-9')
  gate.resolve()
  await clock.pass(100_000)
  const waits = runner.waiting('a')
  expect(waits).toMatchObject([{ row: 'eni:0', code: 'InvalidGroup.NotFound', reason: 'no sg-1' }])
  expect(waits[0]?.attempt).toBeLessThan(20)
})

// P403
test('a death between EC2’s deed and our note of it loses nothing', async () => {
  const never = new Promise<void>(() => {})
  after = () => never
  want('sg-2')
  await settle()
  expect(worn).toEqual(['sg-2'])
  expect(known()).toMatchObject({ is: 'unsure', details: { securityGroupIds: ['sg-1'] } })
  after = () => {}
  live()
  runner.resume()
  await settle()
  settled(['sg-2'], 1)
})

// P403
test('a death before EC2 was asked loses nothing either', async () => {
  before = () => new Promise<void>(() => {})
  want('sg-2')
  await settle()
  expect(worn).toEqual(['sg-1'])
  before = () => {}
  live()
  runner.resume()
  await settle()
  settled(['sg-2'], 1)
})

test('EC2’s absence leaves the wish standing until it is back', async () => {
  before = () => {
    throw new Failure('transient', 'Ec2Unreachable', 'nobody answers', { isAway: true })
  }
  want('sg-2')
  await clock.pass(600_000)
  expect(runner.waiting('a')).toMatchObject([{ row: 'eni:0', code: 'Ec2Unreachable' }])
  expect(lastStatus(holder())).toBe('RUNNING')
  before = () => {}
  await clock.pass(31_000)
  settled(['sg-2'], 1)
})
