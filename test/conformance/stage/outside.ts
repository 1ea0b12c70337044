// The host outside the VPC that rows call `o`: a network namespace of this machine that has public
// addresses of its own and reaches the Internet of the VPC. The suite's own lab has one; of another
// endpoint it is named with --outside, and without one the cases that need it are not asked.

import { execFileSync } from 'node:child_process'
import type { Wire } from '../wire/wire.ts'

type Link = {
  readonly ifindex: number
  readonly address: string
  readonly flags: readonly string[]
  readonly addr_info: readonly { family: string; local: string; scope: string }[]
}

/** Takes the host in that a namespace holds; throws when it has no global address of either version. */
export function takeInOutside(wire: Wire, namespace: string) {
  const told = execFileSync('ip', ['-n', namespace, '-j', 'addr'], { encoding: 'utf8' })
  for (const { ifindex, address, flags, addr_info: addresses } of JSON.parse(told) as Link[]) {
    if (flags.includes('LOOPBACK')) continue
    const [ipv4, ipv6] = ['inet', 'inet6'].map(
      (family) => addresses.find((a) => a.family === family && a.scope === 'global')?.local,
    )
    if (ipv4 === undefined || ipv6 === undefined) continue
    const netns = `/run/netns/${namespace}`
    return wire.addOutside({ name: 'o', mac: address, ipv4, ipv6, netns, ifindex })
  }
  throw new Error(`namespace ${namespace} has no link with addresses of both IP versions`)
}
