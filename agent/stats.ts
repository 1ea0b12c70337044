// What a container uses, for its task's own eyes (the metadata endpoint): Docker's statistics, what went
// over the task's cards, which Docker does not see, and what both came to since the sample before, as
// ECS has it: `precpu_stats`, `preread`, `network_rate_stats`.
//
//   asked ─▶ a sample ─▶ one before it, 1 to 60 s old? ── no ──▶ wait a second, and once more
//
// Nobody who does not ask costs anything: the ECS agent samples every container all the time.

import type { Journal } from '../state/journal.ts'
import type { HolderId, Json } from '../state/spec.ts'
import { rowState } from '../state/task.ts'
import type { Clock } from './clock.ts'
import type { Docker } from './drivers/docker.ts'
import type { Kernel } from './drivers/kernel/kernel.ts'
import { KernelError } from './drivers/kernel/kernel-error.ts'
import { containerIdOf } from './inspection.ts'

const TIMEOUT_MS = 4_000
/** Two samples that are closer say nothing of a rate; the ECS agent takes one a second. */
const APART_MS = 1_000
/** What was longer ago says nothing of now. */
const OLD_MS = 60_000

/** One look at a container. */
export type Sample = {
  /** By Clock.elapsed. */
  readonly at: number
  readonly stats: { readonly [key: string]: Json }
  /** Over all cards of the task; absent where its namespace is gone. */
  readonly bytes?: { readonly rx: number; readonly tx: number }
}

/** The samples of each container that was asked about lately, two at most. */
export class Samples {
  readonly #kept = new Map<string, { readonly before?: Sample; readonly last: Sample }>()

  /** Keeps a sample, and answers the one to compare it with; undefined where there is none yet. */
  take(containerId: string, sample: Sample): Sample | undefined {
    for (const [id, { last }] of this.#kept) {
      if (sample.at - last.at > OLD_MS) this.#kept.delete(id)
    }
    const kept = this.#kept.get(containerId)
    if (kept !== undefined && sample.at - kept.last.at < APART_MS) return kept.before
    this.#kept.set(containerId, { last: sample, ...(kept && { before: kept.last }) })
    return kept?.last
  }
}

/** The statistics as ECS tells them: a sample, and what it came to since the one before. */
export function told(sample: Sample, before: Sample | undefined): Json {
  if (before === undefined) return sample.stats
  const { cpu_stats: cpu = {}, read = '' } = before.stats
  const since = { ...sample.stats, precpu_stats: cpu, preread: read }
  if (sample.bytes === undefined || before.bytes === undefined) return since
  const seconds = (sample.at - before.at) / 1000
  // A card that was taken in anew counts from nothing.
  const rate = (way: 'rx' | 'tx') =>
    Math.max(0, (sample.bytes?.[way] ?? 0) - (before.bytes?.[way] ?? 0)) / seconds
  const rates = { rx_bytes_per_sec: rate('rx'), tx_bytes_per_sec: rate('tx') }
  return { ...since, network_rate_stats: rates }
}

export type StatsOptions = {
  readonly journal: Journal
  readonly docker: Pick<Docker, 'stats'>
  readonly kernel: Pick<Kernel, 'countLinks'>
  readonly clock: Clock
}

/** Answers for one container of a task; undefined while it does not run. */
export function openStats(
  options: StatsOptions,
): (id: HolderId, container: string) => Promise<Json | undefined> {
  const samples = new Samples()
  return async (id, container) => {
    const containerId = containerIdOf(options.journal, id, container)
    if (containerId === undefined) return undefined
    const first = await sampleOf(options, id, containerId)
    if (first === undefined) return undefined
    const before = samples.take(containerId, first)
    if (before !== undefined) return told(first, before)
    await new Promise<void>((resolve) => options.clock.after(APART_MS, resolve))
    const second = await sampleOf(options, id, containerId)
    return second && told(second, samples.take(containerId, second) ?? first)
  }
}

async function sampleOf(
  { journal, docker, kernel, clock }: StatsOptions,
  id: HolderId,
  containerId: string,
): Promise<Sample | undefined> {
  const stats = await docker.stats(containerId, AbortSignal.timeout(TIMEOUT_MS))
  if (stats === undefined) return undefined
  const at = clock.elapsed()
  const own = stats as Sample['stats']
  const holder = journal.get(id)?.holder
  const sandbox = holder && rowState(holder, 'sandbox').details
  const netns = (sandbox as { netns?: string } | undefined)?.netns
  if (netns === undefined) return { at, stats: own }
  try {
    const networks = await kernel.countLinks(netns)
    const sum = (what: 'rx_bytes' | 'tx_bytes') =>
      Object.values(networks).reduce((all, counts) => all + (counts[what] ?? 0), 0)
    const bytes = { rx: sum('rx_bytes'), tx: sum('tx_bytes') }
    return { at, stats: { ...own, networks }, bytes }
  } catch (error) {
    // The task is on its way down: its namespace is gone, and with it what was counted.
    if (error instanceof KernelError && error.errno === 'ENOENT') return { at, stats: own }
    throw error
  }
}
