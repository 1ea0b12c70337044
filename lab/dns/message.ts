// DNS messages as bytes: a query read as far as the resolver must understand it, and answers written
// to it. The records are dns-packet's work; what is ours is what a stranger's bytes may do: nothing
// here throws on them, and what is not understood gets the answer that RFC 1035 and 6891 have for it.
// Pure.

import dnsPacket, { type Answer, type DecodedPacket, type StringAnswer } from 'dns-packet'
import type { Question } from './verdict.ts'

/** RFC 1035: what a UDP answer may have when the query says nothing else (RFC 6891). */
const UDP_BYTES = 512
/** The most that is sent in a datagram, and what we say that we take. */
const UDP_BYTES_MAX = 4096

/** Response codes of a DNS header; BADVERS needs the extension of EDNS. */
export const RCODE = {
  ok: 0,
  formErr: 1,
  servFail: 2,
  nxDomain: 3,
  notImp: 4,
  badVers: 16,
} as const

export type Rcode = (typeof RCODE)[keyof typeof RCODE]

/** A query that is understood. */
export type Query = {
  readonly bytes: Buffer
  readonly question: Question
  readonly packet: DecodedPacket
  /** How many bytes an answer by UDP may have. */
  readonly udpBytes: number
}

/** A query, the code of an answer that says what is wrong with it, or silence. */
export type Reading = { readonly query: Query } | { readonly refused: Buffer } | undefined

const HEADER_BYTES = 12
const QR = 0x8000
const RD = 0x0100
const RA = 0x0080
const TC = 0x0200
const OPCODE = 0x7800

/** Reads what came in. Answers to nobody's question, and what has no header, are left in silence. */
export function readQuery(bytes: Buffer): Reading {
  if (bytes.length < HEADER_BYTES) return undefined
  const flags = bytes.readUInt16BE(2)
  if ((flags & QR) !== 0) return undefined
  if ((flags & OPCODE) !== 0) return { refused: headerOnly(bytes, RCODE.notImp) }
  const packet = decoded(bytes)
  const [question] = packet?.questions ?? []
  if (packet === undefined || question === undefined) {
    return { refused: headerOnly(bytes, RCODE.formErr) }
  }
  const opt = packet.additionals?.find((record) => record.type === 'OPT')
  const said = opt?.type === 'OPT' ? opt.udpPayloadSize : UDP_BYTES
  const udpBytes = Math.min(UDP_BYTES_MAX, Math.max(UDP_BYTES, said))
  const { name, type, class: asked } = question
  const query: Query = { bytes, question: { name, type }, packet, udpBytes }
  if (opt?.type === 'OPT' && opt.ednsVersion !== 0) {
    return { refused: writeAnswer(query, RCODE.badVers) }
  }
  const isTransfer = type === 'AXFR' || type === 'IXFR'
  if (asked !== 'IN' || isTransfer) return { refused: writeAnswer(query, RCODE.notImp) }
  return { query }
}

/** An answer of our own: small enough for any datagram. */
export function writeAnswer(
  { packet }: Query,
  rcode: Rcode,
  answers: readonly StringAnswer[] = [],
  zone?: string,
): Buffer {
  const edns = packet.additionals?.some((record) => record.type === 'OPT') === true
  return dnsPacket.encode({
    type: 'response',
    id: packet.id ?? 0,
    flags: ((packet.flags ?? 0) & RD) | RA | (rcode & 0xf),
    questions: [...(packet.questions ?? [])],
    answers: [...answers],
    // Nothing found: whoever keeps that in mind is told for how long (RFC 2308).
    authorities: answers.length === 0 && zone !== undefined ? [startOfAuthority(zone)] : [],
    additionals: edns ? [ednsRecord(rcode)] : [],
  })
}

/** Somebody's answer as it fits a datagram: whole, or without records, so that the client comes by TCP. */
export function fitted(answer: Buffer, query: Query): Buffer {
  if (answer.length <= query.udpBytes) return answer
  const bytes = writeAnswer(query, RCODE.ok)
  bytes.writeUInt16BE(answer.readUInt16BE(2) | TC, 2)
  return bytes
}

/** Whether bytes that somebody sent are the answer to that question, asked under that id. */
export function answersTo(bytes: Buffer, id: number, query: Query): boolean {
  if (bytes.length < HEADER_BYTES || bytes.readUInt16BE(0) !== id) return false
  if ((bytes.readUInt16BE(2) & QR) === 0 || bytes.readUInt16BE(4) !== 1) return false
  const asked = questionBytes(query.bytes)
  const told = bytes.subarray(HEADER_BYTES, HEADER_BYTES + asked.length)
  return told.toString('latin1').toLowerCase() === asked.toString('latin1').toLowerCase()
}

/**
 * The query, when it has one question whose text is all there is to it: a label with a dot or a
 * foreign byte inside reads like another name, and the echo of it would not be what was asked.
 */
function decoded(bytes: Buffer): DecodedPacket | undefined {
  if (bytes.readUInt16BE(4) !== 1) return undefined
  try {
    const packet = dnsPacket.decode(bytes)
    const again = dnsPacket.encode({ type: 'query', questions: [...(packet.questions ?? [])] })
    return again.subarray(HEADER_BYTES).equals(questionBytes(bytes)) ? packet : undefined
  } catch {
    return undefined // Its own words say nothing to whoever sent this: FORMERR does.
  }
}

/** The question as it was written: its name, then type and class. */
function questionBytes(bytes: Buffer): Buffer {
  let at = HEADER_BYTES
  for (let length = bytes[at] ?? 0; length > 0 && length < 64; length = bytes[at] ?? 0) {
    at += length + 1
  }
  return bytes.subarray(HEADER_BYTES, at + 5)
}

function headerOnly(bytes: Buffer, rcode: Rcode): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  bytes.copy(header, 0, 0, 2)
  const flags = bytes.readUInt16BE(2)
  header.writeUInt16BE(QR | (flags & OPCODE) | (flags & RD) | RA | rcode, 2)
  return header
}

function startOfAuthority(zone: string): Answer {
  return {
    type: 'SOA',
    name: zone,
    class: 'IN',
    ttl: 60,
    data: {
      mname: `ns0.${zone}`,
      rname: 'hostmaster.amazon.com',
      serial: 2012103100,
      refresh: 3600,
      retry: 3600,
      expire: 3600,
      minimum: 60,
    },
  }
}

function ednsRecord(rcode: Rcode): Answer {
  return {
    type: 'OPT',
    name: '.',
    udpPayloadSize: UDP_BYTES_MAX,
    extendedRcode: rcode >> 4,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  }
}
