// A security-group rule as a caller writes it, made canonical: one direction, one protocol, one
// range, one peer. Whatever is not understood is refused with its name; nothing is ever widened,
// because a bad CIDR that becomes "anywhere" is the worst bug an emulator can have.
//
//   IpPermission { protocol, ports, ranges…, groups… }  ──▶  one Permission per range or group

import { formatCidr, parseCidr } from './cidr.ts'
import { findGroup, findPrefixList } from './look-up.ts'
import { notInLab, Refusal } from './refusal.ts'
import { ACCOUNT_ID, type Peer, type Permission, type SecurityGroup, type World } from './world.ts'

/** A permission as the EC2 API writes it (the members the lab honours). */
export type WrittenPermission = {
  readonly IpProtocol?: string | undefined
  readonly FromPort?: number | undefined
  readonly ToPort?: number | undefined
  readonly IpRanges?: readonly Written<'CidrIp'>[] | undefined
  readonly Ipv6Ranges?: readonly Written<'CidrIpv6'>[] | undefined
  readonly PrefixListIds?: readonly Written<'PrefixListId'>[] | undefined
  readonly UserIdGroupPairs?: readonly Written<'GroupId' | 'GroupName' | 'UserId'>[] | undefined
}

/** One canonical permission and the description that was written beside its peer. */
export type Described = { readonly permission: Permission; readonly description?: string }

type Written<K extends string> = { readonly [key in K | 'Description']?: string | undefined }

/** Reads one written permission for a group: one canonical permission per peer. */
export function readPermission(
  world: World,
  group: SecurityGroup,
  direction: Permission['direction'],
  written: WrittenPermission,
): Described[] {
  const protocol = readProtocol(written.IpProtocol)
  const range = readRange(protocol, written.FromPort, written.ToPort)
  const permit = (peer: Peer, description: string | undefined): Described => ({
    permission: { direction, protocol, ...range, peer },
    ...readDescription(description),
  })
  const all = [
    ...(written.IpRanges ?? []).map((r) => permit(readCidr('ipv4', r.CidrIp), r.Description)),
    ...(written.Ipv6Ranges ?? []).map((r) => permit(readCidr('ipv6', r.CidrIpv6), r.Description)),
    ...(written.PrefixListIds ?? []).map((list) =>
      permit(readPrefixList(world, list.PrefixListId), list.Description),
    ),
    ...(written.UserIdGroupPairs ?? []).map((g) =>
      permit(readGroup(world, group, g), g.Description),
    ),
  ]
  if (all.length === 0) throw new Refusal('MissingParameter', 'Source group ID missing.')
  for (const { permission } of all) checkFamily(world, permission)
  return all
}

/** Whether two permissions allow the same. Descriptions are no part of a permission. */
export const samePermission = (a: Permission, b: Permission): boolean => keyOf(a) === keyOf(b)

/** A permission as one text: equal texts, equal meaning. */
export function keyOf({ direction, protocol, from, to, peer }: Permission): string {
  return [direction, protocol, from ?? '', to ?? '', peer.kind, nameOf(peer)].join(' ')
}

/** A peer's id, or its block. */
export function nameOf(peer: Peer): string {
  if (peer.kind === 'group') return peer.groupId
  return peer.kind === 'prefix-list' ? peer.prefixListId : peer.cidr
}

const NAMES: Readonly<Record<string, string>> = { tcp: '6', udp: '17', icmp: '1', icmpv6: '58' }
const BY_NUMBER = new Map(Object.entries(NAMES).map(([name, number]) => [number, name]))

/** The IP protocol number of a canonical protocol, or `all` for `-1`. */
export function protocolNumber(protocol: string): number | 'all' {
  return protocol === '-1' ? 'all' : Number(NAMES[protocol] ?? protocol)
}

function readProtocol(text: string | undefined): string {
  if (text === undefined || text === '') {
    throw new Refusal('MissingParameter', 'The request must contain the parameter ipProtocol')
  }
  const name = text.toLowerCase()
  if (name === '-1' || name === 'all') return '-1'
  if (Object.hasOwn(NAMES, name)) return name
  if (/^(0|[1-9]\d{0,2})$/.test(name) && Number(name) <= 255) return BY_NUMBER.get(name) ?? name
  throw new Refusal(
    'InvalidParameterValue',
    `Invalid value '${text}' for IP protocol. Unknown protocol. ` +
      'Allowed: tcp, udp, icmp, icmpv6, -1, or a number from 0 to 255.',
  )
}

function readRange(
  protocol: string,
  from: number | undefined,
  to: number | undefined,
): { from: number; to: number } | Record<never, never> {
  if (protocol === 'tcp' || protocol === 'udp') return readPorts(from, to)
  if (protocol === 'icmpv6') return readIcmp(protocol, from ?? -1, to ?? -1)
  if (protocol !== 'icmp') return {} // EC2 ignores ports of every other protocol.
  if (from === undefined || to === undefined) {
    throw badRange('Must specify both type (from) and code (to) with ICMP; -1 is any.')
  }
  return readIcmp(protocol, from, to)
}

function readPorts(from: number | undefined, to: number | undefined): { from: number; to: number } {
  if (from === undefined || to === undefined || from === -1 || to === -1) {
    throw badRange('Must specify both from and to ports with TCP/UDP.')
  }
  if (from < 0 || to > 65535 || from > to) {
    throw badRange(`Invalid TCP/UDP port range (${from}:${to}): 0 to 65535, from not above to.`)
  }
  return { from, to }
}

function readIcmp(protocol: string, type: number, code: number): { from: number; to: number } {
  const inRange = (n: number): boolean => n >= -1 && n <= 255
  if (!inRange(type) || !inRange(code)) {
    throw badRange(`Invalid ${protocol} type and code (${type}, ${code}): each is -1 to 255.`)
  }
  if (type === -1 && code !== -1) {
    throw badRange(`Invalid ${protocol} code (${code}): with type -1 (any) the code must be -1.`)
  }
  return { from: type, to: code }
}

const badRange = (rule: string): Refusal =>
  new Refusal('InvalidParameterValue', `Invalid value for portRange. ${rule}`)

function readCidr(kind: 'ipv4' | 'ipv6', text: string | undefined): Peer {
  const cidr = parseCidr(kind === 'ipv4' ? 4 : 6, text ?? '')
  if (cidr !== undefined) return { kind, cidr: formatCidr(cidr) }
  throw new Refusal('InvalidParameterValue', `CIDR block ${text ?? ''} is malformed`)
}

const readPrefixList = (world: World, id = ''): Peer => ({
  kind: 'prefix-list',
  prefixListId: findPrefixList(world, id).prefixListId,
})

/** ICMP belongs to IPv4 and ICMPv6 to IPv6: beside the other's blocks a rule could match nothing. */
function checkFamily(world: World, { protocol, peer }: Permission): void {
  const only = protocol === 'icmp' ? 'ipv4' : protocol === 'icmpv6' ? 'ipv6' : undefined
  if (only === undefined || peer.kind === 'group') return
  const family =
    peer.kind === 'prefix-list' ? findPrefixList(world, peer.prefixListId).family : peer.kind
  if (family === only) return
  throw new Refusal(
    'InvalidParameterValue',
    `Invalid value '${protocol}' for IP protocol: ${nameOf(peer)} is ${family}. ` +
      `Use ${family === 'ipv4' ? 'icmp' : 'icmpv6'}.`,
  )
}

function readGroup(
  world: World,
  group: SecurityGroup,
  pair: Written<'GroupId' | 'GroupName' | 'UserId'>,
): Peer {
  if (pair.UserId !== undefined && pair.UserId !== ACCOUNT_ID) {
    throw notInLab(`groups of another account (UserId ${pair.UserId})`, `Use ${ACCOUNT_ID}.`)
  }
  const peer = findPeer(world, group, pair)
  if (peer.vpcId !== group.vpcId) {
    throw new Refusal(
      'InvalidGroup.NotFound',
      'You have specified two resources that belong to different networks.',
    )
  }
  return { kind: 'group', groupId: peer.groupId }
}

function findPeer(
  world: World,
  group: SecurityGroup,
  pair: Written<'GroupId' | 'GroupName'>,
): SecurityGroup {
  if (pair.GroupId !== undefined) return findGroup(world, pair.GroupId)
  for (const other of world.groups.values()) {
    if (other.vpcId === group.vpcId && other.name === pair.GroupName) return other
  }
  throw new Refusal(
    'InvalidGroup.NotFound',
    `The security group '${pair.GroupName ?? ''}' does not exist`,
  )
}

/** A rule's description as EC2 takes it; none where it is absent or empty. */
export function readDescription(text: string | undefined): { description?: string } {
  if (text === undefined || text === '') return {}
  if (!/^[a-zA-Z0-9 ._\-:/()#,@[\]+=&;{}!$*]{0,255}$/.test(text)) {
    throw new Refusal(
      'InvalidParameterValue',
      'Invalid rule description. Valid descriptions are strings less than 256 characters from ' +
        'the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*',
    )
  }
  return { description: text }
}
