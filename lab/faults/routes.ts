// The lab's routes for misbehaving on request: /lab/faults and /lab/profile.

import type { ControlRoute } from '../control.ts'
import { Refusal } from '../model/refusal.ts'
import { KINDS } from './kinds.ts'
import { PROFILES } from './profile.ts'
import { readFault, readProfile } from './read-fault.ts'
import type { Switchboard } from './switchboard.ts'

/** The routes of a switchboard. */
export function faultRoutes(faults: Switchboard): ControlRoute[] {
  return [
    {
      method: 'GET',
      path: '/lab/faults',
      answer: () => ({
        profile: faults.profile,
        faults: faults.all(),
        known: [...KINDS].map(([name, { family, summary, options, defaults = {} }]) => ({
          name,
          family,
          summary,
          options,
          defaults,
        })),
        profiles: Object.keys(PROFILES),
      }),
    },
    {
      method: 'POST',
      path: '/lab/faults',
      answer: ({ body }) => {
        const { name, options } = readFault(body)
        return faults.add(name, options)
      },
    },
    {
      method: 'DELETE',
      path: '/lab/faults',
      answer: () => {
        faults.clear()
        return { removed: 'all' }
      },
    },
    {
      method: 'DELETE',
      path: '/lab/faults/:id',
      answer: ({ id }) => {
        if (faults.remove(id)) return { removed: id }
        const on = faults.all().map((fault) => fault.id)
        throw new Refusal(
          'NoSuchFault',
          `There is no fault '${id}'. On are: ${on.join(', ') || 'none'}.`,
          404,
        )
      },
    },
    {
      method: 'POST',
      path: '/lab/profile',
      answer: ({ body }) => {
        const profile = readProfile(body)
        faults.setProfile(profile)
        return profile
      },
    },
  ]
}
