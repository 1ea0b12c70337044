// From what the rules log to verdicts: one for each flow that passed all gates, and one for each
// packet that was dropped, with both ENIs and the rule of each gate. No clock, no socket.
//
//   pass egress · pass leaving · pass entering · pass ingress   ──▶  one verdict: accept
//   pass egress · pass leaving · pass gateway                   ──▶  the same, to a gateway
//   pass egress · drop entering acl-1 ingress 100               ──▶  one verdict: drop
//
// A packet's words come in order; those of others come in between.

import type { LoggedPacket } from './nflog.ts'
import { type PacketHeaders, readHeaders } from './packet.ts'
import { type Gate, wordsOf } from './reason.ts'

/** The gates at which a rule is asked. Within a subnet there are two of them, else four. */
export type RuleGate = 'egress' | 'leaving' | 'entering' | 'ingress'

/** What became of a packet. `packet` says what it was; of an accepted flow, its first one. */
export type Verdict = {
  /** When it came, in milliseconds since 1970; when the lab heard of it, where that is not known. */
  readonly atMs: number
  readonly verdict: 'accept' | 'drop'
  /** The ENI it came from, and the one it was on its way to; absent where there was none (yet). */
  readonly from?: string
  readonly to?: string
  readonly packet: PacketHeaders
  /** Which rule let it pass, gate by gate: `sgr-…`, or an ACL's id, direction and rule number. */
  readonly rules: Readonly<{ [gate in RuleGate]?: string }>
  /** Of a drop: where, and the rule that decided, or why. */
  readonly gate?: Gate
  readonly reason?: string
}

/** So many verdicts got lost here: the kernel had more of them than the lab could take. */
export type Lost = { readonly atMs: number; readonly lost: number }

/** What the fabric knows of its links and rules. */
export type Names = {
  /** The ENI of a link in the fabric. */
  eniOfLink(ifindex: number): string | undefined
  /** The rule that a packet's mark stands for. */
  rule(number: number): string
}

/** A packet may wait for the next gate's words so long: the kernel gathers them for 10 ms. */
const WAIT_MS = 1000
const WAITING_MAX = 10_000

type Waiting = { readonly sinceMs: number; readonly rules: { [gate in RuleGate]?: string } }

export class VerdictReader {
  readonly #names: Names
  /** Packets that passed a gate and have not been heard of since, oldest first. */
  readonly #waiting = new Map<string, Waiting>()
  #next: number | undefined

  constructor(names: Names) {
    this.#names = names
  }

  /** The verdicts that these words make complete, in their order, and what was lost among them. */
  read(logged: readonly LoggedPacket[], atMs: number): (Verdict | Lost)[] {
    const verdicts = logged.flatMap((packet) => [
      ...this.#missing(packet, atMs),
      ...this.#follow(packet, atMs),
    ])
    this.#forget(atMs)
    return verdicts
  }

  #missing({ sequence }: LoggedPacket, atMs: number): Lost[] {
    if (sequence === undefined) return []
    const lost = this.#next === undefined ? 0 : (sequence - this.#next) >>> 0
    this.#next = (sequence + 1) >>> 0
    return lost === 0 ? [] : [{ atMs, lost }]
  }

  #follow(logged: LoggedPacket, atMs: number): Verdict[] {
    const words = wordsOf(logged.prefix)
    if (words === undefined) return []
    const { gate, reason } = words
    const packet = readHeaders(logged.etherType, logged.payload)
    const key = `${logged.indev} ${logged.outdev} ${Object.values(packet).join(' ')}`
    const rules = gate === 'egress' ? {} : (this.#waiting.get(key)?.rules ?? {})
    if (!words.drop && isRuleGate(gate)) rules[gate] = this.#names.rule(logged.mark)
    if (!words.drop && gate !== 'ingress' && gate !== 'gateway') {
      this.#waiting.delete(key) // So that it is the newest of all.
      this.#waiting.set(key, { sinceMs: atMs, rules })
      return []
    }
    this.#waiting.delete(key)
    const from = this.#names.eniOfLink(logged.indev)
    const to = this.#names.eniOfLink(logged.outdev)
    return [
      {
        atMs: logged.atMs ?? atMs,
        verdict: words.drop ? 'drop' : 'accept',
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
        packet,
        rules,
        ...(words.drop ? { gate, reason } : {}),
      },
    ]
  }

  /**
   * A packet that is heard of no more: its last words were lost, or a second packet of its flow had
   * made the flow agreed before this one came to the next gate. Nothing is made up about it.
   */
  #forget(atMs: number): void {
    for (const [key, { sinceMs }] of this.#waiting) {
      if (this.#waiting.size <= WAITING_MAX && atMs - sinceMs < WAIT_MS) break
      this.#waiting.delete(key)
    }
  }
}

const isRuleGate = (gate: Gate): gate is RuleGate =>
  gate === 'egress' || gate === 'leaving' || gate === 'entering' || gate === 'ingress'
