// Goal: no ENI slot is taken for free while EC2 is not done with it, and none for taken when it is
// free, whoever else plugs ENIs into this instance. Method: a journal in memory, EC2 by hand.

import { beforeEach, expect, test } from 'vitest'
import { Failure } from '../../agent/failure.ts'
import { askForeign, ForeignIndices, ownIndices } from '../../agent/slots.ts'
import type { Catalog } from '../../state/catalog.ts'
import type { Journal } from '../../state/journal.ts'
import type { Event } from '../../state/task.ts'
import { spec } from '../state/specs.ts'
import { memory, releaseAllBut, settleHolder } from './journals.ts'
import { StillClock, settle } from './world.ts'

const stop: Event = { type: 'stopAsked', stop: { code: 'UserInitiated', reason: '' } }
let journal: Journal
let catalog: Catalog
beforeEach(() => {
  ;({ journal, catalog } = memory(() => 1000))
})

const eniOf = (id: string, index: string) => ({
  'eni:0': { details: { eniId: `eni-${id}` } },
  'attachment:0': { choice: index },
})

/** Asks an EC2 that shows these ENIs at these device indices of this instance. */
async function ask(plugged: Record<string, number>, meanwhile = () => {}): Promise<number[]> {
  const NetworkInterfaces = Object.entries(plugged).map(([NetworkInterfaceId, DeviceIndex]) => ({
    NetworkInterfaceId,
    Attachment: { DeviceIndex },
  }))
  const call = async () => {
    meanwhile()
    return { Reservations: [{ Instances: [{ NetworkInterfaces }] }] }
  }
  const known = { ec2: { call } as never, journal, catalog }
  return [...(await askForeign(known, 'i-1', AbortSignal.timeout(5000)))].sort()
}

test('foreign is what is plugged and no holder’s; index 0 always', async () => {
  expect(await ask({})).toEqual([0])
  journal.begin('a', spec())
  settleHolder(journal, 'a', eniOf('a', '1'))
  expect(await ask({ 'eni-host': 0, 'eni-a': 1, 'eni-x': 2 })).toEqual([0, 2])
  expect(JSON.parse(catalog.fact('foreignIndices') ?? '').sort()).toEqual([0, 2])
})

test('an index that a holder of ours only wants is not its own', async () => {
  journal.begin('a', spec())
  journal.append('a', { type: 'began', verb: 'ensure', row: 'eni:0', choice: 'subnet-a' })
  journal.append('a', { type: 'done', verb: 'ensure', row: 'eni:0', details: { eniId: 'eni-a' } })
  journal.append('a', { type: 'began', verb: 'ensure', row: 'attachment:0', choice: '1' })
  expect(await ask({ 'eni-host': 0, 'eni-x': 1 })).toEqual([0, 1])
})

test('an ENI that EC2 is still detaching is ours, also for an agent that starts just then', async () => {
  journal.begin('a', spec())
  settleHolder(journal, 'a', eniOf('a', '1'))
  journal.append('a', stop)
  releaseAllBut(journal, 'a', 'eni:0')
  expect([...ownIndices(journal)]).toEqual([1])
  expect(await ask({ 'eni-a': 1 })).toEqual([0])
  settleHolder(journal, 'a')
  expect([...ownIndices(journal)]).toEqual([])
  expect(await ask({ 'eni-a': 1 })).toEqual([0, 1])
})

test('what is ours before or after EC2 was asked is not somebody else’s', async () => {
  for (const id of ['a', 'b']) journal.begin(id, spec())
  settleHolder(journal, 'a', eniOf('a', '1'))
  journal.append('a', stop)
  const meanwhile = () => {
    settleHolder(journal, 'a')
    settleHolder(journal, 'b', eniOf('b', '2'))
  }
  expect(await ask({ 'eni-a': 1, 'eni-b': 2, 'eni-x': 3 }, meanwhile)).toEqual([0, 3])
})

function foreign(first: number[], clock: StillClock) {
  const answers: (Set<number> | Error)[] = []
  const failures: Failure[] = []
  const defects: unknown[] = []
  let asked = 0
  const known = new ForeignIndices({
    first: new Set(first),
    ask: async () => {
      asked += 1
      const answer = answers.shift() ?? new Set([0])
      if (answer instanceof Error) throw answer
      return answer
    },
    clock,
    onFailure: (failure) => failures.push(failure),
    onDefect: (error) => defects.push(error),
  })
  return { known, answers, failures, defects, asked: () => asked }
}

// P25
test('an Attach refused at a slot that was taken for free has EC2 asked who took it, once for all of them', async () => {
  const { known, answers, asked } = foreign([0], new StillClock())
  answers.push(new Set([0, 1, 2]))
  for (let n = 0; n < 3; n++) known.wereMore()
  await settle()
  expect(known.known).toEqual(new Set([0, 1, 2]))
  expect(asked()).toBe(1)
})

test('a full host asks whether others have gone, where there are others, once a minute', async () => {
  const clock = new StillClock()
  const alone = foreign([0], clock)
  const shared = foreign([0, 1], clock)
  for (const { known } of [alone, shared]) known.mayHaveGone()
  expect(shared.asked()).toBe(0)
  await clock.pass(60_000)
  shared.answers.push(new Set([0, 2]), new Set([0]))
  for (let n = 0; n < 3; n++) for (const { known } of [alone, shared]) known.mayHaveGone()
  await settle()
  expect(shared.known.known).toEqual(new Set([0, 2]))
  await clock.pass(59_999)
  shared.known.mayHaveGone()
  await clock.pass(1)
  shared.known.mayHaveGone()
  await settle()
  expect(shared.known.known).toEqual(new Set([0]))
  expect([alone.asked(), shared.asked()]).toEqual([0, 2])
})

test('while EC2 does not say, what was known stands; a mistake of ours is not hidden', async () => {
  const { known, answers, failures, defects } = foreign([0, 1], new StillClock())
  answers.push(new Failure('transient', 'Ec2Unreachable', 'away'), new TypeError('oops'))
  known.wereMore()
  await settle()
  known.wereMore()
  await settle()
  expect(known.known).toEqual(new Set([0, 1]))
  expect(failures).toHaveLength(1)
  expect(defects).toHaveLength(1)
})
