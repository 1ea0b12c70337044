// Goal: what the kernel logs becomes verdicts, whole, exact, and whatever a guest sends. Method:
// messages recorded from a kernel (6.18) whose packets were sent on purpose, and then anything at all.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { forKernel, parseRule } from '../../lab/fabric/kernel-rules.ts'
import { type LoggedPacket, parseLogged } from '../../lab/fabric/nflog.ts'
import { addRule, counter, deleteRules, flushChain } from '../../lab/fabric/nft.ts'
import { readHeaders } from '../../lab/fabric/packet.ts'
import { dropped, GATES, numberOf, wordsOf } from '../../lab/fabric/reason.ts'
import { VerdictReader } from '../../lab/fabric/verdict.ts'

/** A TCP SYN from 10.0.0.4 to 10.0.0.5 port 80, let through at both ends by different rules. */
const PASS_EGRESS =
  '02000001080001000800020010000a00706173732065677265737300080004000000000408000500000000050800020036d9ddf01000080000060000020000000104000006000f000001000006001100000e0000120010000a00000000010200000001040800000014000300000000006b0994e900000000000b390e08000c0000000035400009004500003c4f5c40003f06d8570a0000040a000005b39e005074d91ea700000000a002f50714370000020423010402080a81b2c61d000000000103030a'
const PASS_INGRESS =
  '02000001080001000800020011000a007061737320696e677265737300000000080004000000000408000500000000050800020095413ac11000080000060000020000000104000006000f000001000006001100000e0000120010000a00000000010200000001040800000014000300000000006b0994e900000000000b391908000c0000000036400009004500003c4f5c40003f06d8570a0000040a000005b39e005074d91ea700000000a002f50714370000020423010402080a81b2c61d000000000103030a'
/** An IPv6 datagram of one byte to port 9005, and the ACL's entry that denied it. */
const PASS_EGRESS_V6 =
  '0a0000010800010086dd020010000a00706173732065677265737300080004000000000208000500000000030800020083707e24100008000006000002000000000a000006000f000001000006001100000e0000120010000a000000000102000000000a86dd000014000300000000006b0994e800000000000e0c3c08000c000000002f3500090060068f420009113f20010db800000000000000000000001020010db8000000000000000000000011d365232d00095bad01000000'
const PASS_LEAVING_V6 =
  '0a0000010800010086dd020011000a0070617373206c656176696e670000000008000400000000020800050000000003080002000e767c3a100008000006000002000000000a000006000f000001000006001100000e0000120010000a000000000102000000000a86dd000014000300000000006b0994e800000000000e0c3d08000c00000000303500090060068f420009113f20010db800000000000000000000001020010db8000000000000000000000011d365232d00095bad01000000'
const DROP_ENTERING_V6 =
  '0a0000010800010086dd020025000a0064726f7020656e746572696e672070726f6f662d6220696e6772657373203131000000000800040000000002080005000000000308000200c7162adb100008000006000002000000000a000006000f000001000006001100000e0000120010000a000000000102000000000a86dd000014000300000000006b0994e800000000000e0c3e08000c00000000313500090060068f420009113f20010db800000000000000000000001020010db8000000000000000000000011d365232d00095bad01000000'

const logged = (hex: string): LoggedPacket => {
  const packet = parseLogged(Buffer.from(hex, 'hex'))
  if (packet === undefined) throw new Error('not read')
  return packet
}
const names = {
  eniOfLink: (ifindex: number) => (ifindex === 0 ? undefined : `eni-${ifindex}`),
  rule: (number: number) => `rule ${number.toString(16)}`,
}
const NOW = 1_800_000_000_000

describe('what the kernel logged', () => {
  test('is read as it was recorded', () => {
    const { payload, ...rest } = logged(PASS_EGRESS)
    expect(rest).toEqual({
      prefix: 'pass egress',
      mark: 0x36d9ddf0,
      sequence: 0x35,
      atMs: 0x6b0994e9 * 1000 + Math.floor(0x0b390e / 1000),
      indev: 4,
      outdev: 5,
      etherType: 0x0800,
    })
    expect(payload).toHaveLength(60)
  })

  // P290
  test('of a flow that passed all gates is one verdict, with both ENIs and both rules', () => {
    const read = new VerdictReader(names).read([logged(PASS_EGRESS), logged(PASS_INGRESS)], NOW)
    expect(read).toEqual([
      {
        atMs: 0x6b0994e9 * 1000 + 735,
        verdict: 'accept',
        from: 'eni-4',
        to: 'eni-5',
        packet: {
          etherType: 0x0800,
          protocol: 6,
          source: '10.0.0.4',
          destination: '10.0.0.5',
          sourcePort: 0xb39e,
          destinationPort: 80,
          bytes: 60,
        },
        rules: { egress: 'rule 36d9ddf0', ingress: 'rule 95413ac1' },
      },
    ])
  })

  test('of a packet that was dropped half-way is one verdict, with whom it had passed', () => {
    const reader = new VerdictReader(names)
    // In two readings: what was logged comes in portions.
    expect(reader.read([logged(PASS_EGRESS_V6), logged(PASS_LEAVING_V6)], NOW)).toEqual([])
    expect(reader.read([logged(DROP_ENTERING_V6)], NOW + 25)).toEqual([
      {
        atMs: 0x6b0994e8 * 1000 + Math.floor(0x0e0c3e / 1000),
        verdict: 'drop',
        from: 'eni-2',
        to: 'eni-3',
        packet: {
          etherType: 0x86dd,
          protocol: 17,
          source: '2001:db8::10',
          destination: '2001:db8::11',
          sourcePort: 0xd365,
          destinationPort: 9005,
          bytes: 49,
        },
        rules: { egress: 'rule 83707e24', leaving: 'rule e767c3a' },
        gate: 'entering',
        reason: 'proof-b ingress 11',
      },
    ])
  })

  test('of two packets between each other are two verdicts', () => {
    const order = [PASS_EGRESS_V6, PASS_EGRESS, PASS_LEAVING_V6, PASS_INGRESS, DROP_ENTERING_V6]
    const withoutNumbers = order.map(logged).map(({ sequence: _, ...packet }) => packet)
    const read = new VerdictReader(names).read(withoutNumbers, NOW)
    expect(read.map((each) => 'verdict' in each && [each.verdict, each.from])).toEqual([
      ['accept', 'eni-4'],
      ['drop', 'eni-2'],
    ])
  })

  test('and is not heard of again is forgotten: another packet like it starts anew', () => {
    const reader = new VerdictReader(names)
    reader.read([logged(PASS_EGRESS_V6), logged(PASS_LEAVING_V6)], NOW)
    reader.read([logged(PASS_EGRESS)], NOW + 5000)
    const [verdict] = reader.read([{ ...logged(DROP_ENTERING_V6), sequence: 0x36 }], NOW + 5000)
    expect(verdict).toMatchObject({ verdict: 'drop', rules: {} })
  })

  // P292
  test('with a gap in its numbers says how many got lost, before what came after', () => {
    const reader = new VerdictReader(names)
    const at = (sequence: number) => ({ ...logged(DROP_ENTERING_V6), sequence })
    reader.read([at(0xfffffffe)], NOW)
    expect(reader.read([at(0xffffffff), at(4)], NOW + 1)).toMatchObject([
      { verdict: 'drop' },
      { atMs: NOW + 1, lost: 4 },
      { verdict: 'drop' },
    ])
  })
})

describe('whatever a guest sends, and whatever a kernel says', () => {
  const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array))

  test('is read, or left out; never an error', () => {
    fc.assert(
      fc.property(bytes, fc.constantFrom(0x0800, 0x86dd, 0x0806, 0x88cc), (payload, etherType) => {
        const headers = readHeaders(etherType, payload)
        expect(headers.etherType).toBe(etherType)
        for (const port of [headers.sourcePort, headers.destinationPort]) {
          if (port !== undefined) expect(port).toBeLessThan(65_536)
        }
        parseLogged(payload)
        parseRule(payload)
      }),
      { numRuns: 2000 },
    )
  })

  test('a message that is cut anywhere is read, or left out', () => {
    const whole = Buffer.from(DROP_ENTERING_V6, 'hex')
    for (let length = 0; length < whole.length; length++) {
      const packet = parseLogged(whole.subarray(0, length))
      if (packet !== undefined) new VerdictReader(names).read([packet], NOW)
    }
  })

  test('ports stand behind IPv6 extension headers, and in no later fragment', () => {
    const ipv6 = (next: number, ...more: number[]) =>
      Buffer.concat([
        Buffer.of(0x60, 0, 0, 0, 0, more.length, next, 64),
        Buffer.alloc(32, 1),
        Buffer.from(more),
      ])
    const udp = [0x12, 0x34, 0, 53, 0, 8, 0, 0]
    const options = [17, 0, 0, 0, 0, 0, 0, 0]
    expect(readHeaders(0x86dd, ipv6(0, 60, 0, 0, 0, 0, 0, 0, 0, ...options, ...udp))).toMatchObject(
      {
        protocol: 17,
        sourcePort: 0x1234,
        destinationPort: 53,
      },
    )
    const fragment = (offset: number) =>
      readHeaders(0x86dd, ipv6(44, 17, 0, 0, offset, 0, 0, 0, 1, ...udp))
    expect(fragment(1)).toMatchObject({ protocol: 17, destinationPort: 53 })
    expect(fragment(8)).toMatchObject({ protocol: 17 })
    expect(fragment(8)).not.toHaveProperty('destinationPort')
  })
})

describe('a reason', () => {
  test.each(GATES)('at the gate %s is read as it was written', (gate) => {
    const [, log] = dropped(gate, 'acl-1 ingress *') as unknown as [
      unknown,
      { log: { prefix: string } },
    ]
    expect(wordsOf(log.log.prefix)).toEqual({ drop: true, gate, reason: 'acl-1 ingress *' })
  })

  test('fits into a log’s words, however long the ids', () => {
    const [, log] = dropped('entering', `${'a'.repeat(64)} ingress 32766`) as unknown as [
      unknown,
      { log: { prefix: string } },
    ]
    expect(log.log.prefix.length).toBeLessThan(128)
  })

  test('has a number that is no other mark’s', () => {
    fc.assert(
      fc.property(fc.string(), (reason) => numberOf(reason) >= 2 && numberOf(reason) < 2 ** 32),
    )
  })
})

// P293
test('a rule that is written anew goes on counting where it was; one that is new begins at 0', () => {
  const rule = (chain: string, comment: string) =>
    addRule('inet', chain, [counter, { accept: null }], comment)
  const there = (chain: string, comment: string, handle: number, packets: number) => ({
    chain,
    comment,
    handle,
    counts: true,
    packets,
    bytes: packets * 100,
  })
  const commands = [
    flushChain('inet', 'a'),
    rule('a', 'stays'),
    rule('a', 'new'),
    rule('b', 'stays'),
    deleteRules('b', 'changes'),
    rule('b', 'changes'),
  ]
  const exact = forKernel(commands, (chain) =>
    chain === 'a'
      ? [there('a', 'stays', 1, 3), there('a', 'stays', 2, 4), there('a', 'gone', 3, 9)]
      : [there('b', 'changes', 7, 5), there('b', 'other', 8, 6), there('b', 'changes', 9, 1)],
  )
  const said = exact.map(
    (command) => JSON.stringify(command).match(/"(counter":\{.*?\}|handle":\d+)/)?.[1],
  )
  expect(said).toEqual([
    undefined,
    'counter":{"packets":7,"bytes":700}',
    'counter":{"packets":0,"bytes":0}',
    'counter":{"packets":0,"bytes":0}',
    'handle":7',
    'handle":9',
    'counter":{"packets":6,"bytes":600}',
  ])
  expect(() => forKernel([deleteRules('b', 'nowhere')], () => [])).toThrow(
    'the kernel has no rule nowhere in b',
  )
})
