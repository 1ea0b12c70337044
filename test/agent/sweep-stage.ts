// The stage of the sweep's tests: a journal in memory, a world of plain data that is shown and given
// back, a clock that moves when it is told.

import { beforeEach } from 'vitest'
import type { Orphans } from '../../agent/drivers/orphans.ts'
import type {
  SeenAddress,
  SeenAttachment,
  SeenCgroup,
  SeenContainer,
  SeenEni,
  SeenLink,
  SeenVolume,
} from '../../agent/drivers/survey.ts'
import { Failure } from '../../agent/failure.ts'
import type { Finding } from '../../agent/orders.ts'
import { Reconcile } from '../../agent/reconcile.ts'
import type { Journal } from '../../state/journal.ts'
import type { Event, RowId } from '../../state/task.ts'
import { spec } from '../state/specs.ts'
import { memory, settleHolder } from './journals.ts'
import { StillClock } from './world.ts'

export const HERE = 'i-1'
export const TASK = 'a'.repeat(32)
export const STRANGER = 'f'.repeat(32)
export const OTHER = 'i-2'
/** With chance in the middle: the first look, the look after a suspicion, and the one at rest. */
export const FIRST_MS = 7_500
export const SOON_MS = 66_000
export const REST_MS = 300_000
export const BORN = 1_000_000

export const wears = (row: string, holderId = TASK, instanceId = HERE) => ({
  instanceId,
  holderId,
  row: row as RowId,
})
export const attached = (change: Partial<SeenAttachment> = {}): SeenAttachment => ({
  attachmentId: 'eni-attach-1',
  instanceId: HERE,
  deviceIndex: 1,
  status: 'attached',
  isGuarded: true,
  ...change,
})
export const eni = (eniId: string, change: Partial<SeenEni> = {}): SeenEni => ({
  what: 'eni',
  eniId,
  wears: wears('eni:0'),
  status: change.attachment === undefined ? 'available' : 'in-use',
  ...change,
})
export const box = (containerId: string, change: Partial<SeenContainer> = {}): SeenContainer => ({
  what: 'container',
  containerId,
  wears: wears('container:web'),
  isRunning: true,
  createdAt: BORN - 600_000,
  ...change,
})
export const cgroupOf = (holderId: string, isUsed: boolean): SeenCgroup => ({
  ...{ what: 'cgroup', path: `enid/${holderId}`, isUsed },
  wears: wears('cgroup', holderId),
})
export const link = (mac: string, change: Partial<SeenLink> = {}): SeenLink => ({
  what: 'link',
  mac,
  name: 'eth7',
  wears: wears('link:0'),
  ...change,
})

export const transient = (code: string) => new Failure('transient', code, `${code} happened`)

export class Stage {
  readonly clock = new StillClock()
  readonly journal: Journal = memory(() => this.clock.time).journal
  readonly told: [string, Event][] = []
  readonly said: string[] = []
  readonly fields: object[] = []
  readonly done: string[] = []
  readonly defects: unknown[] = []
  enis: SeenEni[] = []
  containers: SeenContainer[] = []
  volumes: SeenVolume[] = []
  links: SeenLink[] = []
  cgroups: SeenCgroup[] = []
  addresses: SeenAddress[] = []
  readonly asksAddresses: boolean[] = []
  instances = [HERE]
  asked: string[][] = []
  known: (readonly string[])[] = []
  away: { ec2?: Failure; docker?: Failure; kernel?: Failure; instances?: Failure } = {}
  going = new Set<string>()
  refuses: unknown
  ec2CallCount = 1
  journalSince = 0
  keepGroups = false
  during = () => {}
  before: (id: string) => Promise<void> | void = () => {}

  readonly orphans: Orphans = {
    releaseContainer: async ({ containerId }) => this.#release('container', containerId),
    releaseVolume: async ({ volumeName }) => this.#release('volume', volumeName),
    releaseCgroup: async ({ path }) => this.#release('cgroup', path),
    releaseAddress: async ({ allocationId }) => this.#release('address', allocationId),
    releaseLink: async ({ mac }) => this.#release('link', mac),
    releaseEni: async ({ eniId }) => {
      if (this.going.delete(eniId)) {
        this.done.push(`detach ${eniId}`)
        return 'going'
      }
      await this.#release('eni', eniId)
      return 'gone'
    },
    detachLent: async ({ eniId }) => void this.done.push(`detach ${eniId}`),
    instancesThatExist: async (ids) => {
      this.asked.push([...ids])
      if (this.away.instances) throw this.away.instances
      return new Set(this.instances.filter((id) => ids.includes(id)))
    },
  }

  async #release(what: string, id: string): Promise<void> {
    await this.before(id)
    if (this.refuses !== undefined) throw this.refuses
    this.done.push(`${what} ${id}`)
    this.enis = this.enis.filter(({ eniId }) => eniId !== id)
    this.containers = this.containers.filter(({ containerId }) => containerId !== id)
    this.volumes = this.volumes.filter(({ volumeName }) => volumeName !== id)
    this.links = this.links.filter(({ mac }) => mac !== id)
    this.cgroups = this.cgroups.filter(({ path }) => path !== id)
    this.addresses = this.addresses.filter(({ allocationId }) => allocationId !== id)
  }

  #say(text: string, fields: object): void {
    this.said.push(text)
    this.fields.push(fields)
  }

  /** An agent's life. */
  born(): Reconcile {
    const look = <T>(seen: readonly T[], away: Failure | undefined) => (away ? { away } : { seen })
    return new Reconcile({
      journal: this.journal,
      instanceId: HERE,
      journalSince: this.journalSince,
      survey: async (known, _signal, asked) => {
        this.asksAddresses.push(asked?.addresses === true)
        this.known.push(known)
        const { enis, containers, volumes, links, cgroups, addresses, away } = this
        this.during()
        return {
          enis: look(enis, away.ec2),
          containers: look(containers, away.docker),
          volumes: look(volumes, away.docker),
          links: look(links, away.kernel),
          cgroups: look(cgroups, away.kernel),
          addresses: look(asked?.addresses ? addresses : [], away.ec2),
          ec2CallCount: this.ec2CallCount,
        }
      },
      orphans: this.orphans,
      tell: (id, event) => {
        this.told.push([id, event])
        this.journal.append(id, event)
      },
      clock: this.clock,
      log: {
        info: (fields, text) => this.#say(`info ${text}`, fields),
        warn: (fields, text) => this.#say(`warn ${text}`, fields),
      },
      onDefect: (error) => this.defects.push(error),
      keepGroups: this.keepGroups,
    })
  }

  /** A task that runs and holds everything, and shows it. */
  run(id = TASK, publicIp?: string): void {
    const [first] = spec().enis
    const enis = first && publicIp ? [{ ...first, publicIp }] : spec().enis
    this.journal.begin(id, spec({ enis }))
    settleHolder(this.journal, id, ROWS)
    this.enis = [eni('eni-1', { wears: wears('eni:0', id), attachment: attached() })]
    this.containers = [
      box('pause-1', { wears: wears('sandbox', id) }),
      box('web-1', { wears: wears('container:web', id) }),
    ]
  }

  stop(id = TASK): void {
    const stop = { code: 'UserInitiated', reason: 'asked' } as const
    this.journal.append(id, { type: 'stopAsked', stop })
  }
}

export const ROWS = {
  'eni:0': { choice: 'subnet-a', details: { eniId: 'eni-1' } },
  'publicIp:0': { details: { allocationId: 'eipalloc-1', publicIpv4: '198.51.100.7' } },
  'attachment:0': { choice: '1', details: { attachmentId: 'eni-attach-1', deviceIndex: 1 } },
  sandbox: { details: { containerId: 'pause-1', netns: '/n' } },
  'container:web': { details: { containerId: 'web-1' } },
} as const

/** The stage of the test that runs, and the agent's life on it: new for each, where a file uses them. */
export let stage: Stage
export let reconcile: Reconcile
export const useStage = (): void =>
  beforeEach(() => {
    stage = new Stage()
    reborn()
  })

/** The agent's next life. */
export function reborn(next = stage.born()): void {
  reconcile = next
}

export const verdicts = (findings: readonly Finding[]) =>
  findings.map(({ what, id, verdict }) => `${verdict} ${what} ${id}`)

/** Two looks by the timer, and the one that follows when nothing is left. */
export async function twoLooks(): Promise<void> {
  reconcile.start()
  await stage.clock.pass(FIRST_MS)
  await stage.clock.pass(SOON_MS)
}
