// The lab's own routes, /lab/…: what the command and tests need beside EC2 and IMDS. Each is plain
// JSON in and out; a body is read strictly, and an unknown field is refused by name.

import { faultRoutes } from './faults/routes.ts'
import { flowRoutes } from './flows/routes.ts'
import { hostRoutes } from './hosts/routes.ts'
import type { Lab } from './lab.ts'
import { Refusal } from './model/refusal.ts'
import type { ProbeWish } from './probes.ts'

/** A route of the lab's own: what it answers is sent as JSON, a stream as lines of JSON. */
export type ControlRoute = {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly answer: (request: ControlRequest) => object | Promise<object>
}

/** A request as a route sees it. `port` is the server's own. */
export type ControlRequest = {
  readonly port: number
  /** The last part of the path, where the route has one. */
  readonly id: string
  readonly query: Readonly<Record<string, unknown>>
  readonly body: unknown
}

/** The routes of a lab. `down` ends it, after the answer has been sent; `keep`: its VPC goes on. */
export function controlRoutes(lab: Lab, down: (keep: boolean) => void): ControlRoute[] {
  return [
    { method: 'GET', path: '/lab/status', answer: ({ port }) => lab.status(port) },
    { method: 'GET', path: '/lab/env', answer: ({ port }) => lab.env(port) },
    { method: 'GET', path: '/lab/calls', answer: () => lab.calls.summary() },
    {
      method: 'POST',
      path: '/lab/probes',
      answer: ({ body }) => lab.probes.add(readProbeWish(body)),
    },
    {
      method: 'DELETE',
      path: '/lab/probes/:id',
      answer: async ({ id }) => {
        await lab.probes.remove(id)
        return { removed: id }
      },
    },
    ...hostRoutes(lab.hosts),
    ...faultRoutes(lab.faults),
    ...flowRoutes(lab),
    {
      method: 'POST',
      path: '/lab/reset',
      answer: async () => {
        await lab.reset()
        return { reset: true }
      },
    },
    {
      method: 'POST',
      path: '/lab/down',
      answer: ({ body }) => {
        const keep = readKeep(body)
        down(keep)
        return { down: true, ...(keep ? { keep } : {}) }
      },
    },
  ]
}

/** Reads the body of POST /lab/probes; every member is optional. */
export function readProbeWish(body: unknown): ProbeWish {
  if (body === undefined || body === null) return {}
  if (typeof body !== 'object' || Array.isArray(body)) throw bad('The body must be an object.')
  const fields = new Map<string, unknown>(Object.entries(body))
  const wish = {
    ...optional('name', text(fields, 'name')),
    ...optional('subnetId', text(fields, 'subnetId')),
    ...optional('groupIds', texts(fields, 'groupIds')),
    ...optional('groupNames', texts(fields, 'groupNames')),
    ...optional('public', flag(fields, 'public')),
  }
  const [unknown] = fields.keys()
  if (unknown !== undefined) {
    throw bad(`Unknown field '${unknown}'. Allowed: name, subnetId, groupIds, groupNames, public.`)
  }
  if (wish.name !== undefined && !/^[a-z0-9][a-z0-9-]{0,31}$/.test(wish.name)) {
    throw bad(`name is '${wish.name}'; use lower-case letters, digits and '-', at most 32.`)
  }
  return wish
}

/** Reads the body of POST /lab/down: `{"keep": true}`, or none. */
function readKeep(body: unknown): boolean {
  if (body === undefined || body === null) return false
  if (typeof body !== 'object' || Array.isArray(body)) throw bad('The body must be an object.')
  const { keep = false, ...rest } = body as { keep?: unknown }
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) throw bad(`Unknown field '${unknown}'. Allowed: keep.`)
  if (typeof keep !== 'boolean') throw bad('keep must be true or false.')
  return keep
}

function text(fields: Map<string, unknown>, name: string): string | undefined {
  const value = fields.get(name)
  fields.delete(name)
  if (value === undefined || typeof value === 'string') return value
  throw bad(`${name} must be a text.`)
}

function texts(fields: Map<string, unknown>, name: string): string[] | undefined {
  const value = fields.get(name)
  fields.delete(name)
  if (value === undefined) return undefined
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return value
  throw bad(`${name} must be a list of texts.`)
}

function flag(fields: Map<string, unknown>, name: string): boolean | undefined {
  const value = fields.get(name)
  fields.delete(name)
  if (value === undefined || typeof value === 'boolean') return value
  throw bad(`${name} must be true or false.`)
}

function optional<K extends string, V>(key: K, value: V | undefined): { [k in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [k in K]: V })
}

const bad = (message: string): Refusal => new Refusal('BadRequest', message)
