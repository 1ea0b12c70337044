// Goal: a host of the lab is a machine as far as its network goes: its ENIs, its EC2 and IMDS, its
// /run and its processes are its own, and it leaves nothing, also when the lab was killed. Method: a
// lab and the command as users have them; iproute2, curl and /proc as oracles.

import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  AttachNetworkInterfaceCommand,
  CreateNetworkInterfaceCommand,
  DescribeInstancesCommand,
  DescribeSubnetsCommand,
  type EC2Client,
} from '@aws-sdk/client-ec2'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { HostView } from '../../lab/hosts/host-view.ts'
import { oracle } from './fabric-rig.ts'
import { clientOf, type LabProcess, leftovers, startLab } from './lab-process.ts'

const ENID = join(import.meta.dirname, '../../bin/enid')
const run = promisify(execFile)
let lab: LabProcess
let ec2: EC2Client
const name = `t${randomBytes(3).toString('hex')}`

let web: HostView
let db: HostView

beforeAll(async () => {
  lab = await startLab(name)
  ec2 = clientOf(lab)
  ;[web, db] = await Promise.all([add('web'), add('db')])
})
afterAll(async () => {
  ec2.destroy()
  await lab.end()
  expect(leftovers(name)).toEqual([])
  expect(existsSync(`/var/lib/enid-lab/${name}`)).toBe(false)
  for (const { pid } of [web, db]) expect(isAlive(pid)).toBe(false)
})

const add = (host: string, more = {}) => lab.ask<HostView>('POST', 'hosts', { name: host, ...more })
const exec = async (host: string, ...command: string[]): Promise<string> =>
  (await run(ENID, ['lab', 'host', '--name', name, 'exec', host, '--', ...command])).stdout.trim()
const isAlive = (pid = 0) => existsSync(`/proc/${pid}`)

/** Asks an IMDS for the instance's id, in the shell of wherever it is run. */
const whoAmI = (endpoint: string): string => `
  token=$(curl -sf -m 5 -X PUT -H 'x-aws-ec2-metadata-token-ttl-seconds: 60' ${endpoint}/latest/api/token)
  curl -sf -m 5 -H "x-aws-ec2-metadata-token: $token" ${endpoint}/latest/meta-data/instance-id`

async function plug(InstanceId: string): Promise<string> {
  const { Subnets: [subnet] = [] } = await ec2.send(new DescribeSubnetsCommand({}))
  const { NetworkInterface: eni } = await ec2.send(
    new CreateNetworkInterfaceCommand({ SubnetId: subnet?.SubnetId }),
  )
  const NetworkInterfaceId = eni?.NetworkInterfaceId
  await ec2.send(
    new AttachNetworkInterfaceCommand({ NetworkInterfaceId, InstanceId, DeviceIndex: 1 }),
  )
  return eni?.MacAddress ?? ''
}

// P278
test('an ENI attached to a host appears in that host’s namespace and in no other', async () => {
  const macs = [await plug(web.instanceId), await plug(db.instanceId)]
  const macsIn = (netns: string) =>
    oracle('ip', '-n', netns.split('/').at(-1) ?? '', '-j', 'link').map((link) => link.address)
  expect(macsIn(web.netns)).toContain(macs[0])
  expect(macsIn(web.netns)).not.toContain(macs[1])
  expect(macsIn(db.netns)).toContain(macs[1])
  const home = oracle('ip', '-j', 'link').map((link) => link.address)
  for (const mac of macs) expect(home).not.toContain(mac)
})

// P279
test('EC2 and IMDS answer on a host at the lab’s own URLs, IMDS for that host, at either address', async () => {
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({}))
  const home = Reservations?.[0]?.Instances?.[0]?.InstanceId
  const both = [lab.endpoint, 'http://169.254.169.254'].map(whoAmI).join('; echo; ')
  for (const { name: host, instanceId } of [web, db]) {
    expect(await exec(host, 'sh', '-c', both)).toBe(`${instanceId}\n${instanceId}`)
  }
  expect((await run('sh', ['-c', whoAmI(lab.endpoint)])).stdout.trim()).toBe(home)
  const query = 'Action=DescribeInstances&Version=2016-11-15'
  expect(await exec('web', 'curl', '-sf', '-d', query, lab.endpoint)).toContain(db.instanceId)
  // A token is of no use to another instance, and the lab's own routes are not for its hosts.
  const status = ['-s', '-o', '/dev/null', '-w', '%{http_code}']
  expect(await exec('web', 'curl', ...status, `${lab.endpoint}/lab/status`)).toBe('404')
  const environment = await exec('web', 'env')
  expect(environment).toContain(`AWS_ENDPOINT_URL_EC2=${lab.endpoint}`)
  expect(environment).toContain(`ENID_STATE_DIR=/var/lib/enid-lab/${name}/web/enid`)
})

test('hosts reach each other at their own addresses as their groups allow', async () => {
  await add('stranger', { groupNames: ['enid-lab-host'] })
  const server = spawn(ENID, [
    ...['lab', 'host', '--name', name, 'exec', 'web', '--', process.execPath, '-e'],
    `require('net').createServer((s) => s.end('hello')).listen(80, '::', () => console.log('up'))`,
  ])
  try {
    await once(server.stdout, 'data')
    const ask = (host: string, address: string) => {
      const script = `require('net').connect(80, '${address}').on('data', (d) => { console.log(String(d)); process.exit() })
        .on('error', () => process.exit()); setTimeout(() => process.exit(), 1500)`
      return exec(host, process.execPath, '-e', script)
    }
    expect(await ask('db', web.ipv4 ?? '')).toBe('hello')
    expect(await ask('db', web.ipv6 ?? '')).toBe('hello')
    expect(await ask('stranger', web.ipv4 ?? '')).toBe('')
  } finally {
    server.kill('SIGTERM')
    await once(server, 'exit')
  }
})

test('a command on a host has the host’s own /run and processes, our folder, and its exit code', async () => {
  await exec('web', 'touch', '/run/netns/mine')
  expect(existsSync('/run/netns/mine')).toBe(false)
  expect(await exec('web', 'ls', '/run/netns')).toBe('mine')
  expect(await exec('web', 'cat', '/proc/1/comm')).toBe('sleep')
  expect(await exec('web', 'cat', '/etc/resolv.conf')).toMatch(/^nameserver 10\.0\.0\.2$/m)
  expect(await exec('web', 'pwd')).toBe(process.cwd())
  await expect(exec('web', 'sh', '-c', 'exit 7')).rejects.toMatchObject({ code: 7 })
  await expect(exec('nobody', 'true')).rejects.toMatchObject({ code: 1 })
})

test('a signal to the command on a host reaches it, and its end comes back', async () => {
  const script = 'trap "echo told; exit 3" TERM; echo up; while :; do sleep 0.05; done'
  const child = spawn(ENID, [
    ...['lab', 'host', '--name', name, 'exec', 'web', '--', 'sh', '-c', script],
  ])
  let said = ''
  child.stdout.on('data', (data: Buffer) => {
    said += data
  })
  await once(child.stdout, 'data')
  child.kill('SIGTERM')
  expect((await once(child, 'exit'))[0]).toBe(3)
  expect(said).toBe('up\ntold\n')
})

test('with a host end all its processes, whoever they belong to', async () => {
  const { pid } = await add('short')
  const child = spawn(ENID, [
    ...['lab', 'host', '--name', name, 'exec', 'short', '--', 'sh', '-c', 'echo up; sleep 600'],
  ])
  const exit = once(child, 'exit')
  await once(child.stdout, 'data')
  await lab.ask('DELETE', 'hosts/short')
  expect((await exit)[0]).toBe(128 + 9)
  expect(isAlive(pid)).toBe(false)
})

test('a host whose first process is killed from outside is told as such', async () => {
  const { pid = 0 } = await add('hurt')
  process.kill(pid, 'SIGKILL')
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 10))
  const { hosts } = await lab.ask<{ hosts: HostView[] }>('GET', 'hosts')
  expect(hosts.at(-1)).toMatchObject({
    name: 'hurt',
    problem: expect.stringContaining('remove it'),
  })
  await expect(exec('hurt', 'true')).rejects.toMatchObject({
    stderr: expect.stringContaining('enid lab host remove hurt'),
  })
  await lab.ask('DELETE', 'hosts/hurt')
})

// P277
test('the machines of a lab that was killed live on, and one that begins anew ends them', async () => {
  await lab.end('SIGKILL')
  expect([web, db].map(({ pid }) => isAlive(pid))).toEqual([true, true])
  lab = await startLab(name, 0, '--fresh')
  expect([web, db].map(({ pid }) => isAlive(pid))).toEqual([false, false])
  expect(existsSync(web.netns)).toBe(false)
  web = await add('web')
})
