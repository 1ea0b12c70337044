// Runs rows on a stage: brings into force what each says, sends its probes, and compares. A row that
// goes wrong in any way has failed, with what was seen; the next one starts from a whole stage.

import { Probes } from './probe.ts'
import type { Row, Step } from './row.ts'
import { codeOf } from './stage/endpoint.ts'
import { Rules } from './stage/rules.ts'
import type { Stage } from './stage/stage.ts'
import type { Ip } from './wire/libc.ts'
import type { Verdict } from './wire/wire.ts'

/** A row in one IP version. */
export type Case = { readonly name: string; readonly row: Row; readonly ip: Ip }

/** What became of a case; `failure` says what was seen and what should have been. */
export type CaseResult = {
  readonly name: string
  readonly area: string
  readonly ms: number
  readonly probes: number
  readonly failure?: string
}

/** The cases of those rows: one for each IP version that a row is done in. */
export function casesOf(rows: readonly Row[]): Case[] {
  return rows.flatMap((row) =>
    ([4, 6] as const)
      .filter((ip) => row.ip === undefined || row.ip === ip)
      .map((ip) => ({ name: `${row.id}/v${ip}`, row, ip })),
  )
}

/** Whether somebody outside the VPC, `o`, is named in what a row says or sends. */
export function needsOutside({ given, steps }: Row): boolean {
  const texts = JSON.stringify([given, steps]).match(/"[^"]*"/g) ?? []
  return texts.some((text) => /(?<=["> ])o(?=["> /!])/.test(text))
}

/** Runs cases one after another on one stage, told of each result as it comes. */
export class CaseRunner {
  readonly #stage: Stage
  readonly rules: Rules
  readonly #probes: Probes

  constructor(stage: Stage) {
    this.#stage = stage
    this.rules = new Rules(stage)
    this.#probes = new Probes(stage)
  }

  async run({ name, row, ip }: Case): Promise<CaseResult> {
    const startedAt = performance.now()
    const seen = { probes: 0 }
    const failure = await this.#play(row, ip, seen).then(
      (wrong) => (wrong.length === 0 ? undefined : wrong.join('; ')),
      (error: unknown) => `it broke off: ${error instanceof Error ? error.message : String(error)}`,
    )
    this.#probes.forget()
    return {
      name,
      area: row.area,
      ms: performance.now() - startedAt,
      probes: seen.probes,
      ...(failure === undefined ? {} : { failure }),
    }
  }

  async #play(row: Row, ip: Ip, seen: { probes: number }): Promise<string[]> {
    await this.rules.apply(row.given ?? {}, ip)
    const wrong: string[] = []
    for (const step of row.steps) wrong.push(...(await this.#step(step, ip, seen)))
    return wrong
  }

  async #step(step: Step, ip: Ip, seen: { probes: number }): Promise<string[]> {
    if ('now' in step) {
      await this.rules.apply(step.now, ip)
      return []
    }
    if ('see' in step) return this.#see(step.see, ip, seen)
    if ('replug' in step) return this.#replug(step, ip, seen)
    const input = named(step.input, this.#stage, ip) as object
    const answer = await this.#stage.ec2.call(step.call, input).then(
      (output) => {
        if ('keep' in step) this.#keep(step.keep ?? {}, output)
        return 'accepted'
      },
      (error: unknown) => codeOf(error),
    )
    const expected = 'refused' in step ? step.refused : 'accepted'
    return answer === expected ? [] : [`${step.call} was ${answer}, not ${expected}`]
  }

  #keep(names: { readonly [name: string]: string }, output: unknown): void {
    for (const [name, path] of Object.entries(names)) {
      const at = (value: unknown, key: string): unknown => (value as Record<string, unknown>)[key]
      this.#stage.ids.set(name, String(path.split('.').reduce(at, output)))
    }
  }

  #see(see: Record<string, Verdict>, ip: Ip, seen: { probes: number }): string[] {
    const texts = Object.entries(see)
    const shots = texts.map(([text, expect]) => this.#probes.read(text, ip, expect))
    seen.probes += shots.length
    const verdicts = this.#stage.wire.exchange(shots)
    return texts.flatMap(([text, expect], at) =>
      verdicts[at] === expect ? [] : [`${text}: ${verdicts[at]}, not ${expect}`],
    )
  }

  async #replug(
    { replug, knock }: Extract<Step, { replug: string }>,
    ip: Ip,
    seen: { probes: number },
  ): Promise<string[]> {
    const { wire } = this.#stage
    const marks: string[] = []
    const { send, words } = this.#probes.flood(knock, ip)
    await this.#stage.replug(replug, () => {
      marks.push(send())
      wire.service(0)
    })
    seen.probes += marks.length
    const deadline = performance.now() + 300
    while (performance.now() < deadline) {
      marks.push(send())
      wire.service(5)
    }
    const arrived = marks.filter((mark) => wire.hears(this.#stage.host(replug), words(mark)))
    return arrived.length === 0 ? [] : [`${arrived.length} of ${marks.length} knocks came through`]
  }
}

/** Puts ids in where `$name` stands; where `{a}` does (in text, too), an ENI's address or a block. */
function named(value: unknown, stage: Stage, ip: Ip): unknown {
  if (typeof value === 'string') {
    if (value.startsWith('$')) return stage.id(value.slice(1))
    return value.replace(
      /\{(\w+)\}/g,
      (_, name) => stage.address(name, ip) ?? stage.block(name, ip) ?? '',
    )
  }
  if (Array.isArray(value)) return value.map((each) => named(each, stage, ip))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, named(each, stage, ip)]),
  )
}
