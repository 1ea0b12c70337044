// Goal: what the agent mounts for a task is mounted from within the task's network namespace, seen by
// its containers, gone with it, and found after a crash. Method: the real driver, mount(2), namespaces
// and dockerd; the oracles are /proc, sysfs and Docker's command. This suite's kernels have no NFS and
// there is no server, so file systems stand in that the kernel has: sysfs, which shows the interfaces
// of the namespace it was mounted in; tmpfs, which keeps files; a dead FUSE, on which mount(2) waits
// as it does on a silent server. NFS itself is tried up to what the kernel says to it.

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { containerDriver } from '../../agent/drivers/container.ts'
import { openDocker } from '../../agent/drivers/docker.ts'
import type { Details, Job } from '../../agent/drivers/driver.ts'
import { MARK } from '../../agent/drivers/driver.ts'
import { type MountPlan, type MountsOptions, openMounts } from '../../agent/drivers/mounts.ts'
import { planNfs } from '../../agent/drivers/nfs-plan.ts'
import { openOrphans } from '../../agent/drivers/orphans.ts'
import { sandboxDriver } from '../../agent/drivers/sandbox.ts'
import { openSurvey } from '../../agent/drivers/survey.ts'
import { volumeDriver } from '../../agent/drivers/volume.ts'
import type { VolumeSpec } from '../../state/volume.ts'
import {
  container,
  eniDetails,
  ipv6Details,
  job,
  never,
  newHolderId,
  newHost,
  spec,
} from './jobs.ts'
import { folders } from './own-folders.ts'
import { docker, importTestImage, sh, wearing } from './test-image.ts'

const host = newHost()
const connection = openDocker()
const stateDir = mkdtempSync('/tmp/enid-nfs-')
const kernel = { holdNetns: async () => {}, dropNetns: async () => {} }
const sandboxes = sandboxDriver({ docker: connection, kernel, host, folders })
const containers = containerDriver({ docker: connection, host })
const pauseJob = job('sandbox', { known: { 'eni:0': eniDetails() } })
const EFS: VolumeSpec = {
  ...{ name: 'efs', kind: 'nfs', fileSystemId: 'fs-0123456789abcdef0', rootDirectory: '/' },
}
const TMPFS: MountPlan = { type: 'tmpfs', source: 'stand-in', options: ['size=1m'] }
const SYSFS: MountPlan = { type: 'sysfs', source: 'stand-in', options: ['ro'] }
let image: string
let pause: Details['sandbox']

beforeAll(async () => {
  image = await importTestImage()
  pause = await sandboxes.ensure(pauseJob, never())
})
afterEach(async () => {
  for (const name of await wearing(MARK.instance, host.instanceId)) {
    if (!name.endsWith('-pause')) await docker('rm', '--force', name)
  }
  for (const place of mounted()) spawnSync('umount', ['-l', '-f', place])
})
afterAll(async () => {
  await sandboxes.release(pauseJob, never())
  rmSync(stateDir, { recursive: true })
  await docker('rmi', image)
})

/** What the kernel shows below the state directory. */
const mounted = (process = 'self') =>
  readFileSync(`/proc/${process}/mountinfo`, 'utf8')
    .split('\n')
    .flatMap((line) => line.split(' ')[4] ?? [])
    .filter((place) => place.startsWith(stateDir))

const driverOf = (plan: MountPlan, options: Partial<MountsOptions> = {}) =>
  volumeDriver({
    ...{ docker: connection, host, routersDir: '/nowhere' },
    mounts: openMounts({ stateDir, ...options }),
    planMount: async () => plan,
  })

const jobOf = (holderId = newHolderId(), volume = EFS): Job =>
  job(`volume:${volume.name}`, {
    ...{
      holderId,
      spec: spec({ volumes: [volume] }),
      known: { sandbox: pause, 'eni:0': eniDetails() },
    },
  })

const placeOf = ({ holderId }: Job) => join(stateDir, 'mounts', holderId, 'efs')

/** Runs a line in a container of the task that mounts it; answers what it printed. */
async function ran(given: Job, name: string, line: string, readOnly: boolean): Promise<string> {
  const mounts = [{ volume: 'efs', path: '/data', readOnly }]
  const own = container({ image, name, command: sh(line), mounts, essential: false })
  const known = { sandbox: pause, [given.row]: { volumeName: placeOf(given) } }
  const task = { ...given.spec, containers: [own] }
  const wish = job(`container:${name}`, { holderId: given.holderId, spec: task, known })
  const { containerId } = await containers.ensure(wish, never())
  await docker('wait', containerId)
  return await docker('logs', containerId)
}

// P447
test('it is mounted from within the network namespace of the task', async () => {
  const inside = ['--net', pause.netns].join('=')
  execFileSync('nsenter', [inside, 'ip', 'link', 'add', 'only-here', 'type', 'veth'])
  const given = jobOf()
  const driver = driverOf(SYSFS)
  expect(await driver.ensure(given, never())).toEqual({ volumeName: placeOf(given) })
  const seen = readdirSync(join(placeOf(given), 'class/net'))
  expect(seen).toContain('only-here')
  expect(readdirSync('/sys/class/net')).not.toContain('only-here')
  // The containers see what was mounted, not what Docker would make there.
  expect(await ran(given, 'look', '/busybox ls /data/class/net', true)).toContain('only-here')
  await docker('rm', ...(await wearing(MARK.holder, given.holderId)))
  await driver.release(given, never())
  execFileSync('nsenter', [inside, 'ip', 'link', 'del', 'only-here'])
})

// P447
test('containers share it, one mounts it once, and it goes with the task', async () => {
  const given = jobOf()
  const driver = driverOf(TMPFS)
  await driver.ensure(given, never())
  await ran(given, 'first', 'echo word > /data/file', false)
  // In doubt: what is there stays, with what is in it.
  await driver.ensure({ ...given, again: true }, never())
  expect(mounted()).toEqual([placeOf(given)])
  const line = '/busybox cat /data/file; echo x > /data/other || echo cannot'
  expect(await ran(given, 'second', line, true)).toMatch(/^word\n(.*\n)*cannot/)
  await docker('rm', ...(await wearing(MARK.holder, given.holderId)))
  await driver.release(given, never())
  expect(mounted()).toEqual([])
  expect(readdirSync(join(stateDir, 'mounts'))).toEqual([])
  await driver.release(given, never())
})

test('it is unmounted though the namespace is gone, and though somebody works in it', async () => {
  const netns = `enid-test-${newHolderId()}`
  execFileSync('ip', ['netns', 'add', netns])
  const given = job('volume:efs', {
    ...{ spec: spec({ volumes: [EFS] }) },
    known: { sandbox: { containerId: 'c', netns: `/run/netns/${netns}` }, 'eni:0': eniDetails() },
  })
  const driver = driverOf(TMPFS)
  await driver.ensure(given, never())
  execFileSync('ip', ['netns', 'del', netns])
  const file = openSync(join(placeOf(given), 'file'), 'w')
  await driver.release(given, never())
  expect(mounted()).toEqual([])
  closeSync(file)
})

test('files that somebody put below an unmounted place are not removed', async () => {
  const given = jobOf()
  mkdirSync(placeOf(given), { recursive: true })
  writeFileSync(join(placeOf(given), 'file'), 'somebody')
  await driverOf(TMPFS).release(given, never())
  expect(readFileSync(join(placeOf(given), 'file'), 'utf8')).toBe('somebody')
  rmSync(join(stateDir, 'mounts'), { recursive: true })
})

// P448
test('what a crash left mounted is found, and unmounted by the sweep; files stay', async () => {
  const given = jobOf()
  await driverOf(TMPFS).ensure(given, never())
  const { instanceId } = host
  const ec2 = { call: async () => ({}) as never }
  const parts = { ec2, docker: connection, instanceId, stateDir }
  const look = openSurvey({ ...parts, kernel: { links: async () => [] } })
  const seen = async () => {
    const { volumes } = await look([], never())
    return 'seen' in volumes ? volumes.seen : [volumes.away]
  }
  const wears = { instanceId, holderId: given.holderId, row: given.row }
  const found = { what: 'volume', volumeName: placeOf(given), createdAt: expect.any(Number), wears }
  expect(await seen()).toEqual([found])
  const hands = { ...kernel, giveBack: async () => undefined }
  const orphans = openOrphans({ ...parts, kernel: hands })
  await orphans.releaseVolume({ ...found, createdAt: 0 } as never, never())
  expect(mounted()).toEqual([])
  expect(await seen()).toEqual([])
  await orphans.releaseVolume({ ...found, createdAt: 0 } as never, never())
})

/** Mounts a FUSE whose server never answers: whoever looks into it waits. Answers what ends that. */
function mountDead(folder: string): () => void {
  mkdirSync(folder, { recursive: true })
  const fuse = openSync('/dev/fuse', 'r+')
  const words = ['-i', '-t', 'fuse', '-o', 'fd=3,rootmode=40000,user_id=0,group_id=0', 'dead']
  execFileSync('mount', [...words, folder], { stdio: ['ignore', 'pipe', 'pipe', fuse] })
  return () => closeSync(fuse)
}

/** With a mount(2) that waits, as for a silent server. */
async function dead<T>(work: (plan: MountPlan) => Promise<T>): Promise<T> {
  const folder = join(stateDir, 'dead')
  const end = mountDead(folder)
  try {
    const options = [`lowerdir=${folder}/a:${folder}/b`]
    return await work({ type: 'overlay', source: 'dead', options })
  } finally {
    execFileSync('umount', ['-l', '-f', folder])
    end()
    rmSync(folder, { recursive: true })
  }
}

// P449
test('nothing looks into a file system: one that stopped answering is seen, kept, and unmounted', async () => {
  const given = jobOf()
  const end = mountDead(placeOf(given))
  try {
    const mounts = openMounts({ stateDir })
    expect(mounts.seen()).toMatchObject([{ path: placeOf(given), holderId: given.holderId }])
    const driver = driverOf(TMPFS)
    await driver.ensure({ ...given, again: true }, never())
    expect(mounted()).toEqual([placeOf(given)])
    await driver.release(given, never())
    expect(mounted()).toEqual([])
  } finally {
    end()
  }
})

/** Processes that mount at this place. */
const mounting = (place: string) =>
  readdirSync('/proc').filter((pid) => {
    const file = `/proc/${pid}/cmdline`
    return (
      /^\d+$/.test(pid) &&
      existsSync(file) &&
      commandOf(file).startsWith('mount\0') &&
      commandOf(file).includes(place)
    )
  })
function commandOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

// P449
test('a server that does not answer is given up in time, and nothing goes on waiting for it', async () => {
  await dead(async (plan) => {
    const given = jobOf()
    const begun = performance.now()
    await expect(driverOf(plan, { mountMs: 500 }).ensure(given, never())).rejects.toMatchObject({
      ...{ kind: 'refused', code: 'ResourceInitializationError' },
      message: expect.stringMatching(/^failed to invoke EFS utils .*timed out after 0\.5 s/),
      hint: expect.stringContaining('2049'),
    })
    expect(performance.now() - begun).toBeGreaterThan(500)
    expect(mounting(placeOf(given))).toEqual([])
    // A task that is stopped meanwhile does not wait either.
    const signal = AbortSignal.timeout(500)
    const failure = await driverOf(plan)
      .ensure(given, signal)
      .catch((error) => error)
    expect(failure).toBe(signal.reason)
    expect(mounting(placeOf(given))).toEqual([])
    await driverOf(plan).release(given, never())
  })
})

// P448
test('a mount that is under way ends with the agent', async () => {
  await dead(async (plan) => {
    const place = join(stateDir, 'mounts', newHolderId(), 'efs')
    const module = join(import.meta.dirname, '../../agent/drivers/mounts.ts')
    const line = `import { openMounts } from ${JSON.stringify(module)}
      const [plan, place, netns, stateDir] = JSON.parse(process.argv[1])
      await openMounts({ stateDir }).mount(plan, place, netns, new AbortController().signal)`
    const words = JSON.stringify([plan, place, pause.netns, stateDir])
    const agent = spawn(process.execPath, ['--input-type=module', '-e', line, words], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    await expect.poll(() => mounting(place).length, { timeout: 20_000 }).toBe(1)
    await killed(agent)
    await expect.poll(() => mounting(place), { timeout: 5_000 }).toEqual([])
    expect(mounted().filter((each) => each === place)).toEqual([])
  })
})

async function killed(child: ChildProcess): Promise<void> {
  const end = once(child, 'exit')
  child.kill('SIGKILL')
  await end
}

test('a task of IPv6 alone asks for a mount target by IPv6, any other by IPv4', async () => {
  const asked: unknown[] = []
  const none = new Error('enough')
  const driver = volumeDriver({
    ...{ docker: connection, host, routersDir: '/nowhere' },
    mounts: openMounts({ stateDir, mountMs: 10_000 }),
    planMount: async (_volume, _region, family) => {
      asked.push(family)
      throw none
    },
  })
  const given = jobOf()
  const known = { sandbox: pause, 'eni:0': ipv6Details() }
  await expect(driver.ensure(given, never())).rejects.toBe(none)
  const six = job('volume:efs', { spec: given.spec, known })
  await expect(driver.ensure(six, never())).rejects.toBe(none)
  expect(asked).toEqual([4, 6])
  const plan = await planNfs(EFS as never, 'eu-west-1', 6, async (_, family) => {
    return family === 6 ? '2001:db8::1' : '192.0.2.1'
  })
  expect(plan.options).toContain('addr=2001:db8::1')
})

// P449
test('the kernel is asked for NFS 4.1 by address; one without it says so', async () => {
  const plan = await planNfs(EFS as never, 'eu-west-1', 4, async () => '192.0.2.1')
  const server = 'fs-0123456789abcdef0.efs.eu-west-1.amazonaws.com'
  expect(plan).toEqual({
    ...{ type: 'nfs4', source: `${server}:/` },
    options: [
      ...['nfsvers=4.1', 'rsize=1048576', 'wsize=1048576', 'hard', 'timeo=600', 'retrans=2'],
      ...['noresvport', 'addr=192.0.2.1'],
    ],
  })
  const mounts = openMounts({ stateDir, mountMs: 10_000 })
  const driver = volumeDriver({
    ...{ docker: connection, host, routersDir: '/nowhere', mounts },
    planMount: async () => plan,
  })
  const given = jobOf()
  const failure = await driver.ensure(given, never()).catch((error) => error)
  expect(failure).toMatchObject({ kind: 'refused', code: 'ResourceInitializationError' })
  // A kernel that has it finds no way to that address: there is no route in the task.
  const hasNfs = readFileSync('/proc/filesystems', 'utf8').includes('\tnfs4\n')
  expect(failure.message).toContain(`set up EFS volumes: ${server}:/: `)
  expect(failure.message).toMatch(hasNfs ? /unreachable|timed out/ : /this kernel has no nfs4$/)
  await driver.release(given, never())
})

test('a name without an address is refused, a resolver that is away is asked again', async () => {
  const failing = async (code: string) => {
    const resolve = async () => {
      throw Object.assign(new Error('no'), { code })
    }
    return await planNfs(EFS as never, 'cn-north-1', 4, resolve).catch((error) => error)
  }
  expect(await failing('ENOTFOUND')).toMatchObject({
    ...{ kind: 'refused', code: 'ResourceInitializationError' },
    message:
      'failed to invoke EFS utils commands to set up EFS volumes: failed to resolve "fs-0123456789abcdef0.efs.cn-north-1.amazonaws.com.cn" (ENOTFOUND)',
  })
  expect(await failing('EAI_AGAIN')).toMatchObject({ kind: 'transient' })
})

/** As ProtectProc=invisible has it. */
const HIDDEN = 'mount -t proc -o hidepid=invisible proc /proc'

/** What a unit gives the agent: systemd/enid.service, with systemd/efs.conf beside it or without. */
const CAPABILITIES = (files: readonly string[]) =>
  files
    .map((file) => readFileSync(join(import.meta.dirname, '../../systemd', file), 'utf8'))
    .flatMap((text) => /^CapabilityBoundingSet=(.*)$/m.exec(text)?.[1]?.split(' ') ?? [])
    .map((name) => `+${name.replace('CAP_', '').toLowerCase()}`)

// P447
test("it is mounted where dockerd is, not in the agent's own mount namespace, with the unit's rights", async () => {
  const place = join(stateDir, 'mounts', newHolderId(), 'efs')
  // The agent as its unit has it: another mount namespace, that hears of mounts and tells none.
  const module = join(import.meta.dirname, '../../agent/drivers/mounts.ts')
  const line = `import { openMounts } from ${JSON.stringify(module)}
    const [plan, place, netns, stateDir] = JSON.parse(process.argv[1])
    const { signal } = new AbortController()
    await openMounts({ stateDir }).mount(plan, place, netns, signal).catch((error) => {
      console.log(error.code, error.message, error.hint)
      process.exit(3)
    })`
  const words = JSON.stringify([TMPFS, place, pause.netns, stateDir])
  const agentWith = (files: readonly string[]) =>
    spawnSync(
      'unshare',
      [
        ...['--mount', '--propagation', 'slave', 'sh', '-c', `${HIDDEN} && exec "$@"`, 'sh'],
        ...['setpriv', '--no-new-privs'],
        ...['--bounding-set', ['-all', ...CAPABILITIES(files)].join()],
        ...[process.execPath, '--input-type=module', '-e', line, words],
      ],
      { encoding: 'utf8' },
    )
  const bare = agentWith(['enid.service'])
  expect(bare.stdout).toMatch(/^ResourceInitializationError .*Install systemd\/efs\.conf/)
  expect(mounted()).toEqual([])
  const whole = agentWith(['enid.service', 'efs.conf'])
  expect(whole.stdout + whole.stderr).toBe('')
  expect(mounted('1')).toEqual([place])
  await openMounts({ stateDir }).unmount(place, never())
  expect(mounted('1')).toEqual([])
})
