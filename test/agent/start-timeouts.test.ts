// Goal: whoever waits for a container gives up when that container's startTimeout is over, and no
// sooner. Method: a journal in memory, with times by hand.

import { beforeEach, expect, test } from 'vitest'
import { waitedTooLong } from '../../agent/start-timeouts.ts'
import type { Journal } from '../../state/journal.ts'
import type { RowId } from '../../state/task.ts'
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
  expect(waitedTooLong(entry(), Date.now() + 3_600_000)).toEqual([])
})

// P196
test('who waits gives up when the time of the other is over, and says for what it waited', () => {
  dbStarts()
  expect(waitedTooLong(entry(), startedAt + 4_999)).toEqual([])
  expect(waitedTooLong(entry(), startedAt + 5_000)).toEqual([
    {
      type: 'refused',
      row: 'container:web',
      cause: {
        code: 'TaskDependencyError',
        message:
          'container web waited for db to be HEALTHY, which it is not 5 s after its start (startTimeout)',
      },
    },
  ])
})

// P196
test('the task stops for that, as one that failed to start', () => {
  dbStarts()
  const [event] = waitedTooLong(entry(), startedAt + 5_000)
  if (event === undefined) expect.fail('nothing follows')
  journal.append('a', event)
  expect(entry().holder).toMatchObject({ desired: 'stopped', stop: { code: 'TaskFailedToStart' } })
  expect(waitedTooLong(entry(), startedAt + 9_000)).toEqual([])
})

test('what was met in time is met, whenever the waiter is started', () => {
  dbStarts()
  journal.append('a', { type: 'healthSeen', container: 'db', healthy: true })
  expect(waitedTooLong(entry(), startedAt + 60_000)).toEqual([])
  hold('container:web')
  journal.append('a', { type: 'healthSeen', container: 'db', healthy: false })
  expect(waitedTooLong(entry(), startedAt + 60_000)).toEqual([])
})

test('without a startTimeout it is waited for as long as it takes', () => {
  journal.begin('b', spec({ containers: [container('web', { db: 'HEALTHY' }), container('db')] }))
  const other = journal.get('b') ?? expect.fail('no b')
  expect(waitedTooLong(other, Date.now() + 3_600_000)).toEqual([])
})
