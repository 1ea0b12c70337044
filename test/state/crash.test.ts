// Goal: wherever the agent dies and whenever the stop comes, its next life finishes the work: a
// running task holds everything, a stopped task leaves nothing. Method: every instant of death ×
// every stop × both orders, for every kind of holder. Journal and world outlive the agent.

import { expect, test } from 'vitest'
import { consequence } from '../../state/exits.ts'
import type { Spec } from '../../state/spec.ts'
import type { Event, Need, Others } from '../../state/task.ts'
import { learn, newHolder, nextSteps, rowState, rows } from '../../state/task.ts'
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
    const isFirm = (need: Need) => step.verb === 'ensure' || !need.isUpOnly
    const missing = row?.needs.filter(
      (need) => !need.holder && isFirm(need) && !world.has(need.row),
    )
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

// P4
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

/** The container as Docker keeps it: how often it was started, and the exit it is in. */
type Run = { starts: number; exitId?: string }
const exit = { exitCode: 1, ranMs: 60_000 }
const WEB = 'container:web'

/** A life in which the container ends at turn `exitAt`, and is told to have ended twice. */
function liveOn(start: Spec, journal: Event[], web: Run[], life: Life & { exitAt?: number }): void {
  let instant = 0
  const survive = () => {
    if (instant++ === life.dieAt) throw new Death()
  }
  const holder = () => journal.reduce(learn, newHolder(start))
  const follow = () => {
    const next = consequence(holder())
    if (next !== undefined) say(next)
  }
  const say = (event: Event) => {
    journal.push(event)
    survive()
    follow()
  }
  for (let turn = 0; turn < turnsMax; turn++) {
    if (turn === life.stopAt)
      say({ type: 'stopAsked', stop: { code: 'UserInitiated', reason: '' } })
    const [run] = web
    if (turn === life.exitAt && run !== undefined) run.exitId ??= `exit ${run.starts}`
    const isTold = run?.exitId !== undefined && rowState(holder(), WEB).is !== 'none'
    for (const _ of isTold ? [1, 2] : []) {
      if (holder().facts.web?.exitCode !== undefined) break
      say({ type: 'exited', container: 'web', ...exit, exitId: run?.exitId ?? '' })
    }
    follow()
    const step = nextSteps(holder(), ground).at(life.pick)
    if (step === undefined && turn < (life.exitAt ?? 0)) continue
    if (step === undefined) return
    survive()
    journal.push({ type: 'began', verb: step.verb, row: step.row })
    survive()
    // What the driver does, by its contract: find it or make it; start what is in the answered exit.
    if (step.row === WEB && step.verb === 'release') web.length = 0
    if (step.row === WEB && step.verb === 'ensure') {
      if (web[0] === undefined) web.push({ starts: 1 })
      else if (
        web[0].exitId !== undefined &&
        web[0].exitId === holder().facts.web?.answeredExitId
      ) {
        web[0] = { starts: web[0].starts + 1 }
      }
    }
    survive()
    say({ type: 'done', verb: step.verb, row: step.row })
  }
  throw new Error(`did not settle in ${turnsMax} turns`)
}

// P71
test('an exit is answered by one start, wherever the agent dies and whenever the exit comes', () => {
  const start = SPECS['a task whose container is started again']
  let answered = 0
  for (const exitAt of [undefined, ...Array.from({ length: 12 }, (_, i) => i)]) {
    for (const pick of [0, -1] as const) {
      for (let dieAt = 0; dieAt < 80; dieAt++) {
        const journal: Event[] = []
        const web: Run[] = []
        let died = false
        try {
          liveOn(start, journal, web, { dieAt, pick, ...(exitAt === undefined ? {} : { exitAt }) })
        } catch (error) {
          if (!(error instanceof Death)) throw error
          died = true
        }
        const isOut = web[0]?.exitId !== undefined
        const before = web[0]?.starts ?? 0
        liveOn(start, journal, web, { pick })
        const said = `died at ${dieAt}, exit at ${exitAt}: ${JSON.stringify(web)}`
        expect(web[0]?.exitId, said).toBeUndefined()
        expect(web[0]?.starts, said).toBe(isOut ? before + 1 : Math.max(1, before))
        const { restartCount = 0 } = journal.reduce(learn, newHolder(start)).facts.web ?? {}
        expect(restartCount, said).toBe((web[0]?.starts ?? 0) - 1)
        answered += restartCount
        liveOn(start, journal, web, { pick, stopAt: 0 })
        expect(web, said).toEqual([])
        if (!died) break
      }
    }
  }
  expect(answered).toBeGreaterThan(50)
})
