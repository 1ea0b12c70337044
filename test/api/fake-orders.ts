// An agent of memory: real journal and core, and a runner that carries out every step at once, or
// only so far as a test lets it. Its world has one subnet and as many slots as a test says.

import { randomBytes } from 'node:crypto'
import { PassThrough } from 'node:stream'
import type { ExecOrder, ExecSession } from '../../agent/exec-orders.ts'
import type { Failure } from '../../agent/failure.ts'
import type {
  Draining,
  GivenCredentials,
  Host,
  Noticed,
  Orders,
  Room,
  Waiting,
} from '../../agent/orders.ts'
import type { Services } from '../../agent/services.ts'
import type { SparesView } from '../../agent/spare-orders.ts'
import { withdrawn } from '../../state/amendment.ts'
import type { Journal } from '../../state/journal.ts'
import { fitsOf, takingOver } from '../../state/spare.ts'
import type { HolderId, Json } from '../../state/spec.ts'
import type { Cause, RowId, Step } from '../../state/task.ts'
import { kindOf, nextSteps } from '../../state/task.ts'

export const SUBNET = 'subnet-c070009b'
export const GROUP = 'sg-9effe8e4'

export const HOST: Host = {
  instanceId: 'i-0123456789abcdef0',
  instanceType: 'm5.large',
  accountId: '123456789012',
  region: 'us-west-2',
  availabilityZone: 'us-west-2a',
  vpcId: 'vpc-11111111',
  subnetId: SUBNET,
  primaryMac: '0a:00:00:00:00:01',
  eniCountMax: 100,
  nameServers: ['10.0.0.2'],
  searchDomains: ['us-west-2.compute.internal'],
}

/** The spares of a host that keeps none. */
export const NO_SPARES: SparesView = {
  ...{ isOn: false, limit: 0, why: 'none are asked for', pools: [] },
  ...{ leavingCount: 0, givenUpCount: 0, failedCount: 0 },
  served: { warm: 0, groups: 0, cold: 0 },
}

export type FakeOrders = Orders & {
  /** How many tasks still fit. */
  slots: number
  /** What is short, whether the host never has so much, and whether no more may wait. */
  short: Room['reason']
  isTooBig: boolean
  isFull: boolean
  /** Which steps the runner may carry out; all of them unless a test says otherwise. */
  may: (step: Step) => boolean
  /** What prepare() throws, when it shall. */
  prepareFailure: Failure | undefined
  /** Told while prepare() is "asking EC2". */
  whilePreparing: () => void
  readonly prepared: string[][]
  readonly started: HolderId[]
  readonly executed: { container: string; order: ExecOrder }[]
  /** What exec() throws, when it shall. */
  execFailure: Failure | undefined
  /** What keeps the services, where a test has one. */
  keeper: Services | undefined
  waits: Waiting[]
  finds: Noticed[]
  drained: Draining | undefined
  /** What EC2 says to other groups, when it shall refuse them. */
  groupsRefused: Cause | undefined
  sparesView: SparesView
  /** What each role's credentials are, or why there are none now. */
  readonly roles: Map<string, Omit<GivenCredentials, 'roleArn'> | Failure>
  /** Carries out what may be done now, of every holder, until nothing is left to do. */
  settle(): void
}

export function fakeOrders(journal: Journal): FakeOrders {
  const orders: FakeOrders = {
    host: HOST,
    slots: 50,
    short: 'RESOURCE:ENI',
    isTooBig: false,
    isFull: false,
    may: () => true,
    prepareFailure: undefined,
    whilePreparing: () => {},
    prepared: [],
    started: [],
    executed: [],
    execFailure: undefined,
    keeper: undefined,
    waits: [],
    finds: [],
    drained: undefined,
    groupsRefused: undefined,
    sparesView: NO_SPARES,
    roles: new Map(),
    async prepare(subnetIds) {
      orders.prepared.push([...subnetIds])
      await Promise.resolve()
      orders.whilePreparing()
      if (orders.prepareFailure !== undefined) throw orders.prepareFailure
    },
    room: () => ({
      ...{ taskCount: orders.slots, reason: orders.short, isTooBig: orders.isTooBig },
      detail: `m5.large has 3 ENIs, ${orders.slots} free`,
    }),
    capacity: () => ({
      registered: { cpuUnits: 2048, memoryMiB: 7680 },
      remaining: { cpuUnits: 2048 - 256, memoryMiB: 7680 - 512 },
    }),
    place: (spec, count) => {
      const ready = fitsOf(spec, journal.all())
      return Array.from({ length: count }, (_, n) => {
        const fit = ready[n]
        if (fit === undefined) return { id: randomBytes(16).toString('hex'), spec }
        return { id: fit.id, spec: takingOver(spec, fit), rows: fit.rows }
      })
    },
    spares: () => orders.sparesView,
    isQueueFull: () => orders.isFull,
    slotsUsed: () =>
      1 + journal.living().filter(({ holder }) => holder.desired === 'running').length,
    start(id) {
      orders.slots -= 1
      orders.started.push(id)
      setImmediate(orders.settle)
    },
    stop(id, stop) {
      if (journal.get(id)?.holder.desired === 'stopped') return
      journal.append(id, { type: 'stopAsked', stop })
      setImmediate(orders.settle)
    },
    amend(id, spec, rows) {
      const { holder } = journal.append(id, { type: 'amended', spec, rows })
      const [row = 'sandbox'] = rows
      const before = withdrawn(holder, row)
      const cause = orders.groupsRefused
      setImmediate(() => {
        if (cause && before) journal.append(id, { type: 'amended', spec: before, rows, cause })
        orders.settle()
      })
    },
    waiting: () => orders.waits,
    allWaiting: () => new Map(journal.living().map(({ id }) => [id, orders.waits])),
    noticed: () => orders.finds,
    budget: () => ({ share: 0.1, actions: [] }),
    images: () => ({
      pullBehavior: 'default',
      pulls: { pulled: 3, failed: 1, cached: 2 },
      knownCount: 4,
      cleanup: { isOn: true, cleans: 'pulled', removedCount: 5 },
    }),
    draining: () => orders.drained,
    drain({ why, stopTasks }) {
      orders.drained = { since: 1_764_000_000_000, why }
      if (!stopTasks) return
      const stop = { code: 'UserInitiated', reason: `Host drained: ${why}` } as const
      for (const { id } of journal.living()) orders.stop(id, stop)
    },
    undrain() {
      orders.drained = undefined
    },
    hasRole: (arn) => orders.roles.has(arn),
    credentials: async (id) => {
      const role = journal.get(id)?.holder.spec.roles?.task ?? ''
      const given = orders.roles.get(role)
      if (given === undefined || given instanceof Error) throw given
      return { roleArn: role, ...given }
    },
    protect: (id, until) => {
      journal.append(id, { type: 'protectionSet', ...(until === undefined ? {} : { until }) })
    },
    planSweep: async () => ({ at: 0, findings: [], away: [] }),
    sweep: async () => ({ at: 0, findings: [], away: [] }),
    serviceChanged() {
      orders.keeper?.changed()
    },
    serviceWaiting: (key) => orders.keeper?.waiting(key),
    async inspect() {
      return new Map()
    },
    async stats() {
      return undefined
    },
    async *follow(id, container, { lines, signal }) {
      yield Buffer.from(`${lines} lines of ${container} of ${id}\n`)
      if (!signal.aborted) yield Buffer.from('and one more\n')
    },
    async exec(_id, container, order) {
      orders.executed.push({ container, order })
      if (orders.execFailure !== undefined) throw orders.execFailure
      return echo(order.tty)
    },
    async logs(id, container, lines) {
      return `${lines} lines of ${container} of ${id}\n`
    },
    settle() {
      for (const { id } of journal.living()) {
        for (;;) {
          const holder = journal.get(id)?.holder
          const step = holder && nextSteps(holder).find(orders.may)
          if (step === undefined) break
          carryOut(journal, id, step)
        }
      }
    },
  }
  return orders
}

/** A program that says its input back, its size as an error, and exits with 7 when its input is over. */
function echo(tty: boolean): ExecSession {
  const said = new PassThrough()
  const sizes: string[] = []
  async function* written() {
    for await (const data of said) yield { channel: 1 as const, data: data as Buffer }
    yield { channel: 2 as const, data: Buffer.from(`${tty ? 'tty' : 'no tty'} ${sizes.join()}`) }
  }
  return {
    written: written(),
    async write(data) {
      said.write(data)
    },
    end: () => said.end(),
    resize: (columns, rows) => sizes.push(`${columns}x${rows}`),
    exitCode: async () => 7,
    close: () => said.end(),
  }
}

function carryOut(journal: Journal, id: HolderId, { verb, row }: Step): void {
  const choice = { eni: SUBNET, attachment: '1' }[kindOf(row) as string]
  const chosen = verb === 'ensure' && choice !== undefined ? { choice } : {}
  journal.append(id, { type: 'began', verb, row, ...chosen })
  const { enis } = journal.get(id)?.holder.spec ?? { enis: [] }
  const { securityGroupIds = [], groupsOrder } = enis[Number(row.split(':')[1])] ?? {}
  const worn = {
    securityGroupIds: securityGroupIds.length === 0 ? [GROUP] : securityGroupIds,
    ...(groupsOrder === undefined ? {} : { groupsOrder }),
  }
  const known = details(id, row)
  if (verb === 'ensure') {
    const all = kindOf(row) === 'eni' ? { ...(known as object), ...worn } : known
    journal.append(id, { type: 'done', verb, row, details: all })
  } else journal.append(id, { type: 'done', verb, row })
}

/** What the seed prints, for the seed's task. */
function details(id: HolderId, row: RowId): Json {
  const all: Readonly<Record<string, Json>> = {
    eni: {
      eniId: 'eni-b0aaa4b2',
      mac: '0a:47:e4:7a:2b:02',
      subnetId: SUBNET,
      vpcId: HOST.vpcId,
      ipv4: '10.0.0.35',
      ipv4PrefixLength: 24,
      ipv4Gateway: '10.0.0.1',
      privateDnsName: 'ip-10-0-0-35.us-west-2.compute.internal',
      securityGroupIds: [GROUP],
    },
    publicIp: { allocationId: 'eipalloc-1', publicIpv4: '198.51.100.7' },
    image: { imageId: 'sha256:aa', digest: 'sha256:bb' },
    sandbox: { containerId: 'pause', netns: `/var/run/docker/netns/${id.slice(0, 8)}` },
    attachment: { attachmentId: 'eni-attach-1', deviceIndex: 1 },
    guard: {},
    link: { ifindex: 7, mtu: 9001, gatewayMac: '02:00:00:00:00:01' },
    container: {
      containerId: `docker-${id.slice(0, 8)}${row === 'container:side' ? '-side' : ''}`,
    },
  }
  return all[kindOf(row)] ?? {}
}
