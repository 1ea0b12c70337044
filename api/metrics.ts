// GET /metrics, in Prometheus' text form. Gauges are read when somebody asks; durations are taken
// from the journal as steps end.

import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { desiredOf, serviceKey } from '../state/service.ts'
import type { LastStatus } from '../state/status.ts'
import { lastStatus } from '../state/status.ts'
import { kindOf } from '../state/task.ts'
import type { Api } from './api.ts'
import { tasksOf } from './api.ts'
import { addImageMetrics } from './image-metrics.ts'
import { counts } from './service-view.ts'
import { addSpareMetrics } from './spare-metrics.ts'

/** From a local step (10 ms) to an image pull (minutes), seconds. */
const BUCKETS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600]

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
  for (const { entry } of tasksOf(api)) {
    const status = lastStatus(entry.holder)
    counts[status] = (counts[status] ?? 0) + 1
  }
  return counts as Record<LastStatus, number>
}

export type Metrics = {
  readonly contentType: string
  text(): Promise<string>
  /** Counts an answered request. `action` is an ECS action or a REST route, never raw input. */
  answered(labels: { face: 'ecs' | 'rest'; action: string; status: number }): void
  /** Counts a request from inside a task for an id that is not its own. */
  stranger(): void
  /** Counts a request of a task for its own role's credentials. */
  credentials(outcome: 'given' | 'failed'): void
  close(): void
}

export function openMetrics(api: Api): Metrics {
  const registers = [new Registry()] as const
  addGauges(api, registers)
  addImageMetrics(api, registers)
  addSpareMetrics(api, registers)
  const steps = new Histogram({
    name: 'enid_step_duration_seconds',
    help: 'From the moment a step began until it was done, retries included',
    labelNames: ['verb', 'row'],
    buckets: BUCKETS,
    registers: [...registers],
  })
  const requests = new Counter({
    name: 'enid_http_requests_total',
    help: 'Requests answered by the API',
    labelNames: ['face', 'action', 'status'],
    registers: [...registers],
  })
  const strangers = new Counter({
    name: 'enid_task_endpoint_refused_total',
    help: 'Requests from inside a task for an id that is not its own',
    registers: [...registers],
  })
  const credentials = new Counter({
    name: 'enid_task_credentials_total',
    help: "Requests of tasks for their own role's credentials",
    labelNames: ['outcome'],
    registers: [...registers],
  })
  const unfollow = api.journal.follow(({ timeline }, event, at) => {
    if (event.type !== 'done') return
    const step = timeline.steps.findLast((s) => s.row === event.row && s.verb === event.verb)
    if (step === undefined) return
    steps.observe({ verb: event.verb, row: kindOf(event.row) }, (at - step.beganAt) / 1000)
  })
  const [registry] = registers
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    answered: ({ face, action, status }) => requests.inc({ face, action, status }),
    stranger: () => strangers.inc(),
    credentials: (outcome) => credentials.inc({ outcome }),
    close: unfollow,
  }
}

function addGauges(api: Api, all: readonly Registry[]): void {
  const registers = [...all]
  const { orders, journal } = api
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
    name: 'enid_steps_waiting',
    help: 'Steps that failed and are tried again; a waiting release may keep an ENI',
    labelNames: ['verb'],
    registers,
    collect() {
      const waiting = journal.all().flatMap(({ id }) => orders.waiting(id))
      for (const verb of ['ensure', 'release']) {
        this.set({ verb }, waiting.filter((w) => w.verb === verb).length)
      }
    },
  })
  new Gauge({
    name: 'enid_eni_slots',
    help: "ENI slots of this host's network card 0",
    labelNames: ['state'],
    registers,
    collect() {
      this.set({ state: 'used' }, orders.slotsUsed())
      this.set({ state: 'total' }, orders.host.eniCountMax)
    },
  })
  new Gauge({
    name: 'enid_draining',
    help: 'Whether this host takes no tasks: 1 while it is drained or its end is announced',
    registers,
    collect() {
      this.set(orders.draining() === undefined ? 0 : 1)
    },
  })
  addServiceGauges(api, registers)
  new Gauge({
    name: 'enid_tasks_quarantined',
    help: 'Tasks whose rows cannot be read and are left alone until somebody looks',
    registers,
    collect() {
      this.set(journal.quarantined.length)
    },
  })
}

/** One series of each for every service that is not INACTIVE. */
function addServiceGauges(api: Api, registers: Registry[]): void {
  const living = () => api.services.all().filter(({ status }) => status !== 'INACTIVE')
  new Gauge({
    name: 'enid_service_tasks',
    help: 'Tasks of a service: desired, running, and on their way up',
    labelNames: ['cluster', 'service', 'state'],
    registers,
    collect() {
      this.reset()
      for (const service of living()) {
        const labels = { cluster: service.cluster, service: service.name }
        this.set({ ...labels, state: 'desired' }, desiredOf(service))
        for (const deployment of service.deployments) {
          const { running, pending } = counts(api, deployment)
          this.inc({ ...labels, state: 'running' }, running)
          this.inc({ ...labels, state: 'pending' }, pending)
        }
      }
    },
  })
  new Gauge({
    name: 'enid_service_waiting',
    help: 'Whether a service starts nothing now, though a task is missing, and why',
    labelNames: ['cluster', 'service', 'code'],
    registers,
    collect() {
      this.reset()
      for (const service of living()) {
        const wait = api.orders.serviceWaiting(serviceKey(service))
        if (wait === undefined) continue
        this.set({ cluster: service.cluster, service: service.name, code: wait.code }, 1)
      }
    },
  })
}
