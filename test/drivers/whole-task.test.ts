// Goal: all drivers together carry one task up and down, on a real VPC's terms: the lab's EC2, IMDS
// and data plane, the real kernel, the real dockerd. Method: each row in its order, as the runner
// would; the oracle is the SDK, the docker command and packets. Prints what each row took.

import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  DescribeNetworkInterfacesCommand,
  DescribeSubnetsCommand,
  EC2Client,
  type NetworkInterface,
} from '@aws-sdk/client-ec2'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDocker } from '../../agent/drivers/docker.ts'
import type { Details, Driver, Drivers } from '../../agent/drivers/driver.ts'
import { MARK } from '../../agent/drivers/driver.ts'
import { openDrivers } from '../../agent/drivers/drivers.ts'
import { type Ec2, openEc2 } from '../../agent/drivers/ec2.ts'
import { findHost, pluggedEnis } from '../../agent/drivers/host.ts'
import { openImds } from '../../agent/drivers/imds.ts'
import { type Kernel, openKernel } from '../../agent/drivers/kernel/kernel.ts'
import { openStartTurns } from '../../agent/drivers/start-turns.ts'
import { openSubnets } from '../../agent/drivers/subnets.ts'
import type { Host } from '../../agent/orders.ts'
import { runLab } from '../../lab/main.ts'
import { kindOf, type RowId } from '../../state/task.ts'
import { container, job, never, newHolderId, spec } from './jobs.ts'
import { noImages } from './no-images.ts'
import { docker, importTestImage, sh, wearing } from './test-image.ts'

const down = new AbortController()
const calls: string[] = []
let lab: Promise<void>
let stateRoot: string
let oracle: EC2Client
let ec2: Ec2
let kernel: Kernel
let drivers: Drivers
let image: string
let host: Host
let subnetId: string

beforeAll(async () => {
  image = await importTestImage()
  stateRoot = await mkdtemp(join(tmpdir(), 'enid-drivers-'))
  const endpoint = await startLab()
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_EC2: endpoint,
    AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_REGION: 'us-west-2',
  })
  oracle = new EC2Client()
  ec2 = openEc2({ onCall: ({ action }) => calls.push(action) })
  host = await findHost(openImds(), ec2, never())
  const { Subnets } = await oracle.send(new DescribeSubnetsCommand())
  const here = Subnets?.find(({ AvailabilityZone: zone }) => zone === host.availabilityZone)
  subnetId = here?.SubnetId ?? ''
  kernel = openKernel({ warn: () => {}, error: console.error })
  const subnets = openSubnets({ ec2, vpcId: host.vpcId })
  const docker = openDocker()
  const images = noImages('prefer-cached')
  const parts = { ec2, subnets, docker, kernel, host, images, stateDir: stateRoot }
  drivers = openDrivers({ ...parts, onTaken: () => {}, turns: openStartTurns() })
})

async function startLab(): Promise<string> {
  const ready = Promise.withResolvers<number>()
  const options = {
    name: `t-${randomBytes(3).toString('hex')}`,
    port: 0,
    stateRoot,
    logLevel: 'silent',
    onReady: ({ port }: { port: number }) => ready.resolve(port),
  }
  lab = runLab(options, down.signal)
  lab.catch(ready.reject)
  return `http://127.0.0.1:${await ready.promise}`
}

afterAll(async () => {
  await kernel?.close()
  await ec2?.close()
  oracle?.destroy()
  down.abort()
  await lab
  await rm(stateRoot, { recursive: true })
  await docker('rmi', image)
})

/** The ENIs of the VPC but the instance's own, as the SDK sees them. */
async function enis(): Promise<NetworkInterface[]> {
  const { NetworkInterfaces } = await oracle.send(new DescribeNetworkInterfacesCommand())
  return (NetworkInterfaces ?? []).filter((eni) => eni.Attachment?.DeviceIndex !== 0)
}

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
  const wanted = [{ subnetIds: [subnetId], securityGroupIds: [], tags: {} }]
  const line = '/busybox ip -o address show dev eth0; exec /busybox sleep 600'
  const containers = [container({ image, command: sh(line), stopTimeoutMs: 100 })]
  const known: Known = {}
  const times: Record<string, number> = {}
  const choice = (row: RowId) => ({ eni: subnetId, attachment: '1' })[kindOf(row) as string] ?? ''

  const jobOf = (row: RowId, again: boolean) =>
    job(row, {
      holderId,
      again,
      known,
      choice: choice(row),
      spec: spec({ enis: wanted, containers }),
    })
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
  return [...(await enis()), ...(await wearing(MARK.holder, holderId))]
}

test('the host finds itself', () => {
  expect(host).toMatchObject({
    instanceId: expect.stringMatching(/^i-[0-9a-f]{17}$/),
    vpcId: expect.stringMatching(/^vpc-/),
    availabilityZone: 'us-west-2a',
    nameServers: ['10.0.0.2'],
    searchDomains: ['us-west-2.compute.internal'],
    primaryMac: expect.stringMatching(/^02:/),
  })
  expect(host.eniCountMax).toBeGreaterThan(2)
})

test('a task goes up with three EC2 calls and down with two, and leaves nothing', async () => {
  const task = newTask()
  await task.climb()
  const eni = task.known['eni:0'] as Details['eni']
  expect(eni.ipv6).toMatch(/^2001:db8:/)
  const { containerId } = task.known['container:app'] as Details['container']
  await expect.poll(() => docker('logs', containerId)).toContain(eni.ipv4)
  expect(await docker('logs', containerId)).toContain(eni.ipv6)
  const plugged = await pluggedEnis(ec2, host.instanceId, never())
  expect(plugged.map(({ deviceIndex }) => deviceIndex)).toEqual([0, 1])
  expect(plugged[1]?.eniId).toBe(eni.eniId)
  expect((await enis())[0]?.Attachment).toMatchObject({
    InstanceId: host.instanceId,
    DeviceIndex: 1,
    Status: 'attached',
    DeleteOnTermination: true,
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

// P14
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
