// Goal: a container finds out about itself as on ECS, from its first instruction on, also after the
// agent was killed, and about nobody else. Method: a task that asks with busybox, on real Docker.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { must } from '../../scripts/demo/program.ts'
import { fact, Rig } from './rig.ts'

let rig: Rig
let group = ''
beforeAll(async () => {
  rig = await Rig.open()
  group = await rig.group('ask')
})
afterAll(() => rig?.close())

const GET = '/busybox timeout 5 /busybox wget -q -O -'

type Metadata = {
  readonly TaskARN: string
  readonly KnownStatus: string
  readonly Containers: readonly {
    readonly DockerId: string
    readonly Networks: readonly {
      readonly IPv4Addresses: readonly string[]
      readonly MACAddress: string
    }[]
  }[]
}

async function asked(id: string, path: string): Promise<string> {
  const line = `${GET} $ECS_CONTAINER_METADATA_URI_V4${path}`
  const container = await rig.containerId(id, 'container:app')
  return await must('docker', ['exec', container, '/busybox', 'sh', '-c', line])
}

// P310
test('a container asks before anything else, and is answered; so it is after a kill of the agent', async () => {
  await rig.define('ask', `${GET} $ECS_CONTAINER_METADATA_URI_V4 && echo; exec /busybox sleep 600`)
  const [id = ''] = await rig.run('ask', [group])
  const task = await rig.waitFor(id, 'RUNNING')
  await expect
    .poll(async () => (await rig.enid('logs', id)).stdout, { timeout: 10_000 })
    .toContain('"Name":"app"')

  const expectWhole = async () => {
    const told = JSON.parse(await asked(id, '/task')) as Metadata
    expect(told).toMatchObject({ TaskARN: task.taskArn, KnownStatus: 'RUNNING' })
    const [container] = told.Containers
    expect(container?.DockerId).toBe(await rig.containerId(id, 'container:app'))
    expect(container?.Networks[0]).toMatchObject({
      IPv4Addresses: [fact(task, 'privateIPv4Address')],
      MACAddress: fact(task, 'macAddress'),
    })
    const stats = JSON.parse(await asked(id, '/stats')) as {
      memory_stats: { usage: number }
      networks: Record<string, { tx_bytes: number }>
    }
    expect(stats.memory_stats.usage).toBeGreaterThan(0)
    // What Docker does not see, since the card is not its own.
    expect(stats.networks.eth0?.tx_bytes).toBeGreaterThan(0)
  }
  await expectWhole()
  await rig.endAgent('SIGKILL')
  await rig.startAgent()
  await expect.poll(() => asked(id, '/task').catch(() => ''), { timeout: 10_000 }).not.toBe('')
  await expectWhole()
  await rig.stopAndWait(id)
}, 180_000)

// P311
test('another task does not get at it, by whichever address', async () => {
  await rig.define('quiet', 'echo $ECS_CONTAINER_METADATA_URI_V4; exec /busybox sleep 600')
  const [one = '', two = ''] = await rig.run('quiet', [group], 2)
  const addresses = await Promise.all(
    [one, two].map(async (id) => fact(await rig.waitFor(id, 'RUNNING'), 'privateIPv4Address')),
  )
  await expect.poll(async () => (await rig.enid('logs', two)).stdout).toContain('http://')
  const uri = (await rig.enid('logs', two)).stdout.trim()
  // The id of the other is refused, though it is known.
  const curl = (...args: string[]) => rig.inside(one, 'curl', '-sS', '-m', '2', ...args)
  expect((await curl(uri)).stdout).toContain('no container of this task has that id')
  // Its listener is on its own loopback: neither its address nor a route by it leads there.
  const to = addresses[1] ?? ''
  expect((await curl(`http://${to}:51679/`)).code).not.toBe(0)
  await rig.inside(one, 'ip', 'route', 'add', '169.254.170.2/32', 'via', to)
  expect((await curl(uri)).stdout).toContain('no container of this task has that id')
  await rig.stopAndWait(one, two)
}, 180_000)

test('nothing is left', async () => {
  expect(await rig.containers()).toEqual([])
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 90_000)
