// Goal: an ENI gets addresses and prefixes and gives them back as on EC2, and what EC2, IMDS and the
// plugged port say of it is one thing. Method: the SDK's own client against the lab over a fabric of
// memory.

import {
  AssignIpv6AddressesCommand,
  type AssignIpv6AddressesCommandInput,
  AssignPrivateIpAddressesCommand,
  type AssignPrivateIpAddressesCommandInput,
  AssociateSubnetCidrBlockCommand,
  AttachNetworkInterfaceCommand,
  CreateSubnetCidrReservationCommand,
  CreateSubnetCommand,
  type CreateSubnetCommandInput,
  DeleteSubnetCidrReservationCommand,
  DeleteSubnetCommand,
  DescribeInstancesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSubnetsCommand,
  DisassociateSubnetCidrBlockCommand,
  GetSubnetCidrReservationsCommand,
  ModifySubnetAttributeCommand,
  UnassignIpv6AddressesCommand,
  UnassignPrivateIpAddressesCommand,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { instanceAt } from '../../lab/imds/listeners.ts'
import { errorOf, makeRig, type Rig } from './rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await makeRig()
})
afterEach(() => rig.end())

const V6 = '2001:db8:1234:1a00'
const attach = (NetworkInterfaceId: string) =>
  rig.ec2.send(
    new AttachNetworkInterfaceCommand({
      NetworkInterfaceId,
      InstanceId: rig.instanceId,
      DeviceIndex: 1,
    }),
  )
type Of<Input> = Omit<Input, 'NetworkInterfaceId'>
const assign4 = (NetworkInterfaceId: string, input: Of<AssignPrivateIpAddressesCommandInput>) =>
  rig.ec2.send(new AssignPrivateIpAddressesCommand({ NetworkInterfaceId, ...input }))
const assign6 = (NetworkInterfaceId: string, input: Of<AssignIpv6AddressesCommandInput>) =>
  rig.ec2.send(new AssignIpv6AddressesCommand({ NetworkInterfaceId, ...input }))
const unassign4 = (NetworkInterfaceId: string, input: object) =>
  rig.ec2.send(new UnassignPrivateIpAddressesCommand({ NetworkInterfaceId, ...input }))
const unassign6 = (NetworkInterfaceId: string, input: object) =>
  rig.ec2.send(new UnassignIpv6AddressesCommand({ NetworkInterfaceId, ...input }))
const described = async (eniId: string) => {
  const ids = { NetworkInterfaceIds: [eniId] }
  const found = await rig.ec2.send(new DescribeNetworkInterfacesCommand(ids))
  return found.NetworkInterfaces?.[0]
}
const subnetOf = async (SubnetId: string) =>
  (await rig.ec2.send(new DescribeSubnetsCommand({ SubnetIds: [SubnetId] }))).Subnets?.[0]
const makeSubnet = async (input: Partial<CreateSubnetCommandInput>) =>
  (await rig.ec2.send(new CreateSubnetCommand({ ...input, VpcId: rig.vpcId }))).Subnet
async function imds(mac: string, leaf: string): Promise<string> {
  const url = `${rig.endpoint}/latest`
  const headers = { 'X-aws-ec2-metadata-token-ttl-seconds': '60' }
  const token = await (await fetch(`${url}/api/token`, { method: 'PUT', headers })).text()
  const path = `${url}/meta-data/network/interfaces/macs/${mac}/${leaf}`
  const answer = await fetch(path, { headers: { 'X-aws-ec2-metadata-token': token } })
  return answer.ok ? answer.text() : String(answer.status)
}

describe('a prefix', () => {
  // P265
  test('comes by count when the ENI is made, and is told by EC2, IMDS and the port alike', async () => {
    const before = await subnetOf(rig.subnetA)
    const eni = await rig.createEni({ Ipv4PrefixCount: 2, Ipv6PrefixCount: 1 })
    const shown = {
      Ipv4Prefixes: [{ Ipv4Prefix: '10.0.0.224/28' }, { Ipv4Prefix: '10.0.0.208/28' }],
      Ipv6Prefixes: [{ Ipv6Prefix: `${V6}:fffe::/80` }],
    }
    expect(eni).toMatchObject(shown)
    expect(eni.PrivateIpAddresses, 'the primary address beside them').toHaveLength(1)
    await attach(eni.NetworkInterfaceId)
    expect(await described(eni.NetworkInterfaceId)).toMatchObject(shown)
    const { Reservations } = await rig.ec2.send(new DescribeInstancesCommand({}))
    const [, second] = Reservations?.[0]?.Instances?.[0]?.NetworkInterfaces ?? []
    expect(second).toMatchObject(shown)
    const prefixes = ['10.0.0.224/28', '10.0.0.208/28', `${V6}:fffe::/80`]
    expect(rig.fabric.ports.get(eni.NetworkInterfaceId)?.prefixes).toEqual(prefixes)
    expect(await imds(eni.MacAddress, 'ipv4-prefix')).toBe('10.0.0.224/28\n10.0.0.208/28')
    expect(await imds(eni.MacAddress, 'ipv6-prefix')).toBe(`${V6}:fffe::/80`)
    expect(await imds(eni.MacAddress, 'local-ipv4s')).toBe(eni.PrivateIpAddress)
    const after = await subnetOf(rig.subnetA)
    expect((before?.AvailableIpAddressCount ?? 0) - (after?.AvailableIpAddressCount ?? 0)).toBe(33)
  })

  test('is absent from the answer of an ENI without one', async () => {
    const eni = await rig.createEni()
    expect('Ipv4Prefixes' in eni).toBe(false)
    await attach(eni.NetworkInterfaceId)
    expect(await imds(eni.MacAddress, 'ipv4-prefix')).toBe('404')
    expect(rig.fabric.ports.get(eni.NetworkInterfaceId)).not.toHaveProperty('prefixes')
  })

  test('is taken by value, and none of its addresses is given to another', async () => {
    const eni = await rig.createEni({
      Ipv4Prefixes: [{ Ipv4Prefix: '10.0.0.16/28' }],
      Ipv6Prefixes: [{ Ipv6Prefix: `${V6}:5:0:0:0/80` }],
    })
    expect(eni.Ipv4Prefixes).toEqual([{ Ipv4Prefix: '10.0.0.16/28' }])
    expect(eni.Ipv6Prefixes).toEqual([{ Ipv6Prefix: `${V6}:5::/80` }])
    const many = await rig.createEni({ SecondaryPrivateIpAddressCount: 30 })
    const hosts = many.PrivateIpAddresses?.map((each) =>
      Number(each.PrivateIpAddress?.split('.')[3]),
    )
    expect(hosts?.filter((at) => at >= 16 && at < 32)).toEqual([])
    for (const [input, code] of [
      [{ PrivateIpAddress: '10.0.0.20' }, 'InvalidIPAddress.InUse'],
      [{ Ipv4Prefixes: [{ Ipv4Prefix: '10.0.0.16/28' }] }, 'InvalidParameterValue'],
      [{ Ipv6Addresses: [{ Ipv6Address: `${V6}:5::7` }] }, 'InvalidParameterValue'],
      [{ Ipv6Prefixes: [{ Ipv6Prefix: `${V6}:5::/80` }] }, 'InvalidParameterValue'],
    ] as const) {
      expect((await errorOf(rig.createEni(input as object))).code, JSON.stringify(input)).toBe(code)
    }
  })

  test.each([
    ['10.0.0.0/28', /reserved addresses/],
    ['10.0.0.240/28', /reserved addresses/],
    ['10.0.0.24/28', /not aligned: use 10\.0\.0\.16\/28/],
    ['10.0.0.32/27', /must be a CIDR block of \/28/],
    ['10.0.0.32', /must be a CIDR block of \/28/],
    ['10.0.1.32/28', /does not fall within the subnet/],
    [`${V6}:5::/80`, /An IPv4 prefix must be/],
  ])('%s is refused by name', async (Ipv4Prefix, words) => {
    const refused = await errorOf(rig.createEni({ Ipv4Prefixes: [{ Ipv4Prefix }] }))
    expect(refused).toMatchObject({
      code: 'InvalidParameterValue',
      message: expect.stringMatching(words),
    })
    expect(refused.message).toContain(`Value (${Ipv4Prefix}) for parameter ipv4Prefix`)
  })

  test('is asked for in one way at a time', async () => {
    const prefix = [{ Ipv4Prefix: '10.0.0.16/28' }]
    const [prefix6, address6] = [[{ Ipv6Prefix: `${V6}:5::/80` }], [{ Ipv6Address: `${V6}::9` }]]
    for (const input of [
      { Ipv4PrefixCount: 1, Ipv4Prefixes: prefix },
      { Ipv4PrefixCount: 1, SecondaryPrivateIpAddressCount: 1 },
      {
        Ipv4Prefixes: prefix,
        PrivateIpAddresses: [{ PrivateIpAddress: '10.0.0.9', Primary: true }],
      },
      { Ipv6PrefixCount: 1, Ipv6Prefixes: prefix6 },
      { Ipv6PrefixCount: 1, Ipv6AddressCount: 1 },
      { Ipv6Prefixes: prefix6, Ipv6Addresses: address6 },
    ]) {
      const refused = await errorOf(rig.createEni(input))
      expect(refused.code, JSON.stringify(input)).toBe('InvalidParameterCombination')
      for (const name of Object.keys(input)) expect(refused.message).toContain(name)
    }
    const eni = await rig.createEni({ PrivateIpAddress: '10.0.0.9', Ipv4PrefixCount: 1 })
    expect([eni.PrivateIpAddress, eni.Ipv4Prefixes?.length]).toEqual(['10.0.0.9', 1])
    for (const input of [{}, { PrivateIpAddresses: [] }]) {
      expect((await errorOf(assign4(eni.NetworkInterfaceId, input))).code).toBe('MissingParameter')
    }
    expect((await errorOf(assign4(eni.NetworkInterfaceId, { Ipv4PrefixCount: 0 }))).code).toBe(
      'InvalidParameterValue',
    )
  })

  // P265
  test('is assigned to an ENI that is plugged, and unassigned: the port follows before the answer', async () => {
    const { NetworkInterfaceId: id, MacAddress: mac } = await rig.createEni()
    await attach(id)
    const prefixes = () => rig.fabric.ports.get(id)?.prefixes
    expect(await assign4(id, { Ipv4PrefixCount: 1 })).toMatchObject({
      NetworkInterfaceId: id,
      AssignedIpv4Prefixes: [{ Ipv4Prefix: '10.0.0.224/28' }],
    })
    expect(prefixes()).toEqual(['10.0.0.224/28'])
    const six = await assign6(id, { Ipv6PrefixCount: 1 })
    expect(six).toMatchObject({ AssignedIpv6Addresses: [] })
    expect(six.AssignedIpv6Prefixes).toEqual([`${V6}:fffe::/80`])
    expect(prefixes()).toEqual(['10.0.0.224/28', `${V6}:fffe::/80`])
    expect((await assign4(id, { Ipv4Prefixes: ['10.0.0.32/28'] })).AssignedIpv4Prefixes).toEqual([
      { Ipv4Prefix: '10.0.0.32/28' },
    ])
    await unassign4(id, { Ipv4Prefixes: ['10.0.0.224/28'] })
    expect(await imds(mac, 'ipv4-prefix')).toBe('10.0.0.32/28')
    expect(await unassign6(id, { Ipv6Prefixes: [`${V6}:fffe:0::/80`] })).toMatchObject({
      NetworkInterfaceId: id,
      UnassignedIpv6Prefixes: [`${V6}:fffe::/80`],
    })
    expect(prefixes()).toEqual(['10.0.0.32/28'])
    expect(await errorOf(unassign4(id, { Ipv4Prefixes: ['10.0.0.224/28'] }))).toEqual({
      code: 'InvalidParameterValue',
      message: `Some of the specified prefixes are not assigned to interface ${id}`,
    })
  })

  test('that the fabric refuses is not assigned', async () => {
    const { NetworkInterfaceId: id } = await rig.createEni()
    await attach(id)
    rig.fabric.failNext = 'update'
    expect((await errorOf(assign4(id, { Ipv4PrefixCount: 1 }))).code).toBe('InternalError')
    expect((await described(id))?.Ipv4Prefixes).toBeUndefined()
    expect(rig.fabric.ports.get(id)).not.toHaveProperty('prefixes')
  })

  // P266
  test('that does not fit is refused as EC2 tells it: a fragmented subnet, and a full one', async () => {
    const { SubnetId = '' } = (await makeSubnet({ CidrBlock: '10.0.2.0/26' })) ?? {}
    const make = (input: object) => rig.createEni({ SubnetId, ...input })
    const eni = await make({ PrivateIpAddress: '10.0.2.20' })
    expect(await errorOf(make({ PrivateIpAddress: '10.0.2.21', Ipv4PrefixCount: 2 }))).toEqual({
      code: 'InsufficientCidrBlocks',
      message: 'The specified subnet does not have enough free cidr blocks to satisfy the request.',
    })
    await assign4(eni.NetworkInterfaceId, { PrivateIpAddresses: ['10.0.2.40'] })
    const one = { Ipv4PrefixCount: 1 }
    expect((await errorOf(assign4(eni.NetworkInterfaceId, one))).code).toBe(
      'InsufficientCidrBlocks',
    )
    expect(await errorOf(assign4(eni.NetworkInterfaceId, { Ipv4PrefixCount: 4 }))).toEqual({
      code: 'InvalidParameterValue',
      message: "There aren't sufficient free Ipv4 addresses or prefixes",
    })
    expect((await subnetOf(SubnetId))?.AvailableIpAddressCount).toBe(57)
    await unassign4(eni.NetworkInterfaceId, { PrivateIpAddresses: ['10.0.2.40'] })
    expect((await assign4(eni.NetworkInterfaceId, one)).AssignedIpv4Prefixes).toEqual([
      { Ipv4Prefix: '10.0.2.32/28' },
    ])
    expect((await errorOf(make({ SecondaryPrivateIpAddressCount: 42 }))).code).toBe(
      'InsufficientFreeAddressesInSubnet',
    )
    expect((await make({ SecondaryPrivateIpAddressCount: 41 })).PrivateIpAddresses).toHaveLength(42)
    expect((await subnetOf(SubnetId))?.AvailableIpAddressCount).toBe(0)
  })

  test('tells IMDS who asks from one of its addresses', async () => {
    const eni = await rig.createEni({ Ipv4PrefixCount: 1, Ipv6PrefixCount: 1 })
    await attach(eni.NetworkInterfaceId)
    const asks = (address: string) => instanceAt(rig.lab.region.world, address)?.instanceId
    expect(asks('10.0.0.239')).toBe(rig.instanceId)
    expect(asks('::ffff:10.0.0.224')).toBe(rig.instanceId)
    expect(asks(`${V6}:fffe:1:2:3`)).toBe(rig.instanceId)
    expect(asks('10.0.0.240')).toBeUndefined()
    expect(asks(`${V6}:fffd:1:2:3`)).toBeUndefined()
  })
})

describe('addresses', () => {
  // P267
  test('are assigned by count and by value, and unassigned; the answer has the new ones alone', async () => {
    const eni = await rig.createEni({ PrivateIpAddress: '10.0.0.50' })
    const id = eni.NetworkInterfaceId
    await attach(id)
    const counted = await assign4(id, { SecondaryPrivateIpAddressCount: 2 })
    const [first = '', second = ''] =
      counted.AssignedPrivateIpAddresses?.map((each) => each.PrivateIpAddress ?? '') ?? []
    expect(counted.AssignedPrivateIpAddresses).toHaveLength(2)
    expect(await assign4(id, { PrivateIpAddresses: ['10.0.0.60'] })).toMatchObject({
      AssignedPrivateIpAddresses: [{ PrivateIpAddress: '10.0.0.60' }],
    })
    const all = ['10.0.0.50', first, second, '10.0.0.60']
    expect(rig.fabric.ports.get(id)?.ipv4).toEqual(all)
    expect(await imds(eni.MacAddress, 'local-ipv4s')).toBe(all.join('\n'))
    expect((await described(id))?.PrivateIpAddresses?.map((each) => each.Primary)).toEqual([
      true,
      false,
      false,
      false,
    ])
    await unassign4(id, { PrivateIpAddresses: [first, '10.0.0.60'] })
    expect(rig.fabric.ports.get(id)?.ipv4).toEqual(['10.0.0.50', second])
    const six = await assign6(id, { Ipv6AddressCount: 1 })
    expect(six.AssignedIpv6Prefixes).toEqual([])
    const [auto = ''] = six.AssignedIpv6Addresses ?? []
    expect(await assign6(id, { Ipv6Addresses: [`${V6}:0:0:0:77`] })).toMatchObject({
      AssignedIpv6Addresses: [`${V6}::77`],
    })
    expect(rig.fabric.ports.get(id)?.ipv6).toEqual([auto, `${V6}::77`])
    expect(await unassign6(id, { Ipv6Addresses: [auto] })).toMatchObject({
      UnassignedIpv6Addresses: [auto],
      UnassignedIpv6Prefixes: [],
    })
    expect(await imds(eni.MacAddress, 'ipv6s')).toBe(`${V6}::77`)
  })

  test('that cannot be given or taken are refused in EC2’s codes', async () => {
    const a = await rig.createEni({ PrivateIpAddress: '10.0.0.50' })
    const b = await rig.createEni({ PrivateIpAddress: '10.0.0.51' })
    const id = b.NetworkInterfaceId
    for (const address of ['10.0.0.50', '10.0.0.51', '10.0.0.3', '10.0.0.255', '10.0.1.7', 'x']) {
      const refused = await errorOf(assign4(id, { PrivateIpAddresses: [address] }))
      expect(refused.code, address).toBe('InvalidParameterValue')
    }
    for (const address of [`${V6}::`, `${V6}::3`, `${V6}:ffff:ffff:ffff:ffff`, '2001:db8::9']) {
      const refused = await errorOf(assign6(id, { Ipv6Addresses: [address] }))
      expect(refused.code, address).toBe('InvalidParameterValue')
    }
    for (const [call, words] of [
      [unassign4(id, { PrivateIpAddresses: ['10.0.0.51'] }), /primary address cannot be/],
      [unassign4(id, { PrivateIpAddresses: ['10.0.0.50'] }), /not assigned to interface eni-/],
      [unassign6(id, { Ipv6Addresses: [`${V6}::9`] }), /not assigned to interface eni-/],
      [assign4(id, { PrivateIpAddresses: ['10.0.0.60', '10.0.0.60'] }), /asked for twice/],
    ] as const) {
      const { code, message } = await errorOf(call)
      expect([code, message]).toEqual(['InvalidParameterValue', expect.stringMatching(words)])
    }
    const nobody = await errorOf(assign4('eni-00000000000000000', { Ipv4PrefixCount: 1 }))
    expect(nobody.code).toBe('InvalidNetworkInterfaceID.NotFound')
    expect((await described(id))?.PrivateIpAddresses).toHaveLength(1)
    expect(a.PrivateIpAddress).toBe('10.0.0.50')
  })

  // P267
  test('move to another ENI only where that is asked for, off the one port before on to the other', async () => {
    // The one that gets it was made first: the order of the ports is not that of the world.
    const to = await rig.createEni()
    const from = await rig.createEni({ PrivateIpAddress: '10.0.0.50' })
    await assign4(from.NetworkInterfaceId, { PrivateIpAddresses: ['10.0.0.60'] })
    await attach(to.NetworkInterfaceId)
    await rig.ec2.send(
      new AttachNetworkInterfaceCommand({
        NetworkInterfaceId: from.NetworkInterfaceId,
        InstanceId: rig.instanceId,
        DeviceIndex: 2,
      }),
    )
    const move = { PrivateIpAddresses: ['10.0.0.60'] }
    const refused = await errorOf(assign4(to.NetworkInterfaceId, move))
    expect(refused).toEqual({
      code: 'InvalidParameterValue',
      message: 'Address 10.0.0.60 is in use.',
    })
    await assign4(to.NetworkInterfaceId, { ...move, AllowReassignment: true })
    const port = (eni: { NetworkInterfaceId: string }) =>
      rig.fabric.ports.get(eni.NetworkInterfaceId)?.ipv4
    expect([port(from), port(to)]).toEqual([['10.0.0.50'], [to.PrivateIpAddress, '10.0.0.60']])
    const primary = { PrivateIpAddresses: ['10.0.0.50'], AllowReassignment: true }
    expect((await errorOf(assign4(to.NetworkInterfaceId, primary))).code).toBe(
      'InvalidParameterValue',
    )
  })
})

// P268
test('an ENI carries as many addresses as its instance type says, a prefix counted as one', async () => {
  await rig.end()
  rig = await makeRig('c5.large') // Ten of each version.
  const { NetworkInterfaceId: id } = await rig.createEni({
    Ipv4PrefixCount: 8,
    Ipv6PrefixCount: 10,
  })
  await attach(id)
  await assign4(id, { SecondaryPrivateIpAddressCount: 1 })
  for (const input of [{ SecondaryPrivateIpAddressCount: 1 }, { Ipv4PrefixCount: 1 }]) {
    expect(await errorOf(assign4(id, input))).toEqual({
      code: 'PrivateIpAddressLimitExceeded',
      message: `${id}: Number of private addresses will exceed limit.`,
    })
  }
  for (const input of [{ Ipv6AddressCount: 1 }, { Ipv6PrefixCount: 1 }]) {
    expect((await errorOf(assign6(id, input))).code).toBe('PrivateIpAddressLimitExceeded')
  }
  const many = await rig.createEni({ Ipv4PrefixCount: 1 })
  await assign4(many.NetworkInterfaceId, { SecondaryPrivateIpAddressCount: 9 })
  const AttachmentId = await errorOf(
    rig.ec2.send(
      new AttachNetworkInterfaceCommand({
        NetworkInterfaceId: many.NetworkInterfaceId,
        InstanceId: rig.instanceId,
        DeviceIndex: 2,
      }),
    ),
  )
  expect(AttachmentId.code).toBe('InvalidInterface.IpAddressLimitExceeded')
})

test('an instance that is not built on Nitro carries no prefix', async () => {
  await rig.end()
  rig = await makeRig('m4.large')
  const { NetworkInterfaceId: id } = await rig.createEni({ Ipv4PrefixCount: 1 })
  expect((await errorOf(attach(id))).message).toMatch(/m4\.large does not support prefixes/)
  await unassign4(id, { Ipv4Prefixes: ['10.0.0.224/28'] })
  await attach(id)
  expect((await errorOf(assign4(id, { Ipv4PrefixCount: 1 }))).code).toBe('InvalidParameterValue')
  await assign4(id, { SecondaryPrivateIpAddressCount: 1 })
})

describe('a subnet', () => {
  const dualBlock = { Ipv6CidrBlock: '2001:db8:1234:1a05::/64' }

  // P269
  test('of IPv6 alone has ENIs without IPv4, and no IPv4 router', async () => {
    const subnet = await makeSubnet({ Ipv6Native: true, ...dualBlock })
    expect(subnet).toMatchObject({
      Ipv6Native: true,
      AvailableIpAddressCount: 0,
      AssignIpv6AddressOnCreation: true,
      PrivateDnsNameOptionsOnLaunch: { HostnameType: 'resource-name' },
    })
    expect(subnet).not.toHaveProperty('CidrBlock')
    const SubnetId = subnet?.SubnetId ?? ''
    expect(rig.fabric.subnets.get(SubnetId)).toEqual({
      subnetId: SubnetId,
      aclId: expect.any(String),
      routeTableId: expect.any(String),
      ipv6Cidr: '2001:db8:1234:1a05::/64',
    })
    const eni = await rig.createEni({ SubnetId })
    expect(eni).toMatchObject({
      Ipv6Native: true,
      PrivateIpAddresses: [],
      Ipv6Addresses: [{ Ipv6Address: '2001:db8:1234:1a05::4' }],
    })
    expect(eni).not.toHaveProperty('PrivateIpAddress')
    expect(eni).not.toHaveProperty('PrivateDnsName')
    await attach(eni.NetworkInterfaceId)
    expect(rig.fabric.ports.get(eni.NetworkInterfaceId)).toMatchObject({
      ipv4: [],
      ipv6: ['2001:db8:1234:1a05::4'],
    })
    expect(await imds(eni.MacAddress, 'local-ipv4s')).toBe('404')
    expect(await imds(eni.MacAddress, 'subnet-ipv4-cidr-block')).toBe('404')
    expect(await imds(eni.MacAddress, 'subnet-ipv6-cidr-blocks')).toBe('2001:db8:1234:1a05::/64')
    const prefixed = await rig.createEni({ SubnetId, Ipv6PrefixCount: 1 })
    expect([prefixed.Ipv6Addresses, prefixed.Ipv6Prefixes?.length]).toEqual([[], 1])
    for (const input of [
      { PrivateIpAddress: '10.0.0.9' },
      { Ipv4PrefixCount: 1 },
      { SecondaryPrivateIpAddressCount: 1 },
      { Ipv6AddressCount: 0 },
    ]) {
      const { code } = await errorOf(rig.createEni({ SubnetId, ...input }))
      expect(code, JSON.stringify(input)).toBe('InvalidParameterValue')
    }
    const off = { SubnetId, AssignIpv6AddressOnCreation: { Value: false } }
    expect((await errorOf(rig.ec2.send(new ModifySubnetAttributeCommand(off)))).code).toBe(
      'InvalidParameterValue',
    )
    const { Subnets } = await rig.ec2.send(
      new DescribeSubnetsCommand({ Filters: [{ Name: 'ipv6-native', Values: ['true'] }] }),
    )
    expect(Subnets?.map((each) => each.SubnetId)).toEqual([SubnetId])
  })

  test('needs the block of its kind', async () => {
    for (const [input, code] of [
      [{ Ipv6Native: true }, 'MissingParameter'],
      [{ Ipv6Native: true, CidrBlock: '10.0.5.0/24' }, 'InvalidParameterCombination'],
      [dualBlock, 'MissingParameter'],
    ] as const) {
      expect((await errorOf(makeSubnet(input))).code, JSON.stringify(input)).toBe(code)
    }
  })

  test('gets an IPv6 block later, and gives it back when no ENI has an address of it', async () => {
    const { SubnetId = '' } = (await makeSubnet({ CidrBlock: '10.0.5.0/24' })) ?? {}
    const associate = (block: string) =>
      rig.ec2.send(new AssociateSubnetCidrBlockCommand({ SubnetId, Ipv6CidrBlock: block }))
    const taken = await errorOf(associate(`${V6}::/64`))
    expect(taken.code).toBe('InvalidSubnet.Conflict')
    const { Ipv6CidrBlockAssociation: made } = await associate(dualBlock.Ipv6CidrBlock)
    expect(made).toEqual({
      AssociationId: expect.stringMatching(/^subnet-cidr-assoc-/),
      Ipv6CidrBlock: dualBlock.Ipv6CidrBlock,
      Ipv6CidrBlockState: { State: 'associated' },
    })
    expect((await errorOf(associate('2001:db8:1234:1a06::/64'))).code).toBe('InvalidParameterValue')
    expect(rig.fabric.subnets.get(SubnetId)?.ipv6Cidr).toBe(dualBlock.Ipv6CidrBlock)
    const eni = await rig.createEni({ SubnetId, Ipv6AddressCount: 1 })
    const AssociationId = made?.AssociationId
    const leave = () => rig.ec2.send(new DisassociateSubnetCidrBlockCommand({ AssociationId }))
    expect((await errorOf(leave())).code).toBe('DependencyViolation')
    const addresses = eni.Ipv6Addresses?.map((each) => each.Ipv6Address ?? '')
    await unassign6(eni.NetworkInterfaceId, { Ipv6Addresses: addresses })
    expect((await leave()).Ipv6CidrBlockAssociation?.Ipv6CidrBlockState?.State).toBe(
      'disassociated',
    )
    expect((await subnetOf(SubnetId))?.Ipv6CidrBlockAssociationSet).toEqual([])
    expect(rig.fabric.subnets.get(SubnetId)).not.toHaveProperty('ipv6Cidr')
    expect((await errorOf(leave())).code).toBe('InvalidSubnetCidrBlockAssociationID.NotFound')
  })

  // P264
  test('has reservations: made, listed by version, deleted, and gone with it', async () => {
    const { SubnetId = '' } = (await makeSubnet({ CidrBlock: '10.0.5.0/24', ...dualBlock })) ?? {}
    const reserve = (Cidr: string, ReservationType: 'prefix' | 'explicit') =>
      rig.ec2.send(new CreateSubnetCidrReservationCommand({ SubnetId, Cidr, ReservationType }))
    const made = await rig.ec2.send(
      new CreateSubnetCidrReservationCommand({
        SubnetId,
        Cidr: '10.0.5.64/26',
        ReservationType: 'prefix',
        Description: 'pods',
        TagSpecifications: [
          { ResourceType: 'subnet-cidr-reservation', Tags: [{ Key: 'Name', Value: 'pods' }] },
        ],
      }),
    )
    expect(made.SubnetCidrReservation).toEqual({
      SubnetCidrReservationId: expect.stringMatching(/^scr-[0-9a-f]{17}$/),
      SubnetId,
      Cidr: '10.0.5.64/26',
      ReservationType: 'prefix',
      OwnerId: '123456789012',
      Description: 'pods',
      Tags: [{ Key: 'Name', Value: 'pods' }],
    })
    await reserve('2001:db8:1234:1a05:7::/80', 'explicit')
    for (const [cidr, type] of [
      ['10.0.5.96/28', 'explicit'],
      ['10.0.6.0/28', 'explicit'],
      ['10.0.5.0', 'explicit'],
      ['10.0.5.0/28', 'other'],
    ] as const) {
      expect((await errorOf(reserve(cidr, type as 'prefix'))).code, cidr).toBe(
        'InvalidParameterValue',
      )
    }
    const get = () => rig.ec2.send(new GetSubnetCidrReservationsCommand({ SubnetId }))
    const listed = await get()
    expect(listed.SubnetIpv4CidrReservations).toEqual([made.SubnetCidrReservation])
    expect(listed.SubnetIpv6CidrReservations?.map(({ Cidr }) => Cidr)).toEqual([
      '2001:db8:1234:1a05:7::/80',
    ])
    const eni = await rig.createEni({ SubnetId, Ipv4PrefixCount: 1 })
    expect(eni.Ipv4Prefixes).toEqual([{ Ipv4Prefix: '10.0.5.112/28' }])
    const { SubnetCidrReservationId } = made.SubnetCidrReservation ?? {}
    const remove = () =>
      rig.ec2.send(new DeleteSubnetCidrReservationCommand({ SubnetCidrReservationId }))
    expect((await remove()).DeletedSubnetCidrReservation).toEqual(made.SubnetCidrReservation)
    expect((await errorOf(remove())).code).toBe('InvalidSubnetCidrReservationID.NotFound')
    expect((await described(eni.NetworkInterfaceId))?.Ipv4Prefixes, 'what is in use stays').toEqual(
      eni.Ipv4Prefixes,
    )
    const empty = await makeSubnet({ CidrBlock: '10.0.6.0/24' })
    const its = {
      SubnetId: empty?.SubnetId,
      Cidr: '10.0.6.0/28',
      ReservationType: 'explicit' as const,
    }
    await rig.ec2.send(new CreateSubnetCidrReservationCommand(its))
    await rig.ec2.send(new DeleteSubnetCommand({ SubnetId: empty?.SubnetId }))
    expect([...rig.lab.region.world.subnetCidrReservations.values()]).toHaveLength(1)
  })
})
