// Goal: all drivers together carry one task up and down, on a real VPC's terms: the lab's EC2 and
// its data plane, the real kernel, the real dockerd. Method: each row in its order, as the runner
// would; the oracle is the lab's own world, `docker` and packets. Prints what each row took.

import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDocker } from '../../agent/drivers/docker.ts'
import type { Details, Driver, Drivers } from '../../agent/drivers/driver.ts'
import { MARK } from '../../agent/drivers/driver.ts'
import { openDrivers } from '../../agent/drivers/drivers.ts'
import { type Ec2, openEc2 } from '../../agent/drivers/ec2.ts'
import { deviceIndicesInUse } from '../../agent/drivers/host.ts'
import { type Kernel, openKernel } from '../../agent/drivers/kernel/kernel.ts'
import { openSubnets } from '../../agent/drivers/subnets.ts'
import type { Host } from '../../agent/orders.ts'
import { answerQuery } from '../../lab/ec2/call.ts'
import { CallLog } from '../../lab/ec2/call-log.ts'
import { type LabFabric, openFabric } from '../../lab/fabric/open.ts'
import { freshWorld } from '../../lab/model/fresh-world.ts'
import { Region } from '../../lab/region.ts'
import { kindOf, type RowId } from '../../state/task.ts'
import { container, job, newHolderId, newHost, spec } from './jobs.ts'
import { docker, importTestImage, sh, wearing } from './test-image.ts'

let fabric: LabFabric
let region: Region
let server: ReturnType<typeof createServer>
let ec2: Ec2
let kernel: Kernel
let drivers: Drivers
let image: string
let host: Host
const calls: string[] = []

beforeAll(async () => {
  image = await importTestImage()
  const log = pino({ level: 'silent' })
  fabric = await openFabric({ name: `t-${randomBytes(3).toString('hex')}`, log })
  const wish = { instanceType: 'lab.unlimited', netns: '/proc/self/ns/net' }
  const world = freshWorld(wish, (length) => randomBytes(length), new Date())
  const empty = { ...world, subnets: new Map(), groups: new Map(), enis: new Map() }
  region = new Region(empty, fabric, (step, error) => console.error(step, error))
  await region.change(() => ({ world, output: undefined }))
  const lab = { region, calls: new CallLog(), log }
  server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const reply = await answerQuery(lab, body)
    response.statusCode = reply.status
    response.setHeader('x-amzn-requestid', reply.requestId)
    response.end(reply.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_EC2: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_REGION: 'us-west-2',
  })
  const [instance] = region.world.instances.values()
  host = {
    ...newHost(),
    instanceId: instance?.instanceId ?? '',
    vpcId: region.world.homeVpcId,
  }
  ec2 = openEc2({ onCall: ({ action }) => calls.push(action) })
  kernel = openKernel({ warn: () => {}, error: console.error })
  const subnets = openSubnets({ ec2, vpcId: host.vpcId })
  drivers = openDrivers({ ec2, subnets, docker: openDocker(), kernel, host })
})

afterAll(async () => {
  await kernel?.close()
  await ec2?.close()
  server?.closeAllConnections()
  server?.close()
  await fabric?.close()
  await docker('rmi', image)
})

/** The rows of one task in the order in which they stand on each other. */
const UP: readonly RowId[] = [
  'eni:0',
  'image:app',
  'sandbox',
  'attachment:0',
  'guard:0',
  'link:0',
  'container:app',
]

type Known = Partial<Record<RowId, Details[keyof Details]>>

/** One holder, told what the runner would tell its drivers. Each step's time is kept. */
function newTask() {
  const holderId = newHolderId()
  const [subnet] = region.world.subnets.values()
  const enis = [{ subnetIds: [subnet?.subnetId ?? ''], securityGroupIds: [], tags: {} }]
  const line = '/busybox ip -o address show dev eth0; exec /busybox sleep 600'
  const containers = [container({ image, command: sh(line), stopTimeoutMs: 100 })]
  const known: Known = {}
  const times: Record<string, number> = {}
  const choice = (row: RowId) =>
    ({ eni: subnet?.subnetId, attachment: '1' })[kindOf(row) as string] ?? ''

  const jobOf = (row: RowId, again: boolean) =>
    job(row, { holderId, again, known, choice: choice(row), spec: spec({ enis, containers }) })
  const driver = (row: RowId) => drivers[kindOf(row) as keyof Drivers] as Driver<keyof Details>

  async function timed<T>(name: string, step: Promise<T>): Promise<T> {
    const begun = performance.now()
    const result = await step
    times[name] = Math.round(performance.now() - begun)
    return result
  }
  return {
    holderId,
    known,
    times,
    async climb(again = false): Promise<void> {
      for (const row of UP) {
        const step = driver(row).ensure(jobOf(row, again), new AbortController().signal)
        known[row] = await timed(`ensure ${row}`, step)
      }
    },
    async descend(again = false): Promise<void> {
      for (const row of UP.toReversed()) {
        const step = driver(row).release(jobOf(row, again), new AbortController().signal)
        await timed(`release ${row}`, step)
      }
    },
  }
}

/** What of ours is left in the world. */
async function leftovers(holderId: string): Promise<unknown[]> {
  const enis = [...region.world.enis.values()].filter((eni) => eni.attachment?.deviceIndex !== 0)
  return [...enis, ...(await wearing(MARK.holder, holderId))]
}

test('a task goes up with three EC2 calls and down with two, and leaves nothing', async () => {
  const task = newTask()
  await task.climb()
  const eni = task.known['eni:0'] as Details['eni']
  expect(eni.ipv6).toMatch(/^2001:db8:/)
  const { containerId } = task.known['container:app'] as Details['container']
  await expect.poll(() => docker('logs', containerId)).toContain(eni.ipv4)
  expect(await docker('logs', containerId)).toContain(eni.ipv6)
  expect(await deviceIndicesInUse(ec2, host.instanceId, new AbortController().signal)).toEqual(
    new Set([0, 1]),
  )
  expect([...region.world.enis.values()].at(-1)?.attachment).toMatchObject({
    deviceIndex: 1,
    deleteOnTermination: true,
  })

  await task.descend()

  expect(await leftovers(task.holderId)).toEqual([])
  expect(calls.filter((action) => !action.startsWith('Describe'))).toEqual([
    'CreateNetworkInterface',
    'AttachNetworkInterface',
    'ModifyNetworkInterfaceAttribute',
    'DetachNetworkInterface',
    'DeleteNetworkInterface',
  ])
  console.log('milliseconds:', task.times)
})

test('every step may be repeated, up and down, and finds what is there', async () => {
  const task = newTask()
  await task.climb()
  const before = structuredClone(task.known)
  await task.climb(true)
  expect(task.known).toEqual(before)
  await task.descend(true)
  expect(await leftovers(task.holderId)).toEqual([])
  await task.descend(true)
})

test('a task of which nobody remembers anything is found by its marks and taken down', async () => {
  const task = newTask()
  await task.climb()
  const { mac } = task.known['eni:0'] as Details['eni']
  const sandbox = task.known.sandbox as Details['sandbox']
  // Only the link's details are needed to bring it home: it wears no name that Docker or EC2 know.
  await kernel.giveBack({ mac, netns: sandbox.netns })
  for (const row of UP) delete task.known[row]
  await task.descend(true).catch(() => {})
  await task.descend(true)
  expect(await leftovers(task.holderId)).toEqual([])
})
