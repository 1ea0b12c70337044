// Goal: what a running task should hold and nobody shows is doubted, not stopped; security groups that
// somebody changed are told, or put back. Method: as in reconcile.test.ts.

import { describe, expect, test } from 'vitest'
import type { SeenAttachment, SeenEni } from '../../agent/drivers/survey.ts'
import type { Event, RowId } from '../../state/task.ts'
import { container, spec } from '../state/specs.ts'
import { settleHolder } from './journals.ts'
import {
  attached,
  box,
  eni,
  FIRST_MS,
  HERE,
  OTHER,
  REST_MS,
  ROWS,
  reborn,
  reconcile,
  SOON_MS,
  STRANGER,
  stage,
  TASK,
  transient,
  twoLooks,
  useStage,
  wears,
} from './sweep-stage.ts'

useStage()

describe('what a running task should hold and is not shown', () => {
  // P44
  test('an ENI that EC2 does not show is doubted on the second look, never stopped', async () => {
    stage.run()
    stage.enis = []
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    expect(stage.told).toEqual([])
    const why = 'EC2 does not show eni-1; looked at again when it is still so after 60 s'
    const owner = { holderId: TASK, row: 'eni:0' }
    const waiting = { what: 'row', id: 'eni-1', ...owner, verdict: 'wait', why }
    expect((await reconcile.plan()).findings).toMatchObject([waiting])
    await stage.clock.pass(2 * SOON_MS)
    expect(stage.told).toEqual([
      [TASK, { type: 'doubted', row: 'eni:0', why: 'EC2 does not show eni-1' }],
    ])
    expect(stage.journal.get(TASK)?.holder.desired).toBe('running')
  })

  test('it is doubted once, and not again before it was looked at', async () => {
    stage.run()
    stage.enis = []
    reconcile.start()
    await stage.clock.pass(10 * REST_MS)
    expect(stage.told).toHaveLength(1)
  })

  test('one that is shown again is forgotten', async () => {
    stage.run()
    const shown = stage.enis
    stage.enis = []
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    stage.enis = shown
    await stage.clock.pass(2 * SOON_MS)
    stage.enis = []
    await stage.clock.pass(REST_MS)
    expect(stage.told).toEqual([])
  })

  test.each<[string, Partial<SeenAttachment> | undefined]>([
    ['attached to nothing', undefined],
    ['attached elsewhere', { instanceId: OTHER }],
    ['being detached', { status: 'detaching' }],
    ['detached', { status: 'detached' }],
  ])('the attachment of an ENI that is %s', async (_name, change) => {
    stage.run()
    stage.enis = [eni('eni-1', change === undefined ? {} : { attachment: attached(change) })]
    await twoLooks()
    await stage.clock.pass(SOON_MS)
    expect(stage.told).toEqual([
      [TASK, { type: 'doubted', row: 'attachment:0', why: 'EC2 shows eni-1 not attached here' }],
    ])
    expect(stage.done).toEqual([])
  })

  test('an attachment that is only being made is there', async () => {
    stage.run()
    stage.enis = [eni('eni-1', { attachment: attached({ status: 'attaching' }) })]
    await twoLooks()
    await stage.clock.pass(REST_MS)
    expect(stage.told).toEqual([])
  })

  // P411
  test('a public address that EC2 does not show at its ENI is put back', async () => {
    stage.run(TASK, 'new')
    const [seen] = stage.enis
    stage.enis = [{ ...(seen ?? eni('eni-1')), allocationId: 'eipalloc-1' }]
    await twoLooks()
    expect(stage.told).toEqual([])
    stage.enis = seen === undefined ? [] : [seen]
    await stage.clock.pass(REST_MS)
    await twoLooks()
    const why = 'EC2 shows eni-1 without eipalloc-1'
    expect(stage.told).toEqual([[TASK, { type: 'doubted', row: 'publicIp:0', why }]])
  })

  test('the guard that somebody took away', async () => {
    stage.run()
    stage.enis = [eni('eni-1', { attachment: attached({ isGuarded: false }) })]
    await twoLooks()
    await stage.clock.pass(SOON_MS)
    const text = 'EC2 would not delete eni-1 with this instance'
    expect(stage.told).toEqual([[TASK, { type: 'doubted', row: 'guard:0', why: text }]])
  })

  test.each<[string, RowId]>([
    ['pause-1', 'sandbox'],
    ['web-1', 'container:web'],
  ])('container %s, at once: Docker shows no old pictures', async (gone, row) => {
    stage.run()
    stage.containers = stage.containers.filter(({ containerId }) => containerId !== gone)
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    const text = `Docker does not show container ${gone}`
    expect(stage.told).toEqual([[TASK, { type: 'doubted', row, why: text }]])
    expect(stage.asked).toEqual([])
  })

  test('not a container that has exited: it may be removed', async () => {
    const init = container('init', {}, { essential: false })
    stage.journal.begin(TASK, spec({ containers: [container('web'), init] }))
    settleHolder(stage.journal, TASK, {
      ...ROWS,
      'container:init': { details: { containerId: 'init-1' } },
    })
    stage.journal.append(TASK, { type: 'exited', container: 'init', exitCode: 0 })
    stage.enis = [eni('eni-1', { attachment: attached() })]
    stage.containers = [box('pause-1', { wears: wears('sandbox') }), box('web-1')]
    await twoLooks()
    expect(stage.told).toEqual([])
  })

  test('not what came to be while the survey was under way', async () => {
    stage.during = () => {
      stage.during = () => {}
      stage.run()
    }
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    expect(stage.told).toEqual([])
  })

  test('not what was given back while the survey was under way, but what another task holds', async () => {
    const second = 'b'.repeat(32)
    stage.run(second)
    stage.run()
    stage.containers = []
    stage.during = () => stage.stop()
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    expect(stage.told.map(([id]) => id)).toEqual([second, second])
  })

  test('each task by itself, though one only is seen whole', async () => {
    const second = 'b'.repeat(32)
    stage.run()
    const { enis, containers } = stage
    stage.journal.begin(second, spec())
    settleHolder(stage.journal, second, {
      ...ROWS,
      'eni:0': { choice: 'subnet-a', details: { eniId: 'eni-2' } },
      sandbox: { details: { containerId: 'pause-2', netns: '/n' } },
      'container:web': { details: { containerId: 'web-2' } },
    })
    Object.assign(stage, { enis, containers })
    await twoLooks()
    await stage.clock.pass(SOON_MS)
    expect(stage.told.map(([id, event]) => [id, (event as { row: RowId }).row])).toEqual([
      [second, 'sandbox'],
      [second, 'container:web'],
      [second, 'eni:0'],
    ])
  })

  const holdOnly = (...held: readonly (readonly [row: string, details: object])[]) => {
    stage.journal.begin(TASK, spec())
    for (const [row, details] of held) {
      stage.journal.append(TASK, { type: 'began', verb: 'ensure', row } as Event)
      stage.journal.append(TASK, { type: 'done', verb: 'ensure', row, details } as Event)
    }
  }

  test('a container that Docker lost before its task ran, on one look', async () => {
    holdOnly(['eni:0', { eniId: 'eni-1' }], ['sandbox', { containerId: 'c-gone' }])
    reconcile.start()
    await stage.clock.pass(20_000)
    expect(stage.told).toMatchObject([[TASK, { type: 'doubted', row: 'sandbox' }]])
  })

  test('not what a task that never ran has in EC2: it has its own deadlines', async () => {
    holdOnly(['eni:0', { eniId: 'eni-1' }])
    await twoLooks()
    await stage.clock.pass(REST_MS)
    expect(stage.told).toEqual([])
  })

  // P45
  test('nothing at all is believed of an EC2 that does not show this instance', async () => {
    stage.run()
    stage.enis = []
    stage.instances = []
    reconcile.start()
    await stage.clock.pass(10 * REST_MS)
    expect(stage.told).toEqual([])
    expect(stage.asked[0]).toEqual([HERE])
    const [finding] = (await reconcile.plan()).findings
    expect(finding).toMatchObject({
      verdict: 'leave',
      why: expect.stringContaining('not believed'),
    })
  })

  test('each from when it was first missing', async () => {
    const second = 'b'.repeat(32)
    stage.run(second)
    const theirs = eni('eni-2', { wears: wears('eni:0', second), attachment: attached() })
    stage.run()
    stage.journal.append(second, { type: 'doubted', row: 'eni:0', why: 'test' })
    for (const type of ['began', 'done'] as const) {
      const event = { type, verb: 'ensure', row: 'eni:0', details: { eniId: 'eni-2' } } as Event
      stage.journal.append(second, event)
    }
    stage.enis = [theirs]
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    stage.enis = []
    await stage.clock.pass(SOON_MS)
    await stage.clock.pass(SOON_MS)
    expect(stage.told.map(([id]) => id)).toEqual([TASK])
  })

  test('the plan does not name what came to be while it was made', async () => {
    stage.run()
    stage.containers = []
    stage.during = () => stage.stop()
    expect((await reconcile.plan()).findings).toEqual([])
  })

  test('not what was settled between the look and the act, but what is still missing', async () => {
    const second = 'b'.repeat(32)
    stage.run(second)
    stage.run()
    stage.enis = []
    stage.containers = []
    const { instancesThatExist } = stage.orphans
    Object.assign(stage.orphans, {
      instancesThatExist: async (ids: string[], signal: AbortSignal) => {
        stage.stop()
        return instancesThatExist(ids, signal)
      },
    })
    const { findings } = await reconcile.sweep()
    expect(stage.told.map(([id]) => id)).toEqual([second, second])
    const outcomes = findings
      .filter(({ verdict }) => verdict === 'doubt')
      .map(({ holderId, outcome }) => [holderId, outcome])
    expect(outcomes).toEqual([
      [second, 'doubted'],
      [second, 'doubted'],
      [TASK, 'settled meanwhile'],
      [TASK, 'settled meanwhile'],
    ])
  })
})

describe('security groups', () => {
  const OWN = ['sg-1', 'sg-2']
  const WHY = "eni-1 wears sg-9; the task's own are sg-1, sg-2"
  const LEFT = `${WHY}; changed behind our back, and left so: put them back in EC2, or have enid do it (ENID_KEEP_GROUPS=true)`
  const wearing = (...securityGroupIds: string[]) => [
    eni('eni-1', { attachment: attached(), securityGroupIds }),
  ]
  const GROUPED = {
    ...ROWS,
    'eni:0': { choice: 'subnet-a', details: { eniId: 'eni-1', securityGroupIds: OWN } },
  }

  /** A task that runs in OWN, and one look at it in the groups of `enis`. */
  async function firstLook(enis: SeenEni[], keepGroups = false): Promise<void> {
    stage.keepGroups = keepGroups
    reborn()
    stage.run()
    // What it was born in, not what it asked for: EC2 fills in the VPC's where a task names none.
    stage.journal.append(TASK, { type: 'doubted', row: 'eni:0', why: 'test' })
    settleHolder(stage.journal, TASK, GROUPED)
    stage.enis = enis
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
  }

  // P96
  test('changed behind our back are reported after two looks, and left', async () => {
    await firstLook(wearing('sg-9'))
    expect(stage.said).toEqual([
      `info sweep: eni eni-1: ${WHY}; reported when it is still so after 60 s`,
    ])
    await stage.clock.pass(SOON_MS)
    expect(stage.said.slice(1)).toEqual([`warn sweep: eni eni-1: ${LEFT}`])
    const fields = { task: TASK, row: 'eni:0', what: 'eni', id: 'eni-1' }
    expect(stage.fields).toEqual([
      { ...fields, verdict: 'wait' },
      { ...fields, verdict: 'leave' },
    ])
    await stage.clock.pass(10 * REST_MS)
    expect(stage.said, 'said once').toHaveLength(2)
    expect([stage.told, stage.done]).toEqual([[], []])
    expect(stage.asked, 'EC2 shows the ENI, so it knows this instance').toEqual([])
  })

  // P97
  test('changed behind our back are doubted after two looks, where they are to be kept', async () => {
    await firstLook(wearing('sg-9'), true)
    expect(stage.told).toEqual([])
    expect(stage.said).toEqual([
      `info sweep: eni eni-1: ${WHY}; put back when it is still so after 60 s`,
    ])
    await stage.clock.pass(SOON_MS)
    expect(stage.told).toEqual([[TASK, { type: 'doubted', row: 'eni:0', why: WHY }]])
    expect(stage.journal.get(TASK)?.holder.desired).toBe('running')
    await stage.clock.pass(10 * REST_MS)
    expect(stage.told, 'not again before it was looked at').toHaveLength(1)
  })

  test('that are changed once more after they were put back are looked at twice again', async () => {
    await firstLook(wearing('sg-9'), true)
    await stage.clock.pass(SOON_MS)
    settleHolder(stage.journal, TASK, GROUPED)
    await stage.clock.pass(REST_MS)
    expect(stage.told).toHaveLength(1)
    await stage.clock.pass(SOON_MS)
    expect(stage.told).toHaveLength(2)
  })

  test('are told of the task until a look shows them as they were', async () => {
    await firstLook(wearing('sg-9'))
    await stage.clock.pass(SOON_MS)
    const seenAt = stage.clock.time
    const finding = { what: 'eni', id: 'eni-1', holderId: TASK, row: 'eni:0', verdict: 'leave' }
    expect(reconcile.noticed(TASK)).toEqual([{ ...finding, why: LEFT, seenAt }])
    expect(reconcile.noticed(STRANGER)).toEqual([])
    stage.away.ec2 = transient('Away')
    await stage.clock.pass(REST_MS)
    expect(reconcile.noticed(TASK), 'EC2 is away and clears nothing').toHaveLength(1)
    stage.away = {}
    stage.enis = wearing(...OWN)
    await stage.clock.pass(REST_MS)
    expect(reconcile.noticed(TASK)).toEqual([])
  })

  test.each([true, false])('seen otherwise in one look only are forgotten (%s)', async (keep) => {
    await firstLook(wearing('sg-9'), keep)
    stage.enis = wearing(...OWN)
    await stage.clock.pass(SOON_MS)
    stage.enis = wearing('sg-9')
    await stage.clock.pass(REST_MS)
    expect(stage.told).toEqual([])
    expect(reconcile.noticed(TASK)).toMatchObject([{ verdict: 'wait' }])
  })

  test.each<[string, string[]]>([
    ['one is gone', ['sg-1']],
    ['one came to them', ['sg-1', 'sg-2', 'sg-9']],
    ['none is left', []],
  ])('are changed where %s', async (_name, worn) => {
    await firstLook(wearing(...worn), true)
    await stage.clock.pass(SOON_MS)
    expect(stage.told).toHaveLength(1)
    expect(stage.told[0]?.[1]).toMatchObject({
      why: `eni-1 wears ${worn.join(', ') || 'no group'}; the task's own are sg-1, sg-2`,
    })
  })

  test.each<[string, SeenEni[]]>([
    ['in another order', wearing('sg-2', 'sg-1')],
    ['that EC2 did not tell', [eni('eni-1', { attachment: attached() })]],
  ])('%s are not changed', async (_name, enis) => {
    await firstLook(enis, true)
    expect((await reconcile.plan()).findings).toEqual([])
  })

  test('of an ENI in doubt, or of a task that is to stop, are not looked at', async () => {
    await firstLook(wearing(...OWN), true)
    stage.enis = wearing('sg-9')
    stage.journal.append(TASK, { type: 'doubted', row: 'eni:0', why: 'test' })
    expect((await reconcile.plan()).findings).toEqual([])
    settleHolder(stage.journal, TASK, GROUPED)
    expect((await reconcile.plan()).findings).toHaveLength(1)
    stage.stop()
    expect((await reconcile.plan()).findings).toEqual([])
  })

  test('an ENI that was not shown and now wears others has been seen so once only', async () => {
    await firstLook([], true)
    stage.enis = wearing('sg-9')
    // Two calls, two minutes.
    await stage.clock.pass(2 * SOON_MS)
    expect(stage.told).toEqual([])
    await stage.clock.pass(SOON_MS)
    expect(stage.told).toHaveLength(1)
  })

  test('are told also of an ENI whose tags were taken off', async () => {
    const { wears: _, ...bare } = wearing('sg-9')[0] as SeenEni
    await firstLook([bare])
    await stage.clock.pass(SOON_MS)
    expect(reconcile.noticed(TASK).map(({ why }) => why)).toEqual([
      expect.stringContaining('tags were taken off'),
      LEFT,
    ])
  })
})
