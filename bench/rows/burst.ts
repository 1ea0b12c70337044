// Row 4: thirty tasks at once. How long one of them waits for nobody but the agent, and how many the
// host starts in a second, in parts of what a client of Docker's API gets out of the same dockerd at the
// concurrency that suits it best.
//
//   30 tasks ─ 30 pairs at 2, 4, 6, 8 at once ─ the other way round ─ …

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { socketOfDocker } from '../docker.ts'
import { openFloor, type Pair } from '../floor.ts'
import { openObserver } from '../observer.ts'
import { median, short, spread } from '../pairs.ts'
import type { Row } from '../row.ts'
import { openApp } from '../task-side.ts'

const TASKS = 30
const AT_ONCE = [2, 4, 6, 8]
const ROUNDS = 5

export const row: Row = {
  what: `${TASKS} tasks at once: the agent's own share, and tasks a second beside plain Docker at its best`,
  minutes: 8,
  async run(stage) {
    const docker = stage.docker(Math.max(...AT_ONCE))
    const births = stage.births()
    const [app, floor] = [await openApp(docker, births), await openFloor(docker)]
    const folder = mkdtempSync(join(tmpdir(), 'enid-observer-'))
    stage.defer(() => rmSync(folder, { recursive: true, force: true }))
    const observer = await openObserver(folder, socketOfDocker())
    stage.defer(() => observer.close())
    // The whole account's budget: EC2's rates are not what is measured.
    const env = (told: Readonly<Record<string, string>>) => ({
      ...{ ...observer.env(told), ENID_EC2_SHARE: '1' },
    })
    const host = await stage.host({ env, sockets: TASKS })
    await app.define(host)
    const own: number[] = []
    const latencies: number[] = []
    let n = 0

    const words = () => Array.from({ length: TASKS }, () => `burst-${n++}`)

    async function tasks(): Promise<number> {
      const from = performance.now()
      const born = await Promise.all(
        words().map(async (word) => {
          const [id, to] = await Promise.all([app.run(host, word), births.of(word)])
          return { id, to }
        }),
      )
      const most = observer.mostStarts()
      for (const { id, to } of born) {
        const seen = await host.reached(id, 'RUNNING')
        latencies.push(to - from)
        own.push(observer.ownMs(seen, { from, to }, most))
      }
      await Promise.all(born.map(({ id }) => host.stop(id)))
      return (TASKS * 1000) / (Math.max(...born.map(({ to }) => to)) - from)
    }

    async function plain(atOnce: number): Promise<number> {
      const left = words()
      const pairs: Pair[] = []
      const from = performance.now()
      const born = left.map((word) => births.of(word))
      const client = async () => {
        for (let word = left.shift(); word !== undefined; word = left.shift()) {
          pairs.push(await floor.start(app.plan(word)))
        }
      }
      const ends = await Promise.all([...born, ...Array.from({ length: atOnce }, client)])
      await Promise.all(pairs.map((pair) => floor.end(pair)))
      return (TASKS * 1000) / (Math.max(...ends.slice(0, TASKS).map(Number)) - from)
    }

    await tasks()
    own.length = 0
    latencies.length = 0
    const perSecond = new Map<number, number[]>([0, ...AT_ONCE].map((at) => [at, []]))
    for (let round = 0; round < stage.count(ROUNDS); round++) {
      const turns = [...perSecond.keys()]
      for (const at of round % 2 === 0 ? turns : turns.toReversed()) {
        perSecond.get(at)?.push(at === 0 ? await tasks() : await plain(at))
      }
      stage.tell(`round ${round + 1} of ${stage.count(ROUNDS)}`)
    }
    const [ours = Number.NaN, ...theirs] = [...perSecond.values()].map((each) => median(each))
    const best = Math.max(...theirs)
    const raw = AT_ONCE.map((at, k) => `${at} at once ${short(theirs[k] ?? Number.NaN)}/s`).join(
      ', ',
    )
    return [
      {
        what: "the agent's own share of a start in a burst: p50",
        value: median(own),
        unit: 'ms',
        goal: { most: 300 },
        raw: `own share: ${spread(own)}; RunTask to the first process: ${spread(latencies)}; at most ${observer.mostStarts()} starts at once`,
      },
      {
        what: 'tasks a second ÷ plain Docker at its best',
        value: ours / best,
        goal: { least: 0.9 },
        raw: `tasks ${short(ours)}/s; plain: ${raw}`,
      },
    ]
  },
}
