// The world of the simulation: EC2, the host's links, Docker. It keeps what exists and does what it
// is asked, at once and truly; hands.ts is what fails, delays, lies and loses replies between it and
// the agent. Somebody hurts it now and then, as happens to real hosts.

import type { Details, Job } from '../../agent/drivers/driver.ts'
import { containerOf, eniOf, numberOf } from '../../agent/drivers/driver.ts'
import { linkGone } from '../../agent/drivers/link.ts'
import { Failure } from '../../agent/failure.ts'
import type { ContainerSpec, HolderId, Spec } from '../../state/spec.ts'
import { type Exit, isLent, type RowId } from '../../state/task.ts'
import type { Chance, Timeline } from './time.ts'

export type Eni = {
  readonly eniId: string
  readonly token: string
  /** Of a lent one: who has it, or had it last. */
  holderId: HolderId
  /** Which of the holder's it is. */
  row: RowId
  readonly subnetId: string
  readonly ipv4: string
  /** It is somebody else's, lent to a task now and then. */
  readonly isTheirs: boolean
  /** Its owner has plugged it into this host. */
  pluggedByOwner: boolean
  /** Its device index, while it is attached. */
  index?: number
  guarded: boolean
  /** Where its card is: nowhere, on the host, or in a namespace. */
  card: 'none' | 'host' | string
  configured: boolean
  isUp: boolean
  /** Somebody took our tags off. */
  stripped: boolean
  groups: readonly string[]
  /** All that it ever wore by our doing, in words: EC2 had accepted them. */
  readonly accepted: Set<string>
}

/** The security groups of every simulated task, until others are ordered. */
export const OWN_GROUPS = ['sg-own']
/** Those of tasks that want others than most. */
export const OTHER_GROUPS = ['sg-other']
/** Where somebody puts an ENI whose task he does not trust; and a group that EC2 does not know. */
export const QUARANTINE = ['sg-quarantine']
export const NO_GROUP = 'sg-none'

/** A container's holder and row. */
type Whose = { readonly holderId: HolderId; readonly row: string }

export type Container = {
  readonly containerId: string
  readonly holderId: HolderId
  readonly row: string
  readonly createdAt: number
  /** Of the task's definition; none for a pause. */
  readonly spec: ContainerSpec | undefined
  /** created: made, and never started, as far as Docker knows. */
  state: 'created' | 'running' | 'exited'
  startedAt: number
  /** The exit it is in, or was in last. */
  exit?: Exit
}

/** Whether its restart policy answers its exit, read off ECS's rule once more. */
export const deservesStart = ({ spec, exit }: Container): boolean =>
  spec?.restart !== undefined &&
  (exit?.ranMs ?? -1) >= spec.restart.attemptPeriodMs &&
  !spec.restart.ignoredExitCodes.includes(exit?.exitCode ?? 0)

/** An ENI that is not this instance's: another host's, or one without any mark. Never ours to touch. */
export type Foreign = {
  readonly eniId: string
  /** The instance whose mark it wears; none: no mark. */
  readonly instanceId?: string
  /** Its device index on this instance, where somebody attached it here. */
  readonly index?: number
}

/** ENIs that their owner lends to tasks. */
export const LENT = ['eni-lent-0', 'eni-lent-1']

/** This instance, one beside it, and one that does not exist any more. */
export const INSTANCES = { own: 'i-00000001', beside: 'i-00000002', gone: 'i-00000003' }

/** An Elastic IP of a task's, and the ENI that it stands for. */
export type Address = { readonly allocationId: string; readonly holderId: HolderId; eniId?: string }

/** The row that starts the container of a row: whose mark it wears, whichever row made it. */
export const startOf = (job: Job): `container:${string}` => `container:${containerOf(job).name}`

export class SimWorld {
  readonly addresses = new Map<string, Address>()
  readonly enis = new Map<string, Eni>()
  readonly foreign = new Map<string, Foreign>()
  readonly containers = new Map<string, Container>()
  readonly volumes = new Map<string, Whose & { readonly createdAt: number }>()
  /** Holders that have a cgroup. */
  readonly cgroups = new Set<HolderId>()
  /** The limits of each, in words, once they were written. */
  readonly limits = new Map<HolderId, string>()
  /** Processes that containerd runs, and that Docker does not know of, by holder and row. */
  readonly forgotten = new Map<string, Job>()
  /** What a token made, also when that is gone: EC2 remembers tokens for a day. */
  readonly tokens = new Map<string, string>()
  /** Holders that somebody hurt so that they may stop for it. */
  readonly hurt = new Set<HolderId>()
  /** How often each was attached. */
  readonly attaches = new Map<string, number>()
  /** ENIs whose card somebody took from where the agent had put it. */
  readonly dragged = new Set<string>()
  /** ENIs whose groups an order has put on, since that was asked last. */
  readonly ordered = new Set<string>()
  /** Lent ENIs that their owner deleted. */
  readonly takenAway = new Set<string>()
  /** What was done to a lent ENI that nobody may do. */
  readonly wrongs: string[] = []
  /** Whether a task's groups are put back. */
  keepGroups = false
  /** Hears of changes in namespaces. */
  changed: (netns: string) => void = () => {}
  /** Told of a container in an exit, just before it is started again. */
  onRestart: (container: Container) => void = () => {}
  /** ENIs whose delete-on-termination somebody took back. */
  readonly unguarded = new Set<string>()
  /** ENIs whose last order a dead life's call has undone, which landed after it. */
  readonly overtaken = new Set<string>()
  readonly #orders = new Map<string, number>()
  readonly #declined = new Set<string>()
  #serial = 0
  readonly #timeline: Timeline
  readonly #chance: Chance

  constructor(timeline: Timeline, chance: Chance) {
    this.#timeline = timeline
    this.#chance = chance
  }

  /** Creates an ENI, or answers with what the token made before. `declineLikelihood`: no room. */
  createEni(job: Job, declineLikelihood: number): Details['eni'] {
    const known = job.again ? job.known('eni', job.row) : undefined
    const there = this.enis.get(known?.eniId ?? '')
    if (known !== undefined && there !== undefined) return this.#recheck(job, known, there)
    if (known !== undefined) throw new Failure('lost', 'EniGone', 'it was deleted')
    if (isLent(job.spec, job.row)) return this.#lend(job)
    const made = this.enis.get(this.tokens.get(job.token) ?? '')
    if (made !== undefined) {
      return eniDetails(made)
    }
    if (this.tokens.has(job.token)) throw new Failure('lost', 'EniGone', 'it was deleted')
    // EC2 gives one token one answer, whichever of two calls that carry it comes first.
    if (this.#declined.has(job.token) || this.#chance.happens(declineLikelihood)) {
      this.#declined.add(job.token)
      throw new Failure('refused', 'SubnetFull', 'no room', { ofChoice: true })
    }
    const asked = eniOf(job).securityGroupIds
    const groups = asked.length === 0 ? OWN_GROUPS : asked
    if (groups.includes(NO_GROUP)) {
      throw new Failure('refused', 'InvalidGroup.NotFound', 'no such group')
    }
    const eni: Eni = {
      eniId: `eni-${++this.#serial}`,
      token: job.token,
      holderId: job.holderId,
      row: job.row,
      subnetId: job.choice ?? '',
      ipv4: this.#freeAddress(),
      isTheirs: false,
      pluggedByOwner: false,
      guarded: false,
      card: 'none',
      configured: false,
      isUp: false,
      stripped: false,
      groups,
      accepted: new Set([`${groups}`]),
    }
    this.enis.set(eni.eniId, eni)
    this.tokens.set(job.token, eni.eniId)
    return eniDetails(eni)
  }

  /**
   * As the driver does: groups that were ordered are put on, or refused; an ENI in doubt is put back
   * into its own by setting.
   */
  #recheck(job: Job, known: Details['eni'], eni: Eni): Details['eni'] {
    const { securityGroupIds: asked, groupsOrder = 0, unheard = [], isWithdrawn } = eniOf(job)
    const wanted = asked.length === 0 ? known.securityGroupIds : [...asked]
    const isOrdered = groupsOrder !== (known.groupsOrder ?? 0)
    if (isOrdered && wanted.includes(NO_GROUP)) {
      throw new Failure('refused', 'InvalidGroup.NotFound', 'no such group')
    }
    const isStrange = isWithdrawn && !unheard.some((groups) => `${groups}` === `${eni.groups}`)
    const isPutOn = isOrdered && !isStrange
    if (isPutOn) this.ordered.add(eni.eniId)
    const latest = this.#orders.get(eni.eniId) ?? 0
    if (isPutOn && groupsOrder < latest) this.overtaken.add(eni.eniId)
    else if (isPutOn) this.overtaken.delete(eni.eniId)
    this.#orders.set(eni.eniId, Math.max(latest, groupsOrder))
    if (isPutOn || this.keepGroups) eni.groups = wanted
    if (isPutOn || this.keepGroups) eni.accepted.add(`${wanted}`)
    return { ...known, securityGroupIds: wanted, ...(groupsOrder > 0 && { groupsOrder }) }
  }

  /** Somebody's ENI that tasks may borrow. */
  placeTheirs(eniId: string): void {
    const whose = { holderId: '', row: 'eni:0' as const, isTheirs: true }
    const parts = { eniId, token: eniId, subnetId: 'subnet-a', ...whose }
    const state = { guarded: false, card: 'none', configured: false, isUp: false, stripped: false }
    const accepted = new Set([`${OWN_GROUPS}`])
    const ipv4 = this.#freeAddress()
    const eni = { ...parts, ...state, ipv4, pluggedByOwner: false, groups: OWN_GROUPS, accepted }
    this.enis.set(eniId, eni)
  }

  /** Its owner plugs it in here, for a while, where nobody else does. */
  plugByOwner(eniId: string, index: number, ms: number): void {
    const eni = this.enis.get(eniId)
    if (eni === undefined || eni.index !== undefined) return
    Object.assign(eni, { index, pluggedByOwner: true })
    this.#timeline.after(ms, () => {
      if (!eni.pluggedByOwner) return
      eni.pluggedByOwner = false
      unplug(eni)
    })
  }

  #lend(job: Job): Details['eni'] {
    const eni = this.enis.get(eniOf(job).lentEniId ?? '')
    if (eni === undefined || eni.index !== undefined) {
      throw new Failure('refused', 'EniNotLent', 'it is in use')
    }
    eni.holderId = job.holderId
    eni.row = job.row
    return eniDetails(eni)
  }

  /** As the driver does: only what stands where we chose is ours. */
  #giveLentBack(job: Job): void {
    const eni = this.enis.get(job.known('eni', job.row)?.eniId ?? '')
    if (eni === undefined || eni.holderId !== job.holderId) return
    if (eni.index === Number(job.choiceOf(`attachment:${numberOf(job)}`))) {
      this.#unplugOurs(eni)
      throw new Failure('transient', 'EniDetaching', 'it is being detached')
    }
    eni.holderId = ''
  }

  #unplugOurs(eni: Eni): void {
    if (eni.pluggedByOwner) this.wrongs.push(`${eni.eniId}, plugged in by its owner, was unplugged`)
    unplug(eni)
  }

  deleteEni(job: Job, declineLikelihood: number): void {
    if (isLent(job.spec, job.row)) {
      this.#giveLentBack(job)
      return
    }
    // As the driver does: a Create without an answer is repeated with its token, which answers with
    // what it made, or makes what a late one would have made; a refusal proves that there is none.
    if (job.known('eni', job.row) === undefined && !this.tokens.has(job.token)) {
      if (job.choice === undefined || this.#declined.has(job.token)) return
      if (eniOf(job).securityGroupIds.includes(NO_GROUP)) return
      this.createEni(job, declineLikelihood)
    }
    const eni = this.#eniOf(job)
    if (eni === undefined) return
    if (eni.index !== undefined) {
      // As the driver does: an Attach that was given up may have landed late.
      if (job.again) this.detach(job)
      throw new Failure('transient', 'InUse', 'currently in use')
    }
    this.enis.delete(eni.eniId)
  }

  /** As the driver does: one that is there already is found only by who looks. */
  givePublicIp(job: Job): Details['publicIp'] {
    const { eniId } = job.details('eni', `eni:${numberOf(job)}`)
    const known = job.known('publicIp', job.row)?.allocationId
    const isIt = (each: Address) =>
      known === undefined ? each.holderId === job.holderId : each.allocationId === known
    const there = job.again ? [...this.addresses.values()].find(isIt) : undefined
    const address = there ?? { allocationId: `ip-${++this.#serial}`, holderId: job.holderId }
    this.addresses.set(address.allocationId, address)
    if (!this.enis.has(eniId)) throw new Failure('lost', 'EniGone', 'no such ENI')
    address.eniId = eniId
    return { allocationId: address.allocationId, publicIpv4: address.allocationId }
  }

  takePublicIp(job: Job): void {
    const known = job.known('publicIp', job.row)?.allocationId
    for (const { allocationId, holderId } of [...this.addresses.values()]) {
      const isIt = known === undefined ? holderId === job.holderId : allocationId === known
      if (isIt) this.addresses.delete(allocationId)
    }
  }

  /** The address that stands for this ENI. */
  addressOf(eniId: string): Address | undefined {
    return [...this.addresses.values()].find((address) => address.eniId === eniId)
  }

  /** Attaches it; its card appears on the host after `appearMs`, never without one. */
  attach(job: Job, decline: number, appearMs: number | undefined): Details['attachment'] {
    const eni = this.#eniOf(job)
    if (eni === undefined) throw new Failure('lost', 'EniGone', 'no such ENI')
    const deviceIndex = Number(job.choice)
    const attachmentId = `at-${eni.eniId}`
    if (eni.isTheirs && eni.index !== undefined && eni.index !== deviceIndex) {
      throw new Failure('refused', 'EniAttachedElsewhere', 'its owner has it')
    }
    if (eni.index !== undefined) return { attachmentId, deviceIndex: eni.index }
    const all = [...this.enis.values(), ...this.foreign.values()]
    if (all.some(({ index }) => index === deviceIndex) || this.#chance.happens(decline)) {
      throw new Failure('refused', 'IndexTaken', 'taken', { ofChoice: true })
    }
    eni.index = deviceIndex
    this.attaches.set(eni.eniId, (this.attaches.get(eni.eniId) ?? 0) + 1)
    // EC2 carries it out, though its task may be over.
    if (eni.isTheirs && eni.holderId === '') eni.holderId = job.holderId
    if (appearMs !== undefined) {
      this.#timeline.after(appearMs, () => {
        if (eni.index === deviceIndex && eni.card === 'none') eni.card = 'host'
      })
    }
    return { attachmentId, deviceIndex }
  }

  detach(job: Job): void {
    const eni = this.#eniOf(job)
    if (eni === undefined) return
    if (!eni.isTheirs || eni.index === Number(job.choice)) this.#unplugOurs(eni)
  }

  guard(job: Job): Details['guard'] {
    const eni = this.#eniOf(job)
    if (eni === undefined) throw new Failure('lost', 'EniGone', 'no such ENI')
    eni.guarded = true
    return {}
  }

  startPause(job: Job): Details['sandbox'] {
    const there = this.#containerOf(job)
    if (there?.state === 'exited') throw new Failure('lost', 'PauseGone', 'dead')
    if (there === undefined && job.known('sandbox', job.row) !== undefined) {
      throw new Failure('lost', 'PauseGone', 'gone')
    }
    const pause = there ?? this.#newContainer(job)
    this.#endForgotten(job, pause)
    const { containerId } = pause
    return { containerId, netns: containerId }
  }

  makeCgroup({ holderId, spec }: Job): Details['cgroup'] {
    this.cgroups.add(holderId)
    this.limits.set(holderId, limitsOf(spec))
    return { path: `enid/${holderId}` }
  }

  /** Ends what runs in it, known to Docker or not, and removes it; gone is success. */
  removeCgroup(holderId: HolderId): void {
    for (const container of this.containers.values()) {
      if (container.holderId === holderId && container.state === 'running')
        this.exit(container, 137)
    }
    for (const [key, process] of this.forgotten) {
      if (process.holderId === holderId) this.forgotten.delete(key)
    }
    this.cgroups.delete(holderId)
    this.limits.delete(holderId)
  }

  /** dockerd is killed in the instant in which its containerd starts this container. */
  forget(job: Job): void {
    const there = this.#containerOf(job)
    const isAhead = job.row !== 'sandbox' && job.spec.madeAhead
    if (isAhead ? there?.state !== 'created' : there !== undefined) return
    const container = there ?? this.#newContainer(job)
    container.state = 'created'
    this.forgotten.set(`${job.holderId} ${job.row}`, job)
  }

  /** As the driver does: what Docker forgot is ended by its cgroup, and then it can be started. */
  #endForgotten(job: Job, container: Container): void {
    if (container.state !== 'created') return
    const key = `${job.holderId} ${job.row}`
    if (this.forgotten.has(key) && job.known('cgroup', 'cgroup') === undefined) {
      throw new Failure('refused', 'CannotStartContainerError', 'id already in use')
    }
    this.forgotten.delete(key)
    container.state = 'running'
    container.startedAt = this.#timeline.now
  }

  takeIn(job: Job): Details['link'] {
    const eni = this.#eniOf(job)
    const { netns } = job.details('sandbox', 'sandbox')
    if (this.containers.get(netns)?.state !== 'running') {
      throw new Failure('lost', 'PauseGone', 'no namespace')
    }
    if (eni === undefined || eni.card === 'none') {
      const wasHeld = job.known('link', job.row) !== undefined
      throw wasHeld ? linkGone() : new Failure('transient', 'LinkNotSeen', 'no card')
    }
    eni.card = netns
    eni.configured = true
    // A spare's stands down until a task takes it over.
    eni.isUp = job.spec.kind !== 'spare'
    this.#tellChanged(netns)
    return { ifindex: 1, mtu: 9001, gatewayMac: '' }
  }

  giveBack(job: Job): void {
    const eni = this.#eniOf(job)
    if (eni === undefined || eni.card === 'none') return
    eni.card = 'host'
    eni.configured = false
  }

  /** Makes it, and starts nothing. One that was started once is not made anew. */
  createContainer(job: Job): Details['created'] {
    const row = startOf(job)
    const there = this.#containerOf({ ...job, row })
    const started = job.known('container', row)
    if (there === undefined && started !== undefined) return { containerId: started.containerId }
    const container = there ?? this.#newContainer({ ...job, row })
    if (there === undefined) container.state = 'created'
    return { containerId: container.containerId }
  }

  startContainer(job: Job): Details['container'] {
    const { netns } = job.details('sandbox', 'sandbox')
    const there = this.#containerOf(job)
    const isFirst = there === undefined || (job.spec.madeAhead && there.state === 'created')
    if (there === undefined && job.known('container', job.row) !== undefined) {
      throw new Failure('lost', 'ContainerGone', 'it was removed')
    }
    if (there === undefined && job.spec.madeAhead) {
      throw new Failure('refused', 'CannotStartContainerError', 'no such container')
    }
    if (isFirst && this.containers.get(netns)?.state !== 'running') {
      throw new Failure('lost', 'PauseGone', 'no namespace to join')
    }
    const container = there ?? this.#newContainer(job)
    this.#endForgotten(job, container)
    const { containerId, exit } = container
    if (container.state === 'running' || exit === undefined) return { containerId }
    if (exit.exitId !== job.answeredExitId) return { containerId, exit }
    if (this.containers.get(netns)?.state !== 'running') {
      throw new Failure('refused', 'CannotStartContainerError', 'no namespace to join')
    }
    this.onRestart(container)
    container.state = 'running'
    container.startedAt = this.#timeline.now
    return { containerId }
  }

  /** The driver's release: what it can see of it is ended first. Made ahead, it is removed later. */
  releaseContainer(job: Job): void {
    const isSeen = this.#containerOf(job) !== undefined && job.known('cgroup', 'cgroup')
    if (isSeen) this.forgotten.delete(`${job.holderId} ${job.row}`)
    const there = this.#containerOf(job)
    if (job.row === 'sandbox' || !job.spec.madeAhead) this.removeContainer(job)
    else if (there?.state === 'running') this.exit(there, 137)
  }

  /** Removes the container of this row, whatever it does; gone is success. */
  removeContainer(of: Whose): void {
    const there = this.#containerOf(of)
    if (there === undefined) return
    if (there.row === 'sandbox') this.#cardsComeHome(there.containerId)
    this.containers.delete(there.containerId)
  }

  makeVolume({ holderId, row }: Job): Details['volume'] {
    const volumeName = `${row} of ${holderId}`
    const createdAt = this.#timeline.now
    if (!this.volumes.has(volumeName)) this.volumes.set(volumeName, { holderId, row, createdAt })
    return { volumeName }
  }

  /** As Docker: not while a container uses it; gone is success. */
  removeVolume({ holderId, row }: Whose): void {
    const isUsed = [...this.containers.values()].some(
      ({ holderId: id, spec }) =>
        id === holderId && spec?.mounts?.some(({ volume }) => row === `volume:${volume}`),
    )
    if (isUsed) throw new Failure('transient', 'CannotRemoveVolumeError', 'volume is in use')
    this.volumes.delete(`${row} of ${holderId}`)
  }

  /** What the sweep does to an ENI that nobody claims. */
  releaseOrphan(eniId: string): 'gone' | 'going' {
    const eni = this.enis.get(eniId)
    if (eni === undefined) {
      this.foreign.delete(eniId)
      return 'gone'
    }
    if (eni.index === undefined) {
      this.enis.delete(eniId)
      return 'gone'
    }
    unplug(eni)
    return 'going'
  }

  /** What a person has the sweep do to a lent one that nobody has any more. */
  detachLent(eniId: string): void {
    const eni = this.enis.get(eniId)
    if (eni === undefined) return
    this.#unplugOurs(eni)
    eni.holderId = ''
  }

  /** A container's process ends. Its pause: the namespace dies. */
  exit(container: Container, exitCode: number): void {
    container.state = 'exited'
    const ranMs = this.#timeline.now - container.startedAt
    container.exit = { exitCode, exitId: `exit-${++this.#serial}`, ranMs }
    if (container.row === 'sandbox') this.#cardsComeHome(container.containerId)
  }

  /** A container's process crashes. Where its policy answers that, it is no reason to stop. */
  crash(): void {
    const running = [...this.containers.values()].filter(
      ({ spec, state }) => spec !== undefined && state === 'running',
    )
    if (running.length === 0) return
    const container = this.#chance.pick(running)
    this.exit(container, 1)
    if (!deservesStart(container)) this.hurt.add(container.holderId)
  }

  /** Somebody hurts the world. A drift is not worth a stop; the rest may be. */
  mischief(): void {
    const { enis, containers } = this
    const attached = [...enis.values()].filter(
      ({ index, pluggedByOwner }) => index !== undefined && !pluggedByOwner,
    )
    const running = [...containers.values()].filter(({ state }) => state === 'running')
    const inside = attached.filter(({ card }) => card !== 'none' && card !== 'host')
    const container = running.length > 0 ? this.#chance.pick(running) : undefined
    const eni = attached.length > 0 ? this.#chance.pick(attached) : undefined
    const taken = inside.length > 0 ? this.#chance.pick(inside) : undefined
    const deeds: (() => void)[] = []
    if (container !== undefined) {
      for (const deed of [() => this.exit(container, 137), () => this.removeContainer(container)]) {
        deeds.push(() => {
          this.hurt.add(container.holderId)
          deed()
        })
      }
    }
    if (eni !== undefined) {
      deeds.push(() => {
        this.hurt.add(eni.holderId)
        this.dragged.add(eni.eniId)
        this.#tellChanged(eni.card)
        unplug(eni)
        if (!this.#chance.happens(0.5)) return
        this.enis.delete(eni.eniId)
        if (eni.isTheirs) this.takenAway.add(eni.eniId)
      })
      deeds.push(() => {
        this.unguarded.add(eni.eniId)
        eni.guarded = false
      })
      deeds.push(() => {
        eni.stripped = true
      })
      deeds.push(() => {
        eni.groups = QUARANTINE
      })
    }
    const address = [...this.addresses.values()].find(({ eniId }) => eniId !== undefined)
    if (address !== undefined) {
      deeds.push(() => {
        delete address.eniId
      })
    }
    if (taken !== undefined) {
      // Somebody takes a link up, or down.
      deeds.push(() => {
        this.dragged.add(taken.eniId)
        this.#tellChanged(taken.card)
        taken.isUp = !taken.isUp
      })
      for (const card of [taken.card, 'host']) {
        deeds.push(() => {
          this.dragged.add(taken.eniId)
          this.#tellChanged(taken.card)
          taken.card = card
          taken.configured = false
        })
      }
    }
    if (deeds.length > 0) this.#chance.pick(deeds)()
  }

  /** The kernel tells of what changed in a namespace; now and then that is missed. */
  #tellChanged(netns: string): void {
    if (this.#chance.happens(0.8)) this.changed(netns)
  }

  /** The namespace is gone: the kernel brings its cards back to the host. */
  #cardsComeHome(netns: string): void {
    for (const eni of this.enis.values()) {
      if (eni.card !== netns) continue
      eni.card = 'host'
      eni.configured = false
    }
  }

  #newContainer({ holderId, row, spec }: Job): Container {
    const containerId = `c-${++this.#serial}`
    const createdAt = this.#timeline.now
    const container: Container = {
      ...{ containerId, holderId, row, createdAt, startedAt: createdAt, state: 'running' },
      spec: spec.containers.find(({ name }) => row === `container:${name}`),
    }
    this.containers.set(containerId, container)
    // Docker makes the cgroups above a container's where they are missing.
    if (spec.cgroup) this.cgroups.add(holderId)
    return container
  }

  #containerOf({ holderId, row }: Whose): Container | undefined {
    return [...this.containers.values()].find((c) => c.holderId === holderId && c.row === row)
  }

  /** The ENI of a numbered row: what is known of it, else what its token made. */
  #eniOf(job: Job): Eni | undefined {
    const known = job.known('eni', `eni:${numberOf(job)}`)?.eniId
    return this.enis.get(known ?? this.tokens.get(job.token) ?? '')
  }

  #freeAddress(): string {
    const taken = new Set([...this.enis.values()].map(({ ipv4 }) => ipv4))
    for (let host = 4; ; host++) {
      const ipv4 = `10.0.0.${host}`
      if (!taken.has(ipv4)) return ipv4
    }
  }
}

/** The limits of a holder's cgroup, in words. */
export const limitsOf = ({ cgroup }: Spec): string => JSON.stringify(cgroup ?? {})

function unplug(eni: Eni): void {
  delete eni.index
  eni.card = 'none'
  eni.configured = false
  eni.guarded = false
}

const eniDetails = (eni: Eni): Details['eni'] => ({
  eniId: eni.eniId,
  mac: eni.eniId,
  subnetId: eni.subnetId,
  vpcId: 'vpc-1',
  ipv4: eni.ipv4,
  ipv4PrefixLength: 24,
  ipv4Gateway: '10.0.0.1',
  privateDnsName: eni.ipv4,
  securityGroupIds: [...eni.groups],
})
