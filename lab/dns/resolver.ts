// The VPC's resolver, from a query's bytes to its answer's: what zone.ts knows, at once; all the rest
// by way of the host's name servers, and SERVFAIL, with the reason in the log, where they fail.

import type { World } from '../model/world.ts'
import { fitted, type Query, RCODE, readQuery, writeAnswer } from './message.ts'
import { lookUpPublic, type Side } from './public-zone.ts'
import { type Transport, Unresolved, Upstream } from './upstream.ts'
import { lookUp } from './zone.ts'

/** A pino logger, or anything that takes fields and words. */
type ResolverLog = Readonly<
  Record<'info' | 'warn' | 'error', (fields: object, words: string) => void>
>

export class Resolver {
  readonly #world: () => World
  readonly #log: ResolverLog
  readonly #upstream: Upstream
  readonly #side: Side
  #isFailing = false

  /** Of the VPC; `outside`, of the lab's Internet, which knows public names alone. */
  constructor(
    world: () => World,
    log: ResolverLog,
    upstream: Upstream = new Upstream(),
    side: Side = 'inside',
  ) {
    this.#world = world
    this.#log = log
    this.#upstream = upstream
    this.#side = side
  }

  /** Answers one message; undefined: it asks nothing, and gets no answer. Never rejects. */
  async answer(bytes: Buffer, transport: Transport): Promise<Buffer | undefined> {
    const reading = readQuery(bytes)
    if (reading === undefined) return undefined
    if ('refused' in reading) return reading.refused
    const { query } = reading
    const [world, { question }] = [this.#world(), query]
    const verdict =
      this.#side === 'inside' ? lookUp(world, question) : lookUpPublic(world, question, 'outside')
    if (verdict.kind === 'forward') return this.#forward(query, transport)
    if (verdict.kind === 'no-such-name') {
      return writeAnswer(query, RCODE.nxDomain, [], verdict.zone)
    }
    return writeAnswer(query, RCODE.ok, verdict.answers, verdict.zone)
  }

  async #forward(query: Query, transport: Transport): Promise<Buffer> {
    try {
      const answer = await this.#upstream.ask(query, transport)
      if (this.#isFailing) this.#log.info({}, 'the host resolves names again')
      this.#isFailing = false
      return transport === 'udp' ? fitted(answer, query) : answer
    } catch (error) {
      if (!(error instanceof Unresolved)) {
        this.#log.error({ err: error }, 'a defect of the resolver')
        return writeAnswer(query, RCODE.servFail)
      }
      // One line for as long as it lasts: a guest must not be able to fill the log.
      if (!this.#isFailing) {
        const { name } = query.question
        this.#log.warn({ name, reason: error.message }, 'a name is not resolved by the host')
      }
      this.#isFailing = true
      return writeAnswer(query, RCODE.servFail)
    }
  }
}
