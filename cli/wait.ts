// Waiting for tasks, with a word about it on stderr: one line that is rewritten on a terminal, a line
// per change elsewhere.

import type { AgentConnection } from './agent-connection.ts'
import type { TaskView } from './task-view.ts'
import { oneTask, shortId, whyText } from './task-view.ts'

// A task takes half a second to run; the answer comes from the agent's memory.
const LOOK_EVERY_MS = 200

/** How long to wait, and whether to keep quiet meanwhile. */
export type Patience = { readonly timeoutMs: number; readonly quiet: boolean }

/** The tasks as they were last seen; `late` when not all of them got there in time. */
export type Outcome = { readonly tasks: readonly TaskView[]; readonly late: boolean }

/** Waits until every task runs, or has stopped. */
export const awaitTasks = (
  agent: AgentConnection,
  taskIds: readonly string[],
  patience: Patience,
): Promise<Outcome> =>
  awaitAll(agent, taskIds, {
    ...patience,
    done: ({ lastStatus }) => lastStatus === 'RUNNING' || lastStatus === 'STOPPED',
  })

/** Waits until every task has stopped and holds nothing. */
export const awaitStopped = (
  agent: AgentConnection,
  taskIds: readonly string[],
  patience: Patience,
): Promise<Outcome> =>
  awaitAll(agent, taskIds, { ...patience, done: ({ lastStatus }) => lastStatus === 'STOPPED' })

async function awaitAll(
  agent: AgentConnection,
  taskIds: readonly string[],
  { done, timeoutMs, quiet }: Patience & { done: (task: TaskView) => boolean },
): Promise<Outcome> {
  const deadline = performance.now() + timeoutMs
  const progress = quiet ? silence : startProgress()
  try {
    for (;;) {
      const tasks = await Promise.all(taskIds.map((id) => oneTask(agent, id)))
      progress.show(tasks)
      if (tasks.every(done)) return { tasks, late: false }
      if (performance.now() > deadline) return { tasks, late: true }
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    }
  } finally {
    progress.end()
  }
}

type Progress = { show(tasks: readonly TaskView[]): void; end(): void }

const silence: Progress = { show() {}, end() {} }

function startProgress(): Progress {
  const isTerminal = process.stderr.isTTY === true
  let last = ''
  return {
    show(tasks) {
      const words = tasks.map((task) => {
        const why = whyText(task)
        return `${shortId(task.taskId)} ${task.lastStatus}${why === '' ? '' : ` (${why})`}`
      })
      const line = words.join(', ')
      if (line === last) return
      last = line
      const width = process.stderr.columns ?? 80
      process.stderr.write(isTerminal ? `\r\x1b[K${line.slice(0, width - 1)}` : `${line}\n`)
    },
    end() {
      if (isTerminal) process.stderr.write('\r\x1b[K')
    },
  }
}
