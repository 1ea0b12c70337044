// Goal: a public address has its name and follows what it stands for: inside the VPC the name means
// the private address and outside the public one, a launch gives one where the subnet says so, and an
// Elastic IP goes with a secondary address that moves. Method: the SDK's client against the lab over a
// fabric of memory, the resolver's zones, and IMDS's leaves.

import {
  AllocateAddressCommand,
  AssignPrivateIpAddressesCommand,
  AssociateAddressCommand,
  DescribeAddressesCommand,
  DescribeInstancesCommand,
  DescribeNetworkInterfacesCommand,
  DisassociateAddressCommand,
  ModifySubnetAttributeCommand,
  ModifyVpcAttributeCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
  waitUntilInstanceRunning,
  waitUntilInstanceTerminated,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { lookUpPublic, type Side } from '../../lab/dns/public-zone.ts'
import { lookUp } from '../../lab/dns/zone.ts'
import { metadata } from '../../lab/imds/metadata.ts'
import { publicDnsName } from '../../lab/model/dns-name.ts'
import type { World } from '../../lab/model/world.ts'
import { makeRig, type Rig } from './rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await makeRig()
})
afterEach(() => rig.end())

const world = (): World => rig.lab.region.world

function ask(side: Side, name: string, type = 'A'): string {
  const question = { name, type }
  const verdict =
    side === 'inside' ? lookUp(world(), question) : lookUpPublic(world(), question, side)
  return verdict.kind === 'answer'
    ? verdict.answers.map(({ data }) => data).join(' ')
    : verdict.kind
}
const both = (name: string, type = 'A') => [ask('inside', name, type), ask('outside', name, type)]

/** Associates a new Elastic IP with an address of an ENI. */
async function elastic(NetworkInterfaceId: string, PrivateIpAddress: string) {
  const { AllocationId, PublicIp = '' } = await rig.ec2.send(new AllocateAddressCommand({}))
  const { AssociationId } = await rig.ec2.send(
    new AssociateAddressCommand({ AllocationId, NetworkInterfaceId, PrivateIpAddress }),
  )
  return { PublicIp, AssociationId }
}

const nameOf = (ip: string) => `ec2-${ip.replaceAll('.', '-')}.us-west-2.compute.amazonaws.com`
const reverseOf = (ip: string) => `${ip.split('.').toReversed().join('.')}.in-addr.arpa`

// P325
test('a public name means the private address inside and the public one outside, both ways, and ends with its address', async () => {
  const eni = await rig.createEni()
  const { PublicIp, AssociationId } = await elastic(eni.NetworkInterfaceId, eni.PrivateIpAddress)
  const name = nameOf(PublicIp)
  const { NetworkInterfaces } = await rig.ec2.send(
    new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [eni.NetworkInterfaceId] }),
  )
  expect(NetworkInterfaces?.[0]?.Association?.PublicDnsName).toBe(name)
  expect(both(name)).toEqual([eni.PrivateIpAddress, PublicIp])
  expect(both(name.toUpperCase())).toEqual([eni.PrivateIpAddress, PublicIp])
  expect(both(name, 'AAAA')).toEqual(['', ''])
  expect(both(reverseOf(PublicIp), 'PTR')).toEqual([name, name])
  // What is not of the lab's own addresses is AWS's, and not as EC2 writes it, nobody's.
  for (const other of [nameOf('54.1.2.3'), `x.${name}`, name.replace('-100-', '-0100-')]) {
    expect([other, ...both(other)]).toEqual([other, 'forward', 'forward'])
  }
  const attribute = (EnableDnsHostnames: { Value: boolean }) =>
    rig.ec2.send(new ModifyVpcAttributeCommand({ VpcId: rig.vpcId, EnableDnsHostnames }))
  await attribute({ Value: false })
  expect(both(name)).toEqual(['no-such-name', 'no-such-name'])
  await attribute({ Value: true })
  await rig.ec2.send(new DisassociateAddressCommand({ AssociationId }))
  expect(both(name)).toEqual(['no-such-name', 'no-such-name'])
  expect(both(reverseOf(PublicIp), 'PTR')).toEqual(['no-such-name', 'no-such-name'])
})

test('the domain of public names is its region’s', () => {
  expect([
    publicDnsName('203.0.113.5', 'us-east-1'),
    publicDnsName('203.0.113.5', 'eu-west-1'),
  ]).toEqual([
    'ec2-203-0-113-5.compute-1.amazonaws.com',
    'ec2-203-0-113-5.eu-west-1.compute.amazonaws.com',
  ])
})

// P326
test('a host launched in a subnet that maps public addresses has one, with its name, until it ends', async () => {
  await rig.ec2.send(
    new ModifySubnetAttributeCommand({
      SubnetId: rig.subnetA,
      MapPublicIpOnLaunch: { Value: true },
    }),
  )
  const launch = async (SubnetId: string) => {
    const { Instances } = await rig.ec2.send(
      new RunInstancesCommand({
        ImageId: 'ami-00000000000000001',
        InstanceType: 't3.small',
        MinCount: 1,
        MaxCount: 1,
        SubnetId,
      }),
    )
    const id = Instances?.[0]?.InstanceId ?? ''
    await waitUntilInstanceRunning(wait, { InstanceIds: [id] })
    const { Reservations } = await rig.ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }))
    return { id, is: Reservations?.[0]?.Instances?.[0] }
  }
  const wait = { client: rig.ec2, maxWaitTime: 5, minDelay: 0.02, maxDelay: 0.02 }
  const leaves = (id: string) => {
    const instance = world().instances.get(id)
    return instance === undefined ? new Map<string, string>() : metadata(world(), instance)
  }
  const { id, is } = await launch(rig.subnetA)
  const publicIp = is?.PublicIpAddress ?? ''
  expect(publicIp).toMatch(/^198\.51\.100\.\d+$/)
  expect(is?.PublicDnsName).toBe(nameOf(publicIp))
  expect(is?.NetworkInterfaces?.[0]?.Association).toMatchObject({ IpOwnerId: 'amazon' })
  expect(leaves(id).get('meta-data/public-ipv4')).toBe(publicIp)
  expect(leaves(id).get('meta-data/public-hostname')).toBe(nameOf(publicIp))
  expect(rig.fabric.addresses.get(publicIp)?.privateIp).toBe(is?.PrivateIpAddress)
  expect(both(nameOf(publicIp))).toEqual([is?.PrivateIpAddress, publicIp])
  const none = await launch(rig.subnetB)
  expect([none.is?.PublicIpAddress, none.is?.PublicDnsName]).toEqual([undefined, ''])
  expect(leaves(none.id).has('meta-data/public-ipv4')).toBe(false)
  await rig.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }))
  await waitUntilInstanceTerminated(wait, { InstanceIds: [id] })
  expect(rig.fabric.addresses.has(publicIp)).toBe(false)
  expect(world().publicAddresses.has(publicIp)).toBe(false)
})

// P327
test('an Elastic IP goes with a secondary address that is reassigned to another interface', async () => {
  const secondary = '10.0.0.60'
  const from = await rig.createEni({
    PrivateIpAddresses: [
      { PrivateIpAddress: '10.0.0.50', Primary: true },
      { PrivateIpAddress: secondary, Primary: false },
    ],
  })
  const to = await rig.createEni()
  const stays = await elastic(from.NetworkInterfaceId, '10.0.0.50')
  const goes = await elastic(from.NetworkInterfaceId, secondary)
  await rig.ec2.send(
    new AssignPrivateIpAddressesCommand({
      NetworkInterfaceId: to.NetworkInterfaceId,
      PrivateIpAddresses: [secondary],
      AllowReassignment: true,
    }),
  )
  const { Addresses = [] } = await rig.ec2.send(new DescribeAddressesCommand({}))
  const told = Addresses.map(
    ({ PublicIp, NetworkInterfaceId, PrivateIpAddress, AssociationId }) => ({
      PublicIp,
      NetworkInterfaceId,
      PrivateIpAddress,
      AssociationId,
    }),
  )
  expect(told).toHaveLength(2)
  expect(told).toContainEqual({
    ...goes,
    NetworkInterfaceId: to.NetworkInterfaceId,
    PrivateIpAddress: secondary,
  })
  expect(told).toContainEqual({
    ...stays,
    NetworkInterfaceId: from.NetworkInterfaceId,
    PrivateIpAddress: '10.0.0.50',
  })
  expect(rig.fabric.addresses.get(goes.PublicIp)?.privateIp).toBe(secondary)
})
