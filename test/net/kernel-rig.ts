// What the tests of the kernel hands stand on: a namespace that plays the VPC (gateway, IMDS and a
// peer), veth pairs that play ENIs, namespaces that play tasks. All made by `ip` and `nft`, and all
// looked at through them: nothing of what is tested.
//
//   host: kt<pid>-<n> ═══ veth ═══ f<n> in the fabric: 10.77.<n>.1, fe80:ec2::1, IMDS, a peer

import {
  type ChildProcess,
  type ChildProcessByStdio,
  execFile,
  execFileSync,
  spawn,
} from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import type { Ipv4Address, LinkExpectation } from '../../agent/drivers/kernel/link.ts'
import { PORT_BASE, type ProbeRequest, VARIANTS } from './kernel-packets.ts'

export const IMDS = ['169.254.169.254', 'fd00:ec2::254']
const PACKETS = new URL('./kernel-packets.ts', import.meta.url).pathname

/** Runs `ip` and answers what it printed; throws when it fails. */
export function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/** The same without holding up the event loop. */
export async function ipAsync(...args: string[]): Promise<void> {
  await promisify(execFile)('ip', args)
}

/** Many commands of `ip` in one namespace, in one process. */
export async function ipBatch(netns: string, lines: readonly string[]): Promise<void> {
  const child = spawn('ip', ['-n', netns, '-batch', '-'], { stdio: ['pipe', 'ignore', 'inherit'] })
  child.stdin.end(`${lines.join('\n')}\n`)
  const [code] = await once(child, 'close')
  expect(code).toBe(0)
}

/** One link as `ip -j addr` shows it. */
export type IpLink = {
  readonly ifindex: number
  readonly ifname: string
  readonly address: string
  readonly mtu: number
  readonly flags: readonly string[]
  readonly ifalias?: string
  readonly addr_info: readonly { local: string; prefixlen: number; scope: string }[]
}

/** The links of a namespace, or the host's, by `ip`. (`addr show` leaves the alias out.) */
export function ipLinks(netns?: string): IpLink[] {
  const at = netns === undefined ? [] : ['-n', netns]
  const links = JSON.parse(ip(...at, '-j', 'link', 'show')) as IpLink[]
  const addresses = JSON.parse(ip(...at, '-j', 'addr', 'show')) as IpLink[]
  return links.map((link) => ({ ...addresses.find((a) => a.ifindex === link.ifindex), ...link }))
}

/** The gateways of the default routes of a namespace, both families, by `ip`. */
export function ipGateways(netns: string): string[] {
  return ['-4', '-6'].flatMap((family) => {
    const shown = ip('-n', netns, '-j', family, 'route', 'show', 'default')
    return (JSON.parse(shown || '[]') as { gateway: string }[]).map((route) => route.gateway)
  })
}

/** Runs `nft` in a namespace. */
export function nft(netns: string, args: string[], input?: string): string {
  const command = ['netns', 'exec', netns, 'nft', ...args]
  return execFileSync('ip', command, { encoding: 'utf8', ...(input && { input }) })
}

/** An ENI that was plugged into the host, and what a task would be told of it. */
export type Eni = { readonly n: number; readonly mac: string; readonly hostName: string }

type Dual = LinkExpectation & { readonly ipv4: readonly Ipv4Address[] }

/** The VPC of one test file; close() takes everything away. */
export class Rig {
  readonly #prefix = `kt${process.pid}`
  readonly fabric = `${this.#prefix}-f`
  readonly #netns = new Set<string>()
  #server: ChildProcess | undefined
  #count = 1

  async open(): Promise<void> {
    ip('netns', 'add', this.fabric)
    this.#netns.add(this.fabric)
    ip('-n', this.fabric, 'link', 'set', 'lo', 'up')
    ip('-n', this.fabric, 'addr', 'add', `${IMDS[0]}/32`, 'dev', 'lo')
    ip('-n', this.fabric, 'addr', 'add', `${IMDS[1]}/128`, 'dev', 'lo')
    const node = ['netns', 'exec', this.fabric, process.execPath, PACKETS, 'serve']
    this.#server = spawn('ip', node, { stdio: ['ignore', 'pipe', 'inherit'] })
    if (this.#server.stdout === null) throw new Error('the server has no output')
    await once(this.#server.stdout, 'data')
  }

  async close(): Promise<void> {
    if (this.#server?.exitCode === null) {
      const exited = once(this.#server, 'exit')
      this.#server.kill('SIGKILL')
      await exited
    }
    for (const name of [...this.#netns]) this.removeNetns(name)
    // Every veth has its other end in the fabric and dies with it: when the kernel's one worker for that
    // has ended the namespaces of whatever else runs here, too.
    const ours = [`${this.#prefix}-`, this.#homePrefix()]
    const left = () => ipLinks().some((link) => ours.some((start) => link.ifname.startsWith(start)))
    for (const deadline = performance.now() + 120_000; left(); await sleep(20)) {
      if (performance.now() > deadline) throw new Error('the links of the test do not go away')
    }
  }

  /** A namespace without anything, IPv6 off as in Docker's `none`. Answers its name. */
  netns(): string {
    const name = `${this.#prefix}-t${this.#count++}`
    ip('netns', 'add', name)
    this.#netns.add(name)
    const off = 'net.ipv6.conf.all.disable_ipv6=1'
    execFileSync('ip', ['netns', 'exec', name, 'sysctl', '-qw', off])
    return name
  }

  removeNetns(name: string): void {
    if (this.#netns.delete(name)) ip('netns', 'del', name)
  }

  /** The arguments of `ip` that make the next ENI, so that a test can time it. */
  plugArgs(): { eni: Eni; args: string[] } {
    const n = this.#count++
    const hostName = `${this.#prefix}-${n}`
    const mac = `${this.#macPrefix()}:${n.toString(16).padStart(2, '0')}`
    const peer = ['peer', 'name', `f${n}`, 'netns', this.fabric]
    const args = ['link', 'add', hostName, 'mtu', '9001', 'address', mac, 'type', 'veth', ...peer]
    return { eni: { n, mac, hostName }, args }
  }

  /** Plugs an ENI into the host; its gateway answers unless it is told to be silent. */
  plug({ silent = false } = {}): Eni {
    const { eni, args } = this.plugArgs()
    ip(...args)
    const end = `f${eni.n}`
    const gateway = [
      `addr add 10.77.${eni.n}.1/24 dev ${end}`,
      `addr add fe80:ec2::1/64 dev ${end} nodad`,
      ...peersOf(eni).map((peer) => `addr add ${peer} dev lo`),
    ]
    const lines = [
      ...(silent ? [] : gateway),
      `link set ${end} mtu 9001 up`,
      ...(silent ? [] : [`route add fd00:77:${eni.n}::5/128 dev ${end}`]),
    ]
    const batch = ['-n', this.fabric, '-batch', '-']
    execFileSync('ip', batch, { input: lines.join('\n'), stdio: ['pipe', 'ignore', 'pipe'] })
    return eni
  }

  /** What the agent would ask for: dual stack, IMDS blocked. */
  expectation(eni: Eni, netns: string, change: Partial<Dual> = {}): Dual {
    return {
      ...this.expectation4(eni, netns),
      ipv6: [`fd00:77:${eni.n}::5`],
      ipv6Gateway: 'fe80:ec2::1',
      ...change,
    }
  }

  /** The same without IPv6. */
  expectation4(eni: Eni, netns: string): Dual {
    return {
      mac: eni.mac,
      netns: `/run/netns/${netns}`,
      alias: `enid i-0123456789abcdef0 ${netns}`,
      name: 'eth0',
      mtu: 9001,
      ipv4: [{ address: `10.77.${eni.n}.5`, prefixLength: 24 }],
      ipv4Gateway: `10.77.${eni.n}.1`,
      blockImds: true,
    }
  }

  /** The same of a subnet of IPv6 alone. */
  expectation6(eni: Eni, netns: string): LinkExpectation {
    const { ipv4: _, ipv4Gateway: __, ...rest } = this.expectation(eni, netns)
    return rest
  }

  /** Which of the addresses answer on tcp/80 to a process inside. */
  async reaches(netns: string, connect: readonly string[]): Promise<string[]> {
    return await this.#probe(netns, { connect })
  }

  /** The variants (by name) that reached each address as an IP packet in the fabric. */
  async packetsArriving(eni: Eni, netns: string, to: string[]): Promise<Map<string, string[]>> {
    const gateway = ipLinks(this.fabric).find((link) => link.ifname === `f${eni.n}`)
    const link = ipLinks(netns).find((candidate) => candidate.ifname === 'eth0')
    if (gateway === undefined || link === undefined) throw new Error('no eth0, or no gateway')
    nft(this.fabric, ['-f', '-'], SEEN)
    await this.#probe(netns, {
      connect: [],
      frames: {
        link: 'eth0',
        ifindex: link.ifindex,
        sourceMac: eni.mac,
        gatewayMac: gateway.address,
        source4: `10.77.${eni.n}.5`,
        source6: `fd00:77:${eni.n}::5`,
        to,
      },
    })
    const seen = ['v4', 'v6'].flatMap((set) =>
      seenIn(nft(this.fabric, ['-j', 'list', 'set', 'inet', 'seen', set])),
    )
    nft(this.fabric, ['delete', 'table', 'inet', 'seen'])
    const names = (address: string) =>
      VARIANTS.filter((_, i) => seen.includes(`${address} ${PORT_BASE + i}`)).map(
        ({ name }) => name,
      )
    return new Map(to.map((address) => [address, names(address)]))
  }

  async #probe(netns: string, request: ProbeRequest): Promise<string[]> {
    const words = [process.execPath, PACKETS, 'probe', JSON.stringify(request)]
    const { stdout } = await promisify(execFile)('ip', ['netns', 'exec', netns, ...words])
    return JSON.parse(stdout) as string[]
  }

  #macPrefix(): string {
    const pid = process.pid.toString(16).padStart(6, '0').slice(-6)
    return `02:4b:${pid.slice(0, 2)}:${pid.slice(2, 4)}:${pid.slice(4)}`
  }

  #homePrefix(): string {
    return `out${this.#macPrefix().replaceAll(':', '')}`
  }
}

/** The addresses of an ENI's ordinary peer, with their prefix length. */
function peersOf({ n }: Eni): string[] {
  return [`10.78.${n}.9/32`, `fd00:78:${n}::9/128`]
}

/** The addresses of an ENI's ordinary peer. */
export function peers(eni: Eni): string[] {
  return peersOf(eni).map((cidr) => cidr.split('/')[0] ?? '')
}

const SEEN = `table inet seen {
  set v4 { type ipv4_addr . inet_service; flags dynamic; size 4096; }
  set v6 { type ipv6_addr . inet_service; flags dynamic; size 4096; }
  chain arriving {
    type filter hook prerouting priority -300;
    meta l4proto udp update @v4 { ip daddr . udp dport }
    meta l4proto udp update @v6 { ip6 daddr . udp dport }
  }
}
`

function seenIn(listing: string): string[] {
  type Set = {
    set?: { elem?: ({ concat: unknown[] } | { elem: { val: { concat: unknown[] } } })[] }
  }
  const { nftables } = JSON.parse(listing) as { nftables: Set[] }
  const elements = nftables.flatMap((object) => object.set?.elem ?? [])
  return elements.map((element) =>
    ('concat' in element ? element.concat : element.elem.val.concat).join(' '),
  )
}

/** The name that a link of this MAC has after it came home. */
export const homeName = (eni: Eni) => `out${eni.mac.replaceAll(':', '')}`

/** The ENI's link in the host, by `ip`. */
export const atHome = (eni: Eni) => ipLinks().find((link) => link.address === eni.mac)

/** The task's eth0, by `ip`. */
export const inside = (netns: string) => ipLinks(netns).find((link) => link.ifname === 'eth0')

const globals = (netns: string) =>
  inside(netns)
    ?.addr_info.filter(({ scope }) => scope === 'global')
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`)

/** What `ip` and `nft` must show of a link that was taken in. */
export function expectTakenIn(eni: Eni, netns: string, request: LinkExpectation): void {
  expect(atHome(eni)).toBeUndefined()
  expect(inside(netns)).toMatchObject({ address: eni.mac, mtu: 9001, ifalias: request.alias })
  expect(inside(netns)?.flags).toContain('LOWER_UP')
  expect(ipLinks(netns).find((link) => link.ifname === 'lo')?.flags).toContain('UP')
  const ipv6 = (request.ipv6 ?? []).map((address) => `${address}/128`)
  const ipv4 = request.ipv4 === undefined ? [] : [`10.77.${eni.n}.5/24`]
  expect(globals(netns)).toEqual([...ipv4, ...ipv6])
  const gateways = ipv6.length > 0 ? ['fe80:ec2::1'] : []
  expect(ipGateways(netns)).toEqual([...ipv4.map(() => `10.77.${eni.n}.1`), ...gateways])
  const rules = nft(netns, ['list', 'ruleset'])
  expect(rules.includes('hook egress device "eth0"')).toBe(request.blockImds)
}

/** A process of its own; see kernel-life.ts. */
export function live(...args: string[]): ChildProcessByStdio<null, Readable, null> {
  const life = new URL('./kernel-life.ts', import.meta.url).pathname
  const stdio: ['ignore', 'pipe', 'ignore'] = ['ignore', 'pipe', 'ignore']
  return spawn(process.execPath, [life, ...args], { cwd: tmpdir(), stdio })
}
