// Goal: what a container writes gets to the task's log router, and nowhere past it, with the file that
// ECS would have written for it. Method: real agent, lab and Docker, and a router of our own that says
// what it receives, read by a reader of the forward protocol.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDocker } from '../../agent/drivers/docker.ts'
import { tarOf } from '../../agent/drivers/pause/image.ts'
import { docker } from '../drivers/test-image.ts'
import { type Message, messagesIn } from './forward.ts'
import { Rig } from './rig.ts'

const IMAGE = 'enid-test/router:1'
const CONFIG = '/fluent-bit/etc/fluent-bit.conf'
let rig: Rig
let group = ''
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'enid-router-'))
  const program = join(folder, 'router')
  const source = join(import.meta.dirname, 'forward-receiver.c')
  execFileSync('gcc', ['-static', '-O1', '-o', program, source])
  const [repository = '', tag = ''] = IMAGE.split(':')
  const layer = tarOf('router', readFileSync(program))
  const signal = AbortSignal.timeout(30_000)
  await openDocker().importImage(layer, { repository, tag, changes: [] }, signal)
  rmSync(folder, { recursive: true })
  rig = await Rig.open()
  group = await rig.group('logs')
}, 180_000)
afterAll(async () => {
  await rig?.close()
  await docker('rmi', IMAGE)
})

const router = {
  name: 'router',
  image: IMAGE,
  memory: 64,
  stopTimeout: 1,
  essential: true,
  entryPoint: ['/router'],
  command: [CONFIG],
  firelensConfiguration: { type: 'fluentbit' as const },
}

/** What the router said that it received by this way, put together. */
async function received(id: string, way: string): Promise<Buffer> {
  const { stdout } = await rig.enid('logs', id, 'router', '--lines', '2000')
  const lines = stdout.split('\n').filter((line) => line.startsWith(`${way} `))
  return Buffer.from(lines.map((line) => line.slice(way.length + 1)).join(''), 'hex')
}

async function run(line: string): Promise<string> {
  const image = rig.image
  const app = {
    ...{ name: 'app', image, memory: 64, stopTimeout: 1, essential: true },
    command: ['/busybox', 'sh', '-c', line],
    logConfiguration: {
      logDriver: 'awsfirelens' as const,
      options: { Name: 'cloudwatch', log_group_name: 'g', 'exclude-pattern': '^health' },
    },
  }
  await rig.define('routed', '', {}, { containerDefinitions: [app, router] })
  const [id = ''] = await rig.run('routed', [group])
  await rig.waitFor(id, 'RUNNING')
  return id
}

// P368
test('what a container writes gets to the router by the socket, and what it sends by port 24224', async () => {
  const id = await run(
    'echo one; echo two >&2; /busybox nc $FLUENT_HOST $FLUENT_PORT < /proc/self/cmdline; exec /busybox sleep 600',
  )
  const seen = async () => messagesIn(await received(id, 'unix'))
  await expect.poll(async () => (await seen()).length, { timeout: 20_000 }).toBe(2)
  const messages = await seen()
  const byLog = (log: string): Message | undefined =>
    messages.find(({ record }) => record.log === log)
  for (const [log, source] of [
    ['one', 'stdout'],
    ['two', 'stderr'],
  ] as const) {
    const message = byLog(log)
    expect(message).toMatchObject({ tag: `app-firelens-${id}`, record: { source } })
    expect(message?.record.container_id).toBe(await rig.containerId(id, 'container:app'))
    expect(Math.abs((message?.time ?? 0) - Date.now() / 1000)).toBeLessThan(60)
  }
  await expect
    .poll(async () => (await received(id, 'tcp')).toString(), { timeout: 10_000 })
    .toContain('busybox')

  const config = (await received(id, 'config')).toString()
  const { taskArn = '', taskDefinitionArn = '' } = await rig.task(id)
  expect(config).toContain('unix_path /var/run/fluent.sock')
  expect(config).toContain(`Record ecs_task_arn ${taskArn}\n`)
  expect(config).toContain(`Record ecs_task_definition ${taskDefinitionArn.split('/')[1]}\n`)
  expect(config).toContain(`Record ec2_instance_id ${rig.instanceId}\n`)
  expect(config).toMatch(/Name cloudwatch\n {4}Match app-firelens\*\n {4}log_group_name g\n/)
  // Docker keeps a copy of its own all the same.
  expect((await rig.enid('logs', id, 'app')).stdout).toContain('one')
  await rig.stopAndWait(id)
}, 180_000)

// P369
test('the router outlives a kill of the agent, and its folder goes with the task', async () => {
  const id = await run('while :; do echo tick; /busybox sleep 0.2; done')
  const folder = join(rig.env.ENID_STATE_DIR ?? '', 'firelens', id)
  expect(statSync(join(folder, 'socket', 'fluent.sock')).isSocket()).toBe(true)
  // Nobody but root gets to the socket.
  expect(statSync(rig.env.ENID_STATE_DIR ?? '').mode & 0o077).toBe(0)
  await rig.endAgent('SIGKILL')
  await rig.startAgent()
  const before = (await received(id, 'unix')).length
  await expect
    .poll(async () => (await received(id, 'unix')).length, { timeout: 20_000 })
    .toBeGreaterThan(before)
  await rig.stopAndWait(id)
  expect(existsSync(folder)).toBe(false)
}, 180_000)

test('nothing is left', async () => {
  expect(await rig.containers()).toEqual([])
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 90_000)
