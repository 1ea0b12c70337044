// Reads the short texts of rules and entries (row.ts) into what the EC2 API takes. Pure. `names`
// says what stands for an ENI's address, a subnet's block, an id.

import type { IpPermission } from '@aws-sdk/client-ec2'
import type { Ip } from './wire/libc.ts'

/** What the words of a text stand for. */
export type Names = {
  /** An ENI's address, or undefined when that is no ENI. */
  address(name: string, ip: Ip): string | undefined
  /** A subnet's or the VPC's (`vpc`) block, or undefined. */
  block(name: string, ip: Ip): string | undefined
  /** The id of a group or a prefix list. */
  id(name: string): string
}

const NUMBERS: Readonly<Record<string, number>> = { tcp: 6, udp: 17, icmp: 1, icmpv6: 58 }
const ANY = { 4: '0.0.0.0/0', 6: '::/0' } as const
const PING = { 4: 'icmp 8/*', 6: 'icmpv6 128/*' } as const

/** A security group's rule, as one permission with one peer. */
export function permission(text: string, ip: Ip, names: Names): IpPermission {
  const { protocol, range, peer } = split(text, ip)
  const where = peerOf(peer, ip, names)
  return {
    IpProtocol: protocol,
    ...(range === undefined ? {} : { FromPort: range.from, ToPort: range.to }),
    ...('id' in where
      ? where.id.startsWith('pl-')
        ? { PrefixListIds: [{ PrefixListId: where.id }] }
        : { UserIdGroupPairs: [{ GroupId: where.id }] }
      : where.cidr.includes(':')
        ? { Ipv6Ranges: [{ CidrIpv6: where.cidr }] }
        : { IpRanges: [{ CidrIp: where.cidr }] }),
  }
}

/** A network ACL's entry, without its ACL and its direction. */
export function entry(text: string, ip: Ip, names: Names) {
  const [number = '', action = '', ...rest] = text.split(' ')
  const { protocol, range, peer } = split(rest.join(' '), ip)
  const where = peerOf(peer, ip, names)
  if ('id' in where) throw new Error(`entry '${text}': an ACL knows blocks only`)
  const icmp = protocol === 'icmp' || protocol === 'icmpv6'
  return {
    RuleNumber: Number(number),
    RuleAction: action as 'allow' | 'deny',
    Protocol: String(NUMBERS[protocol] ?? protocol),
    ...(range === undefined
      ? {}
      : icmp
        ? { IcmpTypeCode: { Type: range.from, Code: range.to } }
        : { PortRange: { From: range.from, To: range.to } }),
    ...(where.cidr.includes(':') ? { Ipv6CidrBlock: where.cidr } : { CidrBlock: where.cidr }),
  }
}

/** A block, for an entry of a prefix list. */
export function block(text: string, ip: Ip, names: Names): string {
  const where = peerOf(text, ip, names)
  if ('id' in where) throw new Error(`'${text}' is no block`)
  return where.cidr
}

type Range = { readonly from: number; readonly to: number }

function split(text: string, ip: Ip): { protocol: string; range?: Range; peer: string } {
  const words = text.replace(/^ping\b/, PING[ip]).split(' ')
  const protocol = words[0] ?? ''
  const ranged = Object.hasOwn(NUMBERS, protocol.toLowerCase()) || words.length === 3
  if (words.length !== (ranged ? 3 : 2)) throw new Error(`'${text}' has too many or few words`)
  const peer = words.at(-1) ?? ''
  if (!ranged) return { protocol, peer }
  return { protocol, range: rangeOf(protocol.toLowerCase(), words[1] ?? ''), peer }
}

function rangeOf(protocol: string, text: string): Range {
  const icmp = protocol.startsWith('icmp') || protocol === '1' || protocol === '58'
  const [from = '', to = from] = text === '*' && icmp ? ['*', '*'] : text.split(icmp ? '/' : '-')
  if (text === '*' && !icmp) return { from: 0, to: 65535 }
  const number = (word: string): number => (word === '*' ? -1 : Number(word))
  return { from: number(from), to: number(to) }
}

function peerOf(text: string, ip: Ip, names: Names): { id: string } | { cidr: string } {
  if (text === 'any') return { cidr: ANY[ip] }
  if (text === 'any4' || text === 'any6') return { cidr: ANY[text === 'any4' ? 4 : 6] }
  if (text === 'pl:list') return { id: names.id(`list${ip}`) }
  if (text.startsWith('sg:') || text.startsWith('pl:')) return { id: names.id(text.slice(3)) }
  const known = names.block(text, ip)
  if (known !== undefined) return { cidr: known }
  const [name = '', v4 = '32', v6 = v4 === '32' ? '128' : v4] = text.split('/')
  const address = names.address(name, ip)
  if (address !== undefined) return { cidr: `${address}/${ip === 4 ? v4 : v6}` }
  if (/^[0-9a-f.:]+\/\d+$/.test(text)) return { cidr: text }
  throw new Error(`'${text}' is no peer`)
}
