// The edge's rules as the fabric's thread holds them: changed in its namespace, and after a takeover
// put right there in one transaction, as the fabric's own are. Its translations are its conntrack's,
// so what runs goes on; only flows of an address that stands for nothing, or for another, are cut.

import fs from 'node:fs'
import { blockOf } from './address.ts'
import { forgetFlows } from './conntrack.ts'
import { edgeRuleset, pairAdded, pairsListed } from './edge-rules.ts'
import { close } from './libc.ts'
import { type Nftables, openNftables } from './libnftables.ts'
import { within } from './namespace.ts'
import { openNetlink } from './netlink-socket.ts'
import type { Command } from './nft.ts'
import { replaceAll } from './whole-ruleset.ts'

export class Edge {
  readonly #fd: number
  readonly #nftables: Nftables
  readonly #conntrack: number
  /** What is asked for while a dead lab's edge is taken over. */
  #asked: Command[] | undefined

  /** Enters the namespace; where the edge is new, nothing passes it from then on. */
  constructor(path: string, isNew: boolean) {
    this.#fd = fs.openSync(path, 'r')
    const [nftables, conntrack] = within(
      this.#fd,
      () => [openNftables(), openNetlink('netfilter')] as const,
    )
    this.#nftables = nftables
    this.#conntrack = conntrack
    if (isNew) this.#run(edgeRuleset())
    else this.#asked = edgeRuleset()
  }

  /** The namespace, for links that are to end in it. */
  get namespaceFd(): number {
    return this.#fd
  }

  /** One transaction; flows from or to `addresses` are translated anew from then on. */
  apply(commands: readonly Command[], addresses: readonly string[]): void {
    if (this.#asked !== undefined) {
      this.#asked.push(...commands)
      return
    }
    this.#run(commands)
    forgetFlows(this.#conntrack, addresses.map(blockOf))
  }

  /** Has exactly what was asked for since the takeover began in force. */
  seal(): void {
    const asked = this.#asked
    if (asked === undefined) return
    const standing = within(this.#fd, () => this.#nftables.list('with elements'))
    this.#run(replaceAll(standing, asked))
    this.#asked = undefined
    const now = new Set(asked.flatMap(pairAdded))
    const gone = standing.flatMap(pairsListed).filter((pair) => !now.has(pair))
    forgetFlows(this.#conntrack, gone.flatMap((pair) => pair.split(' ')).map(blockOf))
  }

  close(): void {
    this.#nftables.close()
    close(this.#conntrack)
    fs.closeSync(this.#fd)
  }

  #run(commands: readonly Command[]): void {
    within(this.#fd, () => this.#nftables.run(commands))
  }
}
