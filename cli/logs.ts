// `enid logs`: what a container wrote, also after its task has stopped.

import { agentAddress, connectAgent, stream } from './agent-connection.ts'
import type { Command } from './command.ts'
import { AGENT_FLAGS, CommandError, EXIT, wholeNumber } from './command.ts'
import { findTasks } from './task-view.ts'

/** `enid logs TASK [CONTAINER]`. */
export const logs: Command = {
  name: 'logs',
  usage: 'TASK [CONTAINER] [--follow | --json] [--lines N]',
  summary: 'print the last lines of a container, also after its task has stopped; or follow it',
  flags: {
    follow: { short: 'f', text: 'go on with what it writes, until it ends' },
    lines: { value: 'N', short: 'n', text: 'how many lines, 1 to 10000; 100' },
    ...AGENT_FLAGS,
  },
  positionals: [1, 2],
  notes: [
    'CONTAINER may be left out where the task has one. --follow waits for one that is not there yet,',
    'and ends when it does.',
  ],
  async run(call) {
    const lines = wholeNumber(call, 'lines', { min: 1, max: 10_000, fallback: 100 })
    const [name = '', given] = call.positionals
    if (call.on('follow') && call.on('json')) {
      throw new CommandError(EXIT.usage, 'enid logs: --follow has no end for --json: leave one out')
    }
    const address = agentAddress(call)
    const agent = connectAgent(address)
    const [task] = await findTasks(agent, [name])
    const known = task?.containers.map((container) => container.name) ?? []
    const container = given ?? (known.length === 1 ? known[0] : undefined)
    if (container === undefined || !known.includes(container)) {
      const what = given === undefined ? 'name the container' : `no container is called "${given}"`
      throw new CommandError(EXIT.usage, `enid logs: ${what}: ${known.join(', ')}`)
    }
    const query = new URLSearchParams({ container, lines: String(lines) })
    if (call.on('follow')) {
      query.set('follow', 'true')
      const path = `/tasks/${task?.taskId}/logs?${query}`
      await stream(address, path, (chunk) => process.stdout.write(chunk))
      return EXIT.ok
    }
    const text = await agent.text(`/tasks/${task?.taskId}/logs?${query}`)
    if (call.on('json')) {
      const document = { taskId: task?.taskId, container, log: text }
      process.stdout.write(`${JSON.stringify(document, null, 2)}\n`)
    } else if (text !== '') {
      process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
    }
    return EXIT.ok
  },
}
