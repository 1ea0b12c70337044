// Goal: taking over a fabric is no moment in which its rules do not hold. Method: a stream to an open
// port and to closed ones while a fabric is let go of and taken over again and again; nft in both
// guests counts what left one and what reached the other.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Group, Port } from '../../lab/fabric/fabric.ts'
import { type LabFabric, openFabric } from '../../lab/fabric/open.ts'
import { ip, oracle, putOpenSubnet, quiet, Rig, rule } from './fabric-rig.ts'
import { udp } from './fabric-sockets.ts'

const script = new URL('./stream.ts', import.meta.url).pathname
const GROUP: Group = {
  groupId: 'sg-1',
  rules: [rule('egress', 17, '0.0.0.0/0', 1, 8001), rule('ingress', 17, '10.0.0.0/8', 8000)],
}
const TAKEOVERS = 5
/** So many more ports make the transaction a large one. */
const BYSTANDERS = 30

let rig: Rig
/** The one that is open: the rig's, and then those that take over. */
let fabric: LabFabric
beforeAll(async () => {
  rig = await Rig.open('over')
  fabric = rig.fabric
  await fabric.putGroup(GROUP)
})
afterAll(async () => {
  await fabric.close()
  await rig.close()
})

const nft = (netns: string, ...args: string[]) => {
  const name = netns.replace('/run/netns/', '')
  execFileSync('ip', ['netns', 'exec', name, 'nft', ...args])
}

/** Counts datagrams by port in a guest. */
function count(netns: string, hook: 'input' | 'output', ports: readonly string[]): void {
  nft(netns, 'add', 'table', 'inet', 'count')
  nft(netns, 'add', 'chain', 'inet', 'count', 'seen', `{ type filter hook ${hook} priority 0; }`)
  for (const port of ports) {
    nft(netns, 'add', 'rule', 'inet', 'count', 'seen', 'udp', 'dport', port, 'counter')
  }
}

type Lone = { readonly name: string; readonly netns: string; readonly port: Port }

type Counted = { nftables: { rule?: { expr: { counter?: { packets: number } }[] } }[] }

function counted(netns: string): number[] {
  const name = netns.replace('/run/netns/', '')
  const exec = ['netns', 'exec', name, 'nft', '-j', 'list', 'table', 'inet', 'count']
  const { nftables } = oracle('ip', ...exec) as unknown as Counted
  return nftables.flatMap(({ rule: found }) =>
    (found?.expr ?? []).flatMap(({ counter }) => counter?.packets ?? []),
  )
}

// P243
test('while a fabric is taken over no datagram is lost that may pass, and none passes that may not', async () => {
  const [from, to] = [await rig.guest(20, ['sg-1']), await rig.guest(21, ['sg-1'])]
  const aside = rig.netns('aside')
  const bystanders = Array.from({ length: BYSTANDERS }, (_, n) =>
    rig.port(100 + n, aside, { groupIds: ['sg-1'] }),
  )
  for (const port of bystanders) await fabric.plug(port)
  const restore = async (next: LabFabric) => {
    await putOpenSubnet(next)
    await next.putGroup(GROUP)
    for (const port of [from.port, to.port, ...bystanders]) await next.plug(port)
  }
  expect(udp(from.netns, { netns: to.netns, address: to.ipv4 }, 8000)).toBe(true)
  // 8000 is open; 8001 is closed by the receiver, 8002 by the sender.
  const ports = ['8000', '8001', '8002']
  count(from.netns, 'output', ports)
  count(to.netns, 'input', ports)
  const name = from.netns.replace('/run/netns/', '')
  const stream = spawn('ip', ['netns', 'exec', name, process.execPath, script, to.ipv4, ...ports], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    await once(stream.stdout, 'data')
    for (let n = 0; n < TAKEOVERS; n++) {
      await fabric.release()
      fabric = await openFabric({ name: rig.name, log: quiet }, restore)
    }
    stream.kill('SIGTERM')
    await once(stream, 'close')
    await sleep(200) // On a busy machine the last may still be in a queue of the kernel's.
    const [sent = 0] = counted(from.netns)
    expect(counted(to.netns)).toEqual([sent, 0, 0])
    expect(sent).toBeGreaterThan(TAKEOVERS * 1000)
  } finally {
    stream.kill('SIGKILL')
  }
}, 120_000)

// P243
test('a guest whose lab died between its plug and its configuration is configured, and no other is touched', async () => {
  const [half, done] = ['half', 'done'].map((each, at) => {
    const netns = `/run/netns/enid-lab-${rig.name}.${each}`
    return { name: each, netns, port: rig.port(60 + at, netns, { groupIds: ['sg-1'] }) }
  }) as [Lone, Lone]
  const plan = ({ netns, port }: Lone) => ({
    netns,
    mac: port.mac,
    ipv4: [`${port.ipv4[0]}/24`],
    ipv6: [],
    ipv4Gateway: '10.0.0.1',
  })
  const put = async (next: LabFabric, ...configured: Lone[]) => {
    await putOpenSubnet(next)
    await next.putGroup(GROUP)
    for (const each of [half, done]) {
      await next.makeNetns(each.name)
      await next.plug(each.port)
      if (configured.includes(each)) await next.configureGuest(plan(each))
    }
  }
  const addresses = ({ netns }: Lone) =>
    oracle('ip', '-n', netns.replace('/run/netns/', ''), '-j', '-4', 'addr').flatMap((link) =>
      (link.addr_info as { local: string }[])
        .filter(({ local }) => local !== '127.0.0.1')
        .map(({ local }) => `${link.ifname} ${local}`),
    )
  await put(fabric, done)
  // What is changed in a guest after that is its own affair.
  const [own = ''] = done.port.ipv4
  ip('-n', done.netns.replace('/run/netns/', ''), 'addr', 'del', `${own}/24`, 'dev', 'eth0')
  await fabric.release()
  expect([addresses(half), addresses(done)]).toEqual([[], []])
  fabric = await openFabric({ name: rig.name, log: quiet }, (next) => put(next, half, done))
  expect([addresses(half), addresses(done)]).toEqual([[`eth0 ${half.port.ipv4[0]}`], []])
  for (const each of [half, done]) {
    await fabric.unplug(each.port.eniId)
    await fabric.removeNetns(each.name)
  }
})
