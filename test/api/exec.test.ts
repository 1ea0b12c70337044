// Goal: the two steps of an exec, and a log that is followed, as any client of the API meets them.
// Method: plain HTTP and a socket against the API over a fake agent whose program says its input back.

import { once } from 'node:events'
import { request } from 'node:http'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { RegisterTaskDefinitionCommand } from '@aws-sdk/client-ecs'
import { beforeEach, describe, expect, test } from 'vitest'
import { Failure } from '../../agent/failure.ts'
import { runOne } from './questions.ts'
import { nginx, seedDefinition } from './rig.ts'
import { useRig } from './use-rig.ts'

const rig = useRig()
let id = ''
beforeEach(async () => {
  const definition = seedDefinition(nginx(), nginx({ name: 'side', portMappings: [] }))
  await rig.ecs.send(new RegisterTaskDefinitionCommand(definition))
  id = (await runOne(rig)).split('/').at(-1) ?? ''
})

async function ask(body: object, task = id) {
  const response = await fetch(`${rig.url}/tasks/${task}/exec`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: response.status, body: (await response.json()) as Record<string, string> }
}

/** The upgraded connection, or the status with which it was refused. */
async function connect(
  path: string,
  headers: Record<string, string> = {},
): Promise<Socket | number | string> {
  const { hostname, port } = new URL(rig.url)
  const all = { connection: 'Upgrade', upgrade: 'enid-exec', ...headers }
  const outgoing = request({ host: hostname, port, path, headers: all })
  outgoing.end()
  return await new Promise((resolve) => {
    outgoing.once('upgrade', (_response, socket, head) => {
      socket.unshift(head)
      resolve(socket as Socket)
    })
    outgoing.once('response', ({ statusCode = 0 }) => resolve(statusCode))
    outgoing.once('error', ({ message }) => resolve(message))
  })
}

const frame = (kind: number, text: string): Buffer => {
  const header = Buffer.from([kind, 0, 0, 0, 0])
  header.writeUInt32BE(Buffer.byteLength(text), 1)
  return Buffer.concat([header, Buffer.from(text)])
}

/** Everything that comes, as pairs of kind and text. */
async function all(socket: Socket): Promise<[number, string][]> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'close')
  const found: [number, string][] = []
  for (let rest = Buffer.concat(chunks); rest.length >= 5; ) {
    const end = 5 + rest.readUInt32BE(1)
    found.push([rest[0] ?? 0, rest.subarray(5, end).toString('latin1')])
    rest = rest.subarray(end)
  }
  return found
}

describe('an exec', () => {
  test('is asked for, connected to, fed, and tells output, errors and the exit code', async () => {
    const asked = await ask({
      command: ['sh', '-c', 'x'],
      container: 'nginx',
      tty: true,
      user: 'me',
    })
    expect(asked).toEqual({
      status: 201,
      body: {
        path: expect.stringMatching(/^\/exec\/[0-9a-f]{32}$/),
        upgrade: 'enid-exec',
        container: 'nginx',
      },
    })
    expect(rig.orders.executed).toEqual([])
    const socket = (await connect(asked.body.path ?? '')) as Socket
    const heard = all(socket)
    // In pieces, as networks have it.
    const sent = Buffer.concat([
      frame(2, '\x00\x65\x00\x21'),
      frame(0, 'hello '),
      frame(0, 'world'),
      frame(1, ''),
    ])
    for (const byte of sent) socket.write(Buffer.from([byte]))
    const said = await heard
    const output = said.filter(([kind]) => kind === 1).map(([, text]) => text)
    expect(output.join('')).toBe('hello world')
    expect(said.slice(-2)).toEqual([
      [2, 'tty 101x33'],
      [3, '\x00\x00\x00\x07'],
    ])
    const order = { command: ['sh', '-c', 'x'], tty: true, user: 'me' }
    expect(rig.orders.executed).toEqual([{ container: 'nginx', order }])
  })

  test('can be connected to once, by its path and protocol alone, and not by a web page', async () => {
    const { body } = await ask({ command: ['x'], container: 'side' })
    const { path = '' } = body
    expect(await connect(path.slice(0, -1))).toBe(404)
    expect(await connect(path, { upgrade: 'websocket' })).toBe(404)
    expect(await connect(path, { host: 'evil.example' })).toBe('socket hang up')
    const socket = (await connect(path)) as Socket
    socket.destroy()
    expect(await connect(path)).toBe(404)
    expect(rig.orders.executed).toHaveLength(1)
  })

  test('that Docker refuses says so on its connection', async () => {
    rig.orders.execFailure = new Failure('refused', 'CannotExecError', 'no such file', {
      hint: 'Look',
    })
    const { body } = await ask({ command: ['x'], container: 'side' })
    const heard = all((await connect(body.path ?? '')) as Socket)
    expect(await heard).toEqual([[4, 'CannotExecError: no such file. Look']])
  })

  test('of what makes no sense is refused at the first step', async () => {
    const refused = async (body: object, task?: string) => {
      const { status, body: answer } = await ask(body, task)
      return [status, JSON.stringify(answer)]
    }
    expect(await refused({ command: [] })).toEqual([400, expect.stringMatching(/command/)])
    expect(await refused({ command: ['x'] })).toEqual([400, expect.stringMatching(/nginx, side/)])
    expect(await refused({ command: ['x'], container: 'no' })).toEqual([
      400,
      expect.stringMatching(/container: .*\\"no\\" is not in it/),
    ])
    const [status] = await refused({ command: ['x'] }, 'f'.repeat(32))
    expect(status).toBe(404)
  })
})

test('a log is followed until it ends, over the unix socket as well', async () => {
  const path = join(rig.folder, 'enid.sock')
  await rig.listenUnix(path)
  const text = await new Promise<string>((resolve) => {
    const at = `/tasks/${id}/logs?container=side&lines=3&follow=true`
    request({ socketPath: path, path: at }, (response) => {
      let said = ''
      response.on('data', (chunk: Buffer) => {
        said += chunk
      })
      response.once('end', () => resolve(said))
    }).end()
  })
  expect(text).toBe(`3 lines of side of ${id}\nand one more\n`)
})
