// What `enid ps` and `enid services` have in common: everything of one kind that the agent remembers, one
// line each, or one document; and what it cannot read, in a line of its own.

import type { AgentConnection } from './agent-connection.ts'
import { agentAddress, connectAgent } from './agent-connection.ts'
import type { Command } from './command.ts'
import { AGENT_FLAGS, EXIT } from './command.ts'
import { table } from './table.ts'

export type Listing<T, U> = {
  readonly name: string
  readonly summary: string
  readonly notes?: readonly string[]
  /** What --all adds, and what --cluster leaves. */
  readonly texts: { readonly all: string; readonly cluster: string }
  /** All that there is, and what of it cannot be read. */
  readonly ask: (agent: AgentConnection) => Promise<{ all: readonly T[]; unread: readonly U[] }>
  /** Whether it is shown with --all alone. */
  readonly isOver: (each: T) => boolean
  readonly headings: readonly string[]
  readonly row: (each: T) => readonly string[]
  readonly unreadText: (each: U) => string
  /** The document of --json. */
  readonly document: (shown: readonly T[], unread: readonly U[]) => object
}

/** The command over such a listing. */
export function listing<T extends { readonly cluster: string }, U>(of: Listing<T, U>): Command {
  const { name, summary, notes, texts, ask, isOver, headings, row, unreadText, document } = of
  return {
    name,
    usage: '[--all] [--cluster NAME] [--json]',
    summary,
    flags: {
      all: { short: 'a', text: texts.all },
      cluster: { value: 'NAME', text: texts.cluster },
      ...AGENT_FLAGS,
    },
    positionals: [0, 0],
    ...(notes && { notes }),
    async run(call) {
      const cluster = call.one('cluster')
      const { all, unread } = await ask(connectAgent(agentAddress(call)))
      const shown = all
        .filter((each) => cluster === undefined || each.cluster === cluster)
        .filter((each) => call.on('all') || !isOver(each))
      if (call.on('json')) {
        process.stdout.write(`${JSON.stringify(document(shown, unread), null, 2)}\n`)
        return EXIT.ok
      }
      const lines = [table(headings, shown.map(row)), ...unread.map(unreadText)]
      process.stdout.write(lines.map((line) => `${line}\n`).join(''))
      return EXIT.ok
    },
  }
}
