// What the host has for a way to the real Internet, before anything is made: its default routes, whether
// it forwards, and an address that the lab can have there. It is asked, never changed.

import fs from 'node:fs'
import { canonical } from './address.ts'
import { uplinkNames } from './names.ts'
import { withinPath } from './namespace.ts'
import { query } from './netlink-socket.ts'
import { askRoute, parseRoute, type Version } from './route-messages.ts'
import type { Link } from './rtnetlink.ts'
import type { Way } from './uplink-rules.ts'

/** Ways by IP version, and why a version has none. */
export type HostWays = {
  readonly ways: readonly Way[]
  readonly without: Readonly<Partial<Record<Version, string>>>
}

const VERSIONS: readonly Version[] = ['ipv4', 'ipv6']
/** Asked about, never sent to: public addresses by which the host's default route shows itself. */
export const SOMEWHERE = { ipv4: '1.1.1.1', ipv6: '2606:4700:4700::1111' } as const
/** So many addresses are looked at until one is free. */
const CANDIDATES = 16

/** Where the host's default routes lead, and the lab's addresses. Throws where it forwards nothing. */
export function hostWays(
  host: number,
  links: readonly Link[],
  { lab, hostNetns }: { readonly lab: string; readonly hostNetns: string },
): HostWays {
  const ways: Way[] = []
  const without: Partial<Record<Version, string>> = {}
  for (const version of VERSIONS) {
    const route = ask(host, SOMEWHERE[version])
    const uplink = links.find(({ ifindex }) => ifindex === route?.ifindex)?.name
    if (route === undefined || uplink === undefined) {
      without[version] = `the host has no default route of ${version} by a router of ${version}`
    } else {
      const closed = forwardsNot(hostNetns, version, uplink)
      // Switching forwarding on would have a host with IPv6 forget its router (accept_ra).
      if (closed !== undefined && version === 'ipv4') throw refusal(closed)
      if (closed !== undefined) without[version] = closed
      else {
        const own = links.find(({ name }) => name === uplinkNames(lab).link)?.ifindex
        const address = freeAddress(host, version, route, { lab, own })
        const { gateway } = route
        ways.push({ version, uplink, address, ...(gateway === undefined ? {} : { gateway }) })
      }
    }
  }
  if (ways.length === 0) throw refusal(Object.values(without).join('; '))
  return { ways, without }
}

type Route = { readonly ifindex: number; readonly gateway?: string }

function ask(host: number, address: string): Route | undefined {
  try {
    const route = parseRoute(query(host, askRoute(address)))
    if (route === undefined) return undefined
    const { ifindex, gateway } = route
    return { ifindex, ...(gateway === undefined ? {} : { gateway: textOf(gateway) }) }
  } catch {
    return undefined // No route, a blackhole, a prohibition: the kernel says it by an errno.
  }
}

function forwardsNot(hostNetns: string, version: Version, uplink: string): string | undefined {
  const scopes = version === 'ipv4' ? [uplink] : ['all', uplink]
  const off = scopes.find(
    (scope) => sysctl(hostNetns, `${version}/conf/${scope}/forwarding`) !== '1',
  )
  if (off === undefined) return undefined
  const key = off === uplink && version === 'ipv4' ? 'net.ipv4.ip_forward' : undefined
  const name = key ?? `net.${version}.conf.${off.replaceAll('.', '/')}.forwarding`
  return `the host forwards no ${version} from ${uplink}: sysctl -w ${name}=1 has it do so`
}

/** An address of the lab's that the host has no route for but its default one, or the lab's own. */
function freeAddress(
  host: number,
  version: Version,
  way: Route,
  { lab, own }: { readonly lab: string; readonly own: number | undefined },
): string {
  const { number } = uplinkNames(lab)
  for (let at = 0; at < CANDIDATES; at++) {
    const address = uplinkAddress(version, (number + at) & 0xffff)
    const route = ask(host, address)
    if (route === undefined) continue
    const isFree = route.ifindex === way.ifindex && route.gateway === way.gateway
    if (isFree || route.ifindex === own) return address
  }
  const [from, to] = [number, number + CANDIDATES - 1].map((each) => uplinkAddress(version, each))
  throw refusal(`the host has routes of its own for all of ${from} to ${to}`)
}

/** The lab's address by its number: benchmark addresses, and of a local block (RFC 2544, RFC 4193). */
function uplinkAddress(version: Version, number: number): string {
  if (version === 'ipv6') return canonical(`fde7:1d1a:b::${(number & 0xffff).toString(16)}`)
  return `198.${18 + ((number >> 15) & 1)}.${(number >> 7) & 0xff}.${((number << 1) & 0xff) | 1}`
}

/** Why there can be no such way. */
export const refusal = (why: string): Error =>
  new Error(`no way to the real Internet (--internet): ${why}`)

const sysctl = (netns: string, key: string): string | undefined =>
  withinPath(netns, () => {
    const path = `/proc/sys/net/${key}`
    return fs.existsSync(path) ? fs.readFileSync(path, 'utf8').trim() : undefined
  })

const textOf = (bytes: Buffer): string =>
  bytes.length === 4
    ? bytes.join('.')
    : canonical((bytes.toString('hex').match(/.{4}/g) ?? []).join(':'))
