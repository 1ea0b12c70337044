// Goal: what is seen of a running task becomes the right event, once, and never one about a task
// that has nothing to lose. Method: a journal in memory, Docker played by hand.

import { beforeEach, describe, expect, test } from 'vitest'
import type { ContainerEvent } from '../../agent/drivers/container-events.ts'
import { eventOf } from '../../agent/watch.ts'
import type { Journal } from '../../state/journal.ts'
import type { Event, RowId } from '../../state/task.ts'
import { container, spec } from '../state/specs.ts'
import { memory, settleHolder } from './journals.ts'

let journal: Journal

beforeEach(() => {
  journal = memory().journal
  journal.begin('a', spec())
})

const climb = () => settleHolder(journal, 'a')
const say = (row: RowId, rest: object): Event | undefined =>
  eventOf(journal, { containerId: 'c', holderId: 'a', row, ...rest } as ContainerEvent)
const stop: Event = { type: 'stopAsked', stop: { code: 'UserInitiated', reason: '' } }

describe('what Docker tells', () => {
  test('a dead or removed pause is lost, unless the task is to stop anyway', () => {
    climb()
    expect(say('sandbox', { what: 'die', exitCode: 0 })).toMatchObject({
      type: 'lost',
      row: 'sandbox',
    })
    expect(say('sandbox', { what: 'destroy' })).toMatchObject({ type: 'lost', row: 'sandbox' })
    expect(say('sandbox', { what: 'start' })).toBeUndefined()
    journal.append('a', stop)
    expect(say('sandbox', { what: 'die', exitCode: 0 })).toBeUndefined()
  })

  test('an exit is news once, also while stopping; health whenever it changes', () => {
    climb()
    const exited = say('container:web', { what: 'die', exitCode: 9 })
    expect(exited).toEqual({ type: 'exited', container: 'web', exitCode: 9 })
    const healthy = say('container:web', { what: 'health', healthy: true })
    expect(healthy).toEqual({ type: 'healthSeen', container: 'web', healthy: true })
    if (exited) journal.append('a', exited)
    if (healthy) journal.append('a', healthy)
    expect(say('container:web', { what: 'die', exitCode: 9 })).toBeUndefined()
    expect(say('container:web', { what: 'health', healthy: true })).toBeUndefined()
    expect(say('container:web', { what: 'health', healthy: false })).toBeDefined()
  })

  test('an exit that was answered by a restart is no news, also when docker tells of it again', () => {
    climb()
    const died = { what: 'die', exitCode: 1, exitId: 'first', ranMs: 60_000 }
    const exited = say('container:web', died)
    const told = { exitCode: 1, exitId: 'first', ranMs: 60_000 }
    expect(exited).toEqual({ type: 'exited', container: 'web', ...told })
    if (exited) journal.append('a', exited)
    journal.append('a', { type: 'restartAsked', container: 'web', exitId: 'first' })
    expect(say('container:web', died)).toBeUndefined()
    expect(say('container:web', { ...died, exitId: 'second' })).toMatchObject({ exitId: 'second' })
    expect(say('container:web', { what: 'destroy' })).toMatchObject({ exitCode: 137 })
  })

  test('an essential container that Docker was told to end says so; any other has exited', () => {
    const helper = container('helper', {}, { essential: false })
    const restart = { attemptPeriodMs: 60_000, ignoredExitCodes: [] }
    journal.begin('b', spec({ containers: [container('web', {}, { restart }), helper] }))
    climb()
    settleHolder(journal, 'b')
    const killed = { what: 'die', exitCode: 137, wasKilled: true }
    expect(say('container:web', killed)).toMatchObject({
      type: 'lost',
      row: 'container:web',
      cause: { code: 'ContainerKilled', message: expect.stringMatching(/code 137.*live-restore/) },
    })
    const exited = { type: 'exited', exitCode: 137 }
    // What follows where there is a restart policy, its table says.
    for (const name of ['web', 'helper']) {
      const told = say(`container:${name}`, { ...killed, holderId: 'b' })
      expect(told).toEqual({ ...exited, container: name })
    }
    journal.append('a', stop)
    expect(say('container:web', killed)).toEqual({ ...exited, container: 'web' })
  })

  test('a container removed behind our back counts as killed while the task runs', () => {
    climb()
    const killed = { type: 'exited', container: 'web', exitCode: 137 }
    expect(say('container:web', { what: 'destroy' })).toEqual(killed)
    journal.append('a', stop)
    expect(say('container:web', { what: 'destroy' })).toBeUndefined()
  })

  test('of what is not held, of other rows and of strangers there is no news', () => {
    expect(say('sandbox', { what: 'die', exitCode: 0 })).toBeUndefined()
    climb()
    expect(say('image:web', { what: 'die', exitCode: 0 })).toBeUndefined()
    const stranger = { containerId: 'c', holderId: 'z', row: 'sandbox', what: 'destroy' } as const
    expect(eventOf(journal, stranger)).toBeUndefined()
  })
})
