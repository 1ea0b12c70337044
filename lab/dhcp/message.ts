// DHCP messages as bytes (RFC 2131, 2132): as much of them as a lease needs. A message that is not
// whole or not a client's is none. Pure.

/** What a message is: option 53. */
export const DHCP = {
  discover: 1,
  offer: 2,
  request: 3,
  decline: 4,
  ack: 5,
  nak: 6,
  release: 7,
  inform: 8,
} as const

/** The options that a lease has (RFC 2132), by number. */
export const OPTION = {
  subnetMask: 1,
  router: 3,
  nameServers: 6,
  hostName: 12,
  domainName: 15,
  mtu: 26,
  broadcast: 28,
  ntpServers: 42,
  netbiosNameServers: 44,
  netbiosNodeType: 46,
  requestedAddress: 50,
  leaseSeconds: 51,
  messageType: 53,
  serverId: 54,
  wanted: 55,
} as const

/** What a client says. Addresses are dotted quads. */
export type DhcpRequest = {
  readonly type: number
  readonly transactionId: number
  readonly flags: number
  readonly mac: string
  /** The address that it has already; `0.0.0.0` for none. */
  readonly clientAddress: string
  /** By number, as they stood. */
  readonly options: ReadonlyMap<number, Buffer>
}

/** What it is told. */
export type DhcpReply = {
  readonly type: number
  readonly request: DhcpRequest
  /** The address that is leased; absent: none. */
  readonly yourAddress?: string
  readonly options: ReadonlyMap<number, Buffer>
}

const FIXED_BYTES = 236
const COOKIE = Buffer.of(99, 130, 83, 99)
const [REQUEST, REPLY, ETHERNET] = [1, 2, 1]
const [PAD, END] = [0, 255]
/** BOOTP's own length: some clients take nothing shorter. */
const BYTES_MIN = 300

/** Reads a client's message; undefined for everything else, and for what came by a relay. */
export function readRequest(bytes: Buffer): DhcpRequest | undefined {
  const start = FIXED_BYTES + COOKIE.length
  if (bytes.length < start || !bytes.subarray(FIXED_BYTES, start).equals(COOKIE)) return undefined
  if (bytes[0] !== REQUEST || bytes[1] !== ETHERNET || bytes[2] !== 6) return undefined
  if (bytes.readUInt32BE(24) !== 0) return undefined
  const options = readOptions(bytes.subarray(start))
  const type = options?.get(OPTION.messageType)
  if (options === undefined || type?.length !== 1) return undefined
  return {
    type: type.readUInt8(0),
    transactionId: bytes.readUInt32BE(4),
    flags: bytes.readUInt16BE(10),
    mac: [...bytes.subarray(28, 34)].map((byte) => byte.toString(16).padStart(2, '0')).join(':'),
    clientAddress: readAddress(bytes.subarray(12, 16)),
    options,
  }
}

/** Writes an answer. */
export function writeReply({ type, request, yourAddress = '0.0.0.0', options }: DhcpReply): Buffer {
  const fixed = Buffer.alloc(FIXED_BYTES)
  fixed.set([REPLY, ETHERNET, 6], 0)
  fixed.writeUInt32BE(request.transactionId, 4)
  fixed.writeUInt16BE(request.flags, 10)
  if (type !== DHCP.nak) fixed.set(addressBytes(request.clientAddress), 12)
  fixed.set(addressBytes(yourAddress), 16)
  fixed.set(Buffer.from(request.mac.replaceAll(':', ''), 'hex'), 28)
  const written = [[OPTION.messageType, Buffer.of(type)] as const, ...options].flatMap(
    ([number, value]) => [Buffer.of(number, value.length), value],
  )
  const bytes = Buffer.concat([fixed, COOKIE, ...written, Buffer.of(END)])
  return Buffer.concat([bytes, Buffer.alloc(Math.max(0, BYTES_MIN - bytes.length))])
}

/** A dotted quad's four bytes. */
export const addressBytes = (address: string): Buffer => Buffer.from(address.split('.').map(Number))

/** Four bytes as a dotted quad. */
export const readAddress = (bytes: Buffer): string => [...bytes].join('.')

/** The options by number; one that is given in parts is put together (RFC 3396). */
function readOptions(bytes: Buffer): Map<number, Buffer> | undefined {
  const options = new Map<number, Buffer>()
  for (let at = 0; at < bytes.length; ) {
    const number = bytes.readUInt8(at)
    if (number === END) return options
    if (number === PAD) {
      at++
      continue
    }
    const length = bytes[at + 1]
    if (length === undefined || at + 2 + length > bytes.length) return undefined
    const value = bytes.subarray(at + 2, at + 2 + length)
    options.set(number, Buffer.concat([options.get(number) ?? Buffer.alloc(0), value]))
    at += 2 + length
  }
  return undefined // Without an end it is not whole.
}
