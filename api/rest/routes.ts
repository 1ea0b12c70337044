// The REST face, for curl, the enid command and operators. Each route is a few lines over the same
// functions that the ECS face uses.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify'
import { lastStatus } from '../../state/status.ts'
import type { Api } from '../api.ts'
import { livingTasks, tasksOf } from '../api.ts'
import type { Events } from '../events.ts'
import type { Metrics } from '../metrics.ts'
import { stopTask } from '../stop-task.ts'
import { countByStatus } from '../task-metrics.ts'
import { drainView } from './drain.ts'
import { known } from './known-task.ts'
import { addLogRoute } from './logs.ts'
import { EventsQuery, StartBody, StopQuery, TaskParams, TasksQuery } from './schemas.ts'
import { serviceSummary } from './services.ts'
import { sparesView } from './spares.ts'
import { startTasks } from './start-tasks.ts'
import { addStatsRoute } from './stats.ts'
import { findingsOf, taskDetail, taskSummary } from './task-view.ts'

/** Fastify with request types made from TypeBox schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

export function addTaskRoutes(app: App, api: Api): void {
  app.get(
    '/tasks',
    { schema: { summary: 'All tasks, oldest first', querystring: TasksQuery } },
    async ({ query: { cluster, family, status } }) => ({
      tasks: (status === undefined || status === 'STOPPED' ? tasksOf(api) : livingTasks(api))
        .filter(({ asked }) => cluster === undefined || asked.cluster === cluster)
        .filter(({ asked }) => family === undefined || asked.family === family)
        .filter(({ entry }) => status === undefined || lastStatus(entry.holder) === status)
        .map((task) => taskSummary(api, task)),
      quarantined: api.journal.quarantined.map(({ id, why }) => ({ taskId: id, why })),
    }),
  )
  app.post(
    '/tasks',
    { schema: { summary: 'Run tasks', body: StartBody } },
    async ({ body }, reply) => {
      const { tasks, failures } = await startTasks(api, body)
      const [first] = failures
      if (tasks.length > 0 || first === undefined) return reply.code(201).send({ tasks, failures })
      const error = { code: first.reason, message: first.detail }
      return reply.code(409).send({ error })
    },
  )
  app.get(
    '/tasks/:taskId',
    { schema: { summary: 'Everything known of a task', params: TaskParams } },
    async ({ params }) => taskDetail(api, known(api, params.taskId)),
  )
  app.delete(
    '/tasks/:taskId',
    { schema: { summary: 'Stop a task', params: TaskParams, querystring: StopQuery } },
    async ({ params, query: { reason } }, reply) => {
      const { entry, asked } = known(api, params.taskId)
      stopTask(api, {
        task: entry.id,
        cluster: asked.cluster,
        ...(reason === undefined ? {} : { reason }),
      })
      return reply.code(202).send(taskSummary(api, known(api, entry.id)))
    },
  )
  addLogRoute(app, api)
  addStatsRoute(app, api)
}

/** What is asked about the host and the agent itself. */
export function addHostRoutes(app: App, api: Api, parts: { metrics: Metrics; events: Events }) {
  const { metrics, events } = parts
  app.get('/status', { schema: { summary: 'This host and what enid does on it' } }, async () =>
    status(api),
  )
  app.get('/healthz', { schema: { summary: 'Whether the API answers' } }, async () => ({
    ok: true,
  }))
  app.get('/metrics', { schema: { summary: 'Prometheus metrics' } }, async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.text()),
  )
  app.get(
    '/events',
    { schema: { summary: 'The journal as it is written', querystring: EventsQuery } },
    async ({ query: { task } }, reply) => {
      reply.hijack()
      events.stream(reply.raw, task)
    },
  )
}

function status(api: Api) {
  const { orders, journal, version, architecture, openedAt } = api
  const waits = orders.allWaiting()
  const waiting = journal.living().flatMap(({ id }) =>
    (waits.get(id) ?? []).map(({ nextTryAt, ...rest }) => ({
      taskId: id,
      ...rest,
      nextTryAt: new Date(nextTryAt).toISOString(),
    })),
  )
  return {
    version,
    startedAt: new Date(openedAt).toISOString(),
    ...drainView(orders.draining()),
    architecture,
    host: orders.host,
    slots: { used: orders.slotsUsed(), total: orders.host.eniCountMax },
    tasks: countByStatus(api),
    services: api.services
      .all()
      .filter(({ status }) => status !== 'INACTIVE')
      .map((service) => serviceSummary(api, service)),
    waiting,
    findings: [...journal.living(), ...journal.ended()].flatMap(({ id }) =>
      findingsOf(api, id).map((found) => ({ taskId: id, ...found })),
    ),
    spares: sparesView(orders.spares()),
    ec2Budget: orders.budget(),
    images: orders.images(),
    quarantined: journal.quarantined,
  }
}
