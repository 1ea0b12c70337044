// Goal: a running task's link that is not as it should be becomes one doubt, soon after the kernel
// told of a change and every ten seconds otherwise; a card that is gone is lost; and nobody who
// changes things all the time gets more out of it. Method: a journal in memory, a clock that stands
// still, the kernel played by hand.

import { beforeEach, describe, expect, test } from 'vitest'
import { DOUBTS, LINK_CHECK_MS, PACE_MS, SETTLE_MS, watchLinks } from '../../agent/drift.ts'
import { KernelError } from '../../agent/drivers/kernel/kernel-error.ts'
import type { Difference } from '../../agent/drivers/kernel/link.ts'
import type { Host } from '../../agent/orders.ts'
import type { Journal } from '../../state/journal.ts'
import type { Event } from '../../state/task.ts'
import { spec } from '../state/specs.ts'
import { memory, settleHolder } from './journals.ts'
import { StillClock } from './world.ts'

let journal: Journal
let clock: StillClock
let told: { id: string; event: Event; at: number }[]
let looks: { netns: string; at: number }[]
let change: (netns: string) => void
/** What the kernel shows of every link. */
let seen: () => Difference[]
/** Where the card is. */
let inside: boolean
let onHost: boolean
let end: () => void

const mtu: Difference = { what: 'mtu', expected: '9001', seen: '1500' }
const gone: Difference = { what: 'mac', expected: '02:01', seen: 'no link with this MAC' }
const stop: Event = { type: 'stopAsked', stop: { code: 'UserInitiated', reason: '' } }

const climb = (id: string) =>
  settleHolder(journal, id, {
    'eni:0': {
      details: { mac: `02:${id}`, ipv4: '10.0.0.5', ipv4PrefixLength: 24, ipv4Gateway: '10.0.0.1' },
    },
    sandbox: { details: { containerId: 'p', netns: `/run/${id}` } },
    'link:0': { details: { mtu: 9001 } },
  })

beforeEach(() => {
  clock = new StillClock()
  journal = memory(clock.now).journal
  journal.begin('a', spec())
  journal.begin('b', spec())
  told = []
  looks = []
  seen = () => []
  inside = false
  onHost = false
  change = () => expect.fail('nobody listens')
})

/** Begins to watch; `tell` is what becomes of an event beside being kept. */
function watch(tell: (id: string, event: Event) => void = () => {}): void {
  const begun = clock.now()
  end = watchLinks({
    journal,
    kernel: {
      verify: async ({ netns }) => {
        looks.push({ netns, at: clock.now() - begun })
        return seen()
      },
      findLink: async (_, netns) =>
        (netns === undefined ? onHost : inside) ? { ifindex: 5, name: 'ens5' } : undefined,
      onChange: (listener) => {
        change = listener
        return () => {
          change = () => {}
        }
      },
    },
    host: { instanceId: 'i-1' } as Host,
    clock,
    tell: (id, event) => {
      told.push({ id, event, at: clock.now() - begun })
      tell(id, event)
    },
    onDefect: (error) => expect.fail(String(error)),
  })
}

/** What the runner makes of a doubt: the link is ensured again, which the kernel tells of, too. */
function mend(id: string, event: Event): void {
  journal.append(id, event)
  climb(id)
  change(`/run/${id}`)
}

const events = () => told.map(({ event }) => event)
const times = () => looks.map(({ at }) => at)

describe('without a word of the kernel', () => {
  // P487
  test('of a hundred links two a second are looked at', async () => {
    for (let n = 0; n < 98; n++) journal.begin(`t${n}`, spec())
    for (const { id } of journal.living()) climb(id)
    watch()
    await clock.pass(49_999)
    expect(looks).toHaveLength(0)
    await clock.pass(1)
    expect(looks).toHaveLength(100)
    await clock.pass(50_000)
    expect(looks).toHaveLength(200)
  })

  // P60
  test('links are looked at every ten seconds, and one that stands as it should is no news', async () => {
    climb('a')
    watch()
    await clock.pass(3 * LINK_CHECK_MS)
    expect(times()).toEqual([1, 2, 3].map((n) => n * LINK_CHECK_MS))
    expect(told).toEqual([])
    end()
    await clock.pass(3 * LINK_CHECK_MS)
    expect(looks).toHaveLength(3)
  })

  test('they are not looked at before the task ran, nor once it is to stop', async () => {
    watch()
    await clock.pass(LINK_CHECK_MS)
    climb('a')
    journal.append('a', stop)
    await clock.pass(LINK_CHECK_MS)
    expect(looks).toEqual([])
  })

  // P60
  test('they are doubted when they differ, with what was expected and seen', async () => {
    climb('a')
    watch()
    seen = () => [mtu]
    await clock.pass(LINK_CHECK_MS)
    expect(events()).toEqual([{ type: 'doubted', row: 'link:0', why: 'mtu: 9001, seen 1500' }])
  })

  test('they are doubted when they cannot be looked at', async () => {
    climb('a')
    watch()
    seen = () => {
      throw new KernelError({ errno: 'EINVAL', what: 'not a namespace' })
    }
    await clock.pass(LINK_CHECK_MS)
    expect(events()).toMatchObject([{ type: 'doubted', why: 'EINVAL: not a namespace' }])
  })
})

describe('a card that is not in its task', () => {
  beforeEach(() => {
    climb('a')
    watch()
    seen = () => [gone]
  })

  // P68
  test('and nowhere else is lost, with cause and remedy, within a second of the event', async () => {
    change('/run/a')
    await clock.pass(700)
    expect(events()).toMatchObject([{ type: 'lost', row: 'link:0', cause: { code: 'LinkGone' } }])
    const message = expect.stringMatching(
      /card is gone from the host.*detached.*run the task again/,
    )
    expect(events()).toMatchObject([{ cause: { message } }])
  })

  test('but on the host is doubted: it is taken in again', async () => {
    onHost = true
    change('/run/a')
    await clock.pass(SETTLE_MS)
    expect(events()).toMatchObject([{ type: 'doubted', row: 'link:0' }])
  })

  test('because it is on its way, or plugged in anew after half a second, is not lost', async () => {
    change('/run/a')
    await clock.pass(SETTLE_MS + 500)
    onHost = true
    await clock.pass(500)
    expect(events()).toMatchObject([{ type: 'doubted' }])
  })
})

describe('what the kernel tells', () => {
  test('makes the links of that task be looked at soon, once, and nobody else’s', async () => {
    climb('a')
    climb('b')
    watch()
    for (let i = 0; i < 5; i++) change('/run/a')
    await clock.pass(SETTLE_MS)
    expect(looks).toEqual([{ netns: '/run/a', at: SETTLE_MS }])
    expect(told).toEqual([])
  })

  test('of a namespace that no task has is nothing', async () => {
    climb('a')
    watch()
    change('/run/z')
    await clock.pass(1_000)
    expect(looks).toEqual([])
  })

  test('of our own mending ends in one more look that finds nothing', async () => {
    climb('a')
    const found = [[mtu]]
    seen = () => found.shift() ?? []
    watch(mend)
    change('/run/a')
    await clock.pass(LINK_CHECK_MS - 1)
    expect(events()).toMatchObject([{ type: 'doubted' }])
    expect(times()).toEqual([SETTLE_MS, SETTLE_MS + PACE_MS])
  })

  test('while a link is being mended is looked into after that', async () => {
    climb('a')
    watch()
    journal.append('a', { type: 'doubted', row: 'link:0', why: 'somebody else' })
    seen = () => [mtu]
    change('/run/a')
    await clock.pass(2_000)
    expect(looks).toEqual([])
    climb('a')
    await clock.pass(PACE_MS)
    expect(events()).toMatchObject([{ type: 'doubted' }])
  })

  test('while a task starts is looked into once it runs, and not once it is to stop', async () => {
    journal.append('a', { type: 'began', verb: 'ensure', row: 'eni:0', choice: 'subnet-a' })
    watch()
    climbToSandbox()
    change('/run/a')
    await clock.pass(2_000)
    expect(looks).toEqual([])
    climb('a')
    await clock.pass(PACE_MS)
    expect(looks).toHaveLength(1)

    journal.append('a', stop)
    change('/run/a')
    await clock.pass(2_000)
    expect(looks).toHaveLength(1)
  })

  test('after the end is nothing, and neither is what was to be looked at', async () => {
    climb('a')
    watch()
    change('/run/a')
    end()
    change('/run/a')
    await clock.pass(1_000)
    expect(looks).toEqual([])
  })
})

describe('somebody who undoes it again and again', () => {
  /** The links of the tasks differ whenever they are looked at, and the kernel tells all the time. */
  async function fight(ms: number): Promise<void> {
    climb('a')
    seen = () => [mtu]
    watch(mend)
    for (let passed = 0; passed < ms; passed += 50) {
      change('/run/a')
      await clock.pass(50)
    }
  }

  // P67
  test('is answered at once, and then twice a second at most', async () => {
    await fight(5_000)
    const at = told.map((each) => each.at)
    expect(at[0]).toBe(SETTLE_MS)
    const pauses = at.slice(1).map((time, i) => time - (at[i] ?? 0))
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(PACE_MS)
    expect(at.length).toBe(1 + Math.floor((5_000 - SETTLE_MS) / PACE_MS))
  })

  // P67
  test('gets no more than a look and a doubt of the round in ten seconds in the long run', async () => {
    await fight(120_000)
    // Of what was heard, and of the round.
    const most = DOUBTS.burst + 2 * (120_000 / LINK_CHECK_MS) + 2
    expect(told.length).toBeLessThanOrEqual(most)
    expect(looks.length).toBeLessThanOrEqual(most + 120_000 / LINK_CHECK_MS)
    // And is still answered.
    expect(told.filter(({ at }) => at > 100_000).length).toBeGreaterThanOrEqual(2)
  })

  test('is answered at once again after a quiet while', async () => {
    await fight(60_000)
    seen = () => []
    await clock.pass(300_000)
    seen = () => [mtu]
    const before = clock.now()
    told.length = 0
    change('/run/a')
    await clock.pass(SETTLE_MS)
    expect(told).toHaveLength(1)
    expect(clock.now() - before).toBe(SETTLE_MS)
  })
})

/** The sandbox of `a` is there, its link is not. */
function climbToSandbox(): void {
  journal.append('a', { type: 'done', verb: 'ensure', row: 'eni:0', details: {} })
  journal.append('a', { type: 'began', verb: 'ensure', row: 'sandbox' })
  const details = { containerId: 'p', netns: '/run/a' }
  journal.append('a', { type: 'done', verb: 'ensure', row: 'sandbox', details })
}
