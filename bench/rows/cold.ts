// Row 2: a cold start, of which nothing is kept ready. First beside docker's own floor for the same two
// containers, with a lab that answers at once; then with EC2's own latencies, where docker's part and
// EC2's are told from the agent's by an onlooker (observer.ts).
//
//   a task ─ the floor ─ the other ─ the other ─ …      then tasks alone: own share = all − EC2 − dockerd − link

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { socketOfDocker } from '../docker.ts'
import { openFloor } from '../floor.ts'
import type { Host } from '../host.ts'
import { openObserver } from '../observer.ts'
import { alternate, compare, median, spread } from '../pairs.ts'
import type { Figure, Row } from '../row.ts'
import type { Stage } from '../stage.ts'
import { openApp } from '../task-side.ts'

/** Each waits for EC2's own pace, up and down: some 12 s. */
const OWN = 20

export const row: Row = {
  what: "a cold RunTask to the first process, in parts of docker's floor for the same two containers",
  minutes: 6,
  async run(stage) {
    return [...(await besideTheFloor(stage)), ...(await ownShare(stage))]
  },
}

async function besideTheFloor(stage: Stage): Promise<Figure[]> {
  const docker = stage.docker()
  const births = stage.births()
  const app = await openApp(docker, births)
  const floors = { none: await openFloor(docker), off: await openFloor(docker, 'off') }
  const host = await stage.host()
  await app.define(host)
  let n = 0
  const sideOf = (network: 'none' | 'off') => async (): Promise<number> => {
    const word = `${network}-${n++}`
    const from = performance.now()
    const [pair, at] = await Promise.all([floors[network].start(app.plan(word)), births.of(word)])
    await floors[network].end(pair)
    return at - from
  }
  const sides = {
    async task() {
      const word = `cold-${n++}`
      const from = performance.now()
      const [id, at] = await Promise.all([app.run(host, word), births.of(word)])
      await host.reached(id, 'RUNNING')
      await host.stop(id)
      return at - from
    },
    none: sideOf('none'),
    off: sideOf('off'),
  }
  const onTurn = (turn: number) => stage.tell(`${turn} of ${stage.pairs}`)
  const { task, none, off } = await alternate(sides, stage.pairs, { onTurn })
  return [
    ...compare(task, none, {
      what: "cold RunTask ÷ docker's floor",
      ...{ a: 'RunTask', b: 'the floor', p50: { most: 1.15 } },
    }),
    ...compare(task, off, {
      what: 'cold RunTask ÷ the floor without a sandbox of Docker’s',
      ...{ a: 'RunTask', b: 'that floor' },
    }),
  ]
}

async function ownShare(stage: Stage): Promise<Figure[]> {
  const docker = stage.docker()
  const births = stage.births()
  const app = await openApp(docker, births)
  const folder = mkdtempSync(join(tmpdir(), 'enid-observer-'))
  stage.defer(() => rmSync(folder, { recursive: true, force: true }))
  const observer = await openObserver(folder, socketOfDocker())
  stage.defer(() => observer.close())
  const host = await stage.host({ profile: 'aws', env: (told) => observer.env(told) })
  await app.define(host)
  const [own, all]: [number[], number[]] = [[], []]
  const count = stage.count(OWN)
  for (let n = -2; n < count; n++) {
    const word = `aws-${n + 2}`
    const from = performance.now()
    const [id, to] = await Promise.all([app.run(host, word), births.of(word)])
    const seen = await host.reached(id, 'RUNNING')
    if (n >= 0) {
      all.push(to - from)
      own.push(observer.ownMs(seen, { from, to }))
    }
    await goneFrom(host, id)
    if (n >= 0) stage.tell(`own share, ${n + 1} of ${count}`)
  }
  const raw = `own share: ${spread(own)}; all of it, with the latencies of profile aws: ${spread(all)}`
  return [
    {
      what: "the agent's own share of a cold start: p50",
      value: median(own),
      unit: 'ms',
      goal: { most: 50 },
      raw,
    },
  ]
}

/** EC2 may take a minute to detach, and more until the ENI is deleted. */
const GONE_MS = 180_000

/** StopTask, and waits until nothing of it is left. */
async function goneFrom(host: Host, id: string): Promise<void> {
  await host.agent.ask('DELETE', `/tasks/${id}`)
  const deadline = performance.now() + GONE_MS
  while ((await host.task(id)).lastStatus !== 'STOPPED') {
    if (performance.now() > deadline) throw new Error(`${id} is not stopped after 3 minutes`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
