// A hostile task, run inside a namespace by the tests of the kernel hands: it tries every way that
// root with NET_RAW (Docker's default) has of putting a packet on its link. Its own system calls,
// its own frames: nothing of what it tests. Prints one JSON line.
//
//   node kernel-packets.ts serve                       listens on tcp/80, says "ready"
//   node kernel-packets.ts probe '{"connect": […], "frames": {…}}'

import net from 'node:net'
import koffi from 'koffi'

/** What a frame variant does: `honest` ones must pass to a peer; none may pass to IMDS. */
export type Variant = {
  readonly name: string
  readonly honest: boolean
  readonly bypass: boolean
  /** SOCK_RAW writes the Ethernet header itself, SOCK_DGRAM leaves it to the kernel. */
  readonly type: 'raw' | 'dgram'
  /** The protocol that the sender declares. */
  readonly declared: 'true' | 'none' | 'arp' | 'other family' | 'vlan'
  /** Whether the frame carries a VLAN tag of id 0, which a Linux receiver takes off. */
  readonly tagged: boolean
}

/** What to send: a datagram to each address, by each variant, port 5000 plus the variant's index. */
export type Frames = {
  readonly link: string
  readonly ifindex: number
  readonly sourceMac: string
  readonly gatewayMac: string
  readonly source4: string
  readonly source6: string
  readonly to: readonly string[]
}

const KINDS: readonly Omit<Variant, 'bypass'>[] = [
  { name: 'packet socket', honest: true, type: 'raw', declared: 'true', tagged: false },
  { name: 'no protocol declared', honest: true, type: 'raw', declared: 'none', tagged: false },
  { name: 'cooked packet socket', honest: true, type: 'dgram', declared: 'true', tagged: false },
  { name: 'declared as ARP', honest: false, type: 'raw', declared: 'arp', tagged: false },
  { name: 'other family', honest: false, type: 'raw', declared: 'other family', tagged: false },
  { name: 'VLAN 0', honest: false, type: 'raw', declared: 'vlan', tagged: true },
  { name: 'VLAN 0, none declared', honest: false, type: 'raw', declared: 'none', tagged: true },
  { name: 'VLAN 0 declared as IP', honest: false, type: 'raw', declared: 'true', tagged: true },
  { name: 'VLAN 0 as ARP', honest: false, type: 'raw', declared: 'arp', tagged: true },
]

/** Every way to send; each also past the queueing discipline (PACKET_QDISC_BYPASS). */
export const VARIANTS: readonly Variant[] = KINDS.flatMap((kind) => [
  { ...kind, bypass: false },
  { ...kind, name: `${kind.name}, bypass`, bypass: true },
])

export const PORT_BASE = 5000

const macBytes = (mac: string): Buffer => Buffer.from(mac.replaceAll(':', ''), 'hex')

function ipBytes(address: string): Buffer {
  if (net.isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  const [head = '', tail = ''] = address.split('::')
  const words = (part: string) => (part === '' ? [] : part.split(':'))
  const [left, right] = [words(head), words(tail)]
  const zeros = Array<string>(8 - left.length - right.length).fill('0')
  const bytes = Buffer.alloc(16)
  for (const [i, word] of [...left, ...zeros, ...right].entries()) {
    bytes.writeUInt16BE(Number.parseInt(word, 16), i * 2)
  }
  return bytes
}

function sum16(bytes: Buffer): number {
  let sum = 0
  for (let i = 0; i + 1 < bytes.length; i += 2) sum += bytes.readUInt16BE(i)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

function datagram(source: Buffer, to: Buffer, port: number): Buffer {
  const udp = Buffer.alloc(16)
  udp.writeUInt16BE(4000, 0)
  udp.writeUInt16BE(port, 2)
  udp.writeUInt16BE(16, 4)
  if (to.length === 16) {
    const header = Buffer.from([0x60, 0, 0, 0, 0, 16, 17, 64])
    return Buffer.concat([header, source, to, udp])
  }
  const header = Buffer.from([0x45, 0, 0, 36, 0, 0, 0, 0, 64, 17, 0, 0, ...source, ...to])
  header.writeUInt16BE(sum16(header), 10)
  return Buffer.concat([header, udp])
}

const libc = koffi.load('libc.so.6')
const socket = libc.func('int socket(int, int, int)')
const close = libc.func('int close(int)')
const setsockopt = libc.func('int setsockopt(int, int, int, const uint8_t *, uint32_t)')
const sendto = libc.func(
  'int64_t sendto(int, const uint8_t *, size_t, int, const uint8_t *, uint32_t)',
)

function send(variant: Variant, frames: Frames, to: string, port: number): string {
  const ipv6 = net.isIPv6(to)
  const payload = datagram(ipBytes(ipv6 ? frames.source6 : frames.source4), ipBytes(to), port)
  const truth = ipv6 ? 0x86dd : 0x0800
  const declared = {
    true: truth,
    none: 0,
    arp: 0x0806,
    'other family': ipv6 ? 0x0800 : 0x86dd,
    vlan: 0x8100,
  }[variant.declared]
  // The tag's priority makes it look like the first half-byte of an IP header of either version.
  const tag = variant.tagged ? [0x81, 0, ipv6 ? 0x60 : 0x40, 0] : []
  const ethertype = [...tag, truth >> 8, truth & 0xff]
  const macs = [macBytes(frames.gatewayMac), macBytes(frames.sourceMac)]
  const ethernet = Buffer.concat([...macs, Buffer.from(ethertype)])
  const frame = variant.type === 'raw' ? Buffer.concat([ethernet, payload]) : payload

  const fd = socket(17, variant.type === 'raw' ? 3 : 2, 0) as number
  if (fd < 0) return 'no socket'
  const one = Buffer.from([1, 0, 0, 0])
  if (variant.bypass && setsockopt(fd, 263, 20, one, 4) !== 0) return 'no bypass'
  const address = Buffer.alloc(20)
  address.writeUInt16LE(17, 0)
  address.writeUInt16BE(declared, 2)
  address.writeInt32LE(frames.ifindex, 4)
  address[11] = 6
  macBytes(frames.gatewayMac).copy(address, 12)
  const sent = sendto(fd, frame, frame.length, 0, address, 20)
  close(fd)
  return Number(sent) === frame.length ? 'sent' : 'refused'
}

/** Whether a TCP connection comes about within 150 ms. */
function connects(host: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = net.connect({ host, port: 80, timeout: 150 })
  socket.on('connect', () => resolve(true))
  socket.on('timeout', () => resolve(false))
  socket.on('error', () => resolve(false))
  return promise.finally(() => socket.destroy())
}

/** What `probe` is told. */
export type ProbeRequest = { readonly connect: readonly string[]; readonly frames?: Frames }

async function probe({ connect, frames }: ProbeRequest): Promise<void> {
  const open = await Promise.all(connect.map(connects))
  for (const to of frames?.to ?? []) {
    for (const [i, variant] of VARIANTS.entries()) {
      if (frames !== undefined) send(variant, frames, to, PORT_BASE + i)
    }
  }
  console.log(JSON.stringify(connect.filter((_, i) => open[i])))
}

if (process.argv[2] === 'serve') {
  net.createServer((socket) => socket.end()).listen(80, '::', () => console.log('ready'))
}
if (process.argv[2] === 'probe') {
  await probe(JSON.parse(process.argv[3] ?? '{}') as ProbeRequest)
}
