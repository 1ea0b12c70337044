// `enid groups`: the security groups of a running task's ENI: shown, or, where some are named, changed
// to those, live. The command waits until EC2 has taken them.

import { agentAddress, connectAgent } from './agent-connection.ts'
import type { Command } from './command.ts'
import { AGENT_FLAGS, CommandError, EXIT, wholeNumber } from './command.ts'
import type { TaskView } from './task-view.ts'
import { findTasks, shortId } from './task-view.ts'

/** `enid groups TASK [GROUP…]`. */
export const groups: Command = {
  name: 'groups',
  usage: 'TASK [GROUP…] [--eni N] [--json]',
  summary: "show a task's security groups, or change them while it runs",
  flags: {
    eni: { value: 'N', text: 'which ENI of the task; 0 is the first' },
    ...AGENT_FLAGS,
  },
  positionals: [1, 17],
  notes: [
    'TASK is a task id, the beginning of one that fits no other, or an ARN. GROUPs are ids, and all',
    'that the ENI wears from then on. Nothing restarts; connections that the old groups let in and',
    'the new ones do not are treated as EC2 treats them.',
  ],
  async run(call) {
    const n = wholeNumber(call, 'eni', { min: 0, max: 99, fallback: 0 })
    const [name = '', ...wanted] = call.positionals
    const agent = connectAgent(agentAddress(call))
    const [task] = await findTasks(agent, [name])
    if (task === undefined) throw new CommandError(EXIT.failed, `no task is "${name}"`)
    const { taskId } = task
    const path = `/tasks/${taskId}/security-groups`
    const body = { securityGroups: wanted, eni: n }
    const answer = wanted.length === 0 ? task : await agent.put(path, body)
    if (answer === undefined) {
      throw new CommandError(EXIT.failed, 'the task is gone, or this agent knows no such change')
    }
    const eni = (answer as TaskView).enis[n]
    if (eni === undefined) throw new CommandError(EXIT.failed, `the task has no ENI ${n}`)
    if (call.on('json')) process.stdout.write(`${JSON.stringify(eni, null, 2)}\n`)
    else {
      const words = [shortId(taskId), eni.eniId ?? '-', ...eni.securityGroupIds]
      process.stdout.write(`${words.join('  ')}\n`)
    }
    if (eni.securityGroupIdsWanted === undefined) return EXIT.ok
    throw new CommandError(
      EXIT.timeout,
      `ordered, and EC2 has not taken it yet: ${eni.securityGroupIdsWanted.join(' ')}; the agent ` +
        `goes on trying: enid describe ${shortId(taskId)}`,
    )
  },
}
