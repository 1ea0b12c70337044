// Goal: dockerd is asked for so many starts at once and no more; a task that has begun is finished
// before another begins; nobody waits for a start that hangs, or for one who gave up. Method: starts
// that end when they are told.

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openStartTurns, type StartTurns } from '../../agent/drivers/start-turns.ts'
import type { RowId } from '../../state/task.ts'

const never = new AbortController().signal
let begun: string[]
let ends: Map<string, () => void>
let turns: StartTurns

beforeEach(() => {
  begun = []
  ends = new Map()
  turns = openStartTurns(2, 60_000)
})

afterEach(() => {
  vi.useRealTimers()
})

function start(holderId: string, row: RowId = 'container:app', signal = never): Promise<string> {
  return turns.take({ holderId, row }, signal, async () => {
    begun.push(holderId)
    const { promise, resolve } = Promise.withResolvers<void>()
    ends.set(holderId, resolve)
    await promise
    return holderId
  })
}

async function end(holderId: string): Promise<void> {
  ends.get(holderId)?.()
  await settle()
}
const settle = () => new Promise((resolve) => setImmediate(resolve))

// P471
test('so many are under way at once, the others in the order in which they came', async () => {
  const all = ['a', 'b', 'c', 'd'].map((id) => start(id))
  await settle()
  expect(begun).toEqual(['a', 'b'])
  await end('b')
  expect(begun).toEqual(['a', 'b', 'c'])
  await end('a')
  expect(begun).toEqual(['a', 'b', 'c', 'd'])
  for (const id of ['c', 'd']) await end(id)
  expect(await Promise.all(all)).toEqual(['a', 'b', 'c', 'd'])
})

// P471
test('a task that has begun is finished before another begins', async () => {
  for (const id of ['a', 'b', 'c', 'd']) start(id, 'sandbox')
  await settle()
  start('a2')
  await end('a')
  await end('b')
  expect(begun).toEqual(['a', 'b', 'a2', 'c'])
})

// P471
test('one that fails makes room as one that succeeds does, and its failure is told', async () => {
  const refused = new Error('refused')
  const failing = () =>
    turns.take({ holderId: 'x', row: 'sandbox' }, never, () => Promise.reject(refused))
  await expect(Promise.all([failing(), failing(), failing()])).rejects.toBe(refused)
  start('a')
  await settle()
  expect(begun).toEqual(['a'])
})

// P471
test('who gives up while it waits is not started, and nobody waits for it', async () => {
  for (const id of ['a', 'b']) start(id)
  const controller = new AbortController()
  const given = start('c', 'container:app', controller.signal)
  start('d')
  controller.abort()
  await expect(given).rejects.toMatchObject({ kind: 'transient', code: 'Aborted' })
  await end('a')
  expect(begun).toEqual(['a', 'b', 'd'])
  const late = start('e', 'sandbox', controller.signal)
  await expect(late).rejects.toMatchObject({ code: 'Aborted' })
})

// P471
test('one that hangs is waited for no longer than a turn lasts', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  turns = openStartTurns(1, 20)
  const hanging = start('a')
  start('b')
  await settle()
  expect(begun).toEqual(['a'])
  vi.advanceTimersByTime(19)
  await settle()
  expect(begun).toEqual(['a'])
  vi.advanceTimersByTime(1)
  await settle()
  expect(begun).toEqual(['a', 'b'])
  // Its end makes no room a second time.
  start('c')
  await end('a')
  expect(await hanging).toBe('a')
  expect(begun).toEqual(['a', 'b'])
})

// P471
test('a start that waits says so, and for what', async () => {
  for (const id of ['a', 'b', 'c']) start(id)
  await settle()
  expect(turns.waiting('a')).toEqual([])
  expect(turns.waiting('c')).toMatchObject(
    [
      { row: 'container:app', verb: 'ensure', code: 'DockerBusy', reason: /starts 2 containers/ },
    ].map((each) => ({ ...each, reason: expect.stringMatching(each.reason) })),
  )
})
