// The world of the simulation: EC2, the host's links, Docker. It keeps what exists; it fails, delays,
// loses replies and shows old pictures as its faults say. Effects that were asked for may land after
// the agent that asked is dead.

import type { Details, Drivers, Job } from '../../agent/drivers/driver.ts'
import type { Orphans } from '../../agent/drivers/orphans.ts'
import type {
  SeenContainer,
  SeenEni,
  SeenLink,
  Survey,
  TakeSurvey,
} from '../../agent/drivers/survey.ts'
import { Failure } from '../../agent/failure.ts'
import type { HolderId } from '../../state/spec.ts'
import type { Chance, LifeClock, Timeline } from './time.ts'

/** How the world misbehaves. Likelihoods per call, times in milliseconds. */
export type Faults = {
  /** The call fails and has done nothing. */
  readonly failBefore: number
  /** The call takes effect and its answer is lost. */
  readonly failAfter: number
  /** The caller's request is refused for good. */
  readonly refuse: number
  /** The subnet or device index is declined. */
  readonly decline: number
  /** The longest that one call takes. */
  readonly latencyMs: number
  /** The attach is answered, and the card comes later or not at all. */
  readonly cardNever: number
  /** The journal cannot be written. */
  readonly diskFull: number
  /** How old a picture EC2 may show, milliseconds. */
  readonly staleMs: number
  /** What a dead life asked of dockerd may land after the next life began. */
  readonly lateDocker: boolean
}

export const noFaults: Faults = {
  failBefore: 0,
  failAfter: 0,
  refuse: 0,
  decline: 0,
  latencyMs: 20,
  cardNever: 0,
  diskFull: 0,
  staleMs: 0,
  lateDocker: false,
}

export type Eni = {
  readonly eniId: string
  readonly token: string
  readonly holderId: HolderId
  readonly subnetId: string
  readonly ipv4: string
  index?: number
  guarded: boolean
  /** Where its card is: nowhere, on the host, or in a namespace. */
  card: 'none' | 'host' | string
  configured: boolean
}

export type Container = {
  readonly containerId: string
  readonly holderId: HolderId
  readonly row: string
  readonly createdAt: number
  state: 'running' | 'exited'
  exitCode?: number
}

/** The longest that dockerd takes to do what it was asked, milliseconds. */
export const LOCAL_MS = 50

/** Why a simulated call failed; always what a driver would say. */
const transient = (what: string) => new Failure('transient', 'Simulated', `${what} failed`)

export class SimWorld {
  readonly enis = new Map<string, Eni>()
  readonly containers = new Map<string, Container>()
  /** What a token made, also when that is gone: EC2 remembers tokens for a day. */
  readonly tokens = new Map<string, string>()
  faults: Faults = noFaults
  /** Every effect as it happens, for the checkers. */
  onEffect: (verb: 'ensure' | 'release', job: Job) => void = () => {}
  readonly #declined = new Set<string>()
  #serial = 0
  readonly #timeline: Timeline
  readonly #chance: Chance

  constructor(timeline: Timeline, chance: Chance) {
    this.#timeline = timeline
    this.#chance = chance
  }

  /** The hands of one life. A dead life hears nothing any more; what it asked for still happens. */
  drivers(life: LifeClock): Drivers {
    const make =
      <T>(verb: 'ensure' | 'release', effect: (job: Job) => T) =>
      (job: Job, signal: AbortSignal): Promise<T> =>
        this.#call(life, { verb, job, signal, effect })
    const driver = <T>(ensure: (job: Job) => T, release: (job: Job) => void) => ({
      ensure: make('ensure', ensure),
      release: make('release', (job: Job) => {
        release(job)
        return undefined
      }),
    })
    const nothing = () => {}
    return {
      eni: driver(this.#createEni, this.#deleteEni),
      image: driver(() => ({ imageId: 'image' }), nothing),
      sandbox: driver(this.#startPause, (job) => this.#removeContainer(job)),
      attachment: driver(this.#attach, this.#detach),
      guard: driver(this.#guard, nothing),
      link: driver(this.#takeIn, this.#giveBack),
      container: driver(this.#startContainer, (job) => this.#removeContainer(job)),
    }
  }

  /** What orphan is about to be given back, for the checkers. */
  onOrphan: (what: string, id: string) => void = () => {}
  #pictures: { at: number; enis: SeenEni[] }[] = []

  /** The sweep's hands of one life. */
  sweepHands(life: LifeClock): { survey: TakeSurvey; orphans: Orphans } {
    const far = <T>(what: string, effect: () => T): Promise<T> => {
      const { promise, resolve, reject } = Promise.withResolvers<T>()
      this.#timeline.after(Math.ceil(this.#chance.next() * this.faults.latencyMs), () => {
        try {
          if (this.#chance.happens(this.faults.failBefore)) throw transient(what)
          const result = effect()
          if (this.#chance.happens(this.faults.failAfter)) throw transient(what)
          if (!life.isOver) resolve(result)
        } catch (error) {
          if (!life.isOver) reject(error)
        }
      })
      return promise
    }
    const looked = async <T>(what: string, look: () => readonly T[]) => {
      try {
        return { seen: await far(what, look) }
      } catch (error) {
        return { away: error as Failure }
      }
    }
    return {
      survey: async (): Promise<Survey> => {
        const [enis, containers, links] = await Promise.all([
          looked('describe', () => this.#picture()),
          looked('list', () => this.#seenContainers()),
          looked('links', (): SeenLink[] => []),
        ])
        return { enis, containers, links, ec2CallCount: 1 }
      },
      orphans: {
        releaseContainer: ({ containerId }) =>
          far('remove orphan', () => {
            const seen = this.containers.get(containerId)
            if (seen === undefined) return
            this.onOrphan('container', containerId)
            if (seen.row === 'sandbox') this.#cardsComeHome(containerId)
            this.containers.delete(containerId)
          }),
        releaseLink: () => far('link', () => undefined),
        releaseEni: ({ eniId }) =>
          far('delete orphan', () => {
            const eni = this.enis.get(eniId)
            if (eni === undefined) return 'gone' as const
            this.onOrphan('eni', eniId)
            if (eni.index !== undefined) {
              delete eni.index
              eni.card = 'none'
              return 'going' as const
            }
            this.enis.delete(eniId)
            return 'gone' as const
          }),
        instancesThatExist: () => far('instances', () => new Set(['i-1'])),
      },
    }
  }

  #picture(): SeenEni[] {
    const enis = [...this.enis.values()].map(
      (eni): SeenEni => ({
        what: 'eni',
        eniId: eni.eniId,
        wears: { instanceId: 'i-1', holderId: eni.holderId, row: 'eni:0' },
        status: eni.index === undefined ? 'available' : 'in-use',
        ...(eni.index === undefined
          ? {}
          : {
              attachment: {
                attachmentId: `at-${eni.eniId}`,
                instanceId: 'i-1',
                deviceIndex: eni.index,
                status: 'attached',
                isGuarded: eni.guarded,
              },
            }),
      }),
    )
    const { now } = this.#timeline
    this.#pictures.push({ at: now, enis })
    const fresh = this.#pictures.filter(({ at }) => now - at <= this.faults.staleMs)
    this.#pictures = fresh.length > 0 ? fresh : [{ at: now, enis }]
    return this.#chance.pick(this.#pictures).enis
  }

  #seenContainers(): SeenContainer[] {
    return [...this.containers.values()].map((c) => ({
      what: 'container',
      containerId: c.containerId,
      wears: { instanceId: 'i-1', holderId: c.holderId, row: c.row as 'sandbox' },
      isRunning: c.state === 'running',
      createdAt: c.createdAt,
    }))
  }

  /** Ends a container's process, as a crash or a kill would. Its pause: the namespace dies. */
  kill(container: Container, exitCode: number): void {
    container.state = 'exited'
    container.exitCode = exitCode
    if (container.row === 'sandbox') this.#cardsComeHome(container.containerId)
  }

  #call<T>(
    life: LifeClock,
    ask: { verb: 'ensure' | 'release'; job: Job; signal: AbortSignal; effect: (job: Job) => T },
  ): Promise<T> {
    const { verb, job, signal, effect } = ask
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const answer = (say: () => void) => {
      if (!life.isOver) say()
    }
    // dockerd and the kernel are on this host: what they were asked is done within moments, also
    // when whoever asked is dead, and giving up does not stop it. EC2 is far away.
    const isLocal = !/^(eni|attachment|guard)/.test(job.row)
    const farMs = Math.ceil(this.#chance.next() * this.faults.latencyMs)
    const latencyMs =
      isLocal && !(this.faults.lateDocker && verb === 'ensure') ? Math.min(LOCAL_MS, farMs) : farMs
    const there = this.#timeline.after(latencyMs, () => {
      const what = `${verb} ${job.row}`
      try {
        if (this.#chance.happens(this.faults.failBefore)) throw transient(what)
        if (verb === 'ensure' && this.#chance.happens(this.faults.refuse)) {
          throw new Failure('refused', 'SimulatedRefusal', `${what} was refused`)
        }
        this.onEffect(verb, job)
        const result = effect(job)
        if (this.#chance.happens(this.faults.failAfter)) throw transient(`the answer to ${what}`)
        answer(() => resolve(result))
      } catch (error) {
        answer(() => reject(error))
      }
    })
    // An abort reaches some calls before they leave the host, and some too late.
    signal.addEventListener('abort', () => {
      if (isLocal) return
      if (this.#chance.happens(0.5)) there()
      answer(() => reject(transient('aborted')))
    })
    return promise
  }

  readonly #createEni = (job: Job): Details['eni'] => {
    const made = this.enis.get(this.tokens.get(job.token) ?? '')
    if (made !== undefined) return eniDetails(made)
    if (this.tokens.has(job.token)) throw new Failure('lost', 'EniGone', 'it was deleted')
    // EC2 gives one token one answer, whichever of two calls that carry it comes first.
    if (this.#declined.has(job.token) || this.#chance.happens(this.faults.decline)) {
      this.#declined.add(job.token)
      throw new Failure('refused', 'SubnetFull', 'no room', { ofChoice: true })
    }
    const serial = ++this.#serial
    const eni: Eni = {
      eniId: `eni-${serial}`,
      token: job.token,
      holderId: job.holderId,
      subnetId: job.choice ?? '',
      ipv4: this.#freeAddress(),
      guarded: false,
      card: 'none',
      configured: false,
    }
    this.enis.set(eni.eniId, eni)
    this.tokens.set(job.token, eni.eniId)
    return eniDetails(eni)
  }

  readonly #deleteEni = (job: Job): void => {
    // As the driver does: a Create without an answer is repeated with its token, which answers with
    // what it made, or makes what a late one would have made; a refusal proves that there is none.
    if (job.known('eni', job.row) === undefined && !this.tokens.has(job.token)) {
      if (job.choice === undefined || this.#declined.has(job.token)) return
      this.#createEni(job)
    }
    const eni = this.#eniOf(job)
    if (eni === undefined) return
    if (eni.index !== undefined) {
      // As the driver does: an Attach that was given up may have landed late.
      if (job.again) this.#detach(job)
      throw transient('delete: currently in use')
    }
    this.enis.delete(eni.eniId)
  }

  readonly #attach = (job: Job): Details['attachment'] => {
    const eni = this.#eniOf(job)
    if (eni === undefined) throw new Failure('lost', 'EniGone', 'no such ENI')
    const deviceIndex = Number(job.choice)
    if (eni.index !== undefined) return { attachmentId: `at-${eni.eniId}`, deviceIndex: eni.index }
    const isTaken = [...this.enis.values()].some((other) => other.index === deviceIndex)
    if (isTaken || this.#chance.happens(this.faults.decline)) {
      throw new Failure('refused', 'IndexTaken', 'taken', { ofChoice: true })
    }
    eni.index = deviceIndex
    if (!this.#chance.happens(this.faults.cardNever)) {
      const appearMs = Math.ceil(this.#chance.next() * this.faults.latencyMs)
      this.#timeline.after(appearMs, () => {
        if (eni.index === deviceIndex && eni.card === 'none') eni.card = 'host'
      })
    }
    return { attachmentId: `at-${eni.eniId}`, deviceIndex }
  }

  readonly #detach = (job: Job): void => {
    const eni = this.#eniOf(job)
    if (eni === undefined) return
    delete eni.index
    eni.card = 'none'
    eni.configured = false
  }

  readonly #guard = (job: Job): Details['guard'] => {
    const eni = this.#eniOf(job)
    if (eni === undefined) throw new Failure('lost', 'EniGone', 'no such ENI')
    eni.guarded = true
    return {}
  }

  readonly #startPause = (job: Job): Details['sandbox'] => {
    const there = this.#containerOf(job)
    if (there?.state === 'exited') throw new Failure('lost', 'PauseGone', 'dead')
    const { containerId } = there ?? this.#newContainer(job)
    return { containerId, netns: containerId }
  }

  readonly #takeIn = (job: Job): Details['link'] => {
    const eni = this.#eniOf(job)
    const { netns } = job.details('sandbox', 'sandbox')
    if (this.containers.get(netns)?.state !== 'running') {
      throw new Failure('lost', 'PauseGone', 'no namespace')
    }
    if (eni === undefined || eni.card === 'none') throw transient('find the card')
    eni.card = netns
    eni.configured = true
    return { ifindex: 1, mtu: 9001, gatewayMac: '' }
  }

  readonly #giveBack = (job: Job): void => {
    const eni = this.#eniOf(job)
    if (eni === undefined || eni.card === 'none') return
    eni.card = 'host'
    eni.configured = false
  }

  readonly #startContainer = (job: Job): Details['container'] => {
    const { netns } = job.details('sandbox', 'sandbox')
    const there = this.#containerOf(job)
    if (there === undefined && this.containers.get(netns)?.state !== 'running') {
      throw new Failure('lost', 'PauseGone', 'no namespace to join')
    }
    const { containerId, exitCode } = there ?? this.#newContainer(job)
    return exitCode === undefined ? { containerId } : { containerId, exitCode }
  }

  #removeContainer(job: Job): void {
    const there = this.#containerOf(job)
    if (there === undefined) return
    if (there.row === 'sandbox') this.#cardsComeHome(there.containerId)
    this.containers.delete(there.containerId)
  }

  /** The namespace is gone: the kernel brings its cards back to the host. */
  #cardsComeHome(netns: string): void {
    for (const eni of this.enis.values()) {
      if (eni.card !== netns) continue
      eni.card = 'host'
      eni.configured = false
    }
  }

  #newContainer({ holderId, row }: Job): Container {
    const containerId = `c-${++this.#serial}`
    const container: Container = {
      containerId,
      holderId,
      row,
      createdAt: this.#timeline.now,
      state: 'running',
    }
    this.containers.set(containerId, container)
    return container
  }

  #containerOf({ holderId, row }: Job): Container | undefined {
    return [...this.containers.values()].find((c) => c.holderId === holderId && c.row === row)
  }

  /** The ENI of a numbered row: what is known of it, else what its token made. */
  #eniOf(job: Job): Eni | undefined {
    const known = job.known('eni', 'eni:0')?.eniId
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

const eniDetails = (eni: Eni): Details['eni'] => ({
  eniId: eni.eniId,
  mac: eni.eniId,
  subnetId: eni.subnetId,
  vpcId: 'vpc-1',
  ipv4: eni.ipv4,
  ipv4PrefixLength: 24,
  ipv4Gateway: '10.0.0.1',
  privateDnsName: eni.ipv4,
  securityGroupIds: [],
})
