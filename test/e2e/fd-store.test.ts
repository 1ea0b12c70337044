// Goal: under something that keeps its files as systemd does, the agent's restart refuses no task that
// asks at 169.254.170.2, and a task that dies meanwhile gives everything back. Method: the real agent
// under the stand-in of test/net/fd-keeper.py, a task on real Docker that asks with busybox.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { must } from '../../scripts/demo/program.ts'
import { fact, Rig } from './rig.ts'

const KEEPER = join(import.meta.dirname, '../net/fd-keeper.py')
const folder = mkdtempSync(join(tmpdir(), 'enid-fds-'))
const control = join(folder, 'control')
const notify = join(folder, 'notify')
let keeper: ChildProcess
let rig: Rig
let group = ''

beforeAll(async () => {
  keeper = spawn('python3', [KEEPER, 'serve', notify, control], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(keeper.stdout as NonNullable<typeof keeper.stdout>, 'data')
  rig = await Rig.open()
  await rig.endAgent('SIGTERM')
  rig.launcher = ['python3', KEEPER, 'exec', control]
  rig.env.NOTIFY_SOCKET = notify
  await rig.startAgent()
  group = await rig.group('ask')
  await rig.define('ask', 'exec /busybox sleep 600')
})
afterAll(async () => {
  await rig?.close()
  keeper.kill('SIGKILL')
  rmSync(folder, { recursive: true })
})

type Kept = { readonly names: readonly string[]; readonly states: readonly string[] }
const ask = async (): Promise<Kept> =>
  JSON.parse(await must('python3', [KEEPER, 'ask', control, 'list']))
const kept = async () => (await ask()).names

// P444
test('a container that asks while the agent is away is answered by the next one', async () => {
  expect((await ask()).states).toContain('READY')
  const [id = ''] = await rig.run('ask', [group])
  const task = await rig.waitFor(id, 'RUNNING')
  expect(await kept()).toEqual([rig.way(id)])
  const container = await rig.containerId(id, 'container:app')
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await rig.endAgent(signal)
    const line = '/busybox timeout 20 /busybox wget -q -O - $ECS_CONTAINER_METADATA_URI_V4/task'
    const answer = must('docker', ['exec', container, '/busybox', 'sh', '-c', line])
    const waiting = async () => (await rig.inside(id, 'ss', '-Htln')).stdout
    await expect.poll(waiting, { timeout: 10_000 }).toMatch(/^LISTEN +1 .*:51679/m)
    await rig.startAgent()
    expect(JSON.parse(await answer)).toMatchObject({ TaskARN: task.taskArn })
    expect(await kept()).toEqual([rig.way(id)])
  }
  await rig.stopAndWait(id)
  expect(await kept()).toEqual([])
}, 120_000)

// P445
test('a task whose pause died while the agent was away gives everything back', async () => {
  const [id = ''] = await rig.run('ask', [group])
  const mac = fact(await rig.waitFor(id, 'RUNNING'), 'macAddress')
  await rig.endAgent('SIGKILL')
  await must('docker', ['kill', await rig.containerId(id, 'sandbox')])
  // What is kept keeps the namespace, and the card in it.
  expect(await kept()).toHaveLength(1)
  expect(await must('ip', ['-o', 'link', 'show'])).not.toContain(mac)
  await rig.startAgent()
  const task = await rig.waitFor(id, 'STOPPED')
  expect(task.stoppedReason).toContain('PauseGone')
  expect(await kept()).toEqual([])
  expect(await rig.enis()).toEqual([])
}, 180_000)

test('nothing is left', async () => {
  expect(await rig.containers()).toEqual([])
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 90_000)
