// Goal: the lab as its users have it: a process whose EC2 API moves real packets, and which leaves
// nothing. Method: the SDK as client, iproute2 as oracle, sockets inside the VPC as proof.

import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { promisify } from 'node:util'
import {
  AttachNetworkInterfaceCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateNetworkInterfaceCommand,
  CreateSecurityGroupCommand,
  DescribeInstancesCommand,
  DetachNetworkInterfaceCommand,
  type EC2Client,
  RevokeSecurityGroupIngressCommand,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Probe } from '../../lab/probes.ts'
import { ip, namespaces, oracle } from './fabric-rig.ts'
import { clientOf, type LabProcess, leftovers, startLab } from './lab-process.ts'

const run = promisify(execFile)
let lab: LabProcess
let ec2: EC2Client
let name: string

beforeEach(async () => {
  name = `t${randomBytes(3).toString('hex')}`
  lab = await startLab(name)
  ec2 = clientOf(lab)
})
afterEach(async () => {
  ec2.destroy()
  await lab.end()
  expect(leftovers(name)).toEqual([])
})

async function host() {
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({}))
  const { InstanceId = '', SubnetId = '', VpcId = '' } = Reservations?.[0]?.Instances?.[0] ?? {}
  return { InstanceId, SubnetId, VpcId }
}

async function attached() {
  const { InstanceId, SubnetId } = await host()
  const { NetworkInterface: eni } = await ec2.send(
    new CreateNetworkInterfaceCommand({ SubnetId, Ipv6AddressCount: 1 }),
  )
  const { AttachmentId } = await ec2.send(
    new AttachNetworkInterfaceCommand({
      NetworkInterfaceId: eni?.NetworkInterfaceId,
      InstanceId,
      DeviceIndex: 1,
    }),
  )
  return { InstanceId, AttachmentId, mac: eni?.MacAddress ?? '', ipv4: eni?.PrivateIpAddress ?? '' }
}
const linksWith = (mac: string) => oracle('ip', '-j', 'link').filter((l) => l.address === mac)

async function makeGroup(groupName: string): Promise<string> {
  const { VpcId } = await host()
  const { GroupId = '' } = await ec2.send(
    new CreateSecurityGroupCommand({ GroupName: groupName, Description: 'x', VpcId }),
  )
  return GroupId
}

/** Whether a TCP connection from one probe to another comes about within 1.5 seconds. */
async function reaches({ netnsPath }: Probe, address: string, port: number): Promise<boolean> {
  const script = `require('net').connect(${port}, '${address}', () => process.exit(0))
    .on('error', () => process.exit(1)); setTimeout(() => process.exit(1), 1500)`
  const inside = [
    'netns',
    'exec',
    netnsPath.split('/').at(-1) ?? '',
    process.execPath,
    '-e',
    script,
  ]
  return run('ip', inside).then(
    () => true,
    () => false,
  )
}

test('attaching makes a link with the ENI’s MAC appear on the host, and detaching takes it', async () => {
  const { mac, AttachmentId } = await attached()
  const [link] = linksWith(mac)
  expect(link).toMatchObject({ mtu: 9001, operstate: 'DOWN' })
  const [address] = oracle('ip', '-j', 'addr', 'show', 'dev', String(link?.ifname))
  expect(address?.addr_info, 'the lab gives the host no address').toEqual([])
  await ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId }))
  expect(linksWith(mac)).toEqual([])
})

test('rules open and close a port between two probes while they are asked for', async () => {
  const [web, clients] = [await makeGroup('web'), await makeGroup('clients')]
  const server = await lab.ask<Probe>('POST', 'probes', { name: 'server', groupIds: [web] })
  const friend = await lab.ask<Probe>('POST', 'probes', { groupIds: [clients] })
  const stranger = await lab.ask<Probe>('POST', 'probes', { groupNames: ['default'] })
  const script = `for (const port of [80, 81]) require('net')
    .createServer((s) => s.end()).listen(port, '::', () => console.log('up'))`
  const namespace = `enid-lab-${name}.server`
  const listener = spawn('ip', ['netns', 'exec', namespace, process.execPath, '-e', script])
  await once(listener.stdout, 'data')
  const IpPermissions = [
    { IpProtocol: 'tcp', FromPort: 80, ToPort: 80, UserIdGroupPairs: [{ GroupId: clients }] },
  ]
  const verdicts = () =>
    Promise.all([
      reaches(friend, server.ipv4, 80),
      reaches(friend, server.ipv6 ?? '', 80),
      reaches(friend, server.ipv4, 81),
      reaches(stranger, server.ipv4, 80),
    ])
  try {
    expect(await verdicts()).toEqual([false, false, false, false])
    await ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId: web, IpPermissions }))
    expect(await verdicts()).toEqual([true, true, false, false])
    await ec2.send(new RevokeSecurityGroupIngressCommand({ GroupId: web, IpPermissions }))
    expect(await verdicts()).toEqual([false, false, false, false])
  } finally {
    listener.kill('SIGKILL')
    await once(listener, 'exit')
  }
})

test('from an attached ENI IMDS knows the instance, from a probe it knows none', async () => {
  const { InstanceId, mac, ipv4 } = await attached()
  const guest = `${name}-guest`
  ip('netns', 'add', guest)
  try {
    const dev = String(linksWith(mac)[0]?.ifname)
    ip('link', 'set', dev, 'netns', guest)
    ip('-n', guest, 'addr', 'add', `${ipv4}/24`, 'dev', dev)
    ip('-n', guest, 'link', 'set', dev, 'up')
    ip('-n', guest, 'route', 'add', 'default', 'via', '10.0.0.1')
    const ask = async (namespace: string) => {
      const script = `const imds = 'http://169.254.169.254/latest/'
        const ttl = { 'x-aws-ec2-metadata-token-ttl-seconds': '60' }
        const given = await fetch(imds + 'api/token', { method: 'PUT', headers: ttl })
        const headers = { 'x-aws-ec2-metadata-token': await given.text() }
        const answer = await fetch(imds + 'meta-data/instance-id', { headers })
        console.log(given.status, answer.status, (await answer.text()).trim())`
      const node = [process.execPath, '--input-type=module', '-e', script]
      return (await run('ip', ['netns', 'exec', namespace, ...node])).stdout
    }
    expect(await ask(guest)).toBe(`200 200 ${InstanceId}\n`)
    const probe = await lab.ask<Probe>('POST', 'probes')
    expect(await ask(probe.netnsPath.split('/').at(-1) ?? '')).toMatch(/^404 404 Not Found/)
  } finally {
    ip('netns', 'del', guest)
  }
})

// P215
test('reset and down leave nothing plugged, and nothing at all', async () => {
  const { mac } = await attached()
  await lab.ask('POST', 'probes')
  await lab.ask('POST', 'reset')
  expect(linksWith(mac)).toEqual([])
  expect(namespaces().filter((each) => each.startsWith(`enid-lab-${name}`))).toEqual([
    `enid-lab-${name}.internet`,
    `enid-lab-${name}.edge`,
    `enid-lab-${name}`,
  ])
  await attached()
  await lab.ask('POST', 'probes')
  const exit = once(lab.child, 'exit')
  await lab.ask('POST', 'down')
  expect((await exit)[0]).toBe(0)
  expect(leftovers(name)).toEqual([])
})

test('two labs stand side by side, and one name is one lab', async () => {
  const other = await startLab(`${name}-b`)
  try {
    const macs = new Set([(await attached()).mac])
    const first = ec2
    ec2 = clientOf(other)
    macs.add((await attached()).mac)
    ec2.destroy()
    ec2 = first
    expect([...macs].flatMap(linksWith)).toHaveLength(2)
    const again = startLab(name)
    await expect(again).rejects.toThrow(`is running already: pid ${lab.child.pid}`)
    const { port } = new URL(lab.endpoint)
    const taken = startLab(`${name}-c`, Number(port))
    await expect(taken).rejects.toThrow(`port ${port} of 127.0.0.1 is taken`)
    expect(leftovers(`${name}-c`)).toEqual([])
  } finally {
    expect(await other.end()).toBe(0)
    expect(leftovers(`${name}-b`)).toEqual([])
  }
})

// P527
test('a lab says as much as ENID_LOG_LEVEL lets it, and refuses what is no level', async () => {
  const enid = new URL('../../bin/enid', import.meta.url).pathname
  const start = (level: string) =>
    spawn(enid, ['lab', '--name', `${name}-l`, '--port', '0'], {
      env: { ...process.env, ENID_LOG_LEVEL: level },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
  const linesOf = async (level: string) => {
    const child = start(level)
    let said = ''
    child.stderr.on('data', (data: Buffer) => {
      said += data
      if (said.includes(' is up: ')) child.kill('SIGTERM')
    })
    const [code] = await once(child, 'close')
    return { code, said, infos: said.split('\n').filter((line) => line.includes('"level":30')) }
  }
  expect((await linesOf('info')).infos).not.toEqual([])
  expect(await linesOf('warn')).toMatchObject({ code: 0, infos: [] })
  const loud = await linesOf('loud')
  expect([loud.code, loud.said]).toEqual([
    1,
    "enid lab: ENID_LOG_LEVEL is 'loud'; use one of trace, debug, info, warn, error, fatal, silent\n",
  ])
  expect(leftovers(`${name}-l`)).toEqual([])
}, 180_000)
