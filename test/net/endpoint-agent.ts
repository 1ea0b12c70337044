// The part of the agent that serves tasks' endpoints, as a process of its own: it is started and killed
// as systemd would. Words come by lines on stdin, and each is answered by one line of JSON.
//
//   node endpoint-agent.ts NETNS...      the namespaces that tasks still hold
//   hold NETNS · drop NETNS · give MAC NETNS · env

import { createInterface } from 'node:readline'
import { Endpoints } from '../../agent/drivers/endpoints.ts'
import { openFdStore } from '../../agent/drivers/fd-store.ts'
import { openKernel } from '../../agent/drivers/kernel/kernel.ts'

const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value ?? null)}\n`)

const store = openFdStore()
const hands = openKernel({ warn: () => {}, error: console.error })
const endpoints = new Endpoints(hands, store)
endpoints.answerWith((netns, request, response) =>
  response.end(`${process.pid} for ${netns}: ${request.url}\n`),
)
const takenUp = await endpoints.takeUp(new Set(process.argv.slice(2)))
say({ pid: process.pid, inherited: store.inherited.length, takenUp })
for await (const line of createInterface(process.stdin)) {
  const [verb, first = '', second = ''] = line.split(' ')
  try {
    if (verb === 'hold') say(await endpoints.kernel.holdNetns(first))
    else if (verb === 'drop') say(await endpoints.kernel.dropNetns(first))
    else if (verb === 'give') say(await endpoints.kernel.giveBack({ mac: first, netns: second }))
    else say(Object.keys(process.env).filter((name) => name.startsWith('LISTEN_')))
  } catch (error) {
    say({ error: String(error) })
  }
}
await endpoints.closeAll()
await hands.close()
