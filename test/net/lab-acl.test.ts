// Goal: network ACLs as a script meets them: calls on the lab's EC2, and packets that obey when
// each is answered. Method: a lab as a process, the SDK as client, sockets born in two probes' own
// namespaces, one in each subnet, both in the default group, which lets its members through.

import { randomBytes } from 'node:crypto'
import {
  CreateNetworkAclCommand,
  CreateNetworkAclEntryCommand,
  type CreateNetworkAclEntryCommandInput,
  DeleteNetworkAclEntryCommand,
  DescribeNetworkAclsCommand,
  DescribeSubnetsCommand,
  type EC2Client,
  ReplaceNetworkAclAssociationCommand,
  ReplaceNetworkAclEntryCommand,
} from '@aws-sdk/client-ec2'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Probe } from '../../lab/probes.ts'
import { close, listenTcp, tcp } from './fabric-sockets.ts'
import { clientOf, type LabProcess, leftovers, startLab } from './lab-process.ts'

const name = `t${randomBytes(3).toString('hex')}`
const listeners: number[] = []
let lab: LabProcess
let ec2: EC2Client
let vpcId: string
let far: string
let client: Probe
let server: Probe
let neighbour: Probe

beforeAll(async () => {
  lab = await startLab(name)
  ec2 = clientOf(lab)
  const { Subnets = [] } = await ec2.send(new DescribeSubnetsCommand({}))
  const subnet = (cidr: string) => Subnets.find(({ CidrBlock }) => CidrBlock === cidr)
  vpcId = Subnets[0]?.VpcId ?? ''
  far = subnet('10.0.1.0/24')?.SubnetId ?? ''
  const probe = (subnetId: string | undefined) =>
    lab.ask<Probe>('POST', 'probes', { subnetId, groupNames: ['default'] })
  client = await probe(subnet('10.0.0.0/24')?.SubnetId)
  server = await probe(far)
  neighbour = await probe(far)
  for (const address of ['0.0.0.0', server.ipv6 ?? '']) {
    listeners.push(listenTcp(server.netnsPath, address, 80))
  }
})
afterAll(async () => {
  listeners.forEach(close)
  ec2.destroy()
  await lab.end()
  expect(leftovers(name)).toEqual([])
})

/** What a connection to port 80 of the server meets, in both versions. */
const verdicts = ({ netnsPath } = client) => ({
  ipv4: tcp(netnsPath, server.ipv4, 80),
  ipv6: tcp(netnsPath, server.ipv6 ?? '', 80),
})
const both = (answer: 'open' | 'silent') => ({ ipv4: answer, ipv6: answer })

test('calls open and close a subnet’s border, packet by packet, both versions', async () => {
  expect(verdicts(), 'the default ACL').toEqual(both('open'))
  const { NetworkAcl } = await ec2.send(new CreateNetworkAclCommand({ VpcId: vpcId }))
  const NetworkAclId = NetworkAcl?.NetworkAclId
  await associate(NetworkAclId)
  expect(verdicts(), 'a new ACL').toEqual(both('silent'))
  expect(verdicts(neighbour), 'within the subnet').toEqual(both('open'))

  const http = { NetworkAclId, RuleNumber: 100, Egress: false, ...tcpPorts(80) }
  const http6 = { ...http, RuleNumber: 101, Ipv6CidrBlock: '2001:db8:1234:1a00::/64' }
  const http4 = { ...http, CidrBlock: '10.0.0.0/24' }
  await add(http4)
  await add(http6)
  expect(verdicts(), 'in, and no answer out').toEqual(both('silent'))
  const back = { NetworkAclId, Egress: true, ...tcpPorts(1024, 65535) }
  await add({ ...back, RuleNumber: 100, CidrBlock: '0.0.0.0/0' })
  expect(verdicts(), 'answers of IPv4').toEqual({ ipv4: 'open', ipv6: 'silent' })
  await add({ ...back, RuleNumber: 101, Ipv6CidrBlock: '::/0' })
  expect(verdicts(), 'answers of both').toEqual(both('open'))

  const client4 = `${client.ipv4}/32`
  await add({ ...http4, RuleNumber: 50, RuleAction: 'deny', CidrBlock: client4 })
  expect(verdicts(), 'a lower number').toEqual({ ipv4: 'silent', ipv6: 'open' })
  await ec2.send(
    new ReplaceNetworkAclEntryCommand({ ...http4, RuleNumber: 50, CidrBlock: client4 }),
  )
  expect(verdicts(), 'replaced').toEqual(both('open'))
  await ec2.send(new DeleteNetworkAclEntryCommand({ NetworkAclId, RuleNumber: 101, Egress: false }))
  expect(verdicts(), 'deleted').toEqual({ ipv4: 'open', ipv6: 'silent' })
})

async function associate(NetworkAclId: string | undefined): Promise<void> {
  const Filters = [{ Name: 'association.subnet-id', Values: [far] }]
  const { NetworkAcls = [] } = await ec2.send(new DescribeNetworkAclsCommand({ Filters }))
  const association = NetworkAcls[0]?.Associations?.find(({ SubnetId }) => SubnetId === far)
  const AssociationId = association?.NetworkAclAssociationId
  await ec2.send(new ReplaceNetworkAclAssociationCommand({ AssociationId, NetworkAclId }))
}

const add = (input: CreateNetworkAclEntryCommandInput) =>
  ec2.send(new CreateNetworkAclEntryCommand(input))

function tcpPorts(From: number, To = From) {
  return { Protocol: '6', PortRange: { From, To }, RuleAction: 'allow' } as const
}
