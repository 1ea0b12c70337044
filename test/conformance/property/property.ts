// The property: whatever groups, rules, lists, ACLs, routes, gateways and addresses there are, packets
// meet what the model says: who hears them, under which address, and whether the answer comes back.
//
//   round: a made-up world ─▶ in force by calls ─▶ a hundred probes at once, some of them flows
//          ─▶ some of it changes ─▶ the flows speak again (tracked ones go on), and new probes
//
// The first disagreement is made small: whatever can be left out while they still disagree, is.

import { Probes } from '../probe.ts'
import type { EniName } from '../row.ts'
import type { Rules } from '../stage/rules.ts'
import { ENIS, type Stage, SUBNETS } from '../stage/stage.ts'
import type { Verdict } from '../wire/wire.ts'
import { Chance, type MadeProbe } from './chance.ts'
import { type Grounds, Journey } from './journey.ts'
import { type Flow, Model, type Packet, type Places } from './model.ts'
import { lessOf, type ModelWorld, toGiven } from './world.ts'

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
/** What a run must have met to say anything, whatever its seed; and where looking for it ends. */
const MET = ['both', 'there', 'none', 'flow both', 'flow none'] as const
const WAYS = ['igw', 'nat', 'eni', 'address'] as const
const ROUNDS_MAX = 60
/** While a counterexample is made small: they disagree already, so nothing is waited for at length. */
const SMALL_MS = 300
const TRIES_MAX = 500

type Trial = { readonly worlds: readonly [ModelWorld, ModelWorld?]; readonly probe: MadeProbe }
/** What a probe is to meet, and the words for it (probe.ts). */
type Expected = { readonly verdict: Verdict; readonly text: string; readonly by: string }

export class Property {
  readonly #stage: Stage
  readonly #rules: Rules
  readonly #probes: Probes
  readonly #model: Model
  readonly #grounds: Grounds

  constructor(stage: Stage, rules: Rules) {
    this.#stage = stage
    this.#rules = rules
    this.#probes = new Probes(stage)
    const places = Object.fromEntries(
      Object.entries(ENIS).map(([name, [subnet]]) => {
        const { ipv4, ipv6 } = stage.host(name)
        return [name as EniName, { subnet, ipv4, ipv6 }]
      }),
    ) as Places
    this.#model = new Model(places)
    this.#grounds = groundsOf(stage)
  }

  /** Runs rounds until that many probes were sent and met all there is, or packets and model disagree. */
  async run({ seed, probes: wanted }: PropertyPlan): Promise<PropertyResult> {
    const chance = new Chance(seed, this.#model.places, this.#grounds)
    const verdicts: Record<string, number> = {}
    let [probes, rounds] = [0, 0]
    while (probes < wanted || (missing(verdicts).length > 0 && rounds < ROUNDS_MAX)) {
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
    const made = (world: ModelWorld) =>
      Array.from({ length: PER_ROUND }, () => this.#made(chance, world))
    await this.#rules.apply(toGiven(before), 4)
    const first = made(before)
    const expected = first.map((probe) => this.#expect(before, probe))
    const met = this.#send(
      expected.map(({ text }, at) => `${text}${this.#named(before, first[at], at)}`),
      first,
      expected.map(({ verdict }) => verdict),
    )
    for (const [at, verdict] of met.entries()) {
      count(`${verdict}${expected[at]?.by}`)
      const probe = first[at]
      if (verdict !== expected[at]?.verdict && probe) return { worlds: [before], probe }
    }
    await this.#rules.apply(toGiven(after), 4)
    const flows = [...first.entries()]
      .filter(([at, probe]) => met[at] === 'both' && this.#named(before, probe, at) !== '')
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
    const second = made(after)
    const expectedNow = second.map((probe) => this.#expect(after, probe))
    const metNow = this.#send(
      expectedNow.map(({ text }) => text),
      second,
      expectedNow.map(({ verdict }) => verdict),
    )
    for (const [at, verdict] of metNow.entries()) {
      count(`${verdict}${expectedNow[at]?.by}`)
      const probe = second[at]
      if (verdict !== expectedNow[at]?.verdict && probe) return { worlds: [after], probe }
    }
    return undefined
  }

  /** A probe that can be told where it arrives: of what a NAT gateway translates, a datagram or a ping. */
  #made(chance: Chance, world: ModelWorld): MadeProbe {
    for (;;) {
      const probe = chance.probe(world, this.#stage.wire.nextPort())
      const arrival = this.#journey(world).arrival(probe.from, this.#packet(probe))
      const isPlain = probe.kind === 'udp' || probe.kind === 'ping'
      if (arrival?.trail.nat === undefined || isPlain) return probe
    }
  }

  #journey = (world: ModelWorld): Journey => new Journey(this.#model, this.#grounds, world)

  #packet({ from, to, ip, kind, detail, sourcePort, ...probe }: MadeProbe): Packet {
    const known = (name: string): string => this.#stage.address(name, ip) ?? ''
    const ends = { ip, source: probe.source ?? known(from), target: known(probe.target ?? to) }
    if (kind === 'ping') return { ...ends, protocol: 'icmp', type: ip === 4 ? 8 : 128, code: 0 }
    if (kind === 'proto') return { ...ends, protocol: Number(detail) }
    if (kind !== 'icmp') {
      const protocol = kind === 'tcp' ? 'tcp' : 'udp'
      return { ...ends, protocol, sourcePort, port: Number(detail) }
    }
    const [type = 0, code = 0] = detail.split('/').map(Number)
    return { ...ends, protocol: 'icmp', type, code }
  }

  #send(
    texts: string[],
    probes: readonly MadeProbe[],
    expected: readonly Verdict[],
    patienceMs?: number,
  ): Verdict[] {
    const shots = texts.map((text, at) =>
      this.#probes.read(text, probes[at]?.ip ?? 4, expected[at] ?? 'none'),
    )
    return this.#stage.wire.exchange(shots, patienceMs)
  }

  #expect(world: ModelWorld, probe: MadeProbe): Expected {
    const { from, to, kind, detail, source, sourcePort, target = to } = probe
    const journey = this.#journey(world)
    const packet = this.#packet(probe)
    const arrival = journey.arrival(from, packet)
    const isByPort = kind === 'tcp' || kind === 'udp'
    const text = [
      `${from}${source === undefined ? '' : `(as ${source})`}${isByPort ? `:${sourcePort}` : ''}>`,
      `${target === to || target === `${to}!` ? target : `${to}@${target}`} ${kind} ${detail}`,
    ].join('')
    if (arrival === undefined) return { verdict: 'none', text: text.trim(), by: '' }
    const { at, packet: seen } = arrival
    const heard = [
      text.trim(),
      ...(at === to ? [] : [`at ${at}`]),
      ...(seen.source === packet.source ? [] : [`as ${seen.source}`]),
    ].join(' ')
    const speaks = source === undefined && kind !== 'icmp' && kind !== 'parts' && at === to
    const isFirst = seen.target === this.#stage.address(at, probe.ip)
    const answered = speaks && isFirst && journey.answered(from, packet, arrival)
    const ways = [...arrival.trail.by, ...(isFirst ? [] : ['address'])].toSorted().join('+')
    return { verdict: answered ? 'both' : 'there', text: heard, by: ways && ` by ${ways}` }
  }

  /** The flow of a probe that can be spoken on again: it goes straight, and so does its answer. */
  #flowOf(world: ModelWorld, probe: MadeProbe): Flow | undefined {
    const { from, to, kind, source, target } = probe
    const isFlow = kind === 'tcp' || kind === 'udp' || kind === 'ping'
    if (!isFlow || from === 'o' || to === 'o' || source !== undefined || target !== undefined)
      return
    const first = this.#packet(probe)
    return this.#journey(world).isStraight(from, to, first) ? { from, to, first } : undefined
  }

  /** Its name, where it has one. */
  #named(world: ModelWorld, probe: MadeProbe | undefined, at: number): string {
    return probe !== undefined && this.#flowOf(world, probe) !== undefined ? ` #f${at}` : ''
  }

  #expectFlow(before: ModelWorld, after: ModelWorld, probe: MadeProbe): Verdict {
    const flow = this.#flowOf(before, probe)
    if (flow === undefined) throw new Error('a probe that is no flow was to go on')
    const memory = this.#model.memory(before, flow)
    if (!this.#model.goesOn(after, flow, memory, false)) return 'none'
    return this.#model.goesOn(after, flow, memory, true) ? 'both' : 'there'
  }

  /** Tries one probe by itself, as a new flow; what packets said and what the model says. */
  async #try({ worlds: [before, after], probe }: Trial): Promise<[met: Verdict, said: Verdict]> {
    const fresh: MadeProbe = { ...probe, sourcePort: this.#stage.wire.nextPort() }
    await this.#rules.apply(toGiven(before), 4)
    const said = this.#expect(before, fresh)
    const name = after === undefined ? '' : this.#named(before, fresh, 0)
    const [met = 'none'] = this.#send([`${said.text}${name}`], [fresh], [said.verdict], SMALL_MS)
    if (after === undefined || met !== 'both' || said.verdict !== 'both' || name === '') {
      this.#probes.forget()
      return [met, after === undefined ? said.verdict : met]
    }
    await this.#rules.apply(toGiven(after), 4)
    const goesOn = this.#expectFlow(before, after, fresh)
    const [spoken = 'none'] = this.#send(['#f0'], [fresh], [goesOn], SMALL_MS)
    this.#probes.forget()
    return [spoken, goesOn]
  }

  async #small(trial: Trial): Promise<Trial> {
    let small = trial
    if (trial.probe.kind === 'proto') return trial // Tracked for 600 s.
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
    const { from, to, ip } = trial.probe
    const text = this.#expect(trial.worlds[0], trial.probe).text
    const worlds = trial.worlds.flatMap((world) => (world === undefined ? [] : [toGiven(world)]))
    const told = worlds.map(({ groups = {}, wear = {}, ...others }) => ({
      groups: Object.fromEntries(
        Object.entries(groups).filter(([, of]) => of.in?.length || of.out?.length),
      ),
      wear: Object.fromEntries([from, to].flatMap((e) => (e === 'o' ? [] : [[e, wear[e]]]))),
      ...others,
    }))
    return (
      `${text} in IPv${ip}: packets met '${met}', the documentation says '${said}', ` +
      `with ${told.map((each) => JSON.stringify(each)).join(' and then ')}`
    )
  }
}

/** Which verdicts and which ways no packet has met. */
export function missing(verdicts: Readonly<Record<string, number>>): string[] {
  const ways = Object.keys(verdicts).flatMap((key) => key.split(/ by |\+/).slice(1))
  return [
    ...MET.filter((each) => !(each in verdicts)),
    ...WAYS.filter((way) => !ways.includes(way)),
  ]
}

/** What there is beside ENIs, as the stage has it. */
function groundsOf(stage: Stage): Grounds {
  const both = (of: (ip: 4 | 6) => string | undefined): string[] =>
    ([4, 6] as const).flatMap((ip) => of(ip) ?? [])
  const blocks = [...SUBNETS, 'vpc' as const].map((name) => [
    name,
    both((ip) => stage.block(name, ip)),
  ])
  return {
    blocks: Object.fromEntries(blocks) as Grounds['blocks'],
    outside: stage.hasOutside ? both((ip) => stage.address('o', ip)) : [],
    publicOf: (eni) => stage.addresses.get(`${eni}!`),
    nat: () => {
      const [privateIp, publicIp] = ['nat', 'nat!'].map((name) => stage.addresses.get(name))
      if (privateIp === undefined || publicIp === undefined) return undefined
      return { privateIp, publicIp }
    },
  }
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
