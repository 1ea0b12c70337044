// Goal: what EC2 calls say of rules is what packets meet the moment the call is answered: rules
// written anew under their ids, and rules that name a prefix list. Method: a lab as its users have
// it, the SDK as client, sockets inside two probes as proof.

import { randomBytes } from 'node:crypto'
import {
  AuthorizeSecurityGroupIngressCommand,
  CreateManagedPrefixListCommand,
  CreateSecurityGroupCommand,
  DescribeInstancesCommand,
  DescribeSubnetsCommand,
  type EC2Client,
  ModifyManagedPrefixListCommand,
  type ModifyManagedPrefixListCommandInput,
  ModifySecurityGroupRulesCommand,
  RestoreManagedPrefixListVersionCommand,
} from '@aws-sdk/client-ec2'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Probe } from '../../lab/probes.ts'
import { close, connectTcp, listenTcp, tcp } from './fabric-sockets.ts'
import { clientOf, type LabProcess, leftovers, startLab } from './lab-process.ts'

const name = `t${randomBytes(3).toString('hex')}`
const listeners: number[] = []
let lab: LabProcess
let ec2: EC2Client
let groupId: string
let client: Probe
let server: Probe

beforeAll(async () => {
  lab = await startLab(name)
  ec2 = clientOf(lab)
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({}))
  const { VpcId } = Reservations?.[0]?.Instances?.[0] ?? {}
  const made = await ec2.send(
    new CreateSecurityGroupCommand({ GroupName: 'web', Description: 'x', VpcId }),
  )
  groupId = made.GroupId ?? ''
  server = await lab.ask<Probe>('POST', 'probes', { groupIds: [groupId] })
  client = await lab.ask<Probe>('POST', 'probes', { groupNames: ['default'] })
  for (const port of [80, 81, 82]) {
    listeners.push(listenTcp(server.netnsPath, '0.0.0.0', port))
    listeners.push(listenTcp(server.netnsPath, server.ipv6 ?? '', port))
  }
})
afterAll(async () => {
  listeners.forEach(close)
  ec2.destroy()
  await lab.end()
  expect(leftovers(name)).toEqual([])
})

const v4 = (port: number) => tcp(client.netnsPath, server.ipv4, port)
const v6 = (port: number) => tcp(client.netnsPath, server.ipv6 ?? '', port)

/** The same for a probe that is new: its link may lose a first packet, which comes again in 1 s. */
function first({ netnsPath }: Probe, address: string, port: number): string {
  const { fd, answer } = connectTcp(netnsPath, address, port, 4000)
  close(fd)
  return answer
}

// P226
test('a rule that is modified lets in what it says now, and no longer what it said', async () => {
  const rule = { IpProtocol: 'tcp', FromPort: 80, ToPort: 80 }
  const { SecurityGroupRules } = await ec2.send(
    new AuthorizeSecurityGroupIngressCommand({
      GroupId: groupId,
      IpPermissions: [{ ...rule, IpRanges: [{ CidrIp: `${client.ipv4}/32` }] }],
    }),
  )
  const SecurityGroupRuleId = SecurityGroupRules?.[0]?.SecurityGroupRuleId
  expect([first(client, server.ipv4, 80), v4(81)]).toEqual(['open', 'silent'])
  const modify = (written: object) =>
    ec2.send(
      new ModifySecurityGroupRulesCommand({
        GroupId: groupId,
        SecurityGroupRules: [{ SecurityGroupRuleId, SecurityGroupRule: { ...rule, ...written } }],
      }),
    )
  await modify({ CidrIpv4: `${client.ipv4}/32`, FromPort: 81, ToPort: 81 })
  expect([v4(80), v4(81)]).toEqual(['silent', 'open'])
  await modify({ CidrIpv4: '192.0.2.0/24', FromPort: 80, ToPort: 81 })
  expect([v4(80), v4(81)]).toEqual(['silent', 'silent'])
})

// P226
test.each([
  ['IPv4', () => client.ipv4, 32, v4, v6],
  ['IPv6', () => client.ipv6 ?? '', 128, v6, v4],
] as const)(
  'a rule that names a list lets in its %s entries as they are now',
  async (...[AddressFamily, address, bits, reaches, otherFamily]) => {
    const Cidr = `${address()}/${bits}`
    const made = await ec2.send(
      new CreateManagedPrefixListCommand({ PrefixListName: 'x', AddressFamily, MaxEntries: 3 }),
    )
    const PrefixListId = made.PrefixList?.PrefixListId ?? ''
    const modify = (CurrentVersion: number, change: Partial<ModifyManagedPrefixListCommandInput>) =>
      ec2.send(new ModifyManagedPrefixListCommand({ PrefixListId, CurrentVersion, ...change }))
    await ec2.send(
      new AuthorizeSecurityGroupIngressCommand({
        GroupId: groupId,
        IpPermissions: [
          { IpProtocol: 'tcp', FromPort: 82, ToPort: 82, PrefixListIds: [{ PrefixListId }] },
        ],
      }),
    )
    expect(reaches(82), 'an empty list').toBe('silent')
    await modify(1, { AddEntries: [{ Cidr }] })
    expect(reaches(82)).toBe('open')
    expect(reaches(81)).toBe('silent')
    expect(otherFamily(82)).toBe('silent')
    await modify(2, { RemoveEntries: [{ Cidr }] })
    expect(reaches(82)).toBe('silent')
    await ec2.send(
      new RestoreManagedPrefixListVersionCommand({
        PrefixListId,
        PreviousVersion: 2,
        CurrentVersion: 3,
      }),
    )
    expect(reaches(82)).toBe('open')
    await modify(4, { RemoveEntries: [{ Cidr }] })
    expect(reaches(82)).toBe('silent')
  },
)

test('a rule that names a group means its members in every subnet, itself only where it is named', async () => {
  const { Subnets = [] } = await ec2.send(new DescribeSubnetsCommand({}))
  const elsewhere = Subnets.find(({ SubnetId }) => SubnetId !== server.subnetId)?.SubnetId
  const far = await lab.ask<Probe>('POST', 'probes', { subnetId: elsewhere, groupIds: [groupId] })
  const stranger = await lab.ask<Probe>('POST', 'probes', {
    subnetId: elsewhere,
    groupNames: ['default'],
  })
  expect(far.subnetId).not.toBe(server.subnetId)
  const verdicts = () =>
    [server.ipv4, server.ipv6 ?? ''].map((to) =>
      [far, stranger, client].map(({ netnsPath }) => tcp(netnsPath, to, 82)),
    )
  const [none, members] = [
    ['silent', 'silent', 'silent'],
    ['open', 'silent', 'silent'],
  ]
  expect(verdicts(), 'the same group, and no rule that names it').toEqual([none, none])
  await ec2.send(
    new AuthorizeSecurityGroupIngressCommand({
      GroupId: groupId,
      IpPermissions: [
        { IpProtocol: 'tcp', FromPort: 82, ToPort: 82, UserIdGroupPairs: [{ GroupId: groupId }] },
      ],
    }),
  )
  for (const address of [server.ipv4, server.ipv6 ?? '']) {
    expect(first(far, address, 82), address).toBe('open')
  }
  expect(verdicts()).toEqual([members, members])
})

test('members of the default group reach each other, and nobody else reaches them', async () => {
  const other = await lab.ask<Probe>('POST', 'probes', { groupNames: ['default'] })
  for (const address of [client.ipv4, client.ipv6 ?? '']) {
    listeners.push(listenTcp(client.netnsPath, address, 90))
    expect(first(other, address, 90), address).toBe('open')
    expect(tcp(server.netnsPath, address, 90), address).toBe('silent')
  }
})
