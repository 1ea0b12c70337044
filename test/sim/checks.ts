// The checkers: they look at the world and at the journal from outside, share nothing with the code
// under test but its words, and throw Broken at the first moment at which a promise is not kept.

import type Sqlite from 'better-sqlite3'
import { containerOf, type Job, volumeOf } from '../../agent/drivers/driver.ts'
import type { Entry } from '../../state/journal.ts'
import type { HolderId } from '../../state/spec.ts'
import type { Event, Holder, Need, Verb } from '../../state/task.ts'
import { rowState, rows } from '../../state/task.ts'
import type { Ending } from './ending.ts'
import { SHARE, type Watching } from './hands.ts'
import type { Timeline } from './time.ts'
import type { Container, Eni, SimWorld } from './world.ts'
import {
  deservesStart,
  INSTANCES,
  limitsOf,
  NO_GROUP,
  OTHER_GROUPS,
  OWN_GROUPS,
  QUARANTINE,
} from './world.ts'

/** A broken invariant. The message names it and the moment. */
export class Broken extends Error {}

/** What EC2 allows the account (burst, per second), written down apart from the agent's own table. */
const ACCOUNT: Readonly<Record<string, readonly [number, number]>> = {
  CreateNetworkInterface: [100, 5],
  DeleteNetworkInterface: [100, 5],
  ModifyNetworkInterfaceAttribute: [100, 5],
  AttachNetworkInterface: [50, 5],
  AllocateAddress: [50, 5],
  ReleaseAddress: [50, 5],
  DescribeAddresses: [100, 20],
  DetachNetworkInterface: [50, 5],
  DescribeNetworkInterfaces: [100, 20],
  DescribeInstances: [100, 20],
  DescribeSubnets: [100, 20],
}

/** Between two looks at what is given back, at least; at an ENI of an instance that is gone. */
const APART_MS = { orphan: 60_000, stranded: 3_600_000 }

/** Who is away, or holds us back, costs a launch nothing but time. */
const WAITED_OUT = ['Ec2Unreachable', 'DockerUnreachable', 'RequestLimitExceeded']

export class Checks implements Watching {
  readonly #world: SimWorld
  readonly #timeline: Timeline
  readonly #began: Sqlite.Statement<[string, string]>
  readonly #all: () => readonly Entry[]
  readonly #quarantined: ReadonlySet<HolderId>
  readonly #ending: Pick<Ending, 'effect'>
  readonly #ran = new Set<HolderId>()
  /** Why each that is to stop is to stop. */
  readonly #stopped = new Map<HolderId, string | undefined>()
  /** When a look of this life first showed a thing. */
  readonly #seen = new Map<string, number>()
  readonly #inQuarantine = new Set<string>()
  readonly #inFlight = new Set<string>()
  /** The groups that were ordered for each ENI of each task, and whether EC2 refused the last of them. */
  readonly #orders = new Map<string, { groups: (readonly string[])[]; isRefused: boolean }>()
  readonly #calls = new Map<string, number>()
  readonly #answeredExits = new Set<string>()
  #bornAt: number
  /** Since when the first of those that wait could begin. */
  #idleSince: number | undefined
  released = 0
  /** Containers that were started again by their policy. */
  restarts = 0

  constructor(options: {
    readonly world: SimWorld
    readonly timeline: Timeline
    readonly db: Sqlite.Database
    readonly all: () => readonly Entry[]
    readonly quarantined: ReadonlySet<HolderId>
    readonly ending: Pick<Ending, 'effect'>
  }) {
    this.#ending = options.ending
    this.#world = options.world
    this.#timeline = options.timeline
    this.#all = options.all
    this.#quarantined = options.quarantined
    this.#bornAt = options.timeline.now
    options.world.onRestart = (container) => this.#restarted(container)
    this.#began = options.db.prepare(
      'SELECT 1 FROM events WHERE holder = ? AND event LIKE ? LIMIT 1',
    )
  }

  /** Another life begins: what was in flight is nobody's, and its budget is its own. */
  born(): void {
    this.#inFlight.clear()
    this.#calls.clear()
    this.#seen.clear()
    this.#bornAt = this.#timeline.now
  }

  /** I7: one step per row in flight. */
  asked(_verb: Verb, { holderId, row }: Job): void {
    const key = `${holderId} ${row}`
    if (this.#inFlight.has(key)) throw new Broken(`I7: two steps of ${row} of ${holderId} at once`)
    this.#inFlight.add(key)
  }

  answered(_verb: Verb, { holderId, row }: Job): void {
    this.#inFlight.delete(`${holderId} ${row}`)
  }

  /** I6, I2: the journal on the disk knew of it before it happened; no process before its link. */
  effect(verb: Verb, job: Job): void {
    this.#ending.effect(verb, job)
    const pattern = `{"type":"began","verb":"${verb}","row":"${job.row}"%`
    if (this.#began.get(job.holderId, pattern) === undefined) {
      throw new Broken(`I6: ${verb} ${job.row} happened and never began`)
    }
    if (verb === 'ensure' && job.row.startsWith('created:')) this.#checkVolumes(job)
    if (verb === 'ensure' && job.row.startsWith('container:')) this.#checkStart(job)
    if (verb === 'ensure' && job.row.startsWith('volume:')) this.#checkMount(job)
  }

  /** This host's share of the account's rates is never exceeded by one life. */
  called(action: string): void {
    const count = (this.#calls.get(action) ?? 0) + 1
    this.#calls.set(action, count)
    const [burst, perSecond] = ACCOUNT[action] ?? [0, 0]
    const seconds = (this.#timeline.now - this.#bornAt) / 1000
    const most = Math.max(1, burst * SHARE) + perSecond * SHARE * seconds + 1e-6
    if (count > most) throw new Broken(`budget: ${count} ${action} in ${seconds} s`)
  }

  /** A look of the sweep shows these. */
  looked(ids: Iterable<string>): void {
    for (const id of ids) if (!this.#seen.has(id)) this.#seen.set(id, this.#timeline.now)
  }

  /** The sweep gives back only what nobody claims, and of others only what is stranded. */
  orphan(what: 'container' | 'volume' | 'cgroup' | 'eni' | 'address', id: string): void {
    this.released += 1
    if (this.#world.enis.get(id)?.isTheirs) throw new Broken(`sweep: ${id} is only lent`)
    const foreign = this.#world.foreign.get(id)
    const knownMs = this.#timeline.now - (this.#seen.get(id) ?? this.#timeline.now)
    if (knownMs < APART_MS[foreign === undefined ? 'orphan' : 'stranded']) {
      throw new Broken(`sweep: ${id} was given back ${knownMs} ms after the first look`)
    }
    if (foreign !== undefined) {
      const isStranded = foreign.instanceId === INSTANCES.gone && foreign.index === undefined
      if (!isStranded) throw new Broken(`sweep: ${id} is not ours`)
      return
    }
    const owner =
      what === 'cgroup'
        ? id.replace('enid/', '')
        : (this.#world.enis.get(id)?.holderId ??
          this.#world.containers.get(id)?.holderId ??
          this.#world.addresses.get(id)?.holderId)
    if (owner !== undefined && this.#quarantined.has(owner)) {
      throw new Broken(`I10: ${what} ${id} of ${owner}, which is quarantined, was given back`)
    }
    for (const { id: holderId, holder } of this.#all()) {
      for (const { id: row } of rows(holder.spec)) {
        const { is, details } = rowState(holder, row)
        const known = (details ?? {}) as Readonly<Record<string, unknown>>
        const ids = ['eniId', 'containerId', 'path', 'allocationId'].map((name) => known[name])
        if (is !== 'none' && ids.includes(id)) {
          throw new Broken(`sweep: ${what} ${id} is ${is} as ${row} of ${holderId}`)
        }
      }
    }
  }

  /** Other groups were ordered, and that is written down. */
  ordered(id: HolderId, n: number, groups: readonly string[]): void {
    const before = this.#orders.get(`${id} ${n}`)?.groups ?? []
    this.#orders.set(`${id} ${n}`, { groups: [...before, groups], isRefused: false })
  }

  /** I7, I9: what one event did to one holder. */
  learned({ id, holder }: Entry, event: Event): void {
    if (event.type === 'amended' && event.cause !== undefined) {
      for (const row of event.rows) {
        const order = this.#orders.get(`${id} ${row.replace('eni:', '')}`)
        if (order !== undefined) order.isRefused = true
      }
    }
    for (const { id: row, needs } of rows(holder.spec)) {
      if (rowState(holder, row).is === 'none') continue
      const isFirm = (need: Need) =>
        !need.holder && !(need.isUpOnly && holder.desired === 'stopped')
      const air = needs.find((need) => isFirm(need) && rowState(holder, need.row).is === 'none')
      if (air !== undefined) throw new Broken(`I7: ${row} of ${id} stands on ${air.row}, not there`)
    }
    if (event.type === 'assigned') this.#ran.delete(id)
    if (event.type === 'restartAsked' && holder.desired === 'stopped') {
      throw new Broken(`I7: a restart was asked of ${id}, which is to stop`)
    }
    if (holder.ran) this.#ran.add(id)
    else if (this.#ran.has(id)) throw new Broken(`I7: ${id} ran, and then never did`)
    if (holder.desired === 'running') {
      if (this.#stopped.has(id)) throw new Broken(`I7: ${id} was to stop, and is to run again`)
      return
    }
    const reason = holder.stop?.reason
    if (this.#stopped.has(id)) {
      if (this.#stopped.get(id) !== reason) throw new Broken(`I5: ${id} changed its reason`)
      return
    }
    this.#stopped.set(id, reason)
    // Whatever becomes of a spare, no task is hurt.
    if (holder.spec.kind === 'spare') return
    if (event.type === 'refused' && WAITED_OUT.includes(event.cause.code)) {
      throw new Broken(`I9: ${id} did not wait: ${reason}`)
    }
    // Weather stops nothing that ran: an order does, or what somebody did to it.
    const asks = ['UserInitiated', 'TerminationNotice', 'ServiceSchedulerInitiated']
    const isAsked = event.type === 'stopAsked' && asks.includes(event.stop.code)
    if (holder.ran && !isAsked && !this.#world.hurt.has(id)) {
      throw new Broken(`I9: ${id} ran, nobody hurt it, and it stops: ${holder.stop?.reason}`)
    }
  }

  /** What tasks that were placed may use together is there. */
  #commit(cpuUnits: number): void {
    const placed = this.#all().filter(({ holder }) => {
      const begun = rows(holder.spec).some(({ id }) => rowState(holder, id).is !== 'none')
      const isDown = holder.spec.containers.every(
        ({ name }) => rowState(holder, `container:${name}`).is === 'none',
      )
      return holder.desired === 'running' ? begun : !isDown
    })
    const sum = placed.reduce((all, { holder }) => all + (holder.spec.cgroup?.cpuUnits ?? 0), 0)
    if (sum > cpuUnits) throw new Broken(`placement: ${sum} of ${cpuUnits} CPU units are given out`)
  }

  /** In peace: whoever came first does not go on waiting beside room that is enough for it. */
  waitsInVain(cpuUnits: number, slots: number): void {
    const waiting = this.#all().filter(({ holder }) => {
      const isBegun = rows(holder.spec).some(({ id }) => rowState(holder, id).is !== 'none')
      return holder.desired === 'running' && holder.spec.waitMs !== undefined && !isBegun
    })
    const first = waiting.toSorted((a, b) => a.timeline.createdAt - b.timeline.createdAt)[0]
    // A spare that is not given up yet is in nobody's way.
    const isIdle = ({ holder: { spec, desired } }: Entry) =>
      spec.kind === 'spare' && desired === 'running'
    const others = this.#all().filter((entry) => !waiting.includes(entry) && !isIdle(entry))
    const isUp = ({ holder }: Entry) =>
      holder.desired === 'running' ||
      rows(holder.spec).some(({ id }) => rowState(holder, id).is !== 'none')
    const taken = others.filter(isUp).map(({ holder }) => holder.spec)
    const plugged = taken.reduce((sum, { enis }) => sum + enis.length, 0)
    const free = cpuUnits - taken.reduce((sum, { cgroup }) => sum + (cgroup?.cpuUnits ?? 0), 0)
    const need = first?.holder.spec.cgroup?.cpuUnits ?? 0
    const enis = first?.holder.spec.enis.length ?? 0
    const fits = first !== undefined && need <= free && plugged + enis <= slots
    if (!fits) this.#idleSince = undefined
    else this.#idleSince ??= this.#timeline.now
    if (this.#timeline.now - (this.#idleSince ?? this.#timeline.now) <= 5_000) return
    throw new Broken(`waiting: ${first?.id} waits beside ${free} CPU units that are free`)
  }

  /** I1, I3: at any moment. */
  always(cpuUnits: number): void {
    this.#commit(cpuUnits)
    const enis = [...this.#world.enis.values()]
    this.#quarantine(enis)
    const owners = new Set([...this.#all().map(({ id }) => id), ...this.#quarantined])
    const [wrong] = this.#world.wrongs
    if (wrong !== undefined) throw new Broken(`lent: ${wrong}`)
    for (const { eniId, holderId, isTheirs } of enis) {
      if (!isTheirs && !owners.has(holderId)) throw new Broken(`I1: ${eniId} belongs to nobody`)
    }
    for (const key of ['ipv4', 'index'] as const) {
      const taken = enis.map((eni) => eni[key]).filter((value) => value !== undefined)
      if (new Set(taken).size !== taken.length) throw new Broken(`I3: one ${key} twice`)
    }
  }

  /** Who put an ENI into quarantine is not undone, but by setting, or by an order. */
  #quarantine(enis: readonly Eni[]): void {
    for (const { eniId, groups } of enis) {
      if (this.#world.ordered.delete(eniId)) this.#inQuarantine.delete(eniId)
      const isIn = groups === QUARANTINE
      if (isIn) this.#inQuarantine.add(eniId)
      else if (!this.#world.keepGroups && this.#inQuarantine.has(eniId)) {
        throw new Broken(`groups: ${eniId} was taken out of its quarantine`)
      }
    }
  }

  /** What a RUNNING task lacks, seen from outside (I4); undefined when nothing. */
  lacks({ id, holder }: Entry): string | undefined {
    const mine = [...this.#world.containers.values()].filter((c) => c.holderId === id)
    const pause = mine.find(({ row }) => row === 'sandbox')
    if (pause?.state !== 'running') return 'its pause container'
    const enis = [...this.#world.enis.values()].filter((e) => e.holderId === id)
    if (enis.length !== holder.spec.enis.length) return `its ENIs, it has ${enis.length}`
    for (const eni of enis) {
      const what = this.#lacksOf(holder, eni, pause.containerId)
      if (what !== undefined) return `${what} of ${eni.row}`
    }
    const isUp = (c: Container) => c.state === 'running' || !(c.spec?.essential || deservesStart(c))
    const isWhole = mine.length === holder.spec.containers.length + 1 && mine.every(isUp)
    return isWhole ? undefined : 'a container'
  }

  /** What one ENI of a RUNNING task lacks. */
  #lacksOf(holder: Holder, eni: Eni, netns: string): string | undefined {
    if (eni.index === undefined) return 'the attachment'
    if (eni.card !== netns || !eni.configured) return `the link (${eni.card})`
    if (eni.isUp !== (holder.spec.kind === 'task')) return `the link up or down (${eni.isUp})`
    if (!eni.guarded && !eni.isTheirs) return 'the guard'
    const spec = holder.spec.enis[Number(eni.row.slice('eni:'.length))]
    const isAddressed = spec?.publicIp !== undefined
    if (isAddressed && this.#world.addressOf(eni.eniId) === undefined) return 'the public address'
    const { securityGroupIds: asked = [] } = spec ?? {}
    // A lent ENI keeps what it wore when it was taken, an earlier task's order included.
    const { details } = rowState(holder, eni.row) as { details?: { securityGroupIds?: string[] } }
    const usual = eni.isTheirs ? (details?.securityGroupIds ?? []) : OWN_GROUPS
    const wanted = asked.length === 0 ? usual : asked
    if (wanted.includes(NO_GROUP)) return 'a group that there is'
    // What a dead life's late call undid is told and left, as anybody's change is.
    const isTold = eni.groups === QUARANTINE || this.#world.overtaken.has(eni.eniId)
    const isLeft = !this.#world.keepGroups && isTold
    return isLeft || isSame(eni.groups, wanted) ? undefined : `its own groups, ${wanted}`
  }

  /** Of the groups that were ordered, the last order holds, unless EC2 refused it. */
  obeys({ id, holder }: Entry): void {
    for (const [n, { securityGroupIds }] of holder.spec.enis.entries()) {
      const { groups = [], isRefused } = this.#orders.get(`${id} ${n}`) ?? {}
      const last = groups.at(-1)
      if (last === undefined || isSame(last, securityGroupIds)) continue
      const earlier = [OWN_GROUPS, OTHER_GROUPS, ...groups.slice(0, -1)]
      if (isRefused && earlier.some((each) => isSame(each, securityGroupIds))) continue
      throw new Broken(`groups: ${id} was ordered ${last}, and is to have ${securityGroupIds}`)
    }
  }

  /** A start answers one exit, which the policy lets it answer; no exit is answered twice. */
  #restarted(container: Container): void {
    const { holderId, row, exit } = container
    const key = `${exit?.exitId} of ${row} of ${holderId}`
    if (this.#answeredExits.has(key)) throw new Broken(`${key} was answered twice`)
    if (!deservesStart(container)) throw new Broken(`${key} was answered against its policy`)
    this.#answeredExits.add(key)
    this.restarts += 1
  }

  /** I5: what a stopped task still tells. */
  remembers({ id, holder, timeline }: Entry): void {
    for (const n of holder.spec.enis.keys()) {
      const pattern = `{"type":"done","verb":"ensure","row":"eni:${n}"%`
      const hadEni = this.#began.get(id, pattern) !== undefined
      const { eniId } = (rowState(holder, `eni:${n}`).details ?? {}) as { eniId?: string }
      if (hadEni && eniId === undefined) throw new Broken(`I5: ${id} forgot its ENI ${n}`)
    }
    if (!holder.stop?.reason) throw new Broken(`I5: ${id} stopped and does not say why`)
    if (timeline.stoppedAt === undefined) throw new Broken(`I5: ${id} does not say when it stopped`)
  }

  /** A file system is reached by the task's own card: that stands when it is mounted. */
  #checkMount(job: Job): void {
    const isAgain = this.#world.volumes.has(`${job.row} of ${job.holderId}`)
    if (volumeOf(job).kind !== 'nfs' || isAgain) return
    if (this.#cardIsElsewhere(job)) throw new Broken(`${job.row} of ${job.holderId}: no card yet`)
  }

  /** Whether a card of the task is not in its namespace, and nobody but the agent can be why. */
  #cardIsElsewhere(job: Job): boolean {
    const { netns } = job.details('sandbox', 'sandbox')
    const pauseRuns = this.#world.containers.get(netns)?.state === 'running'
    return [...job.spec.enis.keys()].some((n) => {
      const eni = this.#world.enis.get(job.known('eni', `eni:${n}`)?.eniId ?? '')
      // Somebody may drag the card out between the journal's word and this moment.
      if (!pauseRuns || eni === undefined || this.#world.dragged.has(eni.eniId)) return false
      return eni.card !== netns || !eni.configured || !eni.isUp
    })
  }

  /** No container is made before its volumes are there: Docker would make them, under nobody's mark. */
  #checkVolumes(job: Job): void {
    for (const { volume } of containerOf(job).mounts ?? []) {
      if (this.#world.volumes.has(`volume:${volume} of ${job.holderId}`)) continue
      throw new Broken(`${job.row} of ${job.holderId} is made without its volume ${volume}`)
    }
  }

  /** I2: no process of a task starts before its link stands configured in its namespace. */
  #checkStart(job: Job): void {
    this.#checkVolumes(job)
    // One that was made ahead has no process yet, unless dockerd has forgotten it.
    const isForgotten = this.#world.forgotten.has(`${job.holderId} ${job.row}`)
    const isStarted = ({ state }: Container) =>
      !job.spec.madeAhead || state !== 'created' || isForgotten
    const isAgain = [...this.#world.containers.values()].some(
      (c) => c.holderId === job.holderId && c.row === job.row && isStarted(c),
    )
    if (isAgain) return
    if (this.#cardIsElsewhere(job)) throw new Broken('I2: a process before its link')
    const { securityGroupIds: wanted = [] } = job.spec.enis[0] ?? {}
    const accepted = this.#world.enis.get(job.known('eni', 'eni:0')?.eniId ?? '')?.accepted
    if (wanted.length > 0 && accepted && !accepted.has(`${wanted}`)) {
      throw new Broken(`I2: a process before EC2 accepted ${wanted}`)
    }
    const limits = this.#world.limits.get(job.holderId)
    if (job.spec.cgroup && limits !== undefined && limits !== limitsOf(job.spec)) {
      throw new Broken(`${job.row} of ${job.holderId} starts in ${limits}`)
    }
  }
}

const isSame = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((id) => b.includes(id))
