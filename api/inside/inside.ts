// The task endpoint's routes: what a task may ask about itself, at http://169.254.170.2. Whose request
// it is was settled by the socket; an id in the path that is not that task's own is refused.
//
//   /v4/<id>   /v4/<id>/task   /v4/<id>/taskWithTags   /v4/<id>/stats   /v4/<id>/task/stats      /v3 alike
//   /v2/credentials/<id>       /api/<id>/task-protection/v1/state

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Fastify from 'fastify'
import { endpointId } from '../../state/endpoint-id.ts'
import type { Json } from '../../state/spec.ts'
import { rowState } from '../../state/task.ts'
import { type Api, livingTasks, type Task } from '../api.ts'
import { taskArn } from '../arn.ts'
import { isDefect } from '../aws-error.ts'
import { detailsOf } from '../task-view.ts'
import { addCredentialsRoutes } from './credentials.ts'
import { containerMetadata, type Edition, taskMetadata } from './task-metadata.ts'
import { addProtectionRoutes } from './task-protection.ts'

/** Answers a request from inside the namespace with this path. */
export type AnswerInside = (
  netns: string,
  request: IncomingMessage,
  response: ServerResponse,
) => void

export type InsideOptions = {
  readonly api: Api
  readonly onDefect: (error: unknown) => void
  /** Told of each request for another's id. */
  readonly onStranger?: () => void
  /** Told of each request for credentials of the task's own role. */
  readonly onCredentials?: (outcome: 'given' | 'failed') => void
}

/** The task whose namespace a request came from. */
export type FindTask = (request: FastifyRequest) => Task | undefined

/** A wish for protection is the longest that is sent to us, bytes. */
const BODY_MAX = 1_024

/** Puts the routes together. Nobody listens yet: the endpoints do (agent/drivers/endpoints.ts). */
export async function openInside(options: InsideOptions): Promise<{
  readonly answer: AnswerInside
  close(): Promise<void>
}> {
  const { api, onDefect, onStranger = () => {}, onCredentials = () => {} } = options
  const from = new WeakMap<IncomingMessage, string>()
  const app = Fastify({ bodyLimit: BODY_MAX, exposeHeadRoutes: false })

  // As ECS's: whatever a client calls its type, a body is JSON. Curl says it is a form.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))

  const taskOf: FindTask = (request) => {
    const netns = from.get(request.raw)
    return livingTasks(api).find(({ entry }) => isIn(entry.holder, netns))
  }

  /** The task whose namespace the request came from, and the container that the id names. */
  const asking = (request: FastifyRequest): { task: Task; container: string } | undefined => {
    const task = taskOf(request)
    const { id } = request.params as { readonly id: string }
    const container = task?.entry.holder.spec.containers.find(
      ({ name }) => endpointId(task.entry.id, name) === id,
    )
    if (task === undefined || container === undefined) return undefined
    return { task, container: container.name }
  }

  const route = (
    path: string,
    answer: (asked: { task: Task; container: string; edition: Edition }) => Promise<unknown>,
  ): void => {
    for (const edition of [3, 4] as const) {
      app.get(`/v${edition}/:id${path}`, async (request, reply) => {
        const asked = asking(request)
        if (asked === undefined) {
          onStranger()
          return await refuse(reply, 400, `V${edition}: no container of this task has that id`)
        }
        const found = await answer({ ...asked, edition })
        if (found === undefined) return await refuse(reply, 404, 'The container does not run')
        return await reply.send(found)
      })
    }
  }

  route('', async ({ task, container, edition }) => {
    const seen = await api.orders.inspect(task.entry.id)
    return containerMetadata(api, task, container, seen, edition)
  })
  route('/task', async ({ task, edition }) => {
    return taskMetadata(api, task, await api.orders.inspect(task.entry.id), edition)
  })
  route('/taskWithTags', async ({ task, edition }) => {
    const { entry, asked } = task
    const metadata = taskMetadata(api, task, await api.orders.inspect(entry.id), edition)
    const arn = taskArn(api.orders.host, asked.cluster, entry.id)
    return { ...metadata, TaskTags: api.catalog.tags(arn) }
  })
  route(
    '/stats',
    async ({ task, container, edition }) => await statsOf(api, task, container, edition),
  )
  route('/task/stats', async ({ task, edition }) => await statsOfAll(api, task, edition))

  addCredentialsRoutes(app, { api, taskOf, onStranger, onAsked: onCredentials })
  addProtectionRoutes(app, { api, asking, onStranger })

  app.setNotFoundHandler((request, reply) =>
    refuse(reply, 404, `${request.raw.url?.slice(0, 80)} is nothing that the task endpoint knows`),
  )
  app.setErrorHandler((error, _request, reply) => {
    if (isDefect(error)) onDefect(error)
    return refuse(reply, 500, (error as Error).message)
  })
  await app.ready()
  return {
    answer: (netns, request, response) => {
      from.set(request, netns)
      app.routing(request, response)
    },
    close: () => app.close(),
  }
}

function isIn(holder: Task['entry']['holder'], netns: string | undefined): boolean {
  if (netns === undefined || rowState(holder, 'sandbox').is === 'none') return false
  return detailsOf(holder, 'sandbox', 'sandbox')?.netns === netns
}

/** Edition 3 knew no rates. */
async function statsOf(
  api: Api,
  { entry }: Task,
  container: string,
  edition: Edition,
): Promise<Json | undefined> {
  const stats = await api.orders.stats(entry.id, container)
  if (edition === 4 || stats === undefined) return stats
  const { network_rate_stats: _, ...older } = stats as Readonly<Record<string, Json>>
  return older
}

/** By Docker's ids, as ECS has them; null for one that does not run. */
async function statsOfAll(api: Api, task: Task, edition: Edition): Promise<Record<string, Json>> {
  const { holder } = task.entry
  const all = await Promise.all(
    holder.spec.containers.map(async ({ name }) => {
      const { containerId } = detailsOf(holder, 'container', `container:${name}`) ?? {}
      if (containerId === undefined) return []
      return [[containerId, (await statsOf(api, task, name, edition)) ?? null] as const]
    }),
  )
  return Object.fromEntries(all.flat())
}

/** ECS answers with a JSON string. */
const refuse = (reply: FastifyReply, status: number, message: string): FastifyReply =>
  reply.code(status).type('application/json').send(JSON.stringify(message))
