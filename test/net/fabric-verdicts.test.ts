// Goal: every decision on a packet shows with who decided: both ENIs, both groups' rules, the ACLs'
// entries, and of a drop the one reason. Method: guests send real packets; what the fabric tells is
// compared with what was sent; counters with nft's own.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Lost, Verdict } from '../../lab/fabric/verdict.ts'
import {
  datagram,
  entry,
  everything,
  frame,
  type Guest,
  ip,
  OPEN_ENTRIES,
  oracle,
  Rig,
  rule,
} from './fabric-rig.ts'
import {
  bytesOf,
  close,
  connectTcp,
  listenTcp,
  packetSocket,
  ping,
  receive,
  send,
  tcp,
  udp,
  udpSocket,
} from './fabric-sockets.ts'

let rig: Rig
let client: Guest
let server: Guest
/** In another subnet, with an ACL of its own. */
let far: Guest
const heard: (Verdict | Lost)[] = []
const sockets: number[] = []

beforeAll(async () => {
  rig = await Rig.open('verdicts')
  rig.fabric.verdicts.on((verdicts) => heard.push(...verdicts))
  await rig.fabric.putAcl({ aclId: 'acl-far', entries: OPEN_ENTRIES })
  await rig.fabric.putSubnet({
    subnetId: 'subnet-far',
    ipv4Cidr: '10.0.16.0/20',
    ipv4Gateway: '10.0.16.1',
    aclId: 'acl-far',
  })
  const web = (port: number) => ({
    ...rule('ingress', 6, '10.0.0.0/16', port),
    ruleId: `sgr-web-${port}`,
  })
  const allOut = everything('egress').map((each, i) => ({ ...each, ruleId: `sgr-out-${i + 4}` }))
  await rig.fabric.putGroup({ groupId: 'sg-client', rules: allOut })
  await rig.fabric.putGroup({ groupId: 'sg-web', rules: [web(80), web(81)] })
  const elsewhere = { subnetId: 'subnet-far', ipv4: ['10.0.16.6'], ipv6: ['fd00:2::6'] }
  client = await rig.guest(4, ['sg-client'])
  server = await rig.guest(5, ['sg-web'])
  far = await rig.guest(6, ['sg-web'], elsewhere)
  for (const guest of [server, far]) sockets.push(listenTcp(guest.netns, '0.0.0.0', 80))
})
afterAll(async () => {
  sockets.forEach(close)
  await rig.close()
})
beforeEach(async () => {
  await rig.fabric.verdicts.hear()
  heard.length = 0
})
afterEach(async () => {
  await rig.fabric.putAcl({ aclId: 'acl-far', entries: OPEN_ENTRIES })
})

/** What was heard of packets to a port or, without one, of all that is neither MLD nor an answer. */
async function verdicts(port?: number): Promise<Verdict[]> {
  await rig.fabric.verdicts.hear()
  return heard.flatMap((each) =>
    'lost' in each ||
    each.packet.icmpType === 143 ||
    (port !== undefined && each.packet.destinationPort !== port)
      ? []
      : [each],
  )
}
const why = ({ verdict, from, to, rules, gate, reason }: Verdict) => ({
  verdict,
  from,
  to,
  rules,
  gate,
  reason,
})
const onWire = (bytes: Buffer, ethertype = 0x0800, mac = client.mac) => {
  const socket = packetSocket(client.netns, client.ifindex)
  send(socket, frame('0a:00:00:00:00:01', mac, ethertype, bytes))
  close(socket)
}
const dropped = (gate: string, reason: string, more: object = {}) => ({
  verdict: 'drop',
  from: 'eni-4',
  gate,
  reason,
  rules: {},
  ...more,
})

describe('a flow that is accepted', () => {
  // P290
  test('shows both ENIs and both rules, once, however many packets follow', async () => {
    const { fd, answer } = connectTcp(client.netns, server.ipv4, 80)
    expect(answer).toBe('open')
    for (let i = 0; i < 50; i++) send(fd, Buffer.alloc(100))
    close(fd)
    const found = await verdicts(80)
    expect(found.map(why)).toEqual([
      {
        verdict: 'accept',
        from: 'eni-4',
        to: 'eni-5',
        rules: { egress: 'sgr-out-4', ingress: 'sgr-web-80' },
        gate: undefined,
        reason: undefined,
      },
    ])
    expect(found[0]?.packet).toMatchObject({
      protocol: 6,
      source: client.ipv4,
      destination: server.ipv4,
    })
    expect(Math.abs((found[0]?.atMs ?? 0) - Date.now())).toBeLessThan(10_000)
  })

  // P290
  test('from subnet to subnet shows the entry of each ACL too', async () => {
    expect(tcp(client.netns, far.ipv4, 80)).toBe('open')
    expect((await verdicts(80)).map(({ rules }) => rules)).toEqual([
      {
        egress: 'sgr-out-4',
        leaving: 'acl-open egress 100',
        entering: 'acl-far ingress 100',
        ingress: 'sgr-web-80',
      },
    ])
  })

  test('that is untracked shows once too', async () => {
    const rules = [...everything('egress'), ...everything('ingress')]
    await rig.fabric.putGroup({
      groupId: 'sg-open',
      rules: rules.map((each) => ({ ...each, ruleId: `sgr-free-${each.direction}` })),
    })
    const a = await rig.guest(20, ['sg-open'])
    const b = await rig.guest(21, ['sg-open'])
    const receiver = udpSocket(b.netns, '0.0.0.0', 5353)
    const sender = udpSocket(a.netns, '0.0.0.0', 0)
    for (let i = 0; i < 20; i++) send(sender, Buffer.from('x'), b.ipv4, 5353)
    expect(receive(receiver)?.toString()).toBe('x')
    close(sender)
    close(receiver)
    // Two that were on their way before the first had passed would both be first.
    expect((await verdicts(5353)).map(({ rules }) => rules)).toEqual([
      { egress: 'sgr-free-egress', ingress: 'sgr-free-ingress' },
    ])
  })
})

describe('a packet that is dropped', () => {
  // P291
  test('by the receiver’s groups shows it, and the rule that had let it out', async () => {
    expect(tcp(client.netns, server.ipv4, 90)).toBe('silent')
    expect((await verdicts(90)).map(why)).toEqual([
      dropped('ingress', 'no group rule, ingress', { to: 'eni-5', rules: { egress: 'sgr-out-4' } }),
    ])
  })

  // P291
  test('by the sender’s groups shows it, and where it was going', async () => {
    expect(udp(server.netns, { netns: client.netns, address: client.ipv4 }, 91)).toBe(false)
    expect((await verdicts(91)).map(why)).toEqual([
      { ...dropped('egress', 'no group rule, egress'), from: 'eni-5', to: 'eni-4' },
    ])
  })

  // P291
  test.each([
    ['an entry', [entry('ingress', 50, 'deny', 6, '0.0.0.0/0', 80)], 'acl-far ingress 50'],
    ['no entry', [entry('ingress', 60, 'allow', 6, '0.0.0.0/0', 81)], 'acl-far ingress *'],
  ])('by %s of the ACL at its border shows that', async (_name, entries, reason) => {
    await rig.fabric.putAcl({ aclId: 'acl-far', entries })
    expect(tcp(client.netns, far.ipv4, 80)).toBe('silent')
    const rules = { egress: 'sgr-out-4', leaving: 'acl-open egress 100' }
    expect((await verdicts(80)).map(why)).toEqual([
      dropped('entering', reason, { to: 'eni-6', rules }),
    ])
  })

  test('in a flow that runs shows, packet by packet', async () => {
    const { fd, answer } = connectTcp(client.netns, far.ipv4, 80)
    expect(answer).toBe('open')
    await rig.fabric.putAcl({ aclId: 'acl-far', entries: [] })
    await rig.fabric.verdicts.hear()
    heard.length = 0
    send(fd, Buffer.from('lost'))
    const found = await verdicts(80)
    close(fd)
    expect(found.length).toBeGreaterThan(0)
    expect(why(found[0] as Verdict)).toEqual(
      dropped('entering', 'acl-far ingress *', {
        to: 'eni-6',
        rules: {},
      }),
    )
  })

  // P291
  test('before any group is asked shows why', async () => {
    const packet = datagram(client.ipv4, server.ipv4, 92, 'x')
    const arp = Buffer.concat([
      Buffer.from('0001080006040001', 'hex'),
      Buffer.from(client.mac.replaceAll(':', ''), 'hex'),
      bytesOf(server.ipv4),
      Buffer.alloc(6),
      bytesOf('10.0.0.1'),
    ])
    onWire(packet, 0x0800, server.mac)
    onWire(packet, 0x88b5)
    onWire(arp, 0x0806)
    onWire(datagram('10.0.0.77', server.ipv4, 92, 'x'))
    onWire(datagram('fe80::1234', server.ipv6, 92, 'x'), 0x86dd)
    expect(ping(client.netns, '10.0.0.1')).toBe(false)
    const link = (await verdicts()).map(({ gate, reason, from, packet }) => [
      gate,
      reason,
      from,
      packet.source,
    ])
    expect(link).toEqual([
      ['frames', 'spoofed MAC', 'eni-4', client.ipv4],
      ['frames', 'not IP', 'eni-4', undefined],
      ['frames', 'spoofed ARP', 'eni-4', server.ipv4],
      ['source', 'spoofed source', 'eni-4', '10.0.0.77'],
      ['source', 'spoofed source', 'eni-4', 'fe80::1234'],
      ['router', 'no service of the router', 'eni-4', client.ipv4],
    ])
  })

  // P291
  test('because its ENI has another address shows the source/dest check', async () => {
    const [to] = oracle(
      'ip',
      '-n',
      rig.fabric.netnsPath.replace('/run/netns/', ''),
      '-j',
      'route',
      'get',
      server.ipv4,
    )
    ip(
      '-n',
      rig.fabric.netnsPath.replace('/run/netns/', ''),
      'route',
      'add',
      '10.0.9.9/32',
      'dev',
      String(to?.dev),
    )
    onWire(datagram(client.ipv4, '10.0.9.9', 93, 'x'))
    expect((await verdicts(93)).map(why)).toEqual([
      dropped('destination', 'source/dest check', { to: 'eni-5' }),
    ])
  })

  test('of an ENI that has gone since is still told of by its name', async () => {
    const brief = await rig.guest(30, [])
    const sender = udpSocket(brief.netns, '0.0.0.0', 0)
    send(sender, Buffer.from('x'), server.ipv4, 94)
    close(sender)
    await rig.fabric.unplug('eni-30')
    expect((await verdicts(94)).map(({ from, reason }) => [from, reason])).toEqual([
      ['eni-30', 'no group rule, egress'],
    ])
  })
})

// P292
test('of a flood, all that were sent are told of or counted as lost', async () => {
  const SENT = 60_000
  const sender = udpSocket(client.netns, '0.0.0.0', 0)
  for (let i = 0; i < SENT; i++) send(sender, Buffer.of(1), server.ipv4, 95)
  await rig.fabric.verdicts.hear()
  send(sender, Buffer.of(1), server.ipv4, 95) // A number that shows the last gap.
  close(sender)
  await rig.fabric.verdicts.hear()
  const lost = heard.reduce((sum, each) => sum + ('lost' in each ? each.lost : 0), 0)
  const shown = heard.filter((each) => 'packet' in each && each.packet.destinationPort === 95)
  expect(shown.length).toBeGreaterThan(1000)
  // Each packet is logged where it may leave and where it may not arrive.
  expect(shown.length + lost).toBeGreaterThanOrEqual(SENT)
  // What else was lost is the guests' own: their kernel's multicast, a handful.
  expect(2 * shown.length + lost).toBeLessThanOrEqual(2 * (SENT + 1) + 20)
})

// P293
test('rules count, and go on where they were when others of their group change', async () => {
  const counts = async (comment: string) =>
    (await rig.fabric.verdicts.ruleCounts())
      .filter((each) => each.comment === comment)
      .reduce((sum, { packets }) => sum + packets, 0)
  const before = await counts('sgr-web-80')
  expect(tcp(client.netns, server.ipv4, 80)).toBe('open')
  expect(await counts('sgr-web-80')).toBe(before + 1)
  const both = [
    { ...rule('ingress', 6, '10.0.0.0/16', 80), ruleId: 'sgr-web-80' },
    { ...rule('ingress', 17, '10.0.0.0/16', 53), ruleId: 'sgr-dns' },
  ]
  await rig.fabric.putGroup({ groupId: 'sg-web', rules: both })
  expect(await counts('sgr-web-80')).toBe(before + 1)
  expect(await counts('sgr-dns')).toBe(0)
  expect(await counts('sgr-web-81')).toBe(0)
  expect(tcp(client.netns, server.ipv4, 80)).toBe('open')
  expect(await counts('sgr-web-80')).toBe(before + 2)
  const netns = rig.fabric.netnsPath.replace('/run/netns/', '')
  const [listed] = [
    oracle(
      'ip',
      'netns',
      'exec',
      netns,
      'nft',
      '-j',
      'list',
      'chain',
      'inet',
      'enid',
      'ingress-sg-web',
    ),
  ]
  expect(JSON.stringify(listed)).toMatch(
    new RegExp(`"comment": ?"sgr-web-80".*"packets": ?${before + 2}`),
  )
})
