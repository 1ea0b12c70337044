// Whether the kernel agrees with what a lab's EC2 says, asked of iproute2 and nft alone: every link,
// route, neighbour, group member, rule and ACL entry that there should be, and not one more.

import {
  DescribeNetworkAclsCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSecurityGroupRulesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  type EC2Client,
} from '@aws-sdk/client-ec2'
import { oracle } from './fabric-rig.ts'

/** What a fabric holds, in words, sorted. */
export type Picture = Readonly<Record<string, readonly string[]>>

/** What there should be, as EC2 describes it. */
export async function asDescribed(lab: string, ec2: EC2Client): Promise<Picture> {
  const { NetworkInterfaces = [] } = await ec2.send(new DescribeNetworkInterfacesCommand({}))
  const { SecurityGroups = [] } = await ec2.send(new DescribeSecurityGroupsCommand({}))
  const { SecurityGroupRules = [] } = await ec2.send(new DescribeSecurityGroupRulesCommand({}))
  const { NetworkAcls = [] } = await ec2.send(new DescribeNetworkAclsCommand({}))
  const { Subnets = [] } = await ec2.send(new DescribeSubnetsCommand({}))
  // Device index 0 of the host is a record only.
  const plugged = NetworkInterfaces.filter(({ Attachment }) => (Attachment?.DeviceIndex ?? 0) > 0)
  const ports = plugged.map((eni) => ({
    mark: `enid-lab:${lab}:${eni.NetworkInterfaceId}`,
    mac: eni.MacAddress ?? '',
    addresses: [
      ...(eni.PrivateIpAddresses ?? []).map(({ PrivateIpAddress = '' }) => PrivateIpAddress),
      ...(eni.Ipv6Addresses ?? []).map(({ Ipv6Address = '' }) => Ipv6Address),
    ],
    groups: (eni.Groups ?? []).map(({ GroupId = '' }) => GroupId),
  }))
  // The routers', and the resolver's at VPC+2: no test of these turns DNS support off.
  const routers = Subnets.map(({ CidrBlock = '' }) => CidrBlock.replace(/\d+\/\d+$/, '1'))
  return sorted({
    links: ports.map(({ mark }) => mark),
    routes: ports.flatMap(({ mark, addresses }) => addresses.map((each) => `${each} ${mark}`)),
    neighbours: ports.flatMap(({ mac, addresses }) => addresses.map((each) => `${each} ${mac}`)),
    guards: ports.flatMap(({ mark, mac }) => ['ip', 'ip6'].map((type) => `${mark} ${mac} ${type}`)),
    sources: ports.flatMap(({ mark, addresses }) => addresses.map((each) => `${mark} ${each}`)),
    members: ports.flatMap(({ addresses, groups }) =>
      groups.flatMap((group) => addresses.map((each) => `${group} ${each}`)),
    ),
    groups: SecurityGroups.map(({ GroupId = '' }) => GroupId),
    rules: SecurityGroupRules.map((rule) => `${rule.GroupId} ${rule.SecurityGroupRuleId}`),
    entries: NetworkAcls.flatMap(({ NetworkAclId, Entries = [] }) =>
      // 32767 is what none of them matched: in the kernel that is the gate's own policy.
      Entries.filter(({ RuleNumber = 0 }) => RuleNumber < 32767).map(
        ({ Egress, RuleNumber }) =>
          `${NetworkAclId} ${Egress ? 'egress' : 'ingress'} ${RuleNumber}`,
      ),
    ),
    router: [...routers, '10.0.0.2'],
  })
}

/** The router's own link, and those that lead out of the VPC. */
const OUTSIDE = ['lo', 'igw', 'eigw', 'noroute', 'noroute-end']

type Nft = {
  chain?: { name: string }
  rule?: { family: string; chain: string; comment?: string; expr: { match?: { right: unknown } }[] }
  set?: { name: string; elem?: (string | { concat: string[] })[] }
}

/** What there is, as the kernel lists it. */
export function asEnforced(lab: string): Picture {
  const netns = `enid-lab-${lab}`
  const links = oracle('ip', '-n', netns, '-j', '-d', 'link').filter(
    ({ ifname }) => !OUTSIDE.includes(String(ifname)),
  )
  const markOf = (dev: unknown): string =>
    String(links.find(({ ifname }) => ifname === dev)?.ifalias ?? `unmarked ${dev}`)
  const routes = ['-4', '-6'].flatMap((version) =>
    oracle('ip', '-n', netns, version, '-j', 'route', 'show', 'proto', 'static'),
  )
  const neighbours = oracle('ip', '-n', netns, '-j', 'neigh', 'show', 'nud', 'permanent').filter(
    ({ dst }) => !String(dst).startsWith('fe80:'),
  )
  const [lo] = oracle('ip', '-n', netns, '-j', 'addr', 'show', 'dev', 'lo')
  const own = ((lo?.addr_info ?? []) as { local: string }[]).map(({ local }) => local)
  const [ruleset] = [oracle('ip', 'netns', 'exec', netns, 'nft', '-j', 'list', 'ruleset')]
  const { nftables } = ruleset as unknown as { nftables: Nft[] }
  const sets = nftables.flatMap(({ set }) => set ?? [])
  const rules = nftables.flatMap(({ rule }) => rule ?? [])
  return sorted({
    links: links.map(({ ifalias }) => String(ifalias)),
    routes: routes.map(({ dst, dev }) => `${dst} ${markOf(dev)}`),
    neighbours: neighbours.map(({ dst, lladdr }) => `${dst} ${lladdr}`),
    // A guard's last rule has no match: all that is left goes to the chain of all.
    guards: rules
      .filter(({ family, chain }) => family === 'netdev' && chain !== 'frames')
      .map(({ chain, expr }) => [markOf(chain), ...expr.flatMap((each) => each.match?.right ?? [])])
      .flatMap((words) => (words.length > 1 ? [words.join(' ')] : [])),
    sources: sets
      .filter(({ name }) => /^source_ipv[46]$/.test(name))
      .flatMap(({ elem = [] }) => elem.map((e) => (e as { concat: [string, string] }).concat))
      .map(([link, address]) => `${markOf(link)} ${address}`),
    members: sets.flatMap(({ name, elem = [] }) => {
      const group = /^ipv[46]-of-(.+)$/.exec(name)?.[1]
      return group === undefined ? [] : elem.map((each) => `${group} ${String(each)}`)
    }),
    groups: sets.flatMap(({ name }) => /^ipv4-of-(.+)$/.exec(name)?.[1] ?? []),
    rules: [
      ...new Set(
        rules.flatMap(({ chain, comment = '' }) => {
          const group = /^(?:in|e)gress-(sg-.+)$/.exec(chain)?.[1]
          return group === undefined ? [] : [`${group} ${comment}`]
        }),
      ),
    ],
    entries: rules.flatMap(({ chain, comment = '' }) =>
      chain.startsWith('acl-') ? [comment] : [],
    ),
    router: own.filter((address) => address.startsWith('10.')),
  })
}

const sorted = (picture: Picture): Picture =>
  Object.fromEntries(Object.entries(picture).map(([name, list]) => [name, [...list].sort()]))
