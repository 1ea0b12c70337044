// Goal: what an instance that is gone for good has left is given back by another one, and what is another's
// or only lent is never more than told. Method: as in reconcile.test.ts.

import { beforeEach, describe, expect, test } from 'vitest'
import type { SeenAddress, SeenEni } from '../../agent/drivers/survey.ts'
import { spec } from '../state/specs.ts'
import { settleHolder } from './journals.ts'
import {
  attached,
  eni,
  FIRST_MS,
  HERE,
  OTHER,
  REST_MS,
  reconcile,
  SOON_MS,
  STRANGER,
  stage,
  TASK,
  transient,
  useStage,
  wears,
} from './sweep-stage.ts'

useStage()

describe('an ENI of another instance', () => {
  const theirs = () => eni('eni-5', { wears: wears('eni:0', STRANGER, OTHER) })

  // P43
  test('is given back when that instance is gone, after an hour of looks', async () => {
    stage.enis = [theirs()]
    reconcile.start()
    await stage.clock.pass(FIRST_MS + 3_599_999)
    expect(stage.done).toEqual([])
    expect(new Set(stage.asked.flat())).toEqual(new Set([HERE, OTHER]))
    const [finding] = (await reconcile.plan()).findings
    expect(finding?.why).toBe(
      `made by instance ${OTHER}, and attached to nothing; that instance does not exist any more; ` +
        'released when it is still so after 3600 s',
    )
    await stage.clock.pass(REST_MS)
    expect(stage.done).toEqual(['eni eni-5'])
  })

  test('is looked at no more often than anything at rest', async () => {
    stage.enis = [theirs()]
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    await stage.clock.pass(REST_MS - 1)
    expect(stage.known).toHaveLength(1)
  })

  test('is left alone while that instance exists', async () => {
    stage.enis = [theirs()]
    stage.instances = [HERE, OTHER]
    reconcile.start()
    await stage.clock.pass(4 * 3_600_000)
    expect(stage.done).toEqual([])
    expect(stage.said).toEqual([])
    expect((await reconcile.plan()).findings).toEqual([])
  })

  test('begins its hour anew when that instance is seen once', async () => {
    stage.enis = [theirs()]
    reconcile.start()
    await stage.clock.pass(3_000_000)
    stage.instances = [HERE, OTHER]
    await stage.clock.pass(REST_MS)
    stage.instances = [HERE]
    await stage.clock.pass(3_600_000)
    expect(stage.done).toEqual([])
    await stage.clock.pass(2 * REST_MS)
    expect(stage.done).toEqual(['eni eni-5'])
  })

  test.each<[string, Partial<SeenEni>]>([
    ['attached to it', { attachment: attached({ instanceId: OTHER }) }],
    ['in use in any other way', { status: 'in-use' }],
    ['available in words only', { status: 'available', attachment: attached({ instanceId: '' }) }],
  ])('is not even asked about while it is %s', async (_name, change) => {
    stage.enis = [{ ...theirs(), ...change }]
    reconcile.start()
    await stage.clock.pass(4 * 3_600_000)
    expect(stage.asked).toEqual([])
    expect(stage.done).toEqual([])
  })

  test('is left alone by an EC2 that does not know this instance either', async () => {
    stage.enis = [theirs()]
    stage.instances = []
    reconcile.start()
    await stage.clock.pass(4 * 3_600_000)
    expect(stage.done).toEqual([])
    const [finding] = (await reconcile.plan()).findings
    expect(finding).toMatchObject({
      verdict: 'leave',
      why: expect.stringContaining('not believed'),
    })
    // None of that counted.
    stage.instances = [HERE]
    await stage.clock.pass(2 * REST_MS)
    expect(stage.done).toEqual([])
  })

  test('waits while EC2 does not say which instances exist', async () => {
    stage.enis = [theirs()]
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    stage.away.instances = transient('RequestLimitExceeded')
    const plan = await reconcile.plan()
    expect(plan.findings).toMatchObject([
      { verdict: 'wait', why: expect.stringContaining('did not say') },
    ])
    expect(plan.away).toEqual([
      { place: 'ec2', code: 'RequestLimitExceeded', reason: 'RequestLimitExceeded happened' },
    ])
    await stage.clock.pass(4 * 3_600_000)
    expect(stage.done).toEqual([])
    // What was seen before stands, and an answer settles it.
    delete stage.away.instances
    await stage.clock.pass(REST_MS)
    expect(stage.done).toEqual(['eni eni-5'])
  })

  test('a look without an answer about instances does not count as the first', async () => {
    stage.enis = [theirs()]
    stage.away.instances = transient('RequestLimitExceeded')
    reconcile.start()
    await stage.clock.pass(4 * 3_600_000)
    delete stage.away.instances
    await stage.clock.pass(3_000_000)
    expect(stage.done).toEqual([])
  })
})

describe('a public address of another instance', () => {
  const theirs = (change: Partial<SeenAddress> = {}): SeenAddress => ({
    ...{ what: 'address', allocationId: 'eipalloc-5', ...change },
    wears: wears('publicIp:0', STRANGER, OTHER),
  })
  // This host has public addresses of its own: only then is it allowed to look at any.
  beforeEach(() => stage.run(TASK, 'new'))

  // P514
  test('that stands for nothing is released when that instance is gone, after an hour of looks', async () => {
    stage.addresses = [theirs()]
    reconcile.start()
    await stage.clock.pass(FIRST_MS + 3_599_999)
    expect(stage.done).toEqual([])
    const found = (await reconcile.plan()).findings.find(({ what }) => what === 'address')
    expect(found?.why).toBe(
      `allocated by instance ${OTHER}, and associated with nothing; that instance does not exist any more; ` +
        'released when it is still so after 3600 s',
    )
    await stage.clock.pass(REST_MS)
    expect(stage.done).toEqual(['address eipalloc-5'])
  })

  // P514
  test('is left alone while that instance exists, or while it stands for anything', async () => {
    stage.addresses = [theirs()]
    stage.instances = [HERE, OTHER]
    reconcile.start()
    await stage.clock.pass(2 * 3_600_000)
    stage.instances = [HERE]
    stage.addresses = [theirs({ associationId: 'eipassoc-5' })]
    await stage.clock.pass(4 * 3_600_000)
    expect(stage.done).toEqual([])
  })
})

describe('a lent ENI whose task is over', () => {
  const LENT = 'eni-lent'
  const spec1 = () => {
    const [first] = spec().enis
    return spec({ enis: first ? [{ ...first, lentEniId: LENT }] : [] })
  }
  const at = (deviceIndex: number): SeenEni => ({
    ...{ what: 'eni', eniId: LENT, status: 'in-use' },
    attachment: attached({ deviceIndex }),
  })
  /** Its Attach was begun at index 3; whether it was answered. */
  function over(isAnswered: boolean): void {
    stage.journal.begin(TASK, spec1())
    const taken = { type: 'done', verb: 'ensure', row: 'eni:0', details: { eniId: LENT } } as const
    stage.journal.append(TASK, { type: 'began', verb: 'ensure', row: 'eni:0' })
    stage.journal.append(TASK, taken)
    const row = 'attachment:0'
    stage.journal.append(TASK, { type: 'began', verb: 'ensure', row, choice: '3' })
    const details = { attachmentId: 'eni-attach-3', deviceIndex: 3 }
    if (isAnswered) stage.journal.append(TASK, { type: 'done', verb: 'ensure', row, details })
    stage.stop()
    settleHolder(stage.journal, TASK, {})
  }

  // P515
  test('and whose Attach nobody heard of is told of at that index, and detached when a person asks', async () => {
    over(false)
    stage.enis = [at(3)]
    reconcile.start()
    await stage.clock.pass(FIRST_MS + 2 * SOON_MS)
    expect(stage.known.at(-1)).toContain(LENT)
    expect(stage.done).toEqual([])
    expect(stage.said.at(-1)).toMatch(
      /^warn sweep: eni eni-lent: .*at index 3, which was chosen for its task .* enid sweep detaches it/,
    )
    const { findings } = await reconcile.sweep()
    expect(stage.done).toEqual([`detach ${LENT}`])
    expect(findings).toMatchObject([{ id: LENT, verdict: 'release', outcome: 'detached' }])
    stage.enis = []
    expect((await reconcile.plan()).findings).toEqual([])
  })

  // P515
  test.each([
    ['that its owner plugged in at another index', false, 4],
    ['whose Attach was answered, so that it was undone', true, 3],
  ])('(%s) is nobody’s business here', async (_what, isAnswered, index) => {
    over(isAnswered)
    // Without a mark it is seen only by who asks for it by its id.
    stage.enis = isAnswered ? [] : [at(index)]
    reconcile.start()
    await stage.clock.pass(FIRST_MS + 2 * SOON_MS)
    await reconcile.sweep()
    expect(stage.known.flat().includes(LENT)).toBe(!isAnswered)
    expect([stage.done, stage.said]).toEqual([[], []])
  })

  // P515
  test('is left alone when another task has it by now', async () => {
    over(false)
    stage.journal.begin(STRANGER, spec1())
    settleHolder(stage.journal, STRANGER, { 'eni:0': { details: { eniId: LENT } } })
    stage.enis = [at(3)]
    reconcile.start()
    await stage.clock.pass(FIRST_MS + 2 * SOON_MS)
    await reconcile.sweep()
    expect(stage.done).toEqual([])
  })
})
