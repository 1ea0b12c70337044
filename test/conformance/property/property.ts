// The property: whatever groups, rules, lists and ACLs there are, packets meet what the model says.
//
//   round: a made-up world ─▶ in force by calls ─▶ a hundred probes at once, some of them flows
//          ─▶ some of it changes ─▶ the flows speak again (tracked ones go on), and new probes
//
// The first disagreement is made small: whatever can be left out while they still disagree, is.

import { Probes } from '../probe.ts'
import type { EniName } from '../row.ts'
import type { Rules } from '../stage/rules.ts'
import { ENIS, type Stage } from '../stage/stage.ts'
import type { Verdict } from '../wire/wire.ts'
import { Chance, type MadeProbe } from './chance.ts'
import { Model, type Places } from './model.ts'
import { type ModelWorld, toGiven } from './world.ts'

/** How much is tried. */
export type PropertyPlan = { readonly seed: number; readonly probes: number }

/** What came of it: how often packets met each verdict, and the first disagreement. */
export type PropertyResult = {
  readonly seed: number
  readonly probes: number
  readonly rounds: number
  readonly verdicts: Readonly<Record<string, number>>
  readonly counterexample?: string
}

const PER_ROUND = 100
const FLOWS = 20
/** While a counterexample is made small: they disagree already, so nothing is waited for at length. */
const SMALL_MS = 300
const TRIES_MAX = 500

type Trial = { readonly worlds: readonly [ModelWorld, ModelWorld?]; readonly probe: MadeProbe }

export class Property {
  readonly #stage: Stage
  readonly #rules: Rules
  readonly #probes: Probes
  readonly #model: Model
  readonly #places: Places

  constructor(stage: Stage, rules: Rules) {
    this.#stage = stage
    this.#rules = rules
    this.#probes = new Probes(stage)
    this.#places = Object.fromEntries(
      Object.entries(ENIS).map(([name, [subnet]]) => {
        const { ipv4, ipv6 } = stage.host(name)
        return [name as EniName, { subnet, ipv4, ipv6 }]
      }),
    ) as Places
    this.#model = new Model(this.#places)
  }

  /** Runs rounds until that many probes were sent, or packets and model disagree. */
  async run({ seed, probes: wanted }: PropertyPlan): Promise<PropertyResult> {
    const chance = new Chance(seed, this.#places)
    const verdicts: Record<string, number> = {}
    let [probes, rounds] = [0, 0]
    while (probes < wanted) {
      rounds++
      const before = chance.world()
      const after = chance.next(before)
      const wrong = await this.#round(chance, before, after, (verdict) => {
        verdicts[verdict] = (verdicts[verdict] ?? 0) + 1
        probes++
      })
      this.#probes.forget()
      if (wrong === undefined) continue
      const counterexample = await this.#told(await this.#small(wrong))
      return { seed, probes, rounds, verdicts, counterexample }
    }
    return { seed, probes, rounds, verdicts }
  }

  async #round(
    chance: Chance,
    before: ModelWorld,
    after: ModelWorld,
    count: (verdict: string) => void,
  ): Promise<Trial | undefined> {
    const made = () =>
      Array.from({ length: PER_ROUND }, () => chance.probe(this.#stage.wire.nextPort()))
    await this.#rules.apply(toGiven(before), 4)
    const first = made()
    const expected = first.map((probe) => this.#expect(before, probe))
    const met = this.#send(
      first.map(({ text }, at) => `${text}${named(first[at], at)}`),
      first,
      expected,
    )
    for (const [at, verdict] of met.entries()) {
      count(verdict)
      const probe = first[at]
      if (verdict !== expected[at] && probe) return { worlds: [before], probe }
    }
    await this.#rules.apply(toGiven(after), 4)
    const flows = [...first.entries()]
      .filter(([at, probe]) => met[at] === 'both' && named(probe, at) !== '')
      .slice(0, FLOWS)
    const goOn = flows.map(([, probe]) => this.#expectFlow(before, after, probe))
    const spoken = this.#send(
      flows.map(([at]) => `#f${at}`),
      flows.map(([, probe]) => probe),
      goOn,
    )
    for (const [at, verdict] of spoken.entries()) {
      count(`flow ${verdict}`)
      const probe = flows[at]?.[1]
      if (verdict !== goOn[at] && probe) return { worlds: [before, after], probe }
    }
    const second = made()
    const expectedNow = second.map((probe) => this.#expect(after, probe))
    const metNow = this.#send(
      second.map(({ text }) => text),
      second,
      expectedNow,
    )
    for (const [at, verdict] of metNow.entries()) {
      count(verdict)
      const probe = second[at]
      if (verdict !== expectedNow[at] && probe) return { worlds: [after], probe }
    }
    return undefined
  }

  #send(
    texts: string[],
    probes: readonly MadeProbe[],
    expected: readonly Verdict[],
    patienceMs?: number,
  ): Verdict[] {
    const shots = texts.map((text, at) =>
      this.#probes.read(text, probes[at]?.packet.ip ?? 4, expected[at] ?? 'none'),
    )
    return this.#stage.wire.exchange(shots, patienceMs)
  }

  #expect(world: ModelWorld, { packet, answers }: MadeProbe): Verdict {
    if (!this.#model.arrives(world, packet)) return 'none'
    return answers && this.#model.answered(world, packet) ? 'both' : 'there'
  }

  #expectFlow(before: ModelWorld, after: ModelWorld, { packet }: MadeProbe): Verdict {
    const memory = this.#model.memory(before, packet)
    if (!this.#model.goesOn(after, packet, memory, false)) return 'none'
    return this.#model.goesOn(after, packet, memory, true) ? 'both' : 'there'
  }

  /** Tries one probe by itself, as a new flow; what packets said and what the model says. */
  async #try({ worlds: [before, after], probe }: Trial): Promise<[met: Verdict, said: Verdict]> {
    const { packet } = probe
    const sourcePort =
      packet.sourcePort === undefined ? {} : { sourcePort: this.#stage.wire.nextPort() }
    const fresh: MadeProbe = {
      ...probe,
      packet: { ...packet, ...sourcePort },
      text: probe.text.replace(/:\d+>/, `:${sourcePort.sourcePort}>`),
    }
    await this.#rules.apply(toGiven(before), 4)
    const said = this.#expect(before, fresh)
    const name = after === undefined ? '' : ' #f0'
    const [met = 'none'] = this.#send([`${fresh.text}${name}`], [fresh], [said], SMALL_MS)
    if (after === undefined || met !== 'both' || said !== 'both') {
      this.#probes.forget()
      return [met, after === undefined ? said : met]
    }
    await this.#rules.apply(toGiven(after), 4)
    const goesOn = this.#expectFlow(before, after, fresh)
    const [spoken = 'none'] = this.#send(['#f0'], [fresh], [goesOn], SMALL_MS)
    this.#probes.forget()
    return [spoken, goesOn]
  }

  async #small(trial: Trial): Promise<Trial> {
    let small = trial
    if (typeof trial.probe.packet.protocol === 'number') return trial // Tracked for 600 s.
    let tries = 0
    for (let changed = true; changed; ) {
      changed = false
      for (const less of smaller(small)) {
        if (++tries > TRIES_MAX) return small
        const [met, said] = await this.#try(less)
        if (met === said) continue
        small = less
        changed = true
        break
      }
    }
    return small
  }

  async #told(trial: Trial): Promise<string> {
    const [met, said] = await this.#try(trial)
    const { from, to, ip } = trial.probe.packet
    const worlds = trial.worlds.flatMap((world) => (world === undefined ? [] : [toGiven(world)]))
    const told = worlds.map(({ groups = {}, wear = {}, acls = {}, lists = {} }) => ({
      groups: Object.fromEntries(
        Object.entries(groups).filter(([, of]) => of.in?.length || of.out?.length),
      ),
      wear: { [from]: wear[from], [to]: wear[to] },
      acls,
      lists,
    }))
    return (
      `${trial.probe.text} in IPv${ip}: packets met '${met}', the documentation says '${said}', ` +
      `with ${told.map((each) => JSON.stringify(each)).join(' and then ')}`
    )
  }
}

/** The name of a probe's flow, where it has one that can be spoken on again. */
function named(probe: MadeProbe | undefined, at: number): string {
  const { protocol, type } = probe?.packet ?? {}
  const isFlow = protocol === 'tcp' || protocol === 'udp' || type === 8 || type === 128
  return isFlow && probe?.answers ? ` #f${at}` : ''
}

/** Trials with one thing less: a rule, an entry, a group on an ENI, an ACL. */
function* smaller({ worlds, probe }: Trial): Generator<Trial> {
  const [before, after] = worlds
  for (const world of lessOf(before)) {
    yield { worlds: after === undefined ? [world] : [world, after], probe }
  }
  if (after === undefined) return
  for (const world of lessOf(after)) yield { worlds: [before, world], probe }
}

function* lessOf(world: ModelWorld): Generator<ModelWorld> {
  for (const [name, group] of Object.entries(world.groups)) {
    for (const way of ['in', 'out'] as const) {
      for (const at of group[way].keys()) {
        const less = { ...group, [way]: group[way].toSpliced(at, 1) }
        yield { ...world, groups: { ...world.groups, [name]: less } }
      }
    }
  }
  for (const subnet of Object.keys(world.acls)) {
    yield { ...world, acls: { ...world.acls, [subnet]: undefined } }
  }
  for (const [subnet, acl] of Object.entries(world.acls)) {
    if (acl === undefined) continue
    for (const way of ['in', 'out'] as const) {
      for (const at of acl[way].keys()) {
        const less = { ...acl, [way]: acl[way].toSpliced(at, 1) }
        yield { ...world, acls: { ...world.acls, [subnet]: less } }
      }
    }
  }
  for (const [eni, groups] of Object.entries(world.wear)) {
    if (groups.length < 2) continue
    for (const at of groups.keys()) {
      yield { ...world, wear: { ...world.wear, [eni]: groups.toSpliced(at, 1) } }
    }
  }
  for (const list of ['list4', 'list6'] as const) {
    for (const at of world.lists[list].keys()) {
      const less = { ...world.lists, [list]: world.lists[list].toSpliced(at, 1) }
      yield { ...world, lists: less }
    }
  }
}
