// Reads the text of a probe (row.ts) and makes it ready to be sent: what goes out, by which words it
// is known where it arrives, and by which the answer is known.
//
//   FROM[(as NAME)|(mac NAME)][:PORT]>TO WHAT [at HOST] [as ADDRESS] [#flow]
//   WHAT   tcp P · udp P · ping · icmp T/C · proto N · parts P (a UDP datagram in two fragments) ·
//          tail P (its second fragment alone) · ethertype H · vlan N · arp · claim (an unasked ARP reply
//          or neighbour advertisement)
//          dns (a question for a name of EC2's) · sized N (a datagram of N bytes that may not be cut) ·
//          cuttable N (one that may be) · token N (asks the metadata service, whose answer has N hops) ·
//          lease (asks all for an address; what counts is the offer, with TO as its name server)
//   at     who hears it, where that is not who is asked; `as`: under which address, where that changes
//   TO     an ENI, `router`, `imds`, `resolver` (VPC+2), `resolver2`, `nowhere` (an address of nobody's);
//          `b@X50` is b at the 50th address of subnet X, `b!` b at its public one
//   #flow  names a flow that is there to be spoken on again: `#flow` from its client, `#flow back`

import { hostIn } from './stage/blocks.ts'
import type { Stage } from './stage/stage.ts'
import { bytesOf, connectTo, DATAGRAM, type Ip, RAW, STREAM, send } from './wire/libc.ts'
import * as packet from './wire/packet.ts'
import { type Host, type Shot, UNANSWERED, type Verdict } from './wire/wire.ts'

/** Where the instance metadata service is (EC2 user guide, "Access instance metadata"). */
const IMDS = { 4: '169.254.169.254', 6: 'fd00:ec2::254' } as const
/** The resolver beside VPC+2 (VPC user guide, "Amazon DNS server"). */
const RESOLVER: Readonly<Record<Ip, string | undefined>> = { 4: undefined, 6: 'fd00:ec2::253' }
const RESOLVER_LINK_LOCAL = '169.254.169.253'
/** RFC 5737 and RFC 3849: nobody's. */
const NOBODY = { 4: '192.0.2.7', 6: '2001:db8:ffff::7' } as const
/** Everybody on the link: the limited broadcast, and all nodes (RFC 919, RFC 4291). */
const ALL = { 4: '255.255.255.255', 6: 'ff02::1' } as const
/** What an internet gateway takes (EC2 user guide, "Network maximum transmission unit"). */
const OUTSIDE_MTU = 1500
const SIZED_PORT = 9
const ICMP = { 4: 1, 6: 58 } as const
const ECHO = { 4: [8, 0], 6: [128, 129] } as const
/** Linux answers these beside echo: timestamp. */
const ANSWERED = { 4: { 13: 14 }, 6: {} } as const
const ERRORS = { 4: [3, 11, 12], 6: [1, 2, 3, 4] } as const

type Flow = {
  readonly kind: 'tcp' | 'udp' | 'ping'
  readonly ip: Ip
  readonly fd: number
  readonly from: Host
  readonly to: Host
  /** The client's, and the one that it called. */
  readonly port: number
  readonly called: number
}

/** The probes of a stage, and the flows that they left. */
export class Probes {
  readonly #stage: Stage
  readonly #flows = new Map<string, Flow>()

  constructor(stage: Stage) {
    this.#stage = stage
  }

  /** Ends all flows. */
  forget(): void {
    this.#flows.clear()
    this.#stage.wire.forgetFlows()
  }

  /** The probe of that text; throws when it says nothing that can be sent. */
  read(text: string, ip: Ip, expect: Verdict): Shot {
    const spoken = /^#(\w+)( back)?$/.exec(text)
    if (spoken !== null) return this.#speak(spoken[1] ?? '', spoken[2] !== undefined, expect)
    const found =
      /^(\w)(?:\((as|mac) ([\w.:!]+)\))?(?::(\d+))?>([\w!]+(?:@[\w.:]+)?) (\w+)(?: ([\d/a-f]+))?(?: at (\w))?(?: as ([\w.:!]+))?(?: #(\w+))?$/.exec(
        text,
      )
    if (found === null) throw new Error(`'${text}' is no probe`)
    const [, source = '', by, other = '', port, target = '', what = '', detail = ''] = found
    const [at, as, flow] = found.slice(8)
    const from = this.#stage.host(source)
    const seen = as === undefined ? this.#own(from, ip) : this.#at(as, ip)
    const heardBy = at === undefined ? this.#end(target) : this.#stage.host(at)
    const plan = { ip, from, target, detail, expect, flow, heardBy, seen, port: Number(port ?? 0) }
    if (what === 'ethertype' || what === 'vlan') return this.#frame(plan, what)
    if (what === 'arp') return this.#arp(plan, by, other)
    if (what === 'claim') return this.#claim(plan)
    if (by !== undefined) return this.#forged(plan, by, other, what)
    if (what === 'parts' || what === 'tail') return this.#parts(plan, what)
    if (what === 'tcp') return this.#tcp(plan)
    if (what === 'udp') return this.#udp(plan)
    if (what === 'dns') return this.#dns(plan)
    if (what === 'ping' || what === 'icmp') return this.#icmp(plan, what)
    if (what === 'proto') return this.#protocol(plan)
    if (what === 'token') return this.#token(plan)
    if (what === 'lease') return this.#lease(plan)
    if (what === 'sized' || what === 'cuttable') return this.#sized(plan, what)
    throw new Error(`'${text}': what is '${what}'?`)
  }

  /** Datagrams without end, one a call: what to send, and by which words each is known. */
  flood(text: string, ip: Ip): { send: () => string; words: (mark: string) => string } {
    const [, source = '', target = '', port = ''] = /^(\w)>(\w) udp (\d+)$/.exec(text) ?? []
    const { wire } = this.#stage
    const from = this.#stage.host(source)
    const address = this.#at(target, ip)
    // Opened by the first call: taking an ENI's namespace out ends all flows.
    let fd: number | undefined
    return {
      send: () => {
        fd ??= wire.socket(from, ip, DATAGRAM, 0, wire.nextPort())
        const mark = wire.nextMark()
        send(fd, Buffer.from(mark), address, Number(port))
        return mark
      },
      words: (mark) => `${mark} from ${hex(this.#own(from, ip))}`,
    }
  }

  #tcp({ ip, from, target, detail, expect, flow, port, heardBy }: Plan): Shot {
    const { wire } = this.#stage
    const [to, address, source] = [this.#end(target), this.#at(target, ip), port || wire.nextPort()]
    const called = Number(detail)
    if (to !== undefined) wire.answer(to, ip, 'tcp', Number(detail))
    return {
      expect,
      hosts: ends(from, to, heardBy),
      launch: () => {
        const fd = wire.socket(from, ip, STREAM, 0, source)
        connectTo(fd, address, Number(detail))
        if (to !== undefined)
          this.#keep(flow, { kind: 'tcp', fd, from, to, port: source, called, ip })
      },
      // Of who is no ENI only the answer is known; a refusal (RST, ACK) is one, and no pass.
      there: [
        to === undefined
          ? `${from.name} tcp ${detail} ${source} 20`
          : `${(heardBy ?? to).name} tcp ${source} ${detail} 2`,
      ],
      back: `${from.name} tcp ${detail} ${source} 18`,
    }
  }

  #udp({ ip, from, target, detail, expect, flow, port, heardBy, seen }: Plan): Shot {
    const { wire } = this.#stage
    const [to, mark, called] = [this.#known(target), wire.nextMark(), Number(detail)]
    wire.answer(to, ip, 'udp', called)
    return {
      expect,
      mark,
      hosts: ends(from, to, heardBy),
      launch: () => {
        const source = port || wire.nextPort()
        const fd = wire.socket(from, ip, DATAGRAM, 0, source)
        connectTo(fd, this.#at(target, ip), Number(detail))
        this.#keep(flow, { kind: 'udp', fd, from, to, port: source, called, ip })
        send(fd, Buffer.from(mark))
      },
      there: [`${(heardBy ?? to).name} ${mark} from ${hex(seen)}`],
      back: `${from.name} ${mark} from ${hex(this.#at(target, ip))}`,
    }
  }

  #icmp({ ip, from, target, detail, expect, flow, heardBy, seen }: Plan, what: string): Shot {
    const { wire } = this.#stage
    const [to, mark, id] = [this.#end(target), wire.nextMark(), wire.nextPort()]
    const [type = 0, code = 0] = what === 'ping' ? [ECHO[ip][0]] : detail.split('/').map(Number)
    const isError = (ERRORS[ip] as readonly number[]).includes(type)
    const [mine, theirs] = [this.#own(from, ip), this.#at(target, ip)]
    const about = packet.udpBytes(theirs, mine, { source: 9, target: id }, Buffer.from(mark))
    const words = isError ? packet.ipPacket(theirs, mine, 17, about) : Buffer.from(mark)
    const answer = (ANSWERED[ip] as Record<number, number>)[type]
    const echoed = type === ECHO[ip][0]
    return {
      expect,
      mark,
      hosts: ends(from, to, heardBy),
      launch: () => {
        const fd = wire.socket(from, ip, RAW, ICMP[ip])
        if (to !== undefined)
          this.#keep(flow, { kind: 'ping', fd, from, to, port: id, called: 0, ip })
        send(
          fd,
          packet.icmpBytes(ip, mine, theirs, { type, code, id: isError ? 0 : id }, words),
          theirs,
        )
      },
      there: heardBy === undefined ? [] : [`${heardBy.name} ${mark} from ${hex(seen)}`],
      ...(echoed ? { back: `${from.name} icmp ${ECHO[ip][1]} ${id}` } : {}),
      ...(answer === undefined ? {} : { back: `${from.name} icmp ${answer} ${id}` }),
    }
  }

  #dns({ ip, from, target, expect }: Plan): Shot {
    const { wire } = this.#stage
    const source = wire.nextPort()
    return {
      expect,
      hosts: [from],
      launch: () => {
        const fd = wire.socket(from, ip, DATAGRAM, 0, source)
        connectTo(fd, this.#at(target, ip), 53)
        send(fd, packet.dnsQuestion(source, 'ip-10-0-0-4.ec2.internal'))
      },
      there: [],
      back: `${from.name} udp 53 ${source}`,
    }
  }

  #token({ ip, from, target, detail, expect }: Plan): Shot {
    const { wire } = this.#stage
    const source = wire.nextPort()
    const host = ip === 4 ? IMDS[4] : `[${IMDS[6]}]`
    const asked = [
      'PUT /latest/api/token HTTP/1.1',
      `Host: ${host}`,
      'X-aws-ec2-metadata-token-ttl-seconds: 60',
    ]
    return {
      expect,
      hosts: [from],
      launch: () => {
        const fd = wire.socket(from, ip, STREAM, 0, source)
        connectTo(fd, this.#at(target, ip), 80)
        wire.sendWhenConnected(fd, Buffer.from(`${asked.join('\r\n')}\r\n\r\n`))
      },
      there: [`${from.name} tcp 80 ${source} 18`],
      back: `${from.name} http 200 80 ${source} ${detail}`,
    }
  }

  #lease({ from, target, expect }: Plan): Shot {
    const number = this.#stage.wire.nextPort()
    const question = packet.leaseQuestion(number, from.mac)
    const offer = [number.toString(16).padStart(8, '0'), hex(from.ipv4), hex(this.#at(target, 4))]
    return {
      expect,
      hosts: [from],
      launch: () =>
        send(from.packet, packet.frame('ff:ff:ff:ff:ff:ff', from.mac, 0x0800, question)),
      there: [],
      back: `${from.name} lease ${offer.join(' ')}`,
    }
  }

  #protocol({ ip, from, target, detail, expect, heardBy }: Plan): Shot {
    const { wire } = this.#stage
    const [to, mark] = [this.#known(target), wire.nextMark()]
    wire.answer(to, ip, 'raw', Number(detail))
    return {
      expect,
      mark,
      hosts: ends(from, to, heardBy),
      launch: () => {
        const fd = wire.socket(from, ip, RAW, Number(detail))
        send(fd, Buffer.from(mark), this.#at(target, ip))
      },
      ...both(from, to, ip, mark),
      there: [`${(heardBy ?? to).name} ${mark} from ${hex(this.#own(from, ip))}`],
    }
  }

  /** A datagram under another's address or MAC. Whoever hears it, or its answer, is a finding. */
  #forged(
    { ip, from, target, detail, expect, port, heardBy, seen }: Plan,
    by: string,
    other: string,
    what: string,
  ) {
    const { wire } = this.#stage
    const [to, mark, source] = [this.#end(target), wire.nextMark(), port || wire.nextPort()]
    const mine = by === 'as' ? this.#at(other, ip) : this.#own(from, ip)
    const mac = by === 'mac' ? this.#stage.host(other).mac : from.mac
    const theirs = this.#at(target, ip)
    const icmp = { type: ECHO[ip][0], code: 0, id: source }
    const body =
      what === 'ping'
        ? packet.icmpBytes(ip, mine, theirs, icmp, Buffer.from(mark))
        : what === 'tcp'
          ? packet.synBytes(mine, theirs, { source, target: Number(detail) })
          : packet.udpBytes(mine, theirs, { source, target: Number(detail) }, unanswered(mark))
    const protocol = what === 'ping' ? ICMP[ip] : what === 'tcp' ? 6 : 17
    const whole = packet.ipPacket(mine, theirs, protocol, body)
    // To all: whoever hears it first, a neighbour. To the metadata service: whose address it is.
    const receiver = heardBy?.name ?? (target === 'all' ? 'e' : other)
    // Under its own address it may be translated; under another's it is that one's.
    const shown = seen === this.#own(from, ip) ? mine : seen
    // Who listens there says nothing; where nobody did, the kernel would.
    if (to !== undefined && what === 'udp') wire.answer(to, ip, 'udp', Number(detail))
    const dst = target === 'all' ? 'ff:ff:ff:ff:ff:ff' : from.router
    return {
      expect,
      ...(what === 'udp' ? { mark } : {}),
      hosts: ends(from, to, heardBy),
      launch: () => send(from.packet, packet.frame(dst, mac, etherOf(ip), whole)),
      there: [
        what === 'tcp'
          ? `${receiver} tcp ${detail} ${source} 18`
          : `${receiver} ${mark} from ${hex(shown)}`,
      ],
    }
  }

  #parts({ ip, from, target, detail, expect, heardBy }: Plan, what: string): Shot {
    const { wire } = this.#stage
    const to = heardBy ?? this.#known(target)
    const [first, later, id] = [wire.nextMark(), wire.nextMark(), wire.nextPort()]
    const [mine, theirs] = [this.#own(from, ip), this.#at(target, ip)]
    // The first fragment holds 8 bytes of UDP and 1,000 of words; the second begins with its mark.
    const words = Buffer.alloc(1400)
    words.write(first, 0)
    words.write(later, 1000)
    const ports = { source: wire.nextPort(), target: Number(detail) }
    const body = packet.udpBytes(mine, theirs, ports, words)
    const part = (offset: number, end: number): Buffer =>
      packet.ipPacket(mine, theirs, 17, body.subarray(offset, end), {
        id,
        offset,
        more: end < body.length,
      })
    const parts = [part(0, 1008), part(1008, body.length)].slice(what === 'tail' ? 1 : 0)
    const words2 = [
      `${to.name} ${first} from ${hex(mine)}`,
      `${to.name} part ${later} from ${hex(mine)}`,
    ]
    return {
      expect,
      hosts: ends(from, to),
      launch: () => {
        for (const each of parts) {
          send(from.packet, packet.frame(from.router, from.mac, etherOf(ip), each))
        }
      },
      there: words2.slice(what === 'tail' ? 1 : 0),
    }
  }

  /** A datagram of so many bytes, IP's head and all; its sender may be told what would fit. */
  #sized({ ip, from, target, detail, expect, heardBy, seen }: Plan, what: string): Shot {
    const { wire } = this.#stage
    const [to, mark, bytes] = [this.#known(target), wire.nextMark(), Number(detail)]
    wire.answer(to, ip, 'udp', SIZED_PORT)
    const [mine, theirs] = [this.#own(from, ip), this.#at(target, ip)]
    const words = Buffer.alloc(bytes - (ip === 4 ? 20 : 40) - 8)
    unanswered(mark).copy(words)
    const ports = { source: wire.nextPort(), target: SIZED_PORT }
    const whole = packet.ipPacket(mine, theirs, 17, packet.udpBytes(mine, theirs, ports, words))
    const sent = what === 'sized' ? packet.uncut(whole) : whole
    return {
      expect,
      mark,
      hosts: ends(from, to, heardBy),
      launch: () => send(from.packet, packet.frame(from.router, from.mac, etherOf(ip), sent)),
      there: [`${(heardBy ?? to).name} ${mark} from ${hex(seen)}`],
      told: `${from.name} told ${mark} ${OUTSIDE_MTU}`,
    }
  }

  /** A frame to another ENI's MAC, or to all (`nowhere`), that is no plain IP. */
  #frame({ from, target, detail, expect, ip }: Plan, what: string): Shot {
    const { wire } = this.#stage
    const [to, mark] = [this.#end(target), wire.nextMark()]
    const ethertype = what === 'vlan' ? 0x8100 : Number.parseInt(detail, 16)
    const listener = to ?? this.#stage.host(from.name === 'b' ? 'a' : 'b')
    const datagram = packet.ipPacket(
      this.#own(from, ip),
      this.#own(listener, ip),
      17,
      packet.udpBytes(
        this.#own(from, ip),
        this.#own(listener, ip),
        { source: wire.nextPort(), target: 80 },
        Buffer.from(mark),
      ),
    )
    const tag = Buffer.of(0, Number(detail), etherOf(ip) >>> 8, etherOf(ip) & 0xff)
    const body =
      what === 'vlan' ? Buffer.concat([tag, datagram]) : Buffer.from(mark.padEnd(46, '.'))
    const mac = to?.mac ?? (target === 'router' ? from.router : 'ff:ff:ff:ff:ff:ff')
    const words = what === 'vlan' ? `${mark} from ${hex(this.#own(from, ip))}` : mark
    return {
      expect,
      hosts: ends(from, listener),
      launch: () => send(from.packet, packet.frame(mac, from.mac, ethertype, body)),
      there: [`${listener.name} ${words}`],
    }
  }

  /** An ARP request for the router or a neighbour; what counts is whether anybody is told. */
  #arp({ from, target, expect }: Plan, by: string | undefined, other: string): Shot {
    const mine = by === 'as' ? this.#at(other, 4) : from.ipv4
    const mac = by === 'mac' ? this.#stage.host(other).mac : from.mac
    const theirs = target === 'router' ? from.gateway : this.#at(target, 4)
    const words = `arp 2 ${hex(theirs)} ${hex(mine)}`
    return {
      expect,
      hosts: [],
      launch: () =>
        send(
          from.packet,
          packet.frame('ff:ff:ff:ff:ff:ff', from.mac, 0x0806, packet.arpRequest(mac, mine, theirs)),
        ),
      there: [`${from.name} ${words}`],
    }
  }

  /** Says unasked that the target's address is at the sender's MAC, to everybody. */
  #claim({ ip, from, target, expect }: Plan): Shot {
    const [victim, theirs] = [this.#stage.host('e'), this.#at(target, ip)]
    const all = 'ff02::1'
    return {
      expect,
      hosts: ends(from, victim),
      launch: () => {
        const frame =
          ip === 4
            ? packet.frame(
                'ff:ff:ff:ff:ff:ff',
                from.mac,
                0x0806,
                packet.arp(2, from.mac, theirs, theirs),
              )
            : packet.frame(
                '33:33:00:00:00:01',
                from.mac,
                0x86dd,
                packet.neighbourAdvert(theirs, all, theirs, from.mac),
              )
        send(from.packet, frame)
      },
      there: [
        ip === 4
          ? `${victim.name} arp 2 ${hex(theirs)} ${hex(theirs)}`
          : `${victim.name} icmp 136 8192`,
      ],
    }
  }

  #speak(name: string, back: boolean, expect: Verdict): Shot {
    const flow = this.#flows.get(name)
    if (flow === undefined) throw new Error(`there is no flow #${name}`)
    const { wire } = this.#stage
    const { from, to, ip, port, called, kind, fd } = flow
    const mark = wire.nextMark()
    const words = both(from, to, ip, mark)
    if (kind === 'ping') {
      const echo = { type: ECHO[ip][0], code: 0, id: port }
      const [mine, theirs] = [this.#own(from, ip), this.#own(to, ip)]
      const message = packet.icmpBytes(ip, mine, theirs, echo, Buffer.from(mark))
      const launch = (): void => void send(fd, message, theirs)
      return { expect, mark, hosts: ends(from, to), launch, ...words }
    }
    if (!back) {
      const launch = (): void => void send(fd, Buffer.from(mark))
      return { expect, mark, hosts: ends(from, to), launch, ...words }
    }
    return {
      expect,
      hosts: ends(from, to),
      launch: () => {
        const answering = kind === 'tcp' ? wire.accepted(to, port) : wire.answering(to, ip, called)
        if (answering === undefined) throw new Error(`flow #${name} has no other end`)
        if (kind === 'tcp') send(answering, Buffer.from(mark))
        else send(answering, Buffer.from(mark), this.#own(from, ip), port)
      },
      there: [words.back],
    }
  }

  #keep(name: string | undefined, flow: Flow): void {
    if (name !== undefined) this.#flows.set(name, flow)
  }

  #own = (host: Host, ip: Ip): string => (ip === 4 ? host.ipv4 : host.ipv6)

  #known = (target: string): Host => this.#stage.host(nameIn(target))

  #end(target: string): Host | undefined {
    const name = nameIn(target)
    return this.#stage.has(name) ? this.#stage.host(name) : undefined
  }

  #at(target: string, ip: Ip): string {
    if (target === 'imds') return IMDS[ip]
    if (target === 'nowhere') return NOBODY[ip]
    if (target === 'all') return ALL[ip]
    if (target === 'router') return this.#stage.host('a').gateway
    if (target === 'resolver') return RESOLVER[ip] ?? hostIn(this.#stage.block('vpc', 4) ?? '', 2)
    if (target === 'resolver2') return RESOLVER_LINK_LOCAL
    const address = this.#stage.address(target.split('@').at(-1) ?? '', ip)
    if (address === undefined) throw new Error(`'${target}' is nobody`)
    return address
  }
}

type Plan = {
  readonly ip: Ip
  readonly from: Host
  readonly target: string
  readonly detail: string
  readonly expect: Verdict
  readonly flow: string | undefined
  /** 0: any. */
  readonly port: number
  /** Who hears it, and the sender's address as it is then. */
  readonly heardBy: Host | undefined
  readonly seen: string
}

/** Whose address it is: `b` of `b@X50`, of `b!`. */
const nameIn = (target: string): string => target.split('@')[0]?.replace('!', '') ?? ''
const unanswered = (mark: string): Buffer =>
  Buffer.concat([Buffer.from(mark), Buffer.of(UNANSWERED)])
const hex = (address: string): string => bytesOf(address).toString('hex')
const etherOf = (ip: Ip): number => (ip === 4 ? 0x0800 : 0x86dd)
const ends = (...hosts: (Host | undefined)[]): Host[] =>
  hosts.filter((host): host is Host => host !== undefined)

function both(from: Host, to: Host, ip: Ip, mark: string): { there: string[]; back: string } {
  const [mine, theirs] = ip === 4 ? [from.ipv4, to.ipv4] : [from.ipv6, to.ipv6]
  return {
    there: [`${to.name} ${mark} from ${hex(mine)}`],
    back: `${from.name} ${mark} from ${hex(theirs)}`,
  }
}
