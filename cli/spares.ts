// `enid spares`: one line per pool of warm spares, and why there are not more.

import { agentAddress, connectAgent } from './agent-connection.ts'
import type { Command } from './command.ts'
import { AGENT_FLAGS, CommandError, EXIT } from './command.ts'
import { age, table } from './table.ts'

const HEADINGS = ['SUBNET', 'GROUPS', 'READY', 'MAKING', 'WARM', 'GROUPED', 'COLD', 'FAILED', 'WHY']

type Pool = {
  readonly subnetId: string
  readonly securityGroupIds: readonly string[]
  readonly wanted: number
  readonly ready: readonly string[]
  readonly making: readonly string[]
  readonly served: { readonly warm: number; readonly groups: number; readonly cold: number }
  readonly failedCount: number
  readonly lastFailure?: { readonly at: string; readonly reason: string }
}

/** /status has more; this is what is shown of it. */
type Spares = {
  readonly isOn: boolean
  readonly limit: number
  readonly why: string
  readonly pools: readonly Pool[]
}

/** `enid spares`. */
export const spares: Command = {
  name: 'spares',
  usage: '[--json]',
  summary: 'list the pools of warm spares: how many are ready, and how launches were served',
  flags: AGENT_FLAGS,
  positionals: [0, 0],
  notes: [
    'READY: ready/wanted. WARM: launches with a spare as it was; GROUPED: with one in other groups;',
    'COLD: without one. Counted since the agent started. docs/spares.md has the rest.',
  ],
  async run(call) {
    const status = (await connectAgent(agentAddress(call)).get('/status')) as { spares?: Spares }
    const { spares: found } = status
    if (found === undefined) {
      throw new CommandError(EXIT.failed, 'this agent knows no spares: is it of an older version?')
    }
    if (call.on('json')) {
      process.stdout.write(`${JSON.stringify(found, null, 2)}\n`)
      return EXIT.ok
    }
    const rows = found.pools.map((pool) => [
      pool.subnetId,
      pool.securityGroupIds.join(',') || 'default',
      `${pool.ready.length}/${pool.wanted}`,
      String(pool.making.length),
      ...[pool.served.warm, pool.served.groups, pool.served.cold].map(String),
      String(pool.failedCount),
      failureText(pool, Date.now()),
    ])
    process.stdout.write(`${table(HEADINGS, rows)}\n`)
    const limit = found.isOn ? `at most ${found.limit} now: ${found.why}` : OFF
    process.stdout.write(`${limit}\n`)
    return EXIT.ok
  },
}

const OFF = 'no spares are kept: set spares (ENID_SPARES), docs/spares.md'

function failureText({ lastFailure }: Pool, now: number): string {
  if (lastFailure === undefined) return ''
  return `${age(Date.parse(lastFailure.at), now)} ago: ${lastFailure.reason}`
}
