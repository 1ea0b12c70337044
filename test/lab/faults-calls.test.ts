// Goal: each fault of EC2's answers, seen from outside by an unmodified SDK client, with its effect
// done or not done as it says. Method: one lab for each test, its clock standing still.

import { connect } from 'node:net'
import {
  CreateNetworkInterfaceCommand,
  DescribeInstancesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSubnetsCommand,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CallRecord } from '../../lab/ec2/call-log.ts'
import { type FaultRig, makeFaultRig, ofTask } from './fault-rig.ts'
import { errorOf } from './rig.ts'

let rig: FaultRig
beforeEach(async () => {
  rig = await makeFaultRig()
})
afterEach(() => rig.end())

/** How many ENIs there are beside the host's own, without asking EC2. */
const eniCount = () => rig.lab.region.world.enis.size - 1
const codeOf = async (call: Promise<unknown>) => (await errorOf(call)).code
const instances = () => rig.ec2.send(new DescribeInstancesCommand({}))
async function counts(): Promise<[seen: number, fired: number]> {
  const [fault] = await rig.faults()
  return [fault?.seen ?? -1, fault?.fired ?? -1]
}

/** What a client that speaks TCP itself gets: the bytes, and how the connection ended. */
function raw(body: string): Promise<{ text: string; end: string }> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(rig.endpoint)
    const socket = connect(Number(port), hostname)
    let text = ''
    socket.on('data', (data) => {
      text += data
    })
    socket.on('error', (error: NodeJS.ErrnoException) => resolve({ text, end: error.code ?? '' }))
    socket.on('end', () => resolve({ text, end: 'FIN' }))
    socket.write(
      `POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n` +
        `Content-Length: ${body.length}\r\n\r\n${body}`,
    )
  })
}

describe('an answer that is an error', () => {
  test.each([
    ['request-limit', 'RequestLimitExceeded', 503],
    ['error-500', 'InternalError', 500],
    ['error-503', 'Unavailable', 503],
  ])('%s: %s, and nothing is done', async (name, code, status) => {
    await rig.fault(name, { times: 1 })
    const error = await rig.createEni().catch((reason: unknown) => reason)
    expect(error).toMatchObject({ name: code, $metadata: { httpStatusCode: status } })
    expect(eniCount()).toBe(0)
    await rig.createEni()
    expect([eniCount(), await counts()]).toEqual([1, [2, 1]])
  })

  // P201
  test('is scripted by action, by call number, by ENI and by task', async () => {
    await rig.fault('error-500', { action: 'Describe*', calls: [2, 3] })
    await instances()
    await rig.createEni()
    expect(await codeOf(instances())).toBe('InternalError')
    expect(await codeOf(instances())).toBe('InternalError')
    await instances()
    expect(await counts()).toEqual([4, 2])
    await rig.ask('DELETE', 'faults')

    const [mine, other] = [await rig.createEni(ofTask('task-1')), await rig.createEni()]
    await rig.fault('error-500', { task: 'task-1' })
    expect(await codeOf(rig.attach(mine.NetworkInterfaceId))).toBe('InternalError')
    expect(await codeOf(rig.createEni(ofTask('task-1')))).toBe('InternalError')
    const byTag = { Filters: [{ Name: 'tag:enid:holder', Values: ['task-1'] }] }
    const found = rig.ec2.send(new DescribeNetworkInterfacesCommand(byTag))
    expect(await codeOf(found)).toBe('InternalError')
    const attachmentId = await rig.attach(other.NetworkInterfaceId)
    await rig.ask('DELETE', 'faults')

    await rig.fault('error-503', { eni: other.NetworkInterfaceId })
    await rig.attach(mine.NetworkInterfaceId)
    expect(await codeOf(rig.detach(attachmentId)), 'by its attachment').toBe('Unavailable')
  })

  // P201
  test('comes as likely as it is told, the same calls for the same seed', async () => {
    const outcomes = async (seed: number) => {
      await rig.ask('DELETE', 'faults')
      await rig.fault('error-500', { likelihood: 0.4, seed, action: 'DescribeSubnets' })
      const all: boolean[] = []
      for (let n = 0; n < 30; n++) {
        const call = rig.ec2.send(new DescribeSubnetsCommand({}))
        all.push(
          await call.then(
            () => true,
            () => false,
          ),
        )
      }
      return all
    }
    const first = await outcomes(11)
    expect(first).toContain(true)
    expect(first).toContain(false)
    expect(await outcomes(11)).toEqual(first)
    expect(await outcomes(12)).not.toEqual(first)
  })

  // P203
  test('stands in the call log beside the fault that made it', async () => {
    await rig.fault('error-500', { times: 1 })
    await errorOf(instances())
    await instances()
    const { answer } = await rig.ask('GET', 'calls')
    expect(answer.actions).toMatchObject({ DescribeInstances: { errors: { InternalError: 1 } } })
    const [hit, plain] = (answer.recent as CallRecord[]).slice(-2)
    expect(hit).toMatchObject({ outcome: 'InternalError', faults: ['error-500'] })
    expect(plain).not.toHaveProperty('faults')
  })
})

describe('throttle', () => {
  test('is off until it is asked for', async () => {
    for (let n = 0; n < 60; n++) await instances()
  })

  // P202
  test('gives each action its burst, then what flows in, in EC2’s own words', async () => {
    await rig.fault('throttle')
    for (let n = 0; n < 50; n++) await instances()
    const error = await instances().catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      name: 'RequestLimitExceeded',
      $metadata: { httpStatusCode: 503 },
    })
    const narrowed = new DescribeInstancesCommand({ InstanceIds: [], MaxResults: 5 })
    await rig.ec2.send(narrowed)
    await rig.createEni()
    await rig.pass(99)
    expect(await codeOf(instances()), 'ten a second').toBe('RequestLimitExceeded')
    await rig.pass(1)
    await instances()
    expect(await codeOf(instances())).toBe('RequestLimitExceeded')
    expect((await counts())[1], 'counts what it refused').toBe(3)
  })

  test('of one action alone leaves the others be', async () => {
    await rig.fault('throttle', { action: 'DescribeSubnets' })
    for (let n = 0; n < 60; n++) await instances()
    for (let n = 0; n < 100; n++) await rig.ec2.send(new DescribeSubnetsCommand({}))
    expect(await codeOf(rig.ec2.send(new DescribeSubnetsCommand({})))).toBe('RequestLimitExceeded')
  })
})

describe('a connection', () => {
  const create = () => `Action=CreateNetworkInterface&SubnetId=${rig.subnetA}`

  test('effect-lost: ends without an answer, and nothing was done', async () => {
    await rig.fault('effect-lost')
    expect(await raw(create())).toEqual({ text: '', end: 'FIN' })
    await expect(rig.createEni()).rejects.toThrow(/socket hang up|ECONNRESET/)
    expect(eniCount()).toBe(0)
    const { answer } = await rig.ask('GET', 'calls')
    expect(answer.actions).toMatchObject({
      CreateNetworkInterface: { errors: { '(not done)': 2 } },
    })
  })

  test('reply-lost: ends without an answer, and it was done', async () => {
    await rig.fault('reply-lost', { times: 2 })
    expect(await raw(create())).toEqual({ text: '', end: 'FIN' })
    await expect(rig.createEni({ ClientToken: 'once' })).rejects.toThrow()
    expect(eniCount()).toBe(2)
    await rig.createEni({ ClientToken: 'once' })
    expect(eniCount(), 'the token finds what was made').toBe(2)
  })

  test('connection-reset: is reset, and nothing was done', async () => {
    await rig.fault('connection-reset')
    expect(await raw(create())).toEqual({ text: '', end: 'ECONNRESET' })
    await expect(rig.createEni()).rejects.toThrow()
    expect(eniCount()).toBe(0)
  })

  test('slow-reply: is done at once, and answered later', async () => {
    await rig.fault('slow-reply', { seconds: 7 })
    const call = rig.createEni()
    await rig.clock.waited()
    expect([eniCount(), rig.clock.ahead]).toEqual([1, [7000]])
    await rig.pass(7000)
    expect((await call).Status).toBe('pending')
  })

  test('slow-body: the head comes at once, the body in drops', async () => {
    await rig.fault('slow-body', { seconds: 0.5 })
    const startedAt = performance.now()
    const response = await fetch(`${rig.endpoint}/?Action=DescribeSubnets&Version=2016-11-15`)
    const headMs = performance.now() - startedAt
    const parts: number[] = []
    for await (const part of response.body ?? []) parts.push(part.length)
    expect(parts.length).toBeGreaterThan(5)
    expect(performance.now() - startedAt - headMs).toBeGreaterThan(300)
    const { Subnets } = await rig.ec2.send(new DescribeSubnetsCommand({}))
    expect(Subnets, 'it is whole in the end').toHaveLength(2)
  })
})

describe('what is seen', () => {
  test('stale-describe: describes lag, changes do not', async () => {
    const before = await rig.createEni()
    await rig.fault('stale-describe', { seconds: 10 })
    const eni = await rig.createEni()
    const attachmentId = await rig.attach(eni.NetworkInterfaceId)
    expect(await codeOf(rig.describe(eni.NetworkInterfaceId))).toBe(
      'InvalidNetworkInterfaceID.NotFound',
    )
    expect((await rig.describe(before.NetworkInterfaceId)).Status).toBe('available')
    await rig.pass(10_001)
    expect((await rig.describe(eni.NetworkInterfaceId)).Status).toBe('in-use')
    await rig.detach(attachmentId)
    await rig.remove(eni.NetworkInterfaceId)
    expect((await rig.describe(eni.NetworkInterfaceId)).Status).toBe('in-use')
    await rig.ask('DELETE', 'faults')
    expect(await codeOf(rig.describe(eni.NetworkInterfaceId))).toMatch(/NotFound$/)
  })

  test('not-visible-yet: what was just made is NotFound to the next change', async () => {
    await rig.fault('not-visible-yet', { seconds: 10 })
    const eni = await rig.createEni()
    expect(await codeOf(rig.attach(eni.NetworkInterfaceId, 1))).toBe(
      'InvalidNetworkInterfaceID.NotFound',
    )
    expect((await rig.describe(eni.NetworkInterfaceId)).Status).toBe('available')
    await rig.pass(10_001)
    await rig.attach(eni.NetworkInterfaceId, 1)
  })
})

describe('what EC2 refuses because of others', () => {
  const room: [string, string, RegExp][] = [
    ['subnet-full', 'InsufficientFreeAddressesInSubnet', /not enough free addresses in subnet/],
    ['subnet-fragmented', 'InsufficientCidrBlocks', /enough free cidr blocks/],
    ['subnet-full-for-prefixes', 'InvalidParameterValue', /sufficient free Ipv4 addresses or pre/],
  ]
  test.each(room)('%s: %s, of the subnet that is named', async (name, code, message) => {
    await rig.fault(name, { subnet: rig.subnetA })
    const error = await errorOf(rig.createEni())
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
    expect(eniCount()).toBe(0)
    await rig.createEni({ SubnetId: rig.subnetB })
  })

  test('attachment-limit: as if the instance were full', async () => {
    const eni = await rig.createEni()
    await rig.fault('attachment-limit', { times: 1 })
    expect(await codeOf(rig.attach(eni.NetworkInterfaceId))).toBe('AttachmentLimitExceeded')
    expect(rig.fabric.ports.size).toBe(0)
    await rig.attach(eni.NetworkInterfaceId)
  })

  test('attach-in-use: it is attached, and the answer says that it was already', async () => {
    const eni = await rig.createEni()
    await rig.fault('attach-in-use', { times: 1 })
    expect(await errorOf(rig.attach(eni.NetworkInterfaceId))).toEqual({
      code: 'InvalidParameterValue',
      message: `Network interface '${eni.NetworkInterfaceId}' is currently in use.`,
    })
    expect((await rig.describe(eni.NetworkInterfaceId)).Attachment?.Status).toBe('attached')
  })

  test('index-race: somebody else takes the device index first', async () => {
    const eni = await rig.createEni()
    await rig.fault('index-race', { times: 1 })
    const error = await errorOf(rig.attach(eni.NetworkInterfaceId, 4))
    expect(error.message).toMatch(/already has an interface attached at device index '4'/)
    await rig.attach(eni.NetworkInterfaceId, 5)
    const { NetworkInterfaces = [] } = await rig.ec2.send(new DescribeNetworkInterfacesCommand({}))
    const foreign = NetworkInterfaces.find((each) => each.Attachment?.DeviceIndex === 4)
    expect(foreign).toMatchObject({ TagSet: [], Description: 'A foreign interface' })
  })

  test('delete-in-use: as while it is still detaching', async () => {
    const eni = await rig.createEni()
    await rig.fault('delete-in-use', { times: 3 })
    for (let n = 0; n < 3; n++) {
      expect((await errorOf(rig.remove(eni.NetworkInterfaceId))).message).toMatch(/in use/)
    }
    await rig.remove(eni.NetworkInterfaceId)
  })
})

test('a dry run is refused as the call would be, and does nothing', async () => {
  await rig.fault('error-500', { times: 1 })
  const dry = () =>
    rig.ec2.send(new CreateNetworkInterfaceCommand({ SubnetId: rig.subnetA, DryRun: true }))
  expect(await codeOf(dry())).toBe('InternalError')
  expect(await codeOf(dry())).toBe('DryRunOperation')
})

// P204
test('a lab that was reset misbehaves no more, and lets go of whoever waits', async () => {
  await rig.fault('slow-reply', { seconds: 60 })
  await rig.fault('error-500', { calls: [9] })
  await rig.ask('POST', 'profile', { name: 'aws' })
  const call = errorOf(rig.createEni())
  await rig.clock.waited()
  expect((await rig.ask('POST', 'reset')).status).toBe(200)
  expect((await call).code).toBe('Unavailable')
  const { answer } = await rig.ask('GET', 'faults')
  expect(answer).toMatchObject({ faults: [], profile: { name: 'fast' } })
  expect(rig.clock.ahead).toEqual([])
  await rig.createEni()
})
