// Goal: where many tasks stop, no Delete is spent on an ENI that EC2 still detaches. Method: the real
// driver and lookup over an EC2 of three answers; calls are counted.

import { expect, test } from 'vitest'
import type { Ec2 } from '../../agent/drivers/ec2.ts'
import { eniDriver } from '../../agent/drivers/eni.ts'
import { openEniLookup } from '../../agent/drivers/eni-lookup.ts'
import { jobOf } from '../../agent/job.ts'
import type { Host } from '../../agent/orders.ts'
import type { Event } from '../../state/task.ts'
import { spec } from '../state/specs.ts'
import { memory, releaseAllBut, settleHolder } from './journals.ts'

const host = { instanceId: 'i-1' } as Host
const stop: Event = { type: 'stopAsked', stop: { code: 'UserInitiated', reason: '' } }
const never = new AbortController().signal

/** Tasks whose ENIs are all that is left, detaching or not, and a driver that counts its calls. */
function stopping(count: number, hasPlenty: boolean, Status: string) {
  const { journal } = memory()
  const calls: string[] = []
  const ids = Array.from({ length: count }, (_, n) => `t${n}`)
  for (const id of ids) {
    journal.begin(id, spec())
    settleHolder(journal, id, { 'eni:0': { choice: 'subnet-a', details: { eniId: `eni-${id}` } } })
    journal.append(id, stop)
    releaseAllBut(journal, id, 'eni:0')
  }
  const NetworkInterfaces = ids.map((id) => ({
    NetworkInterfaceId: `eni-${id}`,
    Attachment: { InstanceId: 'i-1', DeviceIndex: 1, Status },
  }))
  const ec2 = {
    call: async (action: string) => {
      calls.push(action)
      return action === 'DescribeNetworkInterfaces' ? { NetworkInterfaces } : {}
    },
    hasPlenty: () => hasPlenty,
  } as unknown as Ec2
  const subnets = { took: () => {} } as never
  const driver = eniDriver({ ec2, lookup: openEniLookup(ec2), subnets, host })
  const releases = () =>
    ids.map((id) => {
      const entry = journal.get(id) ?? expect.fail(id)
      const job = jobOf(entry, { verb: 'release', row: 'eni:0', again: false })
      return driver.release(job, never)
    })
  return { calls, releases }
}

// P488
test('with calls to spare a Delete is tried at once: a stop is two calls where EC2 is quick', async () => {
  const { calls, releases } = stopping(3, true, 'detaching')
  await Promise.all(releases())
  expect(calls).toEqual(Array(3).fill('DeleteNetworkInterface'))
})

// P488
test('without, one look for all of them comes first, and none is spent on what is detaching', async () => {
  const { calls, releases } = stopping(20, false, 'detaching')
  for (const release of releases()) {
    await expect(release).rejects.toMatchObject({ kind: 'transient', code: 'EniDetaching' })
  }
  expect(calls).toEqual(['DescribeNetworkInterfaces'])
})

test('what EC2 is through with is deleted after that look', async () => {
  const { calls, releases } = stopping(2, false, 'detached')
  await Promise.all(releases())
  expect(calls).toEqual([
    'DescribeNetworkInterfaces',
    'DeleteNetworkInterface',
    'DeleteNetworkInterface',
  ])
})
