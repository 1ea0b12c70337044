// Goal: an agent that starts is alive to whoever asks, and a pause to its callers, not a refusal.
// Method: the door alone, on a real socket, opened by hand.

import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { type Door, openDoor, type Routes } from '../../api/door.ts'
import { PATIENCE } from '../../api/listening.ts'

const folder = mkdtempSync(join(tmpdir(), 'enid-door-'))
const socketPath = join(folder, 'enid.sock')
let door: Door
afterEach(async () => {
  await door.close()
  rmSync(socketPath, { force: true })
})

async function openOn(keptMs?: number): Promise<void> {
  door = openDoor(PATIENCE, keptMs)
  await door.listenUnix(socketPath)
}

type Told = { readonly status: number | undefined; readonly text: string }

async function ask(path: string, options: object = { socketPath }): Promise<Told> {
  const asked = request({ path, agent: false, ...options }).end()
  const [answer] = await once(asked, 'response')
  let text = ''
  for await (const part of answer) text += String(part)
  return { status: answer.statusCode, text }
}

/** The API, once there is one: it says what it was asked. */
const api: Routes = {
  route: ({ url }, response, isTcp) => response.end(`${url} ${isTcp}`),
  upgrade: (_request, socket) =>
    socket.end('HTTP/1.1 101 Yes\r\nconnection: upgrade\r\nupgrade: enid\r\n\r\n'),
}

// P480
test('health says that the agent is alive, and what it waits for, before there is an API', async () => {
  await openOn()
  door.waitFor('its state file')
  const { status, text } = await ask('/healthz')
  expect([status, JSON.parse(text)]).toEqual([200, { ok: true, waitsFor: 'its state file' }])
})

// P480
test('what else is asked is kept, and answered by the API once that is there', async () => {
  await openOn()
  const early = [ask('/status'), ask('/tasks')]
  await ask('/healthz')
  door.open(api)
  const texts = (await Promise.all(early)).map(({ text }) => text)
  expect(texts).toEqual(['/status false', '/tasks false'])
  expect((await ask('/healthz')).text).toBe('/healthz false')
})

// P480
test('what was kept too long is answered with 503, in the form of its face, and what is waited for', async () => {
  await openOn(30)
  door.waitFor('IMDS')
  const rest = await ask('/status')
  const ecs = await ask('/', { socketPath, method: 'POST' })
  expect([rest.status, ecs.status]).toEqual([503, 503])
  const message = 'the agent is starting, and waits for IMDS. Ask again; /healthz says when'
  expect(JSON.parse(rest.text)).toEqual({ error: { code: 'ServerException', message } })
  expect(JSON.parse(ecs.text)).toEqual({ __type: 'ServerException', message })
})

test('over TCP health is told to the loopback only, as everything is later', async () => {
  await openOn(30)
  const port = await door.listenTcp('127.0.0.1', 0)
  const own = await ask('/healthz', { port, headers: { host: '127.0.0.1' } })
  const rebound = await ask('/healthz', { port, headers: { host: 'evil.example' } })
  expect([own.status, rebound.status]).toEqual([200, 503])
})

test('no more than a hundred are kept, and one whose caller went away is not answered', async () => {
  await openOn()
  const given = request({ path: '/gone', agent: false, socketPath }).end()
  given.on('error', () => {})
  await once(given, 'socket')
  await ask('/healthz')
  given.destroy()
  await ask('/healthz')
  const kept = Array.from({ length: 100 }, (_, n) => ask(`/${n}`))
  await ask('/healthz')
  expect((await ask('/more')).status).toBe(503)
  door.open(api)
  expect((await Promise.all(kept)).map(({ text }) => text)).toEqual(
    Array.from({ length: 100 }, (_, n) => `/${n} false`),
  )
})

test('an agent that ends before it was whole answers whoever waits', async () => {
  await openOn()
  const waiting = ask('/status')
  await ask('/healthz')
  await door.close()
  expect((await waiting).status).toBe(503)
})

test('an upgrade goes to the API once that is there, and is cut off before', async () => {
  await openOn()
  const upgrade = () =>
    request({ socketPath, agent: false, headers: { connection: 'upgrade', upgrade: 'enid' } }).end()
  const early = upgrade()
  expect((await once(early, 'error'))[0].code).toMatch(/^(ECONNRESET|EPIPE)$/)
  door.open(api)
  const [answer] = await once(upgrade(), 'upgrade')
  expect(answer.statusCode).toBe(101)
})
