// Row 4: thirty tasks at once. How long one of them waits for nobody but the agent, and how many the
// host starts in a second, in parts of what a client of Docker's API gets out of the same dockerd at the
// concurrency that suits it best.
//
//   30 tasks ─ 30 pairs at 4, 6, 8, 12 at once ─ the other way round ─ …

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Births } from '../births.ts'
import { socketOfDocker } from '../docker.ts'
import { openFloor, type Pair } from '../floor.ts'
import type { Host } from '../host.ts'
import { openObserver } from '../observer.ts'
import { alternate, median, short, spread } from '../pairs.ts'
import type { Figure, Row } from '../row.ts'
import type { Stage } from '../stage.ts'
import { type App, openApp } from '../task-side.ts'

const TASKS = 30
const AT_ONCE = [4, 6, 8, 12]
const ROUNDS = 5
/** The same pairs where Docker makes the pause no network either, as enid asks it: for the eye alone. */
const BARE_AT_ONCE = 8
const WITHOUT = `without a sandbox ${BARE_AT_ONCE} at once`

export const row: Row = {
  what: `${TASKS} tasks at once: the agent's own share, and tasks a second beside plain Docker at its best`,
  minutes: 8,
  async run(stage) {
    return [await ownShare(stage), await throughput(stage)]
  },
}

/** The whole account's budget: EC2's rates are not what is measured. */
const ALL_OF_EC2 = { ENID_EC2_SHARE: '1' }

type Born = { readonly id: string; readonly to: number }

/** Has them all run at once, and answers when each came to its first process. */
async function burst(host: Host, app: App, births: Births, name: string): Promise<Born[]> {
  const words = Array.from({ length: TASKS }, (_, n) => `${name}-${n}`)
  return await Promise.all(
    words.map(async (word) => {
      const [id, to] = await Promise.all([app.run(host, word), births.of(word)])
      return { id, to }
    }),
  )
}

async function end(host: Host, born: readonly Born[]): Promise<void> {
  for (const { id } of born) await host.reached(id, 'RUNNING')
  await Promise.all(born.map(({ id }) => host.stop(id)))
}

const perSecond = (from: number, ends: readonly number[]): number =>
  (TASKS * 1000) / (Math.max(...ends) - from)

async function ownShare(stage: Stage): Promise<Figure> {
  const births = stage.births()
  const app = await openApp(stage.docker(), births)
  const folder = mkdtempSync(join(tmpdir(), 'enid-observer-'))
  stage.defer(() => rmSync(folder, { recursive: true, force: true }))
  const observer = await openObserver(folder, socketOfDocker())
  stage.defer(() => observer.close())
  const env = (told: Readonly<Record<string, string>>) => ({
    ...{ ...observer.env(told), ...ALL_OF_EC2 },
  })
  const host = await stage.host({ env, sockets: TASKS })
  await app.define(host)
  const [own, latencies]: [number[], number[]] = [[], []]
  for (let round = -1; round < stage.count(ROUNDS); round++) {
    const from = performance.now()
    const born = await burst(host, app, births, `own${round + 1}`)
    const most = observer.mostStarts()
    for (const { id, to } of round < 0 ? [] : born) {
      latencies.push(to - from)
      own.push(observer.ownMs(await host.reached(id, 'RUNNING'), { from, to }, most))
    }
    await end(host, born)
    stage.tell(`own share, round ${round + 1} of ${stage.count(ROUNDS)}`)
  }
  return {
    what: "the agent's own share of a start in a burst: p50",
    value: median(own),
    unit: 'ms',
    goal: { most: 300 },
    raw: `own share: ${spread(own)}; RunTask to the first process: ${spread(latencies)}; at most ${observer.mostStarts()} starts at once`,
  }
}

/** Nobody looks on here: what an onlooker passes on takes this machine's time, of one side alone. */
async function throughput(stage: Stage): Promise<Figure> {
  const docker = stage.docker(Math.max(...AT_ONCE))
  const births = stage.births()
  const app = await openApp(docker, births)
  const floors = { none: await openFloor(docker), off: await openFloor(docker, 'off') }
  const host = await stage.host({ env: ALL_OF_EC2, sockets: TASKS })
  await app.define(host)
  let rounds = 0

  async function tasks(): Promise<number> {
    const from = performance.now()
    const born = await burst(host, app, births, `burst${rounds++}`)
    await end(host, born)
    return perSecond(
      from,
      born.map(({ to }) => to),
    )
  }

  async function plain(atOnce: number, network: 'none' | 'off' = 'none'): Promise<number> {
    const floor = floors[network]
    const name = `plain${rounds++}`
    const left = Array.from({ length: TASKS }, (_, n) => `${name}-${n}`)
    const pairs: Pair[] = []
    const from = performance.now()
    const born = left.map((word) => births.of(word))
    const client = async () => {
      for (let word = left.shift(); word !== undefined; word = left.shift()) {
        pairs.push(await floor.start(app.plan(word)))
      }
    }
    const [ends] = await Promise.all([Promise.all(born), ...Array.from({ length: atOnce }, client)])
    await Promise.all(pairs.map((pair) => floor.end(pair)))
    return perSecond(from, ends)
  }

  await tasks()
  const sides: Record<string, () => Promise<number>> = {
    tasks,
    ...Object.fromEntries(AT_ONCE.map((at) => [`${at} at once`, () => plain(at)])),
    [WITHOUT]: () => plain(BARE_AT_ONCE, 'off'),
  }
  const seen = await alternate(sides, stage.count(ROUNDS), {
    warmUp: 0,
    onTurn: (n) => stage.tell(`throughput, round ${n} of ${stage.count(ROUNDS)}`),
  })
  const of = (side: string): number => median(seen[side] ?? [])
  const theirs = AT_ONCE.map((at) => `${at} at once`)
  const raw = [...theirs, WITHOUT].map((side) => `${side} ${short(of(side))}/s`)
  return {
    what: 'tasks a second ÷ plain Docker at its best',
    value: of('tasks') / Math.max(...theirs.map(of)),
    goal: { least: 0.9 },
    raw: `tasks ${short(of('tasks'))}/s; plain: ${raw.join(', ')}`,
  }
}
