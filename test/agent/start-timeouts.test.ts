// Goal: whoever waits for a container gives up when that container's startTimeout is over, and no
// sooner. Method: a journal in memory, with times by hand.

import { beforeEach, expect, test } from 'vitest'
import { Failure } from '../../agent/failure.ts'
import { stopOverdue, waitedTooLong } from '../../agent/start-timeouts.ts'
import type { Journal } from '../../state/journal.ts'
import type { RowId, Stop } from '../../state/task.ts'
import { container, spec } from '../state/specs.ts'
import { memory } from './journals.ts'

let journal: Journal
let startedAt: number
const entry = () => journal.get('a') ?? expect.fail('no a')

function hold(row: RowId, choice?: string): void {
  journal.append('a', { type: 'began', verb: 'ensure', row, ...(choice && { choice }) })
  journal.append('a', { type: 'done', verb: 'ensure', row, details: {} })
}

beforeEach(() => {
  journal = memory().journal
  const containers = [
    container('web', { db: 'HEALTHY' }),
    container('db', {}, { startTimeoutMs: 5_000 }),
  ]
  journal.begin('a', spec({ containers }))
  for (const row of [
    'eni:0',
    'image:web',
    'image:db',
    'attachment:0',
    'sandbox',
    'link:0',
  ] as const) {
    hold(row)
  }
})

const dbStarts = () => {
  hold('container:db')
  startedAt = entry().timeline.steps.find(({ row }) => row === 'container:db')?.doneAt ?? 0
}

test('nobody gives up before the one that is waited for was started', () => {
  expect(waitedTooLong(entry(), Date.now() + 3_600_000)).toBeUndefined()
})

// P470
test('one that was made ahead has waited for all that it waits for', () => {
  const containers = [
    container('web', { db: 'HEALTHY' }),
    container('db', {}, { startTimeoutMs: 5_000 }),
  ]
  const { journal } = memory()
  const id = 'b'
  journal.begin(id, spec({ containers, madeAhead: true }))
  const held = (row: RowId) => {
    journal.append(id, { type: 'began', verb: 'ensure', row })
    journal.append(id, { type: 'done', verb: 'ensure', row, details: {} })
  }
  const before = ['eni:0', 'image:web', 'image:db', 'attachment:0', 'sandbox', 'link:0'] as const
  for (const row of [...before, 'created:db', 'container:db'] as const) held(row)
  const late = () => waitedTooLong(journal.get(id) ?? expect.fail(), Date.now() + 3_600_000)
  expect(late()).toMatchObject({ row: 'container:web' })
  journal.append(id, { type: 'healthSeen', container: 'db', healthy: true })
  held('created:web')
  journal.append(id, { type: 'healthSeen', container: 'db', healthy: false })
  expect(late()).toBeUndefined()
})

// P196
test('who waits gives up when the time of the other is over, and says for what it waited', () => {
  dbStarts()
  expect(waitedTooLong(entry(), startedAt + 4_999)).toBeUndefined()
  expect(waitedTooLong(entry(), startedAt + 5_000)).toEqual({
    code: 'TaskFailedToStart',
    row: 'container:web',
    reason:
      'TaskDependencyError: container web waited for db to be HEALTHY, which it is not 5 s after ' +
      'its start (startTimeout)',
  })
})

const stopping = {
  stop: (id: string, stop: Stop) => void journal.append(id, { type: 'stopAsked', stop }),
}

// P196
test('the task stops for that, once, as one that failed to start', () => {
  dbStarts()
  stopOverdue(journal, stopping, startedAt + 5_000)
  expect(entry().holder).toMatchObject({ desired: 'stopped', stop: { code: 'TaskFailedToStart' } })
  expect(waitedTooLong(entry(), startedAt + 9_000)).toBeUndefined()
})

test('what cannot be written down is due at the next look; a defect is told', () => {
  dbStarts()
  const failing = (error: Error) => ({
    stop: () => {
      throw error
    },
  })
  stopOverdue(journal, failing(new Failure('transient', 'Full', 'no room')), startedAt + 5_000)
  expect(entry().holder.desired).toBe('running')
  const defect = new Error('a mistake of ours')
  expect(() => stopOverdue(journal, failing(defect), startedAt + 5_000)).toThrow(defect)
  stopOverdue(journal, stopping, startedAt + 5_500)
  expect(entry().holder.desired).toBe('stopped')
})

test('what was met in time is met, whenever the waiter is started', () => {
  dbStarts()
  journal.append('a', { type: 'healthSeen', container: 'db', healthy: true })
  expect(waitedTooLong(entry(), startedAt + 60_000)).toBeUndefined()
  hold('container:web')
  journal.append('a', { type: 'healthSeen', container: 'db', healthy: false })
  expect(waitedTooLong(entry(), startedAt + 60_000)).toBeUndefined()
})

test('without a startTimeout it is waited for as long as it takes', () => {
  journal.begin('b', spec({ containers: [container('web', { db: 'HEALTHY' }), container('db')] }))
  const other = journal.get('b') ?? expect.fail('no b')
  expect(waitedTooLong(other, Date.now() + 3_600_000)).toBeUndefined()
})
