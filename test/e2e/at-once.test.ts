// Goal: what goes wrong for two at once, or in the middle of one, costs nobody else and leaves nothing
// (ecs-agent's open issues; docs/scenarios.md). Method: lab, agent and Docker as users run them, the lab's
// faults and a router that is made deaf; the oracle is the lab's EC2, `ip` and Docker.

import {
  CreateNetworkInterfaceCommand,
  CreateSubnetCommand,
  DeleteNetworkInterfaceCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSubnetsCommand,
  type NetworkInterface,
} from '@aws-sdk/client-ec2'
import { RunTaskCommand } from '@aws-sdk/client-ecs'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { must } from '../../scripts/demo/program.ts'
import { fact, Rig } from './rig.ts'

let rig: Rig
let group = ''
beforeAll(async () => {
  rig = await Rig.open()
  await rig.endAgent('SIGTERM')
  Object.assign(rig.env, { ENID_TIMEOUT_SCALE: '0.2', ENID_EC2_SHARE: '1' })
  await rig.startAgent()
  group = await rig.group('any')
  await rig.define('idle', 'exec /busybox sleep 600')
}, 180_000)
afterAll(() => rig?.close())
beforeEach(async () => {
  expect((await rig.enid('lab', 'fault', 'clear')).code).toBe(0)
})

/** The ENIs of tasks, as EC2 shows them, by the task in whose name they are tagged. */
async function enisOf(): Promise<Map<string, NetworkInterface[]>> {
  const asked = new DescribeNetworkInterfacesCommand({})
  const { NetworkInterfaces = [] } = await rig.ec2.send(asked)
  const holder = ({ TagSet = [] }: NetworkInterface) =>
    TagSet.find(({ Key }) => Key === 'enid:holder')?.Value ?? ''
  const theirs = NetworkInterfaces.filter((eni) => holder(eni) !== '')
  return Map.groupBy(theirs, holder)
}
const attached = (enis: readonly NetworkInterface[] = []) =>
  enis.filter(({ Attachment }) => Attachment?.Status === 'attached').length

/** RunTask in these subnets, with these tags; the ids of the tasks, or why there are none. */
async function runIn(subnets: string[], tags: Record<string, string> = {}, count = 1) {
  const { tasks = [], failures = [] } = await rig.ecs.send(
    new RunTaskCommand({
      ...{ taskDefinition: 'idle', count },
      tags: Object.entries(tags).map(([key, value]) => ({ key, value })),
      networkConfiguration: { awsvpcConfiguration: { subnets, securityGroups: [group] } },
    }),
  )
  return { ids: tasks.map(({ taskArn = '' }) => taskArn.split('/').at(-1) ?? ''), failures }
}

describe('two at once', () => {
  // P504
  test('whose attaches both time out come to run, on one ENI each, and a third does not notice', async () => {
    await rig.fault({ name: 'slow-reply', action: 'AttachNetworkInterface', seconds: 20, times: 2 })
    const slow = await rig.run('idle', [group], 2)
    const fired = async () => (await rig.enid('lab', 'fault', 'list', '--json')).stdout
    await expect.poll(fired, { timeout: 10_000 }).toMatch(/"fired": ?2/)
    const [third = ''] = await rig.run('idle', [group])
    await rig.waitFor(third, 'RUNNING')
    for (const id of slow) await rig.waitFor(id, 'RUNNING', 120_000)
    const enis = await enisOf()
    for (const id of [...slow, third]) expect(enis.get(id)).toHaveLength(1)
    const indices = [...enis.values()].flat().map(({ Attachment }) => Attachment?.DeviceIndex)
    expect(new Set(indices).size).toBe(3)
    await rig.stopAndWait(...slow, third)
    expect(await rig.enis()).toEqual([])
  }, 120_000)

  // P504
  test('with two ENIs each, that stop while EC2 is slow to detach, give all four back and nobody else’s', async () => {
    const subnets = [await rig.subnetId()]
    const { ids } = await runIn(subnets, { 'enid:eni:1': '' }, 2)
    const [third = ''] = await rig.run('idle', [group])
    for (const id of [...ids, third]) await rig.waitFor(id, 'RUNNING')
    const before = await enisOf()
    expect(ids.map((id) => attached(before.get(id)))).toEqual([2, 2])
    await rig.fault({ name: 'detach-slow', seconds: 3 })
    await Promise.all(ids.map((id) => rig.stop(id)))
    const detaching = async () =>
      [...(await enisOf()).values()]
        .flat()
        .filter(({ Attachment }) => Attachment?.Status === 'detaching').length
    await expect.poll(detaching, { timeout: 20_000, interval: 100 }).toBe(4)
    for (const id of ids) await rig.waitFor(id, 'STOPPED', 120_000)
    expect(await rig.enis()).toEqual([fact(await rig.task(third), 'networkInterfaceId')])
    expect((await rig.task(third)).lastStatus).toBe('RUNNING')
    const link = JSON.parse((await rig.inside(third, 'ip', '-j', 'link', 'show', 'eth0')).stdout)
    expect(link[0].address).toBe(fact(await rig.task(third), 'macAddress'))
    await rig.stopAndWait(third)
  }, 120_000)

  // P505
  test('whose ENIs EC2 still calls in use are deleted when it does not, and say so until then', async () => {
    const ids = await rig.run('idle', [group], 2)
    for (const id of ids) await rig.waitFor(id, 'RUNNING')
    await rig.fault({ name: 'delete-in-use' })
    for (const id of ids) await rig.stop(id)
    for (const id of ids) {
      const said = async () => (await rig.enid('describe', id, '--json')).stdout
      await expect.poll(said, { timeout: 20_000 }).toContain('is currently in use')
      expect((await rig.task(id)).lastStatus).toBe('DEPROVISIONING')
    }
    expect(await rig.enis()).toHaveLength(2)
    await rig.enid('lab', 'fault', 'clear')
    for (const id of ids) await rig.waitFor(id, 'STOPPED', 120_000)
    expect(await rig.enis()).toEqual([])
  }, 120_000)
})

describe('a link that can be configured only in part', () => {
  /** The VPC's router hears no question for its MAC any more; undone by what is answered. */
  async function deafen(): Promise<() => Promise<void>> {
    const space = `enid-lab-${rig.env.ENID_LAB}`
    const nft = (...args: string[]) => must('ip', ['netns', 'exec', space, 'nft', ...args])
    await nft('add', 'table', 'arp', 'deaf')
    const hook = '{ type filter hook input priority 0 ; policy drop ; }'
    await nft('add', 'chain', 'arp', 'deaf', 'in', hook)
    return async () => void (await nft('delete', 'table', 'arp', 'deaf'))
  }

  /** The names of the links in the task's namespace, before it runs. */
  const linksOf = async (id: string): Promise<string> => {
    const seen = await rig.inside(id, 'ip', '-j', 'address').catch(() => undefined)
    return seen?.stdout ?? ''
  }

  // P506
  test('stops its task with the cause; the card comes home and the ENI is deleted', async () => {
    const hear = await deafen()
    try {
      const [id = ''] = await rig.run('idle', [group])
      // Half-way: it is in the namespace, named and addressed, and the router is silent.
      await expect.poll(() => linksOf(id), { timeout: 20_000, interval: 50 }).toContain('"eth0"')
      const { stopCode, stoppedReason } = await rig.waitFor(id, 'STOPPED', 120_000)
      expect([stopCode, stoppedReason]).toEqual([
        'TaskFailedToStart',
        expect.stringMatching(/^GatewaySilent: /),
      ])
      expect(await rig.enis()).toEqual([])
      expect(await rig.containers()).toEqual([])
    } finally {
      await hear()
    }
  }, 90_000)

  // P506
  test.each(['comes to run', 'is stopped'])(
    'while the agent is killed there: its task %s in the next life, and nothing is double or left',
    async (how) => {
      const hear = await deafen()
      let id = ''
      try {
        ;[id = ''] = await rig.run('idle', [group])
        await expect.poll(() => linksOf(id), { timeout: 20_000, interval: 50 }).toContain('"eth0"')
        await rig.endAgent('SIGKILL')
      } finally {
        await hear()
      }
      expect(await rig.enis(), 'the ENI is there, and the container is not').toHaveLength(1)
      await rig.startAgent()
      if (how === 'comes to run') {
        await rig.waitFor(id, 'RUNNING')
        expect((await enisOf()).get(id)).toHaveLength(1)
      }
      await rig.stopAndWait(id)
      expect(await rig.enis()).toEqual([])
      expect(await rig.containers()).toEqual([])
    },
    90_000,
  )
})

describe('a subnet without an address', () => {
  /** A subnet of eleven addresses in the host's zone. */
  async function smallSubnet(cidr: string): Promise<string> {
    const first = new DescribeSubnetsCommand({ SubnetIds: [await rig.subnetId()] })
    const { VpcId, AvailabilityZone } = (await rig.ec2.send(first)).Subnets?.[0] ?? {}
    const wish = new CreateSubnetCommand({ VpcId, AvailabilityZone, CidrBlock: cidr })
    return (await rig.ec2.send(wish)).Subnet?.SubnetId ?? expect.fail('no subnet')
  }
  /** Somebody takes so many of its addresses. */
  async function fill(SubnetId: string, count: number): Promise<string[]> {
    const made: string[] = []
    for (let n = 0; n < count; n++) {
      const { NetworkInterface: eni } = await rig.ec2.send(
        new CreateNetworkInterfaceCommand({ SubnetId, Groups: [group] }),
      )
      made.push(eni?.NetworkInterfaceId ?? '')
    }
    return made
  }
  const empty = async (eniIds: readonly string[]) => {
    for (const NetworkInterfaceId of eniIds) {
      await rig.ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId }))
    }
  }

  // P507
  test('that is known to be full is refused at once, with the numbers', async () => {
    const subnet = await smallSubnet('10.0.201.0/28')
    const theirs = await fill(subnet, 11)
    const { ids, failures } = await runIn([subnet])
    expect(ids).toEqual([])
    expect(failures[0]).toMatchObject({ reason: 'RESOURCE:ENI' })
    expect(failures[0]?.detail).toMatch(new RegExp(`${subnet} 0`))
    await empty(theirs)
  }, 180_000)

  // P507
  test('that somebody fills in between: EC2’s own code stops the task, or the next subnet is taken', async () => {
    const subnet = await smallSubnet('10.0.202.0/28')
    // The agent learns that it has room, and then it has none.
    const { ids: first } = await runIn([subnet])
    await rig.waitFor(first[0] ?? '', 'RUNNING')
    const theirs = await fill(subnet, 10)
    const { ids } = await runIn([subnet])
    const { stopCode, stoppedReason } = await rig.waitFor(ids[0] ?? '', 'STOPPED')
    expect([stopCode, stoppedReason]).toEqual([
      'TaskFailedToStart',
      expect.stringMatching(
        new RegExp(`^RESOURCE:ENI: .*${subnet} \\(InsufficientFreeAddressesInSubnet\\)`),
      ),
    ])
    const { ids: next } = await runIn([subnet, await rig.subnetId()])
    const task = await rig.waitFor(next[0] ?? '', 'RUNNING')
    expect(fact(task, 'subnetId')).toBe(await rig.subnetId())
    await rig.stopAndWait(first[0] ?? '', next[0] ?? '')
    await empty(theirs)
  }, 120_000)

  // P507
  test.each([
    ['subnet-full', 'InsufficientFreeAddressesInSubnet', '10.0.203'],
    ['subnet-fragmented', 'InsufficientCidrBlocks', '10.0.204'],
  ])(
    '(%s, as EC2 says it) costs one Create where another subnet is named, and else stops the task by %s',
    async (name, code, block) => {
      const blocks = ['0/28', '16/28', '32/28'].map((end) => smallSubnet(`${block}.${end}`))
      const [one = '', other = '', last = ''] = await Promise.all(blocks)
      await rig.fault({ name, subnet: one })
      const { ids } = await runIn([one, other])
      expect(fact(await rig.waitFor(ids[0] ?? '', 'RUNNING'), 'subnetId')).toBe(other)
      await rig.stopAndWait(ids[0] ?? '')
      await rig.enid('lab', 'fault', 'clear')
      await rig.fault({ name, subnet: last })
      const { ids: alone } = await runIn([last])
      const { stoppedReason } = await rig.waitFor(alone[0] ?? '', 'STOPPED')
      expect(stoppedReason).toMatch(new RegExp(`^RESOURCE:ENI: .*${last} \\(${code}\\)`))
      expect(await rig.enis()).toEqual([])
    },
    90_000,
  )
})

test('nothing is left', async () => {
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 180_000)
