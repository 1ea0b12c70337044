// Row 6: what the agent itself takes with 10, 1,000 and 5,000 tasks known, its drivers simulated; how
// large a lifecycle is in the state file; and how long a start reads 10,000 of them.
//
//   simulated-agent.ts ─▶ fill ─▶ GET /status, RunTask: a caller's time, and the agent's processor time
//   10,000 lifecycles in a file ─▶ compacted ─▶ opened, folded

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase } from '../../state/database.ts'
import { Journal } from '../../state/journal.ts'
import type { Spec } from '../../state/spec.ts'
import { nextSteps } from '../../state/task.ts'
import { type Client, openClient } from '../client.ts'
import { median, quantile, short, spread } from '../pairs.ts'
import { cpuMs } from '../process.ts'
import type { Figure, Row } from '../row.ts'
import type { Stage } from '../stage.ts'

const COUNTS = [10, 1_000, 5_000] as const
const PAST = 10_000

export const row: Row = {
  what: 'the agent alone with 10, 1,000 and 5,000 tasks: GET /status, RunTask, the state file, the fold',
  minutes: 4,
  async run(stage) {
    const folder = mkdtempSync(join(tmpdir(), 'enid-many-'))
    stage.defer(() => rmSync(folder, { recursive: true, force: true }))
    const seen: Seen[] = []
    const child = spawn(process.execPath, [SIMULATED, join(folder, 'enid.sock'), folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    stage.defer(() => void child.kill('SIGKILL'))
    await once(child.stdout, 'data')
    const client = openClient({ socketPath: join(folder, 'enid.sock') })
    stage.defer(() => client.close())
    for (const count of COUNTS) {
      await fill(client, count)
      stage.tell(`${count} tasks are known`)
      seen.push(await measure(client, child.pid ?? 0, stage))
    }
    return [...figuresOf(seen), ...lifecycles(folder, stage)]
  },
}

const SIMULATED = join(import.meta.dirname, '../simulated-agent.ts')

/**
 * Samples: a caller's milliseconds; and the agent's processor time for each, in the mean, of a RunTask
 * with the whole start and stop that follow.
 */
type Seen = Readonly<Record<'status' | 'runTask', { ms: number[]; cpu: number }>>

async function measure(client: Client, pid: number, stage: Stage): Promise<Seen> {
  const times = stage.count(200)
  const taken = async (work: () => Promise<unknown>, after = async () => {}) => {
    const ms: number[] = []
    let cpu = 0
    for (let n = 0; n < times; n++) {
      const before = cpuMs(pid)
      const from = performance.now()
      await work()
      ms.push(performance.now() - from)
      await after()
      cpu += cpuMs(pid) - before
    }
    return { ms, cpu: cpu / times }
  }
  const ids: string[] = []
  const run = async () => {
    const { tasks } = await client.ask<Started>('POST', '/tasks', ASKED)
    ids.push(...tasks.map(({ taskId }) => taskId))
  }
  const stop = async () => {
    await pause(SETTLED_MS)
    for (const id of ids.splice(0)) await client.ask('DELETE', `/tasks/${id}`)
    await pause(SETTLED_MS)
  }
  await taken(() => client.ask('GET', '/status'))
  return {
    status: await taken(() => client.ask('GET', '/status')),
    runTask: await taken(run, stop),
  }
}

/** A simulated start, or stop, is over after so long: seven steps, one on the other, of 5 ms. */
const SETTLED_MS = 100
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

type Started = { readonly tasks: readonly { readonly taskId: string }[] }
const APP = { name: 'app', image: 'app:1', memoryReservation: 6, essential: true }
const DEFINITION = { family: 'app', networkMode: 'awsvpc', containerDefinitions: [APP] }
const ASKED = { definition: DEFINITION, subnets: ['subnet-0123456789abcdef0'] }

async function fill(client: Client, count: number): Promise<void> {
  for (;;) {
    const { tasks } = await client.ask<{ tasks: { RUNNING: number } }>('GET', '/status')
    if (tasks.RUNNING >= count) return
    const more = Math.min(10, count - tasks.RUNNING)
    for (let n = 0; n < Math.ceil((count - tasks.RUNNING) / 10); n++) {
      await client.ask('POST', '/tasks', { ...ASKED, count: more })
    }
    await pause(500)
  }
}

const WITH = { status: '', runTask: ', the whole start and stop with it' } as const

function figuresOf(seen: readonly Seen[]): Figure[] {
  const [ten, thousand, five] = seen
  const at = (key: keyof Seen, most: number): Figure => {
    const { ms, cpu } = thousand?.[key] ?? { ms: [], cpu: Number.NaN }
    return {
      what: `${key === 'status' ? 'GET /status' : 'RunTask'}, 1,000 tasks known: p99`,
      ...{ value: quantile(ms, 0.99), unit: 'ms', goal: { most } },
      raw: `${spread(ms)}; ${short(cpu)} ms of the agent's processor time each${WITH[key]}`,
    }
  }
  const growth = (key: keyof Seen): Figure => ({
    what: `${key === 'status' ? 'GET /status' : 'RunTask'} at 5,000 ÷ at 1,000, processor time`,
    value: (five?.[key].cpu ?? Number.NaN) / (thousand?.[key].cpu ?? Number.NaN),
    goal: { most: 5 },
    raw: [ten, thousand, five]
      .map((each) => `${short(each?.[key].cpu ?? Number.NaN)} ms`)
      .join(', '),
  })
  return [at('status', 20), at('runTask', 5), growth('status'), growth('runTask')]
}

const SPEC: Spec = {
  ...{ kind: 'task', blockImds: true, family: 'app', cgroup: {} },
  enis: [{ subnetIds: ['subnet-0123456789abcdef0'], securityGroupIds: ['sg-01'], tags: {} }],
  containers: [
    {
      ...{ name: 'app', image: 'registry.example/team/app:1.2.3', essential: true },
      ...{ dependsOn: [], dockerLabels: {}, stopTimeoutMs: 30_000, memoryMiB: 256 },
      environment: Object.fromEntries(
        Array.from({ length: 10 }, (_, n) => [`VARIABLE_${n}`, `the value of variable ${n}`]),
      ),
    },
  ],
  asked: { cluster: 'default', family: 'app', revision: 1, group: 'family:app', cpu: [0] },
}

/** Lifecycles with details of the usual size, written straight into a file. */
function lifecycles(folder: string, stage: Stage): Figure[] {
  const path = join(folder, 'past.db')
  const count = stage.count(PAST)
  let db = openDatabase(path)
  db.pragma('synchronous = OFF')
  const journal = new Journal(db, Date.now)
  const bytes = () =>
    ['page_count', 'freelist_count']
      .map((name) => Number(db.pragma(name, { simple: true })))
      .reduce((all, free) => all - free) * Number(db.pragma('page_size', { simple: true }))
  const empty = bytes()
  for (let n = 0; n < count; n++) journal.atOnce(() => live(journal, n))
  const before = (bytes() - empty) / count
  while (journal.compact(1000) > 0);
  const after = (bytes() - empty) / count
  db.close()
  const opened: number[] = []
  const folded: number[] = []
  for (let n = 0; n < 5; n++) {
    const from = performance.now()
    db = openDatabase(path)
    const at = performance.now()
    new Journal(db, Date.now)
    opened.push(at - from)
    folded.push(performance.now() - at)
    db.close()
  }
  return [
    {
      what: `fold at a start, ${count} past lifecycles`,
      ...{ value: median(folded), unit: 'ms', goal: { most: 300 } },
      raw: `beside it ${short(median(opened))} ms to open the file and look at all of it`,
    },
    {
      what: 'a lifecycle in the state file, once it is over',
      ...{ value: after / 1024, unit: 'kB' },
      raw: `${short(before / 1024)} kB before it is compacted`,
    },
  ]
}

function live(journal: Journal, n: number): void {
  const id = n.toString(16).padStart(32, '0')
  journal.begin(id, SPEC)
  settle(journal, id)
  const stop = { code: 'UserInitiated', reason: 'Task stopped by user' } as const
  journal.append(id, { type: 'stopAsked', stop })
  settle(journal, id)
}

function settle(journal: Journal, id: string): void {
  for (;;) {
    const holder = journal.get(id)?.holder
    const step = holder && nextSteps(holder)[0]
    if (step === undefined) return
    const { verb, row } = step
    journal.append(id, { type: 'began', verb, row })
    const details = { id: `${row}-0123456789abcdef0`, also: id.repeat(3) }
    journal.append(id, { type: 'done', verb, row, ...(verb === 'ensure' && { details }) })
  }
}
