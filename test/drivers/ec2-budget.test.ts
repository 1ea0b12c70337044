// Goal: every EC2 call of the drivers passes the budget, says for which step, and what EC2 throttles
// slows us down. Method: the real SDK and drivers against a small EC2 on loopback, with a budget on a
// clock that the test moves. Oracle: the calls that arrived.

import { afterEach, expect, test } from 'vitest'
import { Budget, launching } from '../../agent/budget.ts'
import { attachmentDriver } from '../../agent/drivers/attachment.ts'
import { type Ec2, openEc2 } from '../../agent/drivers/ec2.ts'
import { eniDriver } from '../../agent/drivers/eni.ts'
import { openEniLookup } from '../../agent/drivers/eni-lookup.ts'
import { eniJob, useEc2 } from './ec2-rig.ts'
import { eniDetails, job, never, newHolderId } from './jobs.ts'

const rig = useEc2()
const opened: Ec2[] = []
afterEach(async () => {
  for (const ec2 of opened.splice(0)) await ec2.close()
})

/** Drivers with a share of a hundredth (one call of each action at once), and time that is moved. */
function onBudget() {
  let now = 0
  let timers: { at: number; call: () => void }[] = []
  const after = (ms: number, call: () => void) => {
    const timer = { at: now + ms, call }
    timers.push(timer)
    return () => {
      timers = timers.filter((other) => other !== timer)
    }
  }
  const pass = (ms: number) => {
    now += ms
    const due = timers.filter(({ at }) => at <= now)
    timers = timers.filter(({ at }) => at > now)
    for (const { call } of due) call()
  }
  const budget = new Budget({
    clock: { now: () => now, elapsed: () => now, after, random: () => 0.5 },
    share: 0.01,
  })
  const ec2 = openEc2({ budget })
  opened.push(ec2)
  const lookup = openEniLookup(ec2)
  const { subnets, host } = rig
  const waits = async (holderId: string) => {
    await expect.poll(() => budget.waiting(holderId)).toHaveLength(1)
    const [waiting] = budget.waiting(holderId)
    return `${waiting?.verb} ${waiting?.row}: ${waiting?.reason.split(' (')[0]}`
  }
  return {
    budget,
    ec2,
    lookup,
    pass,
    waits,
    eni: eniDriver({ ec2, lookup, subnets, host }),
    attachment: attachmentDriver({ ec2, lookup, host, onTaken: () => {} }),
  }
}

test('a Create over the budget waits, shows its step and action, and goes when there is one', async () => {
  const { eni, waits, pass, budget } = onBudget()
  await rig.subnets.prepare(['subnet-a'], never())
  await eni.ensure(eniJob(), never())
  rig.fake.actions()
  const second = eniJob({ holderId: newHolderId() })
  const made = eni.ensure(second, never())
  const wait = 'ensure eni:0: waiting for the EC2 budget of CreateNetworkInterface'
  expect(await waits(second.holderId)).toBe(wait)
  expect(rig.fake.actions()).toEqual([])
  pass(20_000)
  await made
  expect(rig.fake.actions()).toEqual(['CreateNetworkInterface'])
  expect(budget.waiting(second.holderId)).toEqual([])
})

test('a step that is given up while it waits makes no call', async () => {
  const { eni, waits } = onBudget()
  await eni.ensure(eniJob(), never())
  rig.fake.actions()
  const controller = new AbortController()
  const second = eniJob({ holderId: newHolderId() })
  const made = eni.ensure(second, controller.signal)
  await waits(second.holderId)
  controller.abort()
  await expect(made).rejects.toMatchObject({ kind: 'transient', code: 'Aborted' })
  expect(rig.fake.actions()).toEqual([])
})

test('releases say so', async () => {
  const { eni, attachment, waits, pass } = onBudget()
  const known = { 'eni:0': eniDetails(), 'attachment:0': { attachmentId: 'a', deviceIndex: 1 } }
  await attachment.release(job('attachment:0', { known }), never())
  await eni.release(job('eni:0', { known }), never())
  const holderId = newHolderId()
  const detached = attachment.release(job('attachment:0', { holderId, known }), never())
  expect(await waits(holderId)).toMatch(/^release attachment:0: .* DetachNetworkInterface$/)
  pass(20_000)
  await detached
  await eni.release(job('eni:0', { holderId, known }), never())
})

test('what EC2 throttles is asked for half as often', async () => {
  const { ec2, budget } = onBudget()
  rig.fake.refuse('DescribeVpcs', 'RequestLimitExceeded', 'Request limit exceeded.', 503)
  const asked = ec2.call('DescribeVpcs', {}, never(), launching(eniJob()))
  await expect(asked).rejects.toMatchObject({ code: 'RequestLimitExceeded', kind: 'transient' })
  expect(budget.view().actions).toMatchObject([
    { action: 'DescribeVpcs', share: 0.005, tokens: 0, throttled: 1 },
  ])
})

test('questions that wait for a turn travel together, and each is shown', async () => {
  const { lookup, waits, pass, budget } = onBudget()
  await lookup.byId('eni-0', never())
  rig.fake.actions()
  const first = eniJob({ holderId: newHolderId() })
  const asked = [lookup.byId('eni-1', never(), launching(first))]
  expect(await waits(first.holderId)).toMatch(/ensure eni:0: .* DescribeNetworkInterfaces$/)
  const jobs = [2, 3, 4].map((n) => ({ n, given: eniJob({ holderId: newHolderId() }) }))
  const controller = new AbortController()
  for (const { n, given } of jobs) {
    const signal = n === 4 ? controller.signal : never()
    asked.push(lookup.byId(`eni-${n}`, signal, launching(given)))
  }
  for (const { given } of jobs) await waits(given.holderId)
  controller.abort()
  await expect(asked.pop()).rejects.toMatchObject({ code: 'Aborted' })
  expect(budget.waiting(jobs[2]?.given.holderId ?? '')).toEqual([])
  pass(5_000)
  await Promise.all(asked)
  expect(rig.fake.actions()).toEqual(['DescribeNetworkInterfaces'])
})

test('what is urgent does not travel with what is not, and goes first', async () => {
  const { lookup, waits, pass } = onBudget()
  await lookup.byId('eni-0', never())
  const swept = lookup.byId('eni-1', never())
  const given = eniJob({ holderId: newHolderId() })
  const urgent = lookup.byId('eni-2', never(), launching(given))
  await waits(given.holderId)
  rig.fake.calls.length = 0
  pass(5_000)
  await urgent
  expect(rig.fake.calls.map(({ parameters }) => parameters.get('Filter.1.Value.1'))).toEqual([
    'eni-2',
  ])
  pass(5_000)
  await swept
})

// P495
test('a call is told to every step that it was made for, with its request id and code', async () => {
  const { ec2, lookup, eni } = onBudget()
  const told: Record<string, unknown[]> = { a: [], b: [], c: [] }
  const of = (name: string) => {
    const onCall = (call: unknown) => told[name]?.push(call)
    return { ...eniJob({ holderId: newHolderId() }), onCall }
  }
  await rig.subnets.prepare(['subnet-a'], never())
  await eni.ensure(of('a'), never())
  await Promise.all(
    ['b', 'c'].map((name) => lookup.byId(`eni-${name}`, never(), launching(of(name)))),
  )
  rig.fake.refuse('DescribeVpcs', 'UnauthorizedOperation', 'no', 403)
  await expect(ec2.call('DescribeVpcs', {}, never(), launching(of('c')))).rejects.toThrow()
  const call = (action: string) =>
    expect.objectContaining({ action, requestId: 'req-1', ms: expect.any(Number) })
  expect(told).toEqual({
    a: [call('CreateNetworkInterface')],
    b: [call('DescribeNetworkInterfaces')],
    c: [call('DescribeNetworkInterfaces'), call('DescribeVpcs')],
  })
  expect(told.c?.[1]).toHaveProperty('code', 'UnauthorizedOperation')
  expect(told.c?.[0]).not.toHaveProperty('code')
})
