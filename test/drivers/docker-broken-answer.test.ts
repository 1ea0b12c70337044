// Goal: an answer of dockerd's that breaks off is an error at once, and not a wait for the time that a
// call may take. Method: a stand-in on a unix socket that sends the half of an answer, as a dockerd that
// is killed in the middle of one.

import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Docker, openDocker } from '../../agent/drivers/docker.ts'
import { dockerAgent } from '../../agent/drivers/docker-agent.ts'

let docker: Docker
let close: () => void
/** What comes of a request: all of an answer, or the half of one. */
let isWhole = false
let requests = 0

beforeEach(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'enid-docker-'))
  const socketPath = join(folder, 'docker.sock')
  const text = JSON.stringify({ Id: 'a'.repeat(64), State: { Running: true } })
  const server = createServer((request, answer) => {
    requests++
    request.resume()
    request.on('end', () => {
      answer.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length })
      if (isWhole) answer.end(text)
      else answer.write(text.slice(0, 20), () => answer.destroy())
    })
  })
  server.listen(socketPath)
  await once(server, 'listening')
  docker = openDocker(`unix://${socketPath}`)
  requests = 0
  isWhole = false
  close = () => {
    server.closeAllConnections()
    server.close()
    rmSync(folder, { recursive: true, force: true })
  }
})
afterEach(() => close())

const never = () => new AbortController().signal

// P518
test.each([
  ['inspect', (signal: AbortSignal) => docker.inspect('a', signal)],
  ['list', (signal: AbortSignal) => docker.list([], signal)],
  ['create', (signal: AbortSignal) => docker.create('a', { Image: 'a' } as never, signal)],
  ['start', (signal: AbortSignal) => docker.start('a', signal)],
  ['stop', (signal: AbortSignal) => docker.stop('a', 1000, signal)],
  ['remove', (signal: AbortSignal) => docker.remove('a', signal)],
] as const)(
  '%s whose answer breaks off says so, and that it may be tried again',
  async (_name, ask) => {
    const began = performance.now()
    await expect(ask(never())).rejects.toMatchObject({ kind: 'transient', isAway: true })
    expect(performance.now() - began).toBeLessThan(10_000)
    expect(requests).toBe(1)
  },
)

test('the next call has a connection of its own', async () => {
  await expect(docker.inspect('a', never())).rejects.toThrow('dockerd')
  isWhole = true
  await expect(docker.inspect('a', never())).resolves.toMatchObject({ State: { Running: true } })
})

// P518
// docker-modem does that with the options of each request: it took 100 ms of a start in a burst.
test('who writes out a request writes out no connections', () => {
  expect(inspect({ agent: dockerAgent() }, { showHidden: true, depth: null })).toBe(
    '{ agent: dockerAgent }',
  )
})
