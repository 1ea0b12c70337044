// Goal: a task's network card is waited for, taken in, found again and given back, and what the
// kernel refuses is told by who must act. Method: a kernel by hand for each refusal; then the real
// one, with a veth for the ENI and a namespace of its own for the VPC's router. Oracle: `ip -j`.

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { openDocker } from '../../agent/drivers/docker.ts'
import type { Job } from '../../agent/drivers/driver.ts'
import { setSysctl } from '../../agent/drivers/kernel/inside.ts'
import { type Kernel, openKernel } from '../../agent/drivers/kernel/kernel.ts'
import { KernelError } from '../../agent/drivers/kernel/kernel-error.ts'
import type { LinkExpectation } from '../../agent/drivers/kernel/link.ts'
import { linkDriver } from '../../agent/drivers/link.ts'
import { sandboxDriver } from '../../agent/drivers/sandbox.ts'
import { eniDetails, ipv6Details, job, never, newHost } from './jobs.ts'
import { folders } from './own-folders.ts'

const host = newHost()
const sandbox = { containerId: 'c1', netns: '/var/run/docker/netns/x' }
const newJob = (change: Parameters<typeof job>[1] = {}): Job =>
  job('link:0', { known: { 'eni:0': eniDetails({ ipv6: 'fd00::5' }), sandbox }, ...change })
const timings = {
  ...{ findMs: 0, moveMs: 0, blockMs: 0, configureMs: 0, verifyMs: 0, gatewayMs: 0, totalMs: 0 },
}

/** A kernel that tells in `did` what was asked of it, and refuses `takeIn` with these, in turn. */
function kernelByHand(...refusals: KernelError[]) {
  const did: string[] = []
  const asked: LinkExpectation[] = []
  const waits: number[] = []
  const kernel: Pick<Kernel, 'waitForLink' | 'takeIn' | 'giveBack' | 'verify'> = {
    async waitForLink(_mac, { timeoutMs }) {
      did.push('waitForLink')
      waits.push(timeoutMs)
      return { ifindex: 7, name: 'ens6' }
    },
    async takeIn(expectation) {
      did.push('takeIn')
      asked.push(expectation)
      const refusal = refusals.shift()
      if (refusal !== undefined) throw refusal
      return { ifindex: 7, mtu: 9001, gatewayMac: '02:00:00:00:00:09', timings }
    },
    async giveBack({ mac, netns }) {
      did.push(`giveBack ${mac} ${netns}`)
      return undefined
    },
    verify: async () => [],
  }
  return { kernel, did, asked, waits }
}

const refusal = (errno: string, netns?: string) => new KernelError({ errno, what: 'no', netns })
const failing = (failure: Record<string, unknown>) => expect.objectContaining(failure)

test('the card is waited for, then taken in as the ENI says and under our mark', async () => {
  const { kernel, did, asked } = kernelByHand()
  const given = newJob()
  expect(await linkDriver({ kernel, host }).ensure(given, never())).toEqual({
    ifindex: 7,
    mtu: 9001,
    gatewayMac: '02:00:00:00:00:09',
  })
  expect(did).toEqual(['waitForLink', 'takeIn'])
  expect(asked[0]).toEqual({
    mac: '02:00:00:00:00:05',
    netns: sandbox.netns,
    alias: `enid ${host.instanceId} ${given.holderId} link:0`,
    name: 'eth0',
    mtu: 9001,
    ipv4: [{ address: '10.0.0.5', prefixLength: 24 }],
    ipv4Gateway: '10.0.0.1',
    ipv6: ['fd00::5'],
    ipv6Gateway: 'fe80:ec2::1',
    blockImds: true,
    endpoint: true,
  })
})

// P541
test('the card of an ENI without IPv4 is to have no IPv4 address and no IPv4 gateway', async () => {
  const { kernel, asked } = kernelByHand()
  const known = { 'eni:0': ipv6Details(), sandbox }
  await linkDriver({ kernel, host }).ensure(newJob({ known }), never())
  expect(asked[0]).toMatchObject({ ipv6: ['fd00::5'], ipv6Gateway: 'fe80:ec2::1', blockImds: true })
  expect(asked[0]).not.toHaveProperty('ipv4')
  expect(asked[0]).not.toHaveProperty('ipv4Gateway')
})

test('in doubt it is looked for inside first, and waited for only when it is nowhere', async () => {
  const inside = kernelByHand()
  const again = newJob({ again: true })
  await linkDriver({ kernel: inside.kernel, host }).ensure(again, never())
  expect(inside.did).toEqual(['takeIn'])
  const nowhere = kernelByHand(refusal('ENODEV'))
  await linkDriver({ kernel: nowhere.kernel, host }).ensure(again, never())
  expect(nowhere.did).toEqual(['takeIn', 'waitForLink', 'takeIn'])
})

test('one attempt waits half a minute for a card, or as long as its task still has', async () => {
  const { kernel, waits } = kernelByHand()
  await linkDriver({ kernel, host }).ensure(newJob(), never())
  await linkDriver({ kernel, host }).ensure(newJob({ leftMs: 2_000 }), never())
  expect(waits).toEqual([30_000, 2_000])
})

test('a card that was in the task once and is nowhere any more is lost, and soon', async () => {
  const { kernel } = kernelByHand(refusal('ENODEV'))
  const waited: number[] = []
  const nowhere = {
    ...kernel,
    waitForLink: async (_: string, { timeoutMs }: { timeoutMs: number }) => {
      waited.push(timeoutMs)
      throw refusal('ETIMEDOUT')
    },
  }
  const link = { ifindex: 7, mtu: 9001, gatewayMac: '02:00:00:00:00:09' }
  const known = { 'eni:0': eniDetails(), sandbox, 'link:0': link }
  const ended = linkDriver({ kernel: nowhere, host }).ensure(
    newJob({ again: true, known }),
    never(),
  )
  await expect(ended).rejects.toEqual(failing({ kind: 'lost', code: 'LinkGone' }))
  expect(waited).toEqual([600])
})

test.for([
  ['ETIMEDOUT', undefined, 'transient', 'LinkNotSeen'],
  ['EHOSTUNREACH', '/ns', 'refused', 'GatewaySilent'],
  ['ENOENT', '/ns', 'lost', 'PauseGone'],
  ['EINVAL', '/ns', 'lost', 'PauseGone'],
  ['EPERM', undefined, 'refused', 'KernelRefused'],
  ['EIO', '/ns', 'transient', 'KernelRefused'],
  // What nftables refused is no word about the namespace.
  ['EPROTO', '/ns', 'transient', 'KernelRefused'],
] as const)('%s (namespace %s) is %s: %s', async ([errno, netns, kind, code]) => {
  const { kernel } = kernelByHand(refusal(errno, netns))
  const ended = linkDriver({ kernel, host }).ensure(newJob(), never())
  await expect(ended).rejects.toEqual(failing({ kind, code }))
})

test('a link whose sysctls are not there is tried again soon: its namespace is not gone', async () => {
  const path = '/proc/sys/net/ipv6/conf/no-such-link/accept_ra'
  expect(() => setSysctl(path, '0')).toThrow(failing({ errno: 'EAGAIN' }))
  const { kernel, did } = kernelByHand(refusal('EAGAIN', '/ns'))
  const ended = linkDriver({ kernel, host }).ensure(newJob({ again: true }), never())
  await expect(ended).rejects.toEqual(failing({ kind: 'transient', code: 'KernelRefused' }))
  expect(did).toEqual(['takeIn'])
})

test('an expectation that no link can meet is our own mistake, not a failure', async () => {
  const { kernel } = kernelByHand(refusal('EINVAL'))
  const ended = linkDriver({ kernel, host }).ensure(newJob(), never())
  await expect(ended).rejects.toBeInstanceOf(KernelError)
})

test('it is given back by MAC and namespace; a row that never got that far has nothing', async () => {
  const { kernel, did } = kernelByHand()
  await linkDriver({ kernel, host }).release(newJob(), never())
  expect(did).toEqual([`giveBack 02:00:00:00:00:05 ${sandbox.netns}`])
  await linkDriver({ kernel, host }).release(newJob({ known: {} }), never())
  expect(did.length).toBe(1)
})

const run = promisify(execFile)
const ip = async (...parameters: string[]): Promise<string> =>
  (await run('ip', parameters)).stdout.trim()

type Shown = { ifname: string; ifalias?: string; addr_info: { local: string }[]; flags: string[] }
/** The links with this MAC in a namespace that a path names, or in the host's. */
async function linksWith(mac: string, netns?: string): Promise<Shown[]> {
  const inside = netns === undefined ? [] : [`--net=${netns}`]
  const { stdout } = await run('nsenter', [...inside, 'ip', '-j', '-d', 'address', 'show'])
  return (JSON.parse(stdout) as (Shown & { address: string })[]).filter((l) => l.address === mac)
}

const router = `enid-t-${randomBytes(3).toString('hex')}`
const far = `r${randomBytes(3).toString('hex')}`
const near = `t${randomBytes(3).toString('hex')}`
const mac = `02:${randomBytes(5).toString('hex').match(/../g)?.join(':')}`
let kernel: Kernel

beforeAll(() => {
  kernel = openKernel({ warn: () => {}, error: console.error })
})

beforeEach(async () => {
  await ip('netns', 'add', router)
})

afterEach(async () => {
  await ip('netns', 'delete', router)
  // The kernel takes a dead namespace apart in its own time.
  await expect.poll(() => linksWith(mac)).toEqual([])
})

afterAll(() => kernel.close())

async function plug(): Promise<void> {
  const peer = ['peer', 'name', near, 'address', mac, 'mtu', '9001']
  await ip('link', 'add', far, 'mtu', '9001', 'type', 'veth', ...peer)
  await ip('link', 'set', far, 'netns', router)
  await ip('-n', router, 'address', 'add', '10.0.0.1/24', 'dev', far)
  await ip('-n', router, 'address', 'add', 'fe80:ec2::1/64', 'dev', far, 'nodad')
  await ip('-n', router, 'link', 'set', far, 'up')
}

test('a card that appears late stands in the pause container, and comes home again', async () => {
  const eni = eniDetails({ mac, ipv6: 'fd00::5' })
  const docker = openDocker()
  const pauses = sandboxDriver({ docker, kernel, host, folders })
  const given = job('sandbox', { known: { 'eni:0': eni } })
  const pause = await pauses.ensure(given, never())
  const known = { 'eni:0': eni, sandbox: pause }
  const links = linkDriver({ kernel, host })
  try {
    const atOnce = links.ensure(newJob({ known }), never())
    await plug()
    const taken = await atOnce

    const [eth0] = await linksWith(mac, pause.netns)
    expect(eth0?.ifname).toBe('eth0')
    expect(eth0?.ifalias).toContain(`enid ${host.instanceId}`)
    const addresses = eth0?.addr_info.map(({ local }) => local)
    expect(addresses).toEqual(expect.arrayContaining(['10.0.0.5', 'fd00::5']))
    expect(taken.mtu).toBe(9001)
    expect(await links.ensure(newJob({ known, again: true }), never())).toEqual(taken)

    await links.release(newJob({ known }), never())
    const [home] = await linksWith(mac)
    expect(home?.flags).not.toContain('UP')
    expect(home?.ifalias).toBeUndefined()
    await links.release(newJob({ known, again: true }), never())
  } finally {
    await pauses.release(job('sandbox', { holderId: given.holderId, known }), never())
  }
})
