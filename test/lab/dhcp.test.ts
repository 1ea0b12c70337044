// Goal: DHCP options sets as EC2 keeps them, and the lease that follows from them. Method: the SDK as
// client; messages made by hand, byte by byte, and read again the same way; any bytes by fast-check.

import {
  AssociateDhcpOptionsCommand,
  CreateDhcpOptionsCommand,
  CreateVpcCommand,
  DeleteDhcpOptionsCommand,
  DescribeDhcpOptionsCommand,
  DescribeVpcsCommand,
  type NewDhcpConfiguration,
} from '@aws-sdk/client-ec2'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { answerDhcp } from '../../lab/dhcp/lease.ts'
import { readRequest, writeReply } from '../../lab/dhcp/message.ts'
import { errorOf, makeRig, type Rig } from './rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await makeRig()
})
afterEach(() => rig.end())

const create = async (...DhcpConfigurations: NewDhcpConfiguration[]) => {
  const { DhcpOptions } = await rig.ec2.send(new CreateDhcpOptionsCommand({ DhcpConfigurations }))
  return DhcpOptions?.DhcpOptionsId ?? ''
}
const associate = (DhcpOptionsId: string) =>
  rig.ec2.send(new AssociateDhcpOptionsCommand({ DhcpOptionsId, VpcId: rig.vpcId }))
const remove = (DhcpOptionsId: string) =>
  rig.ec2.send(new DeleteDhcpOptionsCommand({ DhcpOptionsId }))
const ofVpc = async () => {
  const { Vpcs } = await rig.ec2.send(new DescribeVpcsCommand({ VpcIds: [rig.vpcId] }))
  return Vpcs?.[0]?.DhcpOptionsId ?? ''
}
const one = (Key: string, ...Values: string[]): NewDhcpConfiguration => ({ Key, Values })

describe('a set', () => {
  test('is made with its options and tags, shown, filtered and deleted', async () => {
    const { DhcpOptions } = await rig.ec2.send(
      new CreateDhcpOptionsCommand({
        DhcpConfigurations: [
          one('domain-name', 'example.com'),
          one('domain-name-servers', '10.0.1.7', 'AmazonProvidedDNS', '2001:db8::53'),
          one('ntp-servers', '192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4', '2001:db8::1'),
          one('netbios-name-servers', '192.0.2.9'),
          one('netbios-node-type', '2'),
        ],
        TagSpecifications: [{ ResourceType: 'dhcp-options', Tags: [{ Key: 'a', Value: 'b' }] }],
      }),
    )
    const id = DhcpOptions?.DhcpOptionsId ?? ''
    expect(id).toMatch(/^dopt-[0-9a-f]{17}$/)
    const Filters = [{ Name: 'value', Values: ['example.*'] }]
    const shown = await rig.ec2.send(new DescribeDhcpOptionsCommand({ Filters }))
    expect(shown.DhcpOptions).toEqual([DhcpOptions])
    expect(DhcpOptions?.Tags).toEqual([{ Key: 'a', Value: 'b' }])
    expect(
      DhcpOptions?.DhcpConfigurations?.map(({ Key, Values }) => [Key, Values?.length]),
    ).toEqual([
      ['domain-name', 1],
      ['domain-name-servers', 3],
      ['ntp-servers', 5],
      ['netbios-name-servers', 1],
      ['netbios-node-type', 1],
    ])
    await remove(id)
    expect((await errorOf(remove(id))).code).toBe('InvalidDhcpOptionsID.NotFound')
    expect((await errorOf(remove('dopt-x'))).code).toBe('InvalidDhcpOptionsId.Malformed')
  })

  test.each<[string, NewDhcpConfiguration[], string]>([
    ['no option', [], 'MissingParameter'],
    ['an option that there is not', [one('domain', 'x')], 'InvalidParameterValue'],
    ['an option of every object', [one('constructor', 'x')], 'InvalidParameterValue'],
    [
      'an option twice',
      [one('domain-name', 'x'), one('domain-name', 'y')],
      'InvalidParameterValue',
    ],
    ['no value', [one('domain-name')], 'InvalidParameterValue'],
    ['two domains', [one('domain-name', 'x', 'y')], 'InvalidParameterValue'],
    [
      'a domain that ends the line',
      [one('domain-name', 'x\nnameserver y')],
      'InvalidParameterValue',
    ],
    ['five name servers', [one('domain-name-servers', ...'12345')], 'InvalidParameterValue'],
    ['a name server by name', [one('domain-name-servers', 'ns.example')], 'InvalidParameterValue'],
    [
      'five time servers of one version',
      [one('ntp-servers', ...[1, 2, 3, 4, 5].map((n) => `192.0.2.${n}`))],
      'InvalidParameterValue',
    ],
    ['a node type that there is not', [one('netbios-node-type', '3')], 'InvalidParameterValue'],
    [
      'a lease time of DHCPv6',
      [one('ipv6-address-preferred-lease-time', '140')],
      'UnsupportedOperation',
    ],
  ])('with %s is refused', async (_what, options, code) => {
    expect((await errorOf(create(...options))).code).toBe(code)
    expect(rig.lab.region.world.dhcpOptions.size).toBe(1)
  })

  test('is a VPC’s until another takes its place, and is kept as long', async () => {
    const [was, id] = [await ofVpc(), await create(one('domain-name', 'example.com'))]
    await associate(id)
    expect(await ofVpc()).toBe(id)
    expect((await errorOf(remove(id))).code).toBe('DependencyViolation')
    await associate('default')
    expect(await ofVpc()).toBe('default')
    await remove(id)
    expect((await errorOf(associate(id))).code).toBe('InvalidDhcpOptionsID.NotFound')
    await remove(was)
    const made = await rig.ec2.send(new CreateVpcCommand({ CidrBlock: '10.9.0.0/16' }))
    const again = made.Vpc?.DhcpOptionsId
    const { DhcpOptions } = await rig.ec2.send(new DescribeDhcpOptionsCommand({}))
    expect(DhcpOptions?.map((each) => each.DhcpOptionsId)).toEqual([again])
    expect(DhcpOptions?.[0]?.DhcpConfigurations?.[0]?.Values).toEqual([
      { Value: 'us-west-2.compute.internal' },
    ])
  })

  test('with name servers of one’s own gives hosts its domain; with Amazon’s they keep their names', async () => {
    const name = async () => {
      const ttl = { 'x-aws-ec2-metadata-token-ttl-seconds': '60' }
      const latest = `${rig.endpoint}/latest`
      const given = await fetch(`${latest}/api/token`, { method: 'PUT', headers: ttl })
      const headers = { 'x-aws-ec2-metadata-token': await given.text() }
      return (await fetch(`${latest}/meta-data/local-hostname`, { headers })).text()
    }
    const domain = one('domain-name', 'example.com')
    expect(await name()).toBe('ip-10-0-0-4.us-west-2.compute.internal')
    await associate(await create(domain, one('domain-name-servers', '192.0.2.53')))
    expect(await name()).toBe('ip-10-0-0-4.example.com')
    await associate(await create(domain, one('domain-name-servers', 'AmazonProvidedDNS')))
    expect(await name()).toBe('ip-10-0-0-4.us-west-2.compute.internal')
    await associate('default')
    expect(await name()).toBe('ip-10-0-0-4.us-west-2.compute.internal')
  })
})

/** A client's message, by hand: RFC 2131's fields, then options as written. */
function message(mac: string, options: number[], ciaddr = [0, 0, 0, 0]): Buffer {
  const bytes = Buffer.alloc(240)
  bytes.set([1, 1, 6, 0, 0xca, 0xfe, 0xba, 0xbe], 0)
  bytes.set(ciaddr, 12)
  bytes.set(Buffer.from(mac.replaceAll(':', ''), 'hex'), 28)
  bytes.set([99, 130, 83, 99], 236)
  return Buffer.concat([bytes, Buffer.from([...options, 255])])
}

/** The options of an answer, by hand. */
function optionsOf(bytes: Buffer): Map<number, number[]> {
  const options = new Map<number, number[]>()
  for (let at = 240; bytes[at] !== 255; ) {
    const [number = 0, length = 0] = bytes.subarray(at, at + 2)
    options.set(number, [...bytes.subarray(at + 2, at + 2 + length)])
    at += 2 + length
  }
  return options
}

const [DISCOVER, REQUEST, RELEASE, INFORM] = [1, 3, 7, 8]
const [OFFER, ACK, NAK] = [2, 5, 6]

/** What is told for a message that comes from that address; undefined for silence. */
function told(bytes: Buffer, from: string) {
  const request = readRequest(bytes)
  if (request === undefined) return undefined
  const reply = answerDhcp(rig.lab.region.world, request, from)
  if (reply === undefined) return undefined
  const written = writeReply(reply)
  const options = optionsOf(written)
  return {
    type: options.get(53)?.[0],
    yiaddr: written.subarray(16, 20).join('.'),
    options,
    written,
  }
}

describe('a lease', () => {
  const guest = async () => {
    const eni = await rig.createEni({ SubnetId: rig.subnetB })
    return {
      mac: eni.MacAddress,
      ipv4: eni.PrivateIpAddress,
      own: eni.PrivateIpAddress.split('.').map(Number),
    }
  }

  test('is the ENI’s own address, offered and then given, with the subnet and its router', async () => {
    const { mac, ipv4, own } = await guest()
    const offer = told(message(mac, [53, 1, DISCOVER]), ipv4)
    expect([offer?.type, offer?.yiaddr]).toEqual([OFFER, ipv4])
    expect(offer?.written.subarray(4, 8).toString('hex'), 'the transaction').toBe('cafebabe')
    expect(offer?.written.subarray(28, 34).toString('hex')).toBe(mac.replaceAll(':', ''))
    const ack = told(message(mac, [53, 1, REQUEST, 54, 4, 10, 0, 1, 1, 50, 4, ...own]), ipv4)
    expect([ack?.type, ack?.yiaddr]).toEqual([ACK, ipv4])
    const text = (bytes?: number[]) => Buffer.from(bytes ?? []).toString()
    expect(ack?.options.get(1)).toEqual([255, 255, 255, 0])
    expect(ack?.options.get(3)).toEqual([10, 0, 1, 1])
    expect(ack?.options.get(6)).toEqual([10, 0, 0, 2])
    expect(text(ack?.options.get(12))).toBe(`ip-${own.join('-')}`)
    expect(text(ack?.options.get(15))).toBe('us-west-2.compute.internal')
    expect(ack?.options.get(26)).toEqual([0x23, 0x29])
    expect(ack?.options.get(28)).toEqual([10, 0, 1, 255])
    expect(ack?.options.get(51)).toEqual([0, 0, 0x0e, 0x10])
    expect(ack?.options.get(54)).toEqual([10, 0, 1, 1])
    const renewed = told(message(mac, [53, 1, REQUEST], own), ipv4)
    expect([renewed?.type, renewed?.yiaddr]).toEqual([ACK, ipv4])
  })

  // P254
  test('of another address is refused, and nobody gets one under another MAC or from another router', async () => {
    const { mac, ipv4, own } = await guest()
    const nak = told(message(mac, [53, 1, REQUEST, 50, 4, 10, 0, 1, 77]), ipv4)
    expect([nak?.type, nak?.yiaddr, nak?.options.get(51)]).toEqual([NAK, '0.0.0.0', undefined])
    expect(told(message('02:00:00:00:00:01', [53, 1, DISCOVER]), ipv4)).toBeUndefined()
    expect(told(message(mac, [53, 1, DISCOVER]), '10.0.1.250')).toBeUndefined()
    const elsewhere = [53, 1, REQUEST, 54, 4, 192, 0, 2, 1, 50, 4, ...own]
    expect(told(message(mac, elsewhere), ipv4)).toBeUndefined()
    expect(told(message(mac, [53, 1, RELEASE], own), ipv4)).toBeUndefined()
  })

  test('tells what was asked for and no more; what is only informed of gets no address', async () => {
    const { mac, ipv4, own } = await guest()
    const few = told(message(mac, [53, 1, DISCOVER, 55, 2, 1, 42]), ipv4)
    expect([...(few?.options.keys() ?? [])]).toEqual([53, 54, 51, 1])
    const inform = told(message(mac, [53, 1, INFORM], own), ipv4)
    expect([inform?.type, inform?.yiaddr, inform?.options.get(51)]).toEqual([
      ACK,
      '0.0.0.0',
      undefined,
    ])
    expect(inform?.written.subarray(12, 16).join('.')).toBe(ipv4)
    expect(inform?.options.get(6)).toEqual([10, 0, 0, 2])
  })

  test('has the IPv4 servers of the VPC’s set', async () => {
    const { mac, ipv4 } = await guest()
    const id = await create(
      one('domain-name-servers', '192.0.2.53', 'AmazonProvidedDNS', '2001:db8::53'),
      one('ntp-servers', '2001:db8::1', '192.0.2.123'),
      one('netbios-name-servers', '192.0.2.9'),
      one('netbios-node-type', '8'),
    )
    await associate(id)
    const options = told(message(mac, [53, 1, DISCOVER]), ipv4)?.options
    expect(options?.get(6)).toEqual([192, 0, 2, 53, 10, 0, 0, 2])
    expect(options?.get(42)).toEqual([192, 0, 2, 123])
    expect([options?.get(44), options?.get(46)]).toEqual([[192, 0, 2, 9], [8]])
    expect(options?.has(15)).toBe(false)
  })

  test('of whatever bytes is a message or is none', async () => {
    const { mac, ipv4 } = await guest()
    const good = message(mac, [53, 1, DISCOVER, 55, 2, 1, 3])
    const cut = fc.nat(good.length).map((length) => good.subarray(0, length))
    const bent = fc
      .array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 5 })
      .map((changes) => {
        const bytes = Buffer.from(good)
        for (const [at, byte] of changes) bytes[at] = byte
        return bytes
      })
    fc.assert(
      fc.property(fc.oneof(cut, bent, fc.uint8Array({ maxLength: 400 })), (bytes) => {
        const answer = told(Buffer.from(bytes), ipv4)
        if (answer !== undefined) expect(['0.0.0.0', ipv4]).toContain(answer.yiaddr)
      }),
      { numRuns: 2000, examples: [[good]] },
    )
    expect(readRequest(good)).toBeDefined()
    expect(readRequest(good.subarray(0, -1)), 'without an end').toBeUndefined()
    const relayed = Buffer.from(good)
    relayed[24] = 10
    expect(readRequest(relayed), 'by a relay').toBeUndefined()
  })
})
