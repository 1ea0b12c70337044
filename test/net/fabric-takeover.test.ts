// Goal: taking over a fabric is no moment in which its rules do not hold. Method: a stream to an open
// port and to closed ones while a fabric is let go of and taken over again and again; nft in both
// guests counts what left one and what reached the other.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Group } from '../../lab/fabric/fabric.ts'
import { type LabFabric, openFabric } from '../../lab/fabric/open.ts'
import { oracle, putOpenSubnet, quiet, Rig, rule } from './fabric-rig.ts'
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
  for (const port of bystanders) await rig.fabric.plug(port)
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
