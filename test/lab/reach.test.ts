// Goal: `enid lab show` says who may reach whom, exactly. Method: sets of traffic against counting
// by hand, a world made through the EC2 API, and what its rules say in the docs' own words.
// (test/net/lab-flows.test.ts has packets beside it.)

import {
  AuthorizeSecurityGroupEgressCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateNetworkAclCommand,
  CreateNetworkAclEntryCommand,
  DescribeNetworkAclsCommand,
  type IpPermission,
  ReplaceNetworkAclAssociationCommand,
  RevokeSecurityGroupEgressCommand,
} from '@aws-sdk/client-ec2'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { picture } from '../../lab/flows/picture.ts'
import {
  difference,
  intersection,
  NOTHING,
  type Traffic,
  trafficOf,
  union,
  words,
} from '../../lab/flows/traffic.ts'
import { makeRig, type Rig } from './rig.ts'

describe('sets of traffic', () => {
  const ranges = fc
    .array(fc.tuple(fc.nat(40), fc.nat(40)), { maxLength: 6 })
    .map((all) =>
      all
        .map(([a, b]) => trafficOf({ protocol: 6, from: Math.min(a, b), to: Math.max(a, b) }))
        .reduce(union, NOTHING),
    )
  const ports = ({ tcp }: Traffic): Set<number> =>
    new Set(tcp.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i)))

  test('are added, cut and subtracted as sets of single ports are', () => {
    fc.assert(
      fc.property(ranges, ranges, (a, b) => {
        const [x, y] = [ports(a), ports(b)]
        expect(ports(union(a, b))).toEqual(new Set([...x, ...y].sort((p, q) => p - q)))
        expect(ports(intersection(a, b))).toEqual(new Set([...x].filter((port) => y.has(port))))
        expect(ports(difference(a, b))).toEqual(new Set([...x].filter((port) => !y.has(port))))
      }),
    )
  })

  test.each([
    [[{ protocol: 'all' as const }], 'all'],
    [[{ protocol: 6, from: 0, to: 65_535 }], 'tcp'],
    [
      [
        { protocol: 6, from: 443, to: 445 },
        { protocol: 6, from: 80, to: 80 },
        { protocol: 6, from: 446, to: 446 },
      ],
      'tcp 80,443-446',
    ],
    [
      [
        { protocol: 17, from: 53, to: 53 },
        { protocol: 1, from: 8, to: 0 },
        { protocol: 1, from: 3, to: -1 },
      ],
      'udp 53 icmp 3,8/0',
    ],
    [
      [{ protocol: 58, from: -1, to: -1 }, { protocol: 47 }, { protocol: 50 }],
      'icmpv6 protocol 47,50',
    ],
    [[], ''],
  ])('%j is said so', (rules, said) => {
    expect(words(rules.map(trafficOf).reduce(union, NOTHING))).toBe(said)
  })
})

describe('who may reach whom', () => {
  let rig: Rig
  beforeEach(async () => {
    rig = await makeRig()
  })
  afterEach(() => rig.end())

  const group = async (name: string, ingress: IpPermission[], egress: IpPermission[]) => {
    const GroupId = await rig.makeGroup(name)
    const all = [
      { IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] },
      { IpProtocol: '-1', Ipv6Ranges: [{ CidrIpv6: '::/0' }] },
    ]
    await rig.ec2.send(new RevokeSecurityGroupEgressCommand({ GroupId, IpPermissions: all }))
    if (ingress.length > 0) {
      await rig.ec2.send(
        new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: ingress }),
      )
    }
    if (egress.length > 0) {
      await rig.ec2.send(
        new AuthorizeSecurityGroupEgressCommand({ GroupId, IpPermissions: egress }),
      )
    }
    return GroupId
  }
  const probe = (groupIds: string[], subnetId = rig.subnetA) =>
    rig.lab.probes.add({ groupIds, subnetId })
  /** `a → b: words` for each pair, by the probes' place in the list. */
  const said = (...enis: { eniId: string }[]) => {
    const { parties, reaches } = picture(rig.lab.region.world)
    const name = (at: number) =>
      parties[at]?.eniIds.map((eniId) => enis.findIndex((each) => each.eniId === eniId)).join('+')
    return reaches.map(
      ({ from, to, ipv4 = '-', ipv6 = '-', unanswered = [] }) =>
        `${name(from)} → ${name(to)}: ${ipv4} | ${ipv6}${unanswered.length > 0 ? ` ! ${unanswered}` : ''}`,
    )
  }
  const tcpPorts = (
    FromPort: number,
    ToPort: number,
    peer: Partial<IpPermission>,
  ): IpPermission => ({
    IpProtocol: 'tcp',
    FromPort,
    ToPort,
    ...peer,
  })

  // P295
  test('is what the sender may send and the receiver takes, by group, block and version', async () => {
    const client = await group(
      'client',
      [],
      [
        tcpPorts(1, 100, { IpRanges: [{ CidrIp: '10.0.0.0/16' }] }),
        tcpPorts(443, 9000, { Ipv6Ranges: [{ CidrIpv6: '::/0' }] }),
      ],
    )
    const web = await group(
      'web',
      [tcpPorts(80, 8080, { UserIdGroupPairs: [{ GroupId: client }] })],
      [],
    )
    const [a, b] = [await probe([client]), await probe([web])]
    expect(said(a, b)).toEqual(['0 → 1: tcp 80-100 | tcp 443-8080'])
  })

  test('takes ENIs together that no rule tells apart, and those apart that one does', async () => {
    const GroupId = await group('peers', [], [])
    const enis = [await probe([GroupId]), await probe([GroupId]), await probe([GroupId])]
    expect(picture(rig.lab.region.world).parties).toHaveLength(1)
    expect(said(...enis)).toEqual([])
    const self = { GroupId, IpPermissions: [tcpPorts(5, 5, { UserIdGroupPairs: [{ GroupId }] })] }
    await rig.ec2.send(new AuthorizeSecurityGroupIngressCommand(self))
    await rig.ec2.send(new AuthorizeSecurityGroupEgressCommand(self))
    expect(said(...enis)).toEqual(['0+1+2 → 0+1+2: tcp 5 | tcp 5'])
    const CidrIp = `${enis[2]?.ipv4}/32`
    await rig.ec2.send(
      new AuthorizeSecurityGroupIngressCommand({
        GroupId,
        IpPermissions: [tcpPorts(6, 6, { IpRanges: [{ CidrIp }] })],
      }),
    )
    await rig.ec2.send(
      new AuthorizeSecurityGroupEgressCommand({
        GroupId,
        IpPermissions: [{ IpProtocol: '-1', IpRanges: [{ CidrIp: '10.0.0.0/16' }] }],
      }),
    )
    expect(said(...enis)).toEqual([
      '0+1 → 0+1: tcp 5 | tcp 5',
      '0+1 → 2: tcp 5 | tcp 5',
      '2 → 0+1: tcp 5-6 | tcp 5',
    ])
  })

  test('from subnet to subnet is what both ACLs let pass too, and says when no answer comes back', async () => {
    const all = { IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] }
    const open = await group('open', [all], [all])
    const [a, b] = [await probe([open]), await probe([open], rig.subnetB)]
    expect(said(a, b)).toEqual(['0 → 1: all | -', '1 → 0: all | -'])
    const made = await rig.ec2.send(new CreateNetworkAclCommand({ VpcId: rig.vpcId }))
    const NetworkAclId = made.NetworkAcl?.NetworkAclId ?? ''
    const entry = (
      RuleNumber: number,
      Egress: boolean,
      RuleAction: 'allow' | 'deny',
      from: number,
      to: number,
    ) =>
      rig.ec2.send(
        new CreateNetworkAclEntryCommand({
          NetworkAclId,
          RuleNumber,
          Egress,
          RuleAction,
          Protocol: '6',
          PortRange: { From: from, To: to },
          CidrBlock: '10.0.0.0/16',
        }),
      )
    await entry(10, false, 'deny', 22, 22)
    await entry(20, false, 'allow', 1, 1023)
    await entry(30, false, 'deny', 1, 65_535)
    const { NetworkAcls } = await rig.ec2.send(new DescribeNetworkAclsCommand({}))
    const association = NetworkAcls?.flatMap((acl) => acl.Associations ?? []).find(
      ({ SubnetId }) => SubnetId === rig.subnetB,
    )
    await rig.ec2.send(
      new ReplaceNetworkAclAssociationCommand({
        NetworkAclId,
        AssociationId: association?.NetworkAclAssociationId,
      }),
    )
    expect(said(a, b)).toEqual(['0 → 1: tcp 1-21,23-1023 | - ! ipv4'])
    await entry(10, true, 'allow', 32_768, 60_999)
    expect(said(a, b)).toEqual(['0 → 1: tcp 1-21,23-1023 | -', '1 → 0: tcp 32768-60999 | - ! ipv4'])
  })
})
