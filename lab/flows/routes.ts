// The lab's routes of what can be seen: flows, the rules' counters, and who may reach whom.

import type { ControlRoute } from '../control.ts'
import type { Lab } from '../lab.ts'
import { Refusal } from '../model/refusal.ts'
import type { Wish } from './flow.ts'
import { picture } from './picture.ts'

/** GET /lab/flows (with `follow`, as a stream of lines), GET /lab/rules and GET /lab/picture. */
export function flowRoutes(lab: Lab): ControlRoute[] {
  return [
    {
      method: 'GET',
      path: '/lab/flows',
      answer: async ({ query }) => {
        const { follow, ...wish } = readWish(query)
        await lab.seeing.hear()
        return follow ? lab.flows.follow(wish) : lab.flows.summary(wish)
      },
    },
    {
      method: 'GET',
      path: '/lab/rules',
      answer: async () => ({ rules: await lab.countedRules() }),
    },
    { method: 'GET', path: '/lab/picture', answer: () => picture(lab.region.world) },
  ]
}

/** Reads a query; a field that is unknown or empty is refused by name. */
export function readWish(query: Readonly<Record<string, unknown>>): Wish & { follow: boolean } {
  const given = new Map(Object.entries(query))
  const take = (name: string): string | undefined => {
    const value = given.get(name)
    given.delete(name)
    if (value === undefined || (typeof value === 'string' && value !== '')) return value
    throw bad(`${name} must be said once, and not be empty.`)
  }
  const flag = (name: string): boolean => {
    const value = take(name)
    if (value === undefined || value === 'false') return false
    if (value === 'true') return true
    throw bad(`${name} is '${value}'; it must be true or false.`)
  }
  const [follow, dropped] = [flag('follow'), flag('dropped')]
  const [eniId, group, since] = [take('eni'), take('group'), take('since')]
  const [unknown] = given.keys()
  if (unknown !== undefined) {
    throw bad(`Unknown field '${unknown}'. Allowed: follow, dropped, eni, group, since.`)
  }
  const sinceMs = since === undefined ? undefined : Date.parse(since)
  if (Number.isNaN(sinceMs)) {
    throw bad(`since is '${since}'; it must be a time such as 2026-01-31T12:00:00Z.`)
  }
  return {
    follow,
    dropped,
    ...(eniId === undefined ? {} : { eniId }),
    ...(group === undefined ? {} : { group }),
    ...(sinceMs === undefined ? {} : { sinceMs }),
  }
}

const bad = (message: string): Refusal => new Refusal('BadRequest', message)
