// Goal: gateways and public addresses through the SDK as EC2 has them: states, associations, where
// they are shown, quotas and refusals; and what the fabric is told. Method: a lab over a fabric of
// memory.

import {
  AllocateAddressCommand,
  AssociateAddressCommand,
  type AssociateAddressCommandInput,
  AttachInternetGatewayCommand,
  CreateEgressOnlyInternetGatewayCommand,
  CreateInternetGatewayCommand,
  CreateNatGatewayCommand,
  CreateVpcCommand,
  DeleteEgressOnlyInternetGatewayCommand,
  DeleteInternetGatewayCommand,
  DeleteNatGatewayCommand,
  DeleteNetworkInterfaceCommand,
  DeleteVpcCommand,
  DescribeAddressesCommand,
  DescribeEgressOnlyInternetGatewaysCommand,
  DescribeInternetGatewaysCommand,
  DescribeNatGatewaysCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSubnetsCommand,
  DescribeTagsCommand,
  DetachInternetGatewayCommand,
  DisassociateAddressCommand,
  ModifySubnetAttributeCommand,
  ReleaseAddressCommand,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { errorOf, makeRig, type Rig } from './rig.ts'

let rig: Rig
let igw: string

beforeEach(async () => {
  rig = await makeRig()
  const { InternetGateways } = await rig.ec2.send(new DescribeInternetGatewaysCommand({}))
  igw = InternetGateways?.[0]?.InternetGatewayId ?? ''
})
afterEach(() => rig.end())

const allocate = async () => {
  const { AllocationId = '', PublicIp = '' } = await rig.ec2.send(new AllocateAddressCommand({}))
  return { AllocationId, PublicIp }
}
const associate = (input: AssociateAddressCommandInput) =>
  rig.ec2.send(new AssociateAddressCommand(input))
const makeNat = async (AllocationId: string, SubnetId = rig.subnetA) =>
  (await rig.ec2.send(new CreateNatGatewayCommand({ SubnetId, AllocationId }))).NatGateway ?? {}
const natOf = async (id = '') =>
  (await rig.ec2.send(new DescribeNatGatewaysCommand({ NatGatewayIds: [id] }))).NatGateways?.[0]

describe('an internet gateway', () => {
  test('is attached to one VPC, which has no other', async () => {
    const { InternetGateway } = await rig.ec2.send(
      new CreateInternetGatewayCommand({
        TagSpecifications: [
          { ResourceType: 'internet-gateway', Tags: [{ Key: 'Name', Value: 'way' }] },
        ],
      }),
    )
    expect(InternetGateway).toMatchObject({ Attachments: [], Tags: [{ Key: 'Name' }] })
    const InternetGatewayId = InternetGateway?.InternetGatewayId
    const attach = (id?: string, VpcId = rig.vpcId) =>
      rig.ec2.send(new AttachInternetGatewayCommand({ InternetGatewayId: id, VpcId }))
    expect(await errorOf(attach(InternetGatewayId))).toEqual({
      code: 'InvalidParameterValue',
      message: `Network ${rig.vpcId} already has an internet gateway attached`,
    })
    expect(await errorOf(attach(igw))).toEqual({
      code: 'Resource.AlreadyAssociated',
      message: `resource ${igw} is already attached to network ${rig.vpcId}`,
    })
    const { Vpc } = await rig.ec2.send(new CreateVpcCommand({ CidrBlock: '10.9.0.0/16' }))
    await attach(InternetGatewayId, Vpc?.VpcId)
    const { InternetGateways } = await rig.ec2.send(
      new DescribeInternetGatewaysCommand({
        Filters: [{ Name: 'attachment.vpc-id', Values: [Vpc?.VpcId ?? ''] }],
      }),
    )
    expect(InternetGateways).toMatchObject([
      { InternetGatewayId, Attachments: [{ State: 'available', VpcId: Vpc?.VpcId }] },
    ])
    const ids = { InternetGatewayId, VpcId: Vpc?.VpcId }
    const remove = () => rig.ec2.send(new DeleteInternetGatewayCommand({ InternetGatewayId }))
    const removeVpc = () => rig.ec2.send(new DeleteVpcCommand({ VpcId: Vpc?.VpcId }))
    expect((await errorOf(remove())).code).toBe('DependencyViolation')
    expect((await errorOf(removeVpc())).code).toBe('DependencyViolation')
    await rig.ec2.send(new DetachInternetGatewayCommand(ids))
    expect(await errorOf(rig.ec2.send(new DetachInternetGatewayCommand(ids)))).toMatchObject({
      code: 'Gateway.NotAttached',
    })
    await remove()
    expect((await errorOf(remove())).code).toBe('InvalidInternetGatewayID.NotFound')
    await removeVpc()
  })

  test('stays while an interface has a public address', async () => {
    const { AllocationId, PublicIp } = await allocate()
    const { NetworkInterfaceId } = await rig.createEni()
    await associate({ AllocationId, NetworkInterfaceId })
    const detach = () =>
      rig.ec2.send(new DetachInternetGatewayCommand({ InternetGatewayId: igw, VpcId: rig.vpcId }))
    expect(await errorOf(detach())).toMatchObject({
      code: 'DependencyViolation',
      message: expect.stringMatching(/mapped public address/),
    })
    await rig.ec2.send(new DisassociateAddressCommand({ PublicIp }))
    await detach()
    expect(await errorOf(associate({ AllocationId, NetworkInterfaceId }))).toEqual({
      code: 'Gateway.NotAttached',
      message: `Network ${rig.vpcId} is not attached to any internet gateway`,
    })
  })

  test('and an egress-only one have quotas of five in a region', async () => {
    for (let n = 1; n < 5; n++) await rig.ec2.send(new CreateInternetGatewayCommand({}))
    expect(await errorOf(rig.ec2.send(new CreateInternetGatewayCommand({})))).toMatchObject({
      code: 'InternetGatewayLimitExceeded',
    })
  })
})

test('an egress-only gateway is its VPC’s only one, made once for a client token', async () => {
  const create = (ClientToken: string) =>
    rig.ec2.send(new CreateEgressOnlyInternetGatewayCommand({ VpcId: rig.vpcId, ClientToken }))
  const { EgressOnlyInternetGateway: made } = await create('once')
  expect(made).toMatchObject({ Attachments: [{ State: 'attached', VpcId: rig.vpcId }] })
  expect((await create('once')).EgressOnlyInternetGateway).toEqual(made)
  expect((await errorOf(create('twice'))).code).toBe('InvalidParameterValue')
  const list = () => rig.ec2.send(new DescribeEgressOnlyInternetGatewaysCommand({}))
  expect((await list()).EgressOnlyInternetGateways).toEqual([made])
  const { EgressOnlyInternetGatewayId } = made ?? {}
  const { ReturnCode } = await rig.ec2.send(
    new DeleteEgressOnlyInternetGatewayCommand({ EgressOnlyInternetGatewayId }),
  )
  expect(ReturnCode).toBe(true)
  expect((await list()).EgressOnlyInternetGateways).toEqual([])
})

describe('an Elastic IP', () => {
  test('is of a documentation range, five in a region, and is given back', async () => {
    const all = [await allocate()]
    for (let n = 1; n < 5; n++) all.push(await allocate())
    expect(new Set(all.map(({ PublicIp }) => PublicIp)).size).toBe(5)
    for (const { PublicIp } of all) expect(PublicIp).toMatch(/^198\.51\.100\.\d+$/)
    expect(await errorOf(allocate())).toMatchObject({ code: 'AddressLimitExceeded' })
    const release = (AllocationId?: string) =>
      rig.ec2.send(new ReleaseAddressCommand({ AllocationId }))
    await release(all[0]?.AllocationId)
    expect((await errorOf(release(all[0]?.AllocationId))).code).toBe('InvalidAllocationID.NotFound')
    await allocate()
  })

  // P238
  test('is shown wherever its interface is, and gone from there when the interface is', async () => {
    const { AllocationId, PublicIp } = await allocate()
    const eni = await rig.createEni({ SecondaryPrivateIpAddressCount: 1 })
    const { NetworkInterfaceId } = eni
    const { AssociationId } = await associate({ AllocationId, NetworkInterfaceId })
    const again = await associate({ AllocationId, NetworkInterfaceId })
    expect(again.AssociationId).toBe(AssociationId)
    const { NetworkInterfaces } = await rig.ec2.send(
      new DescribeNetworkInterfacesCommand({
        Filters: [{ Name: 'association.public-ip', Values: [PublicIp] }],
      }),
    )
    const Association = {
      AllocationId,
      AssociationId,
      IpOwnerId: '123456789012',
      PublicDnsName: `ec2-${PublicIp.replaceAll('.', '-')}.us-west-2.compute.amazonaws.com`,
      PublicIp,
    }
    expect(NetworkInterfaces).toMatchObject([{ NetworkInterfaceId, Association }])
    const shown = NetworkInterfaces?.[0]?.PrivateIpAddresses
    expect(shown?.map((each) => each.Association)).toEqual([Association, undefined])
    const addresses = async () =>
      (await rig.ec2.send(new DescribeAddressesCommand({ PublicIps: [PublicIp] }))).Addresses
    expect(await addresses()).toMatchObject([
      { AllocationId, AssociationId, NetworkInterfaceId, PrivateIpAddress: eni.PrivateIpAddress },
    ])
    expect([...rig.fabric.addresses.values()]).toEqual([
      { publicIp: PublicIp, privateIp: eni.PrivateIpAddress },
    ])
    expect(await errorOf(rig.ec2.send(new ReleaseAddressCommand({ AllocationId })))).toMatchObject({
      code: 'InvalidIPAddress.InUse',
    })
    await rig.ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId }))
    expect((await addresses())?.[0]?.AssociationId).toBeUndefined()
    expect(rig.fabric.addresses.size).toBe(0)
  })

  test('stands for any private address of an interface, one for each', async () => {
    const [one, two] = [await allocate(), await allocate()]
    const eni = await rig.createEni({ SecondaryPrivateIpAddressCount: 1 })
    const { NetworkInterfaceId } = eni
    const second = eni.PrivateIpAddresses?.[1]?.PrivateIpAddress
    await associate({ ...id(one), NetworkInterfaceId, PrivateIpAddress: second })
    await associate({ ...id(two), NetworkInterfaceId })
    expect([...rig.fabric.addresses.values()]).toEqual([
      { publicIp: one.PublicIp, privateIp: second },
      { publicIp: two.PublicIp, privateIp: eni.PrivateIpAddress },
    ])
    expect(
      await errorOf(associate({ ...id(one), NetworkInterfaceId, PrivateIpAddress: '10.0.0.99' })),
    ).toMatchObject({ code: 'InvalidParameterValue' })
  })

  test('moves only when that is allowed, and so does another out of its way', async () => {
    const [one, two] = [await allocate(), await allocate()]
    const [a, b] = [await rig.createEni(), await rig.createEni()]
    const to = (eni: typeof a) => ({ NetworkInterfaceId: eni.NetworkInterfaceId })
    const { AssociationId } = await associate({ ...id(one), ...to(a) })
    const refused = {
      code: 'Resource.AlreadyAssociated',
      message: `resource ${one.AllocationId} is already associated with associate-id ${AssociationId}`,
    }
    expect(await errorOf(associate({ ...id(one), ...to(b) }))).toEqual(refused)
    expect(await errorOf(associate({ ...id(two), ...to(a) }))).toEqual(refused)
    await associate({ ...id(one), ...to(b), AllowReassociation: true })
    expect(rig.fabric.addresses.get(one.PublicIp)?.privateIp).toBe(b.PrivateIpAddress)
    await associate({ ...id(two), ...to(b), AllowReassociation: true })
    expect([...rig.fabric.addresses.keys()]).toEqual([two.PublicIp])
  })

  test('goes to an instance’s primary interface, and IMDS tells', async () => {
    const { AllocationId, PublicIp } = await allocate()
    await associate({ AllocationId, InstanceId: rig.instanceId })
    const ask = async (path: string) => {
      const token = await fetch(`${rig.endpoint}/latest/api/token`, {
        method: 'PUT',
        headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '60' },
      })
      const headers = { 'x-aws-ec2-metadata-token': await token.text() }
      return (await fetch(`${rig.endpoint}/latest/meta-data/${path}`, { headers })).text()
    }
    const mac = await ask('mac')
    const macs = `network/interfaces/macs/${mac}`
    expect([await ask('public-ipv4'), await ask(`${macs}/public-ipv4s`)]).toEqual([
      PublicIp,
      PublicIp,
    ])
    expect(await ask(`${macs}/ipv4-associations/${PublicIp}`)).toBe(await ask('local-ipv4'))
  })

  test.each([
    [
      'no allocation',
      { AllocationId: 'eipalloc-00000000000000000' },
      'InvalidAllocationID.NotFound',
    ],
    ['no address', { PublicIp: '198.51.100.250' }, 'InvalidAddress.NotFound'],
    ['neither', {}, 'MissingParameter'],
  ])('%s is refused', async (_what, input, code) => {
    const { NetworkInterfaceId } = await rig.createEni()
    expect(await errorOf(associate({ ...input, NetworkInterfaceId }))).toMatchObject({ code })
  })
})

describe('a NAT gateway', () => {
  test('has an interface of its own, nobody’s to touch, and an address of nobody else', async () => {
    const { AllocationId, PublicIp } = await allocate()
    const made = await makeNat(AllocationId)
    expect(made.State).toBe('pending')
    const nat = await natOf(made.NatGatewayId)
    const NetworkInterfaceId = nat?.NatGatewayAddresses?.[0]?.NetworkInterfaceId
    expect(nat).toMatchObject({
      State: 'available',
      ConnectivityType: 'public',
      NatGatewayAddresses: [{ AllocationId, PublicIp, IsPrimary: true, Status: 'succeeded' }],
    })
    const { NetworkInterfaces } = await rig.ec2.send(
      new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [NetworkInterfaceId ?? ''] }),
    )
    expect(NetworkInterfaces).toMatchObject([
      {
        InterfaceType: 'nat_gateway',
        RequesterManaged: true,
        SourceDestCheck: false,
        Groups: [],
        Association: { PublicIp },
      },
    ])
    expect([...rig.fabric.nats.values()]).toMatchObject([
      { eniId: NetworkInterfaceId, ipv4Gateway: '10.0.0.1', prefixLength: 24 },
    ])
    expect(await errorOf(rig.ec2.send(new DisassociateAddressCommand({ PublicIp })))).toMatchObject(
      { code: 'AuthFailure' },
    )
    expect(
      await errorOf(rig.ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId }))),
    ).toMatchObject({ code: 'OperationNotPermitted' })
    await rig.ec2.send(new DeleteNatGatewayCommand({ NatGatewayId: made.NatGatewayId }))
    expect((await natOf(made.NatGatewayId))?.State).toBe('deleted')
    expect([rig.fabric.nats.size, rig.fabric.addresses.size]).toEqual([0, 0])
    await rig.ec2.send(new ReleaseAddressCommand({ AllocationId }))
  })

  test('fails afterwards without a gateway, or with an address in use', async () => {
    const { AllocationId } = await allocate()
    const { NetworkInterfaceId } = await rig.createEni()
    await associate({ AllocationId, NetworkInterfaceId })
    const taken = await makeNat(AllocationId)
    expect([taken.State, taken.FailureCode]).toEqual(['pending', undefined])
    expect(await natOf(taken.NatGatewayId)).toMatchObject({
      State: 'failed',
      FailureCode: 'Resource.AlreadyAssociated',
    })
    await rig.ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId }))
    await rig.ec2.send(
      new DetachInternetGatewayCommand({ InternetGatewayId: igw, VpcId: rig.vpcId }),
    )
    const closed = await makeNat(AllocationId)
    expect(await natOf(closed.NatGatewayId)).toMatchObject({
      State: 'failed',
      FailureCode: 'Gateway.NotAttached',
    })
    expect(rig.fabric.nats.size).toBe(0)
  })

  test('of the private kind has no Elastic IP; five are in a zone', async () => {
    const create = () =>
      rig.ec2.send(
        new CreateNatGatewayCommand({ SubnetId: rig.subnetA, ConnectivityType: 'private' }),
      )
    for (let n = 0; n < 5; n++) await create()
    expect(rig.fabric.nats.size).toBe(5)
    expect(await errorOf(create())).toMatchObject({ code: 'NatGatewayLimitExceeded' })
    expect(
      await errorOf(rig.ec2.send(new CreateNatGatewayCommand({ SubnetId: rig.subnetB }))),
    ).toMatchObject({ code: 'MissingParameter' })
  })

  test('is found by filters, and unknown ones are refused', async () => {
    const { AllocationId } = await allocate()
    const { NatGatewayId } = await makeNat(AllocationId)
    const Filter = [{ Name: 'state', Values: ['available'] }]
    const { NatGateways } = await rig.ec2.send(new DescribeNatGatewaysCommand({ Filter }))
    expect(NatGateways?.map((each) => each.NatGatewayId)).toEqual([NatGatewayId])
    expect(await errorOf(natOf('nat-00000000000000000'))).toMatchObject({
      code: 'NatGatewayNotFound',
    })
  })
})

test('a subnet that maps public addresses gives one to a probe, for as long as it stands', async () => {
  const modify = (Value: boolean) =>
    rig.ec2.send(
      new ModifySubnetAttributeCommand({
        SubnetId: rig.subnetB,
        MapPublicIpOnLaunch: { Value },
      }),
    )
  await modify(true)
  const { Subnets } = await rig.ec2.send(new DescribeSubnetsCommand({ SubnetIds: [rig.subnetB] }))
  expect(Subnets?.[0]?.MapPublicIpOnLaunch).toBe(true)
  await rig.createEni({ SubnetId: rig.subnetB })
  expect(rig.fabric.addresses.size, 'an ENI that is only created').toBe(0)
  const probe = await rig.lab.probes.add({ subnetId: rig.subnetB })
  expect([...rig.fabric.addresses.keys()]).toEqual([probe.publicIp])
  const { NetworkInterfaces } = await rig.ec2.send(
    new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [probe.eniId] }),
  )
  expect(NetworkInterfaces?.[0]?.Association).toMatchObject({ IpOwnerId: 'amazon' })
  const { Addresses } = await rig.ec2.send(new DescribeAddressesCommand({}))
  expect(Addresses).toEqual([])
  await rig.lab.probes.remove(probe.probeId)
  expect(rig.fabric.addresses.size).toBe(0)
})

test('tags of gateways and addresses are told with their resource types', async () => {
  const tagged = (ResourceType: 'elastic-ip' | 'internet-gateway') => ({
    TagSpecifications: [{ ResourceType, Tags: [{ Key: 'k', Value: 'v' }] }],
  })
  await rig.ec2.send(new AllocateAddressCommand(tagged('elastic-ip')))
  await rig.ec2.send(new CreateInternetGatewayCommand(tagged('internet-gateway')))
  const { Tags = [] } = await rig.ec2.send(new DescribeTagsCommand({}))
  expect(Tags.map(({ ResourceType }) => ResourceType).toSorted()).toEqual([
    'elastic-ip',
    'internet-gateway',
  ])
})

const id = ({ AllocationId }: { AllocationId: string }) => ({ AllocationId })
