// Goal: the usual clients drive the lab unchanged: the AWS CLI of versions 1 and 2, boto3 and the
// JavaScript SDK, each with its own paginators and waiters. Method: as they are installed, against a
// lab of their own on real parts; nothing is told but the endpoint.

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, realpathSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import * as sdk from '@aws-sdk/client-ec2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clientOf, type LabProcess, leftovers, startLab } from '../net/lab-process.ts'

const run = promisify(execFile)
const name = `t${randomBytes(3).toString('hex')}`
let lab: LabProcess
let env: NodeJS.ProcessEnv
beforeAll(async () => {
  lab = await startLab(name)
  const settings = await lab.ask<Record<string, string>>('GET', 'env')
  // Whatever whoever runs this has set up for the real AWS stays out of it.
  const none = { AWS_CONFIG_FILE: '/dev/null', AWS_SHARED_CREDENTIALS_FILE: '/dev/null' }
  env = { ...process.env, AWS_PAGER: '', AWS_PROFILE: undefined, ...none, ...settings }
})
afterAll(async () => {
  await lab.end()
  expect(leftovers(name)).toEqual([])
})

/** Every `aws` that the PATH has, and the one of Debian's package, by version. */
async function installedClis(): Promise<Map<string, string>> {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin']
  const paths = folders.map((folder) => join(folder, 'aws')).filter((path) => existsSync(path))
  const found = new Map<string, string>()
  for (const path of new Set(paths.map((each) => realpathSync(each)))) {
    const { stdout, stderr } = await run(path, ['--version'])
    const version = /^aws-cli\/(\S+)/.exec(stdout + stderr)?.[1]
    if (version !== undefined && !found.has(version)) found.set(version, path)
  }
  return found
}

const clis = await installedClis()

test('a version 2 of the AWS CLI is there', () => {
  // No Debian package has version 1 any more: it is driven where it is installed.
  expect([...clis.keys()].filter((version) => version.startsWith('2.'))).not.toEqual([])
})

describe.each([...clis])('the AWS CLI %s', (version, path) => {
  const aws = async (...args: string[]): Promise<string> => {
    const all = ['ec2', ...args, '--endpoint-url', lab.endpoint, '--output', 'text']
    return (await run(path, all, { env })).stdout.trim()
  }
  const group = `cli-${version.replaceAll('.', '-')}`

  // P305
  test('makes, tags, waits for, finds in pages, attaches and deletes', {
    timeout: 240_000,
  }, async () => {
    const vpc = await aws(
      'describe-vpcs',
      '--filters',
      'Name=is-default,Values=true',
      '--query',
      'Vpcs[0].VpcId',
    )
    const [subnet, zone] = (
      await aws(
        ...[
          'describe-subnets',
          '--filters',
          `Name=vpc-id,Values=${vpc}`,
          'Name=availability-zone,Values=*2a',
        ],
        ...['--query', 'Subnets[0].[SubnetId,AvailabilityZone]'],
      )
    ).split('\t')
    expect(zone).toBe('us-west-2a')
    const groupId = await aws(
      ...['create-security-group', '--group-name', group, '--description', group, '--vpc-id', vpc],
      ...['--tag-specifications', 'ResourceType=security-group,Tags=[{Key=by,Value=cli}]'],
      ...['--query', 'GroupId'],
    )
    await aws('wait', 'security-group-exists', '--group-ids', groupId)
    const rule = await aws(
      ...[
        'authorize-security-group-ingress',
        '--group-id',
        groupId,
        '--protocol',
        'tcp',
        '--port',
        '80-81',
      ],
      ...['--cidr', '10.0.0.0/16', '--query', 'SecurityGroupRules[0].SecurityGroupRuleId'],
    )
    const token = ['--client-token', group]
    const create = [
      'create-network-interface',
      '--subnet-id',
      subnet ?? '',
      '--groups',
      groupId,
      ...token,
    ]
    const eni = await aws(...create, '--query', 'NetworkInterface.NetworkInterfaceId')
    expect(await aws(...create, '--query', 'NetworkInterface.NetworkInterfaceId')).toBe(eni)
    await expect(aws(...create, '--description', 'x')).rejects.toThrow(
      '(IdempotentParameterMismatch)',
    )
    await aws('wait', 'network-interface-available', '--network-interface-ids', eni)
    const host = await aws('describe-instances', '--query', 'Reservations[].Instances[].InstanceId')
    await aws('wait', 'instance-status-ok', '--instance-ids', host)
    const attach = [
      'attach-network-interface',
      '--network-interface-id',
      eni,
      '--instance-id',
      host,
    ]
    await expect(aws(...attach, '--device-index', '9', '--dry-run')).rejects.toThrow(
      '(DryRunOperation)',
    )
    const attachment = await aws(...attach, '--device-index', '9', '--query', 'AttachmentId')
    await aws('create-tags', '--resources', eni, rule, '--tags', `Key=mark,Value=${group}`)
    const tagged = await aws(
      ...['describe-tags', '--filters', `Name=value,Values=${group}`, '--page-size', '5'],
      ...['--query', 'Tags[].ResourceType'],
    )
    expect(tagged.split(/\s+/).sort()).toEqual(['network-interface', 'security-group-rule'])
    await aws('detach-network-interface', '--attachment-id', attachment)
    await aws('wait', 'network-interface-available', '--network-interface-ids', eni)
    await aws('delete-network-interface', '--network-interface-id', eni)
    await aws('delete-security-group', '--group-id', groupId)
  })

  // P305
  test('follows pages, goes on from a token of its own, and reads errors', {
    timeout: 120_000,
  }, async () => {
    const types = ['describe-instance-types', '--query', 'InstanceTypes[].InstanceType']
    const all = (await aws(...types, '--page-size', '10')).split(/\s+/)
    expect(new Set(all).size).toBe(all.length)
    expect(all.length).toBeGreaterThan(40)
    const json = [
      'ec2',
      'describe-instance-types',
      '--endpoint-url',
      lab.endpoint,
      '--output',
      'json',
    ]
    const first = JSON.parse((await run(path, [...json, '--max-items', '7'], { env })).stdout)
    expect(first.InstanceTypes).toHaveLength(7)
    const rest = await run(path, [...json, '--starting-token', first.NextToken], { env })
    expect(JSON.parse(rest.stdout).InstanceTypes).toHaveLength(all.length - 7)
    await expect(aws('describe-subnets', '--filters', 'Name=colour,Values=red')).rejects.toThrow(
      "(InvalidParameterValue) when calling the DescribeSubnets operation: The filter 'colour' is invalid",
    )
    await expect(aws('describe-key-pairs')).rejects.toThrow('(InvalidAction)')
  })
})

// P305
test('boto3 drives it: clients, resources, paginators and waiters', {
  timeout: 120_000,
}, async () => {
  const script = join(import.meta.dirname, 'drive.py')
  const { stdout } = await run('/usr/bin/python3', [script, lab.endpoint], { env })
  expect(stdout).toMatch(/^driven \d+\.\d+\.\d+\n$/)
})

// P305
test('the JavaScript SDK drives it: paginators, waiters and errors', {
  timeout: 120_000,
}, async () => {
  const ec2 = clientOf(lab)
  const { Vpc } = await ec2.send(new sdk.CreateVpcCommand({ CidrBlock: '10.60.0.0/16' }))
  const VpcId = Vpc?.VpcId ?? ''
  await sdk.waitUntilVpcAvailable({ client: ec2, maxWaitTime: 30 }, { VpcIds: [VpcId] })
  const { Subnet } = await ec2.send(
    new sdk.CreateSubnetCommand({ VpcId, CidrBlock: '10.60.1.0/24' }),
  )
  const SubnetId = Subnet?.SubnetId ?? ''
  await sdk.waitUntilSubnetAvailable({ client: ec2, maxWaitTime: 30 }, { SubnetIds: [SubnetId] })
  const made: string[] = []
  for (let n = 0; n < 12; n++) {
    const { NetworkInterface } = await ec2.send(new sdk.CreateNetworkInterfaceCommand({ SubnetId }))
    made.push(NetworkInterface?.NetworkInterfaceId ?? '')
  }
  await sdk.waitUntilNetworkInterfaceAvailable(
    { client: ec2, maxWaitTime: 30 },
    { NetworkInterfaceIds: made },
  )
  const found: string[] = []
  const Filters = [{ Name: 'subnet-id', Values: [SubnetId] }]
  for await (const page of sdk.paginateDescribeNetworkInterfaces(
    { client: ec2, pageSize: 5 },
    { Filters },
  )) {
    expect(page.NetworkInterfaces?.length).toBeLessThanOrEqual(5)
    found.push(...(page.NetworkInterfaces ?? []).map((eni) => eni.NetworkInterfaceId ?? ''))
  }
  expect(found.toSorted()).toEqual(made.toSorted())
  await expect(ec2.send(new sdk.DeleteSubnetCommand({ SubnetId }))).rejects.toMatchObject({
    name: 'DependencyViolation',
    $fault: 'client',
    $metadata: { httpStatusCode: 400, requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) },
  })
  for (const NetworkInterfaceId of made) {
    await ec2.send(new sdk.DeleteNetworkInterfaceCommand({ NetworkInterfaceId }))
  }
  await ec2.send(new sdk.DeleteSubnetCommand({ SubnetId }))
  await ec2.send(new sdk.DeleteVpcCommand({ VpcId }))
  ec2.destroy()
})
