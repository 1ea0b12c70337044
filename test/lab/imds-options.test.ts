// Goal: an instance's metadata options are obeyed by IMDS and shown by the API. Method: the SDK and
// plain HTTP on loopback; the hops of an answer are for test/net.

import {
  CreateTagsCommand,
  DescribeInstancesCommand,
  ModifyInstanceMetadataOptionsCommand,
  type ModifyInstanceMetadataOptionsCommandInput,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { errorOf, makeRig, type Rig } from './rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await makeRig()
})
afterEach(() => rig.end())

const modify = async (options: Partial<ModifyInstanceMetadataOptionsCommandInput>) =>
  rig.ec2.send(new ModifyInstanceMetadataOptionsCommand({ InstanceId: rig.instanceId, ...options }))
const shown = async () => {
  const { Reservations } = await rig.ec2.send(new DescribeInstancesCommand({}))
  return Reservations?.[0]?.Instances?.[0]?.MetadataOptions
}
const put = async () => {
  const headers = { 'x-aws-ec2-metadata-token-ttl-seconds': '60' }
  return fetch(`${rig.endpoint}/latest/api/token`, { method: 'PUT', headers })
}
const get = async (path: string, headers: Record<string, string> = {}) => {
  const answer = await fetch(`${rig.endpoint}/latest/meta-data/${path}`, { headers })
  return `${answer.status} ${(await answer.text()).trim()}`
}
const DEFAULTS = {
  State: 'applied',
  HttpTokens: 'required',
  HttpPutResponseHopLimit: 1,
  HttpEndpoint: 'enabled',
  HttpProtocolIpv6: 'enabled',
  InstanceMetadataTags: 'disabled',
}

test('options change one by one, are pending in the answer and then applied', async () => {
  expect(await shown()).toEqual(DEFAULTS)
  const { InstanceId, InstanceMetadataOptions } = await modify({ HttpPutResponseHopLimit: 64 })
  expect(InstanceId).toBe(rig.instanceId)
  const now = { ...DEFAULTS, HttpPutResponseHopLimit: 64 }
  expect(InstanceMetadataOptions).toEqual({ ...now, State: 'pending' })
  await modify({ HttpProtocolIpv6: 'disabled' })
  expect(await shown()).toEqual({ ...now, HttpProtocolIpv6: 'disabled' })
  const found = async (...Values: string[]) => {
    const Filters = [{ Name: 'metadata-options.http-put-response-hop-limit', Values }]
    return (await rig.ec2.send(new DescribeInstancesCommand({ Filters }))).Reservations?.length
  }
  expect([await found('64'), await found('1')]).toEqual([1, 0])
})

test.each<[string, object, string]>([
  ['nothing', {}, 'MissingParameter'],
  ['no hop', { HttpPutResponseHopLimit: 0 }, 'InvalidParameterValue'],
  ['65 hops', { HttpPutResponseHopLimit: 65 }, 'InvalidParameterValue'],
  ['tokens that are neither', { HttpTokens: 'never' }, 'InvalidParameterValue'],
  ['an endpoint that is neither', { HttpEndpoint: 'on' }, 'InvalidParameterValue'],
  ['another instance', { InstanceId: 'i-00000000000000001' }, 'InvalidInstanceID.NotFound'],
])('%s is refused', async (_what, options, code) => {
  expect((await errorOf(modify(options))).code).toBe(code)
  expect(await shown()).toEqual(DEFAULTS)
})

// P255
test('tokens are required or optional as they are told; a bad one is never good', async () => {
  const id = 'instance-id'
  const bad = { 'x-aws-ec2-metadata-token': 'x' }
  expect(await get(id)).toMatch(/^401 /)
  await modify({ HttpTokens: 'optional' })
  expect(await get(id)).toBe(`200 ${rig.instanceId}`)
  expect(await get(id, bad)).toMatch(/^401 /)
  const token = { 'x-aws-ec2-metadata-token': await (await put()).text() }
  expect(await get(id, token)).toBe(`200 ${rig.instanceId}`)
  await modify({ HttpTokens: 'required' })
  expect(await get(id)).toMatch(/^401 /)
  expect(await get(id, token)).toBe(`200 ${rig.instanceId}`)
})

// P255
test('an endpoint that is off answers 403 to everybody, and is on again with its tokens', async () => {
  const token = { 'x-aws-ec2-metadata-token': await (await put()).text() }
  await modify({ HttpEndpoint: 'disabled' })
  expect([(await put()).status, await get('instance-id', token)]).toEqual([
    403,
    expect.stringMatching(/^403 /),
  ])
  await modify({ HttpEndpoint: 'enabled' })
  expect(await get('instance-id', token)).toBe(`200 ${rig.instanceId}`)
})

test('tags are leaves while they are enabled, and only where they fit a path', async () => {
  const tag = (Key: string, Value: string) =>
    rig.ec2.send(new CreateTagsCommand({ Resources: [rig.instanceId], Tags: [{ Key, Value }] }))
  await modify({ HttpTokens: 'optional' })
  await tag('Name', 'web')
  await tag('a.b:c', '')
  expect(await get('tags/instance')).toMatch(/^404 /)
  await modify({ InstanceMetadataTags: 'enabled' })
  expect(await get('tags/instance')).toBe('200 Name\na.b:c')
  expect(await get('tags/instance/Name')).toBe('200 web')
  expect(await get('tags/instance/a.b:c')).toBe('200 ')
  expect((await errorOf(tag('a/b', 'x'))).code).toBe('InvalidParameterValue')
  await modify({ InstanceMetadataTags: 'disabled' })
  await tag('a/b', 'x')
  const refused = await errorOf(modify({ InstanceMetadataTags: 'enabled' }))
  expect(refused.code).toBe('InvalidParameterValue')
  expect(refused.message).toContain("'a/b'")
})
