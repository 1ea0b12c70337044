// Goal: VPCs and subnets as EC2 checks them, and only the home VPC in the fabric, so that nothing
// can pass between two.

import {
  AttachNetworkInterfaceCommand,
  CreateNetworkInterfaceCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  DeleteSubnetCommand,
  DeleteVpcCommand,
  DescribeAvailabilityZonesCommand,
  DescribeDhcpOptionsCommand,
  DescribeInstanceTypesCommand,
  DescribeRegionsCommand,
  DescribeRouteTablesCommand,
  DescribeVpcAttributeCommand,
  DescribeVpcsCommand,
  ModifyVpcAttributeCommand,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { errorOf, makeRig, type Rig } from './rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await makeRig()
})
afterEach(() => rig.end())

const makeVpc = async (CidrBlock: string, ipv6 = false) =>
  (
    await rig.ec2.send(
      new CreateVpcCommand({ CidrBlock, ...(ipv6 ? { AmazonProvidedIpv6CidrBlock: true } : {}) }),
    )
  ).Vpc
const makeSubnet = async (VpcId: string, CidrBlock: string, more = {}) =>
  (await rig.ec2.send(new CreateSubnetCommand({ VpcId, CidrBlock, ...more }))).Subnet

test('a lab comes up with the VPC that the documentation draws', async () => {
  const { Vpcs } = await rig.ec2.send(new DescribeVpcsCommand({}))
  expect(Vpcs).toMatchObject([
    {
      VpcId: rig.vpcId,
      CidrBlock: '10.0.0.0/16',
      IsDefault: true,
      State: 'available',
      Ipv6CidrBlockAssociationSet: [{ Ipv6CidrBlock: '2001:db8:1234:1a00::/56' }],
    },
  ])
  expect([...rig.fabric.subnets.values()]).toMatchObject([
    { ipv4Cidr: '10.0.0.0/24', ipv4Gateway: '10.0.0.1', ipv6Cidr: '2001:db8:1234:1a00::/64' },
    { ipv4Cidr: '10.0.1.0/24', ipv4Gateway: '10.0.1.1', ipv6Cidr: '2001:db8:1234:1a01::/64' },
  ])
  const { RouteTables } = await rig.ec2.send(new DescribeRouteTablesCommand({}))
  expect(RouteTables?.[0]).toMatchObject({
    Associations: [{ Main: true }],
    Routes: [
      { DestinationCidrBlock: '10.0.0.0/16', GatewayId: 'local' },
      { DestinationIpv6CidrBlock: '2001:db8:1234:1a00::/56', GatewayId: 'local' },
      { DestinationCidrBlock: '0.0.0.0/0', GatewayId: expect.stringMatching(/^igw-/) },
    ],
  })
  const { DhcpOptions } = await rig.ec2.send(
    new DescribeDhcpOptionsCommand({ DhcpOptionsIds: [Vpcs?.[0]?.DhcpOptionsId ?? ''] }),
  )
  expect(DhcpOptions?.[0]?.DhcpConfigurations).toMatchObject([
    { Key: 'domain-name', Values: [{ Value: 'us-west-2.compute.internal' }] },
    { Key: 'domain-name-servers' },
  ])
  const { AvailabilityZones } = await rig.ec2.send(new DescribeAvailabilityZonesCommand({}))
  expect(AvailabilityZones?.map((zone) => `${zone.ZoneName} ${zone.ZoneId} ${zone.State}`)).toEqual(
    ['us-west-2a usw2-az1 available', 'us-west-2b usw2-az2 available'],
  )
  const { Regions } = await rig.ec2.send(new DescribeRegionsCommand({}))
  expect(Regions).toHaveLength(1)
})

test('the DNS attributes of a VPC are changed one at a time', async () => {
  const { VpcId } = (await makeVpc('10.1.0.0/16')) ?? {}
  const attribute = async () =>
    (
      await rig.ec2.send(
        new DescribeVpcAttributeCommand({ VpcId, Attribute: 'enableDnsHostnames' }),
      )
    ).EnableDnsHostnames?.Value
  expect(await attribute()).toBe(false)
  await rig.ec2.send(new ModifyVpcAttributeCommand({ VpcId, EnableDnsHostnames: { Value: true } }))
  expect(await attribute()).toBe(true)
  const both = new ModifyVpcAttributeCommand({
    VpcId,
    EnableDnsHostnames: { Value: true },
    EnableDnsSupport: { Value: true },
  })
  expect((await errorOf(rig.ec2.send(both))).code).toBe('InvalidParameterCombination')
})

test('a VPC of one’s own stays out of the fabric, and its ENIs out of this host', async () => {
  const before = [...rig.fabric.groups.keys(), ...rig.fabric.subnets.keys()]
  const vpc = await makeVpc('10.0.0.0/16', true) // EC2 allows the same block twice: so does the lab.
  expect(vpc?.Ipv6CidrBlockAssociationSet?.[0]?.Ipv6CidrBlock).toBe('2001:db8:1234:1b00::/56')
  const subnet = await makeSubnet(vpc?.VpcId ?? '', '10.0.0.0/24')
  const { NetworkInterface: eni } = await rig.ec2.send(
    new CreateNetworkInterfaceCommand({ SubnetId: subnet?.SubnetId }),
  )
  const attach = new AttachNetworkInterfaceCommand({
    NetworkInterfaceId: eni?.NetworkInterfaceId,
    InstanceId: rig.instanceId,
    DeviceIndex: 1,
  })
  const refused = await errorOf(rig.ec2.send(attach))
  expect(refused.code).toBe('InvalidParameterValue')
  expect(refused.message).toContain('not in the same VPC')
  expect([...rig.fabric.groups.keys(), ...rig.fabric.subnets.keys()]).toEqual(before)
  const foreign = rig.createEni({ SubnetId: subnet?.SubnetId, Groups: [rig.defaultGroup] })
  expect(await errorOf(foreign)).toEqual({
    code: 'InvalidGroup.NotFound',
    message: 'You have specified two resources that belong to different networks.',
  })
})

test('blocks are checked and canonical', async () => {
  for (const [block, code] of [
    ['10.0.0.0/15', 'InvalidVpc.Range'],
    ['10.0.0.0/29', 'InvalidVpc.Range'],
    ['10.0.0.0', 'InvalidParameterValue'],
    ['hello/16', 'InvalidParameterValue'],
  ] as const) {
    expect((await errorOf(makeVpc(block))).code, block).toBe(code)
  }
  expect((await makeSubnet(rig.vpcId, '10.0.2.7/24'))?.CidrBlock).toBe('10.0.2.0/24')
  for (const [block, more, code] of [
    ['10.0.2.128/25', {}, 'InvalidSubnet.Conflict'],
    ['10.1.0.0/24', {}, 'InvalidSubnet.Range'],
    ['10.0.3.0/29', {}, 'InvalidSubnet.Range'],
    ['10.0.3.0/24', { AvailabilityZone: 'us-west-2c' }, 'InvalidParameterValue'],
    ['10.0.3.0/24', { Ipv6CidrBlock: '2001:db8:1234:1a00::/64' }, 'InvalidSubnet.Conflict'],
    ['10.0.3.0/24', { Ipv6CidrBlock: '2001:db8:9::/64' }, 'InvalidSubnet.Range'],
    ['10.0.3.0/24', { Ipv6Native: true }, 'InvalidParameterCombination'],
  ] as const) {
    expect((await errorOf(makeSubnet(rig.vpcId, block, more))).code, block).toBe(code)
  }
  expect(rig.fabric.subnets.size).toBe(3)
})

test('what is in use cannot be deleted, and what is not goes with what belongs to it', async () => {
  const vpc = await makeVpc('10.1.0.0/16')
  const VpcId = vpc?.VpcId ?? ''
  const subnet = await makeSubnet(VpcId, '10.1.0.0/24')
  const remove = (): Promise<unknown> => rig.ec2.send(new DeleteVpcCommand({ VpcId }))
  expect(await errorOf(remove())).toEqual({
    code: 'DependencyViolation',
    message: `The vpc '${VpcId}' has dependencies and cannot be deleted.`,
  })
  await rig.ec2.send(new DeleteSubnetCommand({ SubnetId: subnet?.SubnetId }))
  await rig.ec2.send(
    new CreateSecurityGroupCommand({ GroupName: 'a', Description: 'a', VpcId: rig.vpcId }),
  )
  await remove()
  expect((await errorOf(remove())).code).toBe('InvalidVpcID.NotFound')
  await rig.createEni()
  const used = new DeleteSubnetCommand({ SubnetId: rig.subnetA })
  expect((await errorOf(rig.ec2.send(used))).code).toBe('DependencyViolation')
  await rig.ec2.send(new DeleteSubnetCommand({ SubnetId: rig.subnetB }))
  expect(rig.fabric.subnets.size).toBe(1)
})

test('five VPCs, and no more', async () => {
  for (let n = 1; n < 5; n++) await makeVpc(`10.${n}.0.0/16`)
  expect((await errorOf(makeVpc('10.9.0.0/16'))).code).toBe('VpcLimitExceeded')
})

test('instance types tell their limits', async () => {
  const { InstanceTypes } = await rig.ec2.send(
    new DescribeInstanceTypesCommand({ InstanceTypes: ['c5.large', 't2.micro', 'p4d.24xlarge'] }),
  )
  const limits = InstanceTypes?.map(({ InstanceType, Hypervisor, NetworkInfo }) => [
    InstanceType,
    Hypervisor,
    NetworkInfo?.MaximumNetworkInterfaces,
    NetworkInfo?.Ipv4AddressesPerInterface,
    NetworkInfo?.NetworkCards?.length,
  ])
  expect(limits).toEqual([
    ['t2.micro', 'xen', 2, 2, 1],
    ['p4d.24xlarge', 'nitro', 60, 50, 4],
    ['c5.large', 'nitro', 3, 10, 1],
  ])
  const unknown = new DescribeInstanceTypesCommand({ InstanceTypes: ['c5.huge' as 'c5.large'] })
  expect((await errorOf(rig.ec2.send(unknown))).code).toBe('InvalidInstanceType')
})
