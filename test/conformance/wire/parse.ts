// What a frame that came in is: the words by which whoever waits for it knows it. Pure.
//
//   a mark, and who sent it      `m0000a1 from 0a000064`   UDP, TCP with data, ICMP, any protocol
//   a segment without data       `tcp 40001 80 2`          ports and SYN (2), ACK (16), RST (4)
//   a server's word over HTTP    `http 200 80 40001 1`     status, ports, and how many hops it has left
//   a lease that is offered      `lease 1a2b3c4d 0a000064 0a000002` the question's number, address, name servers
//   a datagram by its ports          `udp 53 40001`         for answers without our words
//   that a packet is too big      `told m0000a1 1500`      whose mark, and what would fit
//   ICMP by its own              `icmp 14 4711`            type and id, for answers without our words
//   a fragment that is no first  `part m0000a1 from …`
//   ARP                          `arp 2 0a000001 0a000064` operation, sender, target

const ERRORS = { 4: [3, 11, 12], 6: [1, 2, 3, 4] } as const

/** The words for one frame, none when it means nothing to us. */
export function parseFrame(bytes: Buffer): string[] {
  if (bytes.length < 14) return []
  const ethertype = bytes.readUInt16BE(12)
  const body = bytes.subarray(14)
  if (ethertype === 0x0800 && body.length >= 20) return ipv4(body)
  if (ethertype === 0x86dd && body.length >= 40) return ipv6(body)
  if (ethertype === 0x0806 && body.length >= 28) return [arpWords(body)]
  return [markAt(body, 0), markAt(body, 4)].filter((mark) => mark !== '')
}

function ipv4(packet: Buffer): string[] {
  const head = ((packet[0] ?? 0) & 15) * 4
  const source = packet.toString('hex', 12, 16)
  const end = Math.min(packet.length, packet.readUInt16BE(2))
  const body = packet.subarray(head, end)
  if ((packet.readUInt16BE(6) & 0x1fff) !== 0) return part(body, source)
  return transport(4, packet[9] ?? 0, body, source, packet[8] ?? 0)
}

function ipv6(packet: Buffer): string[] {
  const source = packet.toString('hex', 8, 24)
  const end = Math.min(packet.length, 40 + packet.readUInt16BE(4))
  const body = packet.subarray(40, end)
  const next = packet[6] ?? 0
  const hops = packet[7] ?? 0
  if (next !== 44 || body.length < 8) return transport(6, next, body, source, hops)
  const rest = body.subarray(8)
  if (body.readUInt16BE(2) >>> 3 !== 0) return part(rest, source)
  return transport(6, body[0] ?? 0, rest, source, hops)
}

function part(body: Buffer, source: string): string[] {
  const mark = markAt(body, 0)
  return mark === '' ? [] : [`part ${mark} from ${source}`]
}

function transport(
  ip: 4 | 6,
  protocol: number,
  body: Buffer,
  source: string,
  hops: number,
): string[] {
  const marked = (at: number): string[] => {
    const mark = markAt(body, at)
    return mark === '' ? [] : [`${mark} from ${source}`]
  }
  if (protocol === 17 && body.length >= 8) {
    const [from, to] = [body.readUInt16BE(0), body.readUInt16BE(2)]
    const lease = from === 67 && to === 68 ? leaseWords(body.subarray(8)) : []
    return [...marked(8), ...lease, `udp ${from} ${to}`]
  }
  if (protocol === 6 && body.length >= 20) {
    const head = ((body[12] ?? 0) >>> 4) * 4
    const flags = (body[13] ?? 0) & 0x16
    const status = /^HTTP\/1\.\d (\d{3})/.exec(body.toString('latin1', head, head + 12))?.[1]
    const ports = `${body.readUInt16BE(0)} ${body.readUInt16BE(2)}`
    const words = [...marked(head), ...(status ? [`http ${status} ${ports} ${hops}`] : [])]
    return [...words, `tcp ${body.readUInt16BE(0)} ${body.readUInt16BE(2)} ${flags}`]
  }
  if (protocol === (ip === 4 ? 1 : 58) && body.length >= 8) {
    const type = body[0] ?? 0
    const isError = (ERRORS[ip] as readonly number[]).includes(type)
    const at = isError ? 8 + (ip === 4 ? 20 : 40) + 8 : 8
    const mtu = ip === 4 ? body.readUInt16BE(6) : body.readUInt32BE(4)
    const isTooBig = ip === 4 ? type === 3 && body[1] === 4 : type === 2
    const told = isTooBig && markAt(body, at) !== '' ? [`told ${markAt(body, at)} ${mtu}`] : []
    return [...marked(at), ...told, `icmp ${type} ${body.readUInt16BE(4)}`]
  }
  return marked(0)
}

/** An offer of DHCP's (RFC 2131): its options begin after 236 bytes and a cookie. */
function leaseWords(message: Buffer): string[] {
  const options = new Map<number, Buffer>()
  for (let at = 240; at + 1 < message.length && message[at] !== 255; ) {
    const [code = 0, length = 0] = message.subarray(at)
    options.set(code, message.subarray(at + 2, at + 2 + length))
    at += code === 0 ? 1 : 2 + length
  }
  if (options.get(53)?.[0] !== 2) return []
  const servers = options.get(6)?.toString('hex') ?? 'none'
  return [`lease ${message.toString('hex', 4, 8)} ${message.toString('hex', 16, 20)} ${servers}`]
}

const arpWords = (body: Buffer): string =>
  `arp ${body.readUInt16BE(6)} ${body.toString('hex', 14, 18)} ${body.toString('hex', 24, 28)}`

function markAt(body: Buffer, at: number): string {
  const text = body.toString('latin1', at, at + 8)
  return /^m[0-9a-z]{7}$/.test(text) ? text : ''
}
