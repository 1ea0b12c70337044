// The namespaces outside the VPC, made, or found where a dead lab left them: the edge with its
// translation, the lab's Internet with its one host, and the links between them and the fabric
// (outside.ts has the picture). Every neighbour is permanent and every gateway link-local, so nothing
// in here is ever asked for or learnt.
//
// The fabric's links get their marks last, so who finds all of them marked, and both namespaces, finds
// it whole. What is not whole is made anew, and with it go the connections that went through it.

import fs from 'node:fs'
import type { Adoption } from './adoption.ts'
import { Edge } from './edge.ts'
import type { OpenFabric } from './fabric-namespace.ts'
import {
  indexOf,
  joinInternet,
  neighbour,
  setUpInternet,
  THERE,
  whole,
} from './internet-namespace.ts'
import { fabricNamespace, wayMarkOf } from './names.ts'
import {
  isNamespace,
  makeNamespace,
  namespacePath,
  removeNamespace,
  withinPath,
  writeResolvConf,
} from './namespace.ts'
import type { Message } from './netlink-message.ts'
import { openNetlink, transact, withNetlink } from './netlink-socket.ts'
import { BESIDE, EDGE, EDGE_INTERNET, EVERYWHERE, INTERNET_HOST, LINK, MAC } from './outside.ts'
import { LINK_GROUP, links, MTU } from './port-link.ts'
import { changeRule, setRoute, type Version } from './route-messages.ts'
import { changeLink, deleteLink } from './rtnetlink.ts'
import { closeUplink, openUplink, type RealInternet } from './uplink.ts'
import { createVeth } from './veth.ts'

/** What the thread holds of the outside while a fabric is open. */
export type Outside = {
  readonly edge: Edge
  /** The way from the lab's Internet to the real one, where that was asked for. */
  readonly real: RealInternet | undefined
  /** The fabric's links that lead out, by their names. */
  readonly ifindex: Readonly<Record<string, number>>
}

/** Tables of the edge's namespace. */
const TABLE = { main: 254, toVpc: 10 } as const

const VERSIONS: readonly Version[] = ['ipv4', 'ipv6']
const ROUTER = 'fe80::1'
/** The fabric's links that lead out. */
const NEAR: readonly string[] = Object.values(LINK)

const SYSCTLS: readonly (readonly [path: string, value: string])[] = [
  ['ipv4/ip_forward', '1'],
  ...(['all', 'default'] as const).flatMap((scope): [string, string][] => [
    [`ipv4/conf/${scope}/rp_filter`, '0'],
    [`ipv4/conf/${scope}/send_redirects`, '0'],
    [`ipv4/conf/${scope}/accept_redirects`, '0'],
    [`ipv6/conf/${scope}/disable_ipv6`, '0'],
    [`ipv6/conf/${scope}/forwarding`, '1'],
    [`ipv6/conf/${scope}/accept_ra`, '0'],
    [`ipv6/conf/${scope}/accept_redirects`, '0'],
    [`ipv6/conf/${scope}/accept_dad`, '0'],
  ]),
  ['ipv6/conf/default/addr_gen_mode', '1'], // None: each link has the addresses we give it.
]
/** A gateway keeps no count of a connection's bytes: what it translates, it lets pass. */
const EDGE_SYSCTLS = [['netfilter/nf_conntrack_tcp_be_liberal', '1']] as const

/**
 * Makes all of it, or with `adoption` what of it is not whole. What it made when it throws goes with
 * the fabric, or with the next that is opened: its names are the fabric's. With `leadOn` the lab's
 * Internet leads to the real one.
 */
export function openOutside(
  fabric: OpenFabric,
  adoption: Adoption | undefined,
  leadOn: boolean,
): Outside {
  const names = [BESIDE.edge, BESIDE.internet].map((name) => fabricNamespace(fabric.name, name))
  const [edgePath = '', internet = ''] = names.map(namespacePath)
  const isNew = adoption === undefined || !isWhole(fabric.name, names, adoption)
  if (isNew) {
    transact(
      fabric.netlink,
      links(fabric.netlink)
        .filter(({ name }) => NEAR.includes(name))
        .map(({ ifindex }) => deleteLink(ifindex)),
      ['ENODEV'],
    )
    for (const name of names) {
      removeNamespace(name)
      makeNamespace(name)
    }
  }
  // Where a command on the Internet (`enid lab exec --internet`) asks for names.
  writeResolvConf(names[1] ?? '', `nameserver ${INTERNET_HOST.ipv4}\n`)
  for (const path of [edgePath, internet]) settle(path, SYSCTLS)
  const edge = new Edge(edgePath, isNew)
  try {
    settle(edgePath, EDGE_SYSCTLS)
    if (isNew) joinFabric(fabric, edge.namespaceFd)
    withNetlink(
      withinPath(edgePath, () => openNetlink('route')),
      (fd) => {
        if (isNew) joinInternet(fd, internet)
        setUpEdge(fd)
      },
    )
    withNetlink(
      withinPath(internet, () => openNetlink('route')),
      (fd) => setUpInternet(fd, !leadOn),
    )
    const ground = { lab: fabric.name, hostNetns: fabric.hostNetns, internet }
    if (!leadOn) closeUplink(fabric.name, fabric.hostNetns)
    const real = leadOn ? openUplink(ground) : undefined
    return { edge, real, ifindex: setUpFabric(fabric, adoption) }
  } catch (error) {
    edge.close()
    throw error
  }
}

/** Whether a dead lab left all of it; then its links are kept. */
function isWhole(lab: string, namespaces: readonly string[], adoption: Adoption): boolean {
  const claimed = NEAR.map((name) => adoption.claim(name, wayMarkOf(lab, name)))
  if (claimed.includes(undefined) || !namespaces.every(isNamespace)) return false
  const [edge, internet] = namespaces.map((name) =>
    withNetlink(
      withinPath(namespacePath(name), () => openNetlink('route')),
      (fd) => links(fd).map((link) => link.name),
    ),
  )
  return (
    [LINK.internet, LINK.egressOnly, EDGE_INTERNET].every((name) => edge?.includes(name)) &&
    internet?.includes('eth0') === true
  )
}

function settle(path: string, sysctls: readonly (readonly [string, string])[]): void {
  withinPath(path, () => {
    for (const [key, value] of sysctls) fs.writeFileSync(`/proc/sys/net/${key}`, value)
  })
}

function joinFabric({ netlink, namespaceFd }: OpenFabric, edgeFd: number): void {
  const far = (name: string, mac: string, netnsFd: number) => ({ name, mac, netnsFd })
  const near = (name: string) => ({ name, mac: MAC.fabric })
  const { internet, egressOnly, nowhere } = LINK
  transact(netlink, [
    createVeth(near(internet), far(internet, MAC.edge, edgeFd), MTU, LINK_GROUP),
    createVeth(near(egressOnly), far(egressOnly, MAC.edge, edgeFd), MTU, LINK_GROUP),
    createVeth(near(nowhere), far(`${nowhere}-end`, MAC.edge, namespaceFd), MTU, LINK_GROUP),
  ])
}

/** The fabric's ends, brought up; then they are marked. */
function setUpFabric(
  { name: lab, netlink }: OpenFabric,
  adoption: Adoption | undefined,
): Record<string, number> {
  const ifindex = Object.fromEntries(NEAR.map((name) => [name, indexOf(netlink, name)]))
  const toEdge = [LINK.internet, LINK.egressOnly].map((name) => ifindex[name] ?? 0)
  const messages = [
    ...Object.values(ifindex).map((index) => changeLink(index, { up: true })),
    ...toEdge.map((index) => neighbour(index, EDGE.linkLocal, MAC.edge)),
  ]
  transact(netlink, messages)
  adoption?.want(messages)
  transact(
    netlink,
    NEAR.map((name) => changeLink(ifindex[name] ?? 0, { alias: wayMarkOf(lab, name) })),
  )
  return ifindex
}

function setUpEdge(fd: number): void {
  const [igw, eigw, out] = [LINK.internet, LINK.egressOnly, EDGE_INTERNET].map((name) =>
    indexOf(fd, name),
  ) as [number, number, number]
  const messages = [
    ...[igw, eigw, out].map((index) => changeLink(index, { up: true })),
    ...[EDGE.ipv4, EDGE.ipv6].map((address) => whole(igw, address)),
    neighbour(igw, ROUTER, MAC.fabric),
    neighbour(out, INTERNET_HOST.linkLocal, MAC.internet),
    ...VERSIONS.flatMap((version): Message[] => {
      const cidr = EVERYWHERE[version]
      const ask = (preference: number, from: string, table: number) =>
        changeRule('add', version, { preference, from, table })
      return [
        setRoute({ table: TABLE.toVpc, cidr, out: igw, gateway: ROUTER }),
        setRoute({ table: TABLE.main, cidr, out, gateway: INTERNET_HOST.linkLocal }),
        ask(10, EDGE_INTERNET, TABLE.toVpc),
        ask(11, 'lo', TABLE.toVpc), // What the edge itself says, it says to the VPC.
      ]
    }),
  ]
  transact(fd, messages, THERE)
}
