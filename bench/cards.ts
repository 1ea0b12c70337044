// Cards for rows that need no lab: plugged as the lab does it, by `ip`, for programs that run in
// namespaces of their own (apart.ts).
//
//   here: b<n>, down, no address ═══ veth ═══ f<n> in `vpc`: gateways that answer       `t<n>`: a task's

import { execFileSync } from 'node:child_process'
import type { LinkExpectation } from '../agent/drivers/kernel/link.ts'

/** A card in this namespace, and the empty namespace of the task that is to have it. */
export type Card = {
  readonly n: number
  readonly mac: string
  readonly netns: string
  readonly ipv4: string
  readonly ipv6: string
  readonly ipv4Gateway: string
}

/** The router of every VPC subnet. */
const ROUTER_IPV6 = 'fe80:ec2::1'

/** Runs `ip`; what it printed. Throws where it fails. */
export const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8' })

const batch = (lines: readonly string[], ...at: string[]): void => {
  execFileSync('ip', [...at, '-batch', '-'], { input: `${lines.join('\n')}\n` })
}

/** Makes the namespace that plays the VPC. */
export function openVpc(): void {
  ip('netns', 'add', 'vpc')
  ip('-n', 'vpc', 'link', 'set', 'lo', 'up')
}

/** Plugs card `n`, 0 to 65535, and makes the namespace it is for. */
export function plug(n: number): Card {
  const [high, low] = [n >> 8, n & 255]
  const byte = (value: number): string => value.toString(16).padStart(2, '0')
  const mac = `02:be:00:00:${byte(high)}:${byte(low)}`
  const [name, end, task] = [`b${n}`, `f${n}`, `t${n}`]
  const [ipv4, ipv6, ipv4Gateway] = [
    `10.77.${low}.5`,
    `fd00:77::5:${low.toString(16)}`,
    `10.77.${low}.1`,
  ]
  ip('netns', 'add', task)
  batch([`link add ${name} mtu 9001 address ${mac} type veth peer name ${end} netns vpc`])
  // `nodad`: they are there at once, as the lab's are.
  const gateways = [`${ipv4Gateway}/32`, `${ROUTER_IPV6}/64 nodad`].map(
    (address) => `addr add dev ${end} ${address}`,
  )
  const ways = [`${ipv4}/32`, `${ipv6}/128`].map((one) => `route add ${one} dev ${end}`)
  batch([...gateways, `link set ${end} mtu 9001 up`, ...ways], '-n', 'vpc')
  return { ...{ n, mac, ipv4, ipv6, ipv4Gateway }, netns: `/run/netns/${task}` }
}

/** Takes card and namespace away, wherever the card is. */
export function unplug({ n }: Card): void {
  ip('-n', 'vpc', 'link', 'del', `f${n}`)
  ip('netns', 'del', `t${n}`)
}

/** What the agent would ask of its kernel hands, without the block of the metadata service. */
export const expectationOf = ({
  n,
  mac,
  netns,
  ipv4,
  ipv6,
  ipv4Gateway,
}: Card): LinkExpectation => ({
  ...{ mac, netns, name: 'eth0', mtu: 9001, alias: `enid i-0123456789abcdef0 t${n} link:0` },
  ipv4: [{ address: ipv4, prefixLength: 24 }],
  ipv4Gateway,
  ipv6: [ipv6],
  ipv6Gateway: ROUTER_IPV6,
  blockImds: false,
})
