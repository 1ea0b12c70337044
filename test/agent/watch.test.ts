// Goal: what is seen of a running task becomes the right event, once, and never one about a task
// that has nothing to lose. Method: a journal in memory, Docker and the kernel played by hand.

import Sqlite from 'better-sqlite3'
import { beforeEach, describe, expect, test } from 'vitest'
import type { ContainerEvent } from '../../agent/drivers/container-events.ts'
import { KernelError } from '../../agent/drivers/kernel/kernel-error.ts'
import type { Difference } from '../../agent/drivers/kernel/link.ts'
import type { Host } from '../../agent/orders.ts'
import { eventOf, LINK_CHECK_MS, watchLinks } from '../../agent/watch.ts'
import { Journal } from '../../state/journal.ts'
import { MIGRATIONS } from '../../state/migrations.ts'
import type { Event } from '../../state/task.ts'
import { nextSteps } from '../../state/task.ts'
import { spec } from '../state/specs.ts'
import { StillClock } from './world.ts'

let journal: Journal
let clock: StillClock
const eni = {
  mac: '02:00:00:00:00:01',
  ipv4: '10.0.0.5',
  ipv4PrefixLength: 24,
  ipv4Gateway: '10.0.0.1',
}
const details = {
  'eni:0': eni,
  sandbox: { containerId: 'p', netns: '/run/x' },
  'link:0': { mtu: 9001 },
}

beforeEach(() => {
  const db = new Sqlite(':memory:')
  for (const statements of MIGRATIONS) db.exec(statements)
  clock = new StillClock()
  journal = new Journal(db, clock.now)
  journal.begin('a', spec())
})

function climb(): void {
  for (let turn = 0; turn < 10; turn++) {
    const step = nextSteps(journal.get('a')?.holder ?? expect.fail('gone'))[0]
    if (step === undefined) return
    journal.append('a', { type: 'began', verb: step.verb, row: step.row })
    const known = details[step.row as keyof typeof details] ?? {}
    journal.append('a', { type: 'done', verb: step.verb, row: step.row, details: known })
  }
}

const say = (row: 'sandbox' | 'container:web' | 'image:web', rest: object): Event | undefined =>
  eventOf(journal, { containerId: 'c', holderId: 'a', row, ...rest } as ContainerEvent)
const stop: Event = { type: 'stopAsked', stop: { code: 'UserInitiated', reason: '' } }

describe('what Docker tells', () => {
  test('a dead or removed pause is lost, unless the task is to stop anyway', () => {
    climb()
    expect(say('sandbox', { what: 'die', exitCode: 0 })).toMatchObject({
      type: 'lost',
      row: 'sandbox',
    })
    expect(say('sandbox', { what: 'destroy' })).toMatchObject({ type: 'lost', row: 'sandbox' })
    expect(say('sandbox', { what: 'start' })).toBeUndefined()
    journal.append('a', stop)
    expect(say('sandbox', { what: 'die', exitCode: 0 })).toBeUndefined()
  })

  test('an exit is news once, also while stopping; health whenever it changes', () => {
    climb()
    const exited = say('container:web', { what: 'die', exitCode: 9 })
    expect(exited).toEqual({ type: 'exited', container: 'web', exitCode: 9 })
    const healthy = say('container:web', { what: 'health', healthy: true })
    expect(healthy).toEqual({ type: 'healthSeen', container: 'web', healthy: true })
    if (exited) journal.append('a', exited)
    if (healthy) journal.append('a', healthy)
    expect(say('container:web', { what: 'die', exitCode: 9 })).toBeUndefined()
    expect(say('container:web', { what: 'health', healthy: true })).toBeUndefined()
    expect(say('container:web', { what: 'health', healthy: false })).toBeDefined()
  })

  test('a container removed behind our back counts as killed while the task runs', () => {
    climb()
    const killed = { type: 'exited', container: 'web', exitCode: 137 }
    expect(say('container:web', { what: 'destroy' })).toEqual(killed)
    journal.append('a', stop)
    expect(say('container:web', { what: 'destroy' })).toBeUndefined()
  })

  test('of what is not held, of other rows and of strangers there is no news', () => {
    expect(say('sandbox', { what: 'die', exitCode: 0 })).toBeUndefined()
    climb()
    expect(say('image:web', { what: 'die', exitCode: 0 })).toBeUndefined()
    const stranger = { containerId: 'c', holderId: 'z', row: 'sandbox', what: 'destroy' } as const
    expect(eventOf(journal, stranger)).toBeUndefined()
  })
})

describe('the links of running tasks', () => {
  let told: Event[]
  let looks: number
  const watch = (verify: () => Difference[], onHost = false) => {
    told = []
    looks = 0
    return watchLinks({
      journal,
      kernel: {
        verify: async () => {
          looks += 1
          return verify()
        },
        findLink: async () => (onHost ? { ifindex: 5, name: 'ens5' } : undefined),
      },
      host: { instanceId: 'i-1' } as Host,
      clock,
      tell: (_, event) => told.push(event),
      onDefect: (error) => expect.fail(String(error)),
    })
  }

  test('are looked at every ten seconds, and one that stands as it should is no news', async () => {
    climb()
    const end = watch(() => [])
    await clock.pass(3 * LINK_CHECK_MS)
    expect(looks).toBe(3)
    expect(told).toEqual([])
    end()
    await clock.pass(3 * LINK_CHECK_MS)
    expect(looks).toBe(3)
  })

  test('are not looked at before the task ran, nor once it is to stop', async () => {
    const end = watch(() => [])
    await clock.pass(LINK_CHECK_MS)
    climb()
    journal.append('a', stop)
    await clock.pass(LINK_CHECK_MS)
    expect(looks).toBe(0)
    end()
  })

  test('are doubted when they differ, with what was expected and seen', async () => {
    climb()
    const end = watch(() => [{ what: 'mtu', expected: '9001', seen: '1500' }])
    await clock.pass(LINK_CHECK_MS)
    expect(told).toEqual([{ type: 'doubted', row: 'link:0', why: 'mtu: 9001, seen 1500' }])
    end()
  })

  test('are lost when the card is nowhere, and doubted when it is back on the host', async () => {
    climb()
    const gone: Difference = { what: 'mac', expected: eni.mac, seen: 'no link with this MAC' }
    const first = watch(() => [gone])
    await clock.pass(LINK_CHECK_MS)
    expect(told).toMatchObject([{ type: 'lost', row: 'link:0', cause: { code: 'LinkGone' } }])
    first()
    const second = watch(() => [gone], true)
    await clock.pass(LINK_CHECK_MS)
    expect(told).toMatchObject([{ type: 'doubted' }])
    second()
  })

  test('are doubted when they cannot be looked at', async () => {
    climb()
    const end = watch(() => {
      throw new KernelError({ errno: 'EINVAL', what: 'not a namespace' })
    })
    await clock.pass(LINK_CHECK_MS)
    expect(told).toMatchObject([{ type: 'doubted', why: 'EINVAL: not a namespace' }])
    end()
  })
})
