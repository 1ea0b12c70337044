// `enid stop`: asks for tasks to be stopped, and waits until nothing of them is left.

import { agentAddress, connectAgent } from './agent-connection.ts'
import type { Command } from './command.ts'
import { AGENT_FLAGS, CommandError, EXIT, wholeNumber } from './command.ts'
import { findTasks, shortId, stopText } from './task-view.ts'
import { awaitStopped } from './wait.ts'

/** `enid stop TASK…`. */
export const stop: Command = {
  name: 'stop',
  usage: 'TASK… [--reason TEXT] [--no-wait] [--timeout SECONDS] [--json]',
  summary: 'stop tasks, and wait until nothing of them is left',
  flags: {
    reason: { value: 'TEXT', text: "kept as the tasks' stoppedReason" },
    'no-wait': { text: 'return as soon as the stop is taken on' },
    timeout: { value: 'SECONDS', text: 'how long to wait; 120' },
    ...AGENT_FLAGS,
  },
  positionals: [1, 100],
  notes: ['TASK is a task id, the beginning of one that fits no other, or an ARN.'],
  async run(call) {
    const timeoutS = wholeNumber(call, 'timeout', { min: 1, max: 86_400, fallback: 120 })
    const agent = connectAgent(agentAddress(call))
    const tasks = await findTasks(agent, call.positionals)
    const reason = call.one('reason')
    for (const { taskId, cluster } of tasks) {
      await agent.ecs('StopTask', {
        task: taskId,
        cluster,
        ...(reason === undefined ? {} : { reason }),
      })
    }
    const outcome = call.on('no-wait')
      ? { tasks: await findTasks(agent, call.positionals), late: false }
      : await awaitStopped(
          agent,
          tasks.map(({ taskId }) => taskId),
          { timeoutMs: timeoutS * 1000, quiet: call.on('json') },
        )
    if (call.on('json')) {
      process.stdout.write(`${JSON.stringify({ tasks: outcome.tasks }, null, 2)}\n`)
    } else {
      for (const task of outcome.tasks) {
        const words = [shortId(task.taskId), task.lastStatus, stopText(task)]
        process.stdout.write(`${words.filter(Boolean).join('  ')}\n`)
      }
    }
    if (outcome.late) {
      throw new CommandError(
        EXIT.timeout,
        `not stopped after ${timeoutS} s; the agent goes on with it: enid ps`,
      )
    }
    return EXIT.ok
  },
}
