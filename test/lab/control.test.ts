// Goal: the lab's own routes do what the command needs, and nobody but a local program gets in.

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  DeleteNetworkInterfaceCommand,
  DescribeNetworkInterfacesCommand,
  DetachNetworkInterfaceCommand,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { runLab } from '../../lab/main.ts'
import { announce, runningLab, withdraw } from '../../lab/state-file.ts'
import { FakeFabric } from './fake-fabric.ts'
import { errorOf, makeRig, type Rig } from './rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await makeRig()
})
afterEach(() => rig.end())

const lab = async (method: string, path: string, body?: unknown) => {
  const response = await fetch(`${rig.endpoint}/lab/${path}`, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  const answer = (await response.json()) as Record<string, unknown>
  return { status: response.status, answer }
}

describe('who may ask', () => {
  const ask = (headers: Record<string, string>, path = '/') =>
    new Promise<number | undefined>((resolve, reject) => {
      request(new URL(path, rig.endpoint), { headers }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
        .on('error', reject)
        .end()
    })

  test('is told by the Host header, and no web page may', async () => {
    for (const path of ['/', '/lab/status', '/latest/meta-data/']) {
      expect(await ask({ host: 'evil.example' }, path)).toBe(403)
      expect(await ask({ host: 'localhost', origin: 'http://evil.example' }, path)).toBe(403)
    }
    for (const host of ['127.0.0.1', 'localhost:1', '169.254.169.254']) {
      expect(await ask({ host }, '/lab/status'), host).toBe(200)
    }
  })
})

describe('the lab’s own routes', () => {
  test('tell what it is, and the environment that leads to it', async () => {
    const { answer } = await lab('GET', 'status')
    expect(answer).toMatchObject({
      name: 'test',
      enforcement: 'proven',
      instance: { instanceId: rig.instanceId, zone: 'us-west-2a' },
      eniCount: 1,
      probes: [],
    })
    const env = await lab('GET', 'env')
    expect(env.answer).toEqual({
      AWS_ENDPOINT_URL_EC2: rig.endpoint,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: rig.endpoint,
      AWS_REGION: 'us-west-2',
      AWS_DEFAULT_REGION: 'us-west-2',
      AWS_ACCESS_KEY_ID: 'enid-lab',
      AWS_SECRET_ACCESS_KEY: 'enid-lab',
      ENID_LISTEN: '127.0.0.1:51680',
      ENID_EC2_SHARE: '1',
      AWS_ENDPOINT_URL_ECS: 'http://127.0.0.1:51680',
    })
  })

  // P203
  test('count calls by action and by how they ended, under no name of a caller’s', async () => {
    await rig.createEni()
    await errorOf(rig.createEni({ SubnetId: 'subnet-00000000000000000' }))
    await rig.query('Action=__proto__')
    await rig.query('Action=CreateVolume')
    const { answer } = await lab('GET', 'calls')
    expect(answer.actions).toMatchObject({
      CreateNetworkInterface: { calls: 2, errors: { 'InvalidSubnetID.NotFound': 1 } },
      CreateVolume: { calls: 1, errors: { InvalidAction: 1 } },
      '(unknown)': { calls: 1, errors: { InvalidAction: 1 } },
    })
  })

  test('reset takes everything back to the fresh VPC, groups that name each other too', async () => {
    const fresh = rig.lab.region.world
    const ids = []
    for (const name of ['a', 'b']) {
      const body = `Action=CreateSecurityGroup&GroupName=${name}&GroupDescription=x&VpcId=${rig.vpcId}`
      ids.push(/<groupId>([^<]+)/.exec((await rig.query(body)).text)?.[1] ?? '')
    }
    for (const [group, peer] of [ids, ids.toReversed()]) {
      const { status } = await rig.query(
        `Action=AuthorizeSecurityGroupIngress&GroupId=${group}&IpPermissions.1.IpProtocol=-1` +
          `&IpPermissions.1.Groups.1.GroupId=${peer}`,
      )
      expect(status).toBe(200)
    }
    const eni = await rig.createEni({ Groups: ids })
    await rig.query(
      `Action=AttachNetworkInterface&NetworkInterfaceId=${eni.NetworkInterfaceId}` +
        `&InstanceId=${rig.instanceId}&DeviceIndex=1`,
    )
    await lab('POST', 'probes', { groupIds: ids })
    expect(rig.fabric.ports.size).toBe(2)
    expect((await lab('POST', 'reset')).answer).toEqual({ reset: true })
    expect(rig.fabric.ports.size).toBe(0)
    expect(rig.fabric.namespaces.size).toBe(0)
    expect(rig.fabric.groups.size).toBe(2)
    expect(rig.lab.region.world).toBe(fresh)
    expect((await lab('GET', 'calls')).answer.actions).toEqual({})
  })

  test('a reset that fails half-way has changed nothing', async () => {
    const eni = await rig.createEni()
    await rig.query(
      `Action=AttachNetworkInterface&NetworkInterfaceId=${eni.NetworkInterfaceId}` +
        `&InstanceId=${rig.instanceId}&DeviceIndex=1`,
    )
    await rig.query(`Action=CreateSecurityGroup&GroupName=a&GroupDescription=x&VpcId=${rig.vpcId}`)
    const { fabric } = rig
    const state = () => structuredClone([fabric.subnets, fabric.groups, fabric.ports])
    const [before, world] = [state(), rig.lab.region.world]
    fabric.failNext = 'dropGroup'
    expect((await lab('POST', 'reset')).status).toBe(500)
    expect(fabric.said).toContain('unplug')
    expect(state()).toEqual(before)
    expect(rig.lab.region.world).toBe(world)
    expect((await lab('POST', 'reset')).status).toBe(200)
  })

  test('down answers, and then asks to be taken down', async () => {
    expect((await lab('POST', 'down')).answer).toEqual({ down: true })
    await rig.down
  })

  test.each([
    [{ keep: 'yes' }, 'keep must be true or false'],
    [{ kept: true }, "Unknown field 'kept'. Allowed: keep"],
  ])('down that is asked for as %j is refused by name', async (body, words) => {
    const { status, answer } = await lab('POST', 'down', body)
    expect(status).toBe(400)
    expect((answer.error as { message: string }).message).toContain(words)
  })
})

describe('a probe', () => {
  test('is a namespace in the VPC with an ENI that EC2 shows and may not touch', async () => {
    const { answer: probe } = await lab('POST', 'probes', {
      name: 'client',
      groupNames: ['enid-lab-host'],
      subnetId: rig.subnetB,
    })
    expect(probe).toMatchObject({
      name: 'client',
      netnsPath: '/run/netns/enid-lab-fake.client',
      ipv4: '10.0.1.4',
      ipv6: '2001:db8:1234:1a01::4',
    })
    expect(rig.fabric.namespaces.get('client')).toBe('configured')
    const { NetworkInterfaces } = await rig.ec2.send(
      new DescribeNetworkInterfacesCommand({
        Filters: [{ Name: 'requester-managed', Values: ['true'] }],
      }),
    )
    const [eni] = NetworkInterfaces ?? []
    expect(eni).toMatchObject({
      Attachment: { InstanceOwnerId: 'enid-lab', Status: 'attached' },
      Status: 'in-use',
    })
    expect(eni?.Attachment).not.toHaveProperty('InstanceId')
    const { AttachmentId } = eni?.Attachment ?? {}
    const detach = new DetachNetworkInterfaceCommand({ AttachmentId })
    expect((await errorOf(rig.ec2.send(detach))).code).toBe('OperationNotPermitted')
    const remove = new DeleteNetworkInterfaceCommand({
      NetworkInterfaceId: eni?.NetworkInterfaceId,
    })
    expect((await errorOf(rig.ec2.send(remove))).code).toBe('OperationNotPermitted')

    expect((await lab('POST', 'probes', { name: 'client' })).status).toBe(409)
    await lab('DELETE', `probes/${probe.probeId}`)
    expect(rig.fabric.ports.size + rig.fabric.namespaces.size).toBe(0)
    expect((await lab('DELETE', `probes/${probe.probeId}`)).status).toBe(404)
  })

  test.each(['plug', 'configureGuest', 'makeNetns'] as const)(
    'whose %s fails leaves nothing',
    async (step) => {
      rig.fabric.failNext = step
      expect((await lab('POST', 'probes')).status).toBe(500)
      expect(rig.fabric.ports.size + rig.fabric.namespaces.size).toBe(0)
      expect(rig.lab.region.world.enis.size).toBe(1)
      expect((await lab('POST', 'probes')).status).toBe(200)
    },
  )

  test.each([
    [{ colour: 'red' }, "Unknown field 'colour'"],
    [{ name: '../x' }, "name is '../x'"],
    [{ groupIds: 'sg-1' }, 'groupIds must be a list'],
    [{ groupNames: ['nobody'] }, "The security group 'nobody' does not exist"],
    [{ subnetId: 'x' }, 'Invalid id'],
    [[], 'must be an object'],
  ])('badly asked for as %j is refused by name', async (body, words) => {
    const { status, answer } = await lab('POST', 'probes', body)
    expect(status).toBe(400)
    expect((answer.error as { message: string }).message).toContain(words)
    expect(rig.fabric.namespaces.size).toBe(0)
  })
})

describe('the way up', () => {
  const folder = mkdtempSync(join(tmpdir(), 'enid-lab-'))
  afterEach(() => rmSync(folder, { recursive: true, force: true }))
  const never = new AbortController().signal

  test.each([
    [{ name: '../x' }, "lab name is '../x'"],
    [{ port: 70_000 }, 'port is 70000'],
    [{ instanceType: 'c5.huge' }, "instance type is 'c5.huge'; the lab knows a1.medium"],
    [{ hostRoute: true }, 'no route into the VPC'],
  ])('refuses %j before it touches anything', async (options, words) => {
    const openFabric = () => Promise.reject(new Error('touched'))
    const run = runLab({ openFabric, stateRoot: folder, storeRoot: folder, ...options }, never)
    expect((await errorOf(run)).message).toContain(words)
  })

  test('a step that fails takes down what was up', async () => {
    const fabric = new FakeFabric() // It has no sockets, so IMDS cannot be opened.
    const run = runLab(
      {
        openFabric: async () => fabric,
        stateRoot: join(folder, 'run'),
        storeRoot: folder,
        logLevel: 'silent',
        port: 0,
      },
      never,
    )
    expect((await errorOf(run)).message).toContain('no sockets')
    expect(fabric.closed).toBe(true)
    expect(runningLab('default', folder)).toBeUndefined()
    expect(existsSync(join(folder, 'default')), 'nothing is remembered').toBe(false)
  })

  test('a second lab of the same name is refused with the pid of the first', async () => {
    announce('mine', 1234, folder)
    const run = runLab({ name: 'mine', stateRoot: folder }, never)
    expect((await errorOf(run)).message).toContain(`pid ${process.pid}, port 1234`)
    withdraw('mine', folder)
    expect(runningLab('mine', folder)).toBeUndefined()
  })
})
