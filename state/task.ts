// What a holder holds, and what follows from it. Pure: no clock, no I/O, no await.
//
//   desired running:  none ──ensure──▶ unsure ──▶ held       needs first
//   desired stopped:  none ◀── unsure ◀──release── held      dependants first
//
// `unsure` means we asked and have not heard back: a crash, a timeout, a doubt. Both verbs are
// idempotent, so `desired` alone decides how a doubt is settled. There is no rollback: a failure
// turns `desired`, and the other column of the table takes everything down.

import type { Condition, ContainerSpec, HolderId, Json, Spec } from './spec.ts'

export type RowId =
  | `eni:${number}`
  | `attachment:${number}`
  | `guard:${number}`
  | `link:${number}`
  | `publicIp:${number}`
  | `image:${string}`
  | `volume:${string}`
  | `created:${string}`
  | `container:${string}`
  | 'cgroup'
  | 'sandbox'
  | 'address'
export type RowKind = RowId extends infer R ? (R extends `${infer K}:${string}` ? K : R) : never
export type Holding = 'none' | 'unsure' | 'held'
export type Verb = 'ensure' | 'release'

/** One thing that may be done now. `again`: the row was already in doubt, so look before making. */
export type Step = { readonly verb: Verb; readonly row: RowId; readonly again: boolean }

/** What a row stands on: another row, of another holder where one is named. */
export type Need = {
  readonly row: RowId
  readonly holder?: HolderId
  /** An edge between containers also waits for this fact about the other one. */
  readonly condition?: Condition
  /** It counts on the way up alone: on the way down either may go first. */
  readonly isUpOnly?: true
}
export type Row = { readonly id: RowId; readonly needs: readonly Need[] }

/** Why a holder stops: ECS's code, the cause in plain words, and the row that failed, if one did. */
export type Stop = { readonly code: StopCode; readonly reason: string; readonly row?: RowId }
export type StopCode =
  | 'TaskFailedToStart'
  | 'EssentialContainerExited'
  | 'ServiceSchedulerInitiated'
  | 'UserInitiated'
  | 'TerminationNotice'

/** Why a step failed, as it is written down. */
export type Cause = { readonly code: string; readonly message: string }

/** One call to EC2 that a step made. `requestId`: under which AWS finds it. */
export type Ec2Called = {
  readonly action: string
  /** From when it was sent until EC2 answered, milliseconds. */
  readonly ms: number
  readonly requestId?: string
  /** What EC2 refused it with; absent when it succeeded. */
  readonly code?: string
}

/** How a step went in the life of the agent that ended it; nothing follows from it. */
export type Course = {
  /** How often it was tried again after a failure; absent: it was not. */
  readonly retries?: number
  /** How long it waited between tries and for its turn at EC2, milliseconds; absent: not at all. */
  readonly waitedMs?: number
  /** The latest of its calls that change something or failed. */
  readonly calls?: readonly Ec2Called[]
}
type Took = { readonly course?: Course }

/** What the journal holds, in the past tense. Folding `learn` over it is the whole recovery. */
export type Event =
  | { readonly type: 'began'; readonly verb: Verb; readonly row: RowId; readonly choice?: string }
  | ({ readonly type: 'done'; readonly verb: Verb; readonly row: RowId } & Took & {
        readonly details?: Json
      })
  | { readonly type: 'doubted'; readonly row: RowId; readonly why: string }
  | ({ readonly type: 'declined'; readonly row: RowId; readonly cause: Cause } & Took)
  | ({ readonly type: 'refused'; readonly row: RowId; readonly cause: Cause } & Took)
  | ({ readonly type: 'lost'; readonly row: RowId; readonly cause: Cause } & Took)
  | {
      readonly type: 'amended'
      readonly spec: Spec
      readonly rows: readonly RowId[]
      /** Why a wish was withdrawn: it was refused. */
      readonly cause?: Cause
    }
  | { readonly type: 'assigned'; readonly spec: Spec; readonly rows: readonly RowId[] }
  /** There is room for one that waited for it. */
  | { readonly type: 'admitted' }
  | { readonly type: 'stopAsked'; readonly stop: Stop }
  | ({ readonly type: 'exited'; readonly container: string } & Exit)
  | { readonly type: 'restartAsked'; readonly container: string; readonly exitId: string }
  | { readonly type: 'healthSeen'; readonly container: string; readonly healthy: boolean }
  | { readonly type: 'protectionSet'; readonly until?: number }

/** One row as it stands. `details` outlive the release: a stopped task still knows its ENI. */
export type RowState = {
  readonly is: Holding
  /** The choice of the last ensure: a subnet, a device index. */
  readonly choice?: string
  /** Choices that were declined and are not tried again. */
  readonly struck: readonly string[]
  /** By which code each of them was, in their order; absent where there is none. */
  readonly struckBy?: readonly string[]
  readonly details?: Json
}

/** How a container ended. Without a name and a time (it was removed) nothing can answer it. */
export type Exit = {
  readonly exitCode: number
  /** A name that no other exit of this container has. */
  readonly exitId?: string
  /** How long it had run since its last start, milliseconds. */
  readonly ranMs?: number
  /** The kernel killed it, or a process in it, over its memory. */
  readonly outOfMemory?: true
}

/** Facts about a container, beside its row: of its present run, but for what counts its restarts. */
export type Facts = Partial<Exit> & {
  readonly healthy?: boolean
  readonly restartCount?: number
  /** The exit that the last restart answers: a container still in it is to be started again. */
  readonly answeredExitId?: string
}

export type Holder = {
  readonly spec: Spec
  readonly desired: 'running' | 'stopped'
  readonly rows: Readonly<{ [id in RowId]?: RowState }>
  readonly facts: Readonly<Record<string, Facts>>
  /** Whether there was room for it, where it waited for that. */
  readonly isAdmitted?: boolean
  /** Whether it held everything once: from then on a doubt does not take RUNNING back. */
  readonly ran: boolean
  /** Until when nobody but StopTask may stop it, milliseconds since the epoch (protection.ts). */
  readonly protectedUntil?: number
  /** The first reason to stop; later ones do not replace it. */
  readonly stop?: Stop
}

/** The other holders, as far as a shared ENI ties them to this one. */
export type Others = {
  holding(holder: HolderId, row: RowId): Holding
  standsOn(row: RowId): boolean
}

const alone: Others = { holding: () => 'none', standsOn: () => false }
const untouched: RowState = { is: 'none', struck: [] }
const outcome = { ensure: 'held', release: 'none' } as const

/** A holder of which nothing exists yet. */
export const newHolder = (spec: Spec): Holder => ({
  spec,
  desired: 'running',
  rows: {},
  facts: {},
  ran: false,
})

/** The row as it stands; a row never touched is `none`. */
export const rowState = (holder: Holder, row: RowId): RowState => holder.rows[row] ?? untouched

/** Which kind of row it is: the part before the colon. */
export function kindOf(row: RowId): RowKind {
  const colon = row.indexOf(':')
  return (colon < 0 ? row : row.slice(0, colon)) as RowKind
}

/** Whether the ENI of this row is somebody else's, lent for the task's life: it wears no mark. */
export const isLent = (spec: Spec | undefined, row: RowId | undefined): boolean =>
  spec?.enis[Number(row?.split(':')[1])]?.lentEniId !== undefined

/** Every row of a holder and what it stands on. Down the page is the way up. */
export function rows(spec: Spec): readonly Row[] {
  const known = rowsOf.get(spec) ?? layOut(spec)
  rowsOf.set(spec, known)
  return known
}

/** A spec never changes, so neither do its rows; working them out was a tenth of a fold. */
const rowsOf = new WeakMap<Spec, readonly Row[]>()

function layOut(spec: Spec): readonly Row[] {
  const onHost = spec.kind === 'shared'
  const numbers = spec.enis.map((_, n) => n)
  const ground: Need[] = spec.sharedEni ? [{ row: 'address' }] : numbers.map((n) => eni(n))
  const links: Need[] = spec.sharedEni ? [{ row: 'link:0' }] : numbers.map((n) => link(n))
  const inside: Need[] = onHost ? links : [sandbox, ...links]
  const all: Row[] = []

  if (spec.sharedEni) {
    all.push({ id: 'address', needs: [{ row: 'link:0', holder: spec.sharedEni }] })
  }
  const addressed = numbers.filter((n) => spec.enis[n]?.publicIp !== undefined)
  const publicIps = addressed.map((n): Need => ({ row: `publicIp:${n}` }))
  for (const n of numbers) all.push({ id: `eni:${n}`, needs: [] })
  for (const n of addressed) all.push({ id: `publicIp:${n}`, needs: [eni(n)] })
  for (const { name } of spec.containers) all.push({ id: `image:${name}`, needs: [] })
  for (const { kind, name } of spec.volumes ?? []) {
    // A place of the host is nobody's to make or to remove.
    if (kind !== 'bind' && kind !== 'nfs') all.push({ id: `volume:${name}`, needs: [] })
  }
  const around: Need[] = spec.cgroup ? [{ row: 'cgroup' }] : []
  if (spec.cgroup) all.push({ id: 'cgroup', needs: [] })
  if (!onHost) all.push({ id: 'sandbox', needs: [...ground.slice(0, 1), ...around] })
  for (const n of numbers) {
    all.push({ id: `attachment:${n}`, needs: [eni(n)] })
    // Whether EC2 deletes a lent ENI with the instance is its owner's to say.
    if (!isLent(spec, `eni:${n}`)) all.push({ id: `guard:${n}`, needs: [attachment(n)] })
    all.push({ id: `link:${n}`, needs: [attachment(n), ...(onHost ? [] : [into])] })
  }
  if (spec.sharedEni) all.push({ id: 'link:0', needs: [{ row: 'address' }, sandbox] })
  for (const { kind, name } of spec.volumes ?? []) {
    // The kernel's client speaks from the namespace that it was mounted in, and keeps that alive.
    if (kind === 'nfs') all.push({ id: `volume:${name}`, needs: inside })
  }
  // The cgroup: its limits, where the pause container was there before them.
  const network = [...ground, ...inside, ...publicIps, ...around]
  for (const container of spec.containers) {
    const { name } = container
    const own: Need[] = [{ row: `image:${name}` }, ...ownNeeds(spec, container)]
    if (spec.madeAhead) {
      // It names the pause container; the network it needs no sooner than its first process does.
      all.push({ id: `created:${name}`, needs: [into, ...own] })
      all.push({ id: `container:${name}`, needs: [...network, { row: `created:${name}` }] })
    } else {
      all.push({ id: `container:${name}`, needs: [...network, ...own] })
    }
  }
  return all
}

/** The row that makes what wears the mark of this one: itself, but for a container made ahead. */
export const makerOf = ({ madeAhead }: Pick<Spec, 'madeAhead'>, row: RowId): RowId =>
  madeAhead && kindOf(row) === 'container' ? `created:${row.slice('container:'.length)}` : row

/** What a container waits for beside what all of its task do. */
function ownNeeds(spec: Spec, container: ContainerSpec): Need[] {
  const { dependsOn, mounts = [], volumesFrom = [], log } = container
  const made = (spec.volumes ?? []).filter(({ kind }) => kind !== 'bind').map(({ name }) => name)
  const names = [...mounts.map(({ volume }) => volume), ...(log?.router ? [log.router] : [])]
  const mounted = new Set(names.filter((name) => made.includes(name)))
  return [
    ...dependsOn.map(
      ({ container: name, condition }): Need => ({ row: `container:${name}`, condition }),
    ),
    ...[...mounted].map((name): Need => ({ row: `volume:${name}` })),
    // Docker takes them from a container that is there.
    ...volumesFrom.map(
      ({ container: name }): Need => ({
        row: makerOf(spec, `container:${name}`),
      }),
    ),
  ]
}

const sandbox: Need = { row: 'sandbox' }
/**
 * On the way down nothing runs in it any more, and its card comes home from a namespace that ends,
 * by itself if need be: to wait for that would only take longer.
 */
const into: Need = { ...sandbox, isUpOnly: true }
const eni = (n: number): Need => ({ row: `eni:${n}` })
const attachment = (n: number): Need => ({ row: `attachment:${n}` })
const link = (n: number): Need => ({ row: `link:${n}` })

/** Whether it waits for room: nothing of it begins before it is admitted. */
export const isWaiting = ({ spec, desired, isAdmitted }: Holder): boolean =>
  spec.waitMs !== undefined && desired === 'running' && isAdmitted !== true

/** Everything that may be done for this holder now; independent steps come together. */
export function nextSteps(holder: Holder, others: Others = alone): Step[] {
  if (isWaiting(holder)) return []
  const all = rows(holder.spec)
  const verb: Verb = holder.desired === 'running' ? 'ensure' : 'release'
  const due = (row: Row): boolean =>
    verb === 'ensure'
      ? is(holder, row.id) !== 'held' && row.needs.every((need) => isMet(holder, row, need, others))
      : is(holder, row.id) !== 'none' && !dependants(holder, row.id, all, others)
  return all.filter(due).map(({ id }) => ({ verb, row: id, again: is(holder, id) === 'unsure' }))
}

const is = (holder: Holder, row: RowId): Holding => rowState(holder, row).is

function dependants(holder: Holder, row: RowId, all: readonly Row[], others: Others): boolean {
  const needsIt = ({ needs }: Row) =>
    needs.some((n) => n.row === row && n.holder === undefined && !n.isUpOnly)
  return others.standsOn(row) || all.some((r) => is(holder, r.id) !== 'none' && needsIt(r))
}

function isMet(holder: Holder, row: Row, need: Need, others: Others): boolean {
  if (need.holder !== undefined) return others.holding(need.holder, need.row) === 'held'
  if (is(holder, need.row) !== 'held') return false
  // A condition is for the first start: what was met then may have been restarted since.
  if (is(holder, row.id) !== 'none') return true
  return isTrue(holder, need.row.slice('container:'.length), need.condition)
}

/** Whether this holds of a container that was started. */
export function isTrue(holder: Holder, container: string, condition?: Condition): boolean {
  const facts = holder.facts[container] ?? {}
  switch (condition) {
    case 'COMPLETE':
      return facts.exitCode !== undefined
    case 'SUCCESS':
      return facts.exitCode === 0
    case 'HEALTHY':
      return facts.healthy === true
    default:
      return true
  }
}

/**
 * The holder after one journal entry; replaying the journal is folding this. Throws where the
 * entry cannot follow from what the holder was: such a journal is not ours, or we have a bug.
 */
export function learn(holder: Holder, event: Event): Holder {
  switch (event.type) {
    case 'began':
      return began(holder, event)
    case 'done':
      return done(holder, event)
    case 'doubted':
      return doubt(holder, event.row)
    case 'declined':
      return declined(holder, event)
    case 'lost':
      return stopping(doubt(holder, event.row), failed(holder, event))
    case 'refused':
      return stopping(holder, failed(holder, event))
    case 'admitted':
      return { ...holder, isAdmitted: true }
    case 'stopAsked':
      return stopping(holder, event.stop)
    case 'amended':
      return event.rows.reduce(doubt, { ...holder, spec: event.spec })
    case 'assigned':
      return assigned(holder, event)
    case 'exited':
      return exited(holder, event)
    case 'restartAsked':
      return restartAsked(holder, event)
    case 'healthSeen':
      return fact(holder, event.container, { healthy: event.healthy })
    case 'protectionSet':
      return protection(holder, event.until)
  }
}

/** What it held as a spare it holds as a task; that it held everything says nothing about the task. */
function assigned(holder: Holder, event: Event & { type: 'assigned' }): Holder {
  const { kind } = holder.spec
  if (kind !== 'spare' || holder.desired === 'stopped') {
    throw new Error(`assigned to a ${kind} that is to be ${holder.desired}`)
  }
  return event.rows.reduce(doubt, { ...holder, spec: event.spec, ran: false })
}

function began(holder: Holder, event: Event & { type: 'began' }): Holder {
  const wanted = holder.desired === 'running' ? 'ensure' : 'release'
  if (event.verb !== wanted) throw new Error(`${event.verb} ${event.row} of a holder to ${wanted}`)
  if (isWaiting(holder)) throw new Error(`${event.row} began, but its task waits for room`)
  standsFirm(holder, event)
  const choice = event.choice === undefined ? {} : { choice: event.choice }
  return put(holder, event.row, { is: 'unsure', ...choice })
}

function done(holder: Holder, event: Event & { type: 'done' }): Holder {
  if (is(holder, event.row) !== 'unsure') throw new Error(`${event.row} was done, but never began`)
  standsFirm(holder, event)
  const details = event.details === undefined ? {} : { details: event.details }
  const after = put(holder, event.row, { is: outcome[event.verb], ...details })
  return after.ran || !holdsEverything(after) ? after : { ...after, ran: true }
}

/** Throws where the step would leave something standing on air (I7). */
function standsFirm(holder: Holder, { verb, row: id }: { verb: Verb; row: RowId }): void {
  const all = rows(holder.spec)
  const row = all.find((r) => r.id === id)
  if (row === undefined) throw new Error(`${id} is no row of this holder`)
  const air = row.needs.find(
    (need) =>
      need.holder === undefined &&
      is(holder, need.row) === 'none' &&
      !(holder.desired === 'stopped' && need.isUpOnly),
  )
  if (air !== undefined) throw new Error(`${verb} ${id}, but ${air.row} is not there`)
  if (verb === 'release' && dependants(holder, id, all, alone)) {
    throw new Error(`release ${id} while something stands on it`)
  }
}

function declined(holder: Holder, { row, cause }: Event & { type: 'declined' }): Holder {
  const { choice, struck, struckBy = [] } = rowState(holder, row)
  if (choice === undefined) throw new Error(`${row} was declined, but nothing was chosen for it`)
  if (dependants(holder, row, rows(holder.spec), alone)) {
    throw new Error(`${row} was declined while something stands on it`)
  }
  const { choice: _, ...rest } = rowState(holder, row)
  const all = { struck: [...struck, choice], struckBy: [...struckBy, cause.code] }
  const state = { ...rest, is: 'none' as const, ...all }
  return { ...holder, rows: { ...holder.rows, [row]: state } }
}

function exited(holder: Holder, { container, ...told }: Event & { type: 'exited' }): Holder {
  const { type: _, ...exit } = told
  const { answeredExitId } = holder.facts[container] ?? {}
  // Told once more after it was answered, it is no exit of the present run.
  if (exit.exitId !== undefined && exit.exitId === answeredExitId) return holder
  return fact(holder, container, exit)
}

/** The run that ended is over, its facts with it; the row is made sure of again like any other. */
function restartAsked(holder: Holder, event: Event & { type: 'restartAsked' }): Holder {
  const { exitId, restartCount = 0 } = holder.facts[event.container] ?? {}
  if (holder.desired === 'stopped' || exitId !== event.exitId) return holder
  const facts: Facts = { restartCount: restartCount + 1, answeredExitId: exitId }
  const begun = { ...holder, facts: { ...holder.facts, [event.container]: facts } }
  return doubt(begun, `container:${event.container}`)
}

/** Whether the task runs: all rows held, but for the guards, which nothing needs. */
export const holdsEverything = (holder: Holder): boolean =>
  rows(holder.spec).every(({ id }) => kindOf(id) === 'guard' || is(holder, id) === 'held')

/** Whether nothing of it is left. */
export const holdsNothing = (holder: Holder): boolean =>
  rows(holder.spec).every(({ id }) => is(holder, id) === 'none')

const put = (holder: Holder, row: RowId, change: Partial<RowState>): Holder => ({
  ...holder,
  rows: { ...holder.rows, [row]: { ...rowState(holder, row), ...change } },
})

const doubt = (holder: Holder, row: RowId): Holder =>
  is(holder, row) === 'held' ? put(holder, row, { is: 'unsure' }) : holder

const fact = (holder: Holder, container: string, change: Facts): Holder => ({
  ...holder,
  facts: { ...holder.facts, [container]: { ...holder.facts[container], ...change } },
})

function protection({ protectedUntil: _, ...holder }: Holder, until?: number): Holder {
  return until === undefined ? holder : { ...holder, protectedUntil: until }
}

const stopping = (holder: Holder, stop: Stop): Holder => ({
  ...holder,
  desired: 'stopped',
  stop: holder.stop ?? stop,
})

const failed = (holder: Holder, { row, cause }: { row: RowId; cause: Cause }): Stop => ({
  code: holder.ran ? 'EssentialContainerExited' : 'TaskFailedToStart',
  reason: `${cause.code}: ${cause.message}`,
  row,
})
