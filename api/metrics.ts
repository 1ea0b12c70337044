// GET /metrics, in Prometheus' text form: what is counted here, and what the files beside this one add.
// Gauges are read when somebody asks.

import { Counter, Gauge, Registry } from 'prom-client'
import { desiredOf, serviceKey } from '../state/service.ts'
import type { Api } from './api.ts'
import { addBudgetMetrics } from './budget-metrics.ts'
import { addImageMetrics } from './image-metrics.ts'
import { counts } from './service-view.ts'
import { addSpareMetrics } from './spare-metrics.ts'
import { addTaskMetrics } from './task-metrics.ts'

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
  const unfollow = addTaskMetrics(api, registers)
  addBudgetMetrics(api, registers)
  addImageMetrics(api, registers)
  addSpareMetrics(api, registers)
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
  const { orders } = api
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
