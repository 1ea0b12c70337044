// IMDS's rules, as a function from request to answer: a token first, by PUT and with a lifetime; every
// GET shows it, unless the instance's options make tokens optional (IMDSv1); nobody's proxy may ask.
// Used by the loopback server for this host, and by the listeners in the fabric for whoever calls
// from an ENI.
//
//   PUT /latest/api/token ──▶ token ──▶ GET /latest/meta-data/…  200, 401 (token), 404 (no such)

import { metadataOptionsOf } from '../model/metadata-options.ts'
import type { Instance, World } from '../model/world.ts'
import { metadata } from './metadata.ts'
import { TOKEN_SECONDS_MAX, type Tokens } from './token.ts'

/** A request as IMDS sees it. Header names are in lower case, as Node gives them. */
export type ImdsRequest = {
  readonly method: string
  /** The path as it was written; a query is ignored. */
  readonly path: string
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
}

/** An answer: always plain text but for the identity document. */
export type ImdsAnswer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** The most hops it may travel, where that is not as ever: a token's are the instance's own. */
  readonly hopLimit?: number
}

const TTL_HEADER = 'x-aws-ec2-metadata-token-ttl-seconds'
const TOKEN_HEADER = 'x-aws-ec2-metadata-token'

/** What an instance is told, made from what is so: identity, unless IMDS is to misbehave. */
export type Alteration = (leaves: ReadonlyMap<string, string>) => ReadonlyMap<string, string>

/** Answers an instance's request. */
export function answerImds(
  world: World,
  instance: Instance,
  tokens: Tokens,
  request: ImdsRequest,
  nowMs: number,
  alter: Alteration = (leaves) => leaves,
): ImdsAnswer {
  const { method, headers } = request
  const path = request.path.split('?', 1)[0] ?? ''
  const options = metadataOptionsOf(instance)
  if (options.httpEndpoint === 'disabled') {
    return refuse(403, 'Forbidden: IMDS is off for this instance (HttpEndpoint is disabled)')
  }
  if (headers['x-forwarded-for'] !== undefined) {
    return refuse(403, 'Forbidden: X-Forwarded-For is set, and IMDS answers no proxy')
  }
  if (method === 'PUT') return giveToken(instance, tokens, path, headers[TTL_HEADER], nowMs)
  if (method !== 'GET' && method !== 'HEAD') {
    return refuse(405, `Method Not Allowed: ${method}; use PUT for a token and GET for data`)
  }
  const token = headers[TOKEN_HEADER]
  const isV1 = token === undefined && options.httpTokens === 'optional'
  const isGood = typeof token === 'string' && tokens.accepts(instance.instanceId, token, nowMs)
  if (!isV1 && !isGood) {
    return refuse(401, `Unauthorized: send ${TOKEN_HEADER} with a token from PUT /latest/api/token`)
  }
  const found = look(alter(metadata(world, instance)), path)
  return found ?? refuse(404, `Not Found: ${path}`)
}

function giveToken(
  instance: Instance,
  tokens: Tokens,
  path: string,
  ttl: ImdsRequest['headers'][string],
  nowMs: number,
): ImdsAnswer {
  if (path !== '/latest/api/token') {
    return refuse(403, 'Forbidden: PUT is for /latest/api/token alone')
  }
  const seconds = typeof ttl === 'string' && /^[1-9]\d{0,4}$/.test(ttl) ? Number(ttl) : 0
  if (seconds < 1 || seconds > TOKEN_SECONDS_MAX) {
    return refuse(400, `Bad Request: ${TTL_HEADER} must be 1 to ${TOKEN_SECONDS_MAX} seconds`)
  }
  return {
    status: 200,
    headers: { ...TEXT, [TTL_HEADER]: String(seconds) },
    body: tokens.issue(instance.instanceId, seconds, nowMs),
    hopLimit: metadataOptionsOf(instance).httpPutResponseHopLimit,
  }
}

/** A leaf's value, or the names in a folder: one a line, folders with a slash at their end. */
function look(leaves: ReadonlyMap<string, string>, path: string): ImdsAnswer | undefined {
  if (!path.startsWith('/latest/')) return undefined
  const asked = path.slice('/latest/'.length).replace(/\/+$/, '')
  const leaf = leaves.get(asked)
  if (leaf !== undefined) {
    const json = asked === 'dynamic/instance-identity/document'
    return { status: 200, headers: json ? JSON_TYPE : TEXT, body: leaf }
  }
  const folder = asked === '' ? '' : `${asked}/`
  const names = new Set<string>()
  for (const key of leaves.keys()) {
    if (!key.startsWith(folder)) continue
    const rest = key.slice(folder.length)
    const slash = rest.indexOf('/')
    names.add(slash < 0 ? rest : rest.slice(0, slash + 1))
  }
  if (names.size === 0) return undefined
  return { status: 200, headers: TEXT, body: [...names].sort().join('\n') }
}

/** An answer that says no, with the reason in words. */
export function refuse(status: number, reason: string): ImdsAnswer {
  return { status, headers: TEXT, body: `${reason}\n` }
}

const TEXT = { 'content-type': 'text/plain' }
const JSON_TYPE = { 'content-type': 'application/json' }
