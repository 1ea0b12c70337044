// Goal: this host never calls EC2 more often than its share of the account's buckets allows, whoever
// asks in whatever order; the urgent go first, nobody waits for ever, and waiting can be seen and
// given up. Method: the real limiter on virtual time; the property by random arrivals, with a count
// of grants as the oracle. Time moves only by the test.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  accountRate,
  BACKGROUND,
  Budget,
  launching,
  type Priority,
  releasing,
  type Turn,
} from '../../agent/budget.ts'
import { Chance, drain, LifeClock, Timeline } from '../sim/time.ts'

const never = new AbortController().signal
const step = (holderId: string) => ({ holderId, row: 'eni:0' as const })
const CREATE = 'CreateNetworkInterface'

/** A budget on time of its own. `pass` moves it. */
function rig(share: number) {
  const timeline = new Timeline()
  const clock = new LifeClock(timeline, new Chance(1))
  const start = timeline.now
  const pass = async (ms: number) => {
    const until = timeline.now + ms
    await drain()
    while ((timeline.nextAt ?? Number.POSITIVE_INFINITY) <= until) {
      timeline.step()
      await drain()
    }
    timeline.now = until
  }
  return { budget: new Budget({ clock, share }), timeline, pass, at: () => timeline.now - start }
}

// P27
test.for([
  ['CreateNetworkInterface', 100, 5],
  ['DeleteNetworkInterface', 100, 5],
  ['ModifyNetworkInterfaceAttribute', 100, 5],
  ['AttachNetworkInterface', 50, 5],
  ['DetachNetworkInterface', 50, 5],
  ['CreateTags', 100, 10],
  ['DescribeNetworkInterfaces', 100, 20],
  ['DescribeSubnets', 100, 20],
] as const)(
  'the account has for %s a burst of %i and %i a second',
  ([action, burst, perSecond]) => {
    expect(accountRate(action)).toEqual({ burst, perSecond })
  },
)

// P27
test('a tenth of the account is ten Creates at once and one every two seconds', async () => {
  const { budget, pass, at } = rig(0.1)
  const times: number[] = []
  for (let n = 0; n < 13; n++) {
    void budget.turn(CREATE, BACKGROUND, never).then(() => times.push(at()))
  }
  await pass(10_000)
  expect(times).toEqual([...Array(10).fill(0), 2_000, 4_000, 6_000])
})

test('the smallest share still has one call at once', async () => {
  const { budget, pass, at } = rig(0.01)
  const times: number[] = []
  for (let n = 0; n < 3; n++) {
    void budget.turn('AttachNetworkInterface', BACKGROUND, never).then(() => times.push(at()))
  }
  await pass(60_000)
  expect(times).toEqual([0, 20_000, 40_000])
})

// P488
test('a call that may be in vain is made while half of the burst is there, and EC2 throttles nobody', async () => {
  const { budget, pass } = rig(0.1)
  expect(budget.hasPlenty(CREATE)).toBe(true)
  for (let n = 0; n < 4; n++) await budget.turn(CREATE, BACKGROUND, never)
  expect(budget.hasPlenty(CREATE)).toBe(true)
  const turn = await budget.turn(CREATE, BACKGROUND, never)
  expect(budget.hasPlenty(CREATE)).toBe(false)
  await pass(30_000)
  expect(budget.hasPlenty(CREATE)).toBe(true)
  turn.throttled()
  await pass(40_000)
  expect(budget.hasPlenty(CREATE)).toBe(false)
  await pass(60_000)
  expect(budget.hasPlenty(CREATE)).toBe(true)
})

test('actions do not wait for each other', async () => {
  const { budget, pass } = rig(0.01)
  for (let n = 0; n < 5; n++) void budget.turn(CREATE, BACKGROUND, never)
  let isDone = false
  void budget.turn('DeleteNetworkInterface', BACKGROUND, never).then(() => {
    isDone = true
  })
  await pass(0)
  expect(isDone).toBe(true)
})

// P29
test('launch goes before release before sweep, each in the order of coming', async () => {
  const { budget, pass } = rig(0.01)
  await budget.turn(CREATE, BACKGROUND, never)
  const order: string[] = []
  const come = (priority: Priority, n: number) =>
    void budget.turn(CREATE, { priority }, never).then(() => order.push(`${priority} ${n}`))
  for (const n of [1, 2]) {
    come('sweep', n)
    come('release', n)
    come('launch', n)
  }
  await pass(200_000)
  expect(order).toEqual(['launch 1', 'launch 2', 'release 1', 'release 2', 'sweep 1', 'sweep 2'])
})

// P469
test('a spare goes behind every launch and release, and before the sweep', async () => {
  const { budget, pass } = rig(0.01)
  await budget.turn(CREATE, BACKGROUND, never)
  const order: string[] = []
  const spare = launching({ ...step('s'), spec: { kind: 'spare' } })
  const task = launching({ ...step('t'), spec: { kind: 'task' } })
  for (const [name, purpose] of [
    ['sweep', BACKGROUND],
    ['spare', spare],
    ['release', releasing(step('r'))],
    ['task', task],
  ] as const) {
    budget.turn(CREATE, purpose, never).then(() => order.push(name))
  }
  expect(budget.waiting('s')).toMatchObject([{ row: 'eni:0', verb: 'ensure' }])
  await pass(100_000)
  expect(order).toEqual(['task', 'release', 'spare', 'sweep'])
})

test('who gives up leaves the line at once and spends nothing', async () => {
  const { budget, pass } = rig(0.01)
  await budget.turn(CREATE, BACKGROUND, never)
  const controller = new AbortController()
  const given = budget.turn(CREATE, launching(step('a')), controller.signal)
  const other = budget.turn(CREATE, launching(step('b')), never)
  controller.abort()
  await expect(given).rejects.toMatchObject({ kind: 'transient', code: 'Aborted' })
  expect(budget.waiting('a')).toEqual([])
  await pass(20_000)
  await other
  await expect(budget.turn(CREATE, BACKGROUND, AbortSignal.abort())).rejects.toMatchObject({
    code: 'Aborted',
  })
})

test('a step that waits is shown with the action it waits for and until when', async () => {
  const { budget, timeline } = rig(0.01)
  await budget.turn(CREATE, BACKGROUND, never)
  void budget.turn(CREATE, releasing(step('b')), never)
  void budget.turn(CREATE, launching(step('a')), never)
  expect(budget.waiting('a')).toEqual([
    {
      row: 'eni:0',
      verb: 'ensure',
      attempt: 1,
      code: 'Ec2BudgetSpent',
      reason: expect.stringMatching(
        /^waiting for the EC2 budget of CreateNetworkInterface \(0\.05 calls\/s\)\. .*ec2Share/,
      ),
      nextTryAt: timeline.now + 20_000,
    },
  ])
  expect(budget.waiting('b')).toMatchObject([{ verb: 'release', nextTryAt: timeline.now + 40_000 }])
  expect(budget.view()).toEqual({
    share: 0.01,
    actions: [
      {
        action: CREATE,
        share: 0.01,
        burst: 1,
        perSecond: 0.05,
        tokens: 0,
        waiting: 2,
        throttled: 0,
      },
    ],
  })
})

// P30
test('a throttle empties the bucket and halves its share, and a minute gives it back', async () => {
  const { budget, pass } = rig(0.1)
  const share = () => budget.view().actions[0]?.share
  const turns = await Promise.all([1, 2, 3].map(() => budget.turn(CREATE, BACKGROUND, never)))
  for (const turn of turns) turn.throttled()
  expect(budget.view().actions[0]).toMatchObject({ share: 0.05, tokens: 0, throttled: 3 })

  let later: Turn | undefined
  void budget.turn(CREATE, BACKGROUND, never).then((turn) => {
    later = turn
  })
  await pass(3_999)
  expect(later).toBeUndefined()
  await pass(1)
  later?.throttled()
  expect(share()).toBeLessThan(0.03)
  await pass(12_000)
  expect(share()).toBeLessThan(0.05)
  await pass(48_000)
  expect(share()).toBe(0.1)
})

// P30
test('however often EC2 throttles, a sixteenth of the share is left', async () => {
  const { budget, pass } = rig(1)
  for (let n = 0; n < 20; n++) {
    void budget.turn(CREATE, BACKGROUND, never).then((turn) => turn.throttled())
    await pass(5_000)
  }
  expect(budget.view().actions[0]?.share).toBeGreaterThanOrEqual(1 / 16)
  expect(budget.view().actions[0]?.throttled).toBeGreaterThan(10)
})

// P36
test('with every second call throttled by others, a call waits no longer than ten seconds', async () => {
  const { budget, pass, at } = rig(0.1)
  let throttledNext = false
  let before = at()
  let longest = 0
  for (let done = 0; done < 60; ) {
    void budget.turn(CREATE, BACKGROUND, never).then((turn) => {
      if (throttledNext) turn.throttled()
      throttledNext = !throttledNext
      longest = Math.max(longest, at() - before)
      before = at()
      done++
    })
    const asked = done
    while (done === asked) await pass(250)
  }
  expect(longest).toBeLessThan(10_000)
})

// P85
test.for([-3_600_000, 3_600_000])(
  'a clock that jumps by %i ms takes nothing and gives nothing',
  async (ms) => {
    const { budget, timeline, pass, at } = rig(0.1)
    for (let n = 0; n < 10; n++) await budget.turn(CREATE, BACKGROUND, never)
    timeline.skewMs = ms
    const times: number[] = []
    void budget.turn(CREATE, BACKGROUND, never).then(() => times.push(at()))
    await pass(1_999)
    expect(times).toEqual([])
    await pass(1)
    expect(times).toEqual([2_000])
  },
)

const priorities = fc.constantFrom<Priority>('launch', 'release', 'sweep')
const arrivals = fc.array(
  fc.record({
    afterMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 4_000 })),
    priority: priorities,
    isThrottled: fc.boolean(),
    givesUpAfterMs: fc.option(fc.integer({ min: 0, max: 20_000 }), { nil: undefined }),
  }),
  { minLength: 1, maxLength: 60 },
)
const shares = fc.oneof(
  fc.constantFrom(0.01, 0.1, 1),
  fc.double({ min: 0.01, max: 1, noNaN: true }),
)

// P28
test('over any window there are never more calls than the bucket holds and gets', async () => {
  await fc.assert(
    fc.asyncProperty(
      shares,
      fc.constantFrom(CREATE, 'AttachNetworkInterface', 'DescribeSubnets'),
      fc.boolean(),
      arrivals,
      async (share, action, mayThrottle, all) => {
        const { budget, timeline, pass, at } = rig(share)
        const grants: number[] = []
        let open = 0
        for (const { afterMs, priority, isThrottled, givesUpAfterMs } of all) {
          await pass(afterMs)
          const controller = new AbortController()
          if (givesUpAfterMs !== undefined) {
            timeline.after(givesUpAfterMs, () => controller.abort())
          }
          open++
          void budget
            .turn(action, { priority }, controller.signal)
            .then((turn) => {
              grants.push(at())
              if (mayThrottle && isThrottled) turn.throttled()
            })
            .catch(() => {})
            .finally(() => open--)
        }
        // The slowest: every call throttled, the share at its floor.
        const { burst, perSecond } = accountRate(action)
        await pass((all.length * 16 * 1000) / (perSecond * share) + 20_000)
        expect(open, 'nobody waits for ever').toBe(0)

        const burstMax = Math.max(1, burst * share)
        for (const [first, from] of grants.entries()) {
          for (const [last, to] of grants.entries()) {
            if (last < first) continue
            const most = burstMax + (perSecond * share * (to - from)) / 1000 + 1e-6
            expect(last - first + 1).toBeLessThanOrEqual(most)
          }
        }
      },
    ),
    { numRuns: 200 },
  )
})
