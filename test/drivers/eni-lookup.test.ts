// Goal: what many tasks ask EC2 about their ENIs in one moment travels in one call, each gets its own
// answer, and who is in a hurry does not wait for who is not. Method: the real client against a lab; the
// oracle is the lab's own log of calls.

import { afterEach, beforeEach, expect, test } from 'vitest'
import { launching, releasing } from '../../agent/budget.ts'
import { type Ec2, openEc2 } from '../../agent/drivers/ec2.ts'
import { type EniLookup, openEniLookup } from '../../agent/drivers/eni-lookup.ts'
import { labelsOf } from '../../agent/drivers/mark.ts'
import { makeRig, type Rig } from '../lab/rig.ts'
import { never, newHolderId } from './jobs.ts'

let rig: Rig
let ec2: Ec2
let lookup: EniLookup

beforeEach(async () => {
  rig = await makeRig()
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_REGION: 'us-west-2',
    AWS_ENDPOINT_URL_EC2: rig.endpoint,
  })
  ec2 = openEc2()
  lookup = openEniLookup(ec2)
})

afterEach(async () => {
  await ec2.close()
  await rig.end()
})

const looks = () => rig.lab.calls.summary().actions.DescribeNetworkInterfaces?.calls ?? 0

const markOf = (holderId: string) =>
  labelsOf({ instanceId: rig.instanceId, holderId, row: 'eni:0' })

async function marked(holderId: string): Promise<string> {
  const Tags = Object.entries(markOf(holderId)).map(([Key, Value]) => ({ Key, Value }))
  const TagSpecifications = [{ ResourceType: 'network-interface' as const, Tags }]
  return (await rig.createEni({ TagSpecifications })).NetworkInterfaceId
}

const purpose = (holderId: string) => launching({ holderId, row: 'eni:0' })

// P473
test('fifty tasks that ask for their ENIs at once are one call, and each is answered', async () => {
  const ids: string[] = []
  for (let n = 0; n < 50; n++) ids.push((await rig.createEni()).NetworkInterfaceId)
  const before = looks()
  const found = await Promise.all(ids.map((id) => lookup.byId(id, never(), purpose(id))))
  expect(found.map((eni) => eni?.NetworkInterfaceId)).toEqual(ids)
  expect(looks() - before).toBe(1)
})

// P473
test('fifty tasks that look for what an answer that never came has made are one call as well', async () => {
  const holders = Array.from({ length: 50 }, newHolderId)
  const made = new Map<string, string>()
  for (const id of holders.slice(0, 20)) made.set(id, await marked(id))
  const before = looks()
  const found = await Promise.all(
    holders.map((id) => lookup.byTags(markOf(id), never(), purpose(id))),
  )
  expect(found.map((enis) => enis.map((eni) => eni.NetworkInterfaceId))).toEqual(
    holders.map((id) => (made.has(id) ? [made.get(id)] : [])),
  )
  expect(looks() - before).toBe(1)
})

// P473
test('what carries one’s value of this tag and another’s of that is nobody’s answer', async () => {
  const [a, b] = [newHolderId(), newHolderId()]
  await marked(a)
  const [first, second] = await Promise.all([
    lookup.byTags({ ...markOf(a), 'enid:row': 'eni:1' }, never()),
    lookup.byTags({ ...markOf(b), 'enid:row': 'eni:0' }, never()),
  ])
  expect([first, second]).toEqual([[], []])
})

// P473
test('a launch does not travel with a release, and one that gives up takes no answer along', async () => {
  const [id = '', other = ''] = [
    (await rig.createEni()).NetworkInterfaceId,
    (await rig.createEni()).NetworkInterfaceId,
  ]
  const controller = new AbortController()
  const before = looks()
  const givenUp = lookup.byId(id, controller.signal, purpose('a'))
  const asked = [
    lookup.byId(other, never(), purpose('b')),
    lookup.byId(id, never(), releasing({ holderId: 'c', row: 'eni:0' })),
  ]
  controller.abort()
  await expect(givenUp).rejects.toMatchObject({ code: 'Aborted' })
  const found = await Promise.all(asked)
  expect(found.map((eni) => eni?.NetworkInterfaceId)).toEqual([other, id])
  expect(looks() - before).toBe(2)
})
