// Taking over what a dead lab of the same name left in the kernel, while its packets flow. Only the
// fabric's thread uses it.
//
// Everything that should be there is asked for by the same calls as ever (a port's plug, a subnet's
// gateway, a group's rules); while an adoption is open they are only written down, and `seal` then
// puts right what differs:
//
//   links        one that is asked for and there is kept, one that nobody asked for goes
//   addresses, routes, permanent neighbours       what is missing comes, what nobody asked for goes
//   nftables     all of it in one transaction (whole-ruleset.ts); rules go on counting
//   route tables come under numbers that no packet asks for yet (route-tables.ts); those that were
//                there go when the rules that name them have gone
//   flows        those of an address that led to what went are forgotten
//   namespaces   beside the fabric's: those that the lab still knows stay
//
// So a part of the fabric registers what must be adopted by nothing but asking for it when the stored
// world is put back: its links by `claim`, its netlink messages by `want`, its rules by `apply`.

import { forgetFlows } from './conntrack.ts'
import { type OpenFabric, routerSetup } from './fabric-namespace.ts'
import { baseRuleset } from './gates.ts'
import { asked, type Held, heldDumps, listed } from './held-things.ts'
import { forKernel, kernelRules } from './kernel-rules.ts'
import { trim } from './libc.ts'
import { openNftables } from './libnftables.ts'
import { within } from './namespace.ts'
import type { Message } from './netlink-message.ts'
import { dump, transact } from './netlink-socket.ts'
import type { Command } from './nft.ts'
import { LINK_GROUP, type LinkPlan, links, type PluggedLink, ready } from './port-link.ts'
import { deleteLink, type Link } from './rtnetlink.ts'
import { replaceAll } from './whole-ruleset.ts'

/** What may be in one send: each message is acknowledged, and the answers must fit a socket. */
const BATCH = 64
/** A link that dies under the transaction, with its namespace, fails it; then it is made anew. */
const ATTEMPTS = 5

export class Adoption {
  readonly #fabric: OpenFabric
  readonly #commands: Command[] = []
  readonly #messages: Message[] = []
  readonly #found: ReadonlyMap<string, Link>
  readonly #claimed = new Set<number>()

  constructor(fabric: OpenFabric) {
    this.#fabric = fabric
    this.#found = new Map(ourLinks(fabric).map((link) => [link.name, link]))
    this.apply(baseRuleset())
    this.want(routerSetup(fabric.loopback))
  }

  /** Rules that are to be in force, with all others. */
  apply(commands: readonly Command[]): void {
    for (const command of commands) this.#commands.push(command)
  }

  /** Addresses, routes, neighbours and settings of links that are to be there. */
  want(messages: readonly Message[]): void {
    for (const message of messages) this.#messages.push(message)
  }

  /** The link of that name, kept from now on, if it is there and whole: it wears its mark. */
  claim(name: string, mark: string): Link | undefined {
    const link = this.#found.get(name)
    if (link?.alias !== mark) return undefined
    this.#claimed.add(link.ifindex)
    return link
  }

  /** A port's link, with its guard and all that leads to it. */
  claimPort(plan: LinkPlan, guard: readonly Command[]): PluggedLink | undefined {
    const link = this.claim(plan.fabricName, plan.mark)
    if (link === undefined) return undefined
    this.apply(guard)
    this.want(ready(link.ifindex, plan))
    return { name: plan.guestName, ifindex: link.peerIndex, fabricIfindex: link.ifindex }
  }

  /** Puts right what differs. Throws when the kernel refuses; what differs then differs on. */
  seal(): void {
    const { netlink, conntrack, loopback } = this.#fabric
    const wanted = this.#messages.flatMap((message) => {
      const thing = asked(message)
      return thing === undefined ? [] : [{ message, key: thing.key }]
    })
    const keys = new Set(wanted.map(({ key }) => key))
    const there = this.#held()
    const stray = there.filter(({ key }) => !keys.has(key))
    const found = new Set(there.map(({ key }) => key))
    for (const link of this.#found.values()) {
      if (!this.#claimed.has(link.ifindex)) transact(netlink, [deleteLink(link.ifindex)], GONE)
    }
    const settings = this.#messages.filter((message) => asked(message) === undefined)
    const ways = stray.filter(({ policyTable }) => policyTable !== undefined)
    const missing = wanted.filter(({ key }) => !found.has(key)).map(({ message }) => message)
    const alive = new Set([loopback, ...this.#claimed])
    const strays = stray.filter(
      ({ ifindex, policyTable }) => alive.has(ifindex) && policyTable === undefined,
    )
    inBatches(
      strays.map(({ remove }) => remove),
      (batch) => transact(netlink, batch, GONE),
    )
    inBatches(settings, (batch) => transact(netlink, batch, GONE))
    inBatches(missing, (batch) => transact(netlink, batch, ['EEXIST', ...GONE]))
    this.#rule()
    inBatches(
      ways.map(({ remove }) => remove),
      (batch) => transact(netlink, batch, GONE),
    )
    const left = stray.flatMap(({ reaches }) => (reaches === undefined ? [] : [reaches]))
    forgetFlows(conntrack, left)
  }

  /** The numbers of the policy tables that a dead lab left. */
  policyTables(): number[] {
    return [...new Set(this.#held().flatMap(({ policyTable }) => policyTable ?? []))]
  }

  #held(): Held[] {
    return heldDumps().flatMap(({ type, request }) =>
      dump(this.#fabric.netlink, request).flatMap((payload) => listed(type, payload) ?? []),
    )
  }

  #rule(): void {
    within(this.#fabric.namespaceFd, () => {
      // A context of its own: it keeps all that it ever listed, and a lab that runs needs none of it.
      const nftables = openNftables()
      try {
        for (let attempt = 1; ; attempt++) {
          const before = shapeOf(this.#fabric)
          try {
            nftables.run(counting(this.#fabric, replaceAll(nftables.list(), this.#commands)))
            return
          } catch (error) {
            if (attempt === ATTEMPTS || shapeOf(this.#fabric) === before) throw error
          }
        }
      } finally {
        nftables.close()
        trim(0)
      }
    })
  }
}

/** The same commands, such that a rule that was there goes on counting where it was. */
function counting({ conntrack }: OpenFabric, commands: readonly Command[]): Command[] {
  const rules = Map.groupBy(kernelRules(conntrack, 'inet'), ({ chain }) => chain)
  return forKernel(commands, (chain) => rules.get(chain) ?? [])
}

/** What a link that has died since takes along, or has taken. */
const GONE = ['ENODEV', 'ESRCH', 'ENOENT', 'EADDRNOTAVAIL', 'ENXIO']

const ourLinks = ({ netlink }: OpenFabric): Link[] =>
  links(netlink).filter(({ group }) => group === LINK_GROUP)

const shapeOf = (fabric: OpenFabric): string =>
  ourLinks(fabric)
    .map(({ ifindex }) => ifindex)
    .join(' ')

function inBatches(messages: readonly Message[], send: (batch: Message[]) => void): void {
  for (let at = 0; at < messages.length; at += BATCH) send(messages.slice(at, at + BATCH))
}
