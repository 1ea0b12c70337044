// The agent's API: one fastify app with two faces, reached over a unix socket and, where wanted, a
// loopback port. No decisions are made here.
//
//   request ─▶ guard (Host, Content-Type) ─┬▶ POST /      ECS protocol ─▶ actions.ts
//                                          └▶ /tasks, …   REST         ─▶ rest/routes.ts

import type { IncomingMessage, ServerResponse } from 'node:http'
import swagger from '@fastify/swagger'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import type { FastifyError, FastifyRequest } from 'fastify'
import Fastify from 'fastify'
import type { Orders } from '../agent/orders.ts'
import type { Catalog } from '../state/catalog.ts'
import type { Journal } from '../state/journal.ts'
import type { ServiceStore } from '../state/service-store.ts'
import { ACTION_NAMES } from './actions.ts'
import type { Api, Architecture } from './api.ts'
import { AwsError, isDefect } from './aws-error.ts'
import { DEFAULT_CLUSTER } from './cluster-view.ts'
import type { Door, Routes } from './door.ts'
import { openDoor } from './door.ts'
import { actionOf, addEcsRoute, parse, sendEcsError } from './ecs-route.ts'
import { openEvents } from './events.ts'
import { checkHost, checkMediaType, isEcs } from './guard.ts'
import type { AnswerInside } from './inside/inside.ts'
import { openInside } from './inside/inside.ts'
import type { Patience } from './listening.ts'
import { PATIENCE } from './listening.ts'
import { openMetrics } from './metrics.ts'
import { addDrainRoutes } from './rest/drain.ts'
import { openExec } from './rest/exec.ts'
import type { Validation } from './rest/rest-error.ts'
import { sendRestError, validationError } from './rest/rest-error.ts'
import type { App } from './rest/routes.ts'
import { addHostRoutes, addTaskRoutes } from './rest/routes.ts'
import { addGroupsRoute } from './rest/security-groups.ts'
import { addServiceRoutes } from './rest/services.ts'
import { addSweepRoutes } from './rest/sweep.ts'

/** The largest request body, bytes. */
const BODY_MAX = 1 << 20

export type ApiOptions = {
  readonly orders: Orders
  readonly journal: Journal
  readonly catalog: Catalog
  readonly services: ServiceStore
  /** enid's own version. */
  readonly version: string
  /** What this host runs; by default what Node was built for. */
  readonly architecture?: Architecture
  /** Whether containers may be privileged: no unless told. */
  readonly privileged?: boolean
  /** How long clients may take; by default PATIENCE. */
  readonly patience?: Patience
  /** Whether containers may have NET_ADMIN: no unless told. */
  readonly netAdmin?: boolean
  /** Where requests come from. It is opened by whoever made it; without one, at once. */
  readonly door?: Door
  /** Told of mistakes of ours that a caller met as ServerException; by default stderr. */
  readonly onDefect?: (error: unknown) => void
}

/** What answers the tasks themselves, at their own endpoint. */
export type Inside = { readonly answerInside: AnswerInside; readonly routes: Routes }

/** Puts the API together and makes sure that the cluster `default` exists. Nobody listens yet. */
export async function openApi(options: ApiOptions): Promise<Door & Inside> {
  const { orders, journal, catalog, services, version } = options
  const { privileged = false, netAdmin = false, patience = PATIENCE } = options
  const architecture = options.architecture ?? (process.arch === 'arm64' ? 'ARM64' : 'X86_64')
  const host = { version, architecture, privileged, netAdmin }
  const api: Api = { orders, journal, catalog, services, ...host, openedAt: Date.now() }
  if (catalog.cluster(DEFAULT_CLUSTER)?.active !== true) catalog.putCluster(DEFAULT_CLUSTER, {})

  const cameOverTcp = new WeakSet<IncomingMessage>()
  const metrics = openMetrics(api)
  const events = openEvents(journal)
  const exec = openExec(api)
  const app = Fastify({ bodyLimit: BODY_MAX, exposeHeadRoutes: false })
    .setValidatorCompiler(TypeBoxValidatorCompiler)
    .withTypeProvider<TypeBoxTypeProvider>()
  await app.register(swagger, {
    openapi: { info: { title: 'enid', description: 'Tasks with their own ENI', version } },
  })
  app.setSerializerCompiler(() => JSON.stringify)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'string' },
    async (_request: FastifyRequest, body: string) => parse(body),
  )
  app.addHook('onRequest', async ({ raw }) => {
    if (cameOverTcp.has(raw)) checkHost(raw)
    checkMediaType(raw)
  })
  // Streams are not sent by fastify: they last as long as their reader.
  app.addHook('onSend', async (_request, reply) => void reply.raw.setTimeout(patience.answerMs))
  app.addHook('onResponse', async (request, { statusCode: status }) => {
    metrics.answered({ ...labels(request), status })
  })
  answerErrors(app, options.onDefect ?? console.error)
  addEcsRoute(app, api)
  addTaskRoutes(app, api)
  addHostRoutes(app, api, { metrics, events })
  addServiceRoutes(app, api)
  exec.addRoute(app)
  addSweepRoutes(app, orders)
  addDrainRoutes(app, orders)
  addGroupsRoute(app, api)
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
  await app.ready()
  const onDefect = options.onDefect ?? console.error
  const inside = await openInside({
    ...{ api, onDefect },
    onStranger: () => metrics.stranger(),
    onCredentials: (outcome) => metrics.credentials(outcome),
  })

  const routes: Routes = {
    route: (request: IncomingMessage, response: ServerResponse, isTcp: boolean) => {
      if (isTcp) cameOverTcp.add(request)
      app.routing(request, response)
    },
    upgrade: (request, socket) => exec.connect(request, socket),
  }
  const door = options.door ?? openDoor(patience)
  if (options.door === undefined) door.open(routes)
  return {
    ...door,
    routes,
    answerInside: inside.answer,
    async close() {
      events.close()
      exec.close()
      await door.close()
      metrics.close()
      await inside.close()
      await app.close()
    },
  }
}

/** Never raw input: a label value lives as long as we do. */
function labels({ raw, headers, routeOptions }: FastifyRequest) {
  if (!isEcs(raw.url ?? '')) return { face: 'rest' as const, action: routeOptions.url ?? 'unknown' }
  const action = actionOf(headers['x-amz-target']) ?? ''
  return { face: 'ecs' as const, action: ACTION_NAMES.includes(action) ? action : 'unknown' }
}

/** Every error leaves in the form of the face that was asked. */
function answerErrors(app: App, onDefect: (error: unknown) => void): void {
  app.setErrorHandler((thrown: FastifyError, request, reply) => {
    const error = fastifysOwn(thrown, request) ?? thrown
    // A caller that goes in the middle of its body is no mistake of ours.
    if (isDefect(error) && thrown !== request.raw.errored) onDefect(error)
    return isEcs(request.raw.url ?? '') ? sendEcsError(reply, error) : sendRestError(reply, error)
  })
  app.setNotFoundHandler((request, reply) => {
    const error = new AwsError(
      'UnknownOperationException',
      `${request.method.slice(0, 10)} ${(request.raw.url ?? '').slice(0, 80)} is no route of enid`,
      { hint: 'GET /openapi.json lists them; the ECS protocol is POST /' },
    )
    return sendRestError(reply, error)
  })
}

/** What fastify refused before a route was reached, in our words; undefined for everything else. */
function fastifysOwn(error: FastifyError, request: FastifyRequest): AwsError | undefined {
  const { code = '', validation, validationContext: part = 'request', statusCode = 500 } = error
  if (validation !== undefined) {
    const schema = (request.routeOptions.schema as Record<string, unknown> | undefined)?.[part]
    return validationError(validation as unknown as readonly Validation[], { part, schema })
  }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    const rule = `the request body has more than ${BODY_MAX} bytes`
    return new AwsError('RequestEntityTooLargeException', rule)
  }
  if (!code.startsWith('FST_ERR_') || statusCode >= 500) return undefined
  return new AwsError('SerializationException', error.message, { restStatus: statusCode })
}
