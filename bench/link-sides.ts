// The ways to give a namespace its card, in turns: run by rows/link.ts in namespaces of its own, with
// the number of turns; prints the milliseconds of each way. Each time there is a new card (cards.ts) and
// a new namespace, and nothing is measured while they are made or taken away.
//
// The agent's own kernel hands do enid's part, in their worker thread, as in the agent.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { openKernel } from '../agent/drivers/kernel/kernel.ts'
import type { LinkExpectation, TakeInTimings } from '../agent/drivers/kernel/link.ts'
import { NetlinkSocket } from '../agent/drivers/kernel/netlink-socket.ts'
import { setLink } from '../agent/drivers/kernel/rtnetlink.ts'
import { type Card, expectationOf, ip, openVpc, plug, unplug } from './cards.ts'
import { alternate, type Samples } from './pairs.ts'

/** Where Debian and Ubuntu put the plugins (package containernetworking-plugins). */
const CNI = '/usr/lib/cni'
/** The kernel ends a namespace in its own time, and holds locks for it: so long it is left alone. */
const REST_MS = 100

/** What one run of `link-sides.ts` prints: what each way cost, and of the steps of enid's. */
export type LinkRun<K extends string> = {
  readonly samples: Samples<K, Cost>
  readonly steps: Readonly<Record<'link' | 'whole', readonly TakeInTimings[]>>
}

/** One call of the plugin as a container runtime makes it: its settings on stdin, a result on stdout. */
async function cni(card: Card, withIpv6: boolean): Promise<void> {
  const { n, mac, netns, ipv4, ipv6, ipv4Gateway } = card
  const addresses = [{ address: `${ipv4}/24`, gateway: ipv4Gateway }]
  if (withIpv6) addresses.push({ address: `${ipv6}/128`, gateway: 'fe80:ec2::1' })
  const config = {
    ...{ cniVersion: '0.4.0', name: 'bench', type: 'host-device', hwaddr: mac },
    ipam: { type: 'static', addresses, routes: [{ dst: '0.0.0.0/0' }] },
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
function check({ n, ipv4, ipv6 }: Card, has: readonly ('ipv4' | 'ipv6')[]): void {
  const addresses = has.map((family) => ({ ipv4, ipv6 })[family])
  const seen = ip('-n', `t${n}`, '-j', 'addr', 'show', 'dev', 'eth0')
  for (const address of addresses) {
    if (!seen.includes(`"local":"${address}"`)) throw new Error(`t${n} has no ${address}: ${seen}`)
  }
}

/** Milliseconds of the clock, and of processors: of this process, its threads and its children. */
export type Cost = { readonly ms: number; readonly cpuMs: number }

/** One way: what comes before and after it is not measured. */
type Way = {
  before(card: Card): Promise<void>
  go(card: Card): Promise<Cost>
  after(card: Card): Promise<void>
  readonly has: readonly ('ipv4' | 'ipv6')[]
}

async function timed(work: () => Promise<void>): Promise<Cost> {
  const [from, cpuFrom] = [performance.now(), cpuMs()]
  await work()
  return { ms: performance.now() - from, cpuMs: cpuMs() - cpuFrom }
}

/**
 * Children are counted when they are over, to 10 ms: a single figure says little, and the sum of many
 * errs by as much as one (proc(5): cutime and cstime, fields 16 and 17).
 */
function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  const stat = readFileSync('/proc/self/stat', 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (user + system) / 1_000 + 10 * (Number(fields[13]) + Number(fields[14]))
}

async function main(turns: number) {
  openVpc()
  const kernel = openKernel(console)
  const home = new NetlinkSocket()
  let count = 0
  const steps = { link: [] as TakeInTimings[], whole: [] as TakeInTimings[] }
  const enid = async (card: Card, more: Partial<LinkExpectation>): Promise<void> => {
    await kernel.waitForLink(card.mac, { timeoutMs: 5_000 })
    const { timings } = await kernel.takeIn({ ...expectationOf(card), ...more })
    steps[more.endpoint === true ? 'whole' : 'link'].push(timings)
  }
  const nothing = async (): Promise<void> => {}
  /** The namespace is held as soon as there is one: that is the agent's `sandbox` row. */
  const ours = (more: Partial<LinkExpectation>): Way => ({
    before: ({ netns }) => kernel.holdNetns(netns),
    go: (card) => timed(() => enid(card, more)),
    after: ({ netns }) => kernel.dropNetns(netns),
    has: ['ipv4', 'ipv6'],
  })
  const theirs = (v6: boolean): Way => ({
    ...{ before: nothing, after: nothing, has: v6 ? ['ipv4', 'ipv6'] : ['ipv4'] },
    go: (card) => timed(() => cni(card, v6)),
  })
  const move = async ({ mac, netns }: Card): Promise<Cost> => {
    const found = await kernel.findLink(mac)
    if (found === undefined) throw new Error(`no card ${mac}`)
    const netnsFd = openSync(netns, 'r')
    const cost = await timed(async () => {
      home.transact([setLink(found.ifindex, { netnsFd, name: 'eth0' })])
    })
    closeSync(netnsFd)
    return cost
  }
  const ways: Readonly<Record<string, Way>> = {
    link: ours({}),
    whole: ours({ blockImds: true, endpoint: true }),
    cni4: theirs(false),
    cni6: theirs(true),
    move: { ...{ before: nothing, after: nothing, has: [] }, go: move },
  }
  const side =
    ({ before, go, after, has }: Way) =>
    async (): Promise<Cost> => {
      const card = plug(count++)
      await before(card)
      await sleep(REST_MS)
      const cost = await go(card)
      check(card, has)
      await after(card)
      unplug(card)
      await sleep(REST_MS)
      return cost
    }
  const sides = Object.fromEntries(Object.entries(ways).map(([name, way]) => [name, side(way)]))
  const samples = await alternate(sides, turns, {
    onTurn: (n) => n % 10 === 0 && process.stderr.write(`link: ${n} of ${turns}\n`),
  })
  await kernel.close()
  const [link, whole] = [steps.link, steps.whole].map((all) => all.slice(-turns))
  return { samples, steps: { link, whole } }
}

console.log(JSON.stringify(await main(Number(process.argv[2]))))
