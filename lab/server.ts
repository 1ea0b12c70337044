// The lab's HTTP server, on loopback only: EC2 at /, IMDS at /latest/… for this host, and the lab's
// own routes at /lab/…. Each other host has one in its namespace, without the lab's own. A browser is kept out twice: the Host header must name this machine
// (so no rebound DNS name gets in), and a request with an Origin is refused (so no page can post).

import { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { controlRoutes } from './control.ts'
import { answerQuery, type Reply, refused } from './ec2/call.ts'
import { refuse } from './imds/answer.ts'
import type { Lab } from './lab.ts'
import { Refusal } from './model/refusal.ts'
import type { Instance } from './model/world.ts'

/** The most that a request's body may have. */
export const BODY_BYTES_MAX = 1 << 20
/** How long a request may take to come. */
export const REQUEST_TIMEOUT_MS = 30_000

const FORM = 'application/x-www-form-urlencoded'
const HOSTS = /^(127\.0\.0\.1|localhost|\[::1\]|169\.254\.169\.254)(:\d{1,5})?$/i

/**
 * Makes the server; the caller listens and closes. `down` is called once its answer has gone out,
 * and told whether the VPC is to go on.
 */
export function makeServer(lab: Lab, down: (keep: boolean) => void): FastifyInstance {
  const app = bareServer(
    'EC2 is at / (GET, POST), IMDS at /latest/, the lab at /lab/status, env, calls, probes, ' +
      'hosts, faults, profile, reset and down.',
  )
  routeEc2(app, lab)
  routeImds(app, lab, () => lab.host)
  routeControl(app, lab, down)
  return app
}

/** Makes the server of another host: who asks IMDS there is that instance. The caller listens. */
export function makeHostServer(lab: Lab, instance: () => Instance | undefined): FastifyInstance {
  const app = bareServer(
    'EC2 is at / (GET, POST), IMDS at /latest/; the routes /lab/ are where the lab itself runs.',
  )
  routeEc2(app, lab)
  routeImds(app, lab, instance)
  return app
}

function bareServer(whatIsWhere: string): FastifyInstance {
  const app = fastify({
    bodyLimit: BODY_BYTES_MAX,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: {
      requireHostHeader: false, // A request without a Host is refused below, in words.
      headersTimeout: REQUEST_TIMEOUT_MS, // Were it more than the other, Node would swap the two.
      connectionsCheckingInterval: 1000, // By itself Node looks every 30 s.
    },
    frameworkErrors: (error, request, reply) => answerError(request, reply, error),
    clientErrorHandler: (error, socket) => {
      if (!socket.writable) return
      const { body } = refused(clientError(error))
      const status = isLate(error) ? '408 Request Timeout' : '400 Bad Request'
      const head = `HTTP/1.1 ${status}\r\nContent-Type: ${XML}\r\nConnection: close\r\n`
      socket.end(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
    },
  })
  app.addContentTypeParser(FORM, { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.addHook('onRequest', async (request) => checkCaller(request))
  app.setErrorHandler((error, request, reply) => answerError(request, reply, error))
  app.setNotFoundHandler((request, reply) =>
    answerError(
      request,
      reply,
      new Refusal(
        'InvalidRequest',
        `Nothing answers ${request.method} ${pathOf(request)}: ${whatIsWhere}`,
        404,
      ),
    ),
  )
  return app
}

const isLate = ({ code }: NodeJS.ErrnoException): boolean => code === 'ERR_HTTP_REQUEST_TIMEOUT'

const clientError = (error: NodeJS.ErrnoException): Refusal =>
  isLate(error)
    ? new Refusal('RequestTimeout', `The request was not whole after ${REQUEST_TIMEOUT_MS} ms.`)
    : new Refusal('InvalidRequest', `Not HTTP: ${error.message}`)

function routeEc2(app: FastifyInstance, lab: Lab): void {
  app.route({
    method: ['GET', 'POST'],
    url: '/',
    handler: async (request, reply) => {
      const query = request.raw.url?.split('?', 2)[1] ?? ''
      const body = bodyText(request.body)
      const both = [query, body].filter((part) => part !== '').join('&')
      return deliver(reply, await answerQuery(lab, both))
    },
  })
}

function routeImds(app: FastifyInstance, lab: Lab, who: () => Instance | undefined): void {
  app.all('/latest/*', async (request, reply) => {
    const { method, headers } = request
    const asked = { method, path: request.raw.url ?? '', headers }
    const instance = who()
    const answer = instance === undefined ? undefined : lab.imds.answer(instance, asked)
    if (answer === undefined) return cut(reply, 'close')
    return reply.code(answer.status).headers(answer.headers).send(answer.body)
  })
}

function routeControl(app: FastifyInstance, lab: Lab, down: (keep: boolean) => void): void {
  let stopping: { readonly keep: boolean } | undefined
  const routes = controlRoutes(lab, (keep) => {
    stopping = { keep }
  })
  for (const { method, path, answer } of routes) {
    app.route<{ Params: { id?: string }; Querystring: Record<string, unknown> }>({
      method,
      url: path,
      handler: async (request, reply) => {
        const { body, params, query } = request
        if (Buffer.isBuffer(body)) {
          throw new Refusal('UnsupportedMediaType', 'Send application/json, or no body.', 415)
        }
        const port = request.socket.localPort ?? 0
        const answered = await answer({ port, id: params.id ?? '', query, body })
        if (stopping !== undefined) {
          const { keep } = stopping
          reply.raw.once('close', () => down(keep))
        }
        if (answered instanceof Readable) reply.type('application/x-ndjson')
        return reply.send(answered)
      },
    })
  }
}

function checkCaller({ headers }: FastifyRequest): void {
  if (!HOSTS.test(headers.host ?? '')) {
    throw new Refusal(
      'AuthFailure',
      `The Host header is '${headers.host ?? ''}': the lab answers for 127.0.0.1 and localhost.`,
      403,
    )
  }
  if (headers.origin === undefined) return
  throw new Refusal('AuthFailure', 'The lab answers no web page: an Origin header is set.', 403)
}

function bodyText(body: unknown): string {
  if (body === undefined || body === null) return ''
  if (!Buffer.isBuffer(body)) throw wrongType()
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    throw new Refusal('MalformedQueryString', 'The body is not UTF-8.')
  }
}

/** Every error in the form of whoever was asked: EC2's XML, IMDS's text, the lab's JSON. */
function answerError(request: FastifyRequest, reply: FastifyReply, error: unknown): FastifyReply {
  const refusal = asRefusal(error, request)
  const path = pathOf(request)
  if (path.startsWith('/latest/')) {
    const answer = refuse(refusal.status, refusal.message)
    return reply.code(answer.status).headers(answer.headers).send(answer.body)
  }
  if (path.startsWith('/lab/')) {
    const { code, message } = refusal
    return reply.code(refusal.status).send({ error: { code, message } })
  }
  return sendXml(reply, refused(refusal))
}

function asRefusal(error: unknown, request: FastifyRequest): Refusal {
  if (error instanceof Refusal) return error
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new Refusal(
      'RequestEntityTooLarge',
      `The request's body is larger than ${BODY_BYTES_MAX} bytes.`,
      413,
    )
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return wrongType(request)
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
  const message = error instanceof Error ? error.message : String(error)
  if (status < 500) return new Refusal('InvalidRequest', message, status)
  return new Refusal('InternalError', `An internal error has occurred in the lab: ${message}`, 500)
}

function wrongType(request?: FastifyRequest): Refusal {
  const ecs =
    request?.headers['x-amz-target'] === undefined
      ? ''
      : ' ECS is not here: it is at AWS_ENDPOINT_URL_ECS.'
  return new Refusal(
    'UnsupportedMediaType',
    `The Content-Type is '${request?.headers['content-type'] ?? ''}': EC2 takes ${FORM}, the ` +
      `lab's own routes application/json.${ecs}`,
    415,
  )
}

/** Sends EC2's answer as it is to go out: whole, in drops, or not at all. */
function deliver(reply: FastifyReply, { delivery = 'whole', ...answer }: Reply): FastifyReply {
  if (delivery === 'whole') return sendXml(reply, answer)
  if (delivery === 'close' || delivery === 'reset') return cut(reply, delivery)
  const body = Readable.from(drops(answer.body, delivery.overMs))
  return sendXml(reply, { ...answer, body })
}

/** Ends the connection without an answer. */
function cut(reply: FastifyReply, how: 'close' | 'reset'): FastifyReply {
  reply.hijack()
  const { socket } = reply.raw
  if (how === 'reset') socket?.resetAndDestroy()
  else socket?.destroy()
  return reply
}

/** A body in ten parts, the last of them after the whole time. */
async function* drops(body: string, overMs: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(body)
  const size = Math.ceil(bytes.length / DROPS)
  for (let at = 0; at < bytes.length; at += size) {
    await setTimeout(overMs / DROPS, undefined, { ref: false })
    yield bytes.subarray(at, at + size)
  }
}

const DROPS = 10

const XML = 'text/xml;charset=UTF-8'

type Xml = Pick<Reply, 'status' | 'requestId'> & { readonly body: string | Readable }

const sendXml = (reply: FastifyReply, { status, requestId, body }: Xml): FastifyReply =>
  reply.code(status).header('x-amzn-requestid', requestId).header('content-type', XML).send(body)

const pathOf = (request: FastifyRequest): string => request.raw.url?.split('?', 1)[0] ?? ''
