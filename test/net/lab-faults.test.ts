// Goal: the faults of hot-plugging on real links, of IMDS on its own address, and the command that
// switches them. Method: a lab as a process, the SDK as client, iproute2 as oracle. Times are looked
// at by events (a link that comes or goes), and only ever as "not before".

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import {
  AttachNetworkInterfaceCommand,
  CreateNetworkInterfaceCommand,
  DescribeInstancesCommand,
  DescribeNetworkInterfacesCommand,
  DetachNetworkInterfaceCommand,
  type EC2Client,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { hostLinksMarked, ip, oracle } from './fabric-rig.ts'
import { clientOf, type LabProcess, leftovers, startLab } from './lab-process.ts'
import { watchLinks } from './link-events.ts'

const run = promisify(execFile)
const ENID = new URL('../../bin/enid', import.meta.url).pathname
let lab: LabProcess
let ec2: EC2Client
let name: string
let index: number

beforeEach(async () => {
  name = `t${randomBytes(3).toString('hex')}`
  index = 0
  lab = await startLab(name)
  ec2 = clientOf(lab)
})
afterEach(async () => {
  ec2.destroy()
  await lab.end()
  expect(leftovers(name)).toEqual([])
})

const enid = (...args: string[]) => run(ENID, ['lab', ...args, '--name', name])
const fault = (wish: object) => lab.ask<{ id: string; fired: number }>('POST', 'faults', wish)
const linksWith = (mac: string) => oracle('ip', '-j', 'link').filter((l) => l.address === mac)

async function host() {
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({}))
  const { InstanceId = '', SubnetId = '' } = Reservations?.[0]?.Instances?.[0] ?? {}
  return { InstanceId, SubnetId }
}

async function makeEni() {
  const { InstanceId, SubnetId } = await host()
  const { NetworkInterface } = await ec2.send(new CreateNetworkInterfaceCommand({ SubnetId }))
  const {
    NetworkInterfaceId = '',
    MacAddress: mac = '',
    PrivateIpAddress = '',
  } = NetworkInterface ?? {}
  return { InstanceId, eniId: NetworkInterfaceId, mac, ipv4: PrivateIpAddress }
}

async function attach({ InstanceId, eniId }: { InstanceId: string; eniId: string }) {
  const { AttachmentId = '' } = await ec2.send(
    new AttachNetworkInterfaceCommand({
      NetworkInterfaceId: eniId,
      InstanceId,
      DeviceIndex: ++index,
    }),
  )
  return AttachmentId
}

async function statusOf(eniId: string) {
  const ids = { NetworkInterfaceIds: [eniId] }
  const { NetworkInterfaces } = await ec2.send(new DescribeNetworkInterfacesCommand(ids))
  return NetworkInterfaces?.[0]?.Attachment?.Status
}

test('a link that never appears: EC2 says attached, the kernel has none', async () => {
  await fault({ name: 'link-never', times: 1 })
  const eni = await makeEni()
  const attachmentId = await attach(eni)
  expect(await statusOf(eni.eniId)).toBe('attached')
  expect(linksWith(eni.mac)).toEqual([])
  await ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId: attachmentId }))
  await attach(eni)
  expect(linksWith(eni.mac)).toHaveLength(1)
})

test('a link that is early is there before the call is answered', async () => {
  await fault({ name: 'link-early', seconds: 0.6 })
  const eni = await makeEni()
  using links = await watchLinks()
  let answered = false
  const call = attach(eni).finally(() => {
    answered = true
  })
  await links.until(eni.mac, 'came')
  expect(answered).toBe(false)
  await call
})

test('a link that is late comes after the answer, as any link does', async () => {
  await fault({ name: 'link-late', seconds: 1 })
  const eni = await makeEni()
  using links = await watchLinks()
  const askedAt = performance.now()
  await attach(eni)
  expect(links.seen(eni.mac)).toEqual([])
  await links.until(eni.mac, 'came')
  expect(performance.now() - askedAt).toBeGreaterThan(999)
  expect(linksWith(eni.mac)).toMatchObject([{ mtu: 9001, operstate: 'DOWN' }])
})

test('a link that comes twice goes in between', async () => {
  await fault({ name: 'link-twice', seconds: 0.3 })
  const eni = await makeEni()
  using links = await watchLinks()
  await attach(eni)
  await links.until(eni.mac, 'came')
  await links.until(eni.mac, 'went')
  await links.until(eni.mac, 'came')
  expect(linksWith(eni.mac)).toHaveLength(1)
})

test('what is detached by force or deleted takes its link along, out of a namespace too', async () => {
  const [one, two] = [await makeEni(), await makeEni()]
  await attach(one)
  await attach(two)
  const guest = `${name}-guest`
  ip('netns', 'add', guest)
  try {
    ip('link', 'set', String(linksWith(two.mac)[0]?.ifname), 'netns', guest)
    await fault({ name: 'forced-detach', eni: one.eniId })
    expect(linksWith(one.mac)).toEqual([])
    expect(await statusOf(one.eniId)).toBeUndefined()
    await fault({ name: 'eni-deleted', eni: two.eniId })
    const inside = oracle('ip', '-n', guest, '-j', 'link').map(({ ifname }) => ifname)
    expect(inside).toEqual(['lo'])
  } finally {
    ip('netns', 'del', guest)
  }
})

test('a foreign ENI’s link appears on the host as any other', async () => {
  await fault({ name: 'foreign-eni', times: 2 })
  expect(hostLinksMarked(`enid-lab:${name}:`)).toHaveLength(2)
})

test('behind the profile aws a link comes after the answer, and a slow detach takes it at once', async () => {
  const eni = await makeEni()
  await lab.ask('POST', 'profile', { name: 'aws', seed: 8, scale: 0.2 })
  using links = await watchLinks()
  const attachmentId = await attach(eni)
  expect(links.seen(eni.mac)).toEqual([])
  await links.until(eni.mac, 'came')
  await ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId: attachmentId }))
  expect(linksWith(eni.mac)).toEqual([])
  await lab.ask('POST', 'profile', { name: 'fast' })
  expect(await statusOf(eni.eniId)).toBe('detaching')
})

test('a lab that ends, or is reset, plugs nothing that was still to come', async () => {
  await fault({ name: 'link-late', seconds: 0.3 })
  const eni = await makeEni()
  using links = await watchLinks()
  await attach(eni)
  await lab.ask('POST', 'reset')
  // Plugged a third of a second later at the latest, had it not been called off.
  await fault({ name: 'link-late', seconds: 0.6 })
  const next = await makeEni()
  await attach(next)
  await links.until(next.mac, 'came')
  expect(links.seen(eni.mac)).toEqual([])
  await fault({ name: 'link-late', seconds: 3600 })
  await attach(await makeEni())
  expect(await lab.end()).toBe(0)
})

test('IMDS inside the VPC is away, and announces, as on loopback', async () => {
  const eni = await makeEni()
  await attach(eni)
  const guest = `${name}-guest`
  ip('netns', 'add', guest)
  try {
    const dev = String(linksWith(eni.mac)[0]?.ifname)
    ip('link', 'set', dev, 'netns', guest)
    ip('-n', guest, 'addr', 'add', `${eni.ipv4}/24`, 'dev', dev)
    ip('-n', guest, 'link', 'set', dev, 'up')
    ip('-n', guest, 'route', 'add', 'default', 'via', '10.0.0.1')
    const ask = async () => {
      const script = `const imds = 'http://169.254.169.254/latest/'
        const ttl = { 'x-aws-ec2-metadata-token-ttl-seconds': '60' }
        try {
          const given = await fetch(imds + 'api/token', { method: 'PUT', headers: ttl })
          const headers = { 'x-aws-ec2-metadata-token': await given.text() }
          const path = 'meta-data/spot/instance-action'
          console.log((await (await fetch(imds + path, { headers })).text()).trim())
        } catch (error) { console.log(error.message) }`
      const node = [process.execPath, '--input-type=module', '-e', script]
      return (await run('ip', ['netns', 'exec', guest, ...node])).stdout.trim()
    }
    await fault({ name: 'imds-absent', times: 1 })
    await fault({ name: 'spot-interruption' })
    expect(await ask()).toBe('fetch failed')
    expect(JSON.parse(await ask())).toMatchObject({ action: 'terminate' })
  } finally {
    ip('netns', 'del', guest)
  }
})

test('the command lists, adds and clears faults, and sets the profile', async () => {
  const listed = (await enid('fault', 'list')).stdout
  expect(listed).toMatch(/^link-never +EC2 says attached, and the link never appears$/m)
  expect(listed).toMatch(/^profile +name=fast seed=1 scale=1$/m)
  const options = ['--times', '2', '--likelihood', '0.5', '--seed', '7', '--call', '1,2']
  const added = await enid('fault', 'add', 'error-500', '--action', 'Describe*', ...options)
  expect(added.stdout).toBe('fault-1 error-500\n')
  await enid('fault', 'add', 'link-late', '--seconds', '0.5', '--task', 'task-1')
  await enid('profile', 'aws', '--seed', '3', '--scale', '0.01')
  const { faults, profile } = JSON.parse((await enid('fault', 'list', '--json')).stdout)
  expect(profile).toEqual({ name: 'aws', seed: 3, scale: 0.01 })
  expect(faults).toMatchObject([
    { name: 'error-500', action: 'Describe*', times: 2, likelihood: 0.5, seed: 7, calls: [1, 2] },
    { name: 'link-late', seconds: 0.5, task: 'task-1' },
  ])
  expect((await enid('fault', 'list')).stdout).toMatch(/^fault-2 +link-late +0 +0 +seed=1 action=/m)
  await enid('fault', 'clear', 'fault-1')
  await enid('fault', 'clear')
  await enid('profile', 'fast')
  expect(await lab.ask('GET', 'faults')).toMatchObject({ faults: [], profile: { name: 'fast' } })
})

const REFUSED: [string[], RegExp, number][] = [
  [['fault', 'add', 'nonsense'], /There is no fault 'nonsense'. The faults are: throttle,/, 1],
  [['fault', 'add', 'error-500', '--seed', '-1'], /seed is '-1': it must be a whole number/, 1],
  [['fault', 'add', 'error-500', '--seed', 'x'], /--seed is "x": it must be a number/, 2],
  [['fault', 'add', 'error-500', '--scale', '2'], /fault add takes no --scale/, 2],
  [['fault', 'add'], /name the fault/, 2],
  [['fault', 'lsit'], /did you mean list/, 2],
  [['fault', 'clear', 'fault-9'], /There is no fault 'fault-9'/, 1],
  [['profile', 'slow'], /There is no profile 'slow'. The profiles are: fast, aws, hostile/, 1],
  [['profile'], /usage: enid lab profile/, 2],
  [['profile', 'aws', '--times', '2'], /profile takes no --times/, 2],
  [['status', 'x'], /enid lab status: what is "x"/, 2],
]

test('a command that makes no sense is refused by name, and changes nothing', async () => {
  for (const [args, words, code] of REFUSED) {
    const failed = await enid(...args).catch((error: unknown) => error)
    expect(failed, args.join(' ')).toMatchObject({ code, stderr: expect.stringMatching(words) })
  }
  expect(await lab.ask('GET', 'faults')).toMatchObject({ faults: [], profile: { name: 'fast' } })
})
