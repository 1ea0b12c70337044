// The connections to dockerd. dockerode hears of a connection that fails, but not of an answer that
// breaks off, as one does whose dockerd is killed in the middle of it: whoever asked would wait until
// the time for a call is over.

import { Agent, type ClientRequest, type IncomingMessage } from 'node:http'
import { inspect } from 'node:util'

/** What http.request calls: Node's types leave it out, the agents of npm stand on it. */
type Entry = { addRequest: (request: ClientRequest, ...rest: unknown[]) => void }

/** As Node's own: an idle connection is kept for so long, milliseconds. */
const IDLE_MS = 5000

/** An agent whose requests fail, with ECONNRESET, where their answer breaks off. */
export function dockerAgent(): Agent {
  const agent = new Agent({ keepAlive: true, scheduling: 'lifo', timeout: IDLE_MS })
  const entry = agent as unknown as Entry
  const addRequest = entry.addRequest.bind(agent)
  entry.addRequest = (request, ...rest) => {
    request.once('response', (answer: IncomingMessage) => {
      answer.once('close', () => {
        if (!answer.complete) request.emit('error', brokenOff())
      })
    })
    addRequest(request, ...rest)
  }
  // docker-modem writes out the options of each request for a log that nobody reads: all of the
  // agent's connections would take a hundred milliseconds.
  return Object.assign(agent, { [inspect.custom]: () => 'dockerAgent' })
}

const brokenOff = (): Error =>
  Object.assign(new Error('it broke off its answer'), { code: 'ECONNRESET' })
