// Goal: a client that is slow, or says nothing, holds no connection for ever; one that follows does, for
// as long as it likes. Method: sockets that write byte by byte, over TCP and the unix socket, against an
// API with little patience.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { register, runOne } from './questions.ts'
import type { Rig } from './rig.ts'
import { openRig } from './rig.ts'

const PATIENCE = { headersMs: 400, requestMs: 800, answerMs: 400 }
/** Much longer than all of it, milliseconds. */
const LONG_MS = 2500
let rig: Rig
let unix: string
let id: string

beforeAll(async () => {
  rig = await openRig({ patience: PATIENCE })
  unix = join(rig.folder, 'enid.sock')
  await rig.listenUnix(unix)
  await register(rig)
  id = (await runOne(rig)).split('/').at(-1) ?? ''
})
afterAll(async () => {
  expect(rig.defects).toEqual([])
  await rig.close()
})

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
function open(where: 'tcp' | 'unix'): Socket {
  const port = Number(new URL(rig.url).port)
  const socket = where === 'unix' ? connect(unix) : connect(port, '127.0.0.1')
  // It is cut off while it writes: what counts is that it was closed.
  return socket.on('error', () => {})
}
const isClosed = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve))
const HEAD = `HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n`

/** Says `first`, then the rest a byte at a time while it is let; what it was told, and after how long. */
async function drip(where: 'tcp' | 'unix', first: string, rest: string) {
  const socket = open(where)
  const since = performance.now()
  let said = ''
  socket.on('data', (data) => {
    said += data
  })
  const closed = isClosed(socket)
  if (first !== '') socket.write(first)
  for (const byte of rest) {
    if (socket.destroyed || socket.readableEnded) break
    socket.write(byte)
    await sleep(40)
  }
  await closed
  return { said, ms: performance.now() - since }
}
const SLOWLY = 'x'.repeat(250)

describe.each(['tcp', 'unix'] as const)('over %s a client', (where) => {
  // P528
  test.each<[string, string, string, number]>([
    ['never gets its headers said', `GET /healthz ${HEAD}x: `, SLOWLY, PATIENCE.headersMs],
    [
      ...(['never gets its body said', `POST /tasks ${HEAD}content-length: 999\r\n\r\n`] as const),
      ...([SLOWLY, PATIENCE.requestMs] as const),
    ],
    ['says nothing at all', '', '', PATIENCE.headersMs],
  ])(
    'that %s is cut off, and others are answered meanwhile',
    async (_what, first, rest, afterMs) => {
      const slow = drip(where, first, rest)
      expect((await fetch(`${rig.url}/healthz`)).status).toBe(200)
      const { said, ms } = await slow
      expect(said).toMatch(/^(HTTP\/1.1 408 Request Timeout\r\n.*)?$/s)
      expect(ms).toBeGreaterThan(afterMs - 50)
      expect(ms).toBeLessThan(8000)
    },
    20_000,
  )

  // P528
  test('that does not read its answer is cut off', async () => {
    rig.orders.logs = async () => 'x'.repeat(64 << 20)
    const socket = open(where)
    socket.write(`GET /tasks/${id}/logs ${HEAD}\r\n`)
    await once(socket, 'readable')
    await sleep(LONG_MS)
    let bytes = 0
    socket.on('data', (data) => {
      bytes += data.length
    })
    await isClosed(socket)
    expect(bytes).toBeGreaterThan(0)
    expect(bytes).toBeLessThan(64 << 20)
  }, 90_000)

  // P528
  test('that does not hang up when all was said is hung up on', async () => {
    const socket = open(where)
    socket.on('end', () => {})
    socket.allowHalfOpen = true
    socket.write(`GET /exec/none ${HEAD}connection: upgrade\r\nupgrade: enid-exec\r\n\r\n`)
    const [answer] = await once(socket, 'data')
    expect(String(answer)).toMatch(/^HTTP\/1\.1 404 /)
    // Nobody is there any more: the kernel says so.
    await expect
      .poll(() => new Promise((resolve) => socket.write('x', (error) => resolve(error?.name))), {
        timeout: 5000,
      })
      .toBe('Error')
    socket.destroy()
  }, 90_000)

  // P528
  test('that follows events, a log, or a program is left, however little is said', async () => {
    const follow = async (path: string, head = HEAD) => {
      const socket = open(where)
      socket.write(`GET ${path} ${head}\r\n`)
      const [first] = await once(socket, 'data')
      expect(String(first)).toMatch(/^HTTP\/1\.1 (200|101) /)
      return socket
    }
    const said = Promise.withResolvers<void>()
    rig.orders.follow = async function* () {
      yield Buffer.from('one\n')
      await said.promise
      yield Buffer.from('two\n')
    }
    const ordered = await fetch(`${rig.url}/tasks/${id}/exec`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ command: ['cat'] }),
    })
    const { path } = (await ordered.json()) as { path: string }
    const upgrade = `${HEAD}connection: upgrade\r\nupgrade: enid-exec\r\n`
    const all = {
      events: await follow('/events'),
      log: await follow(`/tasks/${id}/logs?follow=true`),
      program: await follow(path, upgrade),
    }
    await sleep(LONG_MS)
    const next = Object.values(all).map((socket) => once(socket, 'data'))
    rig.journal.append(id, { type: 'healthSeen', container: 'nginx', healthy: true })
    said.resolve()
    all.program.write(Buffer.from([0, 0, 0, 0, 3, ...Buffer.from('hi\n')]))
    const [events, log, program] = (await Promise.all(next)).map(([data]) => String(data))
    expect(events).toContain('event: healthSeen')
    expect(log).toContain('two\n')
    expect(program).toContain('hi\n')
    for (const socket of Object.values(all)) socket.destroy()
  }, 90_000)
})
