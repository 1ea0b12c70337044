// Who may reach whom, from what the world says: the sender's groups, the ACL at each border that is
// crossed, the receiver's groups. Pure. It says what a flow's first packet meets; what runs already
// goes on as long as conntrack remembers it, and the packets themselves have the last word.

import type { Family } from '../model/cidr.ts'
import { holds, parseAddress, parseCidr } from '../model/cidr.ts'
import { protocolNumber } from '../model/permission.ts'
import { plainGroups } from '../model/plain-rules.ts'
import type { NetworkInterface, PlainPeer, World } from '../model/world.ts'
import {
  difference,
  EVERYTHING,
  intersection,
  isNothing,
  NOTHING,
  type Traffic,
  trafficOf,
  union,
  words,
} from './traffic.ts'

/** ENIs between which no rule tells a difference. */
export type Party = {
  readonly eniIds: readonly string[]
  readonly subnetId: string
  readonly groupIds: readonly string[]
}

/** What one may send to another, by IP version; absent: nothing at all. */
export type Reach = {
  readonly from: number
  readonly to: number
  readonly ipv4?: string
  readonly ipv6?: string
  /** Versions in which an ACL stops answers to a client's ports (32768 to 60999, as Linux has them). */
  readonly unanswered?: readonly Version[]
}

type Version = 'ipv4' | 'ipv6'
type Direction = 'ingress' | 'egress'
type Judge = (eni: NetworkInterface, other: NetworkInterface, version: Version) => Traffic

const VERSIONS: readonly Version[] = ['ipv4', 'ipv6']
const CLIENT_PORTS = { from: 32_768, to: 60_999 }

/** The parties of the plugged ENIs, and each pair of which one may send the other something. */
export function reach(world: World): { parties: Party[]; reaches: Reach[] } {
  const enis = [...world.enis.values()].filter(
    ({ vpcId, attachment }) => vpcId === world.homeVpcId && attachment?.netns !== undefined,
  )
  const kinds = new Map<string, NetworkInterface[]>()
  const blocks = blocksOf(world)
  for (const eni of enis) {
    const inside = blocks.map((peer) => VERSIONS.some((version) => isPeer(peer, eni, version)))
    const kind = JSON.stringify([
      eni.subnetId,
      [...eni.groupIds].sort(),
      inside,
      VERSIONS.map((v) => eni[v].length > 0),
    ])
    kinds.set(kind, [...(kinds.get(kind) ?? []), eni])
  }
  const members = [...kinds.values()]
  const judges = judgesOf(world)
  return {
    parties: members.map((party) => ({
      eniIds: party.map(({ eniId }) => eniId),
      subnetId: party[0]?.subnetId ?? '',
      groupIds: party[0]?.groupIds ?? [],
    })),
    reaches: members.flatMap((senders, from) =>
      members.flatMap((receivers, to) => {
        // Of one party, two different ENIs; one alone sends itself nothing through the fabric.
        const [a, b] = [senders[0], from === to ? receivers[1] : receivers[0]]
        return a === undefined || b === undefined ? [] : (between(judges, a, b, from, to) ?? [])
      }),
    ),
  }
}

function between(
  judges: ReturnType<typeof judgesOf>,
  a: NetworkInterface,
  b: NetworkInterface,
  from: number,
  to: number,
): Reach | undefined {
  const unanswered: Version[] = []
  const said = VERSIONS.flatMap((version) => {
    if (a[version].length === 0 || b[version].length === 0) return []
    const { groups, acls } = judges
    const there = intersection(groups.egress(a, b, version), groups.ingress(b, a, version))
    const all = intersection(there, acls(a, b, version))
    if (isNothing(all)) return []
    const answers = ['tcp', 'udp'] as const
    const asked = answers.filter((kind) => all[kind].length > 0)
    const back = acls(b, a, version)
    const whole = trafficOf({ protocol: 6, ...CLIENT_PORTS }).tcp
    const stopped = asked.filter((kind) => {
      const missing = difference({ ...NOTHING, [kind]: whole }, back)
      return !isNothing(missing)
    })
    if (stopped.length > 0) unanswered.push(version)
    return [[version, words(all)] as const]
  })
  if (said.length === 0) return undefined
  return {
    from,
    to,
    ...Object.fromEntries(said),
    ...(unanswered.length === 0 ? {} : { unanswered }),
  }
}

/** What the groups and the ACLs let pass. */
function judgesOf(world: World): {
  groups: Record<Direction, Judge>
  acls: Judge
} {
  const plain = plainGroups(world)
  const groups =
    (direction: Direction): Judge =>
    (eni, other, version) =>
      eni.groupIds
        .flatMap((groupId) => plain.get(groupId)?.rules ?? [])
        .filter((rule) => rule.direction === direction && isPeer(rule.peer, other, version))
        .map(({ protocol, ...rule }) => trafficOf({ ...rule, protocol: protocolNumber(protocol) }))
        .reduce(union, NOTHING)
  const acl = (
    direction: Direction,
    eni: NetworkInterface,
    other: NetworkInterface,
    version: Version,
  ) => {
    const aclId = world.subnets.get(eni.subnetId)?.aclId ?? ''
    const entries = [...(world.networkAcls.get(aclId)?.entries ?? [])]
      .filter((entry) => entry.direction === direction && isPeer(entry.peer, other, version))
      .sort((a, b) => a.ruleNumber - b.ruleNumber)
    let [left, allowed] = [EVERYTHING, NOTHING]
    for (const entry of entries) {
      const decided = intersection(trafficOf(entry), left)
      if (entry.action === 'allow') allowed = union(allowed, decided)
      left = difference(left, decided)
    }
    return allowed
  }
  return {
    groups: { egress: groups('egress'), ingress: groups('ingress') },
    acls: (a, b, version) =>
      a.subnetId === b.subnetId
        ? EVERYTHING
        : intersection(acl('egress', a, b, version), acl('ingress', b, a, version)),
  }
}

/** Whether an ENI's primary address of that version is one that a rule means. */
function isPeer(peer: PlainPeer, eni: NetworkInterface, version: Version): boolean {
  if (peer.kind === 'group') return eni.groupIds.includes(peer.groupId)
  if (peer.kind !== version) return false
  const family: Family = version === 'ipv4' ? 4 : 6
  const [block, address] = [
    parseCidr(family, peer.cidr),
    parseAddress(family, eni[version][0] ?? ''),
  ]
  return block !== undefined && address !== undefined && holds(block, address)
}

/** Every block and group that a rule or an entry names, once. */
function blocksOf(world: World): PlainPeer[] {
  const peers = [
    ...[...plainGroups(world).values()].flatMap(({ rules }) => rules.map(({ peer }) => peer)),
    ...[...world.networkAcls.values()].flatMap(({ entries }) => entries.map(({ peer }) => peer)),
  ]
  return [...new Map(peers.map((peer) => [JSON.stringify(peer), peer])).values()]
}
