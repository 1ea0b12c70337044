// What a container uses, for its task's own eyes (the metadata endpoint): what the kernel says of its
// cgroup, what went over the task's cards, and what both came to since the sample before, as ECS has it: `precpu_stats`, `preread`, `network_rate_stats`.
//
//   asked ─▶ a sample ─▶ one before it, 1 to 60 s old? ── no ──▶ wait a second, and once more
//
// Nobody who does not ask costs anything: the ECS agent samples every container all the time.

import type { Journal } from '../state/journal.ts'
import type { HolderId, Json } from '../state/spec.ts'
import { rowState } from '../state/task.ts'
import type { Clock } from './clock.ts'
import { leafOf } from './drivers/cgroup/path.ts'
import type { Cgroups } from './drivers/cgroup/tree.ts'
import type { Usage } from './drivers/cgroup/usage.ts'
import type { Details } from './drivers/driver.ts'
import type { Kernel } from './drivers/kernel/kernel.ts'
import { KernelError } from './drivers/kernel/kernel-error.ts'
import { nameOf } from './drivers/mark.ts'
import { containerIdOf } from './inspection.ts'

/** Two samples that are closer say nothing of a rate; the ECS agent takes one a second. */
const APART_MS = 1_000
/** What was longer ago says nothing of now. */
const OLD_MS = 60_000

/** One look at a container. */
export type Sample = {
  /** By Clock.elapsed. */
  readonly at: number
  readonly stats: Usage
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
  readonly cgroups: Pick<Cgroups, 'usage'>
  readonly kernel: Pick<Kernel, 'countLinks'>
  readonly clock: Clock
}

/** Answers for one container of a task; undefined while it does not run, or has no cgroup of the task's. */
export function openStats(
  options: StatsOptions,
): (id: HolderId, container: string) => Promise<Json | undefined> {
  const samples = new Samples()
  return async (id, container) => {
    const containerId = containerIdOf(options.journal, id, container)
    if (containerId === undefined) return undefined
    const first = await sampleOf(options, id, container, containerId)
    if (first === undefined) return undefined
    const before = samples.take(containerId, first)
    if (before !== undefined) return told(first, before)
    await new Promise<void>((resolve) => options.clock.after(APART_MS, resolve))
    const second = await sampleOf(options, id, container, containerId)
    return second && told(second, samples.take(containerId, second) ?? first)
  }
}

async function sampleOf(
  { journal, cgroups, kernel, clock }: StatsOptions,
  id: HolderId,
  container: string,
  containerId: string,
): Promise<Sample | undefined> {
  const holder = journal.get(id)?.holder
  const known = <K extends 'cgroup' | 'sandbox'>(row: K) =>
    (holder && rowState(holder, row).details) as Details[K] | undefined
  const path = known('cgroup')?.path
  const usage = path === undefined ? undefined : await cgroups.usage(leafOf(path, containerId))
  if (holder === undefined || usage === undefined) return undefined
  const at = clock.elapsed()
  const name = `/${nameOf(holder.spec.family, container, id)}`
  const own: Usage = { ...usage, name, id: containerId }
  const netns = known('sandbox')?.netns
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
