// `enid drain`: this host takes no more tasks, those that run are stopped, and the command waits until
// nothing of them is left. `--undo` takes the host back.

import type { AgentConnection } from './agent-connection.ts'
import { agentAddress, connectAgent } from './agent-connection.ts'
import type { Call, Command } from './command.ts'
import { AGENT_FLAGS, CommandError, EXIT, wholeNumber } from './command.ts'
import type { TaskView } from './task-view.ts'
import { allTasks, shortId, stopText } from './task-view.ts'
import { awaitStopped } from './wait.ts'

type DrainView = {
  readonly status: string
  readonly draining?: { readonly since: string; readonly why: string; readonly endsAt?: string }
}

/** `enid drain`. */
export const drain: Command = {
  name: 'drain',
  usage: '[--keep-tasks | --undo] [--reason TEXT] [--no-wait] [--timeout SECONDS] [--json]',
  summary: 'take no more tasks, stop those that run, and wait until nothing of them is left',
  flags: {
    'keep-tasks': { text: 'let the tasks that run go on' },
    undo: { text: 'take tasks again' },
    reason: { value: 'TEXT', text: "shown with the host's status and in the tasks' stoppedReason" },
    'no-wait': { text: 'return as soon as the stops are taken on' },
    timeout: { value: 'SECONDS', text: 'how long to wait; 120' },
    ...AGENT_FLAGS,
  },
  positionals: [0, 0],
  notes: [
    'A drained host stays drained when the agent or the host restarts. The agent drains it by itself',
    'when EC2 or Auto Scaling announces the end of the instance.',
  ],
  async run(call) {
    const timeoutS = wholeNumber(call, 'timeout', { min: 1, max: 86_400, fallback: 120 })
    checkUndo(call)
    const agent = connectAgent(agentAddress(call))
    const view = await order(agent, call)
    const left = (await allTasks(agent)).tasks.filter(({ lastStatus }) => lastStatus !== 'STOPPED')
    const waits = !['undo', 'keep-tasks', 'no-wait'].some((flag) => call.on(flag))
    const outcome = waits
      ? await awaitStopped(
          agent,
          left.map(({ taskId }) => taskId),
          { timeoutMs: timeoutS * 1000, quiet: call.on('json') },
        )
      : { tasks: left, late: false }
    if (call.on('json')) {
      process.stdout.write(`${JSON.stringify({ ...view, tasks: outcome.tasks }, null, 2)}\n`)
    } else {
      print(view, outcome.tasks)
    }
    if (outcome.late) {
      throw new CommandError(
        EXIT.timeout,
        `not everything is stopped after ${timeoutS} s; the agent goes on with it: enid ps`,
      )
    }
    return EXIT.ok
  },
}

function checkUndo(call: Call): void {
  if (!call.on('undo')) return
  const others = ['keep-tasks', 'no-wait'].filter((flag) => call.on(flag))
  if (call.one('reason') !== undefined) others.push('reason')
  if (others.length === 0) return
  const [other] = others
  throw new CommandError(
    EXIT.usage,
    `enid drain: --undo takes no --${other}: leave one of them out`,
  )
}

async function order(agent: AgentConnection, call: Call): Promise<DrainView> {
  const reason = call.one('reason')
  const body = {
    stopTasks: !call.on('keep-tasks'),
    ...(reason === undefined ? {} : { reason }),
  }
  const answer = call.on('undo') ? await agent.delete('/drain') : await agent.post('/drain', body)
  if (answer !== undefined) return answer as DrainView
  throw new CommandError(EXIT.failed, 'this agent knows no drain: is it of an older version?')
}

function print({ status, draining }: DrainView, tasks: readonly TaskView[]): void {
  for (const task of tasks) {
    const words = [shortId(task.taskId), task.lastStatus, stopText(task)]
    process.stdout.write(`${words.filter(Boolean).join('  ')}\n`)
  }
  const words = draining === undefined ? 'this host takes tasks' : `draining: ${draining.why}`
  process.stdout.write(`${status}  ${words}\n`)
}
