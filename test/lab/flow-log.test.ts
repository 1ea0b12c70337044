// Goal: flow log records say what AWS's would: each ENI's own view, in version 2's fields. Method:
// verdicts and counts made by hand; the lines compared whole.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type FlowCount, parseFlow } from '../../lab/fabric/flow-counts.ts'
import type { Verdict } from '../../lab/fabric/verdict.ts'
import { FIELDS, flowLogRecords, type Interval } from '../../lab/flows/flow-log.ts'

const START = 1_800_000_000
const at = (seconds: number): number => (START + seconds) * 1000
const eni = (eniId: string, host: number) => ({
  eniId,
  ipv4: [`10.0.0.${host}`],
  ipv6: [`fd00::${host}`],
  ipv4Prefixes: [`10.0.0.${16 * host}/28`],
  ipv6Prefixes: [],
})
const A = eni('eni-a', 4)
const B = eni('eni-b', 5)
const key = {
  protocol: 6,
  source: '10.0.0.4',
  destination: '10.0.0.5',
  sourcePort: 40_000,
  destinationPort: 80,
}
const back = {
  ...key,
  source: '10.0.0.5',
  destination: '10.0.0.4',
  sourcePort: 80,
  destinationPort: 40_000,
}
const interval = (change: Partial<Interval>): Interval => ({
  startMs: at(0),
  endMs: at(60),
  counts: [],
  heard: [],
  enis: [A, B],
  lost: false,
  ...change,
})
const verdict = (change: Partial<Verdict> = {}): Verdict => ({
  atMs: at(7),
  verdict: 'drop',
  from: 'eni-a',
  to: 'eni-b',
  packet: { etherType: 0x0800, ...key, bytes: 60 },
  rules: { egress: 'sgr-1' },
  gate: 'ingress',
  reason: 'no group rule, ingress',
  ...change,
})
const carried = (direction: typeof key, packets: number, bytes: number): FlowCount => ({
  ...direction,
  packets,
  bytes,
})
const record = (
  eni: string,
  [from, to]: [string, string],
  packets: string,
  times: string,
  action: string,
) =>
  `2 123456789012 eni-${eni} ${from.split(':')[0]} ${to.split(':')[0]} ${from.split(':')[1]} ${to.split(':')[1]} 6 ${packets} ${times} ${action} OK`
const there: [string, string] = ['10.0.0.4:40000', '10.0.0.5:80']
const here: [string, string] = ['10.0.0.5:80', '10.0.0.4:40000']
const whole = `${START} ${START + 60}`

test('the fields are those of version 2', () => {
  expect(FIELDS.split(' ')).toHaveLength(14)
  for (const line of flowLogRecords(interval({}))) expect(line.split(' ')).toHaveLength(14)
})

// P296
test('a flow that was accepted is in both ENIs’ records, each way', () => {
  const counts = [carried(key, 6, 700), carried(back, 4, 5000)]
  expect(flowLogRecords(interval({ counts }))).toEqual([
    record('a', there, '6 700', whole, 'ACCEPT'),
    record('a', here, '4 5000', whole, 'ACCEPT'),
    record('b', there, '6 700', whole, 'ACCEPT'),
    record('b', here, '4 5000', whole, 'ACCEPT'),
  ])
})

test('a flow that began in the interval starts when it did, both ways', () => {
  const heard = [verdict({ verdict: 'accept', atMs: at(20) })]
  const counts = [carried(key, 1, 60), carried(back, 1, 60)]
  const lines = flowLogRecords(interval({ counts, heard }))
  expect(new Set(lines.map((line) => line.split(' ').slice(10, 12).join(' ')))).toEqual(
    new Set([`${START + 20} ${START + 60}`]),
  )
})

// P296
test('what the receiver drops was accepted where it left, and is rejected where it arrived', () => {
  const heard = [verdict(), verdict({ atMs: at(9), gate: 'entering', reason: 'acl-1 ingress *' })]
  expect(flowLogRecords(interval({ heard }))).toEqual([
    record('a', there, '2 120', `${START + 7} ${START + 9}`, 'ACCEPT'),
    record('b', there, '2 120', `${START + 7} ${START + 9}`, 'REJECT'),
  ])
})

test('what the sender’s side drops is rejected there, and the receiver never saw it', () => {
  const heard = [verdict({ gate: 'egress', rules: {} }), verdict({ gate: 'leaving' })]
  expect(flowLogRecords(interval({ heard }))).toEqual([
    record('a', there, '2 120', `${START + 7} ${START + 7}`, 'REJECT'),
    '2 123456789012 eni-b - - - - - - - 1800000000 1800000060 - NODATA',
  ])
})

test('packets that an ACL cuts out of a flow that runs are not counted as accepted there', () => {
  const heard = [verdict({ gate: 'entering', rules: {} })]
  expect(flowLogRecords(interval({ heard, counts: [carried(key, 6, 700)] }))).toEqual([
    record('a', there, '6 700', whole, 'ACCEPT'),
    record('b', there, '5 640', whole, 'ACCEPT'),
    record('b', there, '1 60', `${START + 7} ${START + 7}`, 'REJECT'),
  ])
})

test('a first packet that was dropped takes nothing off a flow that came to be later', () => {
  const lines = flowLogRecords(interval({ heard: [verdict()], counts: [carried(key, 6, 700)] }))
  expect(lines).toContain(record('b', there, '6 700', whole, 'ACCEPT'))
})

test('an address of a delegated prefix is its ENI’s', () => {
  const counts = [carried({ ...key, source: '10.0.0.79' }, 1, 60)]
  expect(flowLogRecords(interval({ counts }))[0]).toContain(' eni-a 10.0.0.79 10.0.0.5 ')
})

test('ICMP has no ports, and what never met a group or went to the router is not in it', () => {
  const ping = { ...key, protocol: 1, sourcePort: 0, destinationPort: 0 }
  const imds = { ...key, destination: '169.254.169.254' }
  const heard = [
    verdict({ gate: 'source', rules: {} }),
    verdict({ gate: 'frames', packet: { etherType: 0x88cc }, rules: {} }),
  ]
  const counts = [carried(ping, 1, 84), carried(imds, 5, 500)]
  expect(flowLogRecords(interval({ counts, heard, enis: [A] }))).toEqual([
    `2 123456789012 eni-a 10.0.0.4 10.0.0.5 0 0 1 1 84 ${whole} ACCEPT OK`,
    expect.stringContaining('eni-b'), // Where the packet was seen, its ENI is known.
  ])
})

// P296
test('an ENI without traffic says NODATA, and all say SKIPDATA where something got lost', () => {
  const empty = (eni: string, status: string) =>
    `2 123456789012 eni-${eni} - - - - - - - ${whole} - ${status}`
  expect(flowLogRecords(interval({}))).toEqual([empty('a', 'NODATA'), empty('b', 'NODATA')])
  const lost = [{ atMs: at(3), lost: 2 }]
  for (const change of [{ heard: lost }, { lost: true }]) {
    expect(flowLogRecords(interval(change))).toEqual([
      empty('a', 'SKIPDATA'),
      empty('b', 'SKIPDATA'),
    ])
  }
})

test('a flow of the kernel’s is read each way, if it carried something, and garbage is left out', () => {
  const attribute = (type: number, ...parts: Buffer[]): Buffer => {
    const value = Buffer.concat(parts)
    const head = Buffer.alloc(4)
    head.writeUInt16LE(4 + value.length, 0)
    head.writeUInt16LE(type, 2)
    return Buffer.concat([head, value, Buffer.alloc(-value.length & 3)])
  }
  const number = (value: number) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64BE(BigInt(value))
    return bytes
  }
  const tuple = (type: number, source: number, destination: number, ports: number[]) =>
    attribute(
      0x8000 | type,
      attribute(
        0x8001,
        attribute(1, Buffer.of(10, 0, 0, source)),
        attribute(2, Buffer.of(10, 0, 0, destination)),
      ),
      attribute(
        0x8002,
        attribute(1, Buffer.of(6)),
        ...ports.map((port, i) => attribute(i + 2, Buffer.of(port >> 8, port & 255))),
      ),
    )
  const counters = (type: number, packets: number, bytes: number) =>
    attribute(0x8000 | type, attribute(1, number(packets)), attribute(2, number(bytes)))
  const entry = Buffer.concat([
    Buffer.of(2, 0, 0, 0),
    tuple(1, 4, 5, [40_000, 80]),
    tuple(2, 5, 4, [80, 40_000]),
    counters(9, 6, 700),
    counters(10, 0, 0),
  ])
  expect(parseFlow(entry)).toEqual([carried(key, 6, 700)])
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 120 }),
      (bytes) => parseFlow(Buffer.from(bytes)).length <= 2,
    ),
  )
})
