// Goal: a reboot takes every task that had something on the host, once, and nothing else. Method: a
// journal in memory and boot ids by hand.

import { beforeEach, expect, test } from 'vitest'
import { bootId } from '../../agent/drivers/boot-id.ts'
import { noteReboot } from '../../agent/reboot.ts'
import { rowState } from '../../state/task.ts'
import { spec } from '../state/specs.ts'
import { memory, settleHolder } from './journals.ts'

let made: ReturnType<typeof memory>
beforeEach(() => {
  made = memory()
})
const holder = (id: string) => made.journal.get(id)?.holder ?? expect.fail(`no ${id}`)

test('the kernel tells this boot by an id that stays', () => {
  expect(bootId()).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
  expect(bootId()).toBe(bootId())
})

test('without a boot id kept, and in the same boot, nothing follows', () => {
  made.journal.begin('a', spec())
  settleHolder(made.journal, 'a')
  expect(noteReboot(made, 'first')).toBeUndefined()
  expect(made.catalog.fact('bootId')).toBe('first')
  expect(noteReboot(made, 'first')).toBeUndefined()
  expect(holder('a')).toMatchObject({ desired: 'running', ran: true })
})

test('after a reboot what ran stops for it, what had nothing local goes on, what stopped keeps its reason', () => {
  const { journal } = made
  noteReboot(made, 'first')
  for (const id of ['ran', 'young', 'begun', 'stopping']) journal.begin(id, spec())
  for (const id of ['ran', 'stopping']) settleHolder(journal, id)
  for (const id of ['young', 'begun']) {
    journal.append(id, { type: 'began', verb: 'ensure', row: 'eni:0', choice: 'subnet-a' })
    journal.append(id, { type: 'done', verb: 'ensure', row: 'eni:0', details: {} })
  }
  journal.append('begun', { type: 'began', verb: 'ensure', row: 'sandbox' })
  const stop = { code: 'UserInitiated', reason: 'enough' } as const
  journal.append('stopping', { type: 'stopAsked', stop })

  expect(noteReboot(made, 'second')).toBe(2)
  expect(holder('ran').stop).toMatchObject({
    code: 'EssentialContainerExited',
    reason: expect.stringMatching(/^HostRebooted: the host was rebooted.*Run the task again/),
  })
  expect(holder('begun').stop).toMatchObject({
    code: 'TaskFailedToStart',
    reason: expect.stringContaining('HostRebooted'),
  })
  expect(holder('young').desired).toBe('running')
  expect(holder('stopping').stop).toEqual(stop)
  // What is gone is released all the same: what is left of it in Docker, and its ENI.
  expect(rowState(holder('ran'), 'sandbox').is).toBe('unsure')
  settleHolder(journal, 'ran')
  expect(rowState(holder('ran'), 'eni:0').is).toBe('none')

  expect(noteReboot(made, 'second')).toBeUndefined()
  expect(holder('young').desired).toBe('running')
})

test('the reboot is forgotten only together with what it took', () => {
  noteReboot(made, 'first')
  made.journal.begin('a', spec())
  settleHolder(made.journal, 'a')
  made.db.exec("CREATE TRIGGER full BEFORE INSERT ON facts BEGIN SELECT raise(ABORT, 'full'); END")
  expect(() => noteReboot(made, 'second')).toThrow('full')
  expect(made.catalog.fact('bootId')).toBe('first')
  expect(holder('a').desired).toBe('running')
})
