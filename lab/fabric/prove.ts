// Enforcement is proven, not assumed: before the fabric takes its first port it sends packets
// between two throw-away guests in two subnets. One UDP port is open at every gate and must be
// reached; each of four others is closed by one gate alone (a group or a network ACL, the sender's
// or the receiver's), and none may be. Then one of them sends to the lab's Internet by the internet
// gateway: at one port it must be heard there, and not at ports that its group or its ACL closes; and
// the other, which has no public address, at none. Both IP versions. A kernel that answers every
// command and filters nothing is found out here.

import type { AclEntry, Group, Port, RouteTable } from './fabric.ts'
import type { LabFabric } from './open.ts'
import { INTERNET_HOST } from './outside.ts'
import type { ProbePlan, ProbeResult } from './probe.ts'
import { UDP } from './protocol.ts'

const OPEN = 9001
const CLOSED_BY_RECEIVER = 9002
const CLOSED_BY_SENDER = 9003
const CLOSED_LEAVING = 9004
const CLOSED_ENTERING = 9005
/** On the Internet, where whoever has no public address sends to it. */
const CLOSED_WITHOUT_ADDRESS = 9006

/** Of the block that public addresses are given from, and never given. */
const PUBLIC_IP = '198.51.100.255'
const EVERYWHERE = { ipv4: '0.0.0.0/0', ipv6: '::/0' } as const

/** RFC 5737 and RFC 3849: addresses that no VPC has. */
const CIDRS = { ipv4: '192.0.2.0/24', ipv6: '2001:db8::/32' } as const
const VERSIONS = ['ipv4', 'ipv6'] as const
type Side = { name: string; cidr: string; gateway: string; ipv4: string; ipv6: string }
const SENDER: Side = {
  name: 'a',
  cidr: '192.0.2.0/25',
  gateway: '192.0.2.1',
  ipv4: '192.0.2.10',
  ipv6: '2001:db8::10',
}
const RECEIVER: Side = {
  name: 'b',
  cidr: '192.0.2.128/25',
  gateway: '192.0.2.129',
  ipv4: '192.0.2.138',
  ipv6: '2001:db8::11',
}

/** The Internet's host, as a group's rule names it. */
const OUTSIDE = { ipv4: `${INTERNET_HOST.ipv4}/32`, ipv6: `${INTERNET_HOST.ipv6}/128` } as const

/** All that is not these two guests' is led to the internet gateway. */
const ROUTES: RouteTable = {
  routeTableId: 'proof',
  blocks: [CIDRS.ipv4, '2001:db8::/64'],
  routes: VERSIONS.map((kind) => ({ cidr: EVERYWHERE[kind], to: { kind: 'internet' } })),
}

const GROUP: Group = {
  groupId: 'proof',
  rules: VERSIONS.flatMap((kind) => {
    const allow = (
      direction: 'egress' | 'ingress',
      from: number,
      to: number,
      cidr: string = CIDRS[kind],
    ) => ({
      ruleId: `${kind}-${direction}-${from}-${cidr === CIDRS[kind] ? 'in' : 'out'}`,
      direction,
      protocol: UDP,
      from,
      to,
      peer: { kind, cidr },
    })
    return [
      allow('egress', OPEN, CLOSED_BY_RECEIVER),
      allow('egress', CLOSED_LEAVING, CLOSED_ENTERING),
      allow('egress', OPEN, OPEN, OUTSIDE[kind]),
      allow('egress', CLOSED_LEAVING, CLOSED_LEAVING, OUTSIDE[kind]),
      allow('egress', CLOSED_WITHOUT_ADDRESS, CLOSED_WITHOUT_ADDRESS, OUTSIDE[kind]),
      allow('ingress', OPEN, OPEN),
      allow('ingress', CLOSED_BY_SENDER, CLOSED_ENTERING),
    ]
  }),
}

/** Throws when the gates do not do what they were told; leaves nothing of the proof. */
export async function prove(
  fabric: LabFabric,
  probe: (plan: ProbePlan) => Promise<ProbeResult>,
): Promise<void> {
  await fabric.putGroup(GROUP)
  await fabric.ways.putRouteTable(ROUTES)
  const from = await guest(fabric, SENDER, 'egress', CLOSED_LEAVING)
  const to = await guest(fabric, RECEIVER, 'ingress', CLOSED_ENTERING)
  await fabric.ways.putPublicAddress({ publicIp: PUBLIC_IP, privateIp: SENDER.ipv4 })
  const sender = { netns: from.netns, addresses: [...from.ipv4, ...from.ipv6] }
  const inside = await probe({
    from: sender,
    to: { netns: to.netns, addresses: [...to.ipv4, ...to.ipv6] },
    openPort: OPEN,
    closedPorts: [CLOSED_BY_RECEIVER, CLOSED_BY_SENDER, CLOSED_LEAVING, CLOSED_ENTERING],
  })
  const { netnsPath, ipv4, ipv6 } = fabric.ways.internet
  const outside = await probe({
    from: sender,
    to: { netns: netnsPath, addresses: [ipv4, ipv6] },
    openPort: OPEN,
    closedPorts: [CLOSED_BY_SENDER, CLOSED_LEAVING],
    stranger: { netns: to.netns, address: RECEIVER.ipv4, port: CLOSED_WITHOUT_ADDRESS },
  })
  await fabric.ways.dropPublicAddress(PUBLIC_IP)
  for (const { eniId, subnetId } of [from, to]) {
    await fabric.unplug(eniId)
    await fabric.removeNetns(eniId)
    await fabric.dropSubnet(subnetId)
    await fabric.dropAcl(subnetId)
  }
  await fabric.ways.dropRouteTable(ROUTES.routeTableId)
  await fabric.dropGroup(GROUP.groupId)
  const leaked = [...inside.leaked, ...outside.leaked]
  const missing = [...inside.missing, ...outside.missing]
  if (leaked.length > 0 || missing.length > 0) {
    throw new Error(
      'this kernel does not enforce what nftables accepted, so the lab refuses to start:' +
        told('passed a closed port', leaked) +
        told('dropped an open port', missing),
    )
  }
}

/** A guest alone in its subnet, whose ACL closes one port in one direction and no other. */
async function guest(
  fabric: LabFabric,
  { name, cidr, gateway, ipv4, ipv6 }: Side,
  direction: AclEntry['direction'],
  closed: number,
): Promise<Port> {
  const proof = `proof-${name}`
  await fabric.putAcl({ aclId: proof, entries: VERSIONS.flatMap(entriesOf) })
  await fabric.putSubnet({
    subnetId: proof,
    ipv4Cidr: cidr,
    ipv4Gateway: gateway,
    aclId: proof,
    routeTableId: ROUTES.routeTableId,
  })
  const port: Port = {
    eniId: proof,
    subnetId: proof,
    mac: `02:00:00:00:00:0${name}`,
    ipv4: [ipv4],
    ipv6: [ipv6],
    groupIds: [GROUP.groupId],
    sourceDestCheck: true,
    netns: await fabric.makeNetns(proof),
  }
  await fabric.plug(port)
  await fabric.configureGuest({
    netns: port.netns,
    mac: port.mac,
    ipv4: [`${ipv4}/25`],
    ipv6: [`${ipv6}/128`],
    ipv4Gateway: gateway,
  })
  return port

  function entriesOf(kind: (typeof VERSIONS)[number], at: number): AclEntry[] {
    const peer = { kind, cidr: kind === 'ipv4' ? '0.0.0.0/0' : '::/0' }
    const all = { action: 'allow', protocol: 'all', peer, ruleNumber: 20 + at } as const
    return [
      { ...all, direction: 'ingress' },
      { ...all, direction: 'egress' },
      {
        direction,
        ruleNumber: 10 + at,
        action: 'deny',
        protocol: UDP,
        from: closed,
        to: closed,
        peer,
      },
    ]
  }
}

const told = (what: string, probes: readonly string[]): string =>
  probes.length === 0 ? '' : ` ${what}: ${probes.join(', ')}.`
