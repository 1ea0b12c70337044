// What GET /metrics tells of tasks and their steps. Gauges are read when somebody asks; what took how
// long, failed or was stopped is taken from the journal as it is written. docs/operations.md has an
// alert for each.

import type { Registry } from 'prom-client'
import { Counter, Gauge, Histogram } from 'prom-client'
import type { Entry } from '../state/journal.ts'
import type { HolderId } from '../state/spec.ts'
import type { LastStatus } from '../state/status.ts'
import { lastStatus } from '../state/status.ts'
import type { Event } from '../state/task.ts'
import { isWaiting, kindOf } from '../state/task.ts'
import type { Api } from './api.ts'
import { livingTasks } from './api.ts'

/**
 * Seconds, from what only the journal is written for (2 to 10 ms) to an image pull of minutes. Measured
 * against the lab: guard 5 to 18 ms, link 24, image and cgroup 55, eni 100, container 180, sandbox 550;
 * EC2's attach takes 1.5 to 10 s, a container that does not hear SIGTERM its stopTimeout.
 */
const STEP_BUCKETS = [
  ...[0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5],
  ...[1, 2.5, 5, 10, 30, 60, 180, 600],
]
/** Seconds, from a start that calls nobody to one that pulls gigabytes. */
const START_BUCKETS = [0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 20, 30, 60, 180, 600]

const STATUSES: readonly LastStatus[] = [
  'PROVISIONING',
  'PENDING',
  'ACTIVATING',
  'RUNNING',
  'DEACTIVATING',
  'STOPPING',
  'DEPROVISIONING',
  'STOPPED',
]

/** How many tasks have each status; every status is there, also with 0. */
export function countByStatus(api: Api): Record<LastStatus, number> {
  const counts = Object.fromEntries(STATUSES.map((status) => [status, 0]))
  for (const { entry } of livingTasks(api)) {
    const status = lastStatus(entry.holder)
    counts[status] = (counts[status] ?? 0) + 1
  }
  counts.STOPPED = api.journal.ended().filter(({ kind }) => kind === 'task').length
  return counts as Record<LastStatus, number>
}

/** Adds them. Returns the way to stop listening to the journal. */
export function addTaskMetrics(api: Api, all: readonly Registry[]): () => void {
  const registers = [...all]
  addTaskGauges(api, registers)
  addWaitingGauges(api, registers)
  const steps = new Histogram({
    name: 'enid_step_duration_seconds',
    help: 'From the moment a step began until it was done, retries included',
    labelNames: ['verb', 'row'],
    buckets: STEP_BUCKETS,
    registers,
  })
  const starts = new Histogram({
    name: 'enid_task_start_duration_seconds',
    help: 'From RunTask until the task was RUNNING, waiting for room included; warm: it took a spare over',
    labelNames: ['way'],
    buckets: START_BUCKETS,
    registers,
  })
  const failures = new Counter({
    name: 'enid_step_failures_total',
    help: 'Steps that failed for good: lost and refused ones stop their task, declined ones try another choice',
    labelNames: ['outcome', 'row', 'code'],
    registers,
  })
  const stops = new Counter({
    name: 'enid_task_stops_total',
    help: "Tasks that turned to stop, by ECS's stopCode",
    labelNames: ['code'],
    registers,
  })
  /** Those on their way up that were spares. */
  const warm = new Set<HolderId>()
  return api.journal.follow(({ id, holder, timeline }, event, _at, { holder: before }) => {
    if (event.type === 'done') {
      const { row, verb } = event
      const step = timeline.steps.findLast((s) => s.row === row && s.verb === verb)
      const ms = (step?.doneAt ?? timeline.latestAt) - (step?.beganAt ?? timeline.latestAt)
      steps.observe({ verb, row: kindOf(row) }, ms / 1000)
    }
    if (isFailure(event)) {
      failures.inc({ outcome: event.type, row: kindOf(event.row), code: event.cause.code })
    }
    if (holder.spec.kind !== 'task') return
    if (event.type === 'assigned') warm.add(id)
    if (holder.ran && !before.ran) {
      const way = warm.has(id) ? 'warm' : 'cold'
      starts.observe({ way }, (timeline.latestAt - timeline.createdAt) / 1000)
    }
    if (holder.ran || holder.stop !== undefined) warm.delete(id)
    if (holder.stop !== undefined && before.stop === undefined)
      stops.inc({ code: holder.stop.code })
  })
}

const isFailure = (event: Event): event is Event & { type: 'declined' | 'refused' | 'lost' } =>
  event.type === 'declined' || event.type === 'refused' || event.type === 'lost'

function addTaskGauges(api: Api, registers: Registry[]): void {
  const { journal } = api
  new Gauge({
    name: 'enid_tasks',
    help: 'Tasks that are remembered, by status',
    labelNames: ['status'],
    registers,
    collect() {
      for (const [status, count] of Object.entries(countByStatus(api))) this.set({ status }, count)
    },
  })
  new Gauge({
    name: 'enid_tasks_queued',
    help: 'Tasks that wait for room on this host (enid:wait)',
    registers,
    collect() {
      this.set(journal.living().filter(({ holder }) => isWaiting(holder)).length)
    },
  })
  new Gauge({
    name: 'enid_tasks_quarantined',
    help: 'Tasks whose rows cannot be read and are left alone until somebody looks',
    registers,
    collect() {
      this.set(journal.quarantined.length)
    },
  })
}

function addWaitingGauges({ journal, orders }: Api, registers: Registry[]): void {
  const verbs = ['ensure', 'release'] as const
  const waiting = () => {
    const waits = orders.allWaiting()
    return journal
      .living()
      .flatMap((entry) => (waits.get(entry.id) ?? []).map((step) => ({ entry, ...step })))
  }
  new Gauge({
    name: 'enid_steps_waiting',
    help: 'Steps that wait, for their next try or their turn, by what they wait for',
    labelNames: ['verb', 'row', 'code'],
    registers,
    collect() {
      this.reset()
      for (const { verb, row, code } of waiting()) this.inc({ verb, row: kindOf(row), code })
    },
  })
  new Gauge({
    name: 'enid_step_waiting_seconds_max',
    help: 'How long ago the oldest of the steps that wait began; a waiting release may keep an ENI',
    labelNames: ['verb'],
    registers,
    collect() {
      const all = waiting()
      for (const verb of verbs) {
        const since = all.filter((step) => step.verb === verb).map(beganAt)
        this.set({ verb }, since.length === 0 ? 0 : (Date.now() - Math.min(...since)) / 1000)
      }
    },
  })
}

/** When the step that waits began; the task itself, where it may not begin yet. */
function beganAt({ entry, verb, row }: { entry: Entry; verb: string; row: string }): number {
  const { steps, createdAt } = entry.timeline
  const step = steps.findLast((s) => s.row === row && s.verb === verb && s.doneAt === undefined)
  return step?.beganAt ?? createdAt
}
