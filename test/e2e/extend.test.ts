// Goal: what ECS refuses in awsvpc mode and physics allows works on real parts, asked for by an
// unmodified client. Method: agent and lab as users run them, real packets from inside the VPC and from
// the lab's Internet; the oracle is the lab's EC2, `ip` and Docker, never the agent.

import {
  AllocateAddressCommand,
  AttachNetworkInterfaceCommand,
  CreateNetworkInterfaceCommand,
  DeleteNetworkInterfaceCommand,
  DescribeAddressesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSubnetsCommand,
  DetachNetworkInterfaceCommand,
  ModifyNetworkInterfaceAttributeCommand,
  type NetworkInterface,
  ReleaseAddressCommand,
} from '@aws-sdk/client-ec2'
import { RunTaskCommand, TagResourceCommand } from '@aws-sdk/client-ecs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { faultPoint } from '../../agent/fault-point.ts'
import { must } from '../../scripts/demo/program.ts'
import { slowness } from '../slowness.ts'
import { fact, Rig } from './rig.ts'

let rig: Rig
let open = ''
let shut = ''
beforeAll(async () => {
  rig = await Rig.open()
  open = await rig.group('open', { port: 80, cidr: '0.0.0.0/0' })
  shut = await rig.group('shut')
  await rig.define('web', 'mkdir /www; echo yes > /www/index.html; /busybox httpd -f -p 80 -h /www')
}, 180_000)
afterAll(() => rig?.close())

/** The ENI as the lab's EC2 shows it now. */
async function eni(eniId: string): Promise<NetworkInterface> {
  const asked = new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [eniId] })
  const { NetworkInterfaces = [] } = await rig.ec2.send(asked)
  return NetworkInterfaces[0] ?? expect.fail(`no ${eniId}`)
}
const worn = async (eniId: string) => ((await eni(eniId)).Groups ?? []).map((g) => g.GroupId)

/** What a program inside the VPC gets of a page. */
async function page(address: string): Promise<string> {
  const curl = ['curl', '-sS', '--max-time', '1', `http://${address}/`]
  return (await rig.enid('lab', 'exec', '--', ...curl)).stdout.trim()
}

describe('the security groups of a running task', () => {
  let taskId = ''
  let eniId = ''
  let address = ''
  let arn = ''
  let containers: string[] = []
  let since: Date | undefined
  beforeAll(async () => {
    ;[taskId = ''] = await rig.run('web', [open])
    const task = await rig.waitFor(taskId, 'RUNNING')
    arn = task.taskArn ?? ''
    eniId = fact(task, 'networkInterfaceId')
    address = fact(task, 'privateIPv4Address')
    since = task.startedAt
    containers = await rig.containers()
  }, 180_000)
  afterAll(() => rig.stopAndWait(taskId), 180_000)

  async function expectUntouched(): Promise<void> {
    const { lastStatus, startedAt } = await rig.task(taskId)
    expect([lastStatus, startedAt]).toEqual(['RUNNING', since])
    expect(await rig.containers()).toEqual(containers)
  }

  type Detail = { enis: { securityGroupIds: string[] }[]; findings: { verdict: string }[] }
  const detail = async () =>
    (await fetch(`${rig.ecsUrl}/tasks/${taskId}`)).json() as Promise<Detail>

  /** Orders them as the AWS CLI would; how long it took until they were in force, milliseconds. */
  async function order(...groups: string[]): Promise<number> {
    const slow = slowness()
    const begun = performance.now()
    const tags = [{ key: 'enid:securityGroups', value: groups.join(' ') }]
    await rig.ecs.send(new TagResourceCommand({ resourceArn: arn, tags }))
    expect(await worn(eniId)).toEqual(groups)
    return (performance.now() - begun) / Math.max(slow, slowness())
  }

  // P404
  test('are in force within a second of TagResource, for packets, and nothing restarts', async () => {
    await expect.poll(() => page(address), { timeout: 10_000 }).toBe('yes')
    const shutAfterMs = await order(shut)
    expect(await page(address), 'shut').toBe('')
    const openAfterMs = await order(open)
    expect(await page(address), 'open').toBe('yes')
    expect(Math.max(shutAfterMs, openAfterMs)).toBeLessThan(1000)
    await expectUntouched()
  })

  // P404
  test('are changed by the AWS CLI and by enid groups, and both show what EC2 has', async () => {
    const tags = `key=enid:securityGroups,value=${shut}`
    const args = ['ecs', 'tag-resource', '--resource-arn', arn, '--tags', tags]
    await must('aws', [...args, '--endpoint-url', rig.ecsUrl], { env: rig.env })
    expect(await worn(eniId)).toEqual([shut])
    const { code, stdout } = await rig.enid('groups', taskId, open, shut)
    expect([code, stdout.trim()]).toEqual([0, `${taskId.slice(0, 8)}  ${eniId}  ${open}  ${shut}`])
    expect((await worn(eniId)).toSorted()).toEqual([open, shut].toSorted())
    await rig.enid('groups', taskId, open)
    await expectUntouched()
  })

  // P402
  test('that EC2 does not know are refused with its cause, and the old ones stay', async () => {
    const { code, stderr } = await rig.enid('groups', taskId, 'sg-00000000000000000')
    expect([code, stderr]).toEqual([1, expect.stringContaining('InvalidGroup.NotFound')])
    const six = await Promise.all([1, 2, 3, 4, 5].map((n) => rig.group(`more${n}`)))
    const many = await rig.enid('groups', taskId, open, ...six)
    expect(many.stderr).toContain('SecurityGroupsPerInterfaceLimitExceeded')
    expect(await worn(eniId)).toEqual([open])
    expect(await page(address)).toBe('yes')
    await expectUntouched()
  })

  // P403
  test.each([
    ['before effect', 'open'],
    ['after effect', 'shut'],
  ] as const)(
    'outlive a death of the agent %s',
    async (moment, then) => {
      await rig.endAgent('SIGTERM')
      await rig.startAgent(faultPoint(moment, 'ensure', 'eni:0'))
      expect((await rig.enid('groups', taskId, shut)).code).not.toBe(0)
      await rig.agentDeath()
      expect(await worn(eniId)).toEqual([{ open, shut }[then]])
      await rig.startAgent()
      await expect.poll(() => worn(eniId), { timeout: 10_000 }).toEqual([shut])
      await expect.poll(async () => (await detail()).enis[0]?.securityGroupIds).toEqual([shut])
      await order(open)
      await expectUntouched()
    },
    60_000,
  )

  // P403
  test('are what drift is measured by: the new ones are no finding, others are', async () => {
    await rig.endAgent('SIGTERM')
    Object.assign(rig.env, { ENID_SWEEP_SCALE: '0.001', ENID_EC2_SHARE: '1' })
    await rig.startAgent()
    await order(shut)
    const verdicts = async () => (await detail()).findings.map(({ verdict }) => verdict)
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(await verdicts()).toEqual([])
    const Groups = [open]
    const behind = { NetworkInterfaceId: eniId, Groups }
    await rig.ec2.send(new ModifyNetworkInterfaceAttributeCommand(behind))
    await expect.poll(verdicts, { timeout: 15_000 }).toEqual(['leave'])
    // What was changed behind our back is put right by an order of the same.
    await order(shut)
    await expect.poll(verdicts, { timeout: 15_000 }).toEqual([])
    await order(open)
    await expectUntouched()
  }, 180_000)
})

/** RunTask with tags, as any client sends them; the task's id. */
async function runWith(tags: Record<string, string>, groups: string[] = [open]): Promise<string> {
  const { tasks = [], failures = [] } = await rig.ecs.send(
    new RunTaskCommand({
      taskDefinition: 'web',
      tags: Object.entries(tags).map(([key, value]) => ({ key, value })),
      networkConfiguration: {
        awsvpcConfiguration: { subnets: [await rig.subnetId()], securityGroups: groups },
      },
    }),
  )
  expect(failures).toEqual([])
  return tasks[0]?.taskArn?.split('/').at(-1) ?? expect.fail('no task')
}

const tagsOf = async (eniId: string): Promise<Record<string, string>> =>
  Object.fromEntries(
    ((await eni(eniId)).TagSet ?? []).map(({ Key = '', Value = '' }) => [Key, Value]),
  )

describe('an address and tags that the caller chose', () => {
  // P405, P407
  test('are the ENI’s in EC2, beside the mark, and the address answers', async () => {
    const id = await runWith({
      team: 'a',
      'enid:eni-tag:cost': '7',
      'enid:privateIpv4': '10.0.0.77',
    })
    const task = await rig.waitFor(id, 'RUNNING')
    expect(fact(task, 'privateIPv4Address')).toBe('10.0.0.77')
    await expect.poll(() => page('10.0.0.77'), { timeout: 10_000 }).toBe('yes')
    expect(await tagsOf(fact(task, 'networkInterfaceId'))).toEqual({
      Name: `ecs-web-${id.slice(0, 8)}`,
      team: 'a',
      cost: '7',
      'enid:instance': rig.instanceId,
      'enid:holder': id,
      'enid:row': 'eni:0',
    })

    // Taken: refused with EC2's code, and no other address is tried.
    const late = await runWith({ 'enid:privateIpv4': '10.0.0.77' })
    const { stoppedReason } = await rig.waitFor(late, 'STOPPED')
    expect(stoppedReason).toMatch(/^InvalidIPAddress\.InUse: .*10\.0\.0\.77/)
    expect(await rig.enis()).toHaveLength(1)
    await rig.stopAndWait(id)
  }, 180_000)

  // P407
  test('of IPv6 are the ENI’s as well', async () => {
    const { Subnets = [] } = await rig.ec2.send(
      new DescribeSubnetsCommand({ SubnetIds: [await rig.subnetId()] }),
    )
    const block = Subnets[0]?.Ipv6CidrBlockAssociationSet?.[0]?.Ipv6CidrBlock ?? ''
    const address = block.replace(/::\/64$/, '::7:77')
    const id = await runWith({ 'enid:ipv6': address.toUpperCase() })
    const task = await rig.waitFor(id, 'RUNNING')
    expect(fact(task, 'ipv6Address')).toBe(address)
    await rig.stopAndWait(id)
  }, 180_000)

  // P407
  test.each([
    ['10.0.0.3', /AddressReserved: AWS keeps 10\.0\.0\.3 of 10\.0\.0\.0\/\d+/],
    ['10.0.200.9', /AddressNotInSubnet: no subnet named .* has 10\.0\.200\.9: subnet-/],
    ['10.0.0', /enid:privateIpv4: "10\.0\.0" is not an IPv4 address/],
  ])('%s is refused at once, and nothing begins', async (address, message) => {
    await expect(runWith({ 'enid:privateIpv4': address })).rejects.toThrow(message)
  })
})

describe('an ENI that is lent', () => {
  /** One that somebody made, with another group, and without any mark. */
  async function theirs(): Promise<string> {
    const made = new CreateNetworkInterfaceCommand({
      SubnetId: await rig.subnetId(),
      Groups: [open],
    })
    return (await rig.ec2.send(made)).NetworkInterface?.NetworkInterfaceId ?? expect.fail('none')
  }

  // P408
  test('is used with its own groups and address, and left as it was found', async () => {
    const eniId = await theirs()
    const before = await eni(eniId)
    const id = await runWith({ 'enid:eniId': eniId }, [])
    const task = await rig.waitFor(id, 'RUNNING')
    expect(fact(task, 'networkInterfaceId')).toBe(eniId)
    expect(fact(task, 'privateIPv4Address')).toBe(before.PrivateIpAddress)
    await expect.poll(() => page(before.PrivateIpAddress ?? ''), { timeout: 10_000 }).toBe('yes')
    expect(await rig.enis()).toEqual([eniId])
    const now = await eni(eniId)
    expect(now.Attachment?.DeleteOnTermination, 'no guard').toBe(false)
    expect([now.TagSet, now.Groups]).toEqual([before.TagSet, before.Groups])

    await expect(runWith({ 'enid:eniId': eniId })).rejects.toThrow(`${eniId} is lent to task ${id}`)
    // A look of the sweep has nothing to say of it, and gives nothing back.
    expect((await rig.enid('sweep')).stdout).toContain('nothing to give back')
    await rig.stopAndWait(id)
    expect((await rig.enid('sweep')).stdout).toContain('nothing to give back')
    expect(await eni(eniId)).toEqual(before)

    const again = await runWith({ 'enid:eniId': eniId }, [shut])
    await rig.waitFor(again, 'RUNNING')
    expect(await worn(eniId), 'groups that were asked for are put on').toEqual([shut])
    await rig.stopAndWait(again)
    await rig.ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: eniId }))
  }, 180_000)

  // P409
  test('that somebody uses is refused, and what he does with it is not undone', async () => {
    const eniId = await theirs()
    const at = { NetworkInterfaceId: eniId, InstanceId: rig.instanceId, DeviceIndex: 9 }
    await rig.ec2.send(new AttachNetworkInterfaceCommand(at))
    const id = await runWith({ 'enid:eniId': eniId })
    const { stoppedReason } = await rig.waitFor(id, 'STOPPED')
    expect(stoppedReason).toMatch(
      new RegExp(
        `^EniNotLent: ${eniId} cannot be had: it is in use: .*${rig.instanceId} at index 9`,
      ),
    )
    const { Attachment } = await eni(eniId)
    expect(Attachment).toMatchObject({ DeviceIndex: 9, Status: 'attached' })
    const AttachmentId = Attachment?.AttachmentId
    await rig.ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId }))
    await expect.poll(async () => (await eni(eniId)).Status).toBe('available')
    await rig.ec2.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: eniId }))
  }, 180_000)

  // P409
  test('that is not there is refused', async () => {
    const id = await runWith({ 'enid:eniId': 'eni-00000000000000000' })
    const { stoppedReason } = await rig.waitFor(id, 'STOPPED')
    expect(stoppedReason).toMatch(/^EniNotLent: .* cannot be had: EC2 does not show it/)
  }, 90_000)
})

describe('a public address', () => {
  const everywhere = { port: 80, cidr: '0.0.0.0/0' }
  const addresses = async () =>
    (await rig.ec2.send(new DescribeAddressesCommand({}))).Addresses ?? []
  const publicOf = async (id: string): Promise<string> => {
    const task = await fetch(`${rig.ecsUrl}/tasks/${id}`)
    const { enis } = (await task.json()) as { enis: { publicIpv4?: string }[] }
    return enis[0]?.publicIpv4 ?? ''
  }
  /** What a host of the Internet gets of a page. */
  async function fromInternet(address: string): Promise<string> {
    const curl = ['curl', '-sS', '--max-time', '2', `http://${address}/`]
    return (await rig.enid('lab', 'exec', '--internet', '--', ...curl)).stdout.trim()
  }

  // P410
  test('is allocated for a task, answers the Internet, and is released with it', async () => {
    const group = await rig.group('public', everywhere)
    const id = await runWith({ 'enid:publicIp': 'new' }, [group])
    await rig.waitFor(id, 'RUNNING')
    const publicIp = await publicOf(id)
    await expect.poll(() => fromInternet(publicIp), { timeout: 10_000 }).toBe('yes')
    const [address] = await addresses()
    expect(address?.PublicIp).toBe(publicIp)
    expect(address?.Tags).toContainEqual({ Key: 'enid:holder', Value: id })
    expect((await rig.enid('describe', id)).stdout).toContain(publicIp)

    // The groups of the task decide for the Internet, too; and live.
    expect((await rig.enid('groups', id, shut)).code).toBe(0)
    expect(await fromInternet(publicIp)).toBe('')
    await rig.stopAndWait(id)
    expect(await addresses()).toEqual([])
  }, 180_000)

  // P410
  test('that is there is only associated and disassociated, and is for one task', async () => {
    const made = await rig.ec2.send(new AllocateAddressCommand({}))
    const { AllocationId = '', PublicIp = '' } = made
    const id = await runWith({ 'enid:publicIp': AllocationId })
    await rig.waitFor(id, 'RUNNING')
    expect(await publicOf(id)).toBe(PublicIp)
    await expect.poll(() => fromInternet(PublicIp), { timeout: 10_000 }).toBe('yes')

    const late = await runWith({ 'enid:publicIp': AllocationId })
    const { stoppedReason } = await rig.waitFor(late, 'STOPPED')
    expect(stoppedReason).toMatch(/^Resource\.AlreadyAssociated: /)
    expect(await fromInternet(PublicIp), 'the first one keeps it').toBe('yes')

    await rig.stopAndWait(id)
    const [left] = await addresses()
    expect([left?.AllocationId, left?.AssociationId]).toEqual([AllocationId, undefined])
    await rig.ec2.send(new ReleaseAddressCommand({ AllocationId }))
  }, 180_000)

  // P411
  test.each(['before effect', 'after effect'] as const)(
    'is not left behind by an agent that dies %s of it',
    async (moment) => {
      await rig.endAgent('SIGTERM')
      await rig.startAgent(faultPoint(moment, 'ensure', 'publicIp:0'))
      const id = await runWith({ 'enid:publicIp': 'new' })
      await rig.agentDeath()
      await rig.startAgent()
      await rig.waitFor(id, 'RUNNING')
      expect(await addresses()).toHaveLength(1)
      await rig.stopAndWait(id)
      expect(await addresses()).toEqual([])
    },
    120_000,
  )
})

describe('more than one ENI', () => {
  type Route = { dst: string; dev: string; gateway?: string }
  type Rule = { src?: string; srclen?: number; oif?: string; table: string }
  let id = ''
  let ours: { eniId: string; ipv4: string }[] = []
  const onBoth = () => Promise.all(ours.map(({ ipv4 }) => page(ipv4)))
  const inside = async <T>(...args: string[]) =>
    JSON.parse((await rig.inside(id, 'ip', '-j', ...args)).stdout) as T[]

  // P412
  test('are both in the task, each with its address and groups, and replies leave by the right one', async () => {
    id = await runWith({ 'enid:eni:1': open, 'enid:eni-tag:x': 'y' })
    await rig.waitFor(id, 'RUNNING')
    const task = (await (await fetch(`${rig.ecsUrl}/tasks/${id}`)).json()) as { enis: typeof ours }
    ours = task.enis
    expect(ours).toHaveLength(2)
    expect((await rig.enis()).toSorted()).toEqual(ours.map(({ eniId }) => eniId).toSorted())
    await expect.poll(onBoth, { timeout: 10_000 }).toEqual(['yes', 'yes'])

    // A reply from the other card would wear a source that is not that card's: EC2 drops it.
    const defaults = (await inside<Route>('route')).filter(({ dst }) => dst === 'default')
    expect(defaults.map(({ dev }) => dev)).toEqual(['eth0'])
    const second = await inside<Route>('route', 'show', 'table', '101')
    expect(second.filter(({ dst }) => dst === 'default').map(({ dev }) => dev)).toEqual(['eth1'])
    const rules = (await inside<Rule>('rule')).filter(({ table }) => table === '101')
    expect(rules.map(({ src, oif }) => oif ?? src).toSorted()).toEqual(
      [ours[1]?.ipv4, 'eth1'].toSorted(),
    )
    const described = await rig.task(id)
    expect(described.attachments?.map(({ status }) => status)).toEqual(['ATTACHED', 'ATTACHED'])
    expect(described.containers?.[0]?.networkInterfaces).toHaveLength(2)
  }, 180_000)

  // P412
  test('have groups of their own, changed one by one', async () => {
    expect((await rig.enid('groups', id, shut, '--eni', '1')).code).toBe(0)
    expect(await onBoth()).toEqual(['yes', ''])
    expect((await rig.enid('groups', id, open, '--eni', '1')).code).toBe(0)
    expect(await onBoth()).toEqual(['yes', 'yes'])
  }, 90_000)

  // P413
  test('whose rules somebody took away have them again within the look of ten seconds', async () => {
    const from = ['from', ours[1]?.ipv4 ?? '', 'table', '101']
    const standing = async () =>
      (await inside<Rule>('rule')).filter(({ table }) => table === '101').length
    expect((await rig.inside(id, 'ip', 'rule', 'del', ...from)).code).toBe(0)
    // The kernel tells nobody of rules: the look of every ten seconds sees it.
    await expect.poll(standing, { timeout: 20_000 }).toBe(2)
    await rig.inside(id, 'ip', 'route', 'flush', 'table', '101')
    await expect.poll(onBoth, { timeout: 20_000 }).toEqual(['yes', 'yes'])
    expect((await rig.task(id)).lastStatus).toBe('RUNNING')
  }, 120_000)

  // P412
  test('go with the task', async () => {
    await rig.stopAndWait(id)
    expect(await rig.enis()).toEqual([])
  }, 180_000)
})

test('and nothing is left', async () => {
  expect(await rig.enis()).toEqual([])
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 180_000)
