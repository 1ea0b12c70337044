// Goal: a task's card is taken in as asked, from wherever an earlier life left it, behind a gateway
// that answers, and cut off from IMDS whatever the task tries. Method: throw-away namespaces and
// veth pairs (kernel-rig.ts); `ip -j` and `nft` say what is so, a hostile child process
// (kernel-packets.ts) says what can be reached.

import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { VARIANTS } from './kernel-packets.ts'
import {
  atHome,
  type Eni,
  expectTakenIn,
  IMDS,
  inside,
  ip,
  ipGateways,
  ipLinks,
  live,
  nft,
  peers,
} from './kernel-rig.ts'
import { useKernel } from './use-kernel.ts'

const { rig, kernel } = useKernel()

describe('taking in', () => {
  test('an IPv4 link stands in the namespace as asked, with IPv6 off', async () => {
    const [eni, netns] = [rig.plug(), rig.netns()]
    const request = rig.expectation4(eni, netns)

    const taken = await kernel.takeIn(request)

    expectTakenIn(eni, netns, request)
    expect(inside(netns)?.ifindex).toBe(taken.ifindex)
    expect(taken.mtu).toBe(9001)
    const gateway = ipLinks(rig.fabric).find((link) => link.ifname === `f${eni.n}`)
    expect(taken.gatewayMac).toBe(gateway?.address)
    expect(inside(netns)?.addr_info.filter(({ local }) => local.includes(':'))).toEqual([])
    expect(await kernel.verify(request)).toEqual([])
    expect(await rig.reaches(netns, peers(eni))).toEqual([peers(eni)[0]])
  })

  test('a dual-stack link does where the namespace has IPv6 switched off', async () => {
    const [eni, netns] = [rig.plug(), rig.netns()]
    const request = rig.expectation(eni, netns)

    await kernel.takeIn(request)

    expectTakenIn(eni, netns, request)
    expect(await kernel.verify(request)).toEqual([])
    expect(await rig.reaches(netns, peers(eni))).toEqual(peers(eni))
    // No advertisement may add an address or a route, and none is being waited for.
    const read = (key: string) =>
      ip('netns', 'exec', netns, 'cat', `/proc/sys/net/ipv6/conf/eth0/${key}`).trim()
    expect([read('accept_ra'), read('disable_ipv6')]).toEqual(['0', '0'])
    expect(ip('-n', netns, 'addr')).not.toContain('tentative')
  })

  // P541
  test('a link of IPv6 alone has no IPv4 and a static way out, its gateway proven by NDP', async () => {
    const [eni, netns] = [rig.plug(), rig.netns()]
    const request = rig.expectation6(eni, netns)

    const taken = await kernel.takeIn(request)

    expectTakenIn(eni, netns, request)
    const gateway = ipLinks(rig.fabric).find((link) => link.ifname === `f${eni.n}`)
    expect(taken.gatewayMac).toBe(gateway?.address)
    expect(await kernel.verify(request)).toEqual([])
    const [, peer6 = ''] = peers(eni)
    expect(await rig.reaches(netns, peers(eni))).toEqual([peer6])
    // The block stands for both versions, whatever the task tries.
    expect(await rig.reaches(netns, IMDS)).toEqual([])
    const ways = await rig.packetsArriving(eni, netns, [...IMDS, peer6])
    expect(IMDS.flatMap((address) => ways.get(address) ?? [])).toEqual([])
    expect(ways.get(peer6)?.length).toBeGreaterThan(1)
    // What anybody adds or takes away is told, and put back by the next ensuring.
    ip('-n', netns, 'addr', 'add', '10.9.9.9/24', 'dev', 'eth0')
    ip('-n', netns, 'route', 'add', 'default', 'via', '10.9.9.1', 'dev', 'eth0')
    ip('-n', netns, 'addr', 'del', `${request.ipv6?.[0]}/128`, 'dev', 'eth0')
    ip('-n', netns, '-6', 'route', 'del', 'default', 'dev', 'eth0')
    const told = await kernel.verify(request)
    expect(told.map(({ what }) => what)).toEqual(['addresses', 'default routes'])
    await kernel.takeIn(request)
    expectTakenIn(eni, netns, request)
    expect(await rig.reaches(netns, [peer6])).toEqual([peer6])
  })

  test('a second card of IPv6 alone has rules of IPv6 alone', async () => {
    const [first, second, netns] = [rig.plug(), rig.plug(), rig.netns()]
    await kernel.takeIn(rig.expectation4(first, netns))
    const further = { ...rig.expectation6(second, netns), name: 'eth1', table: 101 }
    await kernel.takeIn(further)
    expect(await kernel.verify(further)).toEqual([])
    expect(ip('-n', netns, 'rule')).not.toContain('101')
    expect(ip('-n', netns, '-6', 'rule')).toMatch(/from fd00:77:\d+::5 lookup 101/)
    expect(ip('-n', netns, 'route', 'show', 'default')).toContain('dev eth0')
    expect(ip('-n', netns, '-6', 'route', 'show', 'table', '101')).toContain(
      'via fe80:ec2::1 dev eth1',
    )
  })

  test('a first card of IPv6 alone leaves a second one of both its ways', async () => {
    const [first, second, netns] = [rig.plug(), rig.plug(), rig.netns()]
    const request = rig.expectation6(first, netns)
    const further = { ...rig.expectation(second, netns), name: 'eth1', table: 101 }
    await kernel.takeIn(request)
    await kernel.takeIn(further)
    expect(await kernel.verify(request)).toEqual([])
    expect(await kernel.verify(further)).toEqual([])
    expect(ipGateways(netns)).toEqual(['fe80:ec2::1'])
    expect(ip('-n', netns, 'route', 'show', 'default', 'table', '101')).toContain('dev eth1')
  })

  // P413
  test('a second card has a table of its own, and leaves the first one its ways', async () => {
    const [first, second, netns] = [rig.plug(), rig.plug(), rig.netns()]
    const request = rig.expectation(first, netns)
    const further = { ...rig.expectation(second, netns), name: 'eth1', table: 101 }
    await kernel.takeIn(request)
    const before = ip('-n', netns, 'route') + ip('-n', netns, '-6', 'route')
    await kernel.takeIn(further)

    expect(await kernel.verify(request)).toEqual([])
    expect(await kernel.verify(further)).toEqual([])
    const now = ip('-n', netns, 'route') + ip('-n', netns, '-6', 'route')
    for (const line of before.trim().split('\n')) expect(now).toContain(line)
    expect(now.split('\n').filter((line) => /default.*eth1/.test(line))).toEqual([])
    type Rule = { src?: string; oif?: string; table: string; priority: number }
    const rules = [[], ['-6']].flatMap((family) =>
      (JSON.parse(ip('-n', netns, '-j', ...family, 'rule')) as Rule[]).filter(
        ({ table }) => table === '101',
      ),
    )
    const addresses = [...further.ipv4.map(({ address }) => address), ...(further.ipv6 ?? [])]
    expect(rules.map(({ src, oif }) => oif ?? src).toSorted()).toEqual(
      [...addresses, 'eth1', 'eth1'].toSorted(),
    )
    // Each source leaves by its own card, whatever the destination.
    for (const [eni, dev] of [
      [request, 'eth0'],
      [further, 'eth1'],
    ] as const) {
      const from = eni.ipv4[0]?.address ?? ''
      expect(ip('-n', netns, 'route', 'get', '203.0.113.9', 'from', from)).toContain(`dev ${dev}`)
      const from6 = eni.ipv6?.[0] ?? ''
      expect(ip('-n', netns, 'route', 'get', '2001:db8:9::9', 'from', from6)).toContain(
        `dev ${dev}`,
      )
    }
    // Taken away, it is seen, and put back by the next ensuring.
    ip('-n', netns, 'rule', 'del', 'from', addresses[0] ?? '', 'table', '101')
    ip('-n', netns, 'route', 'flush', 'table', '101')
    ip('-n', netns, 'route', 'add', 'default', 'dev', 'eth1', 'metric', '5')
    expect((await kernel.verify(further)).map(({ what }) => what).toSorted()).toEqual([
      'default routes',
      'default routes of the main table',
      'policy rules',
      'subnet routes',
    ])
    await kernel.takeIn(further)
    expect(await kernel.verify(further)).toEqual([])
    expect(await kernel.verify(request)).toEqual([])
  })

  // P185
  test('what somebody else put on the link in the host does not come along', async () => {
    const [eni, netns] = [rig.plug(), rig.netns()]
    ip('link', 'set', eni.hostName, 'up')
    ip('addr', 'add', `10.77.${eni.n}.66/24`, 'dev', eni.hostName)
    ip('addr', 'add', `fd00:77:${eni.n}::66/64`, 'dev', eni.hostName, 'nodad')

    await kernel.takeIn(rig.expectation(eni, netns))

    expectTakenIn(eni, netns, rig.expectation(eni, netns))
  })

  test('an MTU above what the driver takes is refused by nobody, the largest is used', async () => {
    const [eni, netns] = [rig.plug(), rig.netns()]
    const taken = await kernel.takeIn({ ...rig.expectation4(eni, netns), mtu: 65_535 })
    expect(taken.mtu).toBe(65_535)
    expect(inside(netns)?.mtu).toBe(65_535)
  })

  test('two links at once end in their own namespaces', async () => {
    const enis = [rig.plug(), rig.plug()]
    const tasks = enis.map((eni) => ({ eni, netns: rig.netns() }))
    await Promise.all(tasks.map(({ eni, netns }) => kernel.takeIn(rig.expectation(eni, netns))))
    for (const { eni, netns } of tasks) expectTakenIn(eni, netns, rig.expectation(eni, netns))
  })

  // P474
  test('of a burst, one whose card never comes and one whose gateway is silent keep no other waiting', async () => {
    const [mute, muteNetns] = [rig.plug({ silent: true }), rig.netns()]
    const end = new AbortController()
    const { signal } = end
    const never = kernel.waitForLink('02:00:00:00:00:98', { timeoutMs: 60_000, signal })
    const silent = kernel.takeIn(rig.expectation4(mute, muteNetns), {
      gatewayTimeoutMs: 60_000,
      signal,
    })
    const [neverEnds, silentEnds] = [never, silent].map((each) =>
      expect(each).rejects.toThrow('over'),
    )
    const tasks = Array.from({ length: 6 }, () => ({ eni: rig.plug(), netns: rig.netns() }))
    await Promise.all(tasks.map(({ eni, netns }) => kernel.takeIn(rig.expectation(eni, netns))))
    for (const { eni, netns } of tasks) expectTakenIn(eni, netns, rig.expectation(eni, netns))
    end.abort(new Error('over'))
    await Promise.all([neverEnds, silentEnds])
  })
})

describe('taking in again', () => {
  // Where a death may leave things. Each stage is made by `ip`, on top of the ones before it.
  const stages: [stage: string, (eni: Eni, netns: string) => void][] = [
    ['plugged', () => {}],
    ['moved', ({ hostName }, netns) => ip('link', 'set', hostName, 'netns', netns)],
    ['renamed', ({ hostName }, netns) => ip('-n', netns, 'link', 'set', hostName, 'name', 'eth0')],
    [
      'marked',
      (_, netns) => ip('-n', netns, 'link', 'set', 'eth0', 'alias', 'half', 'mtu', '1500'),
    ],
    ['up without its block', (_, netns) => ip('-n', netns, 'link', 'set', 'eth0', 'up')],
    [
      'half its addresses',
      ({ n }, netns) => ip('-n', netns, 'addr', 'add', `10.77.${n}.5/24`, 'dev', 'eth0'),
    ],
    [
      'its route',
      ({ n }, netns) => ip('-n', netns, 'route', 'add', 'default', 'via', `10.77.${n}.1`),
    ],
  ]

  // P15
  test.each(stages.map(([stage], i) => [stage, i] as const))(
    'a life that ended when the link was %s is made good by the next',
    async (_, last) => {
      const [eni, netns] = [rig.plug(), rig.netns()]
      for (const [, make] of stages.slice(0, last + 1)) make(eni, netns)
      const request = rig.expectation(eni, netns)
      expect(await kernel.verify(request)).not.toEqual([])

      await kernel.takeIn(request)

      expectTakenIn(eni, netns, request)
      expect(await rig.reaches(netns, [...IMDS, ...peers(eni)])).toEqual(peers(eni))
    },
  )

  // P15
  test.each([1, 7, 14, 21, 28])(
    'a life that is killed %i ms into the work is made good by the next',
    async (delayMs) => {
      const [eni, netns] = [rig.plug(), rig.netns()]
      const request = rig.expectation(eni, netns)
      const child = live('take-in', JSON.stringify(request))
      const exited = once(child, 'exit')
      await once(child.stdout, 'data')
      await sleep(delayMs)
      child.kill('SIGKILL')
      await exited

      await kernel.takeIn(request)

      expectTakenIn(eni, netns, request)
      expect(await rig.reaches(netns, [...IMDS, ...peers(eni)])).toEqual(peers(eni))
    },
  )

  // P61
  test('a link that stands is not disturbed: same index, no packet lost, never down', async () => {
    const [eni, netns] = [rig.plug(), rig.netns()]
    const request = rig.expectation(eni, netns)
    const first = await kernel.takeIn(request)
    const changes = () =>
      ip('netns', 'exec', netns, 'cat', '/sys/class/net/eth0/carrier_changes').trim()
    const [before, rules] = [changes(), nft(netns, ['-a', 'list', 'ruleset'])]

    const second = await kernel.takeIn(request)

    expect(second.ifindex).toBe(first.ifindex)
    expect(changes()).toBe(before)
    const counted = /packets \d+ bytes \d+/g
    const after = nft(netns, ['-a', 'list', 'ruleset'])
    expect(after.replace(counted, '')).toBe(rules.replace(counted, ''))
  })

  test('every kind of drift is told, with what was expected and seen, and mended', async () => {
    const [eni, netns] = [rig.plug(), rig.netns()]
    const request = rig.expectation(eni, netns)
    await kernel.takeIn(request)
    ip('-n', netns, 'link', 'set', 'eth0', 'mtu', '1500', 'alias', 'mine')
    ip('-n', netns, 'addr', 'add', '10.66.0.1/24', 'dev', 'eth0')
    ip('-n', netns, 'route', 'del', 'default')
    nft(netns, ['delete', 'table', 'netdev', 'enid-eth0'])

    const drift = await kernel.verify(request)

    expect(drift.map(({ what }) => what)).toEqual([
      'alias',
      'mtu',
      'addresses',
      'default routes',
      'IMDS block',
    ])
    expect(drift[1]).toEqual({ what: 'mtu', expected: '9001', seen: '1500' })
    await kernel.takeIn(request)
    expectTakenIn(eni, netns, request)
    expect(await kernel.verify(request)).toEqual([])
  })

  test('a link that was given another MAC is not the one that is looked for', async () => {
    const [eni, netns] = [rig.plug(), rig.netns()]
    const request = rig.expectation(eni, netns)
    await kernel.takeIn(request)
    ip('-n', netns, 'link', 'set', 'eth0', 'address', '02:00:00:00:00:99')
    expect((await kernel.verify(request)).map(({ what }) => what)).toEqual(['mac'])
    ip('-n', netns, 'link', 'set', 'eth0', 'address', eni.mac)
    await kernel.takeIn(request)
    expectTakenIn(eni, netns, request)
  })

  // P64
  test('a block that was weakened, rule by rule, is told and replaced', async () => {
    const [eni, netns] = [rig.plug(), rig.netns()]
    const request = rig.expectation4(eni, netns)
    await kernel.takeIn(request)
    nft(netns, ['insert', 'rule', 'netdev', 'enid-eth0', 'egress', 'accept'])
    expect(await rig.reaches(netns, [IMDS[0] ?? ''])).toEqual([IMDS[0]])

    expect((await kernel.verify(request)).map(({ what }) => what)).toEqual(['IMDS block'])
    await kernel.takeIn(request)

    expect(await rig.reaches(netns, [IMDS[0] ?? ''])).toEqual([])
  })
})

describe('IMDS', () => {
  const honest = VARIANTS.filter((variant) => variant.honest && !variant.bypass)

  test('without a block every way leads to it, the lying ones too', async () => {
    const [eni, netns] = [rig.plug(), rig.netns()]
    await kernel.takeIn(rig.expectation(eni, netns, { blockImds: false }))

    expect(await rig.reaches(netns, IMDS)).toEqual(IMDS)
    const arrived = await rig.packetsArriving(eni, netns, IMDS)
    for (const address of IMDS) {
      expect(arrived.get(address)).toEqual(VARIANTS.map(({ name }) => name))
    }
  })

  // P181
  test('with the block no way leads to it, and other traffic passes', async () => {
    const [eni, netns] = [rig.plug(), rig.netns()]
    await kernel.takeIn(rig.expectation(eni, netns))

    expect(await rig.reaches(netns, [...IMDS, ...peers(eni)])).toEqual(peers(eni))
    const arrived = await rig.packetsArriving(eni, netns, [...IMDS, ...peers(eni)])
    for (const address of IMDS) expect(arrived.get(address)).toEqual([])
    for (const address of peers(eni)) {
      expect(arrived.get(address)).toEqual(expect.arrayContaining(honest.map(({ name }) => name)))
    }
  })

  test('the block is lifted and set again as the request says', async () => {
    const [eni, netns] = [rig.plug(), rig.netns()]
    for (const blockImds of [true, false, true]) {
      const request = rig.expectation(eni, netns, { blockImds })
      await kernel.takeIn(request)
      expect(await rig.reaches(netns, IMDS)).toEqual(blockImds ? [] : IMDS)
      expect(await kernel.verify(request)).toEqual([])
    }
  })
})

describe('the gateway', () => {
  test('a silent one of IPv6 alone is told as one that NDP did not find', async () => {
    const [eni, netns] = [rig.plug({ silent: true }), rig.netns()]
    const taking = kernel.takeIn(rig.expectation6(eni, netns), { gatewayTimeoutMs: 200 })
    await expect(taking).rejects.toMatchObject({
      errno: 'EHOSTUNREACH',
      what: expect.stringMatching(/^no answer from the gateway fe80:ec2::1 \(NDP\) in /),
    })
  })

  test('a link without any address is refused before anything is touched', async () => {
    const [eni, netns] = [rig.plug(), rig.netns()]
    const { ipv6: _, ...none } = rig.expectation6(eni, netns)
    await expect(kernel.takeIn(none)).rejects.toMatchObject({ errno: 'EINVAL' })
    expect(atHome(eni)).toBeDefined()
  })

  test('a silent one is an error that names it, at the latest when the time is over', async () => {
    const [eni, netns] = [rig.plug({ silent: true }), rig.netns()]
    const begun = performance.now()
    const refused = kernel.takeIn(rig.expectation(eni, netns), { gatewayTimeoutMs: 200 })
    await expect(refused).rejects.toMatchObject({
      name: 'KernelError',
      errno: 'EHOSTUNREACH',
      mac: eni.mac,
      message: expect.stringMatching(/10\.77\.\d+\.1 \(ARP\) and fe80:ec2::1 \(NDP\)/),
    })
    // Five seconds are the link driver's own.
    expect(performance.now() - begun).toBeLessThan(4_000)
  })

  test('one that fell silent is noticed, although its answer is still remembered', async () => {
    const [eni, netns] = [rig.plug(), rig.netns()]
    await kernel.takeIn(rig.expectation4(eni, netns))
    ip('-n', rig.fabric, 'addr', 'del', `10.77.${eni.n}.1/24`, 'dev', `f${eni.n}`)
    const again = kernel.takeIn(rig.expectation4(eni, netns), { gatewayTimeoutMs: 200 })
    await expect(again).rejects.toMatchObject({ errno: 'EHOSTUNREACH' })
  })

  // P490
  test('a question that was lost is asked again at once, not after a tenth of a second', async () => {
    const [eni, netns] = [rig.plug({ silent: true }), rig.netns()]
    const hook = `type filter hook ingress device f${eni.n} priority 0`
    const chain = `chain in {\n${hook}\narp operation request counter\n}`
    nft(rig.fabric, ['-f', '-'], `table netdev asked {\n${chain}\n}`)
    const refused = kernel.takeIn(rig.expectation4(eni, netns), { gatewayTimeoutMs: 250 })
    await expect(refused).rejects.toMatchObject({ errno: 'EHOSTUNREACH' })
    const listed = nft(rig.fabric, ['list', 'table', 'netdev', 'asked'])
    nft(rig.fabric, ['delete', 'table', 'netdev', 'asked'])
    // Each tenth of a second would be three.
    expect(Number(/counter packets (\d+)/.exec(listed)?.[1])).toBeGreaterThan(3)
  })

  test('waiting for one link holds up no other', async () => {
    const [silent, eni] = [rig.plug({ silent: true }), rig.plug()]
    const [netns, other] = [rig.netns(), rig.netns()]
    const abort = new AbortController()
    const options = { signal: abort.signal, gatewayTimeoutMs: 60_000 }
    const stuck = kernel.takeIn(rig.expectation4(silent, netns), options)
    const settled = expect(stuck).rejects.toThrow('was long enough')
    await kernel.takeIn(rig.expectation4(eni, other))
    abort.abort(new Error('was long enough'))
    await settled
  })
})
