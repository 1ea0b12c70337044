// The fabric's ear: reads what the rules log and makes verdicts of it, in the fabric's thread. It
// knows the names of links and rules from what the thread does, and where it does not (an ENI of a
// lab before this one) from the kernel: a link's alias and a rule's comment say them.

import { news } from './netlink-socket.ts'
import { NFLOG_PACKET, parseLogged } from './nflog.ts'
import type { Command } from './nft.ts'
import { numberOf } from './reason.ts'
import { type Lost, type Verdict, VerdictReader } from './verdict.ts'

/** Names that are kept, oldest forgotten first: they outlive what they name, for late words. */
const NAMES_MAX = 20_000

/** Where names are looked up that are not known. */
export type Lookup = {
  /** All links by ifindex, with the ENI whose they are. */
  links(): Iterable<readonly [ifindex: number, eniId: string]>
  /** The comments of all rules. */
  comments(): Iterable<string>
}

export class Hearing {
  readonly #fd: number
  readonly #lookup: Lookup
  readonly #links = new Map<number, string>()
  readonly #rules = new Map<number, string>()
  readonly #reader = new VerdictReader({
    eniOfLink: (ifindex) => this.#eniOfLink(ifindex),
    rule: (number) => this.#rule(number),
  })
  /** A look-up of everything is made once for a batch: what it did not find is not there. */
  #looked = { links: false, comments: false }

  constructor(fd: number, lookup: Lookup) {
    this.#fd = fd
    this.#lookup = lookup
  }

  linkCame(ifindex: number, eniId: string): void {
    keep(this.#links, ifindex, eniId)
  }

  /** The rules that these commands add may pass packets from now on. */
  rulesCame(commands: readonly Command[]): void {
    for (const { add } of commands) {
      const rule = typeof add === 'object' && add !== null && 'rule' in add ? add.rule : undefined
      if (typeof rule !== 'object' || rule === null || !('comment' in rule)) continue
      this.#name(String(rule.comment))
    }
  }

  /** The verdicts on what was logged by now, after so many reads at most. */
  verdicts(readsMax: number): (Verdict | Lost)[] {
    // What the socket had no room for shows as a gap in the packets' numbers.
    const { messages } = news(this.#fd, readsMax)
    if (messages.length === 0) return []
    this.#looked = { links: false, comments: false }
    const logged = messages.flatMap(({ type, payload }) =>
      type === NFLOG_PACKET ? (parseLogged(payload) ?? []) : [],
    )
    return this.#reader.read(logged, Date.now())
  }

  #eniOfLink(ifindex: number): string | undefined {
    if (ifindex === 0) return undefined
    if (!this.#links.has(ifindex) && !this.#looked.links) {
      this.#looked.links = true
      for (const [index, eniId] of this.#lookup.links()) keep(this.#links, index, eniId)
    }
    return this.#links.get(ifindex) || undefined // A link that is no ENI's has an empty name.
  }

  /** The rule of a number. Two that share theirs (of 10,000, once in 100 labs) are both named. */
  #rule(number: number): string {
    if (!this.#rules.has(number) && !this.#looked.comments) {
      this.#looked.comments = true
      for (const comment of this.#lookup.comments()) this.#name(comment)
    }
    return this.#rules.get(number) ?? 'a rule that has gone'
  }

  #name(reason: string): void {
    const number = numberOf(reason)
    const known = this.#rules.get(number)
    const isNew = known === undefined || known.split(' or ').includes(reason)
    keep(this.#rules, number, isNew ? (known ?? reason) : `${known} or ${reason}`)
  }
}

function keep<V>(names: Map<number, V>, key: number, value: V): void {
  names.delete(key) // So that it is the newest.
  names.set(key, value)
  const [oldest] = names.keys()
  if (names.size > NAMES_MAX && oldest !== undefined) names.delete(oldest)
}
