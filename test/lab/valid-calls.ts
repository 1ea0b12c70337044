// One valid call for every action that the lab has, over a world that holds something of everything.
// What must be true of all actions is tested over this table (actions.test.ts, malformed.test.ts): an
// action without a row here fails there.

import { Readable } from 'node:stream'
import * as sdk from '@aws-sdk/client-ec2'
import { pino } from 'pino'
import { answerQuery, type Ec2 } from '../../lab/ec2/call.ts'
import { CallLog } from '../../lab/ec2/call-log.ts'
import { Switchboard } from '../../lab/faults/switchboard.ts'
import { Timers } from '../../lab/faults/timers.ts'
import { IMAGE_ID, type World } from '../../lab/model/world.ts'
import { Region } from '../../lab/region.ts'
import { FakeFabric } from './fake-fabric.ts'
import type { Rig } from './rig.ts'
import { fillRoutes, type RouteThings } from './route-things.ts'

export type Input = Readonly<Record<string, unknown>>

/** The ids of what the world holds. */
export type Things = RouteThings & {
  readonly vpcId: string
  readonly emptyVpcId: string
  readonly instanceId: string
  readonly otherInstanceId: string
  readonly dhcpOptionsId: string
  readonly unusedDhcpOptionsId: string
  readonly subnetId: string
  readonly emptySubnetId: string
  readonly dualSubnetId: string
  readonly subnetAssociationId: string
  readonly reservationId: string
  readonly ipv6: string
  readonly secondaryIpv4: string
  readonly groupId: string
  readonly unusedGroupId: string
  readonly ingressRuleId: string
  readonly egressRuleId: string
  readonly eniId: string
  readonly attachedEniId: string
  readonly attachmentId: string
  readonly aclId: string
  readonly unusedAclId: string
  readonly aclAssociationId: string
  readonly prefixListId: string
  readonly unusedPrefixListId: string
}

const WEB = { IpProtocol: 'tcp', FromPort: 80, ToPort: 81 }
const FROM_TEN = { ...WEB, IpRanges: [{ CidrIp: '10.0.0.0/16', Description: 'ten' }] }
const NEW = { IpProtocol: 'udp', FromPort: 53, ToPort: 53, IpRanges: [{ CidrIp: '10.1.0.0/16' }] }
const ENTRY = { RuleNumber: 100, Egress: false, Protocol: '6', RuleAction: 'allow' as const }

/** The valid inputs by action, as the SDK writes them. */
export const VALID: Readonly<Record<string, (things: Things) => Input>> = {
  AllocateAddress: () => ({ Domain: 'vpc' }),
  AssignIpv6Addresses: ({ eniId }) => ({ NetworkInterfaceId: eniId, Ipv6AddressCount: 1 }),
  AssignPrivateIpAddresses: ({ eniId }) => ({
    NetworkInterfaceId: eniId,
    SecondaryPrivateIpAddressCount: 1,
  }),
  AssociateAddress: ({ unusedAllocationId, eniId }) => ({
    AllocationId: unusedAllocationId,
    NetworkInterfaceId: eniId,
  }),
  AssociateDhcpOptions: ({ emptyVpcId, unusedDhcpOptionsId }) => ({
    VpcId: emptyVpcId,
    DhcpOptionsId: unusedDhcpOptionsId,
  }),
  AssociateRouteTable: ({ unusedTableId, emptySubnetId }) => ({
    RouteTableId: unusedTableId,
    SubnetId: emptySubnetId,
  }),
  AssociateSubnetCidrBlock: ({ emptySubnetId }) => ({
    SubnetId: emptySubnetId,
    Ipv6CidrBlock: '2001:db8:1234:1a20::/64',
  }),
  AttachInternetGateway: ({ unusedGatewayId, emptyVpcId }) => ({
    InternetGatewayId: unusedGatewayId,
    VpcId: emptyVpcId,
  }),
  AttachNetworkInterface: ({ eniId, instanceId }) => ({
    NetworkInterfaceId: eniId,
    InstanceId: instanceId,
    DeviceIndex: 7,
  }),
  AuthorizeSecurityGroupEgress: ({ groupId }) => ({ GroupId: groupId, IpPermissions: [NEW] }),
  AuthorizeSecurityGroupIngress: ({ groupId }) => ({ GroupId: groupId, IpPermissions: [NEW] }),
  CreateDhcpOptions: () => ({
    DhcpConfigurations: [{ Key: 'domain-name', Values: ['new.example'] }],
  }),
  CreateEgressOnlyInternetGateway: ({ emptyVpcId }) => ({ VpcId: emptyVpcId }),
  CreateInternetGateway: () => ({}),
  CreateManagedPrefixList: () => ({
    PrefixListName: 'new',
    MaxEntries: 2,
    AddressFamily: 'IPv4',
    Entries: [{ Cidr: '10.9.0.0/16' }],
  }),
  CreateNatGateway: ({ subnetId, unusedAllocationId }) => ({
    SubnetId: subnetId,
    AllocationId: unusedAllocationId,
  }),
  CreateNetworkAcl: ({ vpcId }) => ({ VpcId: vpcId }),
  CreateNetworkAclEntry: ({ aclId }) => ({
    ...ENTRY,
    NetworkAclId: aclId,
    RuleNumber: 200,
    CidrBlock: '10.0.0.0/16',
    PortRange: { From: 1, To: 2 },
  }),
  CreateNetworkInterface: ({ subnetId, groupId }) => ({ SubnetId: subnetId, Groups: [groupId] }),
  CreateRoute: ({ unusedTableId, gatewayId }) => ({
    RouteTableId: unusedTableId,
    DestinationCidrBlock: '0.0.0.0/0',
    GatewayId: gatewayId,
  }),
  CreateRouteTable: ({ vpcId }) => ({ VpcId: vpcId }),
  CreateSecurityGroup: ({ vpcId }) => ({ GroupName: 'new', Description: 'new', VpcId: vpcId }),
  CreateSubnet: ({ vpcId }) => ({ VpcId: vpcId, CidrBlock: '10.0.201.0/24' }),
  CreateSubnetCidrReservation: ({ dualSubnetId }) => ({
    SubnetId: dualSubnetId,
    Cidr: '10.0.210.32/28',
    ReservationType: 'prefix',
  }),
  CreateTags: ({ eniId }) => ({ Resources: [eniId], Tags: [{ Key: 'new', Value: 'one' }] }),
  CreateVpc: () => ({ CidrBlock: '10.77.0.0/16' }),
  DeleteDhcpOptions: ({ unusedDhcpOptionsId }) => ({ DhcpOptionsId: unusedDhcpOptionsId }),
  DeleteEgressOnlyInternetGateway: ({ egressOnlyId }) => ({
    EgressOnlyInternetGatewayId: egressOnlyId,
  }),
  DeleteInternetGateway: ({ unusedGatewayId }) => ({ InternetGatewayId: unusedGatewayId }),
  DeleteManagedPrefixList: ({ unusedPrefixListId }) => ({ PrefixListId: unusedPrefixListId }),
  DeleteNatGateway: ({ natGatewayId }) => ({ NatGatewayId: natGatewayId }),
  DeleteNetworkAcl: ({ unusedAclId }) => ({ NetworkAclId: unusedAclId }),
  DeleteNetworkAclEntry: ({ aclId }) => ({ NetworkAclId: aclId, RuleNumber: 100, Egress: false }),
  DeleteNetworkInterface: ({ eniId }) => ({ NetworkInterfaceId: eniId }),
  DeleteRoute: ({ tableId }) => ({ RouteTableId: tableId, DestinationCidrBlock: '0.0.0.0/0' }),
  DeleteRouteTable: ({ unusedTableId }) => ({ RouteTableId: unusedTableId }),
  DeleteSecurityGroup: ({ unusedGroupId }) => ({ GroupId: unusedGroupId }),
  DeleteSubnet: ({ emptySubnetId }) => ({ SubnetId: emptySubnetId }),
  DeleteSubnetCidrReservation: ({ reservationId }) => ({ SubnetCidrReservationId: reservationId }),
  DeleteTags: ({ eniId }) => ({ Resources: [eniId], Tags: [{ Key: 'kind' }] }),
  DeleteVpc: ({ emptyVpcId }) => ({ VpcId: emptyVpcId }),
  DescribeAccountAttributes: () => ({ AttributeNames: ['default-vpc'] }),
  DescribeAddresses: () => ({}),
  DescribeAvailabilityZones: () => ({}),
  DescribeDhcpOptions: () => ({}),
  DescribeEgressOnlyInternetGateways: () => ({}),
  DescribeInstanceStatus: () => ({}),
  DescribeInstanceTypeOfferings: () => ({}),
  DescribeInstanceTypes: () => ({}),
  DescribeInstances: () => ({}),
  DescribeInternetGateways: () => ({}),
  DescribeManagedPrefixLists: () => ({}),
  DescribeNatGateways: () => ({}),
  DescribeNetworkAcls: () => ({}),
  DescribeNetworkInterfaceAttribute: ({ eniId }) => ({
    NetworkInterfaceId: eniId,
    Attribute: 'groupSet',
  }),
  DescribeNetworkInterfaces: () => ({}),
  DescribeRegions: () => ({}),
  DescribeRouteTables: () => ({}),
  DescribeSecurityGroupReferences: ({ groupId }) => ({ GroupId: [groupId] }),
  DescribeSecurityGroupRules: () => ({}),
  DescribeSecurityGroups: () => ({}),
  DescribeStaleSecurityGroups: ({ vpcId }) => ({ VpcId: vpcId }),
  DescribeSubnets: () => ({}),
  DescribeTags: () => ({}),
  DescribeVpcAttribute: ({ vpcId }) => ({ VpcId: vpcId, Attribute: 'enableDnsSupport' }),
  DescribeVpcs: () => ({}),
  DetachInternetGateway: ({ otherGatewayId, otherVpcId }) => ({
    InternetGatewayId: otherGatewayId,
    VpcId: otherVpcId,
  }),
  DetachNetworkInterface: ({ attachmentId }) => ({ AttachmentId: attachmentId }),
  DisassociateAddress: ({ addressAssociationId }) => ({ AssociationId: addressAssociationId }),
  DisassociateRouteTable: ({ tableAssociationId }) => ({ AssociationId: tableAssociationId }),
  DisassociateSubnetCidrBlock: ({ subnetAssociationId }) => ({
    AssociationId: subnetAssociationId,
  }),
  GetManagedPrefixListAssociations: ({ prefixListId }) => ({ PrefixListId: prefixListId }),
  GetManagedPrefixListEntries: ({ prefixListId }) => ({ PrefixListId: prefixListId }),
  GetSecurityGroupsForVpc: ({ vpcId }) => ({ VpcId: vpcId }),
  GetSubnetCidrReservations: ({ dualSubnetId }) => ({ SubnetId: dualSubnetId }),
  ModifyInstanceMetadataOptions: ({ instanceId }) => ({
    InstanceId: instanceId,
    HttpPutResponseHopLimit: 3,
  }),
  ModifyManagedPrefixList: ({ prefixListId }) => ({
    PrefixListId: prefixListId,
    CurrentVersion: 2,
    AddEntries: [{ Cidr: '10.99.0.0/16' }],
  }),
  ModifyNetworkInterfaceAttribute: ({ eniId }) => ({
    NetworkInterfaceId: eniId,
    Description: { Value: 'other' },
  }),
  ModifyPrivateDnsNameOptions: ({ instanceId }) => ({
    InstanceId: instanceId,
    EnableResourceNameDnsARecord: true,
  }),
  ModifySecurityGroupRules: ({ groupId, ingressRuleId }) => ({
    GroupId: groupId,
    SecurityGroupRules: [
      {
        SecurityGroupRuleId: ingressRuleId,
        SecurityGroupRule: { ...WEB, CidrIpv4: '10.2.0.0/16' },
      },
    ],
  }),
  ModifySubnetAttribute: ({ subnetId }) => ({
    SubnetId: subnetId,
    AssignIpv6AddressOnCreation: { Value: true },
  }),
  ModifyVpcAttribute: ({ vpcId }) => ({ VpcId: vpcId, EnableDnsSupport: { Value: false } }),
  ReleaseAddress: ({ unusedAllocationId }) => ({ AllocationId: unusedAllocationId }),
  ReplaceNetworkAclAssociation: ({ aclAssociationId, unusedAclId }) => ({
    AssociationId: aclAssociationId,
    NetworkAclId: unusedAclId,
  }),
  ReplaceNetworkAclEntry: ({ aclId }) => ({
    ...ENTRY,
    NetworkAclId: aclId,
    CidrBlock: '10.0.3.0/24',
    PortRange: { From: 5, To: 6 },
  }),
  ReplaceRoute: ({ tableId, gatewayId }) => ({
    RouteTableId: tableId,
    DestinationCidrBlock: '0.0.0.0/0',
    GatewayId: gatewayId,
  }),
  ReplaceRouteTableAssociation: ({ tableAssociationId, unusedTableId }) => ({
    AssociationId: tableAssociationId,
    RouteTableId: unusedTableId,
  }),
  ResetNetworkInterfaceAttribute: ({ attachedEniId }) => ({
    NetworkInterfaceId: attachedEniId,
    SourceDestCheck: 'true',
  }),
  RestoreManagedPrefixListVersion: ({ prefixListId }) => ({
    PrefixListId: prefixListId,
    PreviousVersion: 1,
    CurrentVersion: 2,
  }),
  RevokeSecurityGroupEgress: ({ groupId, egressRuleId }) => ({
    GroupId: groupId,
    SecurityGroupRuleIds: [egressRuleId],
  }),
  RevokeSecurityGroupIngress: ({ groupId }) => ({ GroupId: groupId, IpPermissions: [FROM_TEN] }),
  RunInstances: ({ groupId }) => ({
    ImageId: IMAGE_ID,
    InstanceType: 'c5.large',
    MinCount: 1,
    MaxCount: 1,
    SecurityGroupIds: [groupId],
  }),
  TerminateInstances: ({ otherInstanceId }) => ({ InstanceIds: [otherInstanceId] }),
  UnassignIpv6Addresses: ({ attachedEniId, ipv6 }) => ({
    NetworkInterfaceId: attachedEniId,
    Ipv6Addresses: [ipv6],
  }),
  UnassignPrivateIpAddresses: ({ eniId, secondaryIpv4 }) => ({
    NetworkInterfaceId: eniId,
    PrivateIpAddresses: [secondaryIpv4],
  }),
  UpdateSecurityGroupRuleDescriptionsEgress: ({ groupId, egressRuleId }) => ({
    GroupId: groupId,
    SecurityGroupRuleDescriptions: [{ SecurityGroupRuleId: egressRuleId, Description: 'all' }],
  }),
  UpdateSecurityGroupRuleDescriptionsIngress: ({ groupId, ingressRuleId }) => ({
    GroupId: groupId,
    SecurityGroupRuleDescriptions: [{ SecurityGroupRuleId: ingressRuleId, Description: 'web' }],
  }),
}

/** Sends any action by its name: the SDK's own command, so the bytes are the SDK's. */
export async function send(client: sdk.EC2Client, action: string, input: Input): Promise<Input> {
  const Command: unknown = Reflect.get(sdk, `${action}Command`)
  if (typeof Command !== 'function') throw new Error(`the SDK has no ${action}Command`)
  const { $metadata: _how, ...output } = (await client.send(
    Reflect.construct(Command, [input]) as sdk.DescribeVpcsCommand,
  )) as unknown as Input
  return output
}

/** Makes something of everything, with tags, and enough ENIs, groups and rules for several pages. */
export async function fill(rig: Rig): Promise<Things> {
  const make = async (action: string, input: Input): Promise<never> =>
    (await send(rig.ec2, action, input)) as never
  const tags = (type: string, kind: string): Input => ({
    TagSpecifications: [{ ResourceType: type, Tags: [{ Key: 'kind', Value: kind }] }],
  })
  const { vpcId, subnetA: subnetId, subnetB, instanceId } = rig
  const group = async (n: number): Promise<string> => {
    const input = { GroupName: `web ${n}`, Description: `group ${n}`, VpcId: vpcId }
    const made: { GroupId: string } = await make('CreateSecurityGroup', {
      ...input,
      ...tags('security-group', `g${n}`),
    })
    return made.GroupId
  }
  const groupIds: string[] = []
  for (let n = 0; n < 7; n++) groupIds.push(await group(n))
  const [groupId = '', unusedGroupId = '', peerId = ''] = groupIds
  const list = async (name: string): Promise<string> => {
    const made: { PrefixList: { PrefixListId: string } } = await make('CreateManagedPrefixList', {
      PrefixListName: name,
      MaxEntries: 5,
      AddressFamily: 'IPv4',
      Entries: [{ Cidr: '10.5.0.0/16', Description: 'five' }, { Cidr: '10.6.0.0/16' }],
      ...tags('prefix-list', name),
    })
    return made.PrefixList.PrefixListId
  }
  const prefixListId = await list('first')
  const unusedPrefixListId = await list('second')
  await make('ModifyManagedPrefixList', {
    PrefixListId: prefixListId,
    CurrentVersion: 1,
    AddEntries: [{ Cidr: '10.7.0.0/16' }],
  })
  const rules: { SecurityGroupRules: { SecurityGroupRuleId: string }[] } = await make(
    'AuthorizeSecurityGroupIngress',
    {
      GroupId: groupId,
      IpPermissions: [
        FROM_TEN,
        { ...WEB, FromPort: 90, Ipv6Ranges: [{ CidrIpv6: '2001:db8::/32' }], ToPort: 91 },
        { ...WEB, UserIdGroupPairs: [{ GroupId: peerId }] },
        { ...WEB, PrefixListIds: [{ PrefixListId: prefixListId }] },
      ],
      ...tags('security-group-rule', 'in'),
    },
  )
  for (const each of groupIds.slice(3)) {
    await make('AuthorizeSecurityGroupEgress', {
      GroupId: each,
      IpPermissions: [
        { ...WEB, UserIdGroupPairs: [{ GroupId: peerId }] },
        { ...WEB, PrefixListIds: [{ PrefixListId: prefixListId }] },
      ],
    })
  }
  const world = (): World => rig.lab.region.world
  const egress = world()
    .groups.get(groupId)
    ?.rules.find((rule) => rule.direction === 'egress')
  const enis: string[] = []
  for (let n = 0; n < 11; n++) {
    const eni = await rig.createEni({
      SubnetId: n < 6 ? subnetId : subnetB,
      Groups: n % 2 === 0 ? [groupId] : [peerId, groupId],
      Description: `eni ${n}`,
      Ipv6AddressCount: n % 3,
      ...tags('network-interface', `e${n}`),
    })
    enis.push(eni.NetworkInterfaceId)
  }
  const [eniId = '', attachedEniId = ''] = enis
  const attached: { AttachmentId: string } = await make('AttachNetworkInterface', {
    NetworkInterfaceId: attachedEniId,
    InstanceId: instanceId,
    DeviceIndex: 1,
  })
  await make('ModifyNetworkInterfaceAttribute', {
    NetworkInterfaceId: attachedEniId,
    SourceDestCheck: { Value: false },
  })
  const acl = async (): Promise<string> => {
    const made: { NetworkAcl: { NetworkAclId: string } } = await make('CreateNetworkAcl', {
      VpcId: vpcId,
      ...tags('network-acl', 'acl'),
    })
    return made.NetworkAcl.NetworkAclId
  }
  const [aclId, unusedAclId] = [await acl(), await acl()]
  const entry = { ...ENTRY, NetworkAclId: aclId, CidrBlock: '10.0.0.0/16' }
  await make('CreateNetworkAclEntry', { ...entry, PortRange: { From: 80, To: 81 } })
  await make('CreateNetworkAclEntry', {
    ...entry,
    RuleNumber: 110,
    Protocol: '1',
    IcmpTypeCode: { Type: 8, Code: -1 },
  })
  for (const AssociationId of [world().subnets.get(subnetId)?.aclAssociationId]) {
    await make('ReplaceNetworkAclAssociation', { AssociationId, NetworkAclId: aclId })
  }
  const emptySubnet: { Subnet: { SubnetId: string } } = await make('CreateSubnet', {
    VpcId: vpcId,
    CidrBlock: '10.0.200.0/24',
    ...tags('subnet', 's'),
  })
  const dual: { Subnet: { SubnetId: string } } = await make('CreateSubnet', {
    VpcId: vpcId,
    CidrBlock: '10.0.210.0/24',
    Ipv6CidrBlock: '2001:db8:1234:1a21::/64',
  })
  const dualSubnetId = dual.Subnet.SubnetId
  const reserved: { SubnetCidrReservation: { SubnetCidrReservationId: string } } = await make(
    'CreateSubnetCidrReservation',
    {
      SubnetId: dualSubnetId,
      Cidr: '10.0.210.16/28',
      ReservationType: 'explicit',
      ...tags('subnet-cidr-reservation', 'r'),
    },
  )
  const more: { AssignedPrivateIpAddresses: { PrivateIpAddress: string }[] } = await make(
    'AssignPrivateIpAddresses',
    { NetworkInterfaceId: eniId, SecondaryPrivateIpAddressCount: 1 },
  )
  const emptyVpc: { Vpc: { VpcId: string } } = await make('CreateVpc', {
    CidrBlock: '10.66.0.0/16',
    ...tags('vpc', 'v'),
  })
  const [dhcpOptionsId = ''] = world().dhcpOptions.keys()
  const unused: { DhcpOptions: { DhcpOptionsId: string } } = await make('CreateDhcpOptions', {
    DhcpConfigurations: [{ Key: 'domain-name-servers', Values: ['10.0.0.9', '10.0.0.10'] }],
    ...tags('dhcp-options', 'd'),
  })
  const other: { Instances: { InstanceId: string }[] } = await make('RunInstances', {
    ImageId: IMAGE_ID,
    InstanceType: 'c5.large',
    MinCount: 1,
    MaxCount: 1,
    ...tags('instance', 'i'),
  })
  await make('CreateTags', {
    Resources: [vpcId, instanceId, dhcpOptionsId, world().vpcs.get(vpcId)?.mainRouteTableId],
    Tags: [{ Key: 'kind', Value: 'first' }],
  })
  return {
    vpcId,
    emptyVpcId: emptyVpc.Vpc.VpcId,
    instanceId,
    otherInstanceId: other.Instances[0]?.InstanceId ?? '',
    dhcpOptionsId,
    unusedDhcpOptionsId: unused.DhcpOptions.DhcpOptionsId,
    subnetId,
    emptySubnetId: emptySubnet.Subnet.SubnetId,
    dualSubnetId,
    subnetAssociationId: world().subnets.get(dualSubnetId)?.ipv6AssociationId ?? '',
    reservationId: reserved.SubnetCidrReservation.SubnetCidrReservationId,
    ipv6: world().enis.get(attachedEniId)?.ipv6[0] ?? '',
    secondaryIpv4: more.AssignedPrivateIpAddresses[0]?.PrivateIpAddress ?? '',
    groupId,
    unusedGroupId,
    ingressRuleId: rules.SecurityGroupRules[0]?.SecurityGroupRuleId ?? '',
    egressRuleId: egress?.ruleId ?? '',
    eniId,
    attachedEniId,
    attachmentId: attached.AttachmentId,
    aclId,
    unusedAclId,
    aclAssociationId: world().subnets.get(subnetId)?.aclAssociationId ?? '',
    prefixListId,
    unusedPrefixListId,
    ...(await fillRoutes(make, { world, vpcId, subnetId, subnetB, instanceId, attachedEniId })),
  }
}

/** A lab's EC2 that goes on alone from where another is now, and the SDK that speaks to it in memory. */
export type Branch = {
  readonly ec2: Ec2
  readonly fabric: FakeFabric
  readonly client: sdk.EC2Client
  /** The bodies of all calls, in order. */
  readonly sent: readonly string[]
}

/** Goes on from the world of a rig, without touching the rig. */
export function branchOf(rig: Rig): Branch {
  const fabric = new FakeFabric()
  // Whatever the fabric was told, as it is by now: its maps, and what else it keeps. What acts on
  // them (`ways`, `verdicts`, `tell`) is the branch's own: the rig's would act on the rig's.
  for (const [name, value] of Object.entries(rig.fabric)) {
    if (value instanceof Map) Reflect.set(fabric, name, new Map(value))
    else if (Object(value) !== value || Array.isArray(value)) Reflect.set(fabric, name, value)
  }
  fabric.said = []
  const log = pino({ level: 'silent' })
  const timers = new Timers()
  const region = new Region(rig.lab.region.world, fabric, () => undefined, timers)
  const ec2: Ec2 = {
    region,
    calls: new CallLog(),
    log,
    faults: new Switchboard(region, timers, log),
  }
  const sent: string[] = []
  const requestHandler = {
    async handle({ body }: { body?: unknown }) {
      sent.push(String(body))
      const reply = await answerQuery(ec2, String(body))
      const headers = { 'content-type': 'text/xml' }
      const from = Readable.from([Buffer.from(reply.body)])
      return { response: { statusCode: reply.status, headers, body: from } }
    },
  }
  const client = new sdk.EC2Client({
    endpoint: 'http://127.0.0.1',
    region: 'us-west-2',
    maxAttempts: 1,
    credentials: { accessKeyId: 'enid-lab', secretAccessKey: 'enid-lab' },
    requestHandler: requestHandler as never,
  })
  return { ec2, fabric, client, sent }
}
