// Goal: the agent's death at any moment is not the task's: what runs goes on untouched, what was
// being started is finished, what was being stopped is taken down. Method: SIGKILL and restart.

import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { must } from '../../scripts/demo/program.ts'
import { fact, Rig } from './rig.ts'

let rig: Rig
let group = ''
beforeAll(async () => {
  rig = await Rig.open()
  group = await rig.group('web', { port: 80, cidr: '10.0.0.0/16' })
  await rig.define('web', 'mkdir /www; echo up > /www/index.html; /busybox httpd -f -p 80 -h /www')
})
afterAll(() => rig?.close())

const startedAt = async (id: string) =>
  must('docker', [
    ...['inspect', '--format', '{{.State.StartedAt}} {{.RestartCount}}'],
    ...[await rig.containerId(id, 'container:app'), await rig.containerId(id, 'sandbox')],
  ])

// P12
test('a running task does not notice that the agent was killed, and is RUNNING at once', async () => {
  const [id = ''] = await rig.run('web', [group])
  const address = fact(await rig.waitFor(id, 'RUNNING'), 'privateIPv4Address')
  const before = await startedAt(id)
  const eniBefore = await rig.enis()
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    expect(await rig.endAgent(signal)).toBe(signal === 'SIGTERM' ? 0 : null)
    const url = `http://${address}/`
    const page = await rig.enid('lab', 'exec', '--', 'curl', '-sS', '-m', '3', url)
    expect(page, page.stderr).toMatchObject({ code: 0, stdout: 'up\n' })
    await rig.startAgent()
    expect((await rig.task(id)).lastStatus).toBe('RUNNING')
  }
  // Every local row was looked at again, and held again, without touching anything.
  await expect
    .poll(async () => (await rig.enid('describe', id, '--json')).stdout, { timeout: 10_000 })
    .not.toContain('"unsure"')
  expect((await rig.task(id)).lastStatus).toBe('RUNNING')
  expect(await startedAt(id)).toBe(before)
  expect(await rig.enis()).toEqual(eniBefore)
  await rig.stopAndWait(id)
}, 180_000)

test('killed at any moment of a start, it finishes the start in its next life', async () => {
  for (const delayMs of [5, 30, 80, 150, 250, 400]) {
    const [id = ''] = await rig.run('web', [group])
    await new Promise((resolve) => setTimeout(resolve, delayMs))
    await rig.endAgent('SIGKILL')
    await rig.startAgent()
    await rig.waitFor(id, 'RUNNING')
    expect(await rig.enis(), `killed after ${delayMs} ms`).toHaveLength(1)
    await rig.stopAndWait(id)
    expect(await rig.enis()).toEqual([])
  }
}, 180_000)

test('killed at any moment of a stop, it finishes the stop in its next life', async () => {
  for (const delayMs of [1, 40, 100, 180, 300]) {
    const [id = ''] = await rig.run('web', [group])
    await rig.waitFor(id, 'RUNNING')
    await rig.stop(id, 'enough')
    await new Promise((resolve) => setTimeout(resolve, delayMs))
    await rig.endAgent('SIGKILL')
    await rig.startAgent()
    const task = await rig.waitFor(id, 'STOPPED')
    expect(task.stoppedReason).toBe('enough')
    expect(await rig.enis(), `killed after ${delayMs} ms`).toEqual([])
  }
}, 180_000)

// P63
test('a pause container that died while the agent was down is found and taken down', async () => {
  const [id = ''] = await rig.run('web', [group])
  await rig.waitFor(id, 'RUNNING')
  await rig.endAgent('SIGKILL')
  await must('docker', ['kill', await rig.containerId(id, 'sandbox')])
  await rig.startAgent()
  const task = await rig.waitFor(id, 'STOPPED')
  expect(task.stoppedReason).toContain('PauseGone')
}, 180_000)

// P106
test('a second agent on the same socket is refused and touches nothing', async () => {
  const second = await rig.enid('agent')
  expect(second.code).not.toBe(0)
  expect(second.stderr).toContain('another agent answers')
}, 180_000)

// P107
test('an agent that cannot start says why, ends, and lets go of everything', async () => {
  const own = { ENID_SOCKET: `${rig.env.ENID_SOCKET}2` }
  const sameState = await rig.enidWith(own, 'agent')
  expect(sameState.code).not.toBe(0)
  expect(sameState.stderr).toContain('another agent works in')
  const elsewhere = { ...own, ENID_STATE_DIR: `${rig.env.ENID_STATE_DIR}2` }
  const sameInstance = await rig.enidWith(elsewhere, 'agent')
  expect(sameInstance.code).not.toBe(0)
  expect(sameInstance.stderr).toMatch(/another agent works for i-[0-9a-f]+ on this host/)
  await rig.endAgent('SIGTERM')
  const other = createServer().listen(Number(rig.env.ENID_LISTEN?.split(':')[1]), '127.0.0.1')
  await once(other, 'listening')
  const samePort = await rig.enidWith({}, 'agent')
  other.close()
  expect(samePort.code).not.toBe(0)
  expect(samePort.stderr).toMatch(/EADDRINUSE|in use/)
  await rig.startAgent()
}, 180_000)

// P84
test('an agent that does not know its host yet says what it waits for, and answers nothing else', async () => {
  const own = {
    ENID_STATE_DIR: `${rig.env.ENID_STATE_DIR}3`,
    ENID_SOCKET: `${rig.env.ENID_SOCKET}3`,
    ENID_LISTEN: '',
    AWS_ENDPOINT_URL_EC2: 'http://127.0.0.1:9',
  }
  const agent = rig.enidWith(own, 'agent')
  await new Promise((resolve) => setTimeout(resolve, 4_000))
  const { code, stderr } = await rig.enidWith(own, 'ps')
  expect(code).toBe(1)
  expect(stderr).toContain(
    'the agent is starting, and waits for IMDS and EC2 to say which host this is',
  )
  expect((await agent).stderr).toContain('waiting to know this host')
}, 180_000)

test('nothing is left', async () => {
  expect(await rig.enis()).toEqual([])
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 180_000)
