// Goal: the main job, as the AWS post tells it, driven by the unmodified AWS CLIs: two copies of one
// task on one host, both on port 80, each with its own ENI and groups; real packets in both
// directions of every claim; and nothing left. Method: lab, agent and dockerd as users run them.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { must } from '../../scripts/demo/program.ts'
import { fact, Rig } from './rig.ts'

const server = 'mkdir -p /www; hostname > /www/index.html; exec /busybox httpd -f -p 80 -h /www'
const page = ['/bin/busybox', 'timeout', '2', '/bin/busybox', 'wget', '-q', '-O', '-']

let rig: Rig
let folder = ''
const groups = { web: '', client: '', stranger: '' }

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'enid-e2e-cli-'))
  rig = await Rig.open()
  groups.client = await rig.group('client')
  groups.stranger = await rig.group('stranger')
  groups.web = await rig.group('web', { port: 80, fromGroup: groups.client })
})

afterAll(async () => {
  await rig?.close()
  if (folder) rmSync(folder, { recursive: true })
})

/** An AWS CLI, told of the agent by --endpoint-url and of nothing else. */
async function aws(binary: string, ...args: string[]): Promise<string> {
  const env = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_PAGER: '' }
  const region = rig.env.AWS_REGION ?? ''
  const all = ['ecs', ...args, '--endpoint-url', rig.ecsUrl, '--region', region]
  return (await must(binary, all, { env, cwd: folder })).trim()
}

/** Debian's is version 2; a version 1 on the PATH is driven as well where there is one. */
const binaries = ['/usr/bin/aws', 'aws']

describe.each(binaries)('the AWS CLI %s', (binary) => {
  // P150
  test('registers, runs, waits, describes and stops with the commands of the post', async () => {
    const definition = {
      family: 'nginx-awsvpc',
      networkMode: 'awsvpc',
      containerDefinitions: [
        {
          name: 'nginx',
          image: rig.image,
          cpu: 100,
          memory: 512,
          essential: true,
          portMappings: [{ containerPort: 80, protocol: 'tcp' }],
          command: ['/busybox', 'sh', '-c', server],
          stopTimeout: 1,
        },
      ],
    }
    writeFileSync(join(folder, 'nginx-awsvpc.json'), JSON.stringify(definition))
    const cluster = `demo-${binary.length}`
    const subnet = await rig.subnetId()
    await aws(binary, 'create-cluster', '--cluster-name', cluster)
    await aws(
      binary,
      ...['register-task-definition', '--cli-input-json', 'file://./nginx-awsvpc.json'],
    )
    const arn = await aws(
      binary,
      ...['run-task', '--cluster', cluster, '--task-definition', 'nginx-awsvpc'],
      ...['--network-configuration'],
      `awsvpcConfiguration={subnets=["${subnet}"],securityGroups=["${groups.web}"]}`,
      ...['--query', 'tasks[0].taskArn', '--output', 'text'],
    )
    expect(arn).toMatch(/^arn:aws:ecs:[\w-]+:\d{12}:task\/demo-\d+\/[0-9a-f]{32}$/)
    await aws(binary, 'wait', 'tasks-running', '--cluster', cluster, '--tasks', arn)

    const described = JSON.parse(
      await aws(
        binary,
        'describe-tasks',
        '--cluster',
        cluster,
        '--task',
        arn,
        '--query',
        'tasks[0]',
      ),
    )
    expect(described).toMatchObject({
      taskArn: arn,
      group: 'family:nginx-awsvpc',
      attachments: [{ status: 'ATTACHED', type: 'ElasticNetworkInterface' }],
      desiredStatus: 'RUNNING',
      lastStatus: 'RUNNING',
      containers: [{ name: 'nginx', networkBindings: [], lastStatus: 'RUNNING' }],
    })
    const names = described.attachments[0].details.map(({ name }: { name: string }) => name)
    for (const name of ['subnetId', 'networkInterfaceId', 'macAddress', 'privateIPv4Address']) {
      expect(names).toContain(name)
    }
    const address = await aws(
      binary,
      ...['describe-tasks', '--cluster', cluster, '--task', arn, '--query'],
      'tasks[0].containers[0].networkInterfaces[0].privateIpv4Address',
    )
    expect(address).toMatch(/^"10\.0\.0\.\d+"$/)

    await aws(binary, 'stop-task', '--cluster', cluster, '--task', arn, '--reason', 'enough')
    await aws(binary, 'wait', 'tasks-stopped', '--cluster', cluster, '--tasks', arn)
    const stopped = await aws(
      binary,
      ...['describe-tasks', '--cluster', cluster, '--tasks', arn],
      ...['--query', 'tasks[0].[stopCode,stoppedReason,attachments[0].status]', '--output', 'text'],
    )
    expect(stopped.split('\t')).toEqual(['UserInitiated', 'enough', 'DELETED'])
  }, 180_000)
})

// P180
test('two copies on one host serve port 80 to their friends and to nobody else', async () => {
  await rig.define('web', server)
  await rig.define('idle', 'exec /busybox sleep 600')
  const webs = await rig.run('web', [groups.web], 2)
  const [client = ''] = await rig.run('idle', [groups.client])
  const [stranger = ''] = await rig.run('idle', [groups.stranger])
  const addresses: string[] = []
  for (const id of [...webs, client, stranger]) {
    const task = await rig.waitFor(id, 'RUNNING')
    if (webs.includes(id)) addresses.push(fact(task, 'privateIPv4Address'))
  }
  expect(new Set(addresses).size).toBe(2)

  const seen = new Set<string>()
  for (const address of addresses) {
    const served = await rig.inside(client, ...page, `http://${address}/`)
    expect(served.code, served.stderr).toBe(0)
    seen.add(served.stdout.trim())
    const knock = ['/bin/busybox', 'nc', '-w', '1', address]
    expect((await rig.inside(client, ...knock, '81')).stderr).not.toContain('refused')
    expect((await rig.inside(client, ...page, `http://${address}:8080/`)).code).not.toBe(0)
    expect((await rig.inside(stranger, ...page, `http://${address}/`)).code).not.toBe(0)
  }
  // Each answered with its own hostname, which is its ENI's private DNS name.
  expect([...seen].sort()).toEqual(
    addresses.map((a) => `ip-${a.replaceAll('.', '-')}.us-west-2.compute.internal`).sort(),
  )
  // The server itself may not open connections to its client: only the client's group lets nobody in.
  const [web = ''] = webs
  const clientAddress = fact(await rig.task(client), 'privateIPv4Address')
  expect((await rig.inside(web, ...page, `http://${clientAddress}/`)).code).not.toBe(0)
  await rig.stopAndWait(...webs, client, stranger)
}, 180_000)

// P184
test('the link is the ENI: named eth0, its MAC and addresses, MTU 9001, IPv6 beside IPv4', async () => {
  await rig.define('idle', 'exec /busybox sleep 600')
  const [id = ''] = await rig.run('idle', [groups.client])
  const task = await rig.waitFor(id, 'RUNNING')
  const { stdout } = await rig.inside(id, 'ip', '-j', 'address', 'show', 'dev', 'eth0')
  const [link] = JSON.parse(stdout) as [
    { address: string; mtu: number; addr_info: { local: string; scope: string }[] },
  ]
  expect(link.address).toBe(fact(task, 'macAddress'))
  expect(link.mtu).toBe(9001)
  const locals = link.addr_info.filter(({ scope }) => scope === 'global').map((a) => a.local)
  const { networkInterfaces } = task.containers?.[0] ?? {}
  expect(locals.sort()).toEqual(
    [networkInterfaces?.[0]?.privateIpv4Address, networkInterfaces?.[0]?.ipv6Address].sort(),
  )
  const resolver = await must('docker', [
    ...['exec', await rig.containerId(id, 'container:app'), '/busybox', 'cat', '/etc/resolv.conf'],
  ])
  expect(resolver).toContain('nameserver 10.0.0.2')
  expect(resolver).toContain('search us-west-2.compute.internal')
  await rig.stopAndWait(id)
}, 180_000)

test('logs outlive the task, and enid says what it did', async () => {
  await rig.define('talk', 'echo hello from the task; exec /busybox sleep 600')
  const [id = ''] = await rig.run('talk', [groups.client])
  await rig.waitFor(id, 'RUNNING')
  await rig.stopAndWait(id)
  const logs = await rig.enid('logs', id)
  expect(logs).toMatchObject({ code: 0, stdout: expect.stringContaining('hello from the task') })
  const described = await rig.enid('describe', id)
  expect(described.stdout).toContain('STOPPED')
  const list = await rig.enid('ps', '--json')
  expect(list.code).toBe(0)
}, 180_000)

// P18
test('it ends with nothing left: no ENI, no container, no link, no namespace, no table', async () => {
  expect(await rig.enis()).toEqual([])
  expect(await rig.containers()).toEqual([])
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 180_000)
