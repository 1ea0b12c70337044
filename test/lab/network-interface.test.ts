// Goal: an ENI lives as on EC2, and the fabric has its port exactly while it is attached. Method:
// the SDK's own client against the lab over a fabric of memory.

import {
  AttachNetworkInterfaceCommand,
  CreateNetworkInterfaceCommand,
  DeleteNetworkInterfaceCommand,
  DescribeInstancesCommand,
  DescribeNetworkInterfaceAttributeCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSubnetsCommand,
  DetachNetworkInterfaceCommand,
  ModifyNetworkInterfaceAttributeCommand,
  ModifySubnetAttributeCommand,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { errorOf, makeRig, type Rig } from './rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await makeRig()
})
afterEach(() => rig.end())

const attach = (eniId: string, deviceIndex = 1): Promise<{ AttachmentId?: string | undefined }> =>
  rig.ec2.send(
    new AttachNetworkInterfaceCommand({
      NetworkInterfaceId: eniId,
      InstanceId: rig.instanceId,
      DeviceIndex: deviceIndex,
      NetworkCardIndex: 0,
    }),
  )
const describeOne = async (eniId: string) => {
  const found = await rig.ec2.send(
    new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [eniId] }),
  )
  return found.NetworkInterfaces?.[0]
}

describe('creating', () => {
  test('answers pending, and is available at once after', async () => {
    const eni = await rig.createEni({
      Description: 'a <task> & more',
      TagSpecifications: [
        { ResourceType: 'network-interface', Tags: [{ Key: 'Name', Value: 'web' }] },
      ],
    })
    expect(eni).toMatchObject({
      NetworkInterfaceId: expect.stringMatching(/^eni-[0-9a-f]{17}$/),
      MacAddress: expect.stringMatching(/^02(:[0-9a-f]{2}){5}$/),
      Status: 'pending',
      SubnetId: rig.subnetA,
      VpcId: rig.vpcId,
      AvailabilityZone: 'us-west-2a',
      Description: 'a <task> & more',
      InterfaceType: 'interface',
      SourceDestCheck: true,
      RequesterManaged: false,
      OwnerId: '123456789012',
      Groups: [{ GroupId: rig.defaultGroup, GroupName: 'default' }],
      Ipv6Addresses: [],
      TagSet: [{ Key: 'Name', Value: 'web' }],
    })
    expect(eni.PrivateDnsName).toBe(
      `ip-${eni.PrivateIpAddress.replaceAll('.', '-')}.us-west-2.compute.internal`,
    )
    expect(eni.Attachment).toBeUndefined()
    expect((await describeOne(eni.NetworkInterfaceId))?.Status).toBe('available')
    expect(rig.fabric.ports.size, 'nothing is plugged before it is attached').toBe(0)
  })

  test('an address goes round before it comes again, and reserved ones never come', async () => {
    const seen = new Set<string>()
    for (let n = 0; n < 300; n++) {
      const eni = await rig.createEni()
      const { PrivateIpAddress: ip, NetworkInterfaceId } = eni
      expect(ip).toMatch(/^10\.0\.0\.\d+$/)
      expect([0, 1, 2, 3, 255]).not.toContain(Number(ip.split('.')[3]))
      if (n < 250) expect(seen, `address ${n} is fresh`).not.toContain(ip)
      seen.add(ip)
      await rig.ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId }))
    }
    expect(seen.size).toBe(250) // 256 less five reserved less the host's own.
  })

  test('a full subnet says so, and counts down to it', async () => {
    const subnet = async () =>
      (await rig.ec2.send(new DescribeSubnetsCommand({ SubnetIds: [rig.subnetB] }))).Subnets?.[0]
    expect((await subnet())?.AvailableIpAddressCount).toBe(251)
    for (let n = 0; n < 5; n++) {
      await rig.createEni({ SubnetId: rig.subnetB, SecondaryPrivateIpAddressCount: 49 })
    }
    expect((await subnet())?.AvailableIpAddressCount).toBe(1)
    const call = rig.createEni({ SubnetId: rig.subnetB, SecondaryPrivateIpAddressCount: 1 })
    expect((await errorOf(call)).code).toBe('InsufficientFreeAddressesInSubnet')
    expect((await subnet())?.AvailableIpAddressCount).toBe(1)
    await rig.createEni({ SubnetId: rig.subnetB })
    expect((await errorOf(rig.createEni({ SubnetId: rig.subnetB }))).code).toBe(
      'InsufficientFreeAddressesInSubnet',
    )
  })

  test('chosen addresses are taken, canonical, and refused when reserved, foreign or in use', async () => {
    const eni = await rig.createEni({
      PrivateIpAddress: '10.0.0.35',
      Ipv6Addresses: [{ Ipv6Address: '2001:db8:1234:1a00:0:0:0:35' }],
    })
    expect(eni.PrivateIpAddress).toBe('10.0.0.35')
    expect(eni.Ipv6Addresses?.[0]?.Ipv6Address).toBe('2001:db8:1234:1a00::35')
    for (const [address, code] of [
      ['10.0.0.35', 'InvalidIPAddress.InUse'],
      ['10.0.0.3', 'InvalidParameterValue'],
      ['10.0.0.255', 'InvalidParameterValue'],
      ['10.0.1.7', 'InvalidParameterValue'],
      ['10.0.0.035', 'InvalidParameterValue'],
      ['10.0.0', 'InvalidParameterValue'],
    ] as const) {
      const refused = await errorOf(rig.createEni({ PrivateIpAddress: address }))
      expect(refused.code, address).toBe(code)
    }
  })

  test('an address chosen beside asked ones is never one of them', async () => {
    const eni = await rig.createEni({
      PrivateIpAddress: '10.0.0.6',
      SecondaryPrivateIpAddressCount: 3,
    })
    const addresses = eni.PrivateIpAddresses?.map((each) => each.PrivateIpAddress)
    expect(addresses).toEqual(['10.0.0.6', '10.0.0.5', '10.0.0.7', '10.0.0.8'])
  })

  test('IPv6 comes when asked for, or when the subnet gives it by itself', async () => {
    expect((await rig.createEni({ Ipv6AddressCount: 2 })).Ipv6Addresses).toHaveLength(2)
    expect((await rig.createEni()).Ipv6Addresses).toEqual([])
    await rig.ec2.send(
      new ModifySubnetAttributeCommand({
        SubnetId: rig.subnetA,
        AssignIpv6AddressOnCreation: { Value: true },
      }),
    )
    const eni = await rig.createEni()
    expect(eni.Ipv6Addresses?.[0]?.Ipv6Address).toMatch(/^2001:db8:1234:1a00::/)
    expect((await rig.createEni({ Ipv6AddressCount: 0 })).Ipv6Addresses).toEqual([])
  })

  test('a client token makes one ENI, however often and after its deletion', async () => {
    const input = { ClientToken: 'one', Description: 'same' }
    const first = await rig.createEni(input)
    expect((await rig.createEni(input)).NetworkInterfaceId).toBe(first.NetworkInterfaceId)
    const other = await errorOf(rig.createEni({ ...input, Description: 'other' }))
    expect(other.code).toBe('IdempotentParameterMismatch')
    await rig.ec2.send(
      new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: first.NetworkInterfaceId }),
    )
    expect((await rig.createEni(input)).NetworkInterfaceId).toBe(first.NetworkInterfaceId)
    expect(await errorOf(describeOne(first.NetworkInterfaceId))).toEqual({
      code: 'InvalidNetworkInterfaceID.NotFound',
      message: `The networkInterface ID '${first.NetworkInterfaceId}' does not exist`,
    })
  })

  test('what the lab cannot do is refused by name', async () => {
    for (const [parameter, input] of Object.entries({
      EnablePrimaryIpv6: { EnablePrimaryIpv6: true },
      ConnectionTrackingSpecification: { ConnectionTrackingSpecification: { UdpTimeout: 30 } },
    })) {
      const refused = await errorOf(rig.createEni(input))
      expect(refused.code).toBe('UnsupportedOperation')
      expect(refused.message).toContain(`the parameter ${parameter} of CreateNetworkInterface`)
    }
    expect((await errorOf(rig.createEni({ InterfaceType: 'efa' }))).code).toBe(
      'InvalidParameterValue',
    )
  })

  test('a dry run says what would be and makes nothing', async () => {
    const count = rig.lab.region.world.enis.size
    expect((await errorOf(rig.createEni({ DryRun: true }))).code).toBe('DryRunOperation')
    const bad = { DryRun: true, SubnetId: 'subnet-00000000000000000' }
    expect((await errorOf(rig.createEni(bad))).code).toBe('InvalidSubnetID.NotFound')
    expect(rig.lab.region.world.enis.size).toBe(count)
  })
})

describe('attaching', () => {
  test('plugs the port before it answers, and detaching unplugs it', async () => {
    const eni = await rig.createEni({ Ipv6AddressCount: 1 })
    const { AttachmentId } = await attach(eni.NetworkInterfaceId)
    expect(AttachmentId).toMatch(/^eni-attach-[0-9a-f]{17}$/)
    expect(rig.fabric.ports.get(eni.NetworkInterfaceId)).toEqual({
      eniId: eni.NetworkInterfaceId,
      subnetId: rig.subnetA,
      mac: eni.MacAddress,
      ipv4: [eni.PrivateIpAddress],
      ipv6: [eni.Ipv6Addresses?.[0]?.Ipv6Address],
      groupIds: [rig.defaultGroup],
      sourceDestCheck: true,
      netns: '/proc/self/ns/net',
    })
    expect(await describeOne(eni.NetworkInterfaceId)).toMatchObject({
      Status: 'in-use',
      Attachment: {
        AttachmentId,
        DeleteOnTermination: false,
        DeviceIndex: 1,
        NetworkCardIndex: 0,
        InstanceId: rig.instanceId,
        InstanceOwnerId: '123456789012',
        Status: 'attached',
      },
    })
    await rig.ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId }))
    expect(rig.fabric.ports.size).toBe(0)
    const free = await describeOne(eni.NetworkInterfaceId)
    expect(free?.Status).toBe('available')
    expect(free?.Attachment).toBeUndefined()
    expect(
      (await errorOf(rig.ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId })))).code,
    ).toBe('InvalidAttachmentID.NotFound')
  })

  test('is refused as EC2 refuses it, and plugs nothing', async () => {
    const eni = (await rig.createEni()).NetworkInterfaceId
    await attach(eni)
    const free = (await rig.createEni()).NetworkInterfaceId
    const far = (await rig.createEni({ SubnetId: rig.subnetB })).NetworkInterfaceId
    expect(await errorOf(attach(eni, 2))).toEqual({
      code: 'InvalidParameterValue',
      message: `Network interface '${eni}' is currently in use.`,
    })
    expect(await errorOf(attach(free, 1))).toEqual({
      code: 'InvalidParameterValue',
      message: `Instance '${rig.instanceId}' already has an interface attached at device index '1'.`,
    })
    expect((await errorOf(attach(free, 0))).code).toBe('InvalidParameterValue')
    expect((await errorOf(attach(free, -1))).code).toBe('InvalidParameterValue')
    expect((await errorOf(attach(far, 2))).message).toContain('same availability zone')
    const nowhere = new AttachNetworkInterfaceCommand({
      NetworkInterfaceId: free,
      InstanceId: 'i-00000000000000000',
      DeviceIndex: 2,
    })
    expect((await errorOf(rig.ec2.send(nowhere))).code).toBe('InvalidInstanceID.NotFound')
    expect([...rig.fabric.ports.keys()]).toEqual([eni])
  })

  test('the primary interface cannot be detached, and nothing in use can be deleted', async () => {
    const { Reservations } = await rig.ec2.send(new DescribeInstancesCommand({}))
    const primary = Reservations?.[0]?.Instances?.[0]?.NetworkInterfaces?.[0]
    expect(primary?.Attachment?.DeviceIndex).toBe(0)
    const { AttachmentId } = primary?.Attachment ?? {}
    expect(
      await errorOf(rig.ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId }))),
    ).toEqual({
      code: 'OperationNotPermitted',
      message:
        'The network interface at device index 0 and networkCard index 0 cannot be detached.',
    })
    const NetworkInterfaceId = primary?.NetworkInterfaceId ?? ''
    const call = rig.ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId }))
    expect(await errorOf(call)).toEqual({
      code: 'InvalidParameterValue',
      message: `Network interface '${NetworkInterfaceId}' is currently in use.`,
    })
  })

  test('a fabric that fails fails the call, and nothing has changed', async () => {
    const eni = (await rig.createEni()).NetworkInterfaceId
    const before = rig.lab.region.world
    rig.fabric.failNext = 'plug'
    const refused = await errorOf(attach(eni))
    expect(refused.code).toBe('InternalError')
    expect(refused.message).toContain('the kernel said no')
    expect(rig.lab.region.world).toBe(before)
    await attach(eni)
    expect(rig.fabric.ports.has(eni)).toBe(true)
  })

  test('twenty at once get twenty ports and no device index twice', async () => {
    const enis = await Promise.all(Array.from({ length: 20 }, () => rig.createEni()))
    const calls = enis.map((eni) => attach(eni.NetworkInterfaceId, 5))
    const results = await Promise.allSettled(calls)
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
    await Promise.all(
      enis.map((eni, n) => attach(eni.NetworkInterfaceId, 10 + n).catch(() => undefined)),
    )
    expect(rig.fabric.ports.size).toBe(20)
    expect(new Set(enis.map((eni) => eni.PrivateIpAddress)).size).toBe(20)
  })
})

describe('limits of an instance type', () => {
  test('a t3.small takes two more interfaces of four addresses each', async () => {
    await rig.end()
    rig = await makeRig('t3.small')
    for (const index of [2, 1]) await attach((await rig.createEni()).NetworkInterfaceId, index)
    const third = await errorOf(attach((await rig.createEni()).NetworkInterfaceId, 3))
    expect(third).toEqual({
      code: 'AttachmentLimitExceeded',
      message: 'Interface count 4 exceeds the limit for t3.small',
    })
    await rig.end()
    rig = await makeRig('t3.small')
    const five = await rig.createEni({ SecondaryPrivateIpAddressCount: 4 })
    expect((await errorOf(attach(five.NetworkInterfaceId))).code).toBe(
      'InvalidInterface.IpAddressLimitExceeded',
    )
  })
})

describe('modifying', () => {
  test('one attribute a call, and groups are in force at once', async () => {
    const eni = (await rig.createEni()).NetworkInterfaceId
    const { AttachmentId } = await attach(eni)
    const modify = (input: object): Promise<unknown> =>
      rig.ec2.send(
        new ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId: eni, ...input }),
      )
    await modify({ Attachment: { AttachmentId, DeleteOnTermination: true } })
    await modify({ SourceDestCheck: { Value: false } })
    await modify({ Description: { Value: 'now' } })
    const hostGroup = [...rig.fabric.groups.keys()].find((id) => id !== rig.defaultGroup) ?? ''
    await modify({ Groups: [hostGroup] })
    expect(rig.fabric.ports.get(eni)).toMatchObject({
      groupIds: [hostGroup],
      sourceDestCheck: false,
    })
    expect(await describeOne(eni)).toMatchObject({
      Description: 'now',
      Attachment: { DeleteOnTermination: true },
      Groups: [{ GroupId: hostGroup }],
    })
    const attribute = await rig.ec2.send(
      new DescribeNetworkInterfaceAttributeCommand({
        NetworkInterfaceId: eni,
        Attribute: 'groupSet',
      }),
    )
    expect(attribute.Groups?.[0]?.GroupId).toBe(hostGroup)

    const codes: [object, string][] = [
      [{}, 'InvalidParameterCombination'],
      [{ Description: { Value: 'a' }, Groups: [hostGroup] }, 'InvalidParameterCombination'],
      [{ Attachment: { AttachmentId } }, 'MissingParameter'],
      [
        { Attachment: { AttachmentId: 'eni-attach-00000000000000000', DeleteOnTermination: true } },
        'InvalidAttachmentID.NotFound',
      ],
      [{ Groups: ['sg-00000000000000000'] }, 'InvalidGroup.NotFound'],
      [{ Groups: ['default'] }, 'InvalidGroupId.Malformed'],
      [{ EnablePrimaryIpv6: true }, 'UnsupportedOperation'],
    ]
    for (const [input, code] of codes) {
      expect((await errorOf(modify(input))).code, JSON.stringify(input)).toBe(code)
    }
  })

  test('a fabric that fails keeps the old groups in the model too', async () => {
    const eni = (await rig.createEni()).NetworkInterfaceId
    await attach(eni)
    const hostGroup = [...rig.fabric.groups.keys()].find((id) => id !== rig.defaultGroup) ?? ''
    rig.fabric.failNext = 'update'
    const call = rig.ec2.send(
      new ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId: eni, Groups: [hostGroup] }),
    )
    expect((await errorOf(call)).code).toBe('InternalError')
    expect((await describeOne(eni))?.Groups?.[0]?.GroupId).toBe(rig.defaultGroup)
  })

  test('the wrong type of tag at creation is refused, and makes nothing', async () => {
    const count = rig.lab.region.world.enis.size
    const call = rig.ec2.send(
      new CreateNetworkInterfaceCommand({
        SubnetId: rig.subnetA,
        TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'a', Value: 'b' }] }],
      }),
    )
    expect((await errorOf(call)).code).toBe('InvalidParameterValue')
    expect(rig.lab.region.world.enis.size).toBe(count)
  })
})
