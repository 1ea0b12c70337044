// Goal: whatever happens in whatever order, what a holder holds never stands on air, and from
// anywhere it settles. Method: walk every state that can be reached by steps and events, for every
// kind of holder, and check the invariants (docs/task-lifecycle.md) in each.

import { describe, expect, test } from 'vitest'
import { consequence } from '../../state/exits.ts'
import type { Spec } from '../../state/spec.ts'
import type { Event, Holder, Others, Step } from '../../state/task.ts'
import {
  holdsEverything,
  holdsNothing,
  kindOf,
  learn,
  newHolder,
  nextSteps,
  rowState,
  rows,
} from '../../state/task.ts'
import { container, SPECS, spec } from './specs.ts'

const cause = { code: 'Broken', message: 'it broke' }
const stop = { code: 'UserInitiated', reason: 'asked' } as const
const ground: Others = { holding: () => 'held', standsOn: () => false }

/** The state, as far as what follows depends on it: for telling states apart. */
const key = (h: Holder) =>
  JSON.stringify([
    h.desired,
    h.ran,
    rows(h.spec).map(({ id }) => [rowState(h, id).is, rowState(h, id).struck.length]),
    h.facts,
  ])

/** Everything that the runner or the world may say about a holder in this state. */
function events(h: Holder): Event[] {
  const out: Event[] = []
  if (h.desired === 'running') out.push({ type: 'stopAsked', stop })
  out.push({ type: 'protectionSet', until: 1 })
  for (const { verb, row } of nextSteps(h, ground)) {
    const choice = ['eni', 'attachment'].includes(kindOf(row)) ? { choice: 'one' } : {}
    out.push({ type: 'began', verb, row, ...choice })
  }
  for (const { id: row } of rows(h.spec)) {
    const { is, choice, struck } = rowState(h, row)
    if (is === 'unsure') {
      const isFree = !rows(h.spec).some(
        (r) => rowState(h, r.id).is !== 'none' && r.needs.some((n) => n.row === row && !n.isUpOnly),
      )
      if (h.desired === 'running') out.push({ type: 'done', verb: 'ensure', row })
      else if (isFree) out.push({ type: 'done', verb: 'release', row })
      // An ensure that was in flight when the stop came may still succeed.
      if (h.desired === 'stopped') out.push({ type: 'done', verb: 'ensure', row })
      if (h.desired === 'running') out.push({ type: 'refused', row, cause })
      if (h.desired === 'running' && choice && isFree && struck.length < 1) {
        out.push({ type: 'declined', row, cause })
      }
    }
    if (is === 'held') out.push({ type: 'doubted', row, why: 'looked' })
    if (is === 'held') out.push({ type: 'lost', row, cause })
  }
  return [...out, ...exits(h)]
}

/** Two exits of each container that may be started again, each told twice; and what follows. */
function exits(h: Holder): Event[] {
  const out: Event[] = []
  for (const { name, restart } of h.spec.containers) {
    const { restartCount = 0, exitCode, answeredExitId } = h.facts[name] ?? {}
    if (restart === undefined || rowState(h, `container:${name}`).is === 'none') continue
    const exit = { type: 'exited', container: name, exitCode: 1, ranMs: 60_000 } as const
    if (restartCount < 2 && exitCode === undefined) {
      out.push({ ...exit, exitId: `exit ${restartCount}` })
    }
    if (answeredExitId !== undefined) out.push({ ...exit, exitId: answeredExitId })
  }
  const next = consequence(h)
  return next === undefined ? out : [...out, next]
}

/** Every state that can be reached, walked once for each spec. */
const walked = new Map<Spec, readonly Holder[]>()
function reach(start: Spec, visit: (h: Holder) => void): number {
  const all = walked.get(start) ?? walk(start)
  walked.set(start, all)
  for (const h of all) visit(h)
  return all.length
}

function walk(start: Spec): readonly Holder[] {
  const all: Holder[] = []
  const seen = new Set<string>()
  const open: Holder[] = [newHolder(start)]
  for (let h = open.pop(); h !== undefined; h = open.pop()) {
    if (seen.has(key(h))) continue
    seen.add(key(h))
    all.push(h)
    for (const event of events(h)) open.push(learn(Object.freeze(h), event))
  }
  return all
}

/** Two ENIs make millions of states: that one is walked at random below. */
const small = Object.entries(SPECS).filter(([, { enis }]) => enis.length < 2)

// P5
test('a task of two ENIs never stands on air on 400 random walks of 80 events', () => {
  let seed = 1
  const random = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed % below
  }
  for (let walk = 0; walk < 400; walk++) {
    let h = newHolder(SPECS['a task of two ENIs'])
    for (let turn = 0; turn < 80; turn++) {
      const choices = events(h).filter(({ type }) => type !== 'stopAsked' || random(20) === 0)
      const event = choices[random(choices.length || 1)]
      if (event === undefined) break
      h = learn(h, event)
      standsOnGround(h)
    }
    expect(nextSteps(climb(learn(h, { type: 'stopAsked', stop })))).toEqual([])
  }
})

function standsOnGround(h: Holder): void {
  for (const { id, needs } of rows(h.spec)) {
    if (rowState(h, id).is === 'none') continue
    for (const need of needs) {
      if (need.holder !== undefined || (need.isUpOnly && h.desired === 'stopped')) continue
      if (rowState(h, need.row).is === 'none') throw new Error(`${id} stands on air: ${need.row}`)
    }
  }
}

describe.each(small)('%s', (_name, start) => {
  // P5
  test('never stands on air, never goes back, never forgets a row, wherever it comes from', () => {
    const states = reach(start, (h) => {
      standsOnGround(h)
      for (const event of events(h)) {
        const after = learn(h, event)
        const isFaithful =
          (h.desired === 'running' || after.desired === 'stopped') &&
          (!h.ran || after.ran) &&
          (h.stop === undefined || after.stop === h.stop) &&
          (after.stop !== undefined) === (after.desired === 'stopped')
        if (!isFaithful) expect({ h, event, after }).toBe('a faithful successor')
      }
    })
    expect(states).toBeGreaterThan(20)
  })

  test('asks once for the restart that an exit calls for, and of a row that is held', () => {
    reach(start, (h) => {
      const event = consequence(h)
      if (event?.type !== 'restartAsked') return
      expect(h.desired).toBe('running')
      expect(rowState(h, `container:${event.container}`).is).toBe('held')
      const after = learn(h, event)
      expect(rowState(after, `container:${event.container}`).is).toBe('unsure')
      expect(consequence(after)).toBeUndefined()
      expect(learn(after, event)).toBe(after)
    })
  })

  test('always has a step to do until it holds everything or nothing', () => {
    reach(start, (h) => {
      const steps = nextSteps(h, ground)
      const waitsForFacts = start.containers.some((c) => c.dependsOn.length > 0)
      const isSettled =
        h.desired === 'running'
          ? rows(h.spec).every(({ id }) => rowState(h, id).is === 'held')
          : holdsNothing(h)
      if (isSettled) expect(steps).toEqual([])
      else if (h.desired === 'stopped' || !waitsForFacts) expect(steps).not.toEqual([])
    })
  })

  // P6
  test('from any state a climb or a descent ends within one step per row', () => {
    reach(start, (first) => {
      let h = first
      for (const { name } of start.containers) {
        h = learn(h, { type: 'healthSeen', container: name, healthy: true })
      }
      for (let turn = 0; turn <= rows(start).length; turn++) {
        const step = nextSteps(h, ground)[0]
        if (step === undefined) break
        h = carriedOut(h, step)
      }
      expect(nextSteps(h, ground)).toEqual([])
      expect(h.desired === 'running' ? holdsEverything(h) : holdsNothing(h)).toBe(true)
    })
  })
})

function carriedOut(h: Holder, { verb, row }: Step): Holder {
  return learn(learn(h, { type: 'began', verb, row }), { type: 'done', verb, row })
}

/** Everything that can be done is done, until `until`. */
function climb(h: Holder, until: (h: Holder) => boolean = () => false): Holder {
  for (let turn = 0; turn < 50 && !until(h); turn++) {
    const step = nextSteps(h, ground)[0]
    if (step === undefined) return h
    h = carriedOut(h, step)
  }
  return h
}

const verbs = (steps: readonly Step[]) => steps.map(({ verb, row }) => `${verb} ${row}`)

describe('what stands on what', () => {
  const needs = (start: Spec) =>
    rows(start).map(({ id, needs: all }) => {
      const words = all.map((n) => [n.holder, n.row, n.condition].filter(Boolean).join(' '))
      return `${id} <- ${words.join(', ')}`
    })

  test('a task', () => {
    expect(needs(SPECS['a task'])).toEqual([
      'eni:0 <- ',
      'image:web <- ',
      'sandbox <- eni:0',
      'attachment:0 <- eni:0',
      'guard:0 <- attachment:0',
      'link:0 <- attachment:0, sandbox',
      'container:web <- eni:0, sandbox, link:0, image:web',
    ])
  })

  test('a task of two ENIs: its hostname needs the first alone, its containers need both', () => {
    const all = needs(SPECS['a task of two ENIs'])
    expect(all).toContain('sandbox <- eni:0')
    expect(all).toContain('link:1 <- attachment:1, sandbox')
    expect(all).toContain('container:web <- eni:0, eni:1, sandbox, link:0, link:1, image:web')
  })

  test('a task with volumes: a container needs what it mounts, and whom it mounts from', () => {
    const data = { name: 'data', kind: 'task', driver: 'local', options: {}, labels: {} } as const
    const place = { name: 'place', kind: 'bind', hostPath: '/srv' } as const
    const mount = (volume: string, path: string) => ({ volume, path, readOnly: false })
    const mounts = [mount('data', '/a'), mount('data', '/b'), mount('place', '/c')]
    const from = { volumesFrom: [{ container: 'web', readOnly: true }] }
    const containers = [container('web', {}, { mounts }), container('log', {}, from)]
    const all = needs(spec({ volumes: [data, place], containers }))
    expect(all.filter((line) => line.startsWith('volume'))).toEqual(['volume:data <- '])
    expect(all).toContain('container:web <- eni:0, sandbox, link:0, image:web, volume:data')
    expect(all).toContain('container:log <- eni:0, sandbox, link:0, image:log, container:web')
  })

  // P447
  test('a file system is mounted when the links stand, and is gone before they go', () => {
    const efs = {
      name: 'efs',
      kind: 'nfs',
      fileSystemId: 'fs-12345678',
      rootDirectory: '/',
    } as const
    const mounts = [{ volume: 'efs', path: '/a', readOnly: false }]
    const all = needs(spec({ volumes: [efs], containers: [container('web', {}, { mounts })] }))
    expect(all).toContain('volume:efs <- sandbox, link:0')
    expect(all).toContain('container:web <- eni:0, sandbox, link:0, image:web, volume:efs')
    const shared = { ...SPECS['a task on a shared ENI'], volumes: [efs] }
    expect(needs(shared)).toContain('volume:efs <- sandbox, link:0')
  })

  // P470
  test('a container that is made ahead needs no card to be made, and all of its network to start', () => {
    const mounts = [{ volume: 'data', path: '/a', readOnly: false }]
    const data = { name: 'data', kind: 'task', driver: 'local', options: {}, labels: {} } as const
    const volumesFrom = [{ container: 'db', readOnly: false }]
    const containers = [
      container('web', { db: 'HEALTHY' }, { mounts, volumesFrom }),
      container('db'),
    ]
    const all = needs(spec({ containers, volumes: [data], madeAhead: true }))
    expect(all.filter((row) => /^(created|container)/.test(row))).toEqual([
      'created:web <- sandbox, image:web, container:db HEALTHY, volume:data, created:db',
      'container:web <- eni:0, sandbox, link:0, created:web',
      'created:db <- sandbox, image:db',
      'container:db <- eni:0, sandbox, link:0, created:db',
    ])
  })

  // P470
  test('a container of a task from before that is made by the row that starts it', () => {
    expect(needs(spec())).toContain('container:web <- eni:0, sandbox, link:0, image:web')
    expect(needs(spec()).join()).not.toContain('created')
  })

  test('a task on a shared ENI', () => {
    expect(needs(SPECS['a task on a shared ENI'])).toEqual([
      'address <- shared link:0',
      'image:web <- ',
      'sandbox <- address',
      'link:0 <- address, sandbox',
      'container:web <- address, sandbox, link:0, image:web',
    ])
  })
})

describe('the way up and down', () => {
  test('a new task makes its ENI and pulls its image at once, and nothing else', () => {
    expect(verbs(nextSteps(newHolder(spec())))).toEqual(['ensure eni:0', 'ensure image:web'])
  })

  test('the pause container overlaps the attach', () => {
    const h = carriedOut(newHolder(spec()), { verb: 'ensure', row: 'eni:0', again: false })
    expect(verbs(nextSteps(h))).toEqual([
      'ensure image:web',
      'ensure sandbox',
      'ensure attachment:0',
    ])
  })

  test('the link waits for the attachment and the sandbox, the guard for the attachment alone', () => {
    let h = newHolder(spec())
    for (const row of ['eni:0', 'image:web', 'attachment:0'] as const) {
      h = carriedOut(h, { verb: 'ensure', row, again: false })
    }
    expect(verbs(nextSteps(h))).toEqual(['ensure sandbox', 'ensure guard:0'])
    h = carriedOut(h, { verb: 'ensure', row: 'sandbox', again: false })
    expect(verbs(nextSteps(h))).toEqual(['ensure guard:0', 'ensure link:0'])
  })

  // P8
  test('a container waits for the link, its image and an ENI that is not in doubt', () => {
    const linked = climb(newHolder(spec()), (h) => rowState(h, 'link:0').is === 'held')
    expect(verbs(nextSteps(linked))).toEqual(['ensure container:web'])
    const doubted = learn(linked, { type: 'doubted', row: 'eni:0', why: 'amended' })
    expect(nextSteps(doubted)).toEqual([{ verb: 'ensure', row: 'eni:0', again: true }])
  })

  test('a running task is taken down containers first, and what they stand on last', () => {
    let h = learn(climb(newHolder(spec())), { type: 'stopAsked', stop })
    const order: string[] = []
    for (let turn = 0; turn < 10; turn++) {
      const steps = nextSteps(h)
      order.push(verbs(steps).join(' | '))
      h = steps.reduce(carriedOut, h)
    }
    expect(order.filter(Boolean)).toEqual([
      'release guard:0 | release container:web',
      'release image:web | release sandbox | release link:0',
      'release attachment:0',
      'release eni:0',
    ])
  })

  // P517
  test('pause container, card and what was made ahead go together once nothing runs', () => {
    const start = spec({ madeAhead: true })
    const stopping = learn(climb(newHolder(start)), { type: 'stopAsked', stop })
    const running = nextSteps(stopping).filter(({ row }) => kindOf(row) === 'container')
    expect(verbs(nextSteps(stopping))).not.toContain('release sandbox')
    const over = running.reduce(carriedOut, stopping)
    const together = ['release sandbox', 'release link:0', 'release created:web']
    expect(verbs(nextSteps(over))).toEqual(expect.arrayContaining(together))
  })

  // P517
  test.each([
    ['a card', spec(), 'link:0', 'attachment:0'],
    ['a container made ahead', spec({ madeAhead: true }), 'created:web', 'image:web'],
  ] as const)(
    '%s that was on its way into a namespace whose end has come is released all the same',
    (_what, start, row, below) => {
      const ready = climb(newHolder(start), (h) => nextSteps(h).some((step) => step.row === row))
      const told: Event[] = [
        { type: 'began', verb: 'ensure', row },
        { type: 'stopAsked', stop },
        { type: 'began', verb: 'release', row: 'sandbox' },
        { type: 'done', verb: 'release', row: 'sandbox' },
        { type: 'done', verb: 'ensure', row },
      ]
      const h = told.reduce(learn, ready)
      expect(verbs(nextSteps(h))).toContain(`release ${row}`)
      expect(verbs(nextSteps(h))).not.toContain(`release ${below}`)
    },
  )

  // P517
  test.each(['link:0', 'created:web'] as const)(
    'while it is to run, %s stands on the namespace',
    (row) => {
      const start = spec({ madeAhead: true })
      const ready = climb(newHolder(start), (h) => nextSteps(h).some((step) => step.row === row))
      const without = {
        ...ready,
        rows: { ...ready.rows, sandbox: { is: 'none', struck: [] } as const },
      }
      const began: Event = { type: 'began', verb: 'ensure', row }
      expect(() => learn(without, began)).toThrow('sandbox is not there')
      expect(nextSteps(without)).not.toContainEqual(expect.objectContaining({ row }))
    },
  )

  test('a stop while the ENI is being made releases it, since it may be there', () => {
    let h = learn(newHolder(spec()), { type: 'began', verb: 'ensure', row: 'eni:0', choice: 's' })
    h = learn(h, { type: 'stopAsked', stop })
    expect(nextSteps(h)).toEqual([{ verb: 'release', row: 'eni:0', again: true }])
  })

  test('a step says whether its row was already in doubt', () => {
    const h = learn(newHolder(spec()), { type: 'began', verb: 'ensure', row: 'eni:0', choice: 's' })
    expect(nextSteps(h)).toContainEqual({ verb: 'ensure', row: 'eni:0', again: true })
    expect(nextSteps(h)).toContainEqual({ verb: 'ensure', row: 'image:web', again: false })
  })
})

describe('containers that wait for each other', () => {
  const waiting = (condition: 'START' | 'COMPLETE' | 'SUCCESS' | 'HEALTHY') =>
    climb(
      newHolder(
        spec({
          containers: [
            container('web', { db: condition }),
            container('db', {}, { essential: false }),
          ],
        }),
      ),
    )
  const web = (h: Holder) => rowState(climb(h), 'container:web').is

  test('START is met once the other one was started', () => {
    expect(web(waiting('START'))).toBe('held')
  })

  test('COMPLETE is met by any exit, SUCCESS by exit code 0 alone, HEALTHY by health alone', () => {
    const exited = (h: Holder, exitCode: number) =>
      learn(h, { type: 'exited', container: 'db', exitCode })
    const seen = (h: Holder, healthy: boolean) =>
      learn(h, { type: 'healthSeen', container: 'db', healthy })
    expect(web(waiting('COMPLETE'))).toBe('none')
    expect(web(exited(waiting('COMPLETE'), 7))).toBe('held')
    expect(web(waiting('SUCCESS'))).toBe('none')
    expect(web(exited(waiting('SUCCESS'), 7))).toBe('none')
    expect(web(exited(waiting('SUCCESS'), 0))).toBe('held')
    expect(web(waiting('HEALTHY'))).toBe('none')
    expect(web(seen(waiting('HEALTHY'), false))).toBe('none')
    expect(web(seen(waiting('HEALTHY'), true))).toBe('held')
  })

  test('a doubted dependency holds its waiter back', () => {
    const h = climb(
      newHolder(spec({ containers: [container('web', { db: 'START' }), container('db')] })),
      (at) => rowState(at, 'container:db').is === 'held',
    )
    const doubted = learn(h, { type: 'doubted', row: 'container:db', why: 'looked' })
    expect(verbs(nextSteps(doubted)).includes('ensure container:web')).toBe(false)
  })

  test('they are stopped in the reverse order', () => {
    const h = learn(waiting('START'), { type: 'stopAsked', stop })
    const first = verbs(nextSteps(h))
    expect(first).toContain('release container:web')
    expect(first).not.toContain('release container:db')
  })
})

describe('choices', () => {
  const chosen = (row: 'eni:0', choice: string) => (h: Holder) =>
    learn(h, { type: 'began', verb: 'ensure', row, choice })

  test('a declined choice is struck, forgotten as the choice, and the row begins anew', () => {
    const tried = chosen('eni:0', 'subnet-a')(newHolder(spec()))
    expect(rowState(tried, 'eni:0').choice).toBe('subnet-a')
    const h = learn(tried, { type: 'declined', row: 'eni:0', cause })
    expect(rowState(h, 'eni:0')).toEqual({
      ...{ is: 'none', struck: ['subnet-a'], struckBy: [cause.code] },
    })
    expect(nextSteps(h)).toContainEqual({ verb: 'ensure', row: 'eni:0', again: false })
    const twice = learn(chosen('eni:0', 'subnet-b')(h), { type: 'declined', row: 'eni:0', cause })
    expect(rowState(twice, 'eni:0').struck).toEqual(['subnet-a', 'subnet-b'])
    expect(h.desired).toBe('running')
  })

  test('a choice outlives a doubt: what is looked for again is what was made', () => {
    const made = learn(chosen('eni:0', 'subnet-a')(newHolder(spec())), {
      type: 'done',
      verb: 'ensure',
      row: 'eni:0',
      details: { eniId: 'eni-1' },
    })
    const again = learn(learn(made, { type: 'doubted', row: 'eni:0', why: 'looked' }), {
      type: 'began',
      verb: 'ensure',
      row: 'eni:0',
    })
    expect(rowState(again, 'eni:0')).toEqual({
      is: 'unsure',
      choice: 'subnet-a',
      struck: [],
      details: { eniId: 'eni-1' },
    })
  })

  // P10
  test('details outlive the release, so a stopped task still names its ENI', () => {
    let h = newHolder(spec())
    h = learn(h, { type: 'began', verb: 'ensure', row: 'eni:0', choice: 's' })
    h = learn(h, { type: 'done', verb: 'ensure', row: 'eni:0', details: { eniId: 'eni-1' } })
    h = learn(h, { type: 'stopAsked', stop })
    h = carriedOut(h, { verb: 'release', row: 'eni:0', again: false })
    expect(rowState(h, 'eni:0')).toMatchObject({ is: 'none', details: { eniId: 'eni-1' } })
  })
})

describe('why it stops', () => {
  // P139
  test('the first reason stands', () => {
    const h = learn(newHolder(spec()), { type: 'refused', row: 'eni:0', cause })
    expect(h.stop).toEqual({
      code: 'TaskFailedToStart',
      reason: 'Broken: it broke',
      row: 'eni:0',
    })
    expect(learn(h, { type: 'stopAsked', stop }).stop?.code).toBe('TaskFailedToStart')
  })

  test('what is lost of a task that ran did not fail to start', () => {
    const h = learn(climb(newHolder(spec())), { type: 'lost', row: 'sandbox', cause })
    expect(h.desired).toBe('stopped')
    expect(h.stop?.code).toBe('EssentialContainerExited')
    expect(rowState(h, 'sandbox').is).toBe('unsure')
  })

  test('what was never there cannot be lost, yet the task stops', () => {
    const h = learn(newHolder(spec()), { type: 'lost', row: 'link:0', cause })
    expect(rowState(h, 'link:0').is).toBe('none')
    expect(h.desired).toBe('stopped')
  })

  test('a doubt changes neither desired nor a row that is not held', () => {
    const h = learn(newHolder(spec()), { type: 'doubted', row: 'eni:0', why: 'looked' })
    expect(h).toEqual(newHolder(spec()))
  })
})

describe('running', () => {
  test('it ran once it held everything, guards aside, and a doubt does not take that back', () => {
    const all = climb(newHolder(spec()))
    expect(all.ran).toBe(true)
    const { 'guard:0': _, ...unguarded } = all.rows
    expect(holdsEverything({ ...all, rows: unguarded })).toBe(true)
    const { 'container:web': __, ...empty } = all.rows
    expect(holdsEverything({ ...all, rows: empty })).toBe(false)
    expect(learn(all, { type: 'doubted', row: 'link:0', why: 'drift' }).ran).toBe(true)
  })

  test('a spare runs without containers, and an assigned spare climbs on as a task', () => {
    const spare = climb(newHolder(spec({ kind: 'spare', containers: [] })))
    expect(holdsEverything(spare)).toBe(true)
    const task = learn(spare, { type: 'assigned', spec: spec(), rows: [] })
    expect(verbs(nextSteps(task))).toEqual(['ensure image:web'])
    expect(holdsEverything(task)).toBe(false)
  })

  test('an assigned spare with other groups starts no container before its ENI is held again', () => {
    const spare = climb(newHolder(spec({ kind: 'spare', containers: [] })))
    const task = learn(spare, { type: 'assigned', spec: spec(), rows: ['eni:0'] })
    expect(nextSteps(task)).toContainEqual({ verb: 'ensure', row: 'eni:0', again: true })
    const pulled = carriedOut(task, { verb: 'ensure', row: 'image:web', again: false })
    expect(verbs(nextSteps(pulled))).toEqual(['ensure eni:0'])
  })

  // P95
  test('amended security groups doubt the ENI and nothing else; the task stays RUNNING', () => {
    const amended = spec({ enis: [{ subnetIds: ['s'], securityGroupIds: ['sg-2'], tags: {} }] })
    const h = learn(climb(newHolder(spec())), { type: 'amended', spec: amended, rows: ['eni:0'] })
    expect(h.spec).toBe(amended)
    expect(nextSteps(h)).toEqual([{ verb: 'ensure', row: 'eni:0', again: true }])
    expect(h.ran).toBe(true)
  })
})

describe('a shared ENI', () => {
  const shared = climb(newHolder(SPECS['a shared ENI']))
  const guest = newHolder(SPECS['a task on a shared ENI'])

  test('has a link on the host and no sandbox', () => {
    expect(rows(shared.spec).map(({ id }) => id)).toEqual([
      'eni:0',
      'attachment:0',
      'guard:0',
      'link:0',
    ])
  })

  test('its guest waits for its link', () => {
    const unlinked: Others = { holding: () => 'unsure', standsOn: () => false }
    expect(verbs(nextSteps(guest, unlinked))).toEqual(['ensure image:web'])
    expect(verbs(nextSteps(guest))).toEqual(['ensure image:web'])
    expect(verbs(nextSteps(guest, ground))).toEqual(['ensure address', 'ensure image:web'])
  })

  test('its link stays while a guest stands on it', () => {
    const stopped = learn(shared, { type: 'stopAsked', stop })
    const busy: Others = { holding: () => 'none', standsOn: (row) => row === 'link:0' }
    expect(verbs(nextSteps(stopped, busy))).toEqual(['release guard:0'])
    expect(verbs(nextSteps(stopped))).toContain('release link:0')
  })
})

describe('a journal that is not ours is refused', () => {
  const h = newHolder(spec())
  test.each<[string, Holder, Event, string]>([
    ['done without began', h, { type: 'done', verb: 'ensure', row: 'eni:0' }, 'never began'],
    [
      'a step on air',
      h,
      { type: 'began', verb: 'ensure', row: 'attachment:0' },
      'eni:0 is not there',
    ],
    ['a release while running', h, { type: 'began', verb: 'release', row: 'eni:0' }, 'to ensure'],
    ['a row it does not have', h, { type: 'began', verb: 'ensure', row: 'eni:7' }, 'no row'],
    [
      'a strike without a choice',
      h,
      { type: 'declined', row: 'eni:0', cause },
      'nothing was chosen',
    ],
    [
      'an ensure after the stop',
      learn(h, { type: 'stopAsked', stop }),
      { type: 'began', verb: 'ensure', row: 'eni:0' },
      'to release',
    ],
    [
      'a release under something that stands on it',
      learn(climb(h), { type: 'stopAsked', stop }),
      { type: 'began', verb: 'release', row: 'eni:0' },
      'stands on it',
    ],
    [
      'the end of a release under something that stands on it',
      {
        ...learn(climb(h), { type: 'stopAsked', stop }),
        rows: { ...climb(h).rows, 'eni:0': { is: 'unsure', struck: [] } },
      },
      { type: 'done', verb: 'release', row: 'eni:0' },
      'stands on it',
    ],
    [
      'a strike under something that stands on it',
      {
        ...climb(h),
        rows: { ...climb(h).rows, 'eni:0': { is: 'unsure', choice: 's', struck: [] } },
      },
      { type: 'declined', row: 'eni:0', cause },
      'stands on it',
    ],
  ])('%s', (_name, holder, event, said) => {
    expect(() => learn(holder, event)).toThrow(said)
  })
})
