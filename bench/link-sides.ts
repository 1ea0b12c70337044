// The ways to give a namespace its card, in turns: run by rows/link.ts in namespaces of its own, with
// the number of turns; prints the milliseconds of each way. Cards are plugged as the lab does it: a
// veth pair, this end down and without an address, the other in a namespace that plays the VPC, where
// the gateways answer. Before each turn every way gets a card and a namespace of its own, untouched.
//
//   here: b<n> ═══ veth ═══ f<n> in `vpc`: 10.77.0.1, fe80:ec2::1      `t<n>`: a task's namespace
//
// The agent's own kernel hands do enid's part, in their worker thread, as in the agent.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { openKernel } from '../agent/drivers/kernel/kernel.ts'
import type { LinkExpectation, TakeInTimings } from '../agent/drivers/kernel/link.ts'
import { NetlinkSocket } from '../agent/drivers/kernel/netlink-socket.ts'
import { setLink } from '../agent/drivers/kernel/rtnetlink.ts'
import { alternate, type Samples, type Side } from './pairs.ts'

/** Where Debian and Ubuntu put the plugins (package containernetworking-plugins). */
const CNI = '/usr/lib/cni'
/** The kernel ends a namespace in its own time, and holds locks for it: so long it is left alone. */
const REST_MS = 100

type Card = {
  readonly n: number
  readonly mac: string
  readonly name: string
  readonly netns: string
}

/** What one run of `link-sides.ts` prints: milliseconds of each way, and of the whole one's steps. */
export type LinkRun<K extends string> = {
  readonly samples: Samples<K>
  readonly steps: readonly TakeInTimings[]
}

const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8' })
const batch = (lines: readonly string[], ...at: string[]): void => {
  execFileSync('ip', [...at, '-batch', '-'], { input: `${lines.join('\n')}\n` })
}

function plug(n: number): Card {
  const mac = `02:be:00:00:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}`
  const [name, end, task] = [`b${n}`, `f${n}`, `t${n}`]
  ip('netns', 'add', task)
  // As Docker leaves it in a namespace without a network.
  const off = 'net.ipv6.conf.all.disable_ipv6=1'
  ip('netns', 'exec', task, 'sysctl', '-qw', off)
  batch([`link add ${name} mtu 9001 address ${mac} type veth peer name ${end} netns vpc`])
  const gateways = [`addr add 10.77.0.1/32 dev ${end}`, `addr add fe80:ec2::1/64 dev ${end} nodad`]
  const ways = [`route add 10.77.0.5/32 dev ${end}`, `route add fd00:77::5/128 dev ${end}`]
  batch([...gateways, `link set ${end} mtu 9001 up`, ...ways], '-n', 'vpc')
  return { n, mac, name, netns: `/run/netns/${task}` }
}

async function unplug({ n }: Card): Promise<void> {
  ip('-n', 'vpc', 'link', 'del', `f${n}`)
  ip('netns', 'del', `t${n}`)
}

const expectation = ({ n, mac, netns }: Card): LinkExpectation => ({
  ...{ mac, netns, name: 'eth0', mtu: 9001, alias: `enid i-0123456789abcdef0 t${n} link:0` },
  ipv4: [{ address: '10.77.0.5', prefixLength: 24 }],
  ipv4Gateway: '10.77.0.1',
  ipv6: ['fd00:77::5'],
  ipv6Gateway: 'fe80:ec2::1',
  blockImds: false,
})

/** One call of the plugin as a container runtime makes it: its settings on stdin, a result on stdout. */
async function cni({ n, mac, netns }: Card, ipv6: boolean): Promise<void> {
  const second = { address: 'fd00:77::5/128', gateway: 'fe80:ec2::1' }
  const config = {
    ...{ cniVersion: '0.4.0', name: 'bench', type: 'host-device', hwaddr: mac },
    ipam: {
      type: 'static',
      addresses: [{ address: '10.77.0.5/24', gateway: '10.77.0.1' }, ...(ipv6 ? [second] : [])],
      routes: [{ dst: '0.0.0.0/0' }],
    },
  }
  const env = {
    ...{ CNI_COMMAND: 'ADD', CNI_CONTAINERID: `t${n}`, CNI_NETNS: netns, CNI_IFNAME: 'eth0' },
    CNI_PATH: CNI,
  }
  const child = spawn(`${CNI}/host-device`, [], { stdio: ['pipe', 'pipe', 'inherit'], env })
  await answerOf(child, JSON.stringify(config))
}

async function answerOf(child: ChildProcess, input: string): Promise<void> {
  let said = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  child.stdin?.end(input)
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`host-device ended with ${code}: ${said}`)
}

/** A way that was taken has to have led there: the card is `eth0` in the namespace, with an address. */
function check({ n }: Card, addresses: readonly string[]): void {
  const seen = ip('-n', `t${n}`, '-j', 'addr', 'show', 'dev', 'eth0')
  for (const address of addresses) {
    if (!seen.includes(`"local":"${address}"`)) throw new Error(`t${n} has no ${address}: ${seen}`)
  }
}

async function main(turns: number) {
  ip('netns', 'add', 'vpc')
  const kernel = openKernel(console)
  const home = new NetlinkSocket()
  const [ipv4, ipv6] = ['10.77.0.5', 'fd00:77::5']
  let count = 0
  const steps: TakeInTimings[] = []
  const enid = async (card: Card, more: Partial<LinkExpectation>): Promise<void> => {
    await kernel.waitForLink(card.mac, { timeoutMs: 5_000 })
    const { timings } = await kernel.takeIn({ ...expectation(card), ...more })
    if (more.endpoint) steps.push(timings)
  }
  /** The namespace is held as soon as there is one: the agent's `sandbox` row, not its `link`. */
  const held = async ({ netns }: Card): Promise<void> => await kernel.holdNetns(netns)
  const dropped = async ({ netns }: Card): Promise<void> => await kernel.dropNetns(netns)
  const nothing = async (): Promise<void> => {}
  type Way = {
    before: typeof held
    go: (card: Card) => Promise<void>
    after: typeof held
    has: string[]
  }
  const ours = (more: Partial<LinkExpectation>): Way => ({
    ...{ before: held, after: dropped, has: [ipv4, ipv6] },
    go: (card) => enid(card, more),
  })
  const theirs = (v6: boolean): Way => ({
    ...{ before: nothing, after: nothing, has: v6 ? [ipv4, ipv6] : [ipv4] },
    go: (card) => cni(card, v6),
  })
  const ways: Readonly<Record<string, Way>> = {
    link: ours({}),
    whole: ours({ blockImds: true, endpoint: true }),
    cni4: theirs(false),
    cni6: theirs(true),
    move: {
      ...{ before: nothing, after: nothing, has: [] },
      async go({ mac, netns }) {
        const found = await kernel.findLink(mac)
        if (found === undefined) throw new Error(`no card ${mac}`)
        const netnsFd = openSync(netns, 'r')
        const from = performance.now()
        home.transact([setLink(found.ifindex, { netnsFd, name: 'eth0' })])
        moved = performance.now() - from
        closeSync(netnsFd)
      },
    },
  }
  let moved = Number.NaN
  const side =
    (name: string, { before, go, after, has }: Way): Side =>
    async () => {
      const card = plug(count++)
      await before(card)
      await sleep(REST_MS)
      const from = performance.now()
      await go(card)
      const took = name === 'move' ? moved : performance.now() - from
      check(card, has)
      await after(card)
      await unplug(card)
      await sleep(REST_MS)
      return took
    }
  const sides = Object.fromEntries(
    Object.entries(ways).map(([name, way]) => [name, side(name, way)]),
  )
  const samples = await alternate(sides, turns, {
    onTurn: (n) => n % 10 === 0 && process.stderr.write(`link: ${n} of ${turns}\n`),
  })
  await kernel.close()
  return { samples, steps: steps.slice(-turns) }
}

console.log(JSON.stringify(await main(Number(process.argv[2]))))
