// Goal: the AWS CLI drives the lab unchanged, and reads its errors as EC2's. Method: the CLI as it
// is installed, with nothing but --endpoint-url.

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type LabProcess, leftovers, startLab } from '../net/lab-process.ts'

const run = promisify(execFile)
const name = `t${randomBytes(3).toString('hex')}`
let lab: LabProcess
beforeAll(async () => {
  lab = await startLab(name)
})
afterAll(async () => {
  await lab.end()
  expect(leftovers(name)).toEqual([])
})

async function aws(...args: string[]): Promise<string> {
  const env = { ...process.env, AWS_PAGER: '', ...(await lab.ask<object>('GET', 'env')) }
  const given = ['ec2', ...args, '--endpoint-url', lab.endpoint, '--output', 'text']
  return (await run('aws', given, { env })).stdout.trim()
}

test('a task’s ENI from the command line: made, attached, guarded, found, given back', async () => {
  const subnet = await aws(
    ...['describe-subnets', '--filters', 'Name=availability-zone,Values=us-west-2a'],
    ...['--query', 'Subnets[0].SubnetId'],
  )
  const instance = await aws(
    'describe-instances',
    ...['--query', 'Reservations[].Instances[].InstanceId'],
  )
  const group = await aws(
    ...[
      'create-security-group',
      '--group-name',
      'web',
      '--description',
      'web',
      '--query',
      'GroupId',
    ],
  )
  await aws(
    ...['authorize-security-group-ingress', '--group-id', group],
    ...['--protocol', 'tcp', '--port', '80-81', '--cidr', '10.0.0.0/16'],
  )
  const eni = await aws(
    ...['create-network-interface', '--subnet-id', subnet, '--groups', group],
    ...['--ipv6-address-count', '1', '--query', 'NetworkInterface.NetworkInterfaceId'],
    ...['--tag-specifications', 'ResourceType=network-interface,Tags=[{Key=task,Value=one}]'],
  )
  const attachment = await aws(
    ...['attach-network-interface', '--network-interface-id', eni, '--instance-id', instance],
    ...['--device-index', '1', '--network-card-index', '0', '--query', 'AttachmentId'],
  )
  await aws(
    ...['modify-network-interface-attribute', '--network-interface-id', eni],
    ...['--attachment', `AttachmentId=${attachment},DeleteOnTermination=true`],
  )
  const found = await aws(
    ...['describe-network-interfaces', '--filters', 'Name=tag:task,Values=o*'],
    ...['--query', 'NetworkInterfaces[].[Status,Attachment.DeleteOnTermination,Groups[0].GroupId]'],
  )
  expect(found).toBe(`in-use\tTrue\t${group}`)
  await aws('detach-network-interface', '--attachment-id', attachment)
  await aws('wait', 'network-interface-available', '--network-interface-ids', eni)
  await aws('delete-network-interface', '--network-interface-id', eni)
  await aws('delete-security-group', '--group-id', group)
})

test('a subnet under a network ACL of its own, and back under the default one', async () => {
  const association = (aclFilter: string) =>
    aws(
      ...['describe-network-acls', '--filters', aclFilter],
      ...['--query', 'NetworkAcls[0].Associations[0].NetworkAclAssociationId'],
    )
  const [vpc, normal] = (
    await aws(
      ...['describe-network-acls', '--filters', 'Name=default,Values=true'],
      ...['--query', 'NetworkAcls[0].[VpcId,NetworkAclId]'],
    )
  ).split('\t')
  const acl = await aws(
    ...['create-network-acl', '--vpc-id', vpc ?? '', '--query', 'NetworkAcl.NetworkAclId'],
  )
  const entry = ['--network-acl-id', acl, '--ingress', '--rule-number']
  const web = ['--protocol', 'tcp', '--port-range', 'From=80,To=81', '--cidr-block', '10.0.0.9/16']
  await aws('create-network-acl-entry', ...entry, '100', ...web, '--rule-action', 'allow')
  await aws('replace-network-acl-entry', ...entry, '100', ...web, '--rule-action', 'deny')
  await expect(
    aws('create-network-acl-entry', ...entry, '100', ...web, '--rule-action', 'allow'),
  ).rejects.toThrow('(NetworkAclEntryAlreadyExists)')
  const moved = await aws(
    ...['replace-network-acl-association', '--network-acl-id', acl],
    ...['--association-id', await association('Name=default,Values=true')],
  )
  expect(await association(`Name=network-acl-id,Values=${acl}`)).toBe(moved)
  const entries = await aws(
    ...['describe-network-acls', '--network-acl-ids', acl, '--query'],
    'NetworkAcls[0].Entries[?RuleNumber==`100`].[Protocol,CidrBlock,PortRange.To,RuleAction]',
  )
  expect(entries).toBe('6\t10.0.0.0/16\t81\tdeny')
  await expect(aws('delete-network-acl', '--network-acl-id', acl)).rejects.toThrow(
    '(DependencyViolation)',
  )
  await aws(
    ...['replace-network-acl-association', '--association-id', moved],
    ...['--network-acl-id', normal ?? ''],
  )
  await aws('delete-network-acl-entry', ...entry, '100')
  await aws('delete-network-acl', '--network-acl-id', acl)
})

test('pages are followed, and errors come with EC2’s codes', async () => {
  const types = await aws(
    ...['describe-instance-types', '--page-size', '10'],
    ...['--query', 'InstanceTypes[].InstanceType'],
  )
  expect(types.split(/\s+/).length).toBeGreaterThan(40)
  await expect(aws('delete-vpc', '--vpc-id', 'vpc-1234')).rejects.toThrow(
    '(InvalidVpcID.Malformed) when calling the DeleteVpc operation',
  )
  await expect(aws('describe-key-pairs')).rejects.toThrow(
    '(InvalidAction) when calling the DescribeKeyPairs operation: ' +
      'The lab does not implement the action DescribeKeyPairs of EC2.',
  )
  await expect(aws('describe-vpcs', '--dry-run')).rejects.toThrow('(DryRunOperation)')
})
