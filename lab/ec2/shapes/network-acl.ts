// A network ACL as EC2 writes it: with its associations, and with EC2's own last entries, which
// deny what no other matched (32767 for IPv4, 32768 for IPv6; the console's asterisk).

import type * as ec2 from '@aws-sdk/client-ec2'
import { subnetsOf } from '../../model/network-acl.ts'
import { ACCOUNT_ID, type NetworkAcl, type NetworkAclEntry, type World } from '../../model/world.ts'
import { tagList } from './tags.ts'

/** The whole ACL, as DescribeNetworkAcls gives it. */
export function networkAclShape(world: World, acl: NetworkAcl): ec2.NetworkAcl {
  const { aclId, vpcId } = acl
  return {
    Associations: subnetsOf(world, aclId).map((subnet) => ({
      NetworkAclAssociationId: subnet.aclAssociationId,
      NetworkAclId: aclId,
      SubnetId: subnet.subnetId,
    })),
    Entries: (['egress', 'ingress'] as const).flatMap((direction) => [
      ...acl.entries
        .filter((entry) => entry.direction === direction)
        .sort((a, b) => a.ruleNumber - b.ruleNumber)
        .map(entryShape),
      ...lastEntries(world, acl, direction).map(entryShape),
    ]),
    IsDefault: acl.isDefault,
    NetworkAclId: aclId,
    OwnerId: ACCOUNT_ID,
    Tags: tagList(world, aclId),
    VpcId: vpcId,
  }
}

function lastEntries(
  world: World,
  { vpcId, entries }: NetworkAcl,
  direction: NetworkAclEntry['direction'],
): NetworkAclEntry[] {
  const deny = { direction, action: 'deny', protocol: 'all' } as const
  const hasIpv6 =
    world.vpcs.get(vpcId)?.ipv6Cidr !== undefined || entries.some((e) => e.peer.kind === 'ipv6')
  return [
    { ...deny, ruleNumber: 32767, peer: { kind: 'ipv4', cidr: '0.0.0.0/0' } },
    ...(hasIpv6
      ? [{ ...deny, ruleNumber: 32768, peer: { kind: 'ipv6', cidr: '::/0' } } as const]
      : []),
  ]
}

function entryShape(entry: NetworkAclEntry): ec2.NetworkAclEntry {
  const { direction, ruleNumber, action, protocol, peer, from, to } = entry
  const isIcmp = protocol === 1 || protocol === 58
  return {
    ...(peer.kind === 'ipv4' ? { CidrBlock: peer.cidr } : { Ipv6CidrBlock: peer.cidr }),
    Egress: direction === 'egress',
    ...(isIcmp && from !== undefined ? { IcmpTypeCode: { Type: from, Code: to } } : {}),
    ...(!isIcmp && from !== undefined ? { PortRange: { From: from, To: to } } : {}),
    Protocol: protocol === 'all' ? '-1' : String(protocol),
    RuleAction: action,
    RuleNumber: ruleNumber,
  }
}
