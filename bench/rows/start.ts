// An agent's start with 200 running tasks to take up, and what it costs at rest. Cards, namespaces,
// rules and endpoints are real; containers are a stand-in's (stand-in-docker.ts), because 200 real ones
// would measure dockerd. Times are from exec to the answer on the agent's socket.
//
//   200 tasks ─▶ SIGKILL ─▶ exec ─▶ /healthz ─▶ /status with all of them ─▶ nothing waits ─▶ again
//   at 0, 100 and 200 tasks: resident memory, and processor time over a minute of rest

import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { chill, type Life, openPlace, type Place } from '../agent-under-test.ts'
import { bundledEnid } from '../bundle.ts'
import { median, quantile, short, spread } from '../pairs.ts'
import type { Figure, Row } from '../row.ts'
import type { Stage } from '../stage.ts'

const TASKS = 200
const REST_MS = 60_000
/** What is awaited before memory and rest are looked at: the pick-up, the first sweep, garbage. */
const SETTLE_MS = 15_000
/** Of so many lives memory is the median: one differs from the next by some MB, as V8 has it. */
const LIVES = 3

export const row: Row = {
  what: "the agent's start with 200 tasks to take up, its memory, and what it does at rest",
  minutes: 9,
  async run(stage) {
    const root = dirname(dirname(await bundledEnid()))
    const place = await openPlace(root)
    stage.defer(() => place.end())
    const lives = { current: place.start() }
    stage.defer(() => lives.current.kill())
    await lives.current.until('/status')
    const subnetId = (await statusOf(place)).host.subnetId
    await pause(SETTLE_MS)
    const rest = [await atRest(lives.current, 0, stage)]
    const memory: number[] = []
    for (const count of [TASKS / 2, TASKS]) {
      await fill(place, subnetId, count)
      stage.tell(`${count} tasks run`)
      const resident: number[] = []
      for (let n = 0; n < LIVES; n++) {
        // As it is after a start: what came of starting them is garbage of another day.
        lives.current = await restarted(place, lives.current)
        await whole(lives.current, count)
        // At one age for all: V8 gives back more the longer it has nothing to do.
        await pause(SETTLE_MS)
        resident.push(lives.current.rssMb())
        stage.tell(`${short(resident.at(-1) ?? 0)} MB resident`)
      }
      memory.push(median(resident))
      if (count < TASKS) rest.push(await atRest(lives.current, count, stage))
    }
    const starts = { warm: await measure(place, lives, stage), cold: [] as Start[] }
    starts.cold = await measure(place, lives, stage, () => chill(`${root}/dist`))
    const [at100 = Number.NaN, at200 = Number.NaN] = memory
    return [
      ...Object.entries(starts).flatMap(([cache, all]) => figures(cache, all)),
      { what: 'resident at 100 tasks', value: at100, unit: 'MB', goal: { most: 180 } },
      {
        what: 'resident for each further task',
        ...{ value: (at200 - at100) / (TASKS / 2), unit: 'MB', goal: { most: 0.2 } },
        raw: `${short(at200)} MB at ${TASKS}`,
      },
      ...rest,
    ]
  },
}

/** Milliseconds from exec, and the processor time of it up to /status. */
type Start = { readonly [what in 'alive' | 'told' | 'cpu' | 'whole']: number }

async function measure(
  place: Place,
  lives: { current: Life },
  stage: Stage,
  before: () => Promise<void> = async () => {},
): Promise<Start[]> {
  const all: Start[] = []
  for (let n = 0; n < stage.count(30); n++) {
    stage.signal.throwIfAborted()
    await lives.current.kill()
    await before()
    lives.current = place.start()
    const alive = (await lives.current.until('/healthz')).ms
    const told = await lives.current.until('/status')
    const { RUNNING } = (JSON.parse(told.body) as Status).tasks
    if (RUNNING !== TASKS) throw new Error(`/status says that ${RUNNING} of ${TASKS} run`)
    const cpu = lives.current.cpuMs()
    all.push({ alive, told: told.ms, cpu, whole: await whole(lives.current, TASKS) })
    stage.tell(JSON.stringify(all.at(-1)))
  }
  return all
}

function figures(cache: string, all: readonly Start[]): Figure[] {
  const row = (what: string, key: keyof Start, goal?: Figure['goal']): Figure => {
    const values = all.map((start) => start[key])
    const value = quantile(values, 0.5)
    const raw = `${all.length} starts: ${spread(values)}`
    return { what: `${what}, ${cache} cache`, value, unit: 'ms', raw, ...(goal && { goal }) }
  }
  return [
    row('exec to /healthz', 'alive', { most: 500 }),
    row(`exec to /status with ${TASKS} tasks`, 'told', { most: 1_000 }),
    row('processor time of that', 'cpu'),
    row('exec to all of them looked after', 'whole'),
  ]
}

async function atRest(life: Life, count: number, stage: Stage): Promise<Figure> {
  stage.tell(`a minute of rest at ${count} tasks`)
  const parts: number[] = []
  for (let n = 0; n < 6; n++) {
    const before = life.cpuMs()
    await pause(REST_MS / 6)
    parts.push(((life.cpuMs() - before) / (REST_MS / 6)) * 100)
  }
  const value = parts.reduce((a, b) => a + b, 0) / parts.length
  stage.tell(`${short(value)} % of a core`)
  const raw = `over a minute; in parts of ten seconds: half below ${short(median(parts))}`
  return { what: `of a core at rest, ${count} tasks`, value, unit: '%', goal: { most: 0.5 }, raw }
}

async function restarted(place: Place, life: Life): Promise<Life> {
  await life.kill()
  const next = place.start()
  await next.until('/status')
  return next
}

type Status = {
  readonly host: { readonly subnetId: string }
  readonly tasks: Readonly<Record<string, number>>
  readonly waiting: readonly unknown[]
}

const statusOf = async (place: Place): Promise<Status> =>
  JSON.parse((await place.ask('GET', '/status')).body) as Status

/** Until every container was looked after: the last row of each task, as the log tells. */
const whole = (life: Life, count: number): Promise<number> =>
  life.untilSaid('"done ensure container:app"', count)

/** So many tasks run. */
async function fill(place: Place, subnetId: string, count: number): Promise<void> {
  const app = { name: 'app', image: 'app:1', memoryReservation: 6, essential: true }
  const definition = { family: 'app', networkMode: 'awsvpc', containerDefinitions: [app] }
  for (;;) {
    const { tasks } = await statusOf(place)
    const begun = Object.entries(tasks).reduce(
      (sum, [name, n]) => sum + (name === 'STOPPED' ? 0 : n),
      0,
    )
    if (begun < count) {
      const asked = { definition, subnets: [subnetId], count: Math.min(10, count - begun) }
      const { status, body } = await place.ask('POST', '/tasks', asked)
      if (status !== 201) throw new Error(body)
    } else if (tasks.RUNNING === count) return
    else await pause(200)
  }
}
