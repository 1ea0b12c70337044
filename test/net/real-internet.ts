// A real Internet for tests, in namespaces of their own behind this one, which plays the host: its
// default routes lead there, and beside them it has a network of its own, as hosts do.
//
//   host: uplink0 45.10.0.2, 2a0a:1::2 ══ world: the gateway, a neighbour on the same wire, and
//         lan0    10.77.0.1            ══ lan    hosts with public and with all other addresses
//
// Nothing leaves the machine: it is for a network namespace that has no default route.

import { readdirSync, readFileSync } from 'node:fs'
import { ip, oracle } from './fabric-rig.ts'
import { close, listenTcp } from './fabric-sockets.ts'

/** Where things are. All `world` addresses answer TCP on port 80. */
export const AT = {
  host: '45.10.0.2',
  hostIpv6: '2a0a:1::2',
  gateway: '45.10.0.1',
  /** Of the Internet, by the default route. */
  public: '9.9.9.9',
  publicIpv6: '2a0a:9::9',
  /** On the uplink's own wire, with a public address. */
  neighbour: '45.10.0.7',
  neighbourIpv6: '2a0a:1::7',
  /** Private, and the default route leads there. */
  farPrivate: '10.200.0.1',
  shared: '100.64.0.9',
  metadata: '169.254.169.254',
  wireserver: '168.63.129.16',
  farLocalIpv6: 'fd99::9',
  mappedIpv6: '2002:a4d:5::1',
  /** On the host's other network: a private address, and a public one with a route of its own. */
  lan: '10.77.0.5',
  lanPublic: '8.26.56.26',
} as const

/** What the proof of a lab asks the route to. */
const PROVEN = '1.1.1.1'

export type RealInternetRig = {
  /** The namespaces, by path. */
  readonly world: string
  readonly lan: string
  end(): void
}

/** Makes it. Throws where this namespace has a default route: it is somebody's, and stays as it is. */
export function makeRealInternet(name: string): RealInternetRig {
  if (oracle('ip', '-j', 'route', 'show', 'default').length > 0) {
    throw new Error(
      'this namespace leads to the Internet: run the test in one of its own (npm test)',
    )
  }
  const [world, lan] = [`${name}-world`, `${name}-lan`]
  for (const netns of [world, lan]) {
    ip('netns', 'add', netns)
    ip('-n', netns, 'link', 'set', 'lo', 'up')
  }
  const wire = (link: string, netns: string) => {
    ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', netns)
    ip('link', 'set', link, 'up')
    ip('-n', netns, 'link', 'set', 'eth0', 'up')
  }
  wire('uplink0', world)
  wire('lan0', lan)
  const has = (netns: string, link: string, ...addresses: string[]) => {
    for (const each of addresses) {
      ip('-n', netns, 'addr', 'add', each, 'dev', link, ...(each.includes(':') ? ['nodad'] : []))
    }
  }
  const host = (address: string) => `${address}/${address.includes(':') ? 128 : 32}`
  ip('addr', 'add', `${AT.host}/24`, 'dev', 'uplink0')
  ip('addr', 'add', `${AT.hostIpv6}/64`, 'dev', 'uplink0', 'nodad')
  ip('addr', 'add', '10.77.0.1/24', 'dev', 'lan0')
  const wired = [AT.gateway, AT.neighbour].map((each) => `${each}/24`)
  has(world, 'eth0', ...wired, '2a0a:1::1/64', `${AT.neighbourIpv6}/64`)
  const { public: there, publicIpv6, farPrivate, shared, metadata, wireserver } = AT
  const far = [there, publicIpv6, farPrivate, shared, metadata, wireserver, PROVEN]
  has(world, 'lo', ...[...far, AT.farLocalIpv6, AT.mappedIpv6].map(host))
  has(lan, 'eth0', `${AT.lan}/24`)
  has(lan, 'lo', host(AT.lanPublic))
  ip('-n', lan, 'route', 'add', 'default', 'via', '10.77.0.1')
  ip('route', 'add', host(AT.lanPublic), 'via', AT.lan)
  ip('route', 'add', host(metadata), 'dev', 'uplink0') // As EC2's guests have it.
  ip('route', 'add', 'default', 'via', AT.gateway)
  ip('-6', 'route', 'add', 'default', 'via', '2a0a:1::1')
  const path = (netns: string) => `/run/netns/${netns}`
  const listeners = [
    ...[...far, AT.gateway, AT.neighbour, AT.neighbourIpv6, AT.farLocalIpv6, AT.mappedIpv6].map(
      (address) => [path(world), address] as const,
    ),
    ...[AT.lan, AT.lanPublic].map((address) => [path(lan), address] as const),
  ].map(([netns, address]) => listenTcp(netns, address, 80))
  return {
    world: path(world),
    lan: path(lan),
    end() {
      listeners.forEach(close)
      ip('link', 'del', 'uplink0')
      ip('link', 'del', 'lan0')
      ip('netns', 'del', world)
      ip('netns', 'del', lan)
    },
  }
}

/** The host's own network settings: all but those of links that come and go. */
export function hostSettings(): Record<string, string> {
  const scopes = ['all', 'default', 'uplink0', 'lan0', 'lo']
  const files = (['ipv4', 'ipv6'] as const).flatMap((version) => [
    ...scopes.flatMap((scope) => {
      const folder = `/proc/sys/net/${version}/conf/${scope}`
      return readdirSync(folder).map((key) => `${folder}/${key}`)
    }),
    ...(version === 'ipv4' ? ['/proc/sys/net/ipv4/ip_forward'] : []),
  ])
  // One that only some may read is of no concern here.
  return Object.fromEntries(
    files.filter((file) => !file.endsWith('stable_secret')).map((file) => [file, read(file)]),
  )
}

const read = (file: string): string => readFileSync(file, 'utf8').trim()
