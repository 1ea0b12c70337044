// Goal: wherever the agent dies and whenever the stop comes, its next life finishes the work: a
// running task holds everything, a stopped task leaves nothing. Method: every instant of death ×
// every stop × both orders, for every kind of holder. Journal and world outlive the agent.

import { expect, test } from 'vitest'
import type { Spec } from '../../state/spec.ts'
import type { Event, Others } from '../../state/task.ts'
import { learn, newHolder, nextSteps, rows } from '../../state/task.ts'
import { SPECS } from './specs.ts'

type Life = { dieAt?: number; stopAt?: number | undefined; pick: 0 | -1 }
class Death extends Error {}

const ground: Others = { holding: () => 'held', standsOn: () => false }
const turnsMax = 40

function live(start: Spec, journal: Event[], world: Set<string>, { dieAt, stopAt, pick }: Life) {
  let instant = 0
  const survive = () => {
    if (instant++ === dieAt) throw new Death()
  }
  for (let turn = 0; turn < turnsMax; turn++) {
    if (turn === stopAt) {
      journal.push({ type: 'stopAsked', stop: { code: 'UserInitiated', reason: '' } })
    }
    const step = nextSteps(journal.reduce(learn, newHolder(start)), ground).at(pick)
    if (step === undefined) return
    survive()
    journal.push({ type: 'began', verb: step.verb, row: step.row })
    survive()
    const row = rows(start).find(({ id }) => id === step.row)
    const missing = row?.needs.filter((need) => !need.holder && !world.has(need.row))
    expect(missing, `${step.verb} ${step.row}`).toEqual([]) // Nothing stands on air.
    if (step.verb === 'ensure') world.add(step.row)
    else world.delete(step.row)
    survive()
    journal.push({ type: 'done', verb: step.verb, row: step.row })
    const name = /^container:(.*)/.exec(step.row)?.[1]
    if (name) journal.push({ type: 'healthSeen', container: name, healthy: true })
  }
  throw new Error(`did not settle in ${turnsMax} turns`)
}

const stops = [undefined, ...Array.from({ length: 16 }, (_, i) => i)]

test.each(Object.entries(SPECS))(
  '%s dies anywhere, is stopped anywhere, and settles',
  (_n, start) => {
    for (const stopAt of stops) {
      const settled = stopAt === undefined ? rows(start).map(({ id }) => id) : []
      for (const pick of [0, -1] as const) {
        for (let dieAt = 0; dieAt < 60; dieAt++) {
          const journal: Event[] = []
          const world = new Set<string>()
          let died = false
          try {
            live(start, journal, world, { dieAt, stopAt, pick })
          } catch (error) {
            if (!(error instanceof Death)) throw error
            died = true
          }
          live(start, journal, world, { stopAt: stopAt === undefined ? undefined : 0, pick })
          expect([...world].sort(), `died at ${dieAt}, stopped at ${stopAt}`).toEqual(
            settled.sort(),
          )
          // It lived through: there is no later instant to die at.
          if (!died) break
        }
      }
    }
  },
)
