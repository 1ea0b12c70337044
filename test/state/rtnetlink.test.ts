// Goal: the agent's netlink codec writes what the kernel expects, and reads what it sends, or fails
// loudly. Method: golden bytes captured with strace from iproute2 6.1 talking to Linux 6.18 (an
// oracle that shares no code with us), and every malformed form of a good message.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeAnswer,
  decodeAttributes,
  decodeMessages,
  encodeMessage,
  MalformedNetlink,
  type NetlinkRequest,
} from '../../agent/drivers/kernel/netlink-message.ts'
import {
  addAddress,
  addressBytes,
  removeAddress,
  removeDefaultRoute,
  removeNeighbour,
  setDefaultRoute,
  setLink,
  setSubnetRoute,
} from '../../agent/drivers/kernel/rtnetlink.ts'
import {
  addressText,
  decodeAddress,
  decodeLink,
  decodeNeighbour,
  decodeRoute,
} from '../../agent/drivers/kernel/rtnetlink-record.ts'

const SEQUENCE = 0x6b011b3b
const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')
const only = (hex: string) => {
  const [message, ...more] = decodeMessages(bytes(hex))
  if (message === undefined || more.length > 0) throw new Error('not one message')
  return message
}

/** What `ip` sent for the command in the name. */
const sentByIp: [command: string, ours: NetlinkRequest, hex: string][] = [
  [
    'ip addr add 10.0.1.5/24',
    addAddress(7, '10.0.1.5', 24),
    '28000000140005063b1b016b00000000 0218000007000000 080002000a000105 080001000a000105',
  ],
  [
    'ip addr add fd00:9::5/128 nodad',
    addAddress(7, 'fd00:9::5', 128),
    '40000000140005063b1b016b00000000 0a80020007000000 14000200fd000009000000000000000000000005 14000100fd000009000000000000000000000005',
  ],
  [
    'ip addr del 10.0.1.5/24',
    removeAddress(7, '10.0.1.5', 24),
    '28000000150005003b1b016b00000000 0218000007000000 080002000a000105 080001000a000105',
  ],
  [
    'ip route replace default via 10.0.1.1 proto static onlink',
    setDefaultRoute(7, '10.0.1.1'),
    '2c000000180005053b1b016b00000000 02000000fe04000104000000 080005000a000101 0800040007000000',
  ],
  [
    'ip route replace 10.0.1.0/24 proto kernel scope link src 10.0.1.5',
    setSubnetRoute(7, { network: '10.0.1.0', prefixLength: 24, source: '10.0.1.5' }),
    '34000000180005053b1b016b00000000 02180000fe02fd0100000000 080001000a000100 080007000a000105 0800040007000000',
  ],
  [
    'ip route del default via 10.0.1.9 metric 50',
    removeDefaultRoute(7, { ipv6: false, gateway: '10.0.1.9', metric: 50 }),
    '34000000190005003b1b016b00000000 02000000fe00ff0000000000 080005000a000109 0800060032000000 0800040007000000',
  ],
  [
    'ip link set up',
    setLink(7, { up: true }),
    '20000000100005003b1b016b00000000 00000000070000000100000001000000',
  ],
  [
    'ip link set alias',
    setLink(7, { alias: 'enid i-1 task1' }),
    '34000000100005003b1b016b00000000 00000000070000000000000000000000 12001400656e696420692d31207461736b310000',
  ],
  [
    'ip link set mtu',
    setLink(7, { mtu: 99999 }),
    '28000000100005003b1b016b00000000 00000000070000000000000000000000 080004009f860100',
  ],
]

/** An RTM_NEWLINK of a veth as the kernel announced it, cut to the attributes that tell one apart. */
const LINK =
  '00000100070000004310010000000000 09000300657468300000000008000d00e8030000 0500100006000000 ' +
  '0800040029230000 0800320044000000 08003300ffff0000 13001400656e696420692d31207461736b310000 ' +
  '0a00010002aa000000010000 0a000200ffffffffffff0000 10001200 0900010076657468 00000000'

describe('what we send', () => {
  test.each(sentByIp)('%s is byte for byte what iproute2 sends', (_, request, hex) => {
    expect(encodeMessage(request, SEQUENCE).toString('hex')).toBe(bytes(hex).toString('hex'))
  })

  test('moving, renaming, MTU, alias and down are one message', () => {
    const change = { netnsFd: 30, name: 'eth0', mtu: 9001, alias: 'm', up: false }
    const { body } = setLink(7, change)

    expect(body.subarray(4, 16)).toEqual(bytes('070000000000000001000000'))
    const attributes = decodeAttributes(body, 16)
    expect([...attributes.keys()]).toEqual([28, 3, 4, 20])
    expect(attributes.get(28)).toEqual(bytes('1e000000'))
    expect(attributes.get(3)).toEqual(Buffer.from('eth0\0'))
  })

  test('an empty alias is an attribute without payload, which removes it', () => {
    expect(decodeAttributes(setLink(7, { alias: '' }).body, 16).get(20)).toHaveLength(0)
  })

  test('a neighbour is named by family, link and address', () => {
    const { body } = removeNeighbour(7, '10.0.1.1')
    expect(body).toEqual(bytes('020000000700000000000000 080001000a000101'))
  })

  test.each(['', '10.1', '010.0.0.1', '10.0.0.256', '1.2.3.4/24', 'fe80::1%eth0', 'eth0'])(
    '"%s" is no address',
    (address) => {
      expect(() => addressBytes(address)).toThrow(/is not an IP address/)
    },
  )
})

describe('what we read', () => {
  test('a link with its MAC, MTU, largest MTU, alias and kind', () => {
    expect(decodeLink(bytes(LINK))).toEqual({
      ifindex: 7,
      name: 'eth0',
      mac: '02:aa:00:00:00:01',
      mtu: 9001,
      mtuMax: 65535,
      flags: 0x11043,
      up: true,
      alias: 'enid i-1 task1',
      kind: 'veth',
    })
  })

  test("a bridge's port is not a link", () => {
    const port = bytes(LINK)
    port[0] = 7
    expect(decodeLink(port)).toBeUndefined()
  })

  test('an address in both families', () => {
    const ipv6 = addAddress(7, 'fd00:9::5', 128).body
    expect(decodeAddress(ipv6)).toEqual({
      ifindex: 7,
      address: 'fd00:9::5',
      prefixLength: 128,
      scope: 0,
    })
    expect(decodeAddress(addAddress(7, '10.0.1.5', 24).body)?.address).toBe('10.0.1.5')
  })

  test('a default route in both families, and nothing of other tables or types', () => {
    const route = setDefaultRoute(7, 'fe80:ec2::1').body
    const to = { destination: 'default', gateway: 'fe80:ec2::1', ifindex: 7, ipv6: true }
    expect(decodeRoute(route)).toEqual({ ...to, metric: 0 })
    const metric = bytes('0800060000040000')
    expect(decodeRoute(Buffer.concat([route, metric]))).toEqual({ ...to, metric: 1024 })
    const local = Buffer.from(route)
    local[4] = 255
    expect(decodeRoute(local)).toBeUndefined()
    const blackhole = Buffer.from(route)
    blackhole[7] = 6
    expect(decodeRoute(blackhole)).toBeUndefined()
  })

  test('a route of several ways names the link of the first', () => {
    // RTA_MULTIPATH of two nexthops, as `ip route add default nexthop … nexthop …` sends it.
    const ways = '24000900 1000000007000000 080005000a000109 1000000008000000 080005000a000108'
    const route = decodeRoute(bytes(`02000000fe03000100000000 ${ways}`))
    expect(route).toMatchObject({ destination: 'default', gateway: undefined, ifindex: 7 })
  })

  test('a neighbour with and without its MAC', () => {
    const body = bytes('02000000070000000200 0001 080001000a000101 0a0002000a0b0c0d0e0f0000')
    expect(decodeNeighbour(body)).toEqual({
      ifindex: 7,
      address: '10.0.1.1',
      mac: '0a:0b:0c:0d:0e:0f',
      state: 2,
    })
    expect(decodeNeighbour(body.subarray(0, 20))?.mac).toBe('')
  })

  test('a refusal with the reason that the kernel gives', () => {
    const refusal =
      '60000000020000023b1b016ba42f0000 efffffff 28000000140005063b1b016b00000000' +
      '0218000007000000080002000a000105080001000a000105' +
      '23000100697076343a204164647265737320616c72656164792061737369676e65640000'
    const answer = decodeAnswer(only(refusal))
    expect(answer).toEqual({ errno: 17, reason: 'ipv4: Address already assigned' })
  })

  test('an acknowledgement', () => {
    const ack = '24000000020000013b1b016b952e0000 00000000 28000000140005063b1b016b00000000'
    expect(decodeAnswer(only(ack))).toEqual({ errno: 0, reason: undefined })
  })

  test('any IPv6 address survives the way to bytes and back', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const there = addressBytes(address)
        expect(addressBytes(addressText(there))).toEqual(there)
      }),
    )
  })
})

describe('malformed input', () => {
  test.each([
    ['a header cut short', '1400000003000200'],
    ['a length below the header', '0f000000030002003b1b016b00000000'],
    ['a length of zero, which would loop for ever', '00000000030002003b1b016b00000000'],
    ['a length beyond what came', '14000000030002003b1b016b00000000'],
    ['rubbish after a good message', '10000000030002003b1b016b00000000 0102'],
  ])('%s is an error', (_, hex) => {
    expect(() => decodeMessages(bytes(hex))).toThrow(MalformedNetlink)
  })

  test.each([
    ['an attribute of length zero, which would loop for ever', '0000 0100 00000000'],
    ['an attribute longer than the message', '0900 0100 00000000'],
    ['an attribute header cut short', '0500'],
  ])('%s is an error', (_, hex) => {
    expect(() => decodeAttributes(bytes(hex), 0)).toThrow(MalformedNetlink)
  })

  test('a fixed header cut short is an error for every kind', () => {
    for (const decode of [decodeLink, decodeAddress, decodeRoute, decodeNeighbour]) {
      expect(() => decode(Buffer.alloc(7))).toThrow(MalformedNetlink)
    }
  })

  test('a number or an address of the wrong size is an error', () => {
    const mtu = Buffer.concat([Buffer.alloc(16), bytes('0600 0400 2923 0000')])
    expect(() => decodeLink(mtu)).toThrow(/attribute 4 has 2 bytes/)
    const address = Buffer.concat([bytes('0218000007000000'), bytes('0700 0200 0a0001 00')])
    expect(() => decodeAddress(address)).toThrow(/an address of 3 bytes/)
  })

  test('an answer without the request it answers is an error', () => {
    const message = only('14000000020000003b1b016b00000000 00000000')
    expect(() => decodeAnswer(message)).toThrow(MalformedNetlink)
  })

  test('no bytes at all make the decoders loop or fail in any other way', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (array) => {
        const datagram = Buffer.from(array)
        for (const decode of [decodeMessages, decodeLink, decodeAddress, decodeRoute]) {
          try {
            decode(datagram)
          } catch (error) {
            expect(error).toBeInstanceOf(MalformedNetlink)
          }
        }
      }),
      { numRuns: 2_000 },
    )
  })
})
