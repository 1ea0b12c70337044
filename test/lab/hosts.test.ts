// Goal: instances come and go as on EC2, by EC2's own calls and by the lab's routes alike, with the
// limits of their types; the fabric has a host's namespace exactly as long as there is a host. Method:
// the SDK's client against the lab over a fabric and machines of memory.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  AssociateDhcpOptionsCommand,
  AttachNetworkInterfaceCommand,
  CreateDhcpOptionsCommand,
  CreateNetworkInterfaceCommand,
  CreateSubnetCommand,
  DescribeInstanceStatusCommand,
  DescribeInstancesCommand,
  type DescribeInstancesCommandInput,
  DescribeNetworkInterfacesCommand,
  ModifyNetworkInterfaceAttributeCommand,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  TerminateInstancesCommand,
  waitUntilInstanceRunning,
  waitUntilInstanceTerminated,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { dockerdMissing } from '../../lab/hosts/dockerd.ts'
import type { HostView } from '../../lab/hosts/host-view.ts'
import { Hosts } from '../../lab/hosts/hosts.ts'
import { metadata } from '../../lab/imds/metadata.ts'
import { resolvConf } from '../../lab/model/dns-name.ts'
import { INSTANCE_TYPES } from '../../lab/model/instance-type.ts'
import { FakeParts } from './fake-parts.ts'
import { errorOf, makeRig, type Rig } from './rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await makeRig()
})
afterEach(() => rig.end())

const IMAGE = 'ami-00000000000000001'
const run = (input: Partial<RunInstancesCommandInput> = {}) =>
  rig.ec2.send(
    new RunInstancesCommand({
      ImageId: IMAGE,
      InstanceType: 't3.small',
      MinCount: 1,
      MaxCount: 1,
      ...input,
    }),
  )
const idOf = async (input: Partial<RunInstancesCommandInput> = {}): Promise<string> => {
  const InstanceId = (await run(input)).Instances?.[0]?.InstanceId ?? ''
  await waitUntilInstanceRunning(WAIT, { InstanceIds: [InstanceId] })
  return InstanceId
}
const WAIT = {
  get client() {
    return rig.ec2
  },
  maxWaitTime: 5,
  minDelay: 0.02,
  maxDelay: 0.02,
}
const terminate = (...InstanceIds: string[]) =>
  rig.ec2.send(new TerminateInstancesCommand({ InstanceIds }))
const ended = async (id: string): Promise<void> => {
  await terminate(id)
  await waitUntilInstanceTerminated(WAIT, { InstanceIds: [id] })
}
const describe_ = async (input: Partial<DescribeInstancesCommandInput> = {}) => {
  const { Reservations = [] } = await rig.ec2.send(new DescribeInstancesCommand(input))
  return Reservations.flatMap(({ Instances = [] }) => Instances)
}
const one = async (id: string) => (await describe_({ InstanceIds: [id] }))[0]
const attach = async (InstanceId: string, DeviceIndex: number, NetworkInterfaceId?: string) =>
  rig.ec2.send(
    new AttachNetworkInterfaceCommand({
      NetworkInterfaceId: NetworkInterfaceId ?? (await rig.createEni()).NetworkInterfaceId,
      InstanceId,
      DeviceIndex,
    }),
  )
const lab = async (method: string, path: string, body?: unknown) => {
  const json = { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const init = body === undefined ? { method } : { method, ...json }
  const response = await fetch(`${rig.endpoint}/lab/${path}`, init)
  return { status: response.status, answer: (await response.json()) as never }
}
const add = async (body: object = {}): Promise<HostView> =>
  (await lab('POST', 'hosts', body)).answer

describe('RunInstances', () => {
  test('answers pending; the instance runs when its machine is up', async () => {
    const gate = Promise.withResolvers<void>()
    rig.parts.gate = gate.promise
    const { Instances: [made] = [], ReservationId } = await run()
    const id = made?.InstanceId ?? ''
    expect(made?.State).toEqual({ Code: 0, Name: 'pending' })
    expect(rig.parts.said).toEqual([])
    const eni = await rig.createEni()
    const attaching = await errorOf(attach(id, 1, eni.NetworkInterfaceId))
    expect(attaching).toEqual({
      code: 'IncorrectState',
      message: `Instance '${id}' is not 'running'.`,
    })
    gate.resolve()
    await waitUntilInstanceRunning(WAIT, { InstanceIds: [id] })
    expect(await one(id)).toMatchObject({
      State: { Code: 16, Name: 'running' },
      InstanceType: 't3.small',
      SubnetId: rig.subnetA,
      PrivateIpAddress: '10.0.0.5',
      SecurityGroups: [{ GroupId: rig.defaultGroup }],
      NetworkInterfaces: [
        { Attachment: { DeviceIndex: 0, DeleteOnTermination: true, Status: 'attached' } },
      ],
    })
    expect(ReservationId).toMatch(/^r-/)
    expect(rig.parts.said).toEqual(['+host-1'])
    expect(rig.fabric.namespaces.get('host.host-1')).toBe('configured')
  })

  test('makes several in one reservation, with tags, where and as it is told', async () => {
    const groupId = await rig.makeGroup('fleet')
    const { ReservationId } = await run({
      MaxCount: 3,
      SubnetId: rig.subnetB,
      SecurityGroupIds: [groupId],
      Ipv6AddressCount: 1,
      TagSpecifications: [
        { ResourceType: 'instance', Tags: [{ Key: 'role', Value: 'web' }] },
        { ResourceType: 'network-interface', Tags: [{ Key: 'role', Value: 'nic' }] },
      ],
    })
    const found = await describe_({ Filters: [{ Name: 'tag:role', Values: ['web'] }] })
    expect(found).toHaveLength(3)
    for (const instance of found) {
      expect(instance).toMatchObject({
        Placement: { AvailabilityZone: 'us-west-2b' },
        SecurityGroups: [{ GroupId: groupId, GroupName: 'fleet' }],
      })
      expect(instance.NetworkInterfaces?.[0]?.Ipv6Addresses).toHaveLength(1)
    }
    const { Reservations = [] } = await rig.ec2.send(
      new DescribeInstancesCommand({
        Filters: [{ Name: 'reservation-id', Values: [ReservationId ?? ''] }],
      }),
    )
    expect(Reservations.map(({ Instances = [] }) => Instances.length)).toEqual([3])
    const nics = await rig.ec2.send(
      new DescribeNetworkInterfacesCommand({ Filters: [{ Name: 'tag:role', Values: ['nic'] }] }),
    )
    expect(nics.NetworkInterfaces).toHaveLength(3)
  })

  test('in a subnet without IPv4 has an IPv6 address and no other', async () => {
    const { Subnet } = await rig.ec2.send(
      new CreateSubnetCommand({
        VpcId: rig.vpcId,
        Ipv6Native: true,
        Ipv6CidrBlock: '2001:db8:1234:1a07::/64',
      }),
    )
    const { ipv4, ipv6, instanceId } = await add({ subnetId: Subnet?.SubnetId })
    expect(ipv4).toBeUndefined()
    expect(ipv6).toMatch(/^2001:db8:1234:1a07:/)
    // Its name is its id, and its name servers are those that it can reach.
    expect((await one(instanceId))?.PrivateDnsNameOptions?.HostnameType).toBe('resource-name')
    const { world } = rig.lab.region
    const instance = world.instances.get(instanceId) ?? expect.fail('no instance')
    const name = `${instanceId}.us-west-2.compute.internal`
    expect(metadata(world, instance).get('meta-data/hostname')).toBe(name)
    const subnet = world.subnets.get(Subnet?.SubnetId ?? '') ?? expect.fail('no subnet')
    expect(resolvConf(world, subnet)).toMatch(/^nameserver fd00:ec2::253\n/m)
    const set = new CreateDhcpOptionsCommand({
      DhcpConfigurations: [{ Key: 'domain-name-servers', Values: ['10.9.9.9', '2001:db8::53'] }],
    })
    const { DhcpOptions } = await rig.ec2.send(set)
    const { DhcpOptionsId } = DhcpOptions ?? {}
    await rig.ec2.send(new AssociateDhcpOptionsCommand({ VpcId: rig.vpcId, DhcpOptionsId }))
    const now = resolvConf(rig.lab.region.world, subnet)
    expect(now.match(/nameserver .*/g)).toEqual(['nameserver 2001:db8::53'])
  })

  test('with the same client token makes the same one once, and refuses another request', async () => {
    const [first, again] = [await run({ ClientToken: 'x' }), await run({ ClientToken: 'x' })]
    expect(again.Instances?.[0]?.InstanceId).toBe(first.Instances?.[0]?.InstanceId)
    expect(await errorOf(run({ ClientToken: 'x', MaxCount: 2 }))).toMatchObject({
      code: 'IdempotentParameterMismatch',
    })
    expect(await describe_()).toHaveLength(2)
  })

  test.each<[string, Partial<RunInstancesCommandInput>, string]>([
    ['an image that is not the lab’s', { ImageId: 'ami-1' }, 'InvalidAMIID.NotFound'],
    ['a type that the lab lacks', { InstanceType: 'z9.huge' as never }, 'InvalidParameterValue'],
    ['no type', { InstanceType: undefined }, 'MissingParameter'],
    ['fewer than none', { MinCount: 0 }, 'InvalidParameterValue'],
    ['fewer at most than at least', { MinCount: 2, MaxCount: 1 }, 'InvalidParameterValue'],
    [
      'one address for two',
      { MaxCount: 2, PrivateIpAddress: '10.0.0.9' },
      'InvalidParameterCombination',
    ],
    ['an unknown subnet', { SubnetId: 'subnet-00000000000000000' }, 'InvalidSubnetID.NotFound'],
    ['an unknown group', { SecurityGroups: ['nobody'] }, 'InvalidGroup.NotFound'],
    ['a disk', { BlockDeviceMappings: [{ DeviceName: '/dev/sda1' }] }, 'UnsupportedOperation'],
    ['what is to run', { UserData: 'IyEvYmluL3No' }, 'UnsupportedOperation'],
    [
      'tags of a disk',
      { TagSpecifications: [{ ResourceType: 'volume' }] },
      'InvalidParameterValue',
    ],
    ['more than there may be', { MaxCount: 64 }, 'InstanceLimitExceeded'],
  ])('refuses %s, and nothing is made', async (_what, input, code) => {
    expect(await errorOf(run(input))).toMatchObject({ code })
    expect(await describe_()).toHaveLength(1)
    expect([...rig.fabric.namespaces]).toEqual([])
  })

  test('of one that does not come up ends it, and says why', async () => {
    rig.parts.failOpen = 'no dockerd here'
    const id = (await run()).Instances?.[0]?.InstanceId ?? ''
    await waitUntilInstanceTerminated(WAIT, { InstanceIds: [id] })
    expect((await one(id))?.StateReason).toEqual({
      Code: 'Server.InternalError',
      Message: 'Server.InternalError: it did not come up: no dockerd here',
    })
    expect([...rig.fabric.namespaces]).toEqual([])
  })

  test('that the fabric refuses changes nothing', async () => {
    for (const step of ['makeNetns', 'plug', 'configureGuest'] as const) {
      rig.fabric.failNext = step
      expect(await errorOf(run())).toMatchObject({ code: 'InternalError' })
      expect(await describe_()).toHaveLength(1)
      expect([...rig.fabric.namespaces.keys(), ...rig.fabric.ports.keys()]).toEqual([])
    }
  })
})

describe('TerminateInstances', () => {
  // P275
  test('deletes what is to go with the instance, and makes the rest available', async () => {
    const id = await idOf()
    const kept = await rig.createEni()
    const goes = await rig.createEni()
    await attach(id, 1, kept.NetworkInterfaceId)
    const { AttachmentId } = await attach(id, 2, goes.NetworkInterfaceId)
    await rig.ec2.send(
      new ModifyNetworkInterfaceAttributeCommand({
        NetworkInterfaceId: goes.NetworkInterfaceId,
        Attachment: { AttachmentId, DeleteOnTermination: true },
      }),
    )
    expect(rig.fabric.ports.size).toBe(3)
    const { TerminatingInstances } = await terminate(id)
    expect(TerminatingInstances).toEqual([
      {
        InstanceId: id,
        PreviousState: { Code: 16, Name: 'running' },
        CurrentState: { Code: 32, Name: 'shutting-down' },
      },
    ])
    await waitUntilInstanceTerminated(WAIT, { InstanceIds: [id] })
    const { NetworkInterfaces = [] } = await rig.ec2.send(new DescribeNetworkInterfacesCommand({}))
    expect(NetworkInterfaces.map((eni) => [eni.NetworkInterfaceId, eni.Status])).toEqual([
      [expect.stringMatching(/^eni-/), 'in-use'],
      [kept.NetworkInterfaceId, 'available'],
    ])
    expect([...rig.fabric.ports.keys(), ...rig.fabric.namespaces.keys()]).toEqual([])
    expect(rig.parts.said).toEqual(['+host-1', '-host-1'])
  })

  test('shows the instance as terminated for an hour, by no address, and takes it again', async () => {
    const id = await idOf()
    await ended(id)
    const shown = await one(id)
    expect(shown).toMatchObject({
      State: { Code: 48, Name: 'terminated' },
      StateReason: { Code: 'Client.UserInitiatedShutdown' },
      NetworkInterfaces: [],
    })
    expect(shown?.PrivateIpAddress).toBeUndefined()
    const { TerminatingInstances } = await terminate(id)
    expect(TerminatingInstances?.[0]).toMatchObject({ CurrentState: { Name: 'terminated' } })
    expect(await errorOf(attach(id, 1))).toMatchObject({ code: 'IncorrectState' })
  })

  test('refuses the machine that the lab runs on, and then ends none of the others', async () => {
    const id = await idOf()
    expect(await errorOf(terminate(id, rig.instanceId))).toMatchObject({
      code: 'OperationNotPermitted',
      message: expect.stringContaining('enid lab down'),
    })
    expect((await one(id))?.State?.Name).toBe('running')
  })
})

describe('listings', () => {
  test('filter by what instances are', async () => {
    const [small, large] = [await idOf(), await idOf({ InstanceType: 'c5.large' })]
    await ended(small)
    const by = async (Name: string, ...Values: string[]) =>
      (await describe_({ Filters: [{ Name, Values }] })).map(({ InstanceId }) => InstanceId)
    expect(await by('instance-state-name', 'running')).toEqual([rig.instanceId, large])
    expect(await by('instance-state-code', '48')).toEqual([small])
    expect(await by('instance-type', 'c5.*')).toEqual([large])
    expect(await by('private-ip-address', '10.0.0.4')).toEqual([rig.instanceId])
    expect(await by('subnet-id', rig.subnetA)).toEqual([rig.instanceId, large])
  })

  test('of statuses have running instances alone, unless all are asked for', async () => {
    const id = await idOf()
    await ended(await idOf())
    const ask = async (input = {}) => {
      const { InstanceStatuses = [] } = await rig.ec2.send(new DescribeInstanceStatusCommand(input))
      return InstanceStatuses.map((each) => [each.InstanceId, each.InstanceStatus?.Status])
    }
    expect(await ask()).toEqual([
      [rig.instanceId, 'ok'],
      [id, 'ok'],
    ])
    expect(await ask({ IncludeAllInstances: true })).toEqual([
      [rig.instanceId, 'ok'],
      [id, 'ok'],
      [expect.stringMatching(/^i-/), 'not-applicable'],
    ])
    const Filters = [{ Name: 'instance-status.reachability', Values: ['passed'] }]
    expect(await ask({ Filters, InstanceIds: [id] })).toEqual([[id, 'ok']])
  })
})

describe('limits', () => {
  // P276
  test.each(['t3.nano', 't3.small', 'c5.xlarge', 'c5.4xlarge'])(
    'a %s has as many interfaces as its type, and the next is refused by EC2',
    async (name) => {
      const id = await idOf({ InstanceType: name as never })
      const { eniCountMax = 0 } = INSTANCE_TYPES.get(name) ?? {}
      for (let index = 1; index < eniCountMax; index++) await attach(id, index)
      expect(await errorOf(attach(id, eniCountMax))).toEqual({
        code: 'AttachmentLimitExceeded',
        message: `Interface count ${eniCountMax + 1} exceeds the limit for ${name}`,
      })
      expect(await errorOf(attach(id, 1))).toMatchObject({ code: 'InvalidParameterValue' })
    },
  )

  test('device indices and zones are each instance’s own', async () => {
    const [here, there] = [await idOf(), await idOf({ SubnetId: rig.subnetB })]
    await attach(here, 1)
    const { NetworkInterface: eni } = await rig.ec2.send(
      new CreateNetworkInterfaceCommand({ SubnetId: rig.subnetB }),
    )
    expect(await errorOf(attach(here, 2, eni?.NetworkInterfaceId))).toMatchObject({
      message: expect.stringContaining('availability zone'),
    })
    await attach(there, 1, eni?.NetworkInterfaceId)
    expect([...rig.fabric.ports.values()].map(({ netns }) => netns.split('.').at(-1))).toEqual([
      'host-1',
      'host-2',
      'host-1',
      'host-2',
    ])
  })
})

describe('the lab’s own routes', () => {
  test('add, show and take hosts away', async () => {
    const host = await add({ name: 'web', instanceType: 'c5.large', docker: true })
    expect(host).toMatchObject({
      name: 'web',
      instanceType: 'c5.large',
      state: 'running',
      netns: '/run/netns/enid-lab-fake.host.web',
      ipv4: '10.0.0.5',
      ipv6: expect.stringContaining('2001:db8:'),
      eniCount: 1,
      pid: 4711,
      dockerd: { pid: 4712, running: true },
      env: { ENID_STATE_DIR: '/state/web' },
    })
    await add()
    const { answer } = await lab('GET', 'hosts')
    expect((answer as { hosts: HostView[] }).hosts.map(({ name }) => name)).toEqual([
      'home',
      'web',
      'host-1',
    ])
    expect((await lab('GET', `hosts/${host.instanceId}`)).answer).toEqual(host)
    expect((await one(host.instanceId))?.Tags).toEqual([{ Key: 'Name', Value: 'web' }])
    expect((await lab('DELETE', 'hosts/web')).answer).toEqual({
      removed: 'web',
      instanceId: host.instanceId,
    })
    expect((await lab('GET', 'hosts/web')).status).toBe(404)
    expect((await add({ name: 'web' })).name).toBe('web')
  })

  test.each<[object, string]>([
    [{ name: 'Web' }, 'InvalidName'],
    [{ name: 'home' }, 'InvalidName'],
    [{ instanceType: 'c9' }, 'InvalidParameterValue'],
    [{ docker: 'yes' }, 'BadRequest'],
    [{ groupIds: 'sg-1' }, 'BadRequest'],
    [{ colour: 'red' }, 'BadRequest'],
    [{ groupNames: ['nobody'] }, 'InvalidGroup.NotFound'],
  ])('refuse %j', async (body, code) => {
    const { status, answer } = await lab('POST', 'hosts', body)
    expect(answer).toMatchObject({ error: { code } })
    expect(status).toBe(400)
  })

  test('refuse a name twice, a host that there is not, and the lab’s own machine', async () => {
    await add({ name: 'web' })
    expect((await lab('POST', 'hosts', { name: 'web' })).status).toBe(409)
    expect(await lab('DELETE', 'hosts/nobody')).toMatchObject({
      status: 404,
      answer: { error: { code: 'NoSuchHost', message: expect.stringContaining('Hosts: web.') } },
    })
    expect(await lab('DELETE', 'hosts/home')).toMatchObject({
      answer: { error: { code: 'NotAHost', message: expect.stringContaining('enid lab down') } },
    })
  })

  test('say why a host did not come up, and leave none', async () => {
    rig.parts.failOpen = 'no dockerd here'
    expect(await lab('POST', 'hosts', { name: 'web' })).toMatchObject({
      status: 500,
      answer: { error: { code: 'HostNotStarted', message: expect.stringContaining('no dockerd') } },
    })
    expect((await lab('GET', 'hosts/web')).status).toBe(404)
    expect((await add({ name: 'web' })).state).toBe('running')
  })

  test('say why a host did not end, and end it when they are asked again', async () => {
    await add({ name: 'web' })
    rig.parts.failClose = 'process 7 does not end'
    expect(await lab('DELETE', 'hosts/web')).toMatchObject({
      answer: { error: { code: 'HostNotEnded', message: expect.stringContaining('process 7') } },
    })
    expect((await lab('GET', 'hosts/web')).answer).toMatchObject({ state: 'shutting-down' })
    expect((await lab('DELETE', 'hosts/web')).status).toBe(200)
    expect(rig.parts.said).toEqual(['+web', '-web'])
  })

  test('have no host any more after a reset', async () => {
    await add({ name: 'web' })
    await run()
    await lab('POST', 'reset', {})
    expect(await describe_()).toHaveLength(1)
    expect(rig.parts.said.filter((word) => word.startsWith('-'))).toHaveLength(2)
    expect([...rig.fabric.namespaces.keys()]).toEqual([])
  })
})

test('what IMDS announces may be for one instance alone, and else all are told', async () => {
  const id = await idOf()
  const { instances } = rig.lab.region.world
  const told = () =>
    [rig.instanceId, id].map((each) => {
      const instance = instances.get(each)
      if (instance === undefined) throw new Error(`no instance ${each}`)
      const ask = (method: string, path: string, headers: Record<string, string>) =>
        rig.lab.imds.answer(instance, { method, path, headers })
      const ttl = { 'x-aws-ec2-metadata-token-ttl-seconds': '60' }
      const token = ask('PUT', '/latest/api/token', ttl)?.body ?? ''
      const headers = { 'x-aws-ec2-metadata-token': token }
      return ['spot/', 'spot/instance-action'].map(
        (path) => ask('GET', `/latest/meta-data/${path}`, headers)?.status,
      )
    })
  const { answer } = await lab('POST', 'faults', { name: 'spot-interruption', instance: id })
  expect(told()).toEqual([
    [404, 404],
    [200, 200],
  ])
  await lab('DELETE', `faults/${(answer as { id: string }).id}`)
  await lab('POST', 'faults', { name: 'spot-interruption' })
  expect(told()).toEqual([
    [200, 200],
    [200, 200],
  ])
})

test('where there is no dockerd, what is missing and what to do is said', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'enid-path-'))
  try {
    expect(await dockerdMissing(folder)).toMatch(/install docker\.io .* or add the host without/)
    writeFileSync(join(folder, 'dockerd'), '', { mode: 0o755 })
    expect(await dockerdMissing(`/nowhere:${folder}`)).toBeUndefined()
  } finally {
    rmSync(folder, { recursive: true })
  }
})

// P277
test('a lab that finds hosts in its world sweeps all others and brings these up again', async () => {
  const { instanceId } = await add({ name: 'web' })
  const [next, parts] = [new Hosts(rig.lab.region, rig.lab.log), new FakeParts()]
  await next.serve(parts)
  expect(parts.swept).toEqual([instanceId])
  expect(parts.said).toEqual(['+web'])
})
