// Goal: route tables through the SDK as EC2 has them: main and associated ones, what a route may lead
// to, its states, and EC2's refusals; and what the fabric is told. Method: a lab over a fabric of
// memory.

import {
  AllocateAddressCommand,
  AssociateRouteTableCommand,
  AttachInternetGatewayCommand,
  CreateEgressOnlyInternetGatewayCommand,
  CreateInternetGatewayCommand,
  CreateNatGatewayCommand,
  CreateRouteCommand,
  type CreateRouteCommandInput,
  CreateRouteTableCommand,
  CreateVpcCommand,
  DeleteEgressOnlyInternetGatewayCommand,
  DeleteNatGatewayCommand,
  DeleteNetworkInterfaceCommand,
  DeleteRouteCommand,
  DeleteRouteTableCommand,
  DeleteVpcCommand,
  DescribeInternetGatewaysCommand,
  DescribeRouteTablesCommand,
  DisassociateRouteTableCommand,
  ReplaceRouteCommand,
  ReplaceRouteTableAssociationCommand,
  type RouteTable,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { QUOTA } from '../../lab/model/quota.ts'
import { errorOf, makeRig, type Rig } from './rig.ts'

let rig: Rig
let igw: string
let table: string

beforeEach(async () => {
  rig = await makeRig()
  const { InternetGateways } = await rig.ec2.send(new DescribeInternetGatewaysCommand({}))
  igw = InternetGateways?.[0]?.InternetGatewayId ?? ''
  table = await makeTable()
})
afterEach(() => rig.end())

const makeTable = async (VpcId = rig.vpcId) =>
  (await rig.ec2.send(new CreateRouteTableCommand({ VpcId }))).RouteTable?.RouteTableId ?? ''

const described = async (RouteTableId: string): Promise<RouteTable> =>
  (await rig.ec2.send(new DescribeRouteTablesCommand({ RouteTableIds: [RouteTableId] })))
    .RouteTables?.[0] ?? {}

const mainTable = async (): Promise<RouteTable> => {
  const Filters = [{ Name: 'association.main', Values: ['true'] }]
  const { RouteTables } = await rig.ec2.send(new DescribeRouteTablesCommand({ Filters }))
  return RouteTables?.[0] ?? {}
}

const route = (input: Partial<CreateRouteCommandInput>) =>
  rig.ec2.send(
    new CreateRouteCommand({ RouteTableId: table, DestinationCidrBlock: '0.0.0.0/0', ...input }),
  )

const associate = (SubnetId = rig.subnetA, RouteTableId = table) =>
  rig.ec2.send(new AssociateRouteTableCommand({ RouteTableId, SubnetId }))

/** The table that the fabric has for a subnet. */
const ofSubnet = (subnetId: string) => rig.fabric.subnets.get(subnetId)?.routeTableId

describe('a route table', () => {
  test('is made with the blocks of its VPC local, and no subnet has it', async () => {
    expect(await described(table)).toMatchObject({
      Associations: [],
      Routes: [
        { DestinationCidrBlock: '10.0.0.0/16', GatewayId: 'local', Origin: 'CreateRouteTable' },
        { DestinationIpv6CidrBlock: '2001:db8:1234:1a00::/56', GatewayId: 'local' },
      ],
      VpcId: rig.vpcId,
    })
    expect(rig.fabric.routeTables.get(table)).toEqual({
      routeTableId: table,
      blocks: ['10.0.0.0/16', '2001:db8:1234:1a00::/56'],
      routes: [],
    })
  })

  test('is made once for a client token', async () => {
    const input = { VpcId: rig.vpcId, ClientToken: 'once' }
    const [one, again] = [
      await rig.ec2.send(new CreateRouteTableCommand(input)),
      await rig.ec2.send(new CreateRouteTableCommand(input)),
    ]
    expect(again.RouteTable).toEqual(one.RouteTable)
  })

  test('is a subnet’s when associated, and the main one is again when no longer', async () => {
    const main = (await mainTable()).RouteTableId
    expect([ofSubnet(rig.subnetA), ofSubnet(rig.subnetB)]).toEqual([main, main])
    const { AssociationId = '', AssociationState } = await associate()
    expect(AssociationState).toEqual({ State: 'associated' })
    expect([ofSubnet(rig.subnetA), ofSubnet(rig.subnetB)]).toEqual([table, main])
    expect((await described(table)).Associations).toMatchObject([
      { Main: false, SubnetId: rig.subnetA, RouteTableAssociationId: AssociationId },
    ])
    const other = await makeTable()
    expect(await errorOf(associate(rig.subnetA, other))).toMatchObject({
      code: 'Resource.AlreadyAssociated',
    })
    const replaced = await rig.ec2.send(
      new ReplaceRouteTableAssociationCommand({ AssociationId, RouteTableId: other }),
    )
    expect(ofSubnet(rig.subnetA)).toBe(other)
    const { NewAssociationId } = replaced
    expect(NewAssociationId).not.toBe(AssociationId)
    await rig.ec2.send(new DisassociateRouteTableCommand({ AssociationId: NewAssociationId }))
    expect(ofSubnet(rig.subnetA)).toBe(main)
  })

  test('becomes the main one by replacing that association, which nothing else ends', async () => {
    const main = await mainTable()
    const AssociationId = main.Associations?.[0]?.RouteTableAssociationId
    expect(
      await errorOf(rig.ec2.send(new DisassociateRouteTableCommand({ AssociationId }))),
    ).toMatchObject({
      code: 'InvalidParameterValue',
      message: `cannot disassociate the main route table association ${AssociationId}`,
    })
    await rig.ec2.send(
      new ReplaceRouteTableAssociationCommand({ AssociationId, RouteTableId: table }),
    )
    expect([ofSubnet(rig.subnetA), ofSubnet(rig.subnetB)]).toEqual([table, table])
    expect((await mainTable()).RouteTableId).toBe(table)
    await rig.ec2.send(new DeleteRouteTableCommand({ RouteTableId: main.RouteTableId }))
  })

  test('that is a main one, or a subnet’s, is not deleted', async () => {
    await associate()
    for (const RouteTableId of [table, (await mainTable()).RouteTableId]) {
      expect(
        await errorOf(rig.ec2.send(new DeleteRouteTableCommand({ RouteTableId }))),
      ).toMatchObject({ code: 'DependencyViolation' })
    }
    expect(
      await errorOf(
        rig.ec2.send(new DeleteRouteTableCommand({ RouteTableId: 'rtb-00000000000000000' })),
      ),
    ).toMatchObject({ code: 'InvalidRouteTableID.NotFound' })
  })

  test('of another VPC is no subnet’s, and goes with its VPC', async () => {
    const { Vpc } = await rig.ec2.send(new CreateVpcCommand({ CidrBlock: '10.9.0.0/16' }))
    const foreign = await makeTable(Vpc?.VpcId)
    expect(await errorOf(associate(rig.subnetA, foreign))).toMatchObject({
      code: 'InvalidParameterValue',
    })
    const remove = () => rig.ec2.send(new DeleteVpcCommand({ VpcId: Vpc?.VpcId }))
    expect(await errorOf(remove())).toMatchObject({ code: 'DependencyViolation' })
    await rig.ec2.send(new DeleteRouteTableCommand({ RouteTableId: foreign }))
    await remove()
    const { RouteTables = [] } = await rig.ec2.send(new DescribeRouteTablesCommand({}))
    expect(RouteTables.map(({ VpcId }) => VpcId)).toEqual([rig.vpcId, rig.vpcId])
  })
})

describe('a route', () => {
  test('leads to what it names, for one block once', async () => {
    await route({ GatewayId: igw })
    expect(rig.fabric.routeTables.get(table)?.routes).toEqual([
      { cidr: '0.0.0.0/0', to: { kind: 'internet' } },
    ])
    expect((await described(table)).Routes?.at(-1)).toEqual({
      DestinationCidrBlock: '0.0.0.0/0',
      GatewayId: igw,
      Origin: 'CreateRoute',
      State: 'active',
    })
    expect(await errorOf(route({ GatewayId: igw }))).toEqual({
      code: 'RouteAlreadyExists',
      message: 'The route identified by 0.0.0.0/0 already exists.',
    })
    const eni = await rig.createEni()
    await rig.ec2.send(
      new ReplaceRouteCommand({
        RouteTableId: table,
        DestinationCidrBlock: '0.0.0.0/0',
        NetworkInterfaceId: eni.NetworkInterfaceId,
      }),
    )
    expect((await described(table)).Routes?.at(-1)).toMatchObject({ State: 'blackhole' })
    await rig.ec2.send(
      new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: eni.NetworkInterfaceId }),
    )
    expect((await described(table)).Routes?.at(-1)).toMatchObject({
      NetworkInterfaceId: eni.NetworkInterfaceId,
      State: 'blackhole',
    })
    const gone = { RouteTableId: table, DestinationCidrBlock: '0.0.0.0/0' }
    await rig.ec2.send(new DeleteRouteCommand(gone))
    expect(await errorOf(rig.ec2.send(new DeleteRouteCommand(gone)))).toEqual({
      code: 'InvalidRoute.NotFound',
      message: `no route with destination-cidr-block 0.0.0.0/0 in route table ${table}`,
    })
    expect(
      await errorOf(rig.ec2.send(new ReplaceRouteCommand({ ...gone, GatewayId: igw }))),
    ).toMatchObject({ code: 'InvalidParameterValue' })
  })

  test('is canonical', async () => {
    await route({ GatewayId: igw, DestinationCidrBlock: '192.0.2.77/24' })
    expect((await described(table)).Routes?.at(-1)?.DestinationCidrBlock).toBe('192.0.2.0/24')
  })

  test('to a NAT gateway or an egress-only one is a blackhole when that is gone', async () => {
    const { AllocationId } = await rig.ec2.send(new AllocateAddressCommand({}))
    const { NatGateway } = await rig.ec2.send(
      new CreateNatGatewayCommand({ SubnetId: rig.subnetA, AllocationId }),
    )
    const made = await rig.ec2.send(
      new CreateEgressOnlyInternetGatewayCommand({ VpcId: rig.vpcId }),
    )
    const { EgressOnlyInternetGatewayId } = made.EgressOnlyInternetGateway ?? {}
    await route({ NatGatewayId: NatGateway?.NatGatewayId })
    const v6 = { DestinationCidrBlock: undefined, DestinationIpv6CidrBlock: '::/0' }
    await route({ ...v6, EgressOnlyInternetGatewayId })
    const eniId = NatGateway?.NatGatewayAddresses?.[0]?.NetworkInterfaceId
    expect(rig.fabric.routeTables.get(table)?.routes).toEqual([
      { cidr: '0.0.0.0/0', to: { kind: 'port', eniId } },
      { cidr: '::/0', to: { kind: 'egress-only' } },
    ])
    await rig.ec2.send(new DeleteEgressOnlyInternetGatewayCommand({ EgressOnlyInternetGatewayId }))
    await rig.ec2.send(new DeleteNatGatewayCommand({ NatGatewayId: NatGateway?.NatGatewayId }))
    expect((await described(table)).Routes?.slice(2)).toMatchObject([
      { NatGatewayId: NatGateway?.NatGatewayId, State: 'blackhole' },
      { EgressOnlyInternetGatewayId, State: 'blackhole' },
    ])
    expect(rig.fabric.routeTables.get(table)?.routes.map(({ to }) => to.kind)).toEqual([
      'nowhere',
      'nowhere',
    ])
  })

  test('leads a whole subnet, or a block of the VPC, to an interface, and back', async () => {
    const { NetworkInterfaceId } = await rig.createEni()
    await route({ DestinationCidrBlock: '10.0.1.0/24', NetworkInterfaceId })
    for (const [DestinationCidrBlock, target] of [
      ['10.0.0.0/24', { GatewayId: igw }],
      ['10.0.1.0/25', { NetworkInterfaceId }],
    ] as const) {
      expect(await errorOf(route({ DestinationCidrBlock, ...target }))).toMatchObject({
        code: 'InvalidParameterValue',
        message: expect.stringMatching(/more specific than one of this VPC's CIDR blocks/),
      })
    }
    const block = { RouteTableId: table, DestinationCidrBlock: '10.0.0.0/16' }
    expect(await errorOf(route({ ...block, NetworkInterfaceId }))).toMatchObject({
      code: 'RouteAlreadyExists',
    })
    expect(await errorOf(rig.ec2.send(new DeleteRouteCommand(block)))).toMatchObject({
      code: 'InvalidParameterValue',
      message: `cannot remove local route 10.0.0.0/16 in route table ${table}`,
    })
    const kinds = () => rig.fabric.routeTables.get(table)?.routes.map(({ cidr }) => cidr)
    await rig.ec2.send(new ReplaceRouteCommand({ ...block, NetworkInterfaceId }))
    expect(kinds()).toEqual(['10.0.1.0/24', '10.0.0.0/16'])
    await rig.ec2.send(new ReplaceRouteCommand({ ...block, LocalTarget: true }))
    expect(kinds()).toEqual(['10.0.1.0/24'])
  })

  test.each<[string, Partial<CreateRouteCommandInput>, string]>([
    ['without a target', {}, 'MissingParameter'],
    ['with two', { GatewayId: 'igw-1', NatGatewayId: 'nat-1' }, 'InvalidParameterCombination'],
    [
      'to no CIDR',
      { DestinationCidrBlock: '10.0.0.0/33', GatewayId: 'x' },
      'InvalidParameterValue',
    ],
    [
      'to two blocks',
      { DestinationIpv6CidrBlock: '::/0', GatewayId: 'x' },
      'InvalidParameterCombination',
    ],
    ['to no gateway', { GatewayId: 'igw-00000000000000000' }, 'InvalidGatewayID.NotFound'],
    ['to a VPN', { GatewayId: 'vgw-00000000000000000' }, 'UnsupportedOperation'],
    ['to no NAT gateway', { NatGatewayId: 'nat-00000000000000000' }, 'NatGatewayNotFound'],
    [
      'to no interface',
      { NetworkInterfaceId: 'eni-00000000000000000' },
      'InvalidNetworkInterfaceID.NotFound',
    ],
    ['to a transit gateway', { TransitGatewayId: 'tgw-1' }, 'UnsupportedOperation'],
  ])('%s is refused', async (_what, input, code) => {
    expect(await errorOf(route(input))).toMatchObject({ code })
    expect((await described(table)).Routes).toHaveLength(2)
  })

  test('to a gateway of another network, or to the host’s own interface, is refused', async () => {
    const { InternetGateway } = await rig.ec2.send(new CreateInternetGatewayCommand({}))
    const GatewayId = InternetGateway?.InternetGatewayId
    expect(await errorOf(route({ GatewayId }))).toEqual({
      code: 'InvalidParameterValue',
      message: `route table ${table} and network gateway ${GatewayId} belong to different networks`,
    })
    const { Vpc } = await rig.ec2.send(new CreateVpcCommand({ CidrBlock: '10.9.0.0/16' }))
    await rig.ec2.send(
      new AttachInternetGatewayCommand({ InternetGatewayId: GatewayId, VpcId: Vpc?.VpcId }),
    )
    expect(await errorOf(route({ GatewayId }))).toMatchObject({ code: 'InvalidParameterValue' })
    expect(await errorOf(route({ InstanceId: rig.instanceId }))).toMatchObject({
      code: 'UnsupportedOperation',
    })
  })

  test('too many is EC2’s quota, for each IP version by itself', async () => {
    const { world } = rig.lab.region
    const routes = Array.from({ length: QUOTA.routesPerTable }, (_, n) => ({
      family: 'ipv4' as const,
      cidr: `172.${16 + (n >> 8)}.${n & 255}.0/24`,
      target: { kind: 'internet-gateway' as const, gatewayId: igw },
    }))
    const full = { routeTableId: table, vpcId: rig.vpcId, routes }
    const routeTables = new Map(world.routeTables).set(table, full)
    await rig.lab.region.change(() => ({ world: { ...world, routeTables }, output: undefined }))
    expect(await errorOf(route({ GatewayId: igw }))).toMatchObject({ code: 'RouteLimitExceeded' })
    await route({
      DestinationCidrBlock: undefined,
      DestinationIpv6CidrBlock: '::/0',
      GatewayId: igw,
    })
  })

  // P237
  test('that the fabric refuses has changed nothing', async () => {
    rig.fabric.failNext = 'putRouteTable'
    expect(await errorOf(route({ GatewayId: igw }))).toMatchObject({ code: 'InternalError' })
    expect((await described(table)).Routes).toHaveLength(2)
    expect(rig.fabric.routeTables.get(table)?.routes).toEqual([])
  })
})
