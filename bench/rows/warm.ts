// Row 1: from RunTask to the first process of the task, in parts of what `docker run -d` on docker's
// bridge takes to its first process. Both are asked by this process, each over one kept connection to
// a unix socket: RunTask in the ECS protocol there, create and start in the Engine's API here. The
// container is the same, and so is what tells of the birth (task-side.ts, births.ts).
//
//   a task ─ a container ─ one with a port ─ one with a port ─ a container ─ a task ─ …
//
// Between samples what ran is removed, and nothing is measured until that is over and the pool of
// spares (one of one) is full and at rest again, whoever comes next. A launch that was not served by
// a spare in its own groups is an error: this row would measure something else.

import type { Host } from '../host.ts'
import { alternate, compare, type Side } from '../pairs.ts'
import type { Row } from '../row.ts'
import type { Stage } from '../stage.ts'
import { openApp } from '../task-side.ts'

export const row: Row = {
  what: 'RunTask to the first process, warm, in parts of docker run -d on the bridge',
  minutes: 6,
  gatePairs: 10,
  async run(stage) {
    const { task, container } = await open(stage)
    const port = {
      ExposedPorts: { '80/tcp': {} },
      HostConfig: { PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] } },
    }
    const sides = { task, plain: container({}), published: container(port) }
    const onTurn = (n: number) => stage.tell(`${n} of ${stage.pairs}`)
    const { task: a, ...others } = await alternate(sides, stage.pairs, { onTurn })
    const goals = { p50: { most: 0.6 }, p95: { most: 0.8 } }
    const beside = (b: readonly number[], name: string) =>
      compare(a, b, {
        what: `RunTask ÷ ${name}`,
        a: 'RunTask',
        b: name,
        ...goals,
        gate: { most: 0.85 },
      })
    return [
      ...beside(others.plain, 'docker run -d'),
      ...beside(others.published, 'docker run -d -p'),
    ]
  },
}

type Plan = { readonly ExposedPorts?: object; readonly HostConfig?: object }

async function open(stage: Stage): Promise<{ task: Side; container: (plan: Plan) => Side }> {
  const docker = stage.docker()
  const births = stage.births()
  const app = await openApp(docker, births)
  const host = await stage.host({ env: { ENID_SPARES: '1' } })
  await app.define(host)
  let n = 0
  const launch = async (): Promise<number> => {
    const word = `task-${n++}`
    const from = performance.now()
    const [id, at] = await Promise.all([app.run(host, word), births.of(word)])
    await host.reached(id, 'RUNNING')
    await host.stop(id)
    return at - from
  }
  // The pool follows what is launched here: the first task, which is cold, makes it.
  await launch()
  await isFull(host)
  let warm = 0
  return {
    async task() {
      const took = await launch()
      warm += 1
      const served = await isFull(host)
      if (served !== warm) throw new Error(`of ${warm} launches ${served} were warm`)
      return took
    },
    container: (ports) => async () => {
      const word = `container-${n++}`
      const { HostConfig, ...plan } = app.plan(word)
      const whole = { ...plan, ...ports, HostConfig: { ...HostConfig, ...ports.HostConfig } }
      const from = performance.now()
      const id = await docker.create(whole)
      const [, at] = await Promise.all([docker.start(id), births.of(word)])
      await docker.remove(id)
      return at - from
    },
  }
}

type Spares = {
  readonly leavingCount: number
  readonly pools: readonly {
    readonly wanted: number
    readonly ready: readonly string[]
    readonly making: readonly string[]
    readonly served: { readonly warm: number }
  }[]
}

/** Waits until the one pool is full and at rest; so many launches were served by it until then. */
async function isFull({ agent }: Host): Promise<number> {
  const deadline = performance.now() + LATE_MS
  for (;;) {
    const { spares } = await agent.ask<{ spares: Spares }>('GET', '/status')
    const [pool] = spares.pools
    const isAtRest = spares.leavingCount === 0 && pool?.making.length === 0
    if (pool !== undefined && isAtRest && pool.ready.length === pool.wanted) return pool.served.warm
    if (performance.now() > deadline) throw new Error(`no spare: ${JSON.stringify(spares)}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const LATE_MS = 60_000
