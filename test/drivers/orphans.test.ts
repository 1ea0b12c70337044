// Goal: an orphan is given back by what was seen of it, gone is success, and nothing else is touched.
// Method: the lab's EC2, the real dockerd and the real kernel; faults by hand where they do not come
// by themselves.

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import {
  AttachNetworkInterfaceCommand,
  DescribeNetworkInterfacesCommand,
} from '@aws-sdk/client-ec2'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openDocker } from '../../agent/drivers/docker.ts'
import { type Ec2, openEc2 } from '../../agent/drivers/ec2.ts'
import { type Kernel, openKernel } from '../../agent/drivers/kernel/kernel.ts'
import { aliasOf, labelsOf } from '../../agent/drivers/mark.ts'
import { type Orphans, openOrphans } from '../../agent/drivers/orphans.ts'
import { makeRouterFolder, routersBelow } from '../../agent/drivers/router-folder.ts'
import type { SeenEni } from '../../agent/drivers/survey.ts'
import { openTaskFolders } from '../../agent/drivers/task-folder.ts'
import { Failure } from '../../agent/failure.ts'
import { makeRig, type Rig } from '../lab/rig.ts'
import { never, newHolderId } from './jobs.ts'
import { docker, importTestImage, inspect, sh } from './test-image.ts'

const run = promisify(execFile)
const ip = async (...args: string[]) => (await run('ip', args)).stdout

let rig: Rig
let ec2: Ec2
let kernel: Kernel
let image: string
let orphans: Orphans
const stateDir = mkdtempSync(join(tmpdir(), 'enid-orphans-'))
const calls: string[] = []
/** Containers that a failed test would leave behind. */
const made: string[] = []
beforeAll(async () => {
  image = await importTestImage()
  rig = await makeRig()
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_EC2: rig.endpoint,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_REGION: 'us-west-2',
  })
  ec2 = openEc2({ onCall: ({ action }) => calls.push(action) })
  kernel = openKernel({ warn: () => {}, error: console.error })
  orphans = openOrphans({ ec2, docker: openDocker(), kernel, instanceId: rig.instanceId, stateDir })
})
test('a volume is removed with what is in it, and gone is success', async () => {
  const volumeName = await docker('volume', 'create')
  const seen = { what: 'volume', volumeName, wears: wears(), createdAt: 0 } as const
  await orphans.releaseVolume(seen, never())
  expect(await docker('volume', 'ls', '--quiet', '--filter', `name=${volumeName}`)).toBe('')
  await orphans.releaseVolume(seen, never())
})

afterAll(async () => {
  await kernel?.close()
  await ec2?.close()
  await rig?.end()
  if (made.length > 0) await docker('rm', '--force', ...made).catch(() => {})
  await docker('rmi', image)
  rmSync(stateDir, { recursive: true })
})
beforeEach(() => {
  calls.length = 0
})

const wears = () => ({
  instanceId: rig.instanceId,
  holderId: newHolderId(),
  row: 'container:app' as const,
})

describe('an ENI', () => {
  const eniIds = async () => {
    const { NetworkInterfaces = [] } = await rig.ec2.send(new DescribeNetworkInterfacesCommand({}))
    return NetworkInterfaces.map(({ NetworkInterfaceId }) => NetworkInterfaceId)
  }
  const attach = async (NetworkInterfaceId: string): Promise<SeenEni> => {
    const at = { NetworkInterfaceId, InstanceId: rig.instanceId, DeviceIndex: 2 }
    const { AttachmentId = '' } = await rig.ec2.send(new AttachNetworkInterfaceCommand(at))
    const attachment = {
      attachmentId: AttachmentId,
      instanceId: rig.instanceId,
      deviceIndex: 2,
      status: 'attached',
      isGuarded: false,
    }
    return { what: 'eni', eniId: NetworkInterfaceId, status: 'in-use', attachment }
  }
  const free = (eniId: string): SeenEni => ({ what: 'eni', eniId, status: 'available' })

  test('that is attached to nothing is deleted', async () => {
    const { NetworkInterfaceId: eniId } = await rig.createEni()
    expect(await orphans.releaseEni(free(eniId), never())).toBe('gone')
    expect(await eniIds()).not.toContain(eniId)
    expect(calls).toEqual(['DeleteNetworkInterface'])
  })

  test('that is attached here is detached and deleted', async () => {
    const { NetworkInterfaceId } = await rig.createEni()
    const seen = await attach(NetworkInterfaceId)
    expect(await orphans.releaseEni(seen, never())).toBe('gone')
    expect(await eniIds()).not.toContain(NetworkInterfaceId)
  })

  test('that is gone is success, attached or not', async () => {
    const { NetworkInterfaceId: eniId } = await rig.createEni()
    const seen = await attach(eniId)
    await orphans.releaseEni(seen, never())
    expect(await orphans.releaseEni(seen, never())).toBe('gone')
    expect(await orphans.releaseEni(free(eniId), never())).toBe('gone')
  })

  test.each<[string, Partial<NonNullable<SeenEni['attachment']>>]>([
    ['attached to another instance', { instanceId: 'i-0123456789abcdef0' }],
    ['the first of this instance', { deviceIndex: 0 }],
    ['detaching already', { status: 'detaching' }],
  ])('that is %s is not detached', async (_name, change) => {
    const { NetworkInterfaceId: eniId } = await rig.createEni()
    const seen = await attach(eniId)
    const attachment = { ...(seen.attachment as NonNullable<SeenEni['attachment']>), ...change }
    calls.length = 0
    expect(await orphans.releaseEni({ ...seen, attachment }, never())).toBe('going')
    expect(calls).toEqual(['DeleteNetworkInterface'])
    expect(await eniIds()).toContain(eniId)
    expect(await orphans.releaseEni(seen, never())).toBe('gone')
  })

  test('EC2’s other word for in use is understood, other refusals are not swallowed', async () => {
    const failing = (code: string) =>
      openOrphans({
        ec2: {
          call: async () => {
            throw new Failure('transient', code, code)
          },
        },
        docker: openDocker(),
        kernel,
        instanceId: rig.instanceId,
        stateDir,
      }).releaseEni(free('eni-1'), never())
    expect(await failing('InvalidNetworkInterface.InUse')).toBe('going')
    await expect(failing('RequestLimitExceeded')).rejects.toMatchObject({
      code: 'RequestLimitExceeded',
    })
  })
})

describe('a container', () => {
  const start = async (row: 'sandbox' | 'container:app', line: string) => {
    const wearer = { ...wears(), row }
    const flags = Object.entries(labelsOf(wearer)).flatMap(([k, v]) => ['--label', `${k}=${v}`])
    const containerId = await docker(
      ...['run', '--detach', '--network', 'none', ...flags, image, ...sh(line)],
    )
    made.push(containerId)
    const seen = { what: 'container' as const, containerId, wears: wearer, isRunning: true }
    return { ...seen, createdAt: Date.now() }
  }

  test('is stopped, with time to end by itself, and removed; gone is success', async () => {
    const seen = await start('container:app', `trap exit TERM; ${IDLE}`)
    await orphans.releaseContainer(seen, never())
    await expect(inspect(seen.containerId)).rejects.toThrow(/no such object/i)
    await orphans.releaseContainer(seen, never())
  }, 90_000)

  test('that is a pause is removed, our hold on its namespace ends, and its log router’s folder goes', async () => {
    const seen = await start('sandbox', `trap exit TERM; ${IDLE}`)
    const folder = makeRouterFolder(routersBelow(stateDir), seen.wears.holderId, [])
    const { State } = await inspect<{ State: { Pid: number } }>(seen.containerId)
    const netns = openTaskFolders(stateDir).wayInto(seen.wears.holderId, State.Pid)
    const { ino } = statSync(netns)
    const isHeld = () => readdirSync('/proc/self/fd').some((fd) => inodeOf(fd) === ino)
    await kernel.holdNetns(netns)
    expect(isHeld()).toBe(true)
    await orphans.releaseContainer(seen, never())
    expect(isHeld()).toBe(false)
    expect([folder, dirname(netns)].filter((path) => existsSync(path))).toEqual([])
  }, 90_000)
})

const IDLE = 'while :; do /busybox sleep 0.1; done'

/** What one of our file descriptors is open on; some are gone by the time that they are read. */
const inodeOf = (fd: string): number | undefined =>
  statSync(`/proc/self/fd/${fd}`, { throwIfNoEntry: false })?.ino

test('a link loses its mark and its addresses and goes down; gone is success', async () => {
  const name = `or${randomBytes(3).toString('hex')}`
  await ip('link', 'add', `${name}a`, 'type', 'veth', 'peer', 'name', `${name}b`)
  const mac = `02:${(randomBytes(5).toString('hex').match(/../g) ?? []).join(':')}`
  const wearer = { ...wears(), row: 'link:0' as const }
  await ip('link', 'set', `${name}a`, 'address', mac, 'alias', aliasOf(wearer), 'up')
  await ip('addr', 'add', '10.255.255.1/32', 'dev', `${name}a`)
  const look = async () => {
    const links = JSON.parse(await ip('-j', '-d', 'addr', 'show')) as {
      ifname: string
      address: string
      flags: string[]
      ifalias?: string
      addr_info: unknown[]
    }[]
    return links.find(({ address }) => address === mac)
  }
  try {
    const seen = { what: 'link' as const, mac, name: `${name}a`, wears: wearer }
    await orphans.releaseLink(seen, never())
    const after = await look()
    expect(after?.ifname).toBe(`out${mac.replaceAll(':', '')}`)
    expect(after?.flags).not.toContain('UP')
    expect(after?.addr_info).toEqual([])
    expect(await ip('link', 'show', after?.ifname ?? '')).not.toContain('alias')
    await ip('link', 'delete', `${name}b`)
    await orphans.releaseLink(seen, never())
  } finally {
    await ip('link', 'delete', `${name}b`).catch(() => {})
  }
})

describe('which instances exist', () => {
  test('this one, and not one that EC2 does not know', async () => {
    const ids = [rig.instanceId, 'i-0123456789abcdef0']
    expect(await orphans.instancesThatExist(ids, never())).toEqual(new Set([rig.instanceId]))
    expect(calls).toEqual(['DescribeInstances'])
  })

  test('none that is terminated; one that is stopped or going down, yes', async () => {
    const asked: number[] = []
    const states = ['running', 'stopped', 'shutting-down', 'terminated']
    const Instances = states.map((Name) => ({ InstanceId: `i-${Name}`, State: { Name } }))
    const call = async (_action: string, input: object) => {
      asked.push((input as { Filters: { Values: string[] }[] }).Filters[0]?.Values.length ?? 0)
      return { Reservations: [{ Instances }, {}] } as never
    }
    const hands = openOrphans({
      ec2: { call },
      docker: openDocker(),
      kernel,
      instanceId: 'i-1',
      stateDir,
    })
    const many = Array.from({ length: 201 }, (_, n) => `i-${n}`)
    expect(await hands.instancesThatExist(many, never())).toEqual(
      new Set(['i-running', 'i-stopped', 'i-shutting-down']),
    )
    expect(asked).toEqual([200, 1])
  })
})
