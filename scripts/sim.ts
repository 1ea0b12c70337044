// `npm run sim -- --seeds N`: the real runner and journal in a simulated world, seed after seed, on
// every core. A failure prints `seed@commit`; `--seed S` replays that one exactly.
//
//   main ──▶ one worker per core, each every n-th seed ──▶ counts, or the first broken invariant

import { execFileSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { simulate } from '../test/sim/run.ts'

/** What a worker does: seeds first, first + step, … up to last. */
type Share = { readonly first: number; readonly last: number; readonly step: number }
type Count = { seeds: number; lifecycles: number; deaths: number; events: number }
type Message = { readonly count: Count } | { readonly seed: number; readonly broken: string }

const REPORT_EVERY = 200

async function work({ first, last, step }: Share): Promise<void> {
  // Failures are everyday here; where one seed breaks, it is replayed alone, with its stack.
  if (last > first) Error.stackTraceLimit = 3
  let count: Count = { seeds: 0, lifecycles: 0, deaths: 0, events: 0 }
  const report = () => {
    parentPort?.postMessage({ count } satisfies Message)
    count = { seeds: 0, lifecycles: 0, deaths: 0, events: 0 }
  }
  for (let seed = first; seed <= last; seed += step) {
    try {
      const { lifecycles, deaths, events } = await simulate(seed)
      count.seeds += 1
      count.lifecycles += lifecycles
      count.deaths += deaths
      count.events += events
    } catch (error) {
      const broken = (error as Error).stack ?? String(error)
      parentPort?.postMessage({ seed, broken } satisfies Message)
      return
    }
    if (count.seeds === REPORT_EVERY) report()
  }
  report()
}

function readArguments(): { from: number; to: number } {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '1000' },
      from: { type: 'string', default: '1' },
      seed: { type: 'string' },
    },
  })
  const whole = (name: string, text: string): number => {
    const value = Number(text)
    if (Number.isInteger(value) && value >= 1 && value <= 2 ** 31) return value
    throw new Error(`--${name} is "${text}", but must be a whole number from 1 to 2147483648`)
  }
  if (values.seed !== undefined) {
    const seed = whole('seed', values.seed)
    return { from: seed, to: seed }
  }
  const from = whole('from', values.from)
  return { from, to: from + whole('seeds', values.seeds) - 1 }
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
  } catch {
    return 'no-commit'
  }
}

async function main(): Promise<number> {
  const { from, to } = readArguments()
  const total: Count = { seeds: 0, lifecycles: 0, deaths: 0, events: 0 }
  const startedAt = performance.now()
  const workerCount = Math.min(availableParallelism(), to - from + 1)
  let failed: { seed: number; broken: string } | undefined
  let saidAt = startedAt
  const workers = Array.from({ length: workerCount }, (_, n) => {
    const share: Share = { first: from + n, last: to, step: workerCount }
    return new Worker(new URL(import.meta.url), { workerData: share })
  })
  await Promise.all(
    workers.map(
      (worker) =>
        new Promise<void>((resolve, reject) => {
          worker.on('message', (message: Message) => {
            if ('broken' in message) {
              failed = failed === undefined || message.seed < failed.seed ? message : failed
              for (const other of workers) void other.terminate()
              return
            }
            for (const key of Object.keys(total) as (keyof Count)[])
              total[key] += message.count[key]
            if (performance.now() - saidAt < 5000) return
            saidAt = performance.now()
            process.stderr.write(
              `${total.seeds} of ${to - from + 1} seeds, ${total.lifecycles} lives\n`,
            )
          })
          worker.on('error', reject)
          worker.on('exit', () => resolve())
        }),
    ),
  )
  if (failed !== undefined) {
    process.stdout.write(`seed ${failed.seed}@${commit()}: ${failed.broken}\n`)
    process.stdout.write(`replay: npm run sim -- --seed ${failed.seed}\n`)
    return 1
  }
  const seconds = (performance.now() - startedAt) / 1000
  process.stdout.write(
    `seeds ${from} to ${to} at ${commit()}: ${total.lifecycles} task lifecycles, ` +
      `${total.deaths} deaths of the agent, ${total.events} events, no invariant broken, ` +
      `${seconds.toFixed(1)} s\n`,
  )
  return 0
}

if (isMainThread) {
  process.exitCode = await main().catch((error) => {
    process.stderr.write(`sim: ${(error as Error).message}\n`)
    return 2
  })
} else {
  await work(workerData as Share)
}
