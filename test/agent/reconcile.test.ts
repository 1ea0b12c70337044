// Goal: what nobody claims is given back after two looks and never before; what is claimed, foreign,
// new or under way is never touched; what a task holds and nobody shows is doubted, not stopped.
// Method: a journal in memory, a world of plain data, a clock that moves when it is told.

import { beforeEach, describe, expect, test } from 'vitest'
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
import { container, spec } from '../state/specs.ts'
import { memory, settleHolder } from './journals.ts'
import { StillClock, settle } from './world.ts'

const HERE = 'i-1'
const TASK = 'a'.repeat(32)
const STRANGER = 'f'.repeat(32)
const OTHER = 'i-2'
/** With chance in the middle: the first look, the look after a suspicion, and the one at rest. */
const FIRST_MS = 7_500
const SOON_MS = 66_000
const REST_MS = 300_000
const BORN = 1_000_000

const wears = (row: string, holderId = TASK, instanceId = HERE) => ({
  instanceId,
  holderId,
  row: row as RowId,
})
const attached = (change: Partial<SeenAttachment> = {}): SeenAttachment => ({
  attachmentId: 'eni-attach-1',
  instanceId: HERE,
  deviceIndex: 1,
  status: 'attached',
  isGuarded: true,
  ...change,
})
const eni = (eniId: string, change: Partial<SeenEni> = {}): SeenEni => ({
  what: 'eni',
  eniId,
  wears: wears('eni:0'),
  status: change.attachment === undefined ? 'available' : 'in-use',
  ...change,
})
const box = (containerId: string, change: Partial<SeenContainer> = {}): SeenContainer => ({
  what: 'container',
  containerId,
  wears: wears('container:web'),
  isRunning: true,
  createdAt: BORN - 600_000,
  ...change,
})
const cgroupOf = (holderId: string, isUsed: boolean): SeenCgroup => ({
  ...{ what: 'cgroup', path: `enid/${holderId}`, isUsed },
  wears: wears('cgroup', holderId),
})
const link = (mac: string, change: Partial<SeenLink> = {}): SeenLink => ({
  what: 'link',
  mac,
  name: 'eth7',
  wears: wears('link:0'),
  ...change,
})

const transient = (code: string) => new Failure('transient', code, `${code} happened`)

class Stage {
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

const ROWS = {
  'eni:0': { choice: 'subnet-a', details: { eniId: 'eni-1' } },
  'publicIp:0': { details: { allocationId: 'eipalloc-1', publicIpv4: '198.51.100.7' } },
  'attachment:0': { choice: '1', details: { attachmentId: 'eni-attach-1', deviceIndex: 1 } },
  sandbox: { details: { containerId: 'pause-1', netns: '/n' } },
  'container:web': { details: { containerId: 'web-1' } },
} as const

let stage: Stage
let reconcile: Reconcile
beforeEach(() => {
  stage = new Stage()
  reconcile = stage.born()
})

const verdicts = (findings: readonly Finding[]) =>
  findings.map(({ what, id, verdict }) => `${verdict} ${what} ${id}`)

/** Two looks by the timer, and the one that follows when nothing is left. */
async function twoLooks(): Promise<void> {
  reconcile.start()
  await stage.clock.pass(FIRST_MS)
  await stage.clock.pass(SOON_MS)
}

describe('an orphan', () => {
  // P40
  test('is given back on the second look, not on the first', async () => {
    stage.containers = [box('c-1')]
    reconcile.start()
    await stage.clock.pass(FIRST_MS - 1)
    expect(stage.known).toHaveLength(0)
    await stage.clock.pass(1)
    expect(stage.known).toHaveLength(1)
    expect(stage.done).toEqual([])
    await stage.clock.pass(SOON_MS - 1)
    expect(stage.done).toEqual([])
    await stage.clock.pass(1)
    expect(stage.done).toEqual(['container c-1'])
    expect(stage.said).toEqual([
      `info sweep: container c-1: no task ${TASK} is known here; released when it is still so after 60 s`,
      'warn sweep: container c-1: released',
    ])
    const fields = { task: TASK, row: 'container:web', what: 'container', id: 'c-1' }
    expect(stage.fields).toEqual([
      { ...fields, verdict: 'wait' },
      { ...fields, verdict: 'release', outcome: 'released' },
    ])
    expect(stage.asked).toEqual([])
  })

  test('goes down as a task does: containers, their pause, links, ENIs', async () => {
    stage.enis = [eni('eni-9', { attachment: attached({ attachedAt: BORN - 600_000 }) })]
    stage.links = [link('02:09')]
    stage.containers = [box('pause-9', { wears: wears('sandbox') }), box('c-1'), box('c-2')]
    await twoLooks()
    expect(stage.done.slice(0, 3)).toEqual(['container c-1', 'container c-2', 'container pause-9'])
    // The link's age is known only from our first look, the ENI's from its attachment.
    expect(stage.done.slice(3)).toEqual(['eni eni-9'])
    await stage.clock.pass(SOON_MS)
    expect(stage.done.slice(4)).toEqual(['link 02:09'])
  })

  test('a stage waits for the one before', async () => {
    stage.containers = [box('pause-9', { wears: wears('sandbox') }), box('c-1')]
    const { promise, resolve } = Promise.withResolvers<void>()
    stage.before = (id) => (id === 'c-1' ? promise : undefined)
    await twoLooks()
    expect(stage.done).toEqual([])
    resolve()
    await settle()
    expect(stage.done).toEqual(['container c-1', 'container pause-9'])
  })

  test('that is seen once, and not again, is forgotten', async () => {
    stage.containers = [box('c-1')]
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    stage.containers = []
    await stage.clock.pass(SOON_MS)
    stage.containers = [box('c-1')]
    await stage.clock.pass(REST_MS)
    expect(stage.known).toHaveLength(3)
    expect(stage.done).toEqual([])
    await stage.clock.pass(SOON_MS)
    expect(stage.done).toEqual(['container c-1'])
  })

  test('is what landed after its row was given back', async () => {
    stage.run()
    stage.stop()
    settleHolder(stage.journal, TASK, ROWS)
    stage.enis = [eni('eni-2')]
    stage.containers = [box('c-late'), box('p-late', { wears: wears('sandbox') })]
    await twoLooks()
    expect(stage.done).toEqual(['container c-late', 'container p-late'])
    await stage.clock.pass(SOON_MS)
    expect(stage.done).toContain('eni eni-2')
  })

  // P197
  test('is a volume that was made after its row was given back, removed before its pause', async () => {
    stage.run()
    stage.stop()
    settleHolder(stage.journal, TASK, ROWS)
    const late = { what: 'volume', volumeName: 'v-late', createdAt: 0 } as const
    stage.volumes = [{ ...late, wears: wears('volume:data') }]
    stage.containers = [box('p-late', { wears: wears('sandbox') }), box('c-late')]
    await twoLooks()
    expect(stage.done).toEqual(['container c-late', 'volume v-late', 'container p-late'])
  })

  // P411
  test('is a public address that was allocated after its row was given back', async () => {
    stage.run(TASK, 'new')
    stage.stop()
    settleHolder(stage.journal, TASK, ROWS)
    const late = { what: 'address', allocationId: 'eipalloc-late' } as const
    stage.addresses = [{ ...late, wears: wears('publicIp:0') }]
    stage.enis = []
    stage.containers = []
    await twoLooks()
    await stage.clock.pass(SOON_MS)
    expect(stage.done).toEqual(['address eipalloc-late'])
    expect(stage.asksAddresses.every((asked) => asked)).toBe(true)
  })

  test('where no task ever had one, public addresses are not asked for', async () => {
    stage.run()
    await twoLooks()
    expect(stage.asksAddresses).not.toContain(true)
  })

  // P382
  test('is a cgroup that a late container brought back, removed after what is in it', async () => {
    stage.run()
    stage.stop()
    settleHolder(stage.journal, TASK, ROWS)
    stage.cgroups = [cgroupOf(TASK, true)]
    stage.containers = [box('p-late', { wears: wears('sandbox') }), box('c-late')]
    await twoLooks()
    // The kernel tells no time of birth: it is as old as the first look.
    await stage.clock.pass(SOON_MS)
    expect(stage.done.slice(0, 3)).toEqual([
      ...['container c-late', 'container p-late'],
      `cgroup enid/${TASK}`,
    ])
  })

  // P382
  test('a cgroup of an unknown task is given back, one in use only when a person asks', async () => {
    const UNUSED = 'e'.repeat(32)
    stage.cgroups = [cgroupOf(STRANGER, true), cgroupOf(UNUSED, false)]
    await twoLooks()
    // The kernel tells no time of birth: it is as old as the first look.
    await stage.clock.pass(SOON_MS)
    expect(stage.done).toEqual([`cgroup enid/${UNUSED}`])
    await reconcile.sweep()
    expect(stage.done.slice(1)).toEqual([`cgroup enid/${STRANGER}`])
  })

  // P382
  test('is no cgroup of a task that runs', async () => {
    stage.run()
    stage.cgroups = [cgroupOf(TASK, true)]
    await twoLooks()
    // The kernel tells no time of birth: it is as old as the first look.
    await stage.clock.pass(SOON_MS)
    expect(stage.done).toEqual([])
  })

  test('is what a row gave back, and what is there all the same', async () => {
    stage.run()
    const { enis, containers } = stage
    stage.stop()
    settleHolder(stage.journal, TASK, ROWS)
    Object.assign(stage, { enis, containers })
    const { findings } = await reconcile.plan()
    expect(findings.map(({ id, why }) => `${id}: ${why.split(';')[0]}`)).toEqual([
      'eni-1: its task is over and gave eni:0 back',
      'pause-1: its task is over and gave sandbox back',
      'web-1: its task is over and gave container:web back',
    ])
    expect(stage.known[0]).toEqual([])
  })

  // P470
  test('is no container that was made and not started yet; one whose making row gave it back is', async () => {
    stage.journal.begin(TASK, spec({ madeAhead: true }))
    const made = { ...ROWS, 'created:web': { details: { containerId: 'web-1' } } }
    for (const row of ['eni:0', 'image:web', 'sandbox', 'created:web'] as const) {
      stage.journal.append(TASK, { type: 'began', verb: 'ensure', row })
      const { details } = { details: {}, ...(row === 'image:web' ? {} : made[row]) }
      stage.journal.append(TASK, { type: 'done', verb: 'ensure', row, details })
    }
    stage.containers = [
      box('pause-1', { wears: wears('sandbox') }),
      ...['web-1', 'web-2'].map((id) => box(id, { isRunning: false })),
    ]
    const why = async () => (await reconcile.plan()).findings.map((each) => each.why.split(';')[0])
    const second = 'its task holds web-1 as container:web, and one is enough'
    expect(await why()).toEqual([second])
    stage.stop()
    expect(await why()).toEqual([second])
    settleHolder(stage.journal, TASK, made)
    const over = 'its task is over and gave container:web back'
    expect(await why()).toEqual(['its task is over and gave sandbox back', over, over])
  })

  test('that was given back and is shown once more is looked at twice again', async () => {
    stage.enis = [eni('eni-9', { attachment: attached({ attachedAt: 0 }) })]
    const { enis } = stage
    await twoLooks()
    expect(stage.done).toEqual(['eni eni-9'])
    stage.enis = enis
    await stage.clock.pass(REST_MS)
    expect(stage.known).toHaveLength(3)
    expect(stage.done).toHaveLength(1)
    await stage.clock.pass(SOON_MS)
    expect(stage.done).toHaveLength(2)
  })

  test('is a second ENI of a row that holds another', async () => {
    stage.run()
    stage.enis.push(eni('eni-2'))
    expect((await reconcile.plan()).findings[0]?.why).toMatch(
      /^its task holds eni-1 as eni:0, and one is enough; released/,
    )
    await twoLooks()
    await stage.clock.pass(SOON_MS)
    expect(stage.done).toEqual(['eni eni-2'])
    expect(stage.told).toEqual([])
  })

  // P41
  test('is not touched before it is two minutes old', async () => {
    stage.containers = [box('c-1', { createdAt: BORN + FIRST_MS - 1 })]
    await twoLooks()
    expect(stage.done).toEqual([])
    const { findings } = await reconcile.plan()
    const why = `no task ${TASK} is known here; it is new; released when it is still so after 120 s`
    expect(findings[0]).toMatchObject({ verdict: 'wait', why })
    await stage.clock.pass(SOON_MS)
    expect(stage.done).toEqual(['container c-1'])
  })

  test('is touched when it is just two minutes old', async () => {
    stage.containers = [box('c-1', { createdAt: BORN + FIRST_MS + SOON_MS - 120_000 })]
    await twoLooks()
    expect(stage.done).toEqual(['container c-1'])
  })

  test('is as old as our first look at least, whatever its own clock says', async () => {
    stage.containers = [box('c-1', { createdAt: BORN + 10 * REST_MS })]
    await twoLooks()
    expect(stage.done).toEqual([])
    await stage.clock.pass(SOON_MS)
    expect(stage.done).toEqual(['container c-1'])
  })

  // P40
  test('two looks a moment apart are one look', async () => {
    stage.containers = [box('c-1')]
    await reconcile.sweep()
    await reconcile.sweep()
    await stage.clock.pass(59_999)
    const { findings } = await reconcile.sweep()
    expect(findings).toMatchObject([{ verdict: 'wait' }])
    await stage.clock.pass(1)
    expect((await reconcile.sweep()).findings).toMatchObject([{ verdict: 'release' }])
    expect(stage.done).toEqual(['container c-1'])
  })

  // P85
  test.each([86_400_000, -86_400_000])(
    'a clock that jumps by %s ms changes nothing',
    async (ms) => {
      const { clock } = stage
      clock.now = () => clock.time + (clock.time > BORN + FIRST_MS ? ms : 0)
      stage.containers = [box('c-1', { createdAt: BORN })]
      reconcile.start()
      await clock.pass(FIRST_MS)
      await clock.pass(1)
      await reconcile.sweep()
      expect(stage.done).toEqual([])
      await clock.pass(2 * SOON_MS)
      expect(stage.done).toEqual(['container c-1'])
    },
  )

  test('a look that took long counts from its end', async () => {
    stage.containers = [box('c-1')]
    stage.during = () => {
      stage.clock.time += 50_000
      stage.during = () => {}
    }
    await reconcile.sweep()
    await stage.clock.pass(10_000)
    expect((await reconcile.sweep()).findings).toMatchObject([{ verdict: 'wait' }])
    await stage.clock.pass(49_999)
    expect((await reconcile.sweep()).findings).toMatchObject([{ verdict: 'wait' }])
    await stage.clock.pass(1)
    expect((await reconcile.sweep()).findings).toMatchObject([{ verdict: 'release' }])
  })

  test('that EC2 is still detaching is deleted by a look soon after', async () => {
    stage.enis = [eni('eni-9', { attachment: attached({ attachedAt: 0 }) })]
    stage.going.add('eni-9')
    await twoLooks()
    expect(stage.done).toEqual(['detach eni-9'])
    await stage.clock.pass(SOON_MS)
    expect(stage.done).toEqual(['detach eni-9', 'eni eni-9'])
  })

  test('that cannot be given back is tried again at rest, and said', async () => {
    stage.containers = [box('c-1')]
    stage.refuses = transient('DockerUnreachable')
    await twoLooks()
    expect(stage.said.at(-1)).toBe('warn sweep: container c-1: DockerUnreachable happened')
    await stage.clock.pass(REST_MS - 1)
    expect(stage.known).toHaveLength(2)
    stage.refuses = undefined
    await stage.clock.pass(1)
    expect(stage.done).toEqual(['container c-1'])
  })

  test('a mistake of ours on the way is a defect', async () => {
    stage.containers = [box('c-1')]
    stage.refuses = new Error('a bug')
    await twoLooks()
    expect(stage.defects).toEqual([stage.refuses])
  })

  test('what a defect is called does not hide it', async () => {
    stage.containers = [box('c-1')]
    stage.refuses = new Failure('defect', 'Defect', 'a bug')
    await twoLooks()
    expect(stage.defects).toEqual([stage.refuses])
  })

  test('an agent that starts again looks twice again', async () => {
    stage.containers = [box('c-1')]
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    await reconcile.close()
    reconcile = stage.born()
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    expect(stage.known).toHaveLength(2)
    expect(stage.done).toEqual([])
  })
})

describe('what is claimed is not touched', () => {
  const untouched = async () => {
    await twoLooks()
    await stage.clock.pass(3 * REST_MS)
    expect(stage.done).toEqual([])
    expect(stage.told).toEqual([])
  }

  test('what a running task holds', async () => {
    stage.run()
    await untouched()
    expect(stage.known[0]).toEqual(['eni-1'])
    expect(stage.said).toEqual([])
    expect((await reconcile.plan()).findings).toEqual([])
  })

  test('a row in doubt: an effect may be under way', async () => {
    stage.journal.begin(TASK, spec())
    const event = { type: 'began', verb: 'ensure', row: 'eni:0', choice: 'subnet-a' } as const
    stage.journal.append(TASK, event)
    stage.enis = [eni('eni-7')]
    await untouched()
  })

  test('a row in doubt that knew another: what it is now is not settled', async () => {
    stage.run()
    for (const row of ['sandbox', 'container:web', 'eni:0'] as const) {
      stage.journal.append(TASK, { type: 'doubted', row, why: 'test' })
    }
    stage.containers = [box('c-7'), box('p-7', { wears: wears('sandbox') })]
    stage.enis.push(eni('eni-7'))
    await untouched()
  })

  test('a row that a task which is to run has not begun yet', async () => {
    stage.journal.begin(TASK, spec())
    stage.containers = [box('c-7')]
    await untouched()
  })

  test('a row that is being given back', async () => {
    stage.run()
    stage.stop()
    stage.enis = [eni('eni-1', { attachment: attached({ status: 'detaching' }) })]
    await untouched()
  })

  test('a row that is held and does not say of what', async () => {
    stage.journal.begin(TASK, spec())
    settleHolder(stage.journal, TASK)
    stage.links = [link('02:01')]
    stage.containers = [box('c-1')]
    await untouched()
  })

  // P13
  test('everything of a holder that cannot be read', async () => {
    stage.journal.quarantined.push({ id: TASK, why: 'a bad row' })
    stage.containers = [box('c-1')]
    stage.enis = [eni('eni-1'), eni('eni-2', { attachment: attached({ attachedAt: 0 }) })]
    await untouched()
    stage.containers.push(box('c-2', { wears: wears('sandbox', STRANGER) }))
    await stage.clock.pass(2 * REST_MS)
    expect(stage.done).toEqual(['container c-2'])
  })

  test('an ENI whose id a task knows, whatever mark of ours it wears', async () => {
    stage.run()
    stage.enis = [eni('eni-1', { wears: wears('eni:3', STRANGER), attachment: attached() })]
    await untouched()
  })

  // P40
  test('what is claimed between the look and the act', async () => {
    const second = 'b'.repeat(32)
    stage.containers = [box('c-1'), box('pause-2', { wears: wears('sandbox', second) })]
    stage.before = (id) => {
      if (id === 'c-1') stage.journal.begin(second, spec())
    }
    await twoLooks()
    expect(stage.done).toEqual(['container c-1'])
  })

  test('and is said to be, when it was claimed at the last moment', async () => {
    stage.containers = [box('c-1'), box('pause-1', { wears: wears('sandbox', STRANGER) })]
    stage.before = (id) => {
      if (id === 'c-1') stage.journal.begin(STRANGER, spec())
    }
    await reconcile.sweep()
    await stage.clock.pass(59_999)
    await stage.clock.pass(1)
    const { findings } = await reconcile.sweep()
    expect(findings.map(({ verdict, outcome }) => [verdict, outcome])).toEqual([
      ['release', 'released'],
      ['leave', 'claimed meanwhile'],
    ])
  })
})

describe('what is not ours to change is left, and said', () => {
  const left = async (why: RegExp | string) => {
    await twoLooks()
    await stage.clock.pass(2 * REST_MS)
    expect(stage.done).toEqual([])
    const { findings } = await reconcile.plan()
    expect(findings).toMatchObject([{ verdict: 'leave', why: expect.stringMatching(why) }])
    const warned = stage.said.filter((text) => text.startsWith('warn'))
    expect(warned, 'said once').toHaveLength(1)
    return findings[0]
  }

  test('an orphan that another instance has attached', async () => {
    stage.enis = [eni('eni-9', { attachment: attached({ instanceId: OTHER, attachedAt: 0 }) })]
    await left(`no task claims it, but ${OTHER} has it attached`)
  })

  test('the first interface of this instance, whatever it wears', async () => {
    stage.enis = [eni('eni-9', { attachment: attached({ deviceIndex: 0, attachedAt: 0 }) })]
    await left('first interface')
  })

  test('an ENI of a task whose tags were taken off', async () => {
    stage.run()
    const { wears: _, ...bare } = eni('eni-1', { attachment: attached() })
    stage.enis = [bare]
    const finding = await left(/tags were taken off.*Restore enid:instance/)
    expect(finding).toMatchObject({ what: 'eni', id: 'eni-1', holderId: TASK, row: 'eni:0' })
    expect(stage.told).toEqual([])
  })

  test('an ENI that wears a part of our mark and that nobody knows', async () => {
    const { wears: _, ...bare } = eni('eni-9')
    stage.enis = [bare]
    const finding = await left('a part of our mark')
    expect(finding).not.toHaveProperty('holderId')
  })

  test('an ENI of a task that wears the mark of another instance', async () => {
    stage.run()
    stage.enis = [eni('eni-1', { wears: wears('eni:0', TASK, OTHER), attachment: attached() })]
    await left(`mark of ${OTHER}; our tags`)
  })

  test('what ran before this journal began: another state file may know it', async () => {
    stage.journalSince = BORN
    reconcile = stage.born()
    stage.containers = [box('c-1', { createdAt: BORN - 1 })]
    reconcile.start()
    await stage.clock.pass(2 * REST_MS)
    expect(stage.done).toEqual([])
    expect(stage.said).toHaveLength(1)
    expect(stage.said[0]).toMatch(/^warn .*another state file, and in use: enid sweep/)
    expect((await reconcile.plan()).findings).toMatchObject([{ verdict: 'release' }])
    await reconcile.sweep()
    expect(stage.done).toEqual(['container c-1'])
  })

  test('an ENI in use since before this journal began, too', async () => {
    stage.journalSince = BORN
    reconcile = stage.born()
    stage.enis = [eni('eni-9', { attachment: attached({ attachedAt: BORN - 1 }) })]
    reconcile.start()
    await stage.clock.pass(2 * REST_MS)
    expect(stage.done).toEqual([])
  })

  test('but not what does nothing, began later, or is of a task known here', async () => {
    stage.journalSince = BORN
    reconcile = stage.born()
    stage.run()
    stage.stop()
    settleHolder(stage.journal, TASK, ROWS)
    stage.enis = [
      eni('eni-3', { wears: wears('eni:0', STRANGER) }),
      eni('eni-4', { wears: wears('eni:0', STRANGER), attachment: attached({ attachedAt: BORN }) }),
    ]
    stage.containers = [
      box('c-exited', { wears: wears('container:web', STRANGER), isRunning: false }),
      box('c-known'),
    ]
    reconcile.start()
    await stage.clock.pass(2 * REST_MS)
    expect(stage.done.toSorted()).toEqual([
      'container c-exited',
      'container c-known',
      'eni eni-3',
      'eni eni-4',
    ])
  })
})

describe('an ENI of another instance', () => {
  const theirs = () => eni('eni-5', { wears: wears('eni:0', STRANGER, OTHER) })

  // P43
  test('is given back when that instance is gone, after an hour of looks', async () => {
    stage.enis = [theirs()]
    reconcile.start()
    await stage.clock.pass(FIRST_MS + 3_599_999)
    expect(stage.done).toEqual([])
    expect(new Set(stage.asked.flat())).toEqual(new Set([HERE, OTHER]))
    const [finding] = (await reconcile.plan()).findings
    expect(finding?.why).toBe(
      `made by instance ${OTHER}, and attached to nothing; that instance does not exist any more; ` +
        'released when it is still so after 3600 s',
    )
    await stage.clock.pass(REST_MS)
    expect(stage.done).toEqual(['eni eni-5'])
  })

  test('is looked at no more often than anything at rest', async () => {
    stage.enis = [theirs()]
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    await stage.clock.pass(REST_MS - 1)
    expect(stage.known).toHaveLength(1)
  })

  test('is left alone while that instance exists', async () => {
    stage.enis = [theirs()]
    stage.instances = [HERE, OTHER]
    reconcile.start()
    await stage.clock.pass(4 * 3_600_000)
    expect(stage.done).toEqual([])
    expect(stage.said).toEqual([])
    expect((await reconcile.plan()).findings).toEqual([])
  })

  test('begins its hour anew when that instance is seen once', async () => {
    stage.enis = [theirs()]
    reconcile.start()
    await stage.clock.pass(3_000_000)
    stage.instances = [HERE, OTHER]
    await stage.clock.pass(REST_MS)
    stage.instances = [HERE]
    await stage.clock.pass(3_600_000)
    expect(stage.done).toEqual([])
    await stage.clock.pass(2 * REST_MS)
    expect(stage.done).toEqual(['eni eni-5'])
  })

  test.each<[string, Partial<SeenEni>]>([
    ['attached to it', { attachment: attached({ instanceId: OTHER }) }],
    ['in use in any other way', { status: 'in-use' }],
    ['available in words only', { status: 'available', attachment: attached({ instanceId: '' }) }],
  ])('is not even asked about while it is %s', async (_name, change) => {
    stage.enis = [{ ...theirs(), ...change }]
    reconcile.start()
    await stage.clock.pass(4 * 3_600_000)
    expect(stage.asked).toEqual([])
    expect(stage.done).toEqual([])
  })

  test('is left alone by an EC2 that does not know this instance either', async () => {
    stage.enis = [theirs()]
    stage.instances = []
    reconcile.start()
    await stage.clock.pass(4 * 3_600_000)
    expect(stage.done).toEqual([])
    const [finding] = (await reconcile.plan()).findings
    expect(finding).toMatchObject({
      verdict: 'leave',
      why: expect.stringContaining('not believed'),
    })
    // None of that counted.
    stage.instances = [HERE]
    await stage.clock.pass(2 * REST_MS)
    expect(stage.done).toEqual([])
  })

  test('waits while EC2 does not say which instances exist', async () => {
    stage.enis = [theirs()]
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    stage.away.instances = transient('RequestLimitExceeded')
    const plan = await reconcile.plan()
    expect(plan.findings).toMatchObject([
      { verdict: 'wait', why: expect.stringContaining('did not say') },
    ])
    expect(plan.away).toEqual([
      { place: 'ec2', code: 'RequestLimitExceeded', reason: 'RequestLimitExceeded happened' },
    ])
    await stage.clock.pass(4 * 3_600_000)
    expect(stage.done).toEqual([])
    // What was seen before stands, and an answer settles it.
    delete stage.away.instances
    await stage.clock.pass(REST_MS)
    expect(stage.done).toEqual(['eni eni-5'])
  })

  test('a look without an answer about instances does not count as the first', async () => {
    stage.enis = [theirs()]
    stage.away.instances = transient('RequestLimitExceeded')
    reconcile.start()
    await stage.clock.pass(4 * 3_600_000)
    delete stage.away.instances
    await stage.clock.pass(3_000_000)
    expect(stage.done).toEqual([])
  })
})

describe('a public address of another instance', () => {
  const theirs = (change: Partial<SeenAddress> = {}): SeenAddress => ({
    ...{ what: 'address', allocationId: 'eipalloc-5', ...change },
    wears: wears('publicIp:0', STRANGER, OTHER),
  })
  // This host has public addresses of its own: only then is it allowed to look at any.
  beforeEach(() => stage.run(TASK, 'new'))

  // P514
  test('that stands for nothing is released when that instance is gone, after an hour of looks', async () => {
    stage.addresses = [theirs()]
    reconcile.start()
    await stage.clock.pass(FIRST_MS + 3_599_999)
    expect(stage.done).toEqual([])
    const found = (await reconcile.plan()).findings.find(({ what }) => what === 'address')
    expect(found?.why).toBe(
      `allocated by instance ${OTHER}, and associated with nothing; that instance does not exist any more; ` +
        'released when it is still so after 3600 s',
    )
    await stage.clock.pass(REST_MS)
    expect(stage.done).toEqual(['address eipalloc-5'])
  })

  // P514
  test('is left alone while that instance exists, or while it stands for anything', async () => {
    stage.addresses = [theirs()]
    stage.instances = [HERE, OTHER]
    reconcile.start()
    await stage.clock.pass(2 * 3_600_000)
    stage.instances = [HERE]
    stage.addresses = [theirs({ associationId: 'eipassoc-5' })]
    await stage.clock.pass(4 * 3_600_000)
    expect(stage.done).toEqual([])
  })
})

describe('a lent ENI whose task is over', () => {
  const LENT = 'eni-lent'
  const spec1 = () => {
    const [first] = spec().enis
    return spec({ enis: first ? [{ ...first, lentEniId: LENT }] : [] })
  }
  const at = (deviceIndex: number): SeenEni => ({
    ...{ what: 'eni', eniId: LENT, status: 'in-use' },
    attachment: attached({ deviceIndex }),
  })
  /** Its Attach was begun at index 3; whether it was answered. */
  function over(isAnswered: boolean): void {
    stage.journal.begin(TASK, spec1())
    const taken = { type: 'done', verb: 'ensure', row: 'eni:0', details: { eniId: LENT } } as const
    stage.journal.append(TASK, { type: 'began', verb: 'ensure', row: 'eni:0' })
    stage.journal.append(TASK, taken)
    const row = 'attachment:0'
    stage.journal.append(TASK, { type: 'began', verb: 'ensure', row, choice: '3' })
    const details = { attachmentId: 'eni-attach-3', deviceIndex: 3 }
    if (isAnswered) stage.journal.append(TASK, { type: 'done', verb: 'ensure', row, details })
    stage.stop()
    settleHolder(stage.journal, TASK, {})
  }

  // P515
  test('and whose Attach nobody heard of is told of at that index, and detached when a person asks', async () => {
    over(false)
    stage.enis = [at(3)]
    reconcile.start()
    await stage.clock.pass(FIRST_MS + 2 * SOON_MS)
    expect(stage.known.at(-1)).toContain(LENT)
    expect(stage.done).toEqual([])
    expect(stage.said.at(-1)).toMatch(
      /^warn sweep: eni eni-lent: .*at index 3, which was chosen for its task .* enid sweep detaches it/,
    )
    const { findings } = await reconcile.sweep()
    expect(stage.done).toEqual([`detach ${LENT}`])
    expect(findings).toMatchObject([{ id: LENT, verdict: 'release', outcome: 'detached' }])
    stage.enis = []
    expect((await reconcile.plan()).findings).toEqual([])
  })

  // P515
  test.each([
    ['that its owner plugged in at another index', false, 4],
    ['whose Attach was answered, so that it was undone', true, 3],
  ])('(%s) is nobody’s business here', async (_what, isAnswered, index) => {
    over(isAnswered)
    // Without a mark it is seen only by who asks for it by its id.
    stage.enis = isAnswered ? [] : [at(index)]
    reconcile.start()
    await stage.clock.pass(FIRST_MS + 2 * SOON_MS)
    await reconcile.sweep()
    expect(stage.known.flat().includes(LENT)).toBe(!isAnswered)
    expect([stage.done, stage.said]).toEqual([[], []])
  })

  // P515
  test('is left alone when another task has it by now', async () => {
    over(false)
    stage.journal.begin(STRANGER, spec1())
    settleHolder(stage.journal, STRANGER, { 'eni:0': { details: { eniId: LENT } } })
    stage.enis = [at(3)]
    reconcile.start()
    await stage.clock.pass(FIRST_MS + 2 * SOON_MS)
    await reconcile.sweep()
    expect(stage.done).toEqual([])
  })
})

describe('what a running task should hold and is not shown', () => {
  // P44
  test('an ENI that EC2 does not show is doubted on the second look, never stopped', async () => {
    stage.run()
    stage.enis = []
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    expect(stage.told).toEqual([])
    const why = 'EC2 does not show eni-1; looked at again when it is still so after 60 s'
    const owner = { holderId: TASK, row: 'eni:0' }
    const waiting = { what: 'row', id: 'eni-1', ...owner, verdict: 'wait', why }
    expect((await reconcile.plan()).findings).toMatchObject([waiting])
    await stage.clock.pass(2 * SOON_MS)
    expect(stage.told).toEqual([
      [TASK, { type: 'doubted', row: 'eni:0', why: 'EC2 does not show eni-1' }],
    ])
    expect(stage.journal.get(TASK)?.holder.desired).toBe('running')
  })

  test('it is doubted once, and not again before it was looked at', async () => {
    stage.run()
    stage.enis = []
    reconcile.start()
    await stage.clock.pass(10 * REST_MS)
    expect(stage.told).toHaveLength(1)
  })

  test('one that is shown again is forgotten', async () => {
    stage.run()
    const shown = stage.enis
    stage.enis = []
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    stage.enis = shown
    await stage.clock.pass(2 * SOON_MS)
    stage.enis = []
    await stage.clock.pass(REST_MS)
    expect(stage.told).toEqual([])
  })

  test.each<[string, Partial<SeenAttachment> | undefined]>([
    ['attached to nothing', undefined],
    ['attached elsewhere', { instanceId: OTHER }],
    ['being detached', { status: 'detaching' }],
    ['detached', { status: 'detached' }],
  ])('the attachment of an ENI that is %s', async (_name, change) => {
    stage.run()
    stage.enis = [eni('eni-1', change === undefined ? {} : { attachment: attached(change) })]
    await twoLooks()
    await stage.clock.pass(SOON_MS)
    expect(stage.told).toEqual([
      [TASK, { type: 'doubted', row: 'attachment:0', why: 'EC2 shows eni-1 not attached here' }],
    ])
    expect(stage.done).toEqual([])
  })

  test('an attachment that is only being made is there', async () => {
    stage.run()
    stage.enis = [eni('eni-1', { attachment: attached({ status: 'attaching' }) })]
    await twoLooks()
    await stage.clock.pass(REST_MS)
    expect(stage.told).toEqual([])
  })

  // P411
  test('a public address that EC2 does not show at its ENI is put back', async () => {
    stage.run(TASK, 'new')
    const [seen] = stage.enis
    stage.enis = [{ ...(seen ?? eni('eni-1')), allocationId: 'eipalloc-1' }]
    await twoLooks()
    expect(stage.told).toEqual([])
    stage.enis = seen === undefined ? [] : [seen]
    await stage.clock.pass(REST_MS)
    await twoLooks()
    const why = 'EC2 shows eni-1 without eipalloc-1'
    expect(stage.told).toEqual([[TASK, { type: 'doubted', row: 'publicIp:0', why }]])
  })

  test('the guard that somebody took away', async () => {
    stage.run()
    stage.enis = [eni('eni-1', { attachment: attached({ isGuarded: false }) })]
    await twoLooks()
    await stage.clock.pass(SOON_MS)
    const text = 'EC2 would not delete eni-1 with this instance'
    expect(stage.told).toEqual([[TASK, { type: 'doubted', row: 'guard:0', why: text }]])
  })

  test.each<[string, RowId]>([
    ['pause-1', 'sandbox'],
    ['web-1', 'container:web'],
  ])('container %s, at once: Docker shows no old pictures', async (gone, row) => {
    stage.run()
    stage.containers = stage.containers.filter(({ containerId }) => containerId !== gone)
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    const text = `Docker does not show container ${gone}`
    expect(stage.told).toEqual([[TASK, { type: 'doubted', row, why: text }]])
    expect(stage.asked).toEqual([])
  })

  test('not a container that has exited: it may be removed', async () => {
    const init = container('init', {}, { essential: false })
    stage.journal.begin(TASK, spec({ containers: [container('web'), init] }))
    settleHolder(stage.journal, TASK, {
      ...ROWS,
      'container:init': { details: { containerId: 'init-1' } },
    })
    stage.journal.append(TASK, { type: 'exited', container: 'init', exitCode: 0 })
    stage.enis = [eni('eni-1', { attachment: attached() })]
    stage.containers = [box('pause-1', { wears: wears('sandbox') }), box('web-1')]
    await twoLooks()
    expect(stage.told).toEqual([])
  })

  test('not what came to be while the survey was under way', async () => {
    stage.during = () => {
      stage.during = () => {}
      stage.run()
    }
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    expect(stage.told).toEqual([])
  })

  test('not what was given back while the survey was under way, but what another task holds', async () => {
    const second = 'b'.repeat(32)
    stage.run(second)
    stage.run()
    stage.containers = []
    stage.during = () => stage.stop()
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    expect(stage.told.map(([id]) => id)).toEqual([second, second])
  })

  test('each task by itself, though one only is seen whole', async () => {
    const second = 'b'.repeat(32)
    stage.run()
    const { enis, containers } = stage
    stage.journal.begin(second, spec())
    settleHolder(stage.journal, second, {
      ...ROWS,
      'eni:0': { choice: 'subnet-a', details: { eniId: 'eni-2' } },
      sandbox: { details: { containerId: 'pause-2', netns: '/n' } },
      'container:web': { details: { containerId: 'web-2' } },
    })
    Object.assign(stage, { enis, containers })
    await twoLooks()
    await stage.clock.pass(SOON_MS)
    expect(stage.told.map(([id, event]) => [id, (event as { row: RowId }).row])).toEqual([
      [second, 'sandbox'],
      [second, 'container:web'],
      [second, 'eni:0'],
    ])
  })

  const holdOnly = (...held: readonly (readonly [row: string, details: object])[]) => {
    stage.journal.begin(TASK, spec())
    for (const [row, details] of held) {
      stage.journal.append(TASK, { type: 'began', verb: 'ensure', row } as Event)
      stage.journal.append(TASK, { type: 'done', verb: 'ensure', row, details } as Event)
    }
  }

  test('a container that Docker lost before its task ran, on one look', async () => {
    holdOnly(['eni:0', { eniId: 'eni-1' }], ['sandbox', { containerId: 'c-gone' }])
    reconcile.start()
    await stage.clock.pass(20_000)
    expect(stage.told).toMatchObject([[TASK, { type: 'doubted', row: 'sandbox' }]])
  })

  test('not what a task that never ran has in EC2: it has its own deadlines', async () => {
    holdOnly(['eni:0', { eniId: 'eni-1' }])
    await twoLooks()
    await stage.clock.pass(REST_MS)
    expect(stage.told).toEqual([])
  })

  // P45
  test('nothing at all is believed of an EC2 that does not show this instance', async () => {
    stage.run()
    stage.enis = []
    stage.instances = []
    reconcile.start()
    await stage.clock.pass(10 * REST_MS)
    expect(stage.told).toEqual([])
    expect(stage.asked[0]).toEqual([HERE])
    const [finding] = (await reconcile.plan()).findings
    expect(finding).toMatchObject({
      verdict: 'leave',
      why: expect.stringContaining('not believed'),
    })
  })

  test('each from when it was first missing', async () => {
    const second = 'b'.repeat(32)
    stage.run(second)
    const theirs = eni('eni-2', { wears: wears('eni:0', second), attachment: attached() })
    stage.run()
    stage.journal.append(second, { type: 'doubted', row: 'eni:0', why: 'test' })
    for (const type of ['began', 'done'] as const) {
      const event = { type, verb: 'ensure', row: 'eni:0', details: { eniId: 'eni-2' } } as Event
      stage.journal.append(second, event)
    }
    stage.enis = [theirs]
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    stage.enis = []
    await stage.clock.pass(SOON_MS)
    await stage.clock.pass(SOON_MS)
    expect(stage.told.map(([id]) => id)).toEqual([TASK])
  })

  test('the plan does not name what came to be while it was made', async () => {
    stage.run()
    stage.containers = []
    stage.during = () => stage.stop()
    expect((await reconcile.plan()).findings).toEqual([])
  })

  test('not what was settled between the look and the act, but what is still missing', async () => {
    const second = 'b'.repeat(32)
    stage.run(second)
    stage.run()
    stage.enis = []
    stage.containers = []
    const { instancesThatExist } = stage.orphans
    Object.assign(stage.orphans, {
      instancesThatExist: async (ids: string[], signal: AbortSignal) => {
        stage.stop()
        return instancesThatExist(ids, signal)
      },
    })
    const { findings } = await reconcile.sweep()
    expect(stage.told.map(([id]) => id)).toEqual([second, second])
    const outcomes = findings
      .filter(({ verdict }) => verdict === 'doubt')
      .map(({ holderId, outcome }) => [holderId, outcome])
    expect(outcomes).toEqual([
      [second, 'doubted'],
      [second, 'doubted'],
      [TASK, 'settled meanwhile'],
      [TASK, 'settled meanwhile'],
    ])
  })
})

describe('security groups', () => {
  const OWN = ['sg-1', 'sg-2']
  const WHY = "eni-1 wears sg-9; the task's own are sg-1, sg-2"
  const LEFT = `${WHY}; changed behind our back, and left so: put them back in EC2, or have enid do it (ENID_KEEP_GROUPS=true)`
  const wearing = (...securityGroupIds: string[]) => [
    eni('eni-1', { attachment: attached(), securityGroupIds }),
  ]
  const GROUPED = {
    ...ROWS,
    'eni:0': { choice: 'subnet-a', details: { eniId: 'eni-1', securityGroupIds: OWN } },
  }

  /** A task that runs in OWN, and one look at it in the groups of `enis`. */
  async function firstLook(enis: SeenEni[], keepGroups = false): Promise<void> {
    stage.keepGroups = keepGroups
    reconcile = stage.born()
    stage.run()
    // What it was born in, not what it asked for: EC2 fills in the VPC's where a task names none.
    stage.journal.append(TASK, { type: 'doubted', row: 'eni:0', why: 'test' })
    settleHolder(stage.journal, TASK, GROUPED)
    stage.enis = enis
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
  }

  // P96
  test('changed behind our back are reported after two looks, and left', async () => {
    await firstLook(wearing('sg-9'))
    expect(stage.said).toEqual([
      `info sweep: eni eni-1: ${WHY}; reported when it is still so after 60 s`,
    ])
    await stage.clock.pass(SOON_MS)
    expect(stage.said.slice(1)).toEqual([`warn sweep: eni eni-1: ${LEFT}`])
    const fields = { task: TASK, row: 'eni:0', what: 'eni', id: 'eni-1' }
    expect(stage.fields).toEqual([
      { ...fields, verdict: 'wait' },
      { ...fields, verdict: 'leave' },
    ])
    await stage.clock.pass(10 * REST_MS)
    expect(stage.said, 'said once').toHaveLength(2)
    expect([stage.told, stage.done]).toEqual([[], []])
    expect(stage.asked, 'EC2 shows the ENI, so it knows this instance').toEqual([])
  })

  // P97
  test('changed behind our back are doubted after two looks, where they are to be kept', async () => {
    await firstLook(wearing('sg-9'), true)
    expect(stage.told).toEqual([])
    expect(stage.said).toEqual([
      `info sweep: eni eni-1: ${WHY}; put back when it is still so after 60 s`,
    ])
    await stage.clock.pass(SOON_MS)
    expect(stage.told).toEqual([[TASK, { type: 'doubted', row: 'eni:0', why: WHY }]])
    expect(stage.journal.get(TASK)?.holder.desired).toBe('running')
    await stage.clock.pass(10 * REST_MS)
    expect(stage.told, 'not again before it was looked at').toHaveLength(1)
  })

  test('that are changed once more after they were put back are looked at twice again', async () => {
    await firstLook(wearing('sg-9'), true)
    await stage.clock.pass(SOON_MS)
    settleHolder(stage.journal, TASK, GROUPED)
    await stage.clock.pass(REST_MS)
    expect(stage.told).toHaveLength(1)
    await stage.clock.pass(SOON_MS)
    expect(stage.told).toHaveLength(2)
  })

  test('are told of the task until a look shows them as they were', async () => {
    await firstLook(wearing('sg-9'))
    await stage.clock.pass(SOON_MS)
    const seenAt = stage.clock.time
    const finding = { what: 'eni', id: 'eni-1', holderId: TASK, row: 'eni:0', verdict: 'leave' }
    expect(reconcile.noticed(TASK)).toEqual([{ ...finding, why: LEFT, seenAt }])
    expect(reconcile.noticed(STRANGER)).toEqual([])
    stage.away.ec2 = transient('Away')
    await stage.clock.pass(REST_MS)
    expect(reconcile.noticed(TASK), 'EC2 is away and clears nothing').toHaveLength(1)
    stage.away = {}
    stage.enis = wearing(...OWN)
    await stage.clock.pass(REST_MS)
    expect(reconcile.noticed(TASK)).toEqual([])
  })

  test.each([true, false])('seen otherwise in one look only are forgotten (%s)', async (keep) => {
    await firstLook(wearing('sg-9'), keep)
    stage.enis = wearing(...OWN)
    await stage.clock.pass(SOON_MS)
    stage.enis = wearing('sg-9')
    await stage.clock.pass(REST_MS)
    expect(stage.told).toEqual([])
    expect(reconcile.noticed(TASK)).toMatchObject([{ verdict: 'wait' }])
  })

  test.each<[string, string[]]>([
    ['one is gone', ['sg-1']],
    ['one came to them', ['sg-1', 'sg-2', 'sg-9']],
    ['none is left', []],
  ])('are changed where %s', async (_name, worn) => {
    await firstLook(wearing(...worn), true)
    await stage.clock.pass(SOON_MS)
    expect(stage.told).toHaveLength(1)
    expect(stage.told[0]?.[1]).toMatchObject({
      why: `eni-1 wears ${worn.join(', ') || 'no group'}; the task's own are sg-1, sg-2`,
    })
  })

  test.each<[string, SeenEni[]]>([
    ['in another order', wearing('sg-2', 'sg-1')],
    ['that EC2 did not tell', [eni('eni-1', { attachment: attached() })]],
  ])('%s are not changed', async (_name, enis) => {
    await firstLook(enis, true)
    expect((await reconcile.plan()).findings).toEqual([])
  })

  test('of an ENI in doubt, or of a task that is to stop, are not looked at', async () => {
    await firstLook(wearing(...OWN), true)
    stage.enis = wearing('sg-9')
    stage.journal.append(TASK, { type: 'doubted', row: 'eni:0', why: 'test' })
    expect((await reconcile.plan()).findings).toEqual([])
    settleHolder(stage.journal, TASK, GROUPED)
    expect((await reconcile.plan()).findings).toHaveLength(1)
    stage.stop()
    expect((await reconcile.plan()).findings).toEqual([])
  })

  test('an ENI that was not shown and now wears others has been seen so once only', async () => {
    await firstLook([], true)
    stage.enis = wearing('sg-9')
    // Two calls, two minutes.
    await stage.clock.pass(2 * SOON_MS)
    expect(stage.told).toEqual([])
    await stage.clock.pass(SOON_MS)
    expect(stage.told).toHaveLength(1)
  })

  test('are told also of an ENI whose tags were taken off', async () => {
    const { wears: _, ...bare } = wearing('sg-9')[0] as SeenEni
    await firstLook([bare])
    await stage.clock.pass(SOON_MS)
    expect(reconcile.noticed(TASK).map(({ why }) => why)).toEqual([
      expect.stringContaining('tags were taken off'),
      LEFT,
    ])
  })
})

describe('a place that is away', () => {
  test.each(['ec2', 'docker', 'kernel'] as const)(
    '%s: said, tried soon, nothing follows',
    async (place) => {
      stage.run()
      stage.enis = []
      stage.containers = []
      stage.away[place] = transient('Away')
      if (place !== 'ec2') stage.enis = [eni('eni-1', { attachment: attached() })]
      if (place !== 'docker') {
        stage.containers = [box('pause-1', { wears: wears('sandbox') }), box('web-1')]
      }
      await twoLooks()
      expect(stage.known).toHaveLength(2)
      await stage.clock.pass(SOON_MS)
      expect(stage.known).toHaveLength(3)
      expect(stage.told).toEqual([])
      expect(stage.said[0]).toBe(`warn sweep: ${place} is away, tried again later: Away happened`)
      expect(stage.fields[0]).toEqual({ place, code: 'Away' })
      const { away } = await reconcile.plan()
      expect(away).toEqual([{ place, code: 'Away', reason: 'Away happened' }])
    },
  )

  test.each(['ec2', 'docker', 'kernel'] as const)(
    '%s: neither confirms nor clears what was seen there before',
    async (place) => {
      stage.containers = [box('c-1')]
      stage.enis = [eni('eni-9')]
      stage.links = [link('02:09')]
      reconcile.start()
      await stage.clock.pass(FIRST_MS)
      stage.away[place] = transient('Away')
      await stage.clock.pass(2 * SOON_MS)
      const all = { docker: 'container c-1', kernel: 'link 02:09', ec2: 'eni eni-9' }
      const { [place]: silent, ...others } = all
      expect(stage.done).toEqual(Object.values(others))
      delete stage.away[place]
      await stage.clock.pass(SOON_MS)
      expect(stage.done.at(-1)).toBe(silent)
    },
  )

  test.each<[RowId, string]>([
    ['eni:0', 'ec2'],
    ['sandbox', 'docker'],
  ])('a missing %s is remembered while %s is away', async (row, place) => {
    stage.run()
    stage.enis = []
    stage.containers = stage.containers.slice(1)
    stage.instances = row === 'eni:0' ? [HERE] : []
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    const before = stage.said.length
    stage.away = place === 'ec2' ? { ec2: transient('Away') } : { docker: transient('Away') }
    await stage.clock.pass(SOON_MS)
    stage.away = {}
    await stage.clock.pass(SOON_MS)
    const doubted = stage.told.map(([, event]) => (event as { row: RowId }).row)
    expect(doubted).toContain(row)
    const again = stage.said.slice(before).filter((text) => text.startsWith('info'))
    expect(again, 'said once').toEqual([])
  })

  test('does not keep the others from being swept', async () => {
    stage.containers = [box('c-1')]
    stage.away.ec2 = transient('Ec2Unreachable')
    await twoLooks()
    expect(stage.done).toEqual(['container c-1'])
  })
})

describe('its pace', () => {
  // P46
  test('at rest is five minutes, give or take', async () => {
    stage.run()
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    for (const count of [1, 2, 3]) {
      expect(stage.known).toHaveLength(count)
      await stage.clock.pass(REST_MS)
    }
    stage.clock.random = () => 0
    await stage.clock.pass(REST_MS)
    const before = stage.known.length
    await stage.clock.pass(240_000)
    expect(stage.known).toHaveLength(before + 1)
  })

  test.each([
    [0, 60_000],
    [1, 72_000],
  ])('after a suspicion is a minute and a bit (chance %s)', async (chance, ms) => {
    stage.containers = [box('c-1')]
    stage.clock.random = () => chance
    await reconcile.sweep()
    await stage.clock.pass(ms - 1)
    expect(stage.known).toHaveLength(1)
    await stage.clock.pass(1)
    expect(stage.known).toHaveLength(2)
  })

  // P46
  test('is one EC2 call a minute at most, however many pages there are', async () => {
    stage.ec2CallCount = 9
    stage.enis = [eni('eni-5', { wears: wears('eni:0', STRANGER, OTHER) })]
    await reconcile.sweep()
    await stage.clock.pass(10 * 60_000 - 1)
    expect(stage.known).toHaveLength(1)
    await stage.clock.pass(1)
    expect(stage.known).toHaveLength(2)
  })

  test('begins anew when a person asked for a sweep', async () => {
    reconcile.start()
    await reconcile.sweep()
    await stage.clock.pass(REST_MS - 1)
    expect(stage.known).toHaveLength(1)
    await stage.clock.pass(1)
    expect(stage.known).toHaveLength(2)
  })

  test('times can be scaled', async () => {
    const times = { start: 0, every: 5, orphan: 1, grace: 2, vanished: 60, perCall: 1 }
    reconcile = new Reconcile({ ...optionsOf(stage), times })
    stage.containers = [box('c-1')]
    reconcile.start()
    await stage.clock.pass(0)
    await stage.clock.pass(3)
    expect(stage.done).toEqual(['container c-1'])
  })
})

/** The same options again, as another Reconcile would get them. */
function optionsOf(of: Stage) {
  return {
    journal: of.journal,
    instanceId: HERE,
    journalSince: 0,
    survey: async () => ({
      enis: { seen: of.enis },
      containers: { seen: of.containers },
      volumes: { seen: of.volumes },
      links: { seen: of.links },
      cgroups: { seen: of.cgroups },
      addresses: { seen: of.addresses },
      ec2CallCount: 1,
    }),
    orphans: of.orphans,
    tell: () => {},
    clock: of.clock,
    log: { info: () => {}, warn: () => {} },
    onDefect: (error: unknown) => {
      throw error
    },
  }
}

describe('a plan', () => {
  // P47
  test('says what a sweep would do and changes nothing, not even what is remembered', async () => {
    stage.containers = [box('c-1')]
    for (const _ of [1, 2]) {
      expect(verdicts((await reconcile.plan()).findings)).toEqual(['wait container c-1'])
      await stage.clock.pass(REST_MS)
    }
    await reconcile.sweep()
    await stage.clock.pass(60_000)
    const { findings, at } = await reconcile.plan()
    expect(at).toBe(stage.clock.time)
    expect(findings).toEqual([
      {
        what: 'container',
        id: 'c-1',
        holderId: TASK,
        row: 'container:web',
        verdict: 'release',
        why: `no task ${TASK} is known here`,
      },
    ])
    expect(stage.done).toEqual([])
  })

  test('waits for the sweep that is under way', async () => {
    stage.containers = [box('c-1')]
    await reconcile.sweep()
    await stage.clock.pass(60_000)
    const [sweep, plan] = await Promise.all([reconcile.sweep(), reconcile.plan()])
    expect(verdicts(sweep.findings)).toEqual(['release container c-1'])
    expect(plan.findings).toEqual([])
  })
})

describe('closing', () => {
  test('ends it: no look follows, and whoever asks is told', async () => {
    reconcile.start()
    await reconcile.close()
    await stage.clock.pass(10 * REST_MS)
    expect(stage.known).toHaveLength(0)
    await expect(reconcile.sweep()).rejects.toMatchObject({
      kind: 'transient',
      code: 'Aborted',
      message: 'the agent is stopping',
    })
    await expect(reconcile.plan()).rejects.toMatchObject({ code: 'Aborted' })
    expect(stage.defects).toEqual([])
  })

  test('waits for what is in flight, and its failure is nobody’s defect', async () => {
    stage.containers = [box('c-1')]
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    const { promise, reject } = Promise.withResolvers<void>()
    stage.before = () => promise
    await stage.clock.pass(SOON_MS)
    let isClosed = false
    const closing = reconcile.close().then(() => {
      isClosed = true
    })
    await settle()
    expect(isClosed).toBe(false)
    reject(new Error('aborted'))
    await closing
    expect(stage.defects).toEqual([])
    await stage.clock.pass(10 * REST_MS)
    expect(stage.known).toHaveLength(2)
  })

  test('a look that fails for a mistake of ours is a defect while it lives', async () => {
    stage.during = () => {
      throw new Error('a bug')
    }
    reconcile.start()
    await stage.clock.pass(FIRST_MS)
    expect(stage.defects).toHaveLength(1)
  })
})
