// Goal: IMDS away, wrong, late and half-filled, and what it announces; each seen by a client that
// speaks HTTP. The fabric's listeners ask the same object: test/net/lab-faults.test.ts.

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ImdsLag } from '../../lab/faults/imds-lag.ts'
import type { NetworkInterface } from '../../lab/model/world.ts'
import { type FaultRig, makeFaultRig } from './fault-rig.ts'

let rig: FaultRig
let token: string
beforeEach(async () => {
  rig = await makeFaultRig()
  const response = await fetch(`${rig.endpoint}/latest/api/token`, {
    method: 'PUT',
    headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '600' },
  })
  token = await response.text()
})
afterEach(() => rig.end())

const get = async (path: string) => {
  const headers = { 'x-aws-ec2-metadata-token': token }
  const response = await fetch(`${rig.endpoint}/latest/meta-data/${path}`, { headers })
  return `${response.status} ${await response.text()}`
}
const macs = async () => (await get('network/interfaces/macs/')).slice(4).split('\n').length

describe('IMDS', () => {
  test('imds-absent: ends the connection without an answer', async () => {
    await rig.fault('imds-absent', { times: 2 })
    await expect(get('instance-id')).rejects.toThrow('fetch failed')
    await expect(get('instance-id')).rejects.toThrow('fetch failed')
    expect(await get('instance-id')).toBe(`200 ${rig.instanceId}`)
    const [fault] = await rig.faults()
    expect(fault).toMatchObject({ seen: 3, fired: 2 })
    expect(fault?.hits[0]?.what).toBe('/latest/meta-data/instance-id')
  })

  test('imds-error: answers 503', async () => {
    await rig.fault('imds-error', { calls: [1] })
    expect(await get('instance-id')).toMatch(/^503/)
    expect(await get('instance-id')).toMatch(/^200/)
  })

  test('imds-stale: tells the world as it was, and EC2 tells it as it is', async () => {
    await rig.fault('imds-stale', { seconds: 300 })
    const eni = await rig.attached()
    expect(await macs()).toBe(1)
    expect((await rig.describe(eni.NetworkInterfaceId)).Attachment?.Status).toBe('attached')
    await rig.pass(300_001)
    expect(await macs()).toBe(2)
  })

  test('imds-bare: lists the MAC, and nothing below it', async () => {
    const [eni, other] = [await rig.attached(), await rig.attached()]
    const below = (mac: string, path: string) => get(`network/interfaces/macs/${mac}/${path}`)
    await rig.fault('imds-bare', { eni: eni.NetworkInterfaceId })
    expect(await macs()).toBe(3)
    expect(await below(eni.MacAddress ?? '', 'device-number')).toMatch(/^404/)
    expect(await below(other.MacAddress ?? '', 'device-number')).toBe('200 2')
    await rig.ask('DELETE', 'faults')
    await rig.fault('imds-bare')
    expect(await below(other.MacAddress ?? '', 'subnet-id')).toMatch(/^404/)
    expect(await get('instance-id'), 'the rest is told').toMatch(/^200/)
    await rig.ask('DELETE', 'faults')
    const ofTask = await rig.attached('task-1')
    await rig.fault('imds-bare', { task: 'task-1' })
    expect(await below(ofTask.MacAddress ?? '', 'device-number')).toMatch(/^404/)
    expect(await below(other.MacAddress ?? '', 'device-number')).toBe('200 2')
    expect((await rig.faults())[0]).toMatchObject({ seen: 2, fired: 2 })
    await rig.ask('DELETE', 'faults')
    await rig.fault('imds-bare', { task: 'task-2' })
    expect(await below(ofTask.MacAddress ?? '', 'device-number'), 'nobody’s').toBe('200 3')
  })
})

describe('what IMDS announces', () => {
  test('nothing, until it is asked for', async () => {
    for (const path of ['spot/instance-action', 'events/recommendations/rebalance']) {
      expect(await get(path)).toMatch(/^404/)
    }
  })

  test('spot-interruption: the action and its time, until it is taken back', async () => {
    const { id } = await rig.fault('spot-interruption', { seconds: 90 })
    const told = await get('spot/instance-action')
    const { action, time } = JSON.parse(told.slice(4))
    expect(action).toBe('terminate')
    expect(Date.parse(time) - Date.now()).toBeGreaterThan(80_000)
    expect(Date.parse(time) - Date.now()).toBeLessThanOrEqual(90_000)
    expect(await get('spot/termination-time')).toBe(`200 ${time}`)
    expect(await get('instance-life-cycle')).toBe('200 spot')
    expect(await get('instance-id'), 'no look at the notice').toMatch(/^200/)
    expect(await get('spot/'), 'nor is a folder').toBe('200 instance-action\ntermination-time')
    expect((await rig.faults())[0], 'each look is counted').toMatchObject({ seen: 3, fired: 3 })
    await rig.ask('DELETE', `faults/${id}`)
    expect(await get('spot/instance-action')).toMatch(/^404/)
  })

  test('to the looks that are named, and to no others, the same ones for the same seed', async () => {
    const looks = async (options: object) => {
      await rig.ask('DELETE', 'faults')
      await rig.fault('spot-interruption', options)
      const all: string[] = []
      for (let n = 0; n < 12; n++) all.push((await get('spot/instance-action')).slice(0, 3))
      return all
    }
    const others = Array(9).fill('404')
    expect(await looks({ calls: [2] })).toEqual(['404', '200', '404', ...others])
    expect(await looks({ times: 2 })).toEqual(['200', '200', '404', ...others])
    const drawn = await looks({ likelihood: 0.5, seed: 4 })
    expect(new Set(drawn)).toEqual(new Set(['200', '404']))
    expect(await looks({ likelihood: 0.5, seed: 4 })).toEqual(drawn)
  })

  test('spot-stop: another action, and no termination time', async () => {
    await rig.fault('spot-stop', { seconds: 90 })
    const { action, time } = JSON.parse((await get('spot/instance-action')).slice(4))
    expect([action, Date.parse(time) > Date.now()]).toEqual(['stop', true])
    expect(await get('spot/termination-time')).toMatch(/^404/)
  })

  test('rebalance-recommendation: since when', async () => {
    await rig.fault('rebalance-recommendation')
    const { noticeTime } = JSON.parse((await get('events/recommendations/rebalance')).slice(4))
    expect(Math.abs(Date.parse(noticeTime) - Date.now())).toBeLessThan(10_000)
  })

  test('scheduled-event: the instance’s retirement', async () => {
    await rig.fault('scheduled-event', { seconds: 3600 })
    const [event] = JSON.parse((await get('events/maintenance/scheduled')).slice(4))
    expect(event).toMatchObject({ Code: 'instance-retirement', State: 'active' })
    expect(Date.parse(event.NotBefore)).toBeGreaterThan(Date.now() + 3_500_000)
  })

  test('target-terminated: Auto Scaling’s own word', async () => {
    await rig.fault('target-terminated')
    expect(await get('autoscaling/target-lifecycle-state')).toBe('200 Terminated')
  })
})

describe('IMDS behind a profile', () => {
  const eni = (attached: boolean): NetworkInterface =>
    ({
      eniId: 'eni-1',
      ...(attached ? { attachment: { attachmentId: 'a', status: 'attached' } } : {}),
    }) as NetworkInterface
  const worldWith = (one: NetworkInterface) => ({
    ...rig.lab.region.world,
    enis: new Map([['eni-1', one]]),
  })
  const told = (lag: ImdsLag, one: NetworkInterface, nowMs: number) =>
    lag.view(worldWith(one), nowMs).enis.get('eni-1')?.attachment !== undefined

  test('learns of an attached ENI late, of its details later, and of its end later still', () => {
    const lag = new ImdsLag()
    lag.learn(eni(false), eni(true), { nowMs: 0, lagMs: 100, bareMs: 50 })
    expect([told(lag, eni(true), 99), told(lag, eni(true), 100)]).toEqual([false, true])
    expect([lag.bare(100), lag.bare(150)]).toEqual([['eni-1'], []])
    lag.learn(eni(true), eni(false), { nowMs: 200, lagMs: 1000, bareMs: 0 })
    expect([told(lag, eni(false), 1199), told(lag, eni(false), 1200)]).toEqual([true, false])
    expect(lag.empty).toBe(true)
  })

  test('tells of one that was attached anew as it is', () => {
    const lag = new ImdsLag()
    lag.learn(eni(true), eni(false), { nowMs: 0, lagMs: 1000, bareMs: 0 })
    const anew = { ...eni(true), description: 'new' }
    expect(lag.view(worldWith(anew), 10).enis.get('eni-1')?.description).toBe('new')
  })

  test('aws: a new MAC is not told at once, and one that is gone is told for long', async () => {
    const eni = await rig.createEni()
    await rig.ask('POST', 'profile', { name: 'aws', seed: 2 })
    const attachmentId = await rig.answered(rig.attach(eni.NetworkInterfaceId), 10)
    expect(await macs()).toBe(1)
    await rig.pass(18_000)
    expect(await macs()).toBe(2)
    await rig.answered(rig.detach(attachmentId), 10)
    expect(await macs()).toBe(2)
    await rig.pass(300_000)
    expect(await macs()).toBe(1)
  })
})
