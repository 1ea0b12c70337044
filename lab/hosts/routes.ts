// The lab's routes for its hosts: /lab/hosts.

import type { ControlRoute } from '../control.ts'
import { Refusal } from '../model/refusal.ts'
import type { Hosts, HostWish } from './hosts.ts'

/** The routes of a lab's hosts. */
export function hostRoutes(hosts: Hosts): ControlRoute[] {
  return [
    { method: 'GET', path: '/lab/hosts', answer: () => ({ hosts: hosts.list() }) },
    { method: 'POST', path: '/lab/hosts', answer: ({ body }) => hosts.add(readHostWish(body)) },
    { method: 'GET', path: '/lab/hosts/:id', answer: ({ id }) => hosts.get(id) },
    {
      method: 'DELETE',
      path: '/lab/hosts/:id',
      answer: async ({ id }) => {
        const { name, instanceId } = await hosts.remove(id)
        return { removed: name, instanceId }
      },
    },
  ]
}

const READERS = {
  name: text,
  instanceType: text,
  subnetId: text,
  groupIds: texts,
  groupNames: texts,
  docker: flag,
} as const satisfies Record<keyof HostWish, (name: string, value: unknown) => unknown>

/** Reads the body of POST /lab/hosts; every member is optional, and an unknown one is refused. */
export function readHostWish(body: unknown): HostWish {
  if (body === undefined || body === null) return {}
  if (typeof body !== 'object' || Array.isArray(body)) throw bad('The body must be an object.')
  const wish: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(body)) {
    const read = Object.hasOwn(READERS, name) ? READERS[name as keyof HostWish] : undefined
    if (read === undefined) {
      throw bad(`Unknown field '${name}'. Allowed: ${Object.keys(READERS).join(', ')}.`)
    }
    wish[name] = read(name, value)
  }
  return wish
}

function text(name: string, value: unknown): string {
  if (typeof value === 'string') return value
  throw bad(`${name} must be a text.`)
}

function texts(name: string, value: unknown): string[] {
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return value
  throw bad(`${name} must be a list of texts.`)
}

function flag(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw bad(`${name} must be true or false.`)
}

const bad = (message: string): Refusal => new Refusal('BadRequest', message)
