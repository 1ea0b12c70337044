// Goal: what the resolver answers, and what a stranger's bytes do to it: nothing. Method: the resolver
// over worlds made by the API and over name servers of our own on loopback, read by Node's codec-free
// means where bytes count; random bytes and random names by fast-check.

import { createSocket } from 'node:dgram'
import { Resolver as NodeResolver } from 'node:dns/promises'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import {
  AttachNetworkInterfaceCommand,
  ModifyPrivateDnsNameOptionsCommand,
  ModifyVpcAttributeCommand,
} from '@aws-sdk/client-ec2'
import dnsPacket from 'dns-packet'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fitted, readQuery } from '../../lab/dns/message.ts'
import { Resolver } from '../../lab/dns/resolver.ts'
import { addressOfReverse } from '../../lab/dns/reverse.ts'
import { Frames, frame } from '../../lab/dns/tcp-frames.ts'
import { type NameServer, nameServersOf, Upstream } from '../../lab/dns/upstream.ts'
import { lookUp } from '../../lab/dns/zone.ts'
import type { World } from '../../lab/model/world.ts'
import { makeRig, type Rig } from './rig.ts'

const DOMAIN = 'us-west-2.compute.internal'
const logged: string[] = []
const log = {
  info: (_fields: object, words: string) => void logged.push(words),
  warn: (_fields: object, words: string) => void logged.push(words),
  error: (_fields: object, words: string) => void logged.push(words),
}
let rig: Rig
const ends: (() => unknown)[] = []
beforeAll(async () => {
  rig = await makeRig()
})
afterAll(async () => {
  await rig.end()
  for (const end of ends) await end()
})

const world = (): World => rig.lab.region.world

/** What the zone says, in short. */
function ask(name: string, type = 'A', of = world()): string {
  const verdict = lookUp(of, { name, type })
  return verdict.kind === 'answer'
    ? verdict.answers.map(({ data }) => data).join(' ')
    : verdict.kind
}

describe('the names of a VPC', () => {
  test.each([
    [`ip-10-0-0-4.${DOMAIN}`, 'A', '10.0.0.4'],
    ['IP-10-0-0-4.US-west-2.compute.internal', 'A', '10.0.0.4'],
    [`ip-10-0-0-4.${DOMAIN}`, 'ANY', '10.0.0.4'],
    [`ip-10-0-0-4.${DOMAIN}`, 'AAAA', ''],
    [`ip-10-0-0-4.${DOMAIN}`, 'UNKNOWN_65', ''],
    ['4.0.0.10.in-addr.arpa', 'PTR', `ip-10-0-0-4.${DOMAIN}`],
    ['4.0.0.10.in-addr.arpa', 'A', ''],
    ['localhost', 'A', '127.0.0.1'],
    ['localhost', 'AAAA', '::1'],
    ['1.0.0.127.in-addr.arpa', 'PTR', 'localhost'],
    [DOMAIN, 'A', ''],
    ['10.in-addr.arpa', 'PTR', ''],
    ['0.0.10.in-addr.arpa', 'PTR', ''],
  ])('%s %s: "%s"', (name, type, answer) => {
    expect(ask(name, type)).toBe(answer)
  })

  test.each([
    `ip-10-0-0-99.${DOMAIN}`,
    `ip-010-0-0-4.${DOMAIN}`,
    `ip-10-0-0.${DOMAIN}`,
    `ip-10-0-0-4-5.${DOMAIN}`,
    `x.ip-10-0-0-4.${DOMAIN}`,
    `10-0-0-4.${DOMAIN}`,
    `i-0123456789abcdef0.${DOMAIN}`,
    'ip-10-0-0-4.eu-west-1.compute.internal',
    'ip-10-0-0-4.ec2.internal',
    '99.0.0.10.in-addr.arpa',
    '04.0.0.10.in-addr.arpa.10.in-addr.arpa',
    '1.1.16.172.in-addr.arpa',
    '1.2.168.192.in-addr.arpa',
    'anything.localdomain',
  ])('%s: no such name', (name) => {
    expect(['no-such-name', '']).toContain(ask(name, 'PTR'))
    expect(ask(name, 'A')).not.toMatch(/\d/)
  })

  test.each([
    'example.com',
    'compute.internal.example.com',
    `ip-10-0-0-4.${DOMAIN}x`,
    'internal',
    '1.15.172.in-addr.arpa',
    '1.0.0.11.in-addr.arpa',
    '8.8.8.8.in-addr.arpa',
    `${'0.'.repeat(28)}1.0.0.2.ip6.arpa`,
    '',
  ])('%s: not ours to know', (name) => {
    expect(ask(name)).toBe('forward')
  })

  test('of an instance are its id’s, where its options say so, both ways', async () => {
    const [name, ipv6] = [`${rig.instanceId}.${DOMAIN}`, '2001:db8:1234:1a00::7']
    const [instance] = world().instances.values()
    const [[id, primary] = []] = world().enis
    if (instance === undefined || id === undefined || primary === undefined) throw new Error('none')
    const dual: World = { ...world(), enis: new Map([[id, { ...primary, ipv6: [ipv6] }]]) }
    const reverse = `7.${'0.'.repeat(15)}0.0.a.1.4.3.2.1.8.b.d.0.1.0.0.2.ip6.arpa`
    const told = (of: World) => [ask(name, 'A', of), ask(name, 'AAAA', of), ask(reverse, 'PTR', of)]
    expect(told(dual)).toEqual(['no-such-name', 'no-such-name', 'no-such-name'])
    const named = (resourceNameA: boolean, resourceNameAaaa: boolean): World => {
      const nameOptions = { hostnameType: 'ip-name', resourceNameA, resourceNameAaaa } as const
      return { ...dual, instances: new Map([[rig.instanceId, { ...instance, nameOptions }]]) }
    }
    expect(told(named(true, false))).toEqual(['10.0.0.4', '', 'no-such-name'])
    expect(told(named(false, true))).toEqual(['', ipv6, name])
    expect(told(named(true, true))).toEqual(['10.0.0.4', ipv6, name])
  })

  test('come with an ENI and go with it', async () => {
    const eni = await rig.createEni()
    const name = `ip-${eni.PrivateIpAddress.replaceAll('.', '-')}.${DOMAIN}`
    expect(ask(name)).toBe(eni.PrivateIpAddress)
    const without = new Map(world().enis)
    without.delete(eni.NetworkInterfaceId)
    expect(ask(name, 'A', { ...world(), enis: without })).toBe('no-such-name')
  })

  test('are those of its addresses and of nobody else’s, whatever is asked', () => {
    const octet = fc.integer({ min: 0, max: 300 })
    const known = new Set([...world().enis.values()].flatMap(({ ipv4 }) => ipv4))
    fc.assert(
      fc.property(fc.tuple(octet, octet, octet, octet), (octets) => {
        const address = octets.join('.')
        const expected = known.has(address) ? address : 'no-such-name'
        expect(ask(`ip-${octets.join('-')}.${DOMAIN}`)).toBe(expected)
      }),
      { examples: [[[10, 0, 0, 4]]] },
    )
  })

  test('of the reverse domains are whole addresses, in one way of writing each', () => {
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        const value = text.split('.').reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
        const name = `${text.split('.').reverse().join('.')}.in-addr.arpa`
        expect(addressOfReverse(name)).toEqual({ family: 4, value })
        expect(addressOfReverse(`0${name}`)).toBeUndefined()
        expect(addressOfReverse(name.slice(name.indexOf('.') + 1))).toBeUndefined()
      }),
    )
  })
})

/** A query's bytes. */
const query = (name: string, type: dnsPacket.RecordType = 'A', more: object = {}): Buffer =>
  dnsPacket.encode({
    type: 'query',
    id: 0x1234,
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ name, type }],
    ...more,
  })
const edns = (size: number, version = 0) => ({
  additionals: [
    {
      type: 'OPT' as const,
      name: '.',
      udpPayloadSize: size,
      extendedRcode: 0,
      ednsVersion: version,
      flags: 0,
      flag_do: false,
      options: [],
    },
  ],
})
const nobody = new Upstream(() => [])
const codeOf = (answer: Buffer | undefined): number => (answer?.readUInt16BE(2) ?? 0) & 0xf

describe('a message', () => {
  const resolver = new Resolver(world, log, nobody)

  test('is answered under its id, in its own writing, with recursion on offer', async () => {
    const name = `iP-10-0-0-4.${DOMAIN}`
    const answer = await resolver.answer(query(name), 'udp')
    const { id, questions, answers, ...flags } = dnsPacket.decode(answer ?? Buffer.alloc(0))
    expect({ id, questions, answers }).toEqual({
      id: 0x1234,
      questions: [{ name, type: 'A', class: 'IN' }],
      answers: [{ name, type: 'A', class: 'IN', ttl: 60, flush: false, data: '10.0.0.4' }],
    })
    expect(flags).toMatchObject({ flag_qr: true, flag_rd: true, flag_ra: true, flag_tc: false })
  })

  test('about nothing says for how long that is so', async () => {
    const answer = await resolver.answer(query(`nobody.${DOMAIN}`), 'udp')
    expect(codeOf(answer)).toBe(3)
    const { authorities } = dnsPacket.decode(answer ?? Buffer.alloc(0))
    expect(authorities).toMatchObject([{ type: 'SOA', name: DOMAIN, data: { minimum: 60 } }])
  })

  test('with EDNS is answered with it; another version of it is none', async () => {
    const name = `ip-10-0-0-4.${DOMAIN}`
    const plain = dnsPacket.decode((await resolver.answer(query(name), 'udp')) as Buffer)
    expect(plain.additionals).toEqual([])
    const with0 = await resolver.answer(query(name, 'A', edns(1232)), 'udp')
    expect(dnsPacket.decode(with0 as Buffer).additionals).toMatchObject([{ type: 'OPT' }])
    const with1 = dnsPacket.decode(
      (await resolver.answer(query(name, 'A', edns(1232, 1)), 'udp')) as Buffer,
    )
    expect(with1.answers).toEqual([])
    expect(with1.additionals).toMatchObject([{ extendedRcode: 1 }])
  })

  test('that is not understood is refused by its code, and what asks nothing gets no answer', async () => {
    const good = query('example.com')
    const changed = (at: number, byte: number) => {
      const bytes = Buffer.from(good)
      bytes[at] = byte
      return bytes
    }
    const answer = (bytes: Buffer) => resolver.answer(bytes, 'udp').then(codeOf)
    expect(await answer(changed(2, 0x29)), 'an update').toBe(4)
    expect(await answer(changed(5, 0)), 'no question').toBe(1)
    expect(await answer(changed(5, 2)), 'two questions').toBe(1)
    expect(await answer(changed(12, 200)), 'a label that points nowhere').toBe(1)
    expect(await answer(changed(13, 0x2e)), 'a dot in a label').toBe(1)
    expect(await answer(changed(13, 0xff)), 'a foreign byte in a label').toBe(1)
    expect(await answer(good.subarray(0, 20)), 'cut off').toBe(1)
    expect(await answer(query('example.com', 'AXFR')), 'a transfer').toBe(4)
    expect(await resolver.answer(changed(2, 0x81), 'udp'), 'an answer').toBeUndefined()
    expect(await resolver.answer(good.subarray(0, 11), 'udp'), 'no header').toBeUndefined()
  })

  // P256
  test('of whatever bytes ends in an answer or in silence', async () => {
    const header = fc.constantFrom(query(`ip-10-0-0-4.${DOMAIN}`), query('a.b', 'PTR', edns(512)))
    const bent = fc
      .tuple(header, fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 6 }), fc.nat(80))
      .map(([good, changes, length]) => {
        const bytes = Buffer.concat([good, Buffer.alloc(8)]).subarray(0, Math.max(length, 12))
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte
        return bytes
      })
    const noise = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes))
    await fc.assert(
      fc.asyncProperty(fc.oneof(bent, noise), async (bytes) => {
        const answer = await resolver.answer(bytes, 'udp')
        if (answer === undefined) return
        expect(answer.subarray(0, 2)).toEqual(bytes.subarray(0, 2))
        expect(answer.readUInt16BE(2) & 0x8000, 'it is an answer').toBe(0x8000)
        expect(answer.length).toBeLessThanOrEqual(512)
      }),
      { numRuns: 3000 },
    )
    expect(logged.filter((words) => words.includes('defect'))).toEqual([])
  })

  test('by TCP comes whole, in whatever pieces', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 })),
        fc.integer({ min: 1, max: 50 }),
        (messages, size) => {
          const stream = Buffer.concat(messages.map((each) => frame(Buffer.from(each))))
          const frames = new Frames()
          const whole: Buffer[] = []
          for (let at = 0; at < stream.length; at += size) {
            whole.push(...frames.add(stream.subarray(at, at + size)))
          }
          expect(whole).toEqual(messages.map((each) => Buffer.from(each)))
        },
      ),
    )
  })
})

/** A name server on loopback that answers everything with so many bytes of text. */
async function nameServer(bytes: number): Promise<NameServer & { asked: string[] }> {
  const asked: string[] = []
  const told = (packet: Buffer, by: string, limit: number): Buffer => {
    const { id, questions } = dnsPacket.decode(packet)
    asked.push(`${by} ${questions?.[0]?.name}`)
    const data = Array.from({ length: Math.ceil(bytes / 200) }, () => 'x'.repeat(200))
    const name = questions?.[0]?.name ?? ''
    const answers = data.map((each) => ({ type: 'TXT' as const, name, data: each }))
    const whole = { type: 'response' as const, id: id ?? 0, questions: questions ?? [] }
    const answer = dnsPacket.encode({ ...whole, answers })
    const cut = { ...whole, flags: dnsPacket.TRUNCATED_RESPONSE }
    return answer.length <= limit ? answer : dnsPacket.encode(cut)
  }
  const server = createServer((stream) => {
    const frames = new Frames()
    stream.on('data', (piece) => {
      for (const each of frames.add(piece)) stream.write(frame(told(each, 'tcp', 65_535)))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const socket = createSocket('udp4')
  socket.on('message', (packet, from) =>
    socket.send(told(packet, 'udp', 512), from.port, from.address),
  )
  socket.bind(port, '127.0.0.1')
  await once(socket, 'listening')
  ends.push(
    () => socket.close(),
    () => server.close(),
  )
  return { address: '127.0.0.1', port, asked }
}

/** The resolver itself on loopback, for a client that knows nothing of it. */
async function served(resolver: Resolver): Promise<NodeResolver> {
  const socket = createSocket('udp4')
  socket.on('message', async (bytes, from) => {
    const answer = await resolver.answer(bytes, 'udp')
    if (answer !== undefined) socket.send(answer, from.port, from.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  const server = createServer((stream) => {
    const frames = new Frames()
    stream.on('data', async (piece) => {
      for (const each of frames.add(piece)) {
        const answer = await resolver.answer(each, 'tcp')
        if (answer !== undefined) stream.write(frame(answer))
      }
    })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  ends.push(
    () => socket.close(),
    () => server.close(),
  )
  const client = new NodeResolver({ tries: 1, timeout: 10_000 })
  client.setServers([`127.0.0.1:${port}`])
  return client
}

describe('what is not the VPC’s', () => {
  // P256
  test('is asked of the host’s name servers by the way it came, and comes by TCP where it is long', async () => {
    const [short, long] = [await nameServer(200), await nameServer(3000)]
    const servers = [short]
    const client = await served(new Resolver(world, log, new Upstream(() => servers)))
    expect(await client.resolveTxt('short.example.com')).toEqual([['x'.repeat(200)]])
    expect(short.asked).toEqual(['udp short.example.com'])
    servers[0] = long
    expect(await client.resolveTxt('long.example.com')).toHaveLength(15)
    expect(long.asked).toEqual(['udp long.example.com', 'tcp long.example.com'])
    expect(await client.resolve4(`ip-10-0-0-4.${DOMAIN}`)).toEqual(['10.0.0.4'])
    expect([...short.asked, ...long.asked]).toHaveLength(3)
  })

  test('is SERVFAIL where nobody answers, told once in the log, and again when it is over', async () => {
    const server = await nameServer(10)
    const dead = createSocket('udp4').bind(0, '127.0.0.1')
    await once(dead, 'listening')
    const { port } = dead.address()
    dead.close()
    const servers: NameServer[] = [{ address: '127.0.0.1', port }]
    const resolver = new Resolver(world, log, new Upstream(() => servers))
    logged.length = 0
    expect(codeOf(await resolver.answer(query('example.com'), 'udp'))).toBe(2)
    expect(codeOf(await resolver.answer(query('example.com'), 'tcp'))).toBe(2)
    expect(logged).toEqual(['a name is not resolved by the host'])
    servers.push(server) // The first still fails: the second is asked.
    expect(codeOf(await resolver.answer(query('example.com'), 'udp'))).toBe(0)
    expect(logged).toEqual(['a name is not resolved by the host', 'the host resolves names again'])
  })

  test('is believed only as the answer to that very question', async () => {
    const liar = createSocket('udp4')
    liar.on('message', (packet, from) => {
      const { id = 0, questions = [] } = dnsPacket.decode(packet)
      const lie = (change: object) =>
        liar.send(
          dnsPacket.encode({ type: 'response', id, questions, answers: [], ...change }),
          from.port,
          from.address,
        )
      lie({ id: (id + 1) & 0xffff })
      lie({ questions: [{ name: 'other.example.com', type: 'A' }] })
      lie({ type: 'query' })
      lie({ answers: [{ type: 'A', name: 'example.com', data: '192.0.2.1' }] })
    })
    liar.bind(0, '127.0.0.1')
    await once(liar, 'listening')
    ends.push(() => liar.close())
    const servers = [{ address: '127.0.0.1', port: liar.address().port }]
    const resolver = new Resolver(world, log, new Upstream(() => servers))
    const answer = await resolver.answer(query('example.com'), 'udp')
    const { id, answers } = dnsPacket.decode(answer as Buffer)
    expect(id).toBe(0x1234)
    expect(answers).toMatchObject([{ data: '192.0.2.1' }])
  })

  test('is not begun while too many questions wait', async () => {
    const silent = createSocket('udp4').bind(0, '127.0.0.1')
    await once(silent, 'listening')
    ends.push(() => silent.close())
    const upstream = new Upstream(() => [{ address: '127.0.0.1', port: silent.address().port }])
    const resolver = new Resolver(world, log, upstream)
    const many = Array.from({ length: 256 }, () => resolver.answer(query('example.com'), 'udp'))
    const began = performance.now()
    expect(codeOf(await resolver.answer(query('example.com'), 'udp'))).toBe(2)
    expect(performance.now() - began).toBeLessThan(1000)
    expect((await Promise.all(many)).map(codeOf)).toEqual(Array(256).fill(2))
    expect(performance.now() - began).toBeGreaterThan(1500)
  })

  test('is asked of the first three name servers that resolv.conf names', () => {
    const text =
      'search x\nnameserver 127.0.0.53\n# nameserver 192.0.2.1\nnameserver fe80::1%eth0\n'
    const more =
      'nameserver nonsense\n nameserver 192.0.2.2\nnameserver\t192.0.2.3 \nnameserver ::1\n'
    expect(nameServersOf(text + more)).toEqual(
      ['127.0.0.53', 'fe80::1%eth0', '192.0.2.3'].map((address) => ({ address, port: 53 })),
    )
    expect(nameServersOf('')).toEqual([])
  })

  test('is cut down to what the client takes, with the code it had', () => {
    const long = dnsPacket.encode({
      type: 'response',
      questions: [{ name: 'a.b', type: 'TXT' }],
      answers: Array.from({ length: 10 }, () => ({
        type: 'TXT' as const,
        name: 'a.b',
        data: 'x'.repeat(200),
      })),
    })
    const lengths = [query('a.b', 'TXT'), query('a.b', 'TXT', edns(4096))].map((asked) => {
      const reading = readQuery(asked)
      if (reading === undefined || !('query' in reading)) throw new Error('not a query')
      const bytes = fitted(long, reading.query)
      return [bytes.length === long.length, dnsPacket.decode(bytes).flag_tc]
    })
    expect(lengths).toEqual([
      [false, true],
      [true, false],
    ])
  })
})

test('ModifyPrivateDnsNameOptions changes what resolves, and no name of a host that runs', async () => {
  const modify = (options: object) =>
    rig.ec2.send(new ModifyPrivateDnsNameOptionsCommand({ InstanceId: rig.instanceId, ...options }))
  const eni = await rig.createEni()
  await rig.ec2.send(
    new AttachNetworkInterfaceCommand({
      NetworkInterfaceId: eni.NetworkInterfaceId,
      InstanceId: rig.instanceId,
      DeviceIndex: 5,
    }),
  )
  await modify({ EnableResourceNameDnsARecord: true, PrivateDnsHostnameType: 'ip-name' })
  expect(ask(`${rig.instanceId}.${DOMAIN}`), 'the primary interface’s alone').toBe('10.0.0.4')
  await expect(modify({ PrivateDnsHostnameType: 'resource-name' })).rejects.toMatchObject({
    name: 'IncorrectInstanceState',
  })
})

test('the resolver’s port is opened and closed with DNS support, and stays where the fabric refuses', async () => {
  const { fabric, ec2, vpcId: VpcId } = rig
  const support = (Value: boolean) =>
    ec2.send(new ModifyVpcAttributeCommand({ VpcId, EnableDnsSupport: { Value } }))
  expect(fabric.resolver).toBe('10.0.0.2')
  await support(false)
  expect(fabric.resolver).toBeUndefined()
  fabric.failNext = 'openResolver'
  await expect(support(true)).rejects.toMatchObject({ name: 'InternalError' })
  expect([fabric.resolver, world().vpcs.get(VpcId)?.enableDnsSupport]).toEqual([undefined, false])
  await support(true)
  expect(fabric.resolver).toBe('10.0.0.2')
})
