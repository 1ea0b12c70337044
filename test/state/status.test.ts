// Goal: the words that outsiders read follow from what is held. Method: one task walked up and
// down, every status read on the way; then the exceptions.

import { describe, expect, test } from 'vitest'
import { chooseSubnet, clientToken, freeDeviceIndex } from '../../state/allocation.ts'
import { consequence } from '../../state/exits.ts'
import { nameServersOf } from '../../state/name-servers.ts'
import { attachmentStatus, containerStatus, lastStatus } from '../../state/status.ts'
import type { Event, Exit, Holder, RowId, Stop } from '../../state/task.ts'
import { learn, newHolder, nextSteps } from '../../state/task.ts'
import { changes, newTimeline, note } from '../../state/timeline.ts'
import { container, spec } from './specs.ts'

const stopAsked: Event = { type: 'stopAsked', stop: { code: 'UserInitiated', reason: '' } }

function step(h: Holder, row: RowId, verb: 'ensure' | 'release' = 'ensure'): Holder {
  return learn(learn(h, { type: 'began', verb, row }), { type: 'done', verb, row })
}
const up = (...rows: RowId[]) => rows.reduce((h, row) => step(h, row), newHolder(spec()))
const UP: RowId[] = ['eni:0', 'image:web', 'attachment:0', 'sandbox', 'link:0', 'container:web']
const running = up(...UP)
const read = (h: Holder) =>
  `${lastStatus(h)} ${attachmentStatus(h, 0)} ${containerStatus(h, 'web')}`

describe('status', () => {
  test('on the way up', () => {
    const on = (h: Holder, row: RowId) => learn(h, { type: 'began', verb: 'ensure', row })
    expect(read(newHolder(spec()))).toBe('PROVISIONING PRECREATED PENDING')
    expect(read(up('eni:0'))).toBe('PROVISIONING CREATED PENDING')
    expect(read(on(up('eni:0'), 'attachment:0'))).toBe('PROVISIONING ATTACHING PENDING')
    expect(read(up('eni:0', 'attachment:0'))).toBe('PENDING ATTACHED PENDING')
    expect(read(up(...UP.slice(0, 5)))).toBe('ACTIVATING ATTACHED PENDING')
    expect(read(running)).toBe('RUNNING ATTACHED RUNNING')
  })

  // P9
  test('RUNNING is not taken back by a doubt, only by desired', () => {
    let h = running
    for (const row of UP) h = learn(h, { type: 'doubted', row, why: 'restart' })
    expect(read(h)).toBe('RUNNING ATTACHED RUNNING')
    expect(lastStatus(learn(h, stopAsked))).toBe('STOPPING')
  })

  test('on the way down', () => {
    let h = learn(running, stopAsked)
    expect(read(h)).toBe('DEACTIVATING DETACHING RUNNING')
    h = learn(h, { type: 'began', verb: 'release', row: 'container:web' })
    expect(read(h)).toBe('STOPPING DETACHING RUNNING')
    h = learn(h, { type: 'done', verb: 'release', row: 'container:web' })
    expect(read(h)).toBe('DEPROVISIONING DETACHING STOPPED')
    for (const row of ['link:0', 'image:web', 'attachment:0', 'sandbox'] as const) {
      h = step(h, row, 'release')
    }
    expect(read(h)).toBe('DEPROVISIONING DETACHING STOPPED')
    expect(read(step(h, 'eni:0', 'release'))).toBe('STOPPED DELETED STOPPED')
  })

  test('a task that never had anything is STOPPED as soon as it is to stop', () => {
    expect(read(learn(newHolder(spec()), stopAsked))).toBe('STOPPED DELETED STOPPED')
  })

  test('one of two ENIs attached is not attached, one of two containers runs by itself', () => {
    const eni = { subnetIds: [], securityGroupIds: [], tags: {} }
    const made = spec({
      enis: [eni, eni],
      containers: [container('web', { db: 'HEALTHY' }), container('db')],
    })
    const climb = (...rows: RowId[]) => rows.reduce((h, row) => step(h, row), newHolder(made))
    const half = climb('eni:0', 'eni:1', 'sandbox', 'attachment:0', 'link:0')
    expect(lastStatus(half)).toBe('PROVISIONING')
    expect(lastStatus(step(half, 'attachment:1'))).toBe('PENDING')
    const db = ['attachment:1', 'link:1', 'image:db', 'image:web', 'container:db'] as const
    const waiting = db.reduce((h, row) => step(h, row), half)
    expect(lastStatus(waiting)).toBe('ACTIVATING')
    expect(containerStatus(waiting, 'db')).toBe('RUNNING')
    expect(containerStatus(waiting, 'web')).toBe('PENDING')
  })

  test('a container that exited is STOPPED while its task still runs', () => {
    expect(
      containerStatus(learn(running, { type: 'exited', container: 'web', exitCode: 0 }), 'web'),
    ).toBe('STOPPED')
  })
})

/** Why it is to stop, if that is what follows. */
function stopOf(h: Holder): Stop | undefined {
  const event = consequence(h)
  return event?.type === 'stopAsked' ? event.stop : undefined
}

describe('what follows from an exit', () => {
  const of = (h: Holder) => stopOf(h)?.reason
  const exited = (exitCode: number) =>
    learn(running, { type: 'exited', container: 'web', exitCode })
  const pair = (condition: 'SUCCESS' | 'HEALTHY' | 'COMPLETE' | 'START') =>
    newHolder(
      spec({
        containers: [container('a', { b: condition }), container('b', {}, { essential: false })],
      }),
    )
  const b = (h: Holder, exitCode: number) => learn(h, { type: 'exited', container: 'b', exitCode })

  test('nothing follows from nothing', () => expect(stopOf(running)).toBeUndefined())

  test('an essential container takes its task along, whatever its exit code', () => {
    expect(of(exited(0))).toBe('Essential container in task exited: web (exit code 0)')
    expect(stopOf(exited(3))).toEqual({
      code: 'EssentialContainerExited',
      reason: 'Essential container in task exited: web (exit code 3)',
    })
    expect(stopOf(learn(exited(3), stopAsked))).toBeUndefined()
  })

  test('a waiter that waits is no reason to stop', () => {
    for (const condition of ['SUCCESS', 'HEALTHY', 'COMPLETE', 'START'] as const) {
      expect(stopOf(pair(condition))).toBeUndefined()
    }
  })

  // P441
  test('an essential container that fails its health checks does not take its task along', () => {
    const sick = learn(running, { type: 'healthSeen', container: 'web', healthy: false })
    expect(stopOf(sick)).toBeUndefined()
  })

  // P442
  test('one that was killed over its memory says so', () => {
    const exit = { exitCode: 137, exitId: 'a', outOfMemory: true } as const
    expect(of(learn(running, { type: 'exited', container: 'web', ...exit }))).toBe(
      'Essential container in task exited: web (exit code 137, OutOfMemoryError: Container killed ' +
        'due to memory usage)',
    )
  })

  test('a waiter that can never start stops the task, and says whom it waited for', () => {
    expect(of(b(pair('SUCCESS'), 1))).toBe(
      'TaskDependencyError: container a waits for b to be SUCCESS, which can no longer happen ' +
        '(exit code 1)',
    )
    expect(stopOf(b(pair('SUCCESS'), 0))).toBeUndefined()
    expect(stopOf(b(pair('COMPLETE'), 1))).toBeUndefined()
    expect(stopOf(b(pair('START'), 1))).toBeUndefined()
    expect(stopOf(b(pair('HEALTHY'), 0))?.code).toBe('TaskFailedToStart')
    const sick = learn(pair('HEALTHY'), { type: 'healthSeen', container: 'b', healthy: false })
    expect(of(sick)).toContain('(healthy: false)')
  })

  test('a waiter that has started waits for nobody any more', () => {
    let h = pair('HEALTHY')
    for (let turn = 0; turn < 20; turn++) {
      const next = nextSteps(h)[0]
      if (next === undefined) h = learn(h, { type: 'healthSeen', container: 'b', healthy: true })
      else h = step(h, next.row)
    }
    expect(h.ran).toBe(true)
    expect(stopOf(b(h, 1))).toBeUndefined()
  })
})

describe('a container with a restart policy', () => {
  const restart = { ignoredExitCodes: [0, 42], attemptPeriodMs: 60_000 }
  const held = (h: Holder): Holder => {
    const next = nextSteps(h)[0]
    return next === undefined ? h : held(step(h, next.row))
  }
  const kept = held(newHolder(spec({ containers: [container('web', {}, { restart })] })))
  const exit: Exit = { exitCode: 1, exitId: 'first', ranMs: 60_000 }
  const exited = (change: Partial<Exit> = {}, h = kept) =>
    learn(h, { type: 'exited', container: 'web', ...exit, ...change })
  const asked: Event = { type: 'restartAsked', container: 'web', exitId: 'first' }
  const restarted = learn(exited(), asked)

  // P70
  test('is started again when it ran for its attempt period, essential or not', () => {
    expect(consequence(exited())).toEqual(asked)
    const aside = { essential: false, restart }
    const two = held(newHolder(spec({ containers: [container('a'), container('web', {}, aside)] })))
    expect(consequence(exited({}, two))).toEqual(asked)
    expect(consequence(exited({ ranMs: 59_999 }, two))).toBeUndefined()
  })

  test.each<[string, Partial<Exit>]>([
    ['ended too soon', { ranMs: 59_999 }],
    ['ended with a code that is ignored', { exitCode: 42 }],
    ['ended before a clock that went back', { ranMs: -1 }],
  ])('is not started again when it %s: an essential one stops its task', (_why, change) => {
    expect(consequence(exited(change))).toMatchObject({
      type: 'stopAsked',
      stop: { code: 'EssentialContainerExited' },
    })
  })

  test('is not started again when nobody can tell which exit it was, as in old journals', () => {
    const old = learn(kept, { type: 'exited', container: 'web', exitCode: 1 })
    expect(consequence(old)?.type).toBe('stopAsked')
    const nameless = learn(kept, { type: 'exited', container: 'web', exitCode: 1, ranMs: 9e9 })
    expect(consequence(nameless)?.type).toBe('stopAsked')
  })

  test('is not started again without a policy, nor once its task is to stop', () => {
    expect(consequence(exited({}, running))?.type).toBe('stopAsked')
    const stopped = learn(exited(), stopAsked)
    expect(consequence(stopped)).toBeUndefined()
    expect(learn(stopped, asked)).toBe(stopped)
  })

  test('waits with it while a step may be at work on its row', () => {
    const doubted = learn(kept, { type: 'doubted', row: 'container:web', why: 'looked' })
    expect(consequence(exited({}, doubted))).toBeUndefined()
    expect(consequence(step(exited({}, doubted), 'container:web'))).toEqual(asked)
  })

  test('is made sure of again, and its task stays RUNNING with it', () => {
    expect(nextSteps(restarted)).toEqual([{ verb: 'ensure', row: 'container:web', again: true }])
    expect(restarted.facts.web).toEqual({ restartCount: 1, answeredExitId: 'first' })
    expect(consequence(restarted)).toBeUndefined()
    const back = step(restarted, 'container:web')
    for (const h of [exited(), restarted, back]) expect(lastStatus(h)).toBe('RUNNING')
    for (const h of [restarted, back]) expect(containerStatus(h, 'web')).toBe('RUNNING')
  })

  test('answers each exit once, however often it is told; the next one is another', () => {
    const back = step(restarted, 'container:web')
    expect(exited({}, back)).toBe(back)
    expect(learn(back, asked)).toBe(back)
    const second = { ...asked, exitId: 'second' }
    const again = exited({ exitId: 'second' }, back)
    expect(consequence(again)).toEqual(second)
    expect(learn(again, second).facts.web?.restartCount).toBe(2)
  })

  test('begins its health anew, and an unhealthy one that has ended is started again', () => {
    const sick = learn(kept, { type: 'healthSeen', container: 'web', healthy: false })
    expect(consequence(sick)).toBeUndefined()
    expect(consequence(exited({}, sick))).toEqual(asked)
    expect(learn(exited({}, sick), asked).facts.web).not.toHaveProperty('healthy')
  })

  describe('for which another one waits', () => {
    const pair = (condition: 'SUCCESS' | 'COMPLETE' | 'HEALTHY') =>
      held(
        newHolder(
          spec({
            containers: [
              container('a', { web: condition }),
              container('web', {}, { essential: false, restart }),
            ],
          }),
        ),
      )

    test.each(['SUCCESS', 'COMPLETE', 'HEALTHY'] as const)(
      'holds it back through a restart (%s), and a failure is none before the last exit',
      (condition) => {
        const h = exited({}, pair(condition))
        expect(consequence(h)).toEqual(asked)
        const back = step(learn(h, asked), 'container:web')
        expect(nextSteps(back)).toEqual([])
        expect(consequence(back)).toBeUndefined()
        const last = exited({ exitId: 'second', ranMs: 1 }, back)
        if (condition === 'COMPLETE') expect(nextSteps(last)[0]?.row).toBe('container:a')
        else expect(consequence(last)?.type).toBe('stopAsked')
      },
    )

    test('does not hold it back once it has started', () => {
      let h = pair('HEALTHY')
      h = held(learn(h, { type: 'healthSeen', container: 'web', healthy: true }))
      h = step(learn(exited({}, h), asked), 'container:web')
      expect(h.facts.web?.healthy).toBeUndefined()
      const doubted = learn(h, { type: 'doubted', row: 'container:a', why: 'the agent started' })
      expect(nextSteps(doubted)).toEqual([{ verb: 'ensure', row: 'container:a', again: true }])
    })
  })
})

describe('allocation', () => {
  const subnet = (subnetId: string, availabilityZone: string, freeAddressCount: number) => ({
    subnetId,
    availabilityZone,
    freeAddressCount,
  })
  const all = [
    subnet('a', 'z1', 5),
    subnet('b', 'z1', 9),
    subnet('c', 'z2', 99),
    subnet('d', 'z1', 0),
  ]

  test('takes the subnet of the zone with most free addresses that was not struck', () => {
    expect(chooseSubnet(all, 'z1', [])).toBe('b')
    expect(chooseSubnet(all, 'z1', ['b'])).toBe('a')
    expect(chooseSubnet(all, 'z1', ['a', 'b'])).toBeUndefined()
    expect(chooseSubnet(all, 'z3', [])).toBeUndefined()
  })

  // P542
  test('a task of IPv6 alone gets the name servers that it can reach', () => {
    const ofVpc = ['10.0.0.2', '2001:db8::53']
    expect(nameServersOf(ofVpc, {})).toEqual(['2001:db8::53'])
    expect(nameServersOf(['10.0.0.2'], {})).toEqual(['fd00:ec2::253'])
    expect(nameServersOf(ofVpc, { ipv4: '10.0.0.5' })).toEqual(ofVpc)
  })

  // P540
  test('takes a subnet of IPv6 alone when no other has an address', () => {
    const six = subnet('six', 'z1', Number.POSITIVE_INFINITY)
    expect(chooseSubnet([six, ...all], 'z1', [])).toBe('b')
    expect(chooseSubnet([six, ...all], 'z1', ['b', 'a'])).toBe('six')
    expect(chooseSubnet([six], 'z1', ['six'])).toBeUndefined()
  })

  test('takes the smallest free device index, never 0, never a taken or struck one', () => {
    expect(freeDeviceIndex(4, new Set([0]), [])).toBe(1)
    expect(freeDeviceIndex(4, new Set([1]), [])).toBe(2)
    expect(freeDeviceIndex(4, new Set([1]), ['2'])).toBe(3)
    expect(freeDeviceIndex(4, new Set([1, 2, 3]), [])).toBeUndefined()
    expect(freeDeviceIndex(1, new Set(), [])).toBeUndefined()
  })

  test('a client token is the same for the same choice, another after a strike, and fits', () => {
    const id = 'f'.repeat(32)
    expect(clientToken(id, 'eni:0', 0)).toBe(`enid-${id}-eni-0-0`)
    expect(clientToken(id, 'eni:0', 1)).not.toBe(clientToken(id, 'eni:0', 0))
    expect(clientToken(id, 'attachment:15', 99).length).toBeLessThanOrEqual(64)
  })
})

describe('the timeline', () => {
  // P529
  test('of a container that restarts for months keeps the first step and the latest, and goes on counting', () => {
    const restart = { ignoredExitCodes: [], attemptPeriodMs: 0 }
    let h = newHolder(spec({ containers: [container('web', {}, { restart })] }))
    let timeline = newTimeline(0)
    let at = 0
    const say = (event: Event) => {
      const before = h
      h = learn(h, event)
      timeline = note(timeline, { before, after: h, event, at: ++at })
    }
    const climb = () => {
      for (let next = nextSteps(h)[0]; next !== undefined; next = nextSteps(h)[0]) {
        say({ type: 'began', verb: next.verb, row: next.row })
        say({ type: 'done', verb: next.verb, row: next.row })
      }
    }
    climb()
    const [first, others] = [timeline.steps.find((s) => s.row === 'container:web'), UP.length - 1]
    let version = changes(timeline)
    for (let n = 0; n < 500; n++) {
      say({ type: 'exited', container: 'web', exitCode: 1, exitId: `${n}`, ranMs: 9 })
      say({ type: 'restartAsked', container: 'web', exitId: `${n}` })
      climb()
      expect(changes(timeline)).toBe(version + 2)
      version = changes(timeline)
    }
    const kept = timeline.steps.filter((s) => s.row === 'container:web')
    expect([kept.length, kept[0], kept.at(-1)?.doneAt]).toEqual([20, first, at])
    expect(timeline.steps.length - kept.length).toBeGreaterThanOrEqual(others)
  })

  test('a step that was declined is open again with the next choice, and what it took adds up', () => {
    const call = (n: number) => ({ action: 'AttachNetworkInterface', ms: n })
    const row = 'attachment:0'
    const cause = { code: 'X', message: '' }
    const course = (...ns: number[]) => ({ retries: 1, waitedMs: 10, calls: ns.map(call) })
    const told: Event[] = [
      { type: 'began', verb: 'ensure', row, choice: '1' },
      { type: 'declined', row, cause, course: course(1, 2, 3, 4, 5, 6) },
      { type: 'began', verb: 'ensure', row, choice: '2' },
      { type: 'done', verb: 'ensure', row, course: course(7, 8, 9, 10) },
      { type: 'lost', row, cause },
    ]
    let h = step(newHolder(spec()), 'eni:0')
    let timeline = newTimeline(0)
    const seen = told.map((event, n) => {
      const before = h
      h = learn(h, event)
      timeline = note(timeline, { before, after: h, event, at: n })
      return timeline.steps[0]
    })
    expect(seen[1]).toMatchObject({ gaveUpAt: 1, failure: 'X', retries: 1 })
    expect(seen[2]).not.toHaveProperty('gaveUpAt')
    const all = { retries: 2, waitedMs: 20, calls: [3, 4, 5, 6, 7, 8, 9, 10].map(call) }
    expect(seen[3]).toEqual({ verb: 'ensure', row, beganAt: 0, doneAt: 3, attempts: 2, ...all })
    // Lost while no step of it was under way: the step was done all the same.
    expect(seen[4]).toBe(seen[3])
    expect(timeline.steps).toHaveLength(1)
  })

  test('notes pulling and stopping when they begin, and nothing before', () => {
    let h = newHolder(spec({ containers: [container('web'), container('db')] }))
    let timeline = newTimeline(0)
    let at = 0
    const say = (event: Event) => {
      const before = h
      h = learn(h, event)
      at += 10
      timeline = note(timeline, { before, after: h, event, at })
    }
    const both = (row: RowId, verb: 'ensure' | 'release' = 'ensure') => {
      say({ type: 'began', verb, row })
      say({ type: 'done', verb, row })
    }
    both('eni:0')
    expect(timeline.pullStartedAt).toBeUndefined()
    both('image:web')
    expect(timeline).toMatchObject({ pullStartedAt: 30 })
    expect(timeline.pullStoppedAt).toBeUndefined()
    both('image:db')
    expect(timeline.pullStoppedAt).toBe(60)
    expect(timeline.stoppedAt).toBeUndefined()
    say({ type: 'doubted', row: 'image:db', why: '' })
    say({ type: 'began', verb: 'ensure', row: 'image:db' })
    expect(timeline.steps.at(-1)).toEqual({
      verb: 'ensure',
      row: 'image:db',
      beganAt: 80,
      attempts: 1,
    })
    say(stopAsked)
    expect(timeline.stoppingAt).toBe(90)
    say(stopAsked)
    expect(timeline.stoppingAt).toBe(90)
    both('image:db', 'release')
    expect(timeline.steps.at(-1)).toMatchObject({ verb: 'release', beganAt: 110, doneAt: 120 })
    expect(timeline.pullStoppedAt).toBe(60)
    both('image:web', 'release')
    expect(timeline.pullStartedAt).toBe(30)
    expect(timeline.stoppedAt).toBeUndefined()
    both('eni:0', 'release')
    expect(timeline.stoppedAt).toBe(at)
  })

  test('notes each moment once, and how often a step began', () => {
    let h = newHolder(spec())
    let timeline = newTimeline(0)
    let at = 0
    const say = (event: Event) => {
      const before = h
      h = learn(h, event)
      at += 10
      timeline = note(timeline, { before, after: h, event, at })
    }
    for (const row of UP) {
      say({ type: 'began', verb: 'ensure', row })
      if (row === 'eni:0') say({ type: 'began', verb: 'ensure', row })
      say({ type: 'done', verb: 'ensure', row })
    }
    expect(timeline).toMatchObject({
      createdAt: 0,
      pullStartedAt: 40,
      pullStoppedAt: 50,
      connectivityAt: 110,
      startedAt: 130,
    })
    expect(timeline.steps[0]).toEqual({
      verb: 'ensure',
      row: 'eni:0',
      beganAt: 10,
      doneAt: 30,
      attempts: 2,
    })
    say({ type: 'doubted', row: 'eni:0', why: '' })
    say({ type: 'began', verb: 'ensure', row: 'eni:0' })
    expect(timeline.steps.filter(({ row }) => row === 'eni:0')).toHaveLength(2)
    expect(timeline.startedAt).toBe(130)
    say({ type: 'done', verb: 'ensure', row: 'eni:0' })
    say(stopAsked)
    const stoppingAt = at
    for (const row of [...UP].reverse()) {
      if (row === 'sandbox') continue
      say({ type: 'began', verb: 'release', row })
      say({ type: 'done', verb: 'release', row })
      if (row === 'link:0') {
        say({ type: 'began', verb: 'release', row: 'sandbox' })
        say({ type: 'done', verb: 'release', row: 'sandbox' })
      }
    }
    expect(timeline.stoppingAt).toBe(stoppingAt)
    expect(timeline.executionStoppedAt).toBe(stoppingAt + 20)
    expect(timeline.stoppedAt).toBe(at)
  })
})
