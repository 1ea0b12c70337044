// Made-up worlds and probes, the same again for the same seed. Few values of everything, so that
// rules meet packets often, and their borders too.

import type { EniName } from '../row.ts'
import type { Packet, Places } from './model.ts'
import type { Match, ModelEntry, ModelRule, ModelWorld, Peer } from './world.ts'

const GROUPS = ['client', 'server', 'other', 'more', 'fourth', 'fifth', 'default'] as const
const SUBNETS = ['X', 'Y', 'Z'] as const
const PORTS = [53, 79, 80, 81, 90, 91, 443] as const
const RANGES = [
  [80, 80],
  [80, 90],
  [79, 81],
  [53, 443],
  [0, 65535],
  [1024, 65535],
] as const
/** Numbers that no kernel reads: each pair of ENIs meets each once (they are tracked for 600 s). */
const NUMBERS = Array.from({ length: 100 }, (_, at) => 145 + at)
/** ICMP errors, type and code. */
const ERRORS: Readonly<Record<4 | 6, readonly (readonly number[])[]>> = {
  4: [
    [3, 4],
    [3, 1],
    [11, 0],
  ],
  6: [
    [1, 4],
    [1, 3],
    [2, 0],
  ],
}
const ANY = ['0.0.0.0/0', '::/0'] as const

/** What is probed, and in the words of a row (without its flow's name). */
export type MadeProbe = {
  readonly text: string
  readonly packet: Packet
  readonly answers: boolean
}

export class Chance {
  #state: number
  readonly #places: Places
  readonly #enis: readonly EniName[]
  readonly #used = new Set<string>()

  constructor(seed: number, places: Places) {
    this.#state = seed >>> 0
    this.#places = places
    this.#enis = Object.keys(places) as EniName[]
  }

  world(): ModelWorld {
    return {
      groups: Object.fromEntries(GROUPS.map((name) => [name, this.#group()])),
      wear: Object.fromEntries(this.#enis.map((eni) => [eni, this.#worn()])) as Record<
        EniName,
        string[]
      >,
      acls: Object.fromEntries(
        SUBNETS.flatMap((name) => (this.#likely(0.5) ? [[name, this.#acl()]] : [])),
      ) as ModelWorld['acls'],
      lists: { list4: this.#blocks(4), list6: this.#blocks(6) },
    }
  }

  /** The world after some of it changed. */
  next(world: ModelWorld): ModelWorld {
    const fresh = this.world()
    const mix = <T>(old: T, now: T): T => (this.#likely(0.4) ? now : old)
    const mixed = <T extends object>(old: T, now: T): T =>
      Object.fromEntries(
        Object.entries(old).map(([key, value]) => [key, mix(value, now[key as keyof T] ?? value)]),
      ) as T
    return {
      groups: mixed(world.groups, fresh.groups),
      wear: this.#likely(0.5) ? world.wear : mixed(world.wear, fresh.wear),
      acls: mix(world.acls, fresh.acls),
      lists: mix(world.lists, fresh.lists),
    }
  }

  /** A probe from one ENI to another; `sourcePort` is the caller's, unique. */
  probe(sourcePort: number): MadeProbe {
    const from = this.#one(this.#enis)
    const to = this.#one(this.#enis.filter((each) => each !== from))
    const ip = this.#one([4, 6] as const)
    const ends = { from, to, ip }
    const kind = this.#one(['tcp', 'tcp', 'udp', 'udp', 'ping', 'icmp', 'proto', 'parts'] as const)
    if (kind === 'ping') {
      const packet = { ...ends, protocol: 'icmp', type: ip === 4 ? 8 : 128, code: 0 } as const
      return { text: `${from}>${to} ping`, packet, answers: true }
    }
    if (kind === 'icmp') {
      const [type = 0, code = 0] = this.#one(ERRORS[ip])
      const packet = { ...ends, protocol: 'icmp', type, code } as const
      return { text: `${from}>${to} icmp ${type}/${code}`, packet, answers: false }
    }
    if (kind === 'proto') {
      const number = this.#one(NUMBERS)
      const key = [...[from, to].sort(), ip, number].join(' ')
      if (this.#used.has(key)) return this.probe(sourcePort)
      this.#used.add(key)
      return {
        text: `${from}>${to} proto ${number}`,
        packet: { ...ends, protocol: number },
        answers: true,
      }
    }
    const port = this.#one(PORTS)
    if (kind === 'parts') {
      const packet = { ...ends, protocol: 'udp', port, sourcePort } as const
      return { text: `${from}>${to} parts ${port}`, packet, answers: false }
    }
    const packet = { ...ends, protocol: kind, port, sourcePort } as const
    return { text: `${from}:${sourcePort}>${to} ${kind} ${port}`, packet, answers: true }
  }

  likely = (share: number): boolean => this.#likely(share)

  #group() {
    const out: ModelRule[] = this.#likely(0.5)
      ? ANY.map((cidr) => ({ protocol: '-1', peer: { kind: 'block', cidr } }))
      : this.#rules()
    const into: ModelRule[] = this.#likely(0.1)
      ? ANY.map((cidr) => ({ protocol: '-1', peer: { kind: 'block', cidr } }))
      : this.#rules()
    return { in: into, out }
  }

  #rules(): ModelRule[] {
    const rules = this.#times(0, 6, () => {
      const peer = this.#peer()
      return { ...this.#match(this.#familyOf(peer)), peer }
    })
    return unique(rules)
  }

  #familyOf(peer: Peer): 4 | 6 {
    if (peer.kind === 'group') return this.#one([4, 6])
    const text = peer.kind === 'block' ? peer.cidr : peer.list === 'list6' ? ':' : ''
    return text.includes(':') ? 6 : 4
  }

  #acl(): { in: ModelEntry[]; out: ModelEntry[] } {
    const entries = (): ModelEntry[] => {
      const numbers = new Set(this.#times(0, 5, () => 1 + this.#below(300)))
      const made = [...numbers].map((number): ModelEntry => {
        const cidr = this.#block()
        const match = this.#match(cidr.includes(':') ? 6 : 4)
        return { number, action: this.#likely(0.6) ? 'allow' : 'deny', cidr, ...match }
      })
      const last = ANY.map(
        (cidr, at): ModelEntry => ({ number: 400 + at, action: 'allow', protocol: '-1', cidr }),
      )
      return [...made, ...(this.#likely(0.7) ? last : [])]
    }
    return { in: entries(), out: entries() }
  }

  #match(ip: 4 | 6): Match {
    const kind = this.#one(['tcp', 'tcp', 'udp', 'udp', 'icmp', '-1', 'number'] as const)
    if (kind === '-1') return { protocol: '-1' }
    if (kind === 'number') return { protocol: this.#one(NUMBERS) }
    if (kind === 'icmp') {
      const echo = ip === 4 ? [8, -1] : [128, -1]
      const error = ip === 4 ? [3, 4] : [1, 4]
      const [from = -1, to = -1] = this.#one([[-1, -1], echo, error, ip === 4 ? [3, -1] : [1, -1]])
      return { protocol: ip === 4 ? 'icmp' : 'icmpv6', from, to }
    }
    const [from, to] = this.#one(RANGES)
    return { protocol: kind, from, to }
  }

  #peer(): Peer {
    const kind = this.#below(10)
    if (kind < 3) return { kind: 'group', group: this.#one(GROUPS) }
    if (kind < 4) return { kind: 'list', list: this.#one(['list4', 'list6'] as const) }
    return { kind: 'block', cidr: this.#block() }
  }

  #block(ip = this.#one([4, 6] as const)): string {
    if (this.#likely(0.35)) return ANY[ip === 4 ? 0 : 1]
    const { ipv4, ipv6 } = this.#places[this.#one(this.#enis)]
    // Of one address, of two, of the subnet, of the VPC; written without bits below the length.
    if (ip === 6) return this.#one([`${ipv6}/128`, `${cut(ipv6)}::/64`])
    const [a, b, c, d = 0] = ipv4.split('.').map(Number)
    return this.#one([
      `${ipv4}/32`,
      `${a}.${b}.${c}.${d & 0xfe}/31`,
      `${a}.${b}.${c}.0/24`,
      `${a}.${b}.0.0/16`,
    ])
  }

  #blocks(ip: 4 | 6): string[] {
    return [...new Set(this.#times(0, 4, () => this.#block(ip)))]
  }

  #worn(): string[] {
    return [...new Set(this.#times(1, 3, () => this.#one(GROUPS)))]
  }

  #times<T>(min: number, max: number, make: () => T): T[] {
    return Array.from({ length: min + this.#below(max - min + 1) }, make)
  }

  #one<T>(of: readonly T[]): T {
    const found = of[this.#below(of.length)]
    if (found === undefined) throw new Error('nothing to choose from')
    return found
  }

  #likely = (share: number): boolean => this.#below(1000) < share * 1000

  /** Mulberry32: small, and the same everywhere. */
  #below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) % limit
  }
}

const cut = (ipv6: string): string => ipv6.split('::')[0] ?? ''
const unique = <T>(all: readonly T[]): T[] => [
  ...new Map(all.map((each) => [JSON.stringify(each), each])).values(),
]
