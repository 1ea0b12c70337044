// Goal: a survey shows everything that wears our mark and nothing else, and a place that is away
// says so. Method: the lab's EC2, the real dockerd and the real kernel, with things made by hand.
// What is looked for is found by its own command: `ip`, `docker`, the SDK.

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import {
  AttachNetworkInterfaceCommand,
  CreateSecurityGroupCommand,
  DeleteTagsCommand,
  ModifyNetworkInterfaceAttributeCommand,
} from '@aws-sdk/client-ec2'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openDocker } from '../../agent/drivers/docker.ts'
import { MARK } from '../../agent/drivers/driver.ts'
import { type Ec2, openEc2 } from '../../agent/drivers/ec2.ts'
import { type Kernel, openKernel } from '../../agent/drivers/kernel/kernel.ts'
import { KernelError } from '../../agent/drivers/kernel/kernel-error.ts'
import { aliasOf, labelsOf } from '../../agent/drivers/mark.ts'
import {
  type Looked,
  openSurvey,
  type SeenEni,
  wearerOf,
  wearerOfAlias,
} from '../../agent/drivers/survey.ts'
import { Failure } from '../../agent/failure.ts'
import type { RowId } from '../../state/task.ts'
import { makeRig, type Rig } from '../lab/rig.ts'
import { never, newHolderId, newHost } from './jobs.ts'
import { docker, importTestImage, sh } from './test-image.ts'

const run = promisify(execFile)
const ip = async (...args: string[]) => (await run('ip', args)).stdout

let rig: Rig
let ec2: Ec2
let kernel: Kernel
let image: string
const calls: string[] = []
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
})
afterAll(async () => {
  await kernel?.close()
  await ec2?.close()
  await rig?.end()
  await docker('rmi', image)
})
beforeEach(() => {
  calls.length = 0
})

const seen = <T>(looked: Looked<T>): readonly T[] => {
  if ('seen' in looked) return looked.seen
  throw looked.away
}
const tags = (labels: Record<string, string>) => [
  {
    ResourceType: 'network-interface' as const,
    Tags: Object.entries(labels).map(([Key, Value]) => ({ Key, Value })),
  },
]
const wearing = (row: RowId, instanceId = rig.instanceId, holderId = newHolderId()) => ({
  instanceId,
  holderId,
  row,
})
const survey = (pageSize?: number) =>
  openSurvey({
    ec2,
    docker: openDocker(),
    kernel,
    instanceId: rig.instanceId,
    stateDir: '/nowhere',
    ...(pageSize === undefined ? {} : { pageSize }),
  })

describe('in EC2', () => {
  const GONE = 'eni-00000000000000000'
  const bare = (eniId: string | undefined) => ({
    ...{ what: 'eni', eniId, status: 'available' },
    securityGroupIds: [rig.defaultGroup],
  })
  const ids = (enis: readonly SeenEni[]) => enis.map(({ eniId }) => eniId).sort()

  test('ENIs with our mark, of this instance and of others, on as many pages as it takes', async () => {
    const wearers = [
      ...Array.from({ length: 6 }, () => wearing('eni:0')),
      wearing('eni:1', 'i-0123456789abcdef0'),
    ]
    const made: string[] = []
    for (const wearer of wearers) {
      const eni = await rig.createEni({ TagSpecifications: tags(labelsOf(wearer)) })
      made.push(eni.NetworkInterfaceId)
    }
    await rig.createEni()
    await rig.createEni({ TagSpecifications: tags({ Name: 'foreign', 'not:enid:instance': 'x' }) })
    const { enis, ec2CallCount } = await survey(5)([], never())
    expect(ids(seen(enis))).toEqual(made.toSorted())
    expect(calls).toEqual(['DescribeNetworkInterfaces', 'DescribeNetworkInterfaces'])
    expect(ec2CallCount).toBe(2)
    for (const [n, wears] of wearers.entries()) {
      const [eni] = seen(enis).filter(({ eniId }) => eniId === made[n])
      expect(eni).toEqual({ ...bare(made[n]), wears })
    }
  })

  test('where an ENI is attached, since when, and whether it goes with the instance', async () => {
    const { NetworkInterfaceId } = await rig.createEni({
      TagSpecifications: tags(labelsOf(wearing('eni:0'))),
    })
    const at = { NetworkInterfaceId, InstanceId: rig.instanceId, DeviceIndex: 3 }
    const { AttachmentId } = await rig.ec2.send(new AttachNetworkInterfaceCommand(at))
    const look = async () =>
      seen((await survey()([], never())).enis).find(({ eniId }) => eniId === NetworkInterfaceId)
    const first = await look()
    expect(first).toMatchObject({
      status: 'in-use',
      attachment: {
        attachmentId: AttachmentId,
        instanceId: rig.instanceId,
        deviceIndex: 3,
        status: 'attached',
        isGuarded: false,
      },
    })
    expect(Math.abs((first?.attachment?.attachedAt ?? 0) - Date.now())).toBeLessThan(10_000)
    const Attachment = { AttachmentId, DeleteOnTermination: true }
    const change = { NetworkInterfaceId, Attachment }
    await rig.ec2.send(new ModifyNetworkInterfaceAttributeCommand(change))
    expect((await look())?.attachment?.isGuarded).toBe(true)
  })

  test('a known ENI whose tags were taken off, by a second call; one that is gone, not', async () => {
    const { NetworkInterfaceId } = await rig.createEni({
      TagSpecifications: tags(labelsOf(wearing('eni:0'))),
    })
    const look = async () => {
      const known = [NetworkInterfaceId, GONE]
      const { enis } = await survey()(known, never())
      return seen(enis).filter(({ eniId }) => known.includes(eniId))
    }
    await rig.ec2.send(new DeleteTagsCommand({ Resources: [NetworkInterfaceId] }))
    expect(await look()).toEqual([bare(NetworkInterfaceId)])
    expect(calls).toHaveLength(2)
  })

  test('the groups that an ENI wears now', async () => {
    const { NetworkInterfaceId } = await rig.createEni({
      TagSpecifications: tags(labelsOf(wearing('eni:0'))),
    })
    const made = { GroupName: 'quarantine', Description: 'for nobody', VpcId: rig.vpcId }
    const { GroupId = '' } = await rig.ec2.send(new CreateSecurityGroupCommand(made))
    const look = async () =>
      seen((await survey()([], never())).enis).find(({ eniId }) => eniId === NetworkInterfaceId)
    expect((await look())?.securityGroupIds).toEqual([rig.defaultGroup])
    const Groups = [GroupId, rig.defaultGroup]
    await rig.ec2.send(new ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId, Groups }))
    expect((await look())?.securityGroupIds?.toSorted()).toEqual(Groups.toSorted())
  })

  test('an attachment that names no instance is nobody’s, and a bare ENI is one all the same', async () => {
    const wears = wearing('eni:0')
    const TagSet = Object.entries(labelsOf(wears)).map(([Key, Value]) => ({ Key, Value }))
    // So EC2 shows what a load balancer or a Lambda function has attached; and what is just changing.
    const Attachment = { AttachmentId: 'ela-attach-1', Status: 'attached', InstanceOwnerId: 'aws' }
    const NetworkInterfaces = [
      { NetworkInterfaceId: 'eni-served', TagSet, Attachment },
      { NetworkInterfaceId: 'eni-bare', TagSet, Attachment: {} },
      { NetworkInterfaceId: 'eni-untagged' },
    ]
    const take = openSurvey({
      ec2: { call: async () => ({ NetworkInterfaces }) as never },
      docker: openDocker(),
      kernel,
      instanceId: rig.instanceId,
      stateDir: '/nowhere',
    })
    const found = seen((await take(['eni-untagged'], never())).enis)
    expect(found.map(({ eniId }) => eniId)).toEqual(['eni-served', 'eni-bare', 'eni-untagged'])
    expect(found[0]?.attachment).toMatchObject({ instanceId: '', status: 'attached' })
    expect(found[1]?.attachment).toMatchObject({ instanceId: '', deviceIndex: 0 })
    expect(found[2]).not.toHaveProperty('wears')
  })

  test('no second call while every known ENI is shown', async () => {
    const { NetworkInterfaceId } = await rig.createEni({
      TagSpecifications: tags(labelsOf(wearing('eni:0'))),
    })
    await survey()([NetworkInterfaceId], never())
    expect(calls).toEqual(['DescribeNetworkInterfaces'])
  })

  test('part of our mark is shown without one; part of another host’s is not shown', async () => {
    const own = await rig.createEni({
      TagSpecifications: tags({ [MARK.instance]: rig.instanceId }),
    })
    const theirs = await rig.createEni({
      TagSpecifications: tags({ [MARK.instance]: 'i-0123456789abcdef0' }),
    })
    const found = seen((await survey()([], never())).enis)
    const mine = found.find(({ eniId }) => eniId === own.NetworkInterfaceId)
    expect(mine).toEqual(bare(own.NetworkInterfaceId))
    expect(ids(found)).not.toContain(theirs.NetworkInterfaceId)
  })
})

test('in Docker: containers with this instance’s labels, running or not, and no others', async () => {
  const create = async (labels: Record<string, string>, start: boolean) => {
    const flags = Object.entries(labels).flatMap(([key, value]) => ['--label', `${key}=${value}`])
    const verb = start ? ['run', '--detach'] : ['create']
    return docker(...verb, '--network', 'none', ...flags, image, ...sh('sleep 60'))
  }
  const [first, second] = [wearing('sandbox'), wearing('container:app')]
  const made = [
    await create(labelsOf(first), true),
    await create(labelsOf(second), false),
    await create(labelsOf(wearing('sandbox', newHost().instanceId)), false),
    await create({ [MARK.instance]: rig.instanceId }, false),
    await create({}, false),
  ]
  try {
    const found = seen((await survey()([], never())).containers)
    const plain = found.map(({ createdAt, ...rest }) => {
      expect(Math.abs(createdAt - Date.now())).toBeLessThan(20_000)
      return rest
    })
    expect(plain).toHaveLength(2)
    expect(plain).toEqual(
      expect.arrayContaining([
        { what: 'container', containerId: made[0], wears: first, isRunning: true },
        { what: 'container', containerId: made[1], wears: second, isRunning: false },
      ]),
    )
  } finally {
    await docker('rm', '--force', ...made)
  }
})

test('in Docker: volumes with this instance’s mark, and no others', async () => {
  const wears = wearing('volume:data')
  const other = wearing('volume:data', newHost().instanceId)
  const labels = (of: object) => Object.entries(of).flatMap(([k, v]) => ['--label', `${k}=${v}`])
  const made = [
    await docker('volume', 'create', ...labels(labelsOf(wears))),
    await docker('volume', 'create', ...labels(labelsOf(other))),
    await docker('volume', 'create'),
  ]
  try {
    const [found, ...more] = seen((await survey()([], never())).volumes)
    expect(more).toEqual([])
    expect(found).toMatchObject({ what: 'volume', volumeName: made[0], wears })
    expect(Math.abs((found?.createdAt ?? 0) - Date.now())).toBeLessThan(20_000)
  } finally {
    await docker('volume', 'rm', ...made)
  }
})

test('on the host: links whose alias is this instance’s mark, and no others', async () => {
  const name = `sv${randomBytes(3).toString('hex')}`
  const wears = wearing('link:0')
  await ip('link', 'add', `${name}a`, 'type', 'veth', 'peer', 'name', `${name}b`)
  try {
    const links = async () => seen((await survey()([], never())).links)
    expect(await links()).toEqual([])
    await ip('link', 'set', `${name}a`, 'alias', aliasOf(wears))
    await ip('link', 'set', `${name}b`, 'alias', aliasOf(wearing('link:0', newHost().instanceId)))
    const [shown] = JSON.parse(await ip('-j', 'link', 'show', `${name}a`)) as { address: string }[]
    expect(await links()).toEqual([{ what: 'link', mac: shown?.address, name: `${name}a`, wears }])
    await ip('link', 'set', `${name}a`, 'alias', 'somebody else’s words')
    expect(await links()).toEqual([])
  } finally {
    await ip('link', 'delete', `${name}a`)
  }
})

describe('a place that is away', () => {
  const failure = new Failure('transient', 'Away', 'not there')
  const none = { call: async () => ({}) as never }
  const quiet = { list: async () => [], listVolumes: async () => [] }
  const still = { links: async () => [] }
  const instanceId = 'i-0123456789abcdef0'

  // P45
  test('says so, and the others are surveyed all the same', async () => {
    const links = async () => {
      throw new KernelError({ errno: 'ENOBUFS', what: 'dump links' })
    }
    const call = async () => {
      throw failure
    }
    const all = { instanceId, stateDir: '/nowhere', ec2: none, docker: quiet, kernel: still }
    expect(await openSurvey({ ...all, ec2: { call } })(['eni-1'], never())).toEqual({
      enis: { away: failure },
      containers: { seen: [] },
      volumes: { seen: [] },
      links: { seen: [] },
      cgroups: { seen: [] },
      addresses: { seen: [] },
      ec2CallCount: 1,
    })
    const docker = { list: call, listVolumes: call }
    expect(await openSurvey({ ...all, docker })([], never())).toMatchObject({
      enis: { seen: [] },
      containers: { away: failure },
      volumes: { away: failure },
    })
    expect(await openSurvey({ ...all, kernel: { links } })([], never())).toMatchObject({
      containers: { seen: [] },
      links: { away: { kind: 'transient', code: 'KernelRefused' } },
    })
  })

  test('a second page that fails makes the whole of EC2 away: a part would look like a loss', async () => {
    let page = 0
    const call = async () => {
      page += 1
      if (page === 2) throw failure
      return { NetworkInterfaces: [], NextToken: 'more' } as never
    }
    const all = { instanceId, stateDir: '/nowhere', docker: quiet, kernel: still, ec2: { call } }
    expect((await openSurvey(all)([], never())).enis).toEqual({ away: failure })
  })

  test('a mistake of ours is not taken for absence', async () => {
    const call = async () => {
      throw new TypeError('a bug')
    }
    const all = { instanceId, stateDir: '/nowhere', docker: quiet, kernel: still, ec2: { call } }
    await expect(openSurvey(all)([], never())).rejects.toThrow('a bug')
  })
})

describe('a mark is read as it was written', () => {
  const wears = {
    instanceId: 'i-0123456789abcdef0',
    holderId: newHolderId(),
    row: 'container:web' as const,
  }

  test('from labels and from an alias', () => {
    expect(wearerOf({ ...labelsOf(wears), other: 'label' })).toEqual(wears)
    expect(wearerOfAlias(aliasOf(wears))).toEqual(wears)
  })

  test.each<[string, Record<string, string>]>([
    ['no instance', { [MARK.instance]: '' }],
    ['an instance of no form', { [MARK.instance]: 'laptop' }],
    ['a holder of no form', { [MARK.holder]: 'web' }],
    ['a row that there is not', { [MARK.row]: 'disk:0' }],
    ['a row without a name', { [MARK.row]: 'eni:' }],
  ])('%s is no mark', (_name, change) => {
    const labels = { ...labelsOf(wears), ...change }
    expect(wearerOf(labels)).toBeUndefined()
    const words = [labels[MARK.instance], labels[MARK.holder], labels[MARK.row]]
    expect(wearerOfAlias(`enid ${words.join(' ')}`)).toBeUndefined()
  })

  test.each(['', 'eth0', `enid ${'x'.repeat(70)}`, `other ${aliasOf(wears).slice(5)}`])(
    'the alias "%s" is not ours',
    (alias) => {
      expect(wearerOfAlias(alias)).toBeUndefined()
      expect(wearerOfAlias(`${aliasOf(wears)} and more`)).toBeUndefined()
    },
  )
})
