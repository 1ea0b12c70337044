// The namespaces of the suite: each ENI is found by its MAC where AttachNetworkInterface makes it
// appear, moved into a namespace of its own and configured there as an instance would do it. By
// iproute2, arguments only; the same against the lab, another emulator, or an instance on EC2.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { within } from '../wire/libc.ts'

/** The router's link-local address in every subnet (VPC user guide, "Subnet sizing for IPv6"). */
const ROUTER_V6 = 'fe80:ec2::1'
const APPEARS_MS = 30_000

/** An interface as it is to be in its namespace. */
export type Guest = {
  readonly namespace: string
  readonly mac: string
  readonly ipv6: string
  /** Absent in a subnet of IPv6 alone. */
  readonly ipv4?: { readonly address: string; readonly bits: number; readonly gateway: string }
}

type Link = {
  readonly ifname: string
  readonly ifindex: number
  readonly address?: string
  readonly operstate: string
}

/** Waits for the interface, moves it and configures it. Gives its namespace's path and its index. */
export async function takeIn(guest: Guest): Promise<{ netns: string; ifindex: number }> {
  const { namespace, mac, ipv4, ipv6 } = guest
  const { ifname } = await appeared(mac)
  await ip([], [`netns add ${namespace}`, `link set dev ${ifname} netns ${namespace}`])
  const netns = `/run/netns/${namespace}`
  makeReady(netns)
  const link = (await links(namespace)).find(({ address }) => address === mac)
  if (link === undefined) throw new Error(`${ifname} did not move into ${namespace}`)
  const dev = link.ifname
  await ip(
    ['-n', namespace],
    [
      'link set lo up',
      `link set dev ${dev} mtu 9001 up`,
      `addr add ${ipv6}/128 dev ${dev} nodad`,
      `route add ::/0 via ${ROUTER_V6} dev ${dev}`,
      ...(ipv4 === undefined
        ? []
        : [
            `addr add ${ipv4.address}/${ipv4.bits} dev ${dev}`,
            `route add 0.0.0.0/0 via ${ipv4.gateway} dev ${dev}`,
          ]),
    ],
  )
  await until(`${dev} in ${namespace} is up`, async () =>
    (await links(namespace)).find((each) => each.address === mac && each.operstate === 'UP'),
  )
  return { netns, ifindex: link.ifindex }
}

/** Takes the namespace away; an interface that is in it goes where its owner wants it. */
export async function letGo(namespace: string): Promise<void> {
  await ip([], [`netns delete ${namespace}`])
}

const appeared = (mac: string): Promise<Link> =>
  until(`an interface with MAC ${mac} appears`, async () =>
    (await links()).find(({ address }) => address === mac),
  )

async function until(what: string, look: () => Promise<Link | undefined>): Promise<Link> {
  const deadline = performance.now() + APPEARS_MS
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > deadline) throw new Error(`${what}: not in ${APPEARS_MS} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function links(namespace?: string): Promise<Link[]> {
  const where = namespace === undefined ? [] : ['-n', namespace]
  return JSON.parse(await run([...where, '-j', 'link'])) as Link[]
}

/** Addresses are usable at once, nobody's source is checked but by the fabric, and nothing is sent on. */
function makeReady(netns: string): void {
  const fd = fs.openSync(netns, 'r')
  within(fd, () => {
    fs.writeFileSync('/proc/sys/net/ipv4/ip_forward', '0')
    fs.writeFileSync('/proc/sys/net/ipv6/conf/all/forwarding', '0')
    for (const scope of ['all', 'default']) {
      fs.writeFileSync(`/proc/sys/net/ipv4/conf/${scope}/rp_filter`, '0')
      for (const [key, value] of [
        ['disable_ipv6', '0'],
        ['accept_dad', '0'],
        ['accept_ra', '0'],
      ] as const) {
        fs.writeFileSync(`/proc/sys/net/ipv6/conf/${scope}/${key}`, value)
      }
    }
  })
  fs.closeSync(fd)
}

const ip = (flags: string[], lines: string[]): Promise<string> =>
  run([...flags, '-batch', '-'], `${lines.join('\n')}\n`)

/** Not synchronous: while an ENI is plugged in anew, a flood goes on. */
async function run(args: string[], input = ''): Promise<string> {
  const child = spawn('ip', args, { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.on('error', () => {}) // It may end before it has read all: its status tells.
  const said = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text
    })
  }
  child.stdin.end(input)
  const [status] = await once(child, 'close')
  if (status === 0) return said.stdout
  throw new Error(`ip ${args.join(' ')}: ${said.stderr}\n${input}`)
}
