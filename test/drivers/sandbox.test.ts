// Goal: the sandbox fixes what the whole task sees, and is found again, adopted or declared lost
// whatever state a death left it in. Method: the real dockerd; the oracle is the docker command.

import { execFile, spawn } from 'node:child_process'
import { existsSync, readFileSync, readlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { containerDriver } from '../../agent/drivers/container.ts'
import { type Docker, openDocker } from '../../agent/drivers/docker.ts'
import type { ImportTarget } from '../../agent/drivers/docker-images.ts'
import type { Details, Job } from '../../agent/drivers/driver.ts'
import { MARK } from '../../agent/drivers/driver.ts'
import { pauseImage } from '../../agent/drivers/pause/image.ts'
import { sandboxDriver } from '../../agent/drivers/sandbox.ts'
import {
  container,
  eniDetails,
  ipv6Details,
  job,
  mark,
  never,
  newHolderId,
  newHost,
  spec,
} from './jobs.ts'
import { folders } from './own-folders.ts'
import { docker, importTestImage, inspect, sh, wearing } from './test-image.ts'

const run = promisify(execFile)
const host = newHost()
const connection = openDocker()
const held = new Set<string>()
const kernel = {
  async holdNetns(netns: string) {
    held.add(netns)
  },
  async dropNetns(netns: string) {
    held.delete(netns)
  },
}
const sandbox = sandboxDriver({ docker: connection, kernel, host, folders })
let image: string

beforeAll(async () => {
  image = await importTestImage()
})

afterEach(async () => {
  for (const name of await wearing(MARK.instance, host.instanceId)) {
    await docker('rm', '--force', name)
  }
  held.clear()
})

afterAll(async () => {
  await docker('rmi', image)
})

const eni = eniDetails({ ipv6: 'fd00::5' })
const newJob = (change: Parameters<typeof job>[1] = {}): Job =>
  job('sandbox', { known: { 'eni:0': eni }, ...change })

const failing = (failure: Record<string, unknown>) => expect.objectContaining(failure)

/** What a container of the task prints when it runs this. */
async function seenInside(made: Details['sandbox'], line: string): Promise<string> {
  const options = ['--rm', `--network=container:${made.containerId}`, image]
  return await docker('run', ...options, ...sh(line))
}

test('the task sees its own host name, hosts, resolver and IPv6', async () => {
  const made = await sandbox.ensure(newJob(), never())
  const line = 'busybox hostname; busybox cat /etc/hosts /etc/resolv.conf; $sysctl'
  const ipv6 = '/busybox cat /proc/sys/net/ipv6/conf/all/disable_ipv6'
  const seen = await seenInside(
    made,
    line.replaceAll('busybox', '/busybox').replace('$sysctl', ipv6),
  )
  const lines = seen.split('\n')
  expect(lines[0]).toBe(eni.privateDnsName)
  expect(lines).toContain(`10.0.0.5\t${eni.privateDnsName}`)
  expect(lines).toContain('nameserver 10.0.0.2')
  expect(lines).toContain('search us-west-2.compute.internal')
  expect(lines.at(-1)).toBe('0')
})

// P542
test('a task of IPv6 alone has a name for its address, and a resolver that it can reach', async () => {
  const known = { 'eni:0': ipv6Details() }
  const made = await sandbox.ensure(newJob({ known }), never())
  const name = 'eni-1.us-west-2.compute.internal'
  const look = '/busybox hostname; /busybox cat /etc/hosts /etc/resolv.conf'
  const lines = (await seenInside(made, look)).split('\n')
  expect(lines[0]).toBe(name)
  expect(lines).toContain(`fd00::5\t${name}`)
  expect(lines).toContain('nameserver fd00:ec2::253')
  expect(lines).not.toContain('nameserver 10.0.0.2')
})

// P159
test('kernel settings of the task are those of its namespace, whoever of its containers looks', async () => {
  const sysctls = { 'net.core.somaxconn': '77', 'net.ipv4.tcp_keepalive_time': '60' }
  const made = await sandbox.ensure(newJob({ spec: spec({ sandbox: { sysctls } }) }), never())
  const files = '/proc/sys/net/core/somaxconn /proc/sys/net/ipv4/tcp_keepalive_time'
  const ipv6 = '/proc/sys/net/ipv6/conf/all/disable_ipv6'
  expect(await seenInside(made, `/busybox cat ${files} ${ipv6}`)).toBe('77\n60\n0')
})

// P198
test('a task that says so has another name, other hosts and another resolver', async () => {
  const own = {
    hostname: 'web',
    extraHosts: [{ hostname: 'db.internal', address: '10.0.0.9' }],
    nameServers: ['10.0.0.53'],
    searchDomains: ['corp.example'],
  }
  const made = await sandbox.ensure(newJob({ spec: spec({ sandbox: own }) }), never())
  const lines = (
    await seenInside(made, '/busybox hostname; /busybox cat /etc/hosts /etc/resolv.conf')
  ).split('\n')
  expect(lines[0]).toBe('web')
  expect(lines).toContain('10.0.0.5\tweb')
  expect(lines).toContain(`10.0.0.5\t${eni.privateDnsName}`)
  expect(lines).toContain('10.0.0.9\tdb.internal')
  expect(lines.filter((line) => /^(nameserver|search)/.test(line)).sort()).toEqual([
    'nameserver 10.0.0.53',
    'search corp.example',
  ])
})

// P198
test('containers of a task share processes and IPC where it says so, and reap in the pause', async () => {
  const task = spec({
    sandbox: { pid: 'task', ipc: 'task', sysctls: { 'kernel.msgmax': '5000' } },
    containers: [
      container({ image, command: sh('echo one > /dev/shm/word; exec /busybox sleep 61') }),
      container({
        name: 'side',
        image,
        command: sh(
          [
            'while ! /busybox test -s /dev/shm/word; do /busybox sleep 0.1; done',
            '/busybox cat /dev/shm/word /proc/sys/kernel/msgmax; /busybox ps -o pid,args',
            '(/busybox sleep 0.2 &) ; /busybox sleep 1; /busybox ps -o stat | /busybox grep -c Z',
            'exec /busybox sleep 62',
          ].join('; '),
        ),
      }),
    ],
  })
  const holderId = newHolderId()
  const given = newJob({ holderId, spec: task })
  const made = await sandbox.ensure(given, never())
  const driver = containerDriver({ docker: connection, host })
  const known = { sandbox: made, 'eni:0': eni }
  for (const row of ['container:app', 'container:side'] as const) {
    await driver.ensure(job(row, { holderId, spec: task, known }), never())
  }
  const log = () => docker('logs', `ecs-web-side-${holderId.slice(0, 8)}`)
  await expect.poll(log, { timeout: 10_000 }).toMatch(/\n0$/)
  const text = await log()
  expect(text).toMatch(/^one\n5000\n/)
  expect(text).toMatch(/^ +1 \/pause/m)
  expect(text).toMatch(/sleep 61/)
})

test('it wears our mark and its namespace is held until it is released', async () => {
  const given = newJob()
  const made = await sandbox.ensure(given, never())
  const name = `ecs-web-${given.holderId.slice(0, 8)}-pause`
  expect(await wearing(MARK.holder, given.holderId)).toEqual([name])
  const { Config } = await inspect<{ Config: { Labels: object } }>(name)
  expect(Config.Labels).toMatchObject(mark(host, given))
  expect([...held]).toEqual([made.netns])

  const known = { 'eni:0': eni, sandbox: made }
  await sandbox.release(newJob({ holderId: given.holderId, known }), never())
  expect(await wearing(MARK.holder, given.holderId)).toEqual([])
  expect([...held]).toEqual([])
  expect(existsSync(dirname(made.netns))).toBe(false)
  await sandbox.release(newJob({ holderId: given.holderId, known, again: true }), never())
})

test('its image is made when it is missing, and anew when somebody pruned it', async () => {
  // Under a name of its own: others on this machine may be using the real one.
  const real = pauseImage()
  const repository = 'enid-test/pause'
  const tag = newHolderId().slice(0, 8)
  const program = await programOf(real.reference)
  const own = {
    reference: `${repository}:${tag}`,
    ensureIn: (to: Docker, signal: AbortSignal) =>
      to.importImage(program, { repository, tag, changes: ['ENTRYPOINT ["/pause"]'] }, signal),
  }
  const driver = sandboxDriver({ docker: connection, kernel, host, folders, image: own })
  for (const _ of ['missing', 'pruned']) {
    const { containerId } = await driver.ensure(newJob(), never())
    const { Config } = await inspect<{ Config: { Image: string } }>(containerId)
    expect(Config.Image).toBe(own.reference)
    await docker('rm', '--force', containerId)
    await docker('rmi', own.reference)
  }
})

/** The archive that the pause image is imported from, as it is handed to Docker. */
async function programOf(reference: string): Promise<Buffer> {
  let archive = Buffer.alloc(0)
  const capture = {
    ...connection,
    image: async () => undefined,
    async importImage(tar: Buffer, to: ImportTarget) {
      expect(`${to.repository}:${to.tag}`).toBe(reference)
      archive = Buffer.from(tar)
    },
  }
  await pauseImage().ensureIn(capture, never())
  return archive
}

// P522
test('one that runs already is adopted, one that was never started is started', async () => {
  const given = newJob()
  const made = await sandbox.ensure(given, never())
  expect(await sandbox.ensure({ ...given, again: true }, never())).toEqual(made)
  // Also when nobody knew that it was there: the name says so.
  expect((await sandbox.ensure(given, never())).containerId).toBe(made.containerId)

  const holderId = newHolderId()
  const labels = Object.entries(mark(host, newJob({ holderId })))
  const marks = labels.flatMap(([key, value]) => ['--label', `${key}=${value}`])
  const id = await docker('create', '--network=none', ...marks, pauseImage().reference)
  const started = await sandbox.ensure(newJob({ holderId, again: true }), never())
  expect(started.containerId).toBe(id)
  const { State } = await inspect<{ State: { Pid: number } }>(id)
  expect(readlinkSync(started.netns)).toBe(`/proc/${State.Pid}/ns/net`)
})

// P522
test('a stranger that has the number of the pause’s process is not taken for it', async () => {
  const stranger = spawn('sleep', ['60'])
  try {
    const { pid = 0 } = stranger
    const looks: object[] = [
      { Running: true, Pid: pid },
      { Running: false, Pid: 0 },
    ]
    const lying = {
      ...connection,
      // The pause dies, and its number is another's, right after Docker was asked.
      inspect: async (...asked: Parameters<Docker['inspect']>) => {
        const facts = await connection.inspect(...asked)
        return facts && { ...facts, State: { ...facts.State, ...looks.shift() } }
      },
    }
    const driver = sandboxDriver({ docker: lying, kernel, host, folders })
    const made = driver.ensure(newJob(), never())
    await expect(made).rejects.toEqual(failing({ kind: 'lost', code: 'PauseGone' }))
    expect(looks).toEqual([])
    expect([...held]).toEqual([])
  } finally {
    stranger.kill('SIGKILL')
  }
})

// P523
test('the way into it takes no capability that the unit does not give', async () => {
  const { netns } = await sandbox.ensure(newJob(), never())
  const unit = readFileSync(join(import.meta.dirname, '../../systemd/enid.service'), 'utf8')
  const given = /^CapabilityBoundingSet=(.*)$/m.exec(unit)?.[1]?.toLowerCase().split(' ') ?? []
  expect(given).toContain('cap_sys_admin')
  expect(given).not.toContain('cap_sys_ptrace')
  const bounds = ['-all', ...given.map((name) => `+${name.replace('cap_', '')}`)].join(',')
  const options = [`--bounding-set=${bounds}`, '--inh-caps=-all']
  const command = ['nsenter', `--net=${netns}`, 'ip', '-o', 'link']
  const { stdout } = await run('setpriv', [...options, ...command])
  expect(stdout).toMatch(/^1: lo: <LOOPBACK,UP,LOWER_UP>/)
  expect(stdout.trim().split('\n')).toHaveLength(1)
})

// P523
test('what all its containers have in /etc anybody there can read, and a place of one’s own goes before it', async () => {
  const umask = process.umask(0o077)
  const made = await sandbox.ensure(newJob(), never()).finally(() => process.umask(umask))
  const options = ['--rm', '--read-only', `--network=container:${made.containerId}`]
  const cat = sh('/busybox cat /etc/hostname /etc/hosts /etc/resolv.conf')
  const seen = await docker('run', ...options, '--user=1000', image, ...cat)
  expect(seen.split('\n')[0]).toBe(eni.privateDnsName)
  expect(seen).toContain('127.0.0.1\tlocalhost\n')
  expect(seen).toContain('nameserver 10.0.0.2')
  const own = '--volume=/etc/passwd:/etc/hosts:ro'
  expect(await docker('run', ...options, own, image, ...cat)).toContain('root:x:0:0')
})

test('one that is dead, or gone after it was held, is lost', async () => {
  const given = newJob()
  const made = await sandbox.ensure(given, never())
  await docker('kill', made.containerId)
  const dead = sandbox.ensure({ ...given, again: true }, never())
  await expect(dead).rejects.toEqual(failing({ kind: 'lost', code: 'PauseGone' }))

  await docker('rm', made.containerId)
  const known = { 'eni:0': eni, sandbox: made }
  const gone = sandbox.ensure(newJob({ ...given, known, again: true }), never())
  await expect(gone).rejects.toEqual(failing({ kind: 'lost', code: 'PauseGone' }))
})

test('a name that a stranger has is refused, and the stranger left alone', async () => {
  const given = newJob()
  const name = `ecs-web-${given.holderId.slice(0, 8)}-pause`
  await docker('create', '--name', name, image, '/busybox', 'true')
  try {
    const refused = sandbox.ensure(given, never())
    const why = { kind: 'refused', code: 'CannotCreateContainerError' }
    await expect(refused).rejects.toEqual(failing(why))
    await sandbox.release({ ...given, again: true }, never())
    expect((await inspect<{ Name: string }>(name)).Name).toBe(`/${name}`)
  } finally {
    await docker('rm', name)
  }
})

test('the pause ends with the task, and a task container joins its namespace', async () => {
  const given = newJob()
  const made = await sandbox.ensure(given, never())
  const containers = [container({ image, command: sh('/busybox sleep 60') })]
  const app = job('container:app', {
    holderId: given.holderId,
    spec: spec({ containers }),
    known: { sandbox: made },
  })
  const driver = containerDriver({ docker: connection, host })
  const { containerId } = await driver.ensure(app, never())
  const { HostConfig } = await inspect<{ HostConfig: { NetworkMode: string } }>(containerId)
  expect(HostConfig.NetworkMode).toBe(`container:${made.containerId}`)
})
