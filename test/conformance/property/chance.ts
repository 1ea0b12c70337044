// Made-up worlds and probes, the same again for the same seed. Few values of everything, so that
// rules meet packets often, and their borders too.

import type { EniName, SubnetName } from '../row.ts'
import type { Grounds, Sender } from './journey.ts'
import type { Places } from './model.ts'
import type { Match, ModelEntry, ModelRoute, ModelRule, ModelWorld, Peer, Target } from './world.ts'

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

/** ENIs that routes of a subnet may lead to: never those of the subnet itself. */
const ON_THE_WAY: Readonly<Record<SubnetName, readonly EniName[]>> = {
  X: ['f', 'g'],
  Y: ['f'],
  Z: ['g'],
}
/** Elastic IPs beside the NAT gateway's: five are EC2's quota, and a row has one of its own. */
const PUBLIC_MAX = 3
/** What others than plain senders and addresses of the VPC say. */
const OUTWARD = ['udp', 'udp', 'tcp', 'ping'] as const

/** A probe: who sends what under which address to which of whose. */
export type MadeProbe = {
  readonly from: Sender
  readonly to: Sender
  readonly ip: 4 | 6
  readonly kind: 'tcp' | 'udp' | 'ping' | 'icmp' | 'proto' | 'parts'
  /** A port, an ICMP type and code, a protocol; none for a ping. */
  readonly detail: string
  readonly sourcePort: number
  /** A source address written by hand; nobody answers what is sent so. */
  readonly source?: string
  /** Who is meant by: its first address, unless told: its public one, or another address. */
  readonly target?: string
}

export class Chance {
  #state: number
  readonly #places: Places
  readonly #grounds: Grounds
  readonly #enis: readonly EniName[]
  readonly #used = new Set<string>()

  constructor(seed: number, places: Places, grounds: Grounds) {
    this.#state = seed >>> 0
    this.#places = places
    this.#grounds = grounds
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
      tables: { X: this.#table('X'), Y: this.#table('Y'), Z: this.#table('Z') },
      public: this.#some(this.#enis, PUBLIC_MAX),
      unchecked: (['f', 'g'] as const).filter(() => this.#likely(0.5)),
      more: Object.fromEntries(this.#some(this.#enis, 3).map((eni) => [eni, this.#more(eni)])),
    }
  }

  /** The world after some of its rules changed; ways stay, so that flows go on where they went. */
  next(world: ModelWorld): ModelWorld {
    const fresh = this.world()
    const mix = <T>(old: T, now: T): T => (this.#likely(0.4) ? now : old)
    const mixed = <T extends object>(old: T, now: T): T =>
      Object.fromEntries(
        Object.entries(old).map(([key, value]) => [key, mix(value, now[key as keyof T] ?? value)]),
      ) as T
    return {
      ...world,
      groups: mixed(world.groups, fresh.groups),
      wear: this.#likely(0.5) ? world.wear : mixed(world.wear, fresh.wear),
      acls: mix(world.acls, fresh.acls),
      lists: mix(world.lists, fresh.lists),
    }
  }

  /** A probe in that world; `sourcePort` is the caller's, unique. */
  probe(world: ModelWorld, sourcePort: number): MadeProbe {
    const ip = this.#one([4, 6] as const)
    if (this.#likely(0.55)) return this.#within(ip, sourcePort)
    const sort = this.#one(['out', 'out', 'in', 'public', 'source', 'source', 'target', 'target'])
    const isOutside = this.#grounds.outside.length > 0
    if (sort === 'source' || sort === 'target') return this.#byAddress(world, ip, sourcePort, sort)
    if (sort === 'out' && isOutside) {
      return this.#outward({ from: this.#one(this.#enis), to: 'o', ip, sourcePort })
    }
    if (sort === 'in' && isOutside && ip === 6) {
      return this.#outward({ from: 'o', to: this.#one(this.#enis), ip, sourcePort })
    }
    if (world.public.length === 0) return this.#within(ip, sourcePort)
    const to = this.#one(world.public)
    const from = sort === 'in' && isOutside ? 'o' : this.#one(this.#others(to))
    return this.#outward({ from, to, ip: 4, sourcePort, target: `${to}!` })
  }

  #within(ip: 4 | 6, sourcePort: number): MadeProbe {
    const from = this.#one(this.#enis)
    const to = this.#one(this.#others(from))
    const ends = { from, to, ip, sourcePort }
    const kind = this.#one(['tcp', 'tcp', 'udp', 'udp', 'ping', 'icmp', 'proto', 'parts'] as const)
    if (kind === 'ping') return { ...ends, kind, detail: '' }
    if (kind === 'icmp') return { ...ends, kind, detail: this.#one(ERRORS[ip]).join('/') }
    if (kind !== 'proto') return { ...ends, kind, detail: `${this.#one(PORTS)}` }
    const number = this.#one(NUMBERS)
    const key = [...[from, to].sort(), ip, number].join(' ')
    if (this.#used.has(key)) return this.#within(ip, sourcePort)
    this.#used.add(key)
    return { ...ends, kind, detail: `${number}` }
  }

  /** To or from outside, or by a public address. Who is outside may have servers of its own, on 53 and 80. */
  #outward(ends: Omit<MadeProbe, 'kind' | 'detail'>): MadeProbe {
    const kind = this.#one(OUTWARD)
    const ports = PORTS.filter((port) => ends.to !== 'o' || (port !== 53 && port !== 80))
    return { ...ends, kind, detail: kind === 'ping' ? '' : `${this.#one(ports)}` }
  }

  /** A datagram made by hand: from or to an address that may be the ENI's, another's, or nobody's. */
  #byAddress(world: ModelWorld, ip: 4 | 6, sourcePort: number, sort: string): MadeProbe {
    const from = this.#one(this.#enis)
    const to = this.#one(this.#others(from))
    const addressOf = (eni: EniName): string => {
      const whose = this.#likely(0.7) ? eni : this.#one(this.#enis)
      const more = (world.more[whose] ?? this.#more(whose)).map((text) => this.#addressIn(text))
      return this.#one([...more, this.#first(whose, 4), this.#first(whose, 6)].filter(isOf(ip)))
    }
    return {
      ...{ from, to, ip, sourcePort, kind: 'udp', detail: `${this.#one(PORTS)}` },
      source: sort === 'source' ? addressOf(from) : this.#first(from, ip),
      ...(sort === 'target' ? { target: addressOf(to) } : {}),
    }
  }

  /** One of a prefix's addresses, its last or its first, or the address itself. */
  #addressIn(text: string): string {
    const [base = ''] = text.split('/')
    if (base === text) return text
    if (text.includes(':')) return this.#likely(0.5) ? `${base}7` : base
    const last = Number(base.split('.')[3]) + this.#one([0, 7, 15])
    return base.replace(/\d+$/, `${last}`)
  }

  #first(eni: EniName, ip: 4 | 6): string {
    const { ipv4, ipv6 } = this.#places[eni]
    return ip === 4 ? ipv4 : ipv6
  }

  #others = (one: EniName): EniName[] => this.#enis.filter((each) => each !== one)

  #some<T>(of: readonly T[], most: number): T[] {
    return [...new Set(this.#times(0, most, () => this.#one(of)))]
  }

  /** What an ENI has beyond its first addresses: numbers of its own in its subnet. */
  #more(eni: EniName): string[] {
    const at = this.#enis.indexOf(eni)
    const { ipv4, ipv6 } = this.#places[eni]
    const [v4, v6] = [ipv4.replace(/\d+$/, ''), cut(ipv6)]
    return [
      `${v4}${200 + at}`,
      `${v6}::c${at}`,
      `${v4}${64 + 16 * at}/28`,
      `${v6}:${at + 1}::/80`,
    ].filter(() => this.#likely(0.7))
  }

  /** To everywhere, to who is outside more closely, and to other subnets by what stands between. */
  #table(subnet: SubnetName): ModelRoute[] {
    const enis: readonly Target[] = [...ON_THE_WAY[subnet], 'idle']
    const nat: readonly Target[] = subnet === 'Z' ? [] : ['nat', 'nat']
    const out = (cidr: string): ModelRoute => ({
      cidr,
      target: this.#one(
        cidr.includes(':')
          ? (['igw', 'igw', 'igw', 'eigw', 'eigw', ...enis] as const)
          : (['igw', 'igw', 'igw', ...nat, ...nat, ...enis] as const),
      ),
    })
    const outside = this.#grounds.outside.flatMap((address) => widths(address))
    const others = SUBNETS.filter((each) => each !== subnet)
    return [
      ...ANY.filter(() => this.#likely(0.8)).map(out),
      ...outside.filter(() => this.#likely(0.2)).map(out),
      ...others
        .flatMap((each) => this.#grounds.blocks[each])
        .filter(() => this.#likely(0.15))
        .map((cidr) => ({
          cidr,
          target: this.#one(cidr.includes(':') ? enis : [...enis, ...nat]),
        })),
    ]
  }

  #group() {
    const out: ModelRule[] = this.#likely(0.7)
      ? ANY.map((cidr) => ({ protocol: '-1', peer: { kind: 'block', cidr } }))
      : this.#rules()
    const into: ModelRule[] = this.#likely(0.3)
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
    const outside = this.#grounds.outside.find(isOf(ip))
    if (outside !== undefined && this.#likely(0.15)) return `${outside}/${ip === 4 ? 32 : 128}`
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

const isOf =
  (ip: 4 | 6) =>
  (address: string): boolean =>
    address.includes(':') === (ip === 6)
/** Blocks that an address is in, by their networks. */
function widths(address: string): string[] {
  if (address.includes(':')) return [`${address}/128`, `${cut(address)}::/64`]
  const [a, b, c, d = 0] = address.split('.').map(Number)
  return [`${address}/32`, `${a}.${b}.${c}.${d & 0xf8}/29`, `${a}.${b}.${c}.0/24`]
}
const cut = (ipv6: string): string => ipv6.split('::')[0] ?? ''
const unique = <T>(all: readonly T[]): T[] => [
  ...new Map(all.map((each) => [JSON.stringify(each), each])).values(),
]
