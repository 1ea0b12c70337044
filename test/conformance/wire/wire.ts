// All ENIs' namespaces from one thread: it sends in any of them, answers in all of them, and hears
// every frame that comes out of an ENI. What arrived is what a packet socket heard, never what a
// socket call said.
//
//   exchange: send all ─▶ answer and listen until all that must come has come (or 15 s) ─▶ controls
//   on every link that had to do with it, until several in a row were answered and nothing else came
//   ─▶ what was heard is the verdict
//
// A drop is told by packets, not by a clock: all of it is sent on one processor, whose queue the kernel
// empties in order, so when the router has answered a control, all that was sent before has been
// judged where it was then; so many controls, one after another, see a packet through every
// namespace on the longest way. A drop costs a millisecond, and no verdict hangs on how busy a machine is.

import fs from 'node:fs'
import {
  acceptOne,
  bindTo,
  bytesOf,
  close,
  DATAGRAM,
  echo,
  type Ip,
  listenOn,
  onOneProcessor,
  open,
  openPacket,
  RAW,
  readable,
  receive,
  STREAM,
  send,
} from './libc.ts'
import { arpRequest, frame, markOf } from './packet.ts'
import { parseFrame } from './parse.ts'

/** How long what must come is waited for, and a control's answer: a machine may be busy. */
const PATIENCE_MS = 15_000
/**
 * Controls in a row, each two links long (there and back): the longest way has eight, from an ENI by
 * a NAT gateway and out to the Internet and back to an ENI.
 */
const CONTROLS = 5
/** Whoever goes on and on is no reason to wait for ever. */
const CONTROLS_MAX = 200
/** What stands behind the mark of a packet that nobody is to answer. */
export const UNANSWERED = 0x52
const BROADCAST = 'ff:ff:ff:ff:ff:ff'

/** An ENI in its namespace, or a host outside the VPC (then without a router). */
export type Host = {
  readonly name: string
  readonly netnsFd: number
  readonly mac: string
  readonly ipv4: string
  readonly ipv6: string
  /** The subnet's router: its IPv4 address, and the MAC by which it answers. */
  readonly gateway: string
  readonly router: string
  /** Sends and hears whole frames. */
  readonly packet: number
}

/**
 * What a packet met: it arrived and was answered, it arrived only, some of it did, it arrived at another's
 * or under another's address, its sender was told that it is too big, or nothing.
 */
export type Verdict = 'both' | 'there' | 'some' | 'astray' | 'told' | 'none'

/** One probe, ready to be sent. */
export type Shot = {
  readonly expect: Verdict
  launch(): void
  /** The words that show it arrived, each after the host's name; all of them, or `some`. */
  readonly there: readonly string[]
  /** Those that show the answer came back; none when it has no answer. */
  readonly back?: string
  /** Its mark, where whoever else hears it is a finding. */
  readonly mark?: string
  /** The words that show that its sender was told why it does not arrive. */
  readonly told?: string
  /** Whose links need a control. */
  readonly hosts: readonly Host[]
}

type Listener = { readonly fd: number; readonly kind: 'tcp' | 'udp' | 'raw4' | 'raw6'; host: Host }

export class Wire {
  /** How long what must come is waited for. */
  patienceMs = PATIENCE_MS
  readonly #hosts: Host[] = []
  readonly #listeners = new Map<string, Listener>()
  readonly #accepted = new Map<string, number>()
  readonly #clients = new Set<number>()
  readonly #heard = new Set<string>()
  readonly #marks = new Set<string>()
  readonly #unsent = new Map<number, Buffer>()
  #events = 0
  #count = 0
  #port = 20000

  /** Takes an ENI's namespace in; its interface is up and configured. */
  addHost(plan: Omit<Host, 'netnsFd' | 'packet' | 'router'> & { netns: string; ifindex: number }) {
    const netnsFd = fs.openSync(plan.netns, 'r')
    const packet = openPacket(netnsFd, plan.ifindex)
    const { name, mac, ipv4, ipv6, gateway } = plan
    const host: Host = { name, mac, ipv4, ipv6, gateway, netnsFd, packet, router: '' }
    const router = this.#findRouter(host)
    const whole = { ...host, router }
    this.#hosts.push(whole)
    return whole
  }

  /** Takes a host outside the VPC in: its packets are sent and heard in its own namespace. */
  addOutside(
    plan: Pick<Host, 'name' | 'mac' | 'ipv4' | 'ipv6'> & { netns: string; ifindex: number },
  ) {
    const netnsFd = fs.openSync(plan.netns, 'r')
    const { name, mac, ipv4, ipv6 } = plan
    const packet = openPacket(netnsFd, plan.ifindex)
    const host: Host = { name, mac, ipv4, ipv6, gateway: '', router: '', netnsFd, packet }
    this.#hosts.push(host)
    return host
  }

  /** Lets an ENI's namespace go, with every socket in it. */
  removeHost(host: Host): void {
    this.#hosts.splice(this.#hosts.indexOf(host), 1)
    for (const [key, listener] of this.#listeners) {
      if (listener.host !== host) continue
      close(listener.fd)
      this.#listeners.delete(key)
    }
    this.forgetFlows()
    close(host.packet)
    fs.closeSync(host.netnsFd)
  }

  /** A mark that no packet had before. */
  nextMark(): string {
    return markOf(++this.#count)
  }

  /** A source port (or ICMP id) that no flow had before; they come round after 45,000. */
  nextPort(): number {
    this.#port = this.#port >= 65000 ? 20000 : this.#port + 1
    return this.#port
  }

  /** A socket in a host's namespace that lives until the flows are forgotten. */
  socket(host: Host, ip: Ip, type: number, protocol = 0, port = 0): number {
    const fd = open(host.netnsFd, ip, type, protocol)
    this.#clients.add(fd)
    bindTo(fd, ip === 4 ? host.ipv4 : host.ipv6, port)
    return fd
  }

  /** Has a host answer there: TCP and UDP on a port, other protocols by their number. */
  answer(host: Host, ip: Ip, kind: 'tcp' | 'udp' | 'raw', port: number): void {
    const key = `${host.name} ${ip} ${kind} ${port}`
    if (this.#listeners.has(key)) return
    const type = kind === 'tcp' ? STREAM : kind === 'udp' ? DATAGRAM : RAW
    const fd = open(host.netnsFd, ip, type, kind === 'raw' ? port : 0)
    bindTo(fd, ip === 4 ? host.ipv4 : host.ipv6, kind === 'raw' ? 0 : port)
    if (kind === 'tcp') listenOn(fd)
    const what = kind === 'raw' ? (`raw${ip}` as const) : kind
    this.#listeners.set(key, { fd, kind: what, host })
  }

  /** The answering end's socket of a TCP flow, by its client's port. */
  accepted(host: Host, clientPort: number): number | undefined {
    return this.#accepted.get(`${host.name} ${clientPort}`)
  }

  /** The answering socket of a UDP port. */
  answering(host: Host, ip: Ip, port: number): number | undefined {
    return this.#listeners.get(`${host.name} ${ip} udp ${port}`)?.fd
  }

  /** Whether a host has heard those words. */
  hears = (host: Host, words: string): boolean => this.#heard.has(`${host.name} ${words}`)

  /** Whether any host has heard them. */
  anyoneHears = (words: string): boolean => this.#hosts.some((host) => this.hears(host, words))

  /** Sends bytes on a stream as soon as it is connected. */
  sendWhenConnected(fd: number, bytes: Buffer): void {
    if (!send(fd, bytes)) this.#unsent.set(fd, bytes)
  }

  /** Sends all, and says what each met. Throws when a link's control is not answered. */
  exchange(shots: readonly Shot[], patienceMs = this.patienceMs): Verdict[] {
    return onOneProcessor(() => {
      this.#heard.clear()
      this.#marks.clear()
      shots.forEach((shot, at) => {
        shot.launch()
        if (at % 16 === 15) this.service(0)
      })
      const deadline = performance.now() + patienceMs
      const waiting = new Set(shots.filter(({ expect }) => expect !== 'none'))
      for (;;) {
        for (const shot of waiting) if (this.#verdict(shot) === shot.expect) waiting.delete(shot)
        if (waiting.size === 0 || performance.now() > deadline) break
        this.service(2)
      }
      this.#controls(this.#linksOf(shots))
      return shots.map((shot) => this.#verdict(shot))
    })
  }

  /** Ends every flow: their sockets are closed (TCP with a reset), both ends. */
  forgetFlows(): void {
    for (const fd of [...this.#clients, ...this.#accepted.values()]) close(fd)
    this.#clients.clear()
    this.#accepted.clear()
    this.#unsent.clear()
  }

  /** Closes everything. */
  end(): void {
    for (const host of [...this.#hosts]) this.removeHost(host)
  }

  /** Listens, and answers whoever asks, for at most so long. */
  service(waitMs: number): void {
    const listeners = new Map([...this.#listeners.values()].map((each) => [each.fd, each]))
    const packets = new Map(this.#hosts.map((host) => [host.packet, host]))
    const fds = [...packets.keys(), ...listeners.keys(), ...this.#accepted.values()]
    for (const [fd, bytes] of this.#unsent) if (send(fd, bytes)) this.#unsent.delete(fd)
    for (const fd of readable(fds, waitMs)) {
      const [host, listener] = [packets.get(fd), listeners.get(fd)]
      if (host !== undefined) {
        this.#hear(host)
        continue
      }
      this.#events++
      if (listener?.kind === 'tcp') this.#accept(listener)
      else if (listener !== undefined) this.#answer(listener)
      else for (let got = receive(fd); got?.length; got = receive(fd)) send(fd, Buffer.from(got))
    }
  }

  #hear(host: Host): void {
    for (let got = receive(host.packet); got !== undefined; got = receive(host.packet)) {
      // A host outside may be a router as well: what it only sends on is not for it.
      if (!hasRouter(host) && !isFor(got, host)) continue
      for (const words of parseFrame(got)) {
        if (!this.#heard.has(`${host.name} ${words}`)) this.#events++
        this.#heard.add(`${host.name} ${words}`)
        const mark = /^(m\w{7}) from /.exec(words)?.[1]
        if (mark !== undefined) this.#marks.add(mark)
      }
    }
  }

  #accept({ fd, host }: Listener): void {
    for (let got = acceptOne(fd); got !== undefined; got = acceptOne(fd)) {
      const key = `${host.name} ${got.port}`
      const before = this.#accepted.get(key)
      if (before !== undefined) close(before)
      this.#accepted.set(key, got.fd)
    }
  }

  /** Sends back what came. An answer of another protocol says that it is one: nobody answers it. */
  #answer({ fd, kind }: Listener): void {
    for (let got = receive(fd); got !== undefined; got = receive(fd)) {
      const body = got.subarray(kind === 'raw4' ? ((got[0] ?? 0) & 15) * 4 : 0)
      if (body[8] === UNANSWERED) continue
      if (kind === 'udp') echo(fd, Buffer.from(body))
      else echo(fd, Buffer.concat([body.subarray(0, 8), Buffer.of(UNANSWERED)]))
    }
  }

  #verdict({ there, back, mark, told }: Shot): Verdict {
    const count = there.filter((words) => this.#heard.has(words)).length
    if (back !== undefined && this.#heard.has(back)) return 'both'
    if (told !== undefined && this.#heard.has(told)) return 'told'
    if (count > 0) return count === there.length ? 'there' : 'some'
    return mark !== undefined && this.#marks.has(mark) ? 'astray' : 'none'
  }

  /** Whose controls follow these: where they are from or for, or else any that none of them is like. */
  #linksOf(shots: readonly Shot[]): ReadonlySet<Host> {
    const links = new Set(shots.flatMap(({ hosts }) => hosts).filter(hasRouter))
    const words = new Set(shots.flatMap(({ there }) => there))
    const other = this.#hosts.find((h) => hasRouter(h) && !words.has(this.#controlWords(h)))
    return links.size === 0 && other !== undefined ? new Set([other]) : links
  }

  /** Controls until so many in a row were answered and nobody heard or said anything else. */
  #controls(hosts: ReadonlySet<Host>): void {
    let quiet = 0
    for (let count = 0; quiet < CONTROLS && count < CONTROLS_MAX; count++) {
      const before = this.#events
      this.#control(hosts)
      this.service(0)
      quiet = this.#events - before === hosts.size ? quiet + 1 : 0
    }
  }

  #control(hosts: ReadonlySet<Host>): void {
    const deadline = performance.now() + PATIENCE_MS
    for (const host of hosts) {
      this.#heard.delete(this.#controlWords(host))
      this.#askRouter(host)
    }
    let asked = performance.now()
    for (;;) {
      const open = [...hosts].filter((host) => !this.#heard.has(this.#controlWords(host)))
      if (open.length === 0) return
      if (performance.now() > deadline) {
        const names = open.map(({ name }) => name).join(', ')
        throw new Error(`control: the router answers ${names} no ARP, so no drop can be told`)
      }
      if (performance.now() - asked > 300) {
        for (const host of open) this.#askRouter(host)
        asked = performance.now()
      }
      this.service(2)
    }
  }

  #controlWords({ name, gateway, ipv4 }: Host): string {
    return `${name} arp 2 ${bytesOf(gateway).toString('hex')} ${bytesOf(ipv4).toString('hex')}`
  }

  #askRouter({ mac, ipv4, gateway, packet }: Host): void {
    send(packet, frame(BROADCAST, mac, 0x0806, arpRequest(mac, ipv4, gateway)))
  }

  #findRouter(host: Host): string {
    const answer = Buffer.concat([Buffer.of(0, 2), Buffer.alloc(6), bytesOf(host.gateway)])
    const deadline = performance.now() + PATIENCE_MS
    while (performance.now() < deadline) {
      this.#askRouter(host) // Again and again: until the link is up the kernel drops it.
      const until = performance.now() + 100
      for (let left = 100; left > 0; left = until - performance.now()) {
        readable([host.packet], Math.ceil(left))
        for (let got = receive(host.packet); got !== undefined; got = receive(host.packet)) {
          for (const words of parseFrame(got)) this.#heard.add(`${host.name} ${words}`)
          const isArp = got.readUInt16BE(12) === 0x0806 && got.readUInt16BE(20) === 2
          if (!isArp || !got.subarray(28, 32).equals(answer.subarray(8))) continue
          return [...got.subarray(22, 28)].map((b) => b.toString(16).padStart(2, '0')).join(':')
        }
      }
    }
    throw new Error(`the router ${host.gateway} answers ${host.name} no ARP`)
  }
}

const hasRouter = ({ gateway }: Host): boolean => gateway !== ''

/** Whether an IP packet is for one of a host's addresses; other frames are. */
function isFor(bytes: Buffer, { ipv4, ipv6 }: Host): boolean {
  const [ethertype, packet] = [bytes.readUInt16BE(12), bytes.subarray(14)]
  if (ethertype === 0x0800) return packet.subarray(16, 20).equals(bytesOf(ipv4))
  return ethertype !== 0x86dd || packet.subarray(24, 40).equals(bytesOf(ipv6))
}
