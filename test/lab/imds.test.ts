// Goal: IMDSv2 as an instance knows it: a token first, then what the agent needs and nothing that is
// not there. Method: the loopback server for this host; the fabric's side by its pure parts.

import { AttachNetworkInterfaceCommand } from '@aws-sdk/client-ec2'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { answerImds } from '../../lab/imds/answer.ts'
import { instanceAt } from '../../lab/imds/listeners.ts'
import { Tokens } from '../../lab/imds/token.ts'
import { makeRig, type Rig } from './rig.ts'

let rig: Rig
let token: string
beforeAll(async () => {
  rig = await makeRig()
  token = await (await askToken('60')).text()
})
afterAll(() => rig.end())

const TTL = 'x-aws-ec2-metadata-token-ttl-seconds'
const askToken = (ttl?: string, path = '/latest/api/token', more = {}) =>
  fetch(rig.endpoint + path, {
    method: 'PUT',
    headers: { ...(ttl === undefined ? {} : { [TTL]: ttl }), ...more },
  })
const get = async (path: string, headers: object = { 'x-aws-ec2-metadata-token': token }) => {
  const response = await fetch(`${rig.endpoint}/latest/${path}`, { headers: { ...headers } })
  return `${response.status} ${await response.text()}`
}

test('a token is given for 1 to 21600 seconds, to nobody’s proxy, at one path', async () => {
  const given = await askToken('21600')
  expect([given.status, given.headers.get(TTL)]).toEqual([200, '21600'])
  for (const ttl of [undefined, '0', '21601', '-1', '1.5', 'abc', '']) {
    expect((await askToken(ttl)).status, `ttl ${ttl}`).toBe(400)
  }
  expect((await askToken('60', '/latest/api/token', { 'x-forwarded-for': '1.2.3.4' })).status).toBe(
    403,
  )
  expect((await askToken('60', '/latest/meta-data/')).status).toBe(403)
  expect((await askToken('60', '/2021-07-15/api/token')).status).toBe(404)
})

test('nothing is told without a token that still holds and is of this lab', async () => {
  expect(await get('meta-data/instance-id', {})).toMatch(/^401/)
  expect(await get('meta-data/instance-id', { 'x-aws-ec2-metadata-token': 'x' })).toMatch(/^401/)
  const tokens = new Tokens()
  const ask = (path: string, nowMs: number, with_ = tokens) =>
    answerImds(
      rig.lab.region.world,
      rig.lab.host,
      with_,
      { method: 'GET', path, headers: { 'x-aws-ec2-metadata-token': issued } },
      nowMs,
    ).status
  const issued = tokens.issue(rig.instanceId, 10, 1000)
  expect(ask('/latest/meta-data/instance-id', 10_999)).toBe(200)
  expect(ask('/latest/meta-data/instance-id', 11_000)).toBe(401)
  expect(ask('/latest/meta-data/instance-id', 1000, new Tokens())).toBe(401)
  expect(tokens.accepts('i-other', issued, 1000)).toBe(false)
})

test('an instance learns who and where it is', async () => {
  expect(await get('meta-data/instance-id')).toBe(`200 ${rig.instanceId}`)
  expect(await get('meta-data/instance-type')).toBe('200 lab.unlimited')
  expect(await get('meta-data/placement/')).toBe(
    '200 availability-zone\navailability-zone-id\nregion',
  )
  expect(await get('meta-data/placement/availability-zone')).toBe('200 us-west-2a')
  expect(await get('meta-data/services/partition')).toBe('200 aws')
  expect(await get('meta-data/local-ipv4')).toBe('200 10.0.0.4')
  expect(await get('meta-data/hostname')).toBe('200 ip-10-0-0-4.us-west-2.compute.internal')
  const document = await get('dynamic/instance-identity/document')
  expect(JSON.parse(document.slice(4))).toMatchObject({
    instanceId: rig.instanceId,
    region: 'us-west-2',
    accountId: '123456789012',
    privateIp: '10.0.0.4',
    version: '2017-09-30',
  })
})

test('an attached interface appears by its MAC, and what it lacks is not there', async () => {
  const eni = await rig.createEni({ SecondaryPrivateIpAddressCount: 1 })
  await rig.ec2.send(
    new AttachNetworkInterfaceCommand({
      NetworkInterfaceId: eni.NetworkInterfaceId,
      InstanceId: rig.instanceId,
      DeviceIndex: 3,
    }),
  )
  const primary = (await get('meta-data/mac')).slice(4)
  expect(await get('meta-data/network/interfaces/macs/')).toBe(
    `200 ${[`${primary}/`, `${eni.MacAddress}/`].sort().join('\n')}`,
  )
  const own = (path: string) => get(`meta-data/network/interfaces/macs/${eni.MacAddress}/${path}`)
  expect(await own('device-number')).toBe('200 3')
  expect(await own('interface-id')).toBe(`200 ${eni.NetworkInterfaceId}`)
  expect(await own('subnet-id')).toBe(`200 ${rig.subnetA}`)
  expect(await own('security-group-ids')).toBe(`200 ${rig.defaultGroup}`)
  expect(await own('subnet-ipv4-cidr-block')).toBe('200 10.0.0.0/24')
  expect(await own('vpc-ipv6-cidr-blocks')).toBe('200 2001:db8:1234:1a00::/56')
  expect((await own('local-ipv4s')).slice(4).split('\n')).toEqual(
    eni.PrivateIpAddresses?.map((each) => each.PrivateIpAddress),
  )
  for (const absent of ['ipv6s', 'ipv4-prefix', 'public-ipv4s', 'nonsense']) {
    expect(await own(absent), absent).toMatch(/^404/)
  }
  expect(await get('meta-data/iam/security-credentials/')).toMatch(/^404/)
  expect(await get('user-data')).toMatch(/^404/)
})

test('inside the VPC an address speaks for its instance, and a probe’s for none', async () => {
  const response = await fetch(`${rig.endpoint}/lab/probes`, { method: 'POST' })
  const probe = (await response.json()) as { ipv4: string }
  const { world } = rig.lab.region
  expect(instanceAt(world, '10.0.0.4')?.instanceId).toBe(rig.instanceId)
  expect(instanceAt(world, '::ffff:10.0.0.4')?.instanceId).toBe(rig.instanceId)
  expect(instanceAt(world, probe.ipv4)).toBeUndefined()
  expect(instanceAt(world, '10.0.0.250')).toBeUndefined()
  expect(instanceAt(world, '')).toBeUndefined()
})
