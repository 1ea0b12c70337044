// An entry of a network ACL as a caller writes it, made canonical, or refused by name. EC2 drops
// what a protocol has no use for (ports of ICMP, a type of TCP), and so does this; nothing else is
// left out, because an entry with a clause missing allows or denies more.

import { formatCidr, parseCidr } from './cidr.ts'
import { badValue, Refusal } from './refusal.ts'
import type { NetworkAclEntry } from './world.ts'

/** An entry as the EC2 API writes it; what is required there is required here. */
export type WrittenEntry = {
  readonly RuleNumber: number | undefined
  readonly Egress: boolean | undefined
  readonly Protocol: string | undefined
  readonly RuleAction: string | undefined
  readonly CidrBlock?: string | undefined
  readonly Ipv6CidrBlock?: string | undefined
  readonly PortRange?: { From?: number | undefined; To?: number | undefined } | undefined
  readonly IcmpTypeCode?: { Type?: number | undefined; Code?: number | undefined } | undefined
}

/** The highest number that a caller may give; those above it are EC2's own. */
const NUMBER_MAX = 32766

const [ICMP, TCP, UDP, ICMPV6] = [1, 6, 17, 58]
const NAMES: Readonly<Record<string, number>> = { icmp: ICMP, tcp: TCP, udp: UDP, icmpv6: ICMPV6 }

/** Reads one written entry. */
export function readEntry(written: WrittenEntry): NetworkAclEntry {
  const protocol = readProtocol(written.Protocol ?? '')
  const peer = readPeer(written)
  return {
    ...readPlace(written),
    action: readAction(written.RuleAction ?? ''),
    protocol,
    ...readRange(protocol, peer, written),
    peer,
  }
}

/** Which entry of an ACL is meant: its direction and its number. */
export function readPlace({
  RuleNumber: ruleNumber,
  Egress: egress,
}: Pick<WrittenEntry, 'RuleNumber' | 'Egress'>): Pick<NetworkAclEntry, 'direction' | 'ruleNumber'> {
  if (ruleNumber === undefined || ruleNumber < 1 || ruleNumber > NUMBER_MAX) {
    throw badValue('ruleNumber', ruleNumber ?? '', `Must be between 1 and ${NUMBER_MAX}.`)
  }
  return { direction: egress === true ? 'egress' : 'ingress', ruleNumber }
}

function readAction(text: string): NetworkAclEntry['action'] {
  if (text === 'allow' || text === 'deny') return text
  throw badValue('ruleAction', text, 'Must be allow or deny.')
}

function readProtocol(text: string): NetworkAclEntry['protocol'] {
  const name = text.toLowerCase()
  if (name === '-1' || name === 'all') return 'all'
  if (Object.hasOwn(NAMES, name)) return NAMES[name] ?? 'all'
  if (/^(0|[1-9]\d{0,2})$/.test(name) && Number(name) <= 255) return Number(name)
  throw badValue('protocol', text, 'Must be -1, tcp, udp, icmp, icmpv6 or a number from 0 to 255.')
}

function readPeer({ CidrBlock: ipv4, Ipv6CidrBlock: ipv6 }: WrittenEntry): NetworkAclEntry['peer'] {
  if (ipv4 !== undefined && ipv6 !== undefined) {
    throw new Refusal(
      'InvalidParameterCombination',
      'An entry has one of cidrBlock and ipv6CidrBlock: write two entries.',
    )
  }
  if (ipv4 === undefined && ipv6 === undefined) throw missing('cidrBlock')
  const kind = ipv6 === undefined ? 'ipv4' : 'ipv6'
  const text = ipv6 ?? ipv4 ?? ''
  const cidr = parseCidr(kind === 'ipv4' ? 4 : 6, text)
  if (cidr !== undefined) return { kind, cidr: formatCidr(cidr) }
  const name = kind === 'ipv4' ? 'cidrBlock' : 'ipv6CidrBlock'
  throw badValue(name, text, 'This is not a valid CIDR block.')
}

/** EC2 reference, CreateNetworkAclEntry: which protocol needs what; ICMPv6 in IPv4 needs nothing. */
function readRange(
  protocol: NetworkAclEntry['protocol'],
  peer: NetworkAclEntry['peer'],
  { PortRange: ports, IcmpTypeCode: icmp }: WrittenEntry,
): { from: number; to: number } | Record<never, never> {
  if (protocol === TCP || protocol === UDP) {
    if (ports?.From === undefined || ports.To === undefined) throw missing('portRange')
    return checkPorts(ports.From, ports.To)
  }
  if (protocol === ICMP || (protocol === ICMPV6 && peer.kind === 'ipv6')) {
    if (icmp?.Type === undefined || icmp.Code === undefined) throw missing('icmpTypeCode')
    return checkIcmp(icmp.Type, icmp.Code)
  }
  return {}
}

function checkPorts(from: number, to: number): { from: number; to: number } {
  if (from >= 0 && to <= 65535 && from <= to) return { from, to }
  throw badValue('portRange', `${from}-${to}`, 'Ports are 0 to 65535, from not above to.')
}

function checkIcmp(type: number, code: number): { from: number; to: number } {
  const known = (n: number): boolean => n >= -1 && n <= 255
  if (known(type) && known(code) && (type !== -1 || code === -1)) return { from: type, to: code }
  throw badValue(
    'icmpTypeCode',
    `${type}/${code}`,
    'Type and code are -1 to 255; with type -1 (any) the code is -1.',
  )
}

const missing = (name: string): Refusal =>
  new Refusal('MissingParameter', `The request must contain the parameter ${name}`)
