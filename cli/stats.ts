// `enid stats`: what running containers use just now. Docker's own command has nothing of a container
// whose network card is its own.

import { agentAddress, connectAgent } from './agent-connection.ts'
import type { Command } from './command.ts'
import { AGENT_FLAGS, EXIT } from './command.ts'
import { bytes, table } from './table.ts'
import { allTasks, findTasks, shortId } from './task-view.ts'

const HEADINGS = ['TASK', 'CONTAINER', 'CPU', 'MEMORY', 'LIMIT', 'PIDS', 'IN/S', 'OUT/S']

/** As far as it is shown. What the kernel does not tell is absent. */
type Stats = {
  readonly cpu_stats: Cpu
  readonly precpu_stats: Partial<Cpu>
  readonly memory_stats: {
    readonly usage?: number
    readonly limit?: number
    readonly stats?: { readonly total_inactive_file?: number; readonly inactive_file?: number }
  }
  readonly pids_stats: { readonly current?: number }
  readonly network_rate_stats?: {
    readonly rx_bytes_per_sec: number
    readonly tx_bytes_per_sec: number
  }
}
type Cpu = {
  readonly cpu_usage?: { readonly total_usage: number }
  readonly system_cpu_usage?: number
  readonly online_cpus?: number
}
type Answer = {
  readonly taskId: string
  readonly containers: Readonly<Record<string, Stats | null>>
}

/** `enid stats [TASK…]`. */
export const stats: Command = {
  name: 'stats',
  usage: '[TASK…] [--json]',
  summary: 'what the containers of tasks use just now: processor, memory, and their network cards',
  flags: AGENT_FLAGS,
  positionals: [0, 100],
  notes: [
    'Of all that run, unless tasks are named. CPU: 100% is one processor. MEMORY: without what the',
    'kernel can drop at once. IN/S, OUT/S: bytes a second over the cards of the whole task.',
  ],
  async run(call) {
    const agent = connectAgent(agentAddress(call))
    const tasks =
      call.positionals.length > 0
        ? await findTasks(agent, call.positionals)
        : (await allTasks(agent)).tasks.filter(({ lastStatus }) => lastStatus === 'RUNNING')
    const asked = tasks.map(({ taskId }) => agent.get(`/tasks/${taskId}/stats`))
    // One that is forgotten meanwhile has no answer.
    const answers = ((await Promise.all(asked)) as (Answer | undefined)[]).flatMap(
      (one) => one ?? [],
    )
    if (call.on('json')) {
      process.stdout.write(`${JSON.stringify({ tasks: answers }, null, 2)}\n`)
      return EXIT.ok
    }
    const rows = answers.flatMap(({ taskId, containers }) =>
      Object.entries(containers).map(([name, of]) => [shortId(taskId), name, ...cells(of)]),
    )
    process.stdout.write(`${table(HEADINGS, rows)}\n`)
    return EXIT.ok
  },
}

/** One that does not run has nothing to show. */
function cells(of: Stats | null): string[] {
  if (of === null) return HEADINGS.slice(2).map(() => '-')
  const { usage, limit, stats: { total_inactive_file, inactive_file } = {} } = of.memory_stats
  const used = usage === undefined ? undefined : usage - (total_inactive_file ?? inactive_file ?? 0)
  const { rx_bytes_per_sec: incoming, tx_bytes_per_sec: outgoing } = of.network_rate_stats ?? {}
  return [
    percentOf(of),
    ...[used, limit].map(bytes),
    String(of.pids_stats.current ?? '-'),
    ...[incoming, outgoing].map(bytes),
  ]
}

/** Of one processor, between the two samples. */
function percentOf({ cpu_stats: now, precpu_stats: before }: Stats): string {
  const used = (now.cpu_usage?.total_usage ?? 0) - (before.cpu_usage?.total_usage ?? Number.NaN)
  const all = (now.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? Number.NaN)
  const part = (used / all) * (now.online_cpus ?? 1) * 100
  return Number.isFinite(part) ? `${part.toFixed(1)}%` : '-'
}
