// The way from the lab's Internet to the real one, by opt-in: a veth between that namespace and the
// host's, one /32 (and /128) of the lab's own on it, and a table of the lab's own that lets through
// what is for the Internet and nothing else (uplink-rules.ts).
//
//   internet ══ real ════ enid-… host ─▶ the host's own rules ─▶ its default route
//     198.18.x.y/32   │   route 198.18.x.y/32
//     masqueraded     │   masqueraded again
//
// Of the host nothing is changed but that link, that route and that table: where it does not forward,
// or drops what it should, the lab says so and does not start. A datagram of the lab's own proves it:
// it goes the whole way through the host's rules and is dropped as it leaves. All of it goes with the
// lab; a lab that was killed leaves it working, for the next of its name to take over or away.

import fs from 'node:fs'
import { addressBytes } from './address.ts'
import { indexOf, THERE, whole } from './internet-namespace.ts'
import { kernelRules } from './kernel-rules.ts'
import { close } from './libc.ts'
import { openNftables } from './libnftables.ts'
import { uplinkNames, wayMarkOf } from './names.ts'
import { withinPath } from './namespace.ts'
import { dump, openNetlink, transact, withNetlink } from './netlink-socket.ts'
import type { Command } from './nft.ts'
import { NOT_PUBLIC } from './not-public.ts'
import { BEHIND_EDGE, EVERYWHERE, MAC, OUTSIDE_MTU, UPLINK } from './outside.ts'
import { setRoute, type Version } from './route-messages.ts'
import {
  changeLink,
  changeNeighbour,
  changeRoute,
  deleteLink,
  type Link,
  listLinks,
  parseLink,
} from './rtnetlink.ts'
import { arrivals, datagramIn, sendByte } from './socket.ts'
import { type HostWays, hostWays, refusal, SOMEWHERE } from './uplink-host.ts'
import {
  beforeUplink,
  endOfProof,
  PROOF,
  PROOF_PORT,
  uplinkRuleset,
  type Way,
  withoutUplink,
} from './uplink-rules.ts'
import { createVeth } from './veth.ts'

/** What a lab's way to the real Internet is: its link on the host, and what goes by it. */
export type RealInternet = HostWays & { readonly link: string }

/** Where it is made: the lab, the host's namespace and that of the lab's Internet, by path. */
export type UplinkGround = {
  readonly lab: string
  readonly hostNetns: string
  readonly internet: string
}

const VERSIONS: readonly Version[] = ['ipv4', 'ipv6']
const MAIN = 254
const PROOF_ROUNDS = 100
const PROOF_ROUND_MS = 10

/** Opens it, or makes sure that it is. Throws, and leaves nothing new, where the host cannot. */
export function openUplink(ground: UplinkGround): RealInternet {
  const { lab, hostNetns, internet } = ground
  const { link, table } = uplinkNames(lab)
  return withNetlink(
    withinPath(hostNetns, () => openNetlink('route')),
    (host) => {
      const links = dump(host, listLinks()).map(parseLink)
      const before = links.find(({ name }) => name === link)
      const { ways, without } = hostWays(host, links, ground)
      const mark = `${wayMarkOf(lab, UPLINK)} ${ways.map(({ address }) => address).join(' ')}`
      const stays = before?.alias === mark && isJoined(before, internet)
      if (before !== undefined && !stays) transact(host, [deleteLink(before.ifindex)])
      try {
        run(hostNetns, uplinkRuleset(table, link, ways))
        if (!stays) join(host, internet, link, mtuOf(links, ways))
        setUpInternet(internet, ways)
        setUpHost(host, hostNetns, link, ways)
        transact(host, [changeLink(indexOf(host, link), { alias: mark })])
        prove(ground, ways)
        run(hostNetns, endOfProof(table))
      } catch (error) {
        if (!stays) closeUplink(lab, hostNetns)
        throw error
      }
      return { link, ways, without }
    },
  )
}

/** Takes it away from the host; gone is success. What is in the lab's own namespaces goes with those. */
export function closeUplink(lab: string, hostNetns: string): void {
  const { link, table } = uplinkNames(lab)
  withNetlink(
    withinPath(hostNetns, () => openNetlink('route')),
    (host) => {
      const links = dump(host, listLinks()).map(parseLink)
      const ours = links.filter(({ name }) => name === link)
      transact(
        host,
        ours.map(({ ifindex }) => deleteLink(ifindex)),
        ['ENODEV'],
      )
    },
  )
  run(hostNetns, withoutUplink(table))
}

/** Whether the host's end has its other end where it should be. */
function isJoined({ ifindex }: Link, internet: string): boolean {
  return withNetlink(
    withinPath(internet, () => openNetlink('route')),
    (fd) =>
      dump(fd, listLinks())
        .map(parseLink)
        .some(({ name, peerIndex }) => name === UPLINK && peerIndex === ifindex),
  )
}

function join(host: number, internet: string, link: string, mtu: number): void {
  const fd = fs.openSync(internet, 'r')
  try {
    const far = { name: UPLINK, mac: MAC.uplinkInside, netnsFd: fd }
    transact(host, [createVeth({ name: link, mac: MAC.uplinkHost }, far, mtu, 0)])
  } finally {
    fs.closeSync(fd)
  }
}

const mtuOf = (links: readonly Link[], ways: readonly Way[]): number =>
  Math.min(
    OUTSIDE_MTU,
    ...ways.flatMap(({ uplink }) => links.find(({ name }) => name === uplink)?.mtu ?? []),
  )

function setUpInternet(internet: string, ways: readonly Way[]): void {
  run(internet, beforeUplink(UPLINK))
  withNetlink(
    withinPath(internet, () => openNetlink('route')),
    (fd) => {
      const out = indexOf(fd, UPLINK)
      const router = addressBytes('fe80::1')
      transact(
        fd,
        [
          changeLink(out, { up: true }),
          changeNeighbour('add', out, router, MAC.uplinkHost),
          ...ways.map(({ address }) => whole(out, address)),
          ...VERSIONS.filter((version) => ways.every((way) => way.version !== version)).map(
            (version) => setRoute({ table: MAIN, cidr: EVERYWHERE[version] }),
          ),
          ...ways.flatMap(({ version }) => [
            ...NOT_PUBLIC[version]
              .filter((cidr) => cidr !== BEHIND_EDGE[version])
              .map((cidr) => setRoute({ table: MAIN, cidr })),
            setRoute({ table: MAIN, cidr: EVERYWHERE[version], out, gateway: 'fe80::1' }),
          ]),
        ],
        THERE,
      )
    },
  )
}

function setUpHost(host: number, hostNetns: string, link: string, ways: readonly Way[]): void {
  const ifindex = indexOf(host, link)
  settle(hostNetns, `ipv6/conf/${link}/addr_gen_mode`, '1') // No address of the host's own on it.
  for (const { version } of ways) {
    if (version === 'ipv6') settle(hostNetns, `ipv6/conf/${link}/disable_ipv6`, '0')
    settle(hostNetns, `${version}/conf/${link}/forwarding`, '1')
  }
  const messages = ways.flatMap(({ address }) => {
    const bytes = addressBytes(address)
    const to = { address: bytes, prefixLength: bytes.length * 8 }
    return [
      changeNeighbour('add', ifindex, bytes, MAC.uplinkInside),
      changeRoute('add', ifindex, to),
    ]
  })
  transact(host, [changeLink(ifindex, { up: true }), ...messages], THERE)
}

/** Sends a datagram of each version through all of the host's rules, to where it is dropped. */
function prove({ lab, hostNetns, internet }: UplinkGround, ways: readonly Way[]): void {
  const { link, table } = uplinkNames(lab)
  const netfilter = withinPath(hostNetns, () => openNetlink('netfilter'))
  const sockets = ways.map(({ version, address }) => ({
    fd: datagramIn(internet, address, 0),
    to: SOMEWHERE[version],
  }))
  const missing = (): Way[] => {
    const counts = kernelRules(netfilter, 'inet', PROOF, table)
    return ways.filter(
      ({ version }) => !counts.some(({ comment, packets }) => comment === version && packets > 0),
    )
  }
  try {
    for (let round = 0; round < PROOF_ROUNDS && missing().length > 0; round++) {
      for (const { fd, to } of sockets) sendByte(fd, to, PROOF_PORT)
      arrivals([], PROOF_ROUND_MS)
    }
    const [lost] = missing()
    if (lost !== undefined) throw refusal(dropped(lost, link))
  } finally {
    for (const { fd } of sockets) close(fd)
    close(netfilter)
  }
}

function dropped({ version, uplink }: Way, link: string): string {
  const tool = version === 'ipv4' ? 'iptables' : 'ip6tables'
  return (
    `the host's own rules drop what should go from ${link} to ${uplink} (Docker has FORWARD drop ` +
    'what nobody accepts); the lab changes none of them. Where Docker runs, let links of labs pass ' +
    `with \`${tool} -I DOCKER-USER -i enid-+ -j ACCEPT\` and \`${tool} -I DOCKER-USER -o enid-+ -j ` +
    "ACCEPT`; with another firewall by its own words. The lab's own rules still say what goes there"
  )
}

function run(netns: string, commands: readonly Command[]): void {
  withinPath(netns, () => {
    const nftables = openNftables()
    try {
      nftables.run(commands)
    } finally {
      nftables.close()
    }
  })
}

/** Of the lab's own link. A kernel without IPv6 has no such setting, and needs none. */
const settle = (netns: string, key: string, value: string): void =>
  withinPath(netns, () => {
    const path = `/proc/sys/net/${key}`
    if (fs.existsSync(path)) fs.writeFileSync(path, value)
  })
