// Row 5: a thousand tasks started and stopped, one after the other, in parts of docker's own floor for
// the same containers: created, started, killed, removed. Every one of them must go through; the first
// that does not ends the row.
//
//   a task up and down ─ the floor up and down ─ the floor ─ a task ─ …

import { openFloor } from '../floor.ts'
import { alternate, spread } from '../pairs.ts'
import type { Row } from '../row.ts'
import { openApp } from '../task-side.ts'

const LIFECYCLES = 1000

export const row: Row = {
  what: "a thousand starts and stops, wall time in parts of docker's floor for the same containers",
  minutes: 30,
  async run(stage) {
    const docker = stage.docker()
    const births = stage.births()
    const [app, floor] = [await openApp(docker, births), await openFloor(docker)]
    const host = await stage.host()
    await app.define(host)
    const count = stage.count(LIFECYCLES)
    let n = 0
    const sides = {
      async task() {
        const word = `life-${n++}`
        const from = performance.now()
        const [id] = await Promise.all([app.run(host, word), births.of(word)])
        await host.reached(id, 'RUNNING')
        await host.stop(id)
        return performance.now() - from
      },
      async floor() {
        const word = `floor-${n++}`
        const from = performance.now()
        const [pair] = await Promise.all([floor.start(app.plan(word)), births.of(word)])
        await floor.end(pair)
        return performance.now() - from
      },
    }
    const onTurn = (turn: number) => {
      if (turn % 50 === 0 || turn === count) stage.tell(`${turn} of ${count}`)
    }
    const { task, floor: own } = await alternate(sides, count, { onTurn })
    const sum = (all: readonly number[]) => all.reduce((a, b) => a + b, 0)
    return [
      {
        what: "starts and stops in a row ÷ docker's floor: wall time",
        value: sum(task) / sum(own),
        goal: { most: 1.15 },
        raw: `${task.length} tasks, every one up and down: ${spread(task)}; the floor: ${spread(own)}`,
      },
    ]
  },
}
