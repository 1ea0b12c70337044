// The hands of one life of the agent over the simulated world: they fail, delay, lose replies, show
// old pictures and stay away, as their faults say. What was asked for may land after the life that
// asked is over; a dead life hears nothing. EC2 calls wait for their turn in the real budget.

import { BACKGROUND, Budget, launching, releasing, type Turn } from '../../agent/budget.ts'
import { type Drivers, eniOf, type Job } from '../../agent/drivers/driver.ts'
import type { Kernel } from '../../agent/drivers/kernel/kernel.ts'
import { KernelError } from '../../agent/drivers/kernel/kernel-error.ts'
import type { Orphans } from '../../agent/drivers/orphans.ts'
import type {
  SeenAddress,
  SeenCgroup,
  SeenContainer,
  SeenEni,
  SeenVolume,
  TakeSurvey,
} from '../../agent/drivers/survey.ts'
import { Failure } from '../../agent/failure.ts'
import type { Verb } from '../../state/task.ts'
import { isLent, kindOf } from '../../state/task.ts'
import type { Chance, LifeClock, Timeline } from './time.ts'
import { type Address, INSTANCES, LENT, type SimWorld, startOf } from './world.ts'

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
  /** EC2 limits the rate of the whole account. */
  readonly throttle: number
  /** The longest that one call takes. */
  readonly latencyMs: number
  /** The attach is answered, and the card never comes. */
  readonly cardNever: number
  /** The journal cannot be written. */
  readonly diskFull: number
  /** How old a picture EC2 may show, milliseconds. */
  readonly staleMs: number
  /** What a dead life asked of dockerd may land after the next life began. */
  readonly lateDocker: boolean
  /** dockerd is killed in the instant in which containerd starts a container. */
  readonly forget: number
  /** The Attach of a lent ENI is given up, and carried out a minute or two later. */
  readonly lateLent: number
}

export const noFaults: Faults = {
  failBefore: 0,
  failAfter: 0,
  refuse: 0,
  decline: 0,
  throttle: 0,
  latencyMs: 20,
  cardNever: 0,
  diskFull: 0,
  staleMs: 0,
  lateDocker: false,
  forget: 0,
  lateLent: 0,
}

/** The longest that dockerd takes to do what it was asked, milliseconds. */
export const LOCAL_MS = 50

/** The call that an EC2 row's step makes. */
const ACTIONS: Readonly<Record<string, string>> = {
  'ensure eni': 'CreateNetworkInterface',
  'release eni': 'DeleteNetworkInterface',
  'ensure publicIp': 'AllocateAddress',
  'release publicIp': 'ReleaseAddress',
  'ensure attachment': 'AttachNetworkInterface',
  'release attachment': 'DetachNetworkInterface',
  'ensure guard': 'ModifyNetworkInterfaceAttribute',
}

/** How things are outside of any life. */
export type Weather = {
  faults: Faults
  /** Until when (Timeline.now) EC2, and dockerd, do not answer at all. */
  ec2Until: number
  dockerUntil: number
  /** Pictures that EC2 may still show, newest last. */
  pictures: readonly { readonly at: number; readonly enis: readonly SeenEni[] }[]
}

export const calm = (): Weather => ({
  faults: noFaults,
  ec2Until: 0,
  dockerUntil: 0,
  pictures: [],
})

/** What looks on from outside. */
export type Watching = {
  /** A step was asked for, and answered. */
  asked(verb: Verb, job: Job): void
  answered(verb: Verb, job: Job): void
  /** It takes effect in the world, now. */
  effect(verb: Verb, job: Job): void
  /** EC2 is called. */
  called(action: string): void
  /** A look of the sweep shows these: ENIs, containers. */
  looked(ids: Iterable<string>): void
  /** The sweep gives something back. */
  orphan(what: 'container' | 'volume' | 'cgroup' | 'eni' | 'address', id: string): void
}

export type HandsOptions = {
  readonly world: SimWorld
  readonly timeline: Timeline
  readonly chance: Chance
  readonly life: LifeClock
  readonly weather: Weather
  readonly watching: Watching
}

const transient = (what: string) => new Failure('transient', 'Simulated', `${what} failed`)
const absent = (who: string) =>
  new Failure('transient', `${who}Unreachable`, `${who} does not answer`, { isAway: true })
const throttled = (action: string) =>
  new Failure('transient', 'RequestLimitExceeded', `${action} was throttled`, { isAway: true })
const never = new AbortController().signal

/** The share of the account's rates that the simulated host takes. */
export const SHARE = 0.1

export class Hands {
  readonly budget: Budget
  readonly #options: HandsOptions

  constructor(options: HandsOptions) {
    this.#options = options
    this.budget = new Budget({ clock: options.life, share: SHARE })
  }

  get drivers(): Drivers {
    const { world, chance } = this.#options
    const driver = <T>(ensure: (job: Job) => T, release: (job: Job) => void) => ({
      ensure: (job: Job, signal: AbortSignal) => this.#step('ensure', job, signal, ensure),
      release: (job: Job, signal: AbortSignal) =>
        this.#step('release', job, signal, (given) => {
          release(given)
          return undefined
        }),
    })
    const nothing = () => {}
    const decline = () => this.#faults.decline
    const appearMs = () =>
      chance.happens(this.#faults.cardNever) ? undefined : this.#latency(this.#faults.latencyMs)
    return {
      eni: driver(
        (job) => world.createEni(job, decline()),
        (job) => world.deleteEni(job, decline()),
      ),
      publicIp: driver(
        (job) => world.givePublicIp(job),
        (job) => world.takePublicIp(job),
      ),
      image: driver(() => ({ imageId: 'image' }), nothing),
      volume: driver(
        (job) => world.makeVolume(job),
        (job) => world.removeVolume(job),
      ),
      cgroup: driver(
        (job) => world.makeCgroup(job),
        ({ holderId }) => world.removeCgroup(holderId),
      ),
      sandbox: driver(
        (job) => world.startPause(job),
        (job) => world.releaseContainer(job),
      ),
      attachment: driver(
        (job) => world.attach(job, decline(), appearMs()),
        (job) => world.detach(job),
      ),
      guard: driver((job) => world.guard(job), nothing),
      link: driver(
        (job) => world.takeIn(job),
        (job) => world.giveBack(job),
      ),
      created: driver(
        (job) => world.createContainer(job),
        (job) => world.removeContainer({ ...job, row: startOf(job) }),
      ),
      container: driver(
        (job) => world.startContainer(job),
        (job) => world.releaseContainer(job),
      ),
    }
  }

  /** EC2 tells of subnets. */
  describeSubnets(): Promise<void> {
    return this.#ec2('DescribeSubnets', () => {})
  }

  get survey(): TakeSurvey {
    const looked = async <T>(look: Promise<readonly T[]>) => {
      try {
        return { seen: await look }
      } catch (error) {
        if (!(error instanceof Failure)) throw error
        return { away: error }
      }
    }
    return async (known, _signal, asked) => {
      const [enis, containers, volumes, cgroups, addresses] = await Promise.all([
        looked(this.#ec2('DescribeNetworkInterfaces', () => this.#picture(known))),
        looked(this.#docker(() => this.#seenContainers())),
        looked(this.#docker(() => this.#seenVolumes())),
        looked(this.#later(LOCAL_MS, () => this.#seenCgroups())),
        looked(
          asked?.addresses
            ? this.#ec2('DescribeAddresses', () => this.#seenAddresses())
            : Promise.resolve([]),
        ),
      ])
      const { watching } = this.#options
      if ('seen' in enis) watching.looked(enis.seen.map(({ eniId }) => eniId))
      if ('seen' in containers) watching.looked(containers.seen.map((c) => c.containerId))
      if ('seen' in volumes) watching.looked(volumes.seen.map((v) => v.volumeName))
      if ('seen' in cgroups) watching.looked(cgroups.seen.map(({ path }) => path))
      if ('seen' in addresses) watching.looked(addresses.seen.map((a) => a.allocationId))
      const ec2CallCount = asked?.addresses ? 2 : 1
      const links = { seen: [] }
      return { enis, containers, volumes, links, cgroups, addresses, ec2CallCount }
    }
  }

  get orphans(): Orphans {
    const { world, watching } = this.#options
    return {
      releaseContainer: ({ containerId }) =>
        this.#docker(() => {
          const seen = world.containers.get(containerId)
          if (seen === undefined) return
          watching.orphan('container', containerId)
          world.removeContainer(seen)
        }),
      releaseVolume: ({ volumeName }) =>
        this.#docker(() => {
          const seen = world.volumes.get(volumeName)
          if (seen === undefined) return
          watching.orphan('volume', volumeName)
          world.removeVolume(seen)
        }),
      releaseCgroup: ({ path, wears: { holderId } }) =>
        this.#later(LOCAL_MS, () => {
          if (!world.cgroups.has(holderId)) return
          watching.orphan('cgroup', path)
          world.removeCgroup(holderId)
        }),
      releaseAddress: ({ allocationId }) =>
        this.#ec2('ReleaseAddress', () => {
          if (!world.addresses.has(allocationId)) return
          watching.orphan('address', allocationId)
          world.addresses.delete(allocationId)
        }),
      releaseLink: () => Promise.resolve(),
      detachLent: ({ eniId }) => this.#ec2('DetachNetworkInterface', () => world.detachLent(eniId)),
      releaseEni: ({ eniId }) =>
        this.#ec2('DeleteNetworkInterface', () => {
          if (world.enis.has(eniId) || world.foreign.has(eniId)) watching.orphan('eni', eniId)
          return world.releaseOrphan(eniId)
        }),
      instancesThatExist: () =>
        this.#ec2('DescribeInstances', () => new Set([INSTANCES.own, INSTANCES.beside])),
    }
  }

  /** What looks at links. The MAC of a simulated ENI is its id; the kernel is never away. */
  get eyes(): Pick<Kernel, 'verify' | 'findLink' | 'onChange'> {
    const { world } = this.#options
    const look = <T>(at: () => T): Promise<T> =>
      this.#later(LOCAL_MS, at).catch(() => {
        throw new KernelError({ errno: 'EINTR', what: 'interrupted' })
      })
    return {
      verify: ({ mac, netns, isDown = false }) =>
        look(() => {
          const eni = world.enis.get(mac)
          const different = (what: string) => [{ what, expected: 'there', seen: 'absent' }]
          if (eni?.card !== netns) return different('mac')
          if (eni.isUp === isDown) return different('up')
          return eni.configured ? [] : different('route')
        }),
      findLink: (mac, netns = 'host') =>
        look(() =>
          world.enis.get(mac)?.card === netns ? { ifindex: 1, name: 'eth1' } : undefined,
        ),
      // Only the life of the moment listens.
      onChange: (listener) => {
        world.changed = listener
        return () => {}
      },
    }
  }

  get #faults(): Faults {
    return this.#options.weather.faults
  }

  #latency(longestMs: number): number {
    return Math.ceil(this.#options.chance.next() * longestMs)
  }

  /** A step of the runner. EC2's wait for their turn first. */
  async #step<T>(verb: Verb, job: Job, signal: AbortSignal, effect: (job: Job) => T): Promise<T> {
    const { watching } = this.#options
    const action = ACTIONS[`${verb} ${kindOf(job.row)}`]
    watching.asked(verb, job)
    try {
      const purpose = verb === 'ensure' ? launching(job) : releasing(job)
      const turn =
        action === undefined ? undefined : await this.budget.turn(action, purpose, signal)
      return await this.#perform(verb, job, signal, { action, turn, effect })
    } finally {
      if (!this.#options.life.isOver) watching.answered(verb, job)
    }
  }

  #perform<T>(
    verb: Verb,
    job: Job,
    signal: AbortSignal,
    call: { action: string | undefined; turn: Turn | undefined; effect: (job: Job) => T },
  ): Promise<T> {
    const { world, timeline, chance, life, watching, weather } = this.#options
    const { action, turn, effect } = call
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const answer = (say: () => void) => {
      if (!life.isOver) say()
    }
    if (action !== undefined) watching.called(action)
    // dockerd and the kernel are on this host: what they were asked is done within moments, also
    // when whoever asked is dead, and giving up does not stop it. EC2 is far away.
    const isFar = action !== undefined
    const isLate = isFar || (this.#faults.lateDocker && verb === 'ensure')
    const latencyMs = this.#latency(this.#faults.latencyMs)
    const isLentAttach =
      verb === 'ensure' && kindOf(job.row) === 'attachment' && isLent(job.spec, job.row)
    if (isLentAttach && chance.happens(this.#faults.lateLent)) {
      timeline.after(latencyMs, () => answer(() => reject(transient('its answer'))))
      const { lentEniId = '' } = eniOf(job)
      const before = world.attaches.get(lentEniId)
      timeline.after(latencyMs + 30_000 + chance.below(90_000), () => {
        // One that was asked for later was carried out: EC2 refuses the earlier one.
        if (world.attaches.get(lentEniId) === before) this.#carryOut(job, effect)
      })
      return promise
    }
    // One that was repeated, answered and undone is not carried out once more after that (extensions.md).
    const there = timeline.after(isLate ? latencyMs : Math.min(LOCAL_MS, latencyMs), () => {
      const what = `${verb} ${job.row}`
      if (isLentAttach && (life.isOver || signal.aborted)) return
      try {
        if (isFar && timeline.now < weather.ec2Until) throw absent('Ec2')
        if (isDocker(job) && timeline.now < weather.dockerUntil) throw absent('Docker')
        if (isFar && chance.happens(this.#faults.throttle)) {
          answer(() => turn?.throttled())
          throw throttled(action)
        }
        if (chance.happens(this.#faults.failBefore)) throw transient(what)
        if (verb === 'ensure' && chance.happens(this.#faults.refuse)) {
          throw new Failure('refused', 'SimulatedRefusal', `${what} was refused`)
        }
        watching.effect(verb, job)
        if (verb === 'ensure' && isStarted(job) && chance.happens(this.#faults.forget)) {
          world.forget(job)
          weather.dockerUntil = Math.max(weather.dockerUntil, timeline.now + LOCAL_MS)
          throw absent('Docker')
        }
        const result = effect(job)
        if (chance.happens(this.#faults.failAfter)) throw transient(`the answer to ${what}`)
        answer(() => resolve(result))
      } catch (error) {
        answer(() => reject(error))
      }
    })
    // An abort reaches some calls before they leave the host, and some too late.
    signal.addEventListener('abort', () => {
      if (!isFar) return
      if (chance.happens(0.5)) there()
      answer(() => reject(transient('aborted')))
    })
    return promise
  }

  /** What nobody hears of any more; EC2 may refuse it by now. */
  #carryOut<T>(job: Job, effect: (job: Job) => T): void {
    this.#options.watching.effect('ensure', job)
    try {
      effect(job)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
    }
  }

  async #ec2<T>(action: string, effect: () => T): Promise<T> {
    const { watching, timeline, weather } = this.#options
    await this.budget.turn(action, BACKGROUND, never)
    watching.called(action)
    return this.#later(this.#faults.latencyMs, () => {
      if (timeline.now < weather.ec2Until) throw absent('Ec2')
      return effect()
    })
  }

  #docker<T>(effect: () => T): Promise<T> {
    const { timeline, weather } = this.#options
    return this.#later(LOCAL_MS, () => {
      if (timeline.now < weather.dockerUntil) throw absent('Docker')
      return effect()
    })
  }

  #later<T>(longestMs: number, effect: () => T): Promise<T> {
    const { timeline, chance, life } = this.#options
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    timeline.after(this.#latency(longestMs), () => {
      try {
        if (chance.happens(this.#faults.failBefore)) throw transient('it')
        const result = effect()
        if (chance.happens(this.#faults.failAfter)) throw transient('the answer')
        if (!life.isOver) resolve(result)
      } catch (error) {
        if (!life.isOver) reject(error)
      }
    })
    return promise
  }

  /** Any of the pictures that EC2 may still show; of what wears no mark, what is asked for by id. */
  #picture(known: readonly string[]): readonly SeenEni[] {
    const { timeline, chance, weather } = this.#options
    const { now } = timeline
    const newest = { at: now, enis: this.#seenEnis() }
    const old = weather.pictures.filter(({ at }) => now - at <= weather.faults.staleMs)
    weather.pictures = [...old, newest]
    const { enis } = chance.pick(weather.pictures)
    return enis.filter(({ eniId }) => !LENT.includes(eniId) || known.includes(eniId))
  }

  #seenEnis(): SeenEni[] {
    const { world } = this.#options
    const own = [...world.enis.values()].map(
      ({ eniId, holderId, row, index, guarded, stripped, groups, isTheirs }): SeenEni => ({
        what: 'eni',
        eniId,
        ...(stripped || isTheirs ? {} : { wears: { instanceId: INSTANCES.own, holderId, row } }),
        status: index === undefined ? 'available' : 'in-use',
        securityGroupIds: groups,
        ...addressed(world.addressOf(eniId)),
        ...(index === undefined ? {} : { attachment: attachment(eniId, index, guarded) }),
      }),
    )
    const foreign = [...world.foreign.values()].map(
      ({ eniId, instanceId, index }): SeenEni => ({
        what: 'eni',
        eniId,
        ...(instanceId === undefined
          ? {}
          : { wears: { instanceId, holderId: 'f'.repeat(32), row: 'eni:0' } }),
        status: index === undefined ? 'available' : 'in-use',
        ...(index === undefined ? {} : { attachment: attachment(eniId, index, false) }),
      }),
    )
    return [...own, ...foreign]
  }

  #seenVolumes(): SeenVolume[] {
    return [...this.#options.world.volumes].map(([volumeName, { holderId, row, createdAt }]) => ({
      what: 'volume',
      volumeName,
      wears: { instanceId: INSTANCES.own, holderId, row: row as 'sandbox' },
      createdAt,
    }))
  }

  #seenAddresses(): SeenAddress[] {
    return [...this.#options.world.addresses.values()].map(({ allocationId, holderId, eniId }) => ({
      what: 'address',
      allocationId,
      ...(eniId === undefined ? {} : { associationId: `as-${allocationId}` }),
      wears: { instanceId: INSTANCES.own, holderId, row: 'publicIp:0' },
    }))
  }

  #seenCgroups(): SeenCgroup[] {
    const { world } = this.#options
    return [...world.cgroups].map((holderId) => ({
      what: 'cgroup',
      path: `enid/${holderId}`,
      wears: { instanceId: INSTANCES.own, holderId, row: 'cgroup' },
      isUsed: [...world.containers.values()].some(
        (c) => c.holderId === holderId && c.state === 'running',
      ),
    }))
  }

  #seenContainers(): SeenContainer[] {
    return [...this.#options.world.containers.values()].map((c) => ({
      what: 'container',
      containerId: c.containerId,
      wears: { instanceId: INSTANCES.own, holderId: c.holderId, row: c.row as 'sandbox' },
      isRunning: c.state === 'running',
      createdAt: c.createdAt,
    }))
  }
}

const addressed = (address: Address | undefined) =>
  address === undefined ? {} : { allocationId: address.allocationId }

const attachment = (eniId: string, deviceIndex: number, isGuarded: boolean) => ({
  attachmentId: `at-${eniId}`,
  instanceId: INSTANCES.own,
  deviceIndex,
  status: 'attached',
  isGuarded,
})

const isStarted = ({ row }: Job): boolean => ['sandbox', 'container'].includes(kindOf(row))

const isDocker = ({ row }: Job): boolean =>
  ['sandbox', 'created', 'container', 'image', 'volume'].includes(kindOf(row))
