// Row 8: what EC2 is asked for a task, as the lab's log counts it; and five starts and stops a second
// at an account's whole rates, and a hundred hosts that share them. Those two are simulated (the real
// runner, journal and budget on virtual time, with EC2's own buckets and the lab's `aws` times), so
// their figures are the same on every machine: test/sim/rates.test.ts holds them.

import { setTimeout as pause } from 'node:timers/promises'
import { Account, Agent } from '../../test/sim/account.ts'
import { quantile, short } from '../pairs.ts'
import type { Figure, Row } from '../row.ts'
import type { Stage } from '../stage.ts'

export const row: Row = {
  what: 'calls to EC2 a task, and what an account gives by the second',
  minutes: 2,
  run: async (stage) => [...(await calls(stage)), ...(await pace()), ...(await fleet())],
}

type Summary = { readonly actions: Readonly<Record<string, { readonly calls: number }>> }

/** Of ten tasks one after the other, at half: a describe that the agent makes in its own time is no task's. */
async function calls(stage: Stage): Promise<Figure[]> {
  const host = await stage.host()
  const docker = stage.docker()
  const family = await host.define('calls', [
    {
      ...{ name: 'app', image: await docker.image(), memory: 64, stopTimeout: 1 },
      command: ['/busybox', 'sleep', '3600'],
    },
  ])
  const counted = async (): Promise<[number, string]> => {
    const { actions } = await host.lab.ask<Summary>('GET', '/lab/calls')
    const all = Object.entries(actions)
    const words = all.map(([name, { calls: n }]) => `${n} ${name}`).join(', ')
    return [all.reduce((sum, [, { calls: n }]) => sum + n, 0), words]
  }
  const tasks = 10
  const starting: number[] = []
  const stopping: number[] = []
  let words = ''
  // The first knows no subnet yet.
  for (let n = -1; n < tasks; n++) {
    const before = await counted()
    const [id = ''] = await host.run(family)
    await host.reached(id, 'RUNNING')
    await pause(300)
    const between = await counted()
    await host.stop(id)
    const after = await counted()
    if (n < 0) continue
    starting.push(between[0] - before[0])
    stopping.push(after[0] - between[0])
    words = after[1]
  }
  return [
    {
      what: 'EC2 calls a cold start',
      value: quantile(starting, 0.5),
      unit: 'calls',
      goal: { most: 3 },
      raw: `${starting.join(' ')}; in all ${words}`,
    },
    {
      what: 'EC2 calls a stop',
      value: quantile(stopping, 0.5),
      unit: 'calls',
      goal: { most: 2 },
      raw: stopping.join(' '),
    },
  ]
}

async function pace(): Promise<Figure[]> {
  const account = new Account(7)
  const agent = new Agent(account, 0, 1)
  for (let n = 0; n < 350; n++) {
    agent.start(`t${n}`)
    if (n >= 50) agent.stop(`t${n - 50}`)
    await account.pass(200)
  }
  await account.pass(30_000)
  const late = account.throttles.filter(({ at }) => at > 1_000).length
  const [starts, stops] = [agent.startsMs(), agent.stopsMs()]
  const times = (ms: readonly number[]) =>
    `${ms.length}: p50 ${short(quantile(ms, 0.5))} ms, p99 ${short(quantile(ms, 0.99))} ms`
  return [
    {
      what: '5 starts and 5 stops a second for a minute (simulated): tasks that failed',
      ...{ value: agent.failures().length, unit: 'tasks', goal: { most: 0 } },
      raw: `starts ${times(starts)}; stops ${times(stops)}`,
    },
    {
      what: 'the same: throttles after the first second',
      ...{ value: late, unit: 'calls', goal: { most: 0 } },
      raw: [...account.calls].map(([name, n]) => `${n} ${name}`).join(', '),
    },
  ]
}

async function fleet(): Promise<Figure[]> {
  const account = new Account(3)
  const agents = Array.from({ length: 100 }, (_, n) => new Agent(account, n, 0.01))
  for (let turn = 0; turn < 600; turn++) {
    const nth = Math.floor(turn / 100)
    agents[turn % 100]?.start(`${turn % 100}-${nth}`)
    if (nth >= 2) agents[turn % 100]?.stop(`${turn % 100}-${nth - 2}`)
    await account.pass(200)
  }
  await account.pass(300_000)
  const waits = agents.map((agent) => {
    const all = agent.startsMs()
    return all.reduce((a, b) => a + b, 0) / all.length
  })
  const [half, most] = [quantile(waits, 0.5), quantile(waits, 1)]
  return [
    {
      what: "100 agents on one account (simulated): the slowest one's start ÷ the median one's",
      ...{ value: most / half, goal: { most: 1.5 } },
      raw: `${short(half)} and ${short(most)} ms; ${account.throttles.length} throttles`,
    },
  ]
}
