// `enid sweep`: what no task claims is given back. Nothing is on one look, so what is found for the
// first time is only told; the agent goes on looking by itself.

import { agentAddress, connectAgent } from './agent-connection.ts'
import type { Command } from './command.ts'
import { AGENT_FLAGS, CommandError, EXIT } from './command.ts'
import { table } from './table.ts'
import { shortId } from './task-view.ts'

type SweepView = {
  readonly findings: readonly {
    readonly what: string
    readonly id: string
    readonly taskId?: string
    readonly row?: string
    readonly verdict: string
    readonly why: string
    readonly outcome?: string
  }[]
  readonly away: readonly { readonly place: string; readonly reason: string }[]
}

const HEADINGS = ['WHAT', 'ID', 'TASK', 'VERDICT', 'WHY']

/** `enid sweep`. */
export const sweep: Command = {
  name: 'sweep',
  usage: '[--dry-run] [--json]',
  summary: 'give back interfaces and containers that wear our mark and that no task claims',
  flags: {
    'dry-run': { text: 'say what it would do and why, and change nothing' },
    ...AGENT_FLAGS,
  },
  positionals: [0, 0],
  notes: [
    'The agent does this by itself every few minutes. Nothing is given back that was seen once only,',
    'or that does not wear our mark.',
  ],
  async run(call) {
    const agent = connectAgent(agentAddress(call))
    const answer = call.on('dry-run') ? await agent.get('/sweep') : await agent.post('/sweep')
    if (answer === undefined) {
      throw new CommandError(EXIT.failed, 'this agent knows no sweep: is it of an older version?')
    }
    const found = answer as SweepView
    if (call.on('json')) process.stdout.write(`${JSON.stringify(found, null, 2)}\n`)
    else print(found)
    return found.away.length > 0 ? EXIT.failed : EXIT.ok
  },
}

function print({ findings, away }: SweepView): void {
  for (const { place, reason } of away) process.stderr.write(`${place} is away: ${reason}\n`)
  if (findings.length === 0) {
    process.stdout.write('nothing to give back: the world is as the journal says\n')
    return
  }
  const rows = findings.map(({ what, id, taskId = '', verdict, why, outcome }) => [
    what,
    id.length > 24 ? id.slice(0, 12) : id,
    shortId(taskId) || '-',
    verdict,
    outcome === undefined ? why : `${why}: ${outcome}`,
  ])
  process.stdout.write(`${table(HEADINGS, rows)}\n`)
}
