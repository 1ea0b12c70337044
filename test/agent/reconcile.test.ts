// Goal: what nobody claims is given back after two looks and never before; what is claimed, foreign,
// new or under way is never touched; a plan changes nothing.
// Method: a journal in memory, a world of plain data, a clock that moves when it is told.

import { describe, expect, test } from 'vitest'
import { Failure } from '../../agent/failure.ts'
import { Reconcile } from '../../agent/reconcile.ts'
import type { RowId } from '../../state/task.ts'
import { spec } from '../state/specs.ts'
import { settleHolder } from './journals.ts'
import {
  attached,
  BORN,
  box,
  cgroupOf,
  eni,
  FIRST_MS,
  HERE,
  link,
  OTHER,
  REST_MS,
  ROWS,
  reborn,
  reconcile,
  SOON_MS,
  STRANGER,
  type Stage,
  stage,
  TASK,
  transient,
  twoLooks,
  useStage,
  verdicts,
  wears,
} from './sweep-stage.ts'
import { settle } from './world.ts'

useStage()

describe('an orphan', () => {
  // P40
  test('is given back on the second look, not on the first', async () => {
    stage.containers = [box('c-1')]
    reconcile.start()
    await stage.clock.pass(FIRST_MS - 1)
    expect(stage.known).toHaveLength(0)
    await stage.clock.pass(1)
    expect(stage.known).toHaveLength(1)
    expect(stage.done).toEqual([])
    await stage.clock.pass(SOON_MS - 1)
    expect(stage.done).toEqual([])
    await stage.clock.pass(1)
    expect(stage.done).toEqual(['container c-1'])
    expect(stage.said).toEqual([
      `info sweep: container c-1: no task ${TASK} is known here; released when it is still so after 60 s`,
      'warn sweep: container c-1: released',
    ])
    const fields = { task: TASK, row: 'container:web', what: 'container', id: 'c-1' }
    expect(stage.fields).toEqual([
      { ...fields, verdict: 'wait' },
      { ...fields, verdict: 'release', outcome: 'released' },
    ])
    expect(stage.asked).toEqual([])
  })

  test('goes down as a task does: containers, their pause, links, ENIs', async () => {
    stage.enis = [eni('eni-9', { attachment: attached({ attachedAt: BORN - 600_000 }) })]
    stage.links = [link('02:09')]
    stage.containers = [box('pause-9', { wears: wears('sandbox') }), box('c-1'), box('c-2')]
    await twoLooks()
    expect(stage.done.slice(0, 3)).toEqual(['container c-1', 'container c-2', 'container pause-9'])
    // The link's age is known only from our first look, the ENI's from its attachment.
    expect(stage.done.slice(3)).toEqual(['eni eni-9'])
    await stage.clock.pass(SOON_MS)
    expect(stage.done.slice(4)).toEqual(['link 02:09'])
  })

  test('a stage waits for the one before', async () => {
    stage.containers = [box('pause-9', { wears: wears('sandbox') }), box('c-1')]
    const { promise, resolve } = Promise.withResolvers<void>()
    stage.before = (id) => (id === 'c-1' ? promise : undefined)
    await twoLooks()
    expect(stage.done).toEqual([])
    resolve()
    await settle()
    expect(stage.done).toEqual(['container c-1', 'container pause-9'])
  })

  test('that is seen once, and not again, is forgotten', async () => {
    stage.containers = [box('c-1')]
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    stage.containers = []
    await stage.clock.pass(SOON_MS)
    stage.containers = [box('c-1')]
    await stage.clock.pass(REST_MS)
    expect(stage.known).toHaveLength(3)
    expect(stage.done).toEqual([])
    await stage.clock.pass(SOON_MS)
    expect(stage.done).toEqual(['container c-1'])
  })

  test('is what landed after its row was given back', async () => {
    stage.run()
    stage.stop()
    settleHolder(stage.journal, TASK, ROWS)
    stage.enis = [eni('eni-2')]
    stage.containers = [box('c-late'), box('p-late', { wears: wears('sandbox') })]
    await twoLooks()
    expect(stage.done).toEqual(['container c-late', 'container p-late'])
    await stage.clock.pass(SOON_MS)
    expect(stage.done).toContain('eni eni-2')
  })

  // P197
  test('is a volume that was made after its row was given back, removed before its pause', async () => {
    stage.run()
    stage.stop()
    settleHolder(stage.journal, TASK, ROWS)
    const late = { what: 'volume', volumeName: 'v-late', createdAt: 0 } as const
    stage.volumes = [{ ...late, wears: wears('volume:data') }]
    stage.containers = [box('p-late', { wears: wears('sandbox') }), box('c-late')]
    await twoLooks()
    expect(stage.done).toEqual(['container c-late', 'volume v-late', 'container p-late'])
  })

  // P411
  test('is a public address that was allocated after its row was given back', async () => {
    stage.run(TASK, 'new')
    stage.stop()
    settleHolder(stage.journal, TASK, ROWS)
    const late = { what: 'address', allocationId: 'eipalloc-late' } as const
    stage.addresses = [{ ...late, wears: wears('publicIp:0') }]
    stage.enis = []
    stage.containers = []
    await twoLooks()
    await stage.clock.pass(SOON_MS)
    expect(stage.done).toEqual(['address eipalloc-late'])
    expect(stage.asksAddresses.every((asked) => asked)).toBe(true)
  })

  test('where no task ever had one, public addresses are not asked for', async () => {
    stage.run()
    await twoLooks()
    expect(stage.asksAddresses).not.toContain(true)
  })

  // P382
  test('is a cgroup that a late container brought back, removed after what is in it', async () => {
    stage.run()
    stage.stop()
    settleHolder(stage.journal, TASK, ROWS)
    stage.cgroups = [cgroupOf(TASK, true)]
    stage.containers = [box('p-late', { wears: wears('sandbox') }), box('c-late')]
    await twoLooks()
    // The kernel tells no time of birth: it is as old as the first look.
    await stage.clock.pass(SOON_MS)
    expect(stage.done.slice(0, 3)).toEqual([
      ...['container c-late', 'container p-late'],
      `cgroup enid/${TASK}`,
    ])
  })

  // P382
  test('a cgroup of an unknown task is given back, one in use only when a person asks', async () => {
    const UNUSED = 'e'.repeat(32)
    stage.cgroups = [cgroupOf(STRANGER, true), cgroupOf(UNUSED, false)]
    await twoLooks()
    // The kernel tells no time of birth: it is as old as the first look.
    await stage.clock.pass(SOON_MS)
    expect(stage.done).toEqual([`cgroup enid/${UNUSED}`])
    await reconcile.sweep()
    expect(stage.done.slice(1)).toEqual([`cgroup enid/${STRANGER}`])
  })

  // P382
  test('is no cgroup of a task that runs', async () => {
    stage.run()
    stage.cgroups = [cgroupOf(TASK, true)]
    await twoLooks()
    // The kernel tells no time of birth: it is as old as the first look.
    await stage.clock.pass(SOON_MS)
    expect(stage.done).toEqual([])
  })

  test('is what a row gave back, and what is there all the same', async () => {
    stage.run()
    const { enis, containers } = stage
    stage.stop()
    settleHolder(stage.journal, TASK, ROWS)
    Object.assign(stage, { enis, containers })
    const { findings } = await reconcile.plan()
    expect(findings.map(({ id, why }) => `${id}: ${why.split(';')[0]}`)).toEqual([
      'eni-1: its task is over and gave eni:0 back',
      'pause-1: its task is over and gave sandbox back',
      'web-1: its task is over and gave container:web back',
    ])
    expect(stage.known[0]).toEqual([])
  })

  // P470
  test('is no container that was made and not started yet; one whose making row gave it back is', async () => {
    stage.journal.begin(TASK, spec({ madeAhead: true }))
    const made = { ...ROWS, 'created:web': { details: { containerId: 'web-1' } } }
    for (const row of ['eni:0', 'image:web', 'sandbox', 'created:web'] as const) {
      stage.journal.append(TASK, { type: 'began', verb: 'ensure', row })
      const { details } = { details: {}, ...(row === 'image:web' ? {} : made[row]) }
      stage.journal.append(TASK, { type: 'done', verb: 'ensure', row, details })
    }
    stage.containers = [
      box('pause-1', { wears: wears('sandbox') }),
      ...['web-1', 'web-2'].map((id) => box(id, { isRunning: false })),
    ]
    const why = async () => (await reconcile.plan()).findings.map((each) => each.why.split(';')[0])
    const second = 'its task holds web-1 as container:web, and one is enough'
    expect(await why()).toEqual([second])
    stage.stop()
    expect(await why()).toEqual([second])
    settleHolder(stage.journal, TASK, made)
    const over = 'its task is over and gave container:web back'
    expect(await why()).toEqual(['its task is over and gave sandbox back', over, over])
  })

  test('that was given back and is shown once more is looked at twice again', async () => {
    stage.enis = [eni('eni-9', { attachment: attached({ attachedAt: 0 }) })]
    const { enis } = stage
    await twoLooks()
    expect(stage.done).toEqual(['eni eni-9'])
    stage.enis = enis
    await stage.clock.pass(REST_MS)
    expect(stage.known).toHaveLength(3)
    expect(stage.done).toHaveLength(1)
    await stage.clock.pass(SOON_MS)
    expect(stage.done).toHaveLength(2)
  })

  test('is a second ENI of a row that holds another', async () => {
    stage.run()
    stage.enis.push(eni('eni-2'))
    expect((await reconcile.plan()).findings[0]?.why).toMatch(
      /^its task holds eni-1 as eni:0, and one is enough; released/,
    )
    await twoLooks()
    await stage.clock.pass(SOON_MS)
    expect(stage.done).toEqual(['eni eni-2'])
    expect(stage.told).toEqual([])
  })

  // P41
  test('is not touched before it is two minutes old', async () => {
    stage.containers = [box('c-1', { createdAt: BORN + FIRST_MS - 1 })]
    await twoLooks()
    expect(stage.done).toEqual([])
    const { findings } = await reconcile.plan()
    const why = `no task ${TASK} is known here; it is new; released when it is still so after 120 s`
    expect(findings[0]).toMatchObject({ verdict: 'wait', why })
    await stage.clock.pass(SOON_MS)
    expect(stage.done).toEqual(['container c-1'])
  })

  test('is touched when it is just two minutes old', async () => {
    stage.containers = [box('c-1', { createdAt: BORN + FIRST_MS + SOON_MS - 120_000 })]
    await twoLooks()
    expect(stage.done).toEqual(['container c-1'])
  })

  test('is as old as our first look at least, whatever its own clock says', async () => {
    stage.containers = [box('c-1', { createdAt: BORN + 10 * REST_MS })]
    await twoLooks()
    expect(stage.done).toEqual([])
    await stage.clock.pass(SOON_MS)
    expect(stage.done).toEqual(['container c-1'])
  })

  // P40
  test('two looks a moment apart are one look', async () => {
    stage.containers = [box('c-1')]
    await reconcile.sweep()
    await reconcile.sweep()
    await stage.clock.pass(59_999)
    const { findings } = await reconcile.sweep()
    expect(findings).toMatchObject([{ verdict: 'wait' }])
    await stage.clock.pass(1)
    expect((await reconcile.sweep()).findings).toMatchObject([{ verdict: 'release' }])
    expect(stage.done).toEqual(['container c-1'])
  })

  // P85
  test.each([86_400_000, -86_400_000])(
    'a clock that jumps by %s ms changes nothing',
    async (ms) => {
      const { clock } = stage
      clock.now = () => clock.time + (clock.time > BORN + FIRST_MS ? ms : 0)
      stage.containers = [box('c-1', { createdAt: BORN })]
      reconcile.start()
      await clock.pass(FIRST_MS)
      await clock.pass(1)
      await reconcile.sweep()
      expect(stage.done).toEqual([])
      await clock.pass(2 * SOON_MS)
      expect(stage.done).toEqual(['container c-1'])
    },
  )

  test('a look that took long counts from its end', async () => {
    stage.containers = [box('c-1')]
    stage.during = () => {
      stage.clock.time += 50_000
      stage.during = () => {}
    }
    await reconcile.sweep()
    await stage.clock.pass(10_000)
    expect((await reconcile.sweep()).findings).toMatchObject([{ verdict: 'wait' }])
    await stage.clock.pass(49_999)
    expect((await reconcile.sweep()).findings).toMatchObject([{ verdict: 'wait' }])
    await stage.clock.pass(1)
    expect((await reconcile.sweep()).findings).toMatchObject([{ verdict: 'release' }])
  })

  test('that EC2 is still detaching is deleted by a look soon after', async () => {
    stage.enis = [eni('eni-9', { attachment: attached({ attachedAt: 0 }) })]
    stage.going.add('eni-9')
    await twoLooks()
    expect(stage.done).toEqual(['detach eni-9'])
    await stage.clock.pass(SOON_MS)
    expect(stage.done).toEqual(['detach eni-9', 'eni eni-9'])
  })

  test('that cannot be given back is tried again at rest, and said', async () => {
    stage.containers = [box('c-1')]
    stage.refuses = transient('DockerUnreachable')
    await twoLooks()
    expect(stage.said.at(-1)).toBe('warn sweep: container c-1: DockerUnreachable happened')
    await stage.clock.pass(REST_MS - 1)
    expect(stage.known).toHaveLength(2)
    stage.refuses = undefined
    await stage.clock.pass(1)
    expect(stage.done).toEqual(['container c-1'])
  })

  test('a mistake of ours on the way is a defect', async () => {
    stage.containers = [box('c-1')]
    stage.refuses = new Error('a bug')
    await twoLooks()
    expect(stage.defects).toEqual([stage.refuses])
  })

  test('what a defect is called does not hide it', async () => {
    stage.containers = [box('c-1')]
    stage.refuses = new Failure('defect', 'Defect', 'a bug')
    await twoLooks()
    expect(stage.defects).toEqual([stage.refuses])
  })

  test('an agent that starts again looks twice again', async () => {
    stage.containers = [box('c-1')]
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    await reconcile.close()
    reborn()
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    expect(stage.known).toHaveLength(2)
    expect(stage.done).toEqual([])
  })
})

describe('what is claimed is not touched', () => {
  const untouched = async () => {
    await twoLooks()
    await stage.clock.pass(3 * REST_MS)
    expect(stage.done).toEqual([])
    expect(stage.told).toEqual([])
  }

  test('what a running task holds', async () => {
    stage.run()
    await untouched()
    expect(stage.known[0]).toEqual(['eni-1'])
    expect(stage.said).toEqual([])
    expect((await reconcile.plan()).findings).toEqual([])
  })

  test('a row in doubt: an effect may be under way', async () => {
    stage.journal.begin(TASK, spec())
    const event = { type: 'began', verb: 'ensure', row: 'eni:0', choice: 'subnet-a' } as const
    stage.journal.append(TASK, event)
    stage.enis = [eni('eni-7')]
    await untouched()
  })

  test('a row in doubt that knew another: what it is now is not settled', async () => {
    stage.run()
    for (const row of ['sandbox', 'container:web', 'eni:0'] as const) {
      stage.journal.append(TASK, { type: 'doubted', row, why: 'test' })
    }
    stage.containers = [box('c-7'), box('p-7', { wears: wears('sandbox') })]
    stage.enis.push(eni('eni-7'))
    await untouched()
  })

  test('a row that a task which is to run has not begun yet', async () => {
    stage.journal.begin(TASK, spec())
    stage.containers = [box('c-7')]
    await untouched()
  })

  test('a row that is being given back', async () => {
    stage.run()
    stage.stop()
    stage.enis = [eni('eni-1', { attachment: attached({ status: 'detaching' }) })]
    await untouched()
  })

  test('a row that is held and does not say of what', async () => {
    stage.journal.begin(TASK, spec())
    settleHolder(stage.journal, TASK)
    stage.links = [link('02:01')]
    stage.containers = [box('c-1')]
    await untouched()
  })

  // P13
  test('everything of a holder that cannot be read', async () => {
    stage.journal.quarantined.push({ id: TASK, why: 'a bad row' })
    stage.containers = [box('c-1')]
    stage.enis = [eni('eni-1'), eni('eni-2', { attachment: attached({ attachedAt: 0 }) })]
    await untouched()
    stage.containers.push(box('c-2', { wears: wears('sandbox', STRANGER) }))
    await stage.clock.pass(2 * REST_MS)
    expect(stage.done).toEqual(['container c-2'])
  })

  test('an ENI whose id a task knows, whatever mark of ours it wears', async () => {
    stage.run()
    stage.enis = [eni('eni-1', { wears: wears('eni:3', STRANGER), attachment: attached() })]
    await untouched()
  })

  // P40
  test('what is claimed between the look and the act', async () => {
    const second = 'b'.repeat(32)
    stage.containers = [box('c-1'), box('pause-2', { wears: wears('sandbox', second) })]
    stage.before = (id) => {
      if (id === 'c-1') stage.journal.begin(second, spec())
    }
    await twoLooks()
    expect(stage.done).toEqual(['container c-1'])
  })

  test('and is said to be, when it was claimed at the last moment', async () => {
    stage.containers = [box('c-1'), box('pause-1', { wears: wears('sandbox', STRANGER) })]
    stage.before = (id) => {
      if (id === 'c-1') stage.journal.begin(STRANGER, spec())
    }
    await reconcile.sweep()
    await stage.clock.pass(59_999)
    await stage.clock.pass(1)
    const { findings } = await reconcile.sweep()
    expect(findings.map(({ verdict, outcome }) => [verdict, outcome])).toEqual([
      ['release', 'released'],
      ['leave', 'claimed meanwhile'],
    ])
  })
})

describe('what is not ours to change is left, and said', () => {
  const left = async (why: RegExp | string) => {
    await twoLooks()
    await stage.clock.pass(2 * REST_MS)
    expect(stage.done).toEqual([])
    const { findings } = await reconcile.plan()
    expect(findings).toMatchObject([{ verdict: 'leave', why: expect.stringMatching(why) }])
    const warned = stage.said.filter((text) => text.startsWith('warn'))
    expect(warned, 'said once').toHaveLength(1)
    return findings[0]
  }

  test('an orphan that another instance has attached', async () => {
    stage.enis = [eni('eni-9', { attachment: attached({ instanceId: OTHER, attachedAt: 0 }) })]
    await left(`no task claims it, but ${OTHER} has it attached`)
  })

  test('the first interface of this instance, whatever it wears', async () => {
    stage.enis = [eni('eni-9', { attachment: attached({ deviceIndex: 0, attachedAt: 0 }) })]
    await left('first interface')
  })

  test('an ENI of a task whose tags were taken off', async () => {
    stage.run()
    const { wears: _, ...bare } = eni('eni-1', { attachment: attached() })
    stage.enis = [bare]
    const finding = await left(/tags were taken off.*Restore enid:instance/)
    expect(finding).toMatchObject({ what: 'eni', id: 'eni-1', holderId: TASK, row: 'eni:0' })
    expect(stage.told).toEqual([])
  })

  test('an ENI that wears a part of our mark and that nobody knows', async () => {
    const { wears: _, ...bare } = eni('eni-9')
    stage.enis = [bare]
    const finding = await left('a part of our mark')
    expect(finding).not.toHaveProperty('holderId')
  })

  test('an ENI of a task that wears the mark of another instance', async () => {
    stage.run()
    stage.enis = [eni('eni-1', { wears: wears('eni:0', TASK, OTHER), attachment: attached() })]
    await left(`mark of ${OTHER}; our tags`)
  })

  test('what ran before this journal began: another state file may know it', async () => {
    stage.journalSince = BORN
    reborn()
    stage.containers = [box('c-1', { createdAt: BORN - 1 })]
    reconcile.start()
    await stage.clock.pass(2 * REST_MS)
    expect(stage.done).toEqual([])
    expect(stage.said).toHaveLength(1)
    expect(stage.said[0]).toMatch(/^warn .*another state file, and in use: enid sweep/)
    expect((await reconcile.plan()).findings).toMatchObject([{ verdict: 'release' }])
    await reconcile.sweep()
    expect(stage.done).toEqual(['container c-1'])
  })

  test('an ENI in use since before this journal began, too', async () => {
    stage.journalSince = BORN
    reborn()
    stage.enis = [eni('eni-9', { attachment: attached({ attachedAt: BORN - 1 }) })]
    reconcile.start()
    await stage.clock.pass(2 * REST_MS)
    expect(stage.done).toEqual([])
  })

  test('but not what does nothing, began later, or is of a task known here', async () => {
    stage.journalSince = BORN
    reborn()
    stage.run()
    stage.stop()
    settleHolder(stage.journal, TASK, ROWS)
    stage.enis = [
      eni('eni-3', { wears: wears('eni:0', STRANGER) }),
      eni('eni-4', { wears: wears('eni:0', STRANGER), attachment: attached({ attachedAt: BORN }) }),
    ]
    stage.containers = [
      box('c-exited', { wears: wears('container:web', STRANGER), isRunning: false }),
      box('c-known'),
    ]
    reconcile.start()
    await stage.clock.pass(2 * REST_MS)
    expect(stage.done.toSorted()).toEqual([
      'container c-exited',
      'container c-known',
      'eni eni-3',
      'eni eni-4',
    ])
  })
})

describe('a place that is away', () => {
  test.each(['ec2', 'docker', 'kernel'] as const)(
    '%s: said, tried soon, nothing follows',
    async (place) => {
      stage.run()
      stage.enis = []
      stage.containers = []
      stage.away[place] = transient('Away')
      if (place !== 'ec2') stage.enis = [eni('eni-1', { attachment: attached() })]
      if (place !== 'docker') {
        stage.containers = [box('pause-1', { wears: wears('sandbox') }), box('web-1')]
      }
      await twoLooks()
      expect(stage.known).toHaveLength(2)
      await stage.clock.pass(SOON_MS)
      expect(stage.known).toHaveLength(3)
      expect(stage.told).toEqual([])
      expect(stage.said[0]).toBe(`warn sweep: ${place} is away, tried again later: Away happened`)
      expect(stage.fields[0]).toEqual({ place, code: 'Away' })
      const { away } = await reconcile.plan()
      expect(away).toEqual([{ place, code: 'Away', reason: 'Away happened' }])
    },
  )

  test.each(['ec2', 'docker', 'kernel'] as const)(
    '%s: neither confirms nor clears what was seen there before',
    async (place) => {
      stage.containers = [box('c-1')]
      stage.enis = [eni('eni-9')]
      stage.links = [link('02:09')]
      reconcile.start()
      await stage.clock.pass(FIRST_MS)
      stage.away[place] = transient('Away')
      await stage.clock.pass(2 * SOON_MS)
      const all = { docker: 'container c-1', kernel: 'link 02:09', ec2: 'eni eni-9' }
      const { [place]: silent, ...others } = all
      expect(stage.done).toEqual(Object.values(others))
      delete stage.away[place]
      await stage.clock.pass(SOON_MS)
      expect(stage.done.at(-1)).toBe(silent)
    },
  )

  test.each<[RowId, string]>([
    ['eni:0', 'ec2'],
    ['sandbox', 'docker'],
  ])('a missing %s is remembered while %s is away', async (row, place) => {
    stage.run()
    stage.enis = []
    stage.containers = stage.containers.slice(1)
    stage.instances = row === 'eni:0' ? [HERE] : []
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    const before = stage.said.length
    stage.away = place === 'ec2' ? { ec2: transient('Away') } : { docker: transient('Away') }
    await stage.clock.pass(SOON_MS)
    stage.away = {}
    await stage.clock.pass(SOON_MS)
    const doubted = stage.told.map(([, event]) => (event as { row: RowId }).row)
    expect(doubted).toContain(row)
    const again = stage.said.slice(before).filter((text) => text.startsWith('info'))
    expect(again, 'said once').toEqual([])
  })

  test('does not keep the others from being swept', async () => {
    stage.containers = [box('c-1')]
    stage.away.ec2 = transient('Ec2Unreachable')
    await twoLooks()
    expect(stage.done).toEqual(['container c-1'])
  })
})

describe('its pace', () => {
  // P46
  test('at rest is five minutes, give or take', async () => {
    stage.run()
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    for (const count of [1, 2, 3]) {
      expect(stage.known).toHaveLength(count)
      await stage.clock.pass(REST_MS)
    }
    stage.clock.random = () => 0
    await stage.clock.pass(REST_MS)
    const before = stage.known.length
    await stage.clock.pass(240_000)
    expect(stage.known).toHaveLength(before + 1)
  })

  test.each([
    [0, 60_000],
    [1, 72_000],
  ])('after a suspicion is a minute and a bit (chance %s)', async (chance, ms) => {
    stage.containers = [box('c-1')]
    stage.clock.random = () => chance
    await reconcile.sweep()
    await stage.clock.pass(ms - 1)
    expect(stage.known).toHaveLength(1)
    await stage.clock.pass(1)
    expect(stage.known).toHaveLength(2)
  })

  // P46
  test('is one EC2 call a minute at most, however many pages there are', async () => {
    stage.ec2CallCount = 9
    stage.enis = [eni('eni-5', { wears: wears('eni:0', STRANGER, OTHER) })]
    await reconcile.sweep()
    await stage.clock.pass(10 * 60_000 - 1)
    expect(stage.known).toHaveLength(1)
    await stage.clock.pass(1)
    expect(stage.known).toHaveLength(2)
  })

  test('begins anew when a person asked for a sweep', async () => {
    reconcile.start()
    await reconcile.sweep()
    await stage.clock.pass(REST_MS - 1)
    expect(stage.known).toHaveLength(1)
    await stage.clock.pass(1)
    expect(stage.known).toHaveLength(2)
  })

  test('times can be scaled', async () => {
    const times = { start: 0, every: 5, orphan: 1, grace: 2, vanished: 60, perCall: 1 }
    reborn(new Reconcile({ ...optionsOf(stage), times }))
    stage.containers = [box('c-1')]
    reconcile.start()
    await stage.clock.pass(0)
    await stage.clock.pass(3)
    expect(stage.done).toEqual(['container c-1'])
  })
})

/** The same options again, as another Reconcile would get them. */
function optionsOf(of: Stage) {
  return {
    journal: of.journal,
    instanceId: HERE,
    journalSince: 0,
    survey: async () => ({
      enis: { seen: of.enis },
      containers: { seen: of.containers },
      volumes: { seen: of.volumes },
      links: { seen: of.links },
      cgroups: { seen: of.cgroups },
      addresses: { seen: of.addresses },
      ec2CallCount: 1,
    }),
    orphans: of.orphans,
    tell: () => {},
    clock: of.clock,
    log: { info: () => {}, warn: () => {} },
    onDefect: (error: unknown) => {
      throw error
    },
  }
}

describe('a plan', () => {
  // P47
  test('says what a sweep would do and changes nothing, not even what is remembered', async () => {
    stage.containers = [box('c-1')]
    for (const _ of [1, 2]) {
      expect(verdicts((await reconcile.plan()).findings)).toEqual(['wait container c-1'])
      await stage.clock.pass(REST_MS)
    }
    await reconcile.sweep()
    await stage.clock.pass(60_000)
    const { findings, at } = await reconcile.plan()
    expect(at).toBe(stage.clock.time)
    expect(findings).toEqual([
      {
        what: 'container',
        id: 'c-1',
        holderId: TASK,
        row: 'container:web',
        verdict: 'release',
        why: `no task ${TASK} is known here`,
      },
    ])
    expect(stage.done).toEqual([])
  })

  test('waits for the sweep that is under way', async () => {
    stage.containers = [box('c-1')]
    await reconcile.sweep()
    await stage.clock.pass(60_000)
    const [sweep, plan] = await Promise.all([reconcile.sweep(), reconcile.plan()])
    expect(verdicts(sweep.findings)).toEqual(['release container c-1'])
    expect(plan.findings).toEqual([])
  })
})

describe('closing', () => {
  test('ends it: no look follows, and whoever asks is told', async () => {
    reconcile.start()
    await reconcile.close()
    await stage.clock.pass(10 * REST_MS)
    expect(stage.known).toHaveLength(0)
    await expect(reconcile.sweep()).rejects.toMatchObject({
      kind: 'transient',
      code: 'Aborted',
      message: 'the agent is stopping',
    })
    await expect(reconcile.plan()).rejects.toMatchObject({ code: 'Aborted' })
    expect(stage.defects).toEqual([])
  })

  test('waits for what is in flight, and its failure is nobody’s defect', async () => {
    stage.containers = [box('c-1')]
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    const { promise, reject } = Promise.withResolvers<void>()
    stage.before = () => promise
    await stage.clock.pass(SOON_MS)
    let isClosed = false
    const closing = reconcile.close().then(() => {
      isClosed = true
    })
    await settle()
    expect(isClosed).toBe(false)
    reject(new Error('aborted'))
    await closing
    expect(stage.defects).toEqual([])
    await stage.clock.pass(10 * REST_MS)
    expect(stage.known).toHaveLength(2)
  })

  test('a look that fails for a mistake of ours is a defect while it lives', async () => {
    stage.during = () => {
      throw new Error('a bug')
    }
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    expect(stage.defects).toHaveLength(1)
  })
})
