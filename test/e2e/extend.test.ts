// Goal: what ECS refuses in awsvpc mode and physics allows works on real parts, asked for by an
// unmodified client. Method: agent and lab as users run them, real packets from inside the VPC and from
// the lab's Internet; the oracle is the lab's EC2, `ip` and Docker, never the agent.

import {
  DescribeNetworkInterfacesCommand,
  ModifyNetworkInterfaceAttributeCommand,
  type NetworkInterface,
} from '@aws-sdk/client-ec2'
import { TagResourceCommand } from '@aws-sdk/client-ecs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { faultPoint } from '../../agent/fault-point.ts'
import { must } from '../../scripts/demo/program.ts'
import { fact, Rig } from './rig.ts'

let rig: Rig
let open = ''
let shut = ''
beforeAll(async () => {
  rig = await Rig.open()
  open = await rig.group('open', { port: 80, cidr: '0.0.0.0/0' })
  shut = await rig.group('shut')
  await rig.define('web', 'mkdir /www; echo yes > /www/index.html; /busybox httpd -f -p 80 -h /www')
}, 60_000)
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
  }, 60_000)
  afterAll(() => rig.stopAndWait(taskId), 60_000)

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
    const begun = performance.now()
    const tags = [{ key: 'enid:securityGroups', value: groups.join(' ') }]
    await rig.ecs.send(new TagResourceCommand({ resourceArn: arn, tags }))
    expect(await worn(eniId)).toEqual(groups)
    return performance.now() - begun
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
  }, 60_000)
})
