// Goal: a container is created and started once, whatever a death left behind; what it wrote and how
// it ended outlive it. Method: the real dockerd; the oracle is the docker command.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { containerDriver } from '../../agent/drivers/container.ts'
import { containerLogs, LOG_TAIL_BYTES } from '../../agent/drivers/container-logs.ts'
import { planOf } from '../../agent/drivers/container-plan.ts'
import { openDocker } from '../../agent/drivers/docker.ts'
import type { Details, Job } from '../../agent/drivers/driver.ts'
import { MARK } from '../../agent/drivers/driver.ts'
import { sandboxDriver } from '../../agent/drivers/sandbox.ts'
import { Failure } from '../../agent/failure.ts'
import type { ContainerSpec } from '../../state/spec.ts'
import { container, eniDetails, job, mark, never, newHolderId, newHost, spec } from './jobs.ts'
import { folders } from './own-folders.ts'
import { docker, importTestImage, inspect, sh, wearing } from './test-image.ts'

const host = newHost()
const connection = openDocker()
const driver = containerDriver({ docker: connection, host })
const kernel = { holdNetns: async () => {}, dropNetns: async () => {} }
let image: string
let pause: Details['sandbox']
const pauseJob = job('sandbox', { known: { 'eni:0': eniDetails() } })

beforeAll(async () => {
  image = await importTestImage()
  pause = await sandboxDriver({ docker: connection, kernel, host, folders }).ensure(
    pauseJob,
    never(),
  )
})

let holderId: string
beforeEach(() => {
  holderId = newHolderId()
})

afterEach(async () => {
  for (const name of await wearing(MARK.holder, holderId)) await docker('rm', '--force', name)
})

afterAll(async () => {
  await sandboxDriver({ docker: connection, kernel, host, folders }).release(pauseJob, never())
  await docker('rmi', image)
  expect(await wearing(MARK.instance, host.instanceId)).toEqual([])
})

const newJob = (line: string, change: Partial<ContainerSpec> & { again?: boolean } = {}): Job => {
  const { again = false, ...rest } = change
  const containers = [container({ image, command: sh(line), ...rest })]
  const known = { sandbox: pause }
  return job('container:app', { holderId, again, spec: spec({ containers }), known })
}

const knowing = (given: Job, made: Details['container']): Job =>
  job('container:app', {
    holderId,
    again: true,
    spec: given.spec,
    known: { sandbox: pause, 'container:app': made },
  })

const failing = (failure: Record<string, unknown>) => expect.objectContaining(failure)
const SLEEP = 'echo up; exec /busybox sleep 60'
const finishedAt = (id: string) => docker('inspect', '--format', '{{.State.FinishedAt}}', id)

test('everything that the spec says reaches Docker', async () => {
  const healthCheck = {
    command: ['CMD', '/busybox', 'true'],
    intervalMs: 5_000,
    timeoutMs: 2_000,
    retries: 3,
    startPeriodMs: 1_000,
  }
  const given = newJob(SLEEP, {
    environment: { A: 'b=c', EMPTY: '' },
    entryPoint: ['/busybox', 'env'],
    command: ['/busybox', 'sleep', '60'],
    workingDirectory: '/tmp',
    user: '65534:65534',
    readonlyRootFilesystem: true,
    dockerLabels: { own: 'label', [MARK.holder]: 'forged' },
    cpuShares: 100,
    memoryMiB: 64,
    memoryReservationMiB: 32,
    healthCheck,
    stopTimeoutMs: 1_500,
  })
  const { containerId } = await driver.ensure(given, never())
  const { Name, Config, HostConfig } = await inspect<Record<string, object>>(containerId)
  expect(Name).toBe(`/ecs-web-app-${holderId.slice(0, 8)}`)
  expect(Config).toMatchObject({
    Entrypoint: ['/busybox', 'env'],
    Cmd: ['/busybox', 'sleep', '60'],
    WorkingDir: '/tmp',
    User: '65534:65534',
    StopTimeout: 2,
    Env: expect.arrayContaining(['A=b=c', 'EMPTY=']),
    Healthcheck: { Test: healthCheck.command, Interval: 5e9, Timeout: 2e9, StartPeriod: 1e9 },
    Labels: {
      own: 'label',
      'com.amazonaws.ecs.container-name': 'app',
      'com.amazonaws.ecs.task-definition-family': 'web',
      ...mark(host, given),
    },
  })
  expect(HostConfig).toMatchObject({
    NetworkMode: `container:${pause.containerId}`,
    ReadonlyRootfs: true,
    CpuShares: 100,
    Memory: 64 * 1024 * 1024,
    MemoryReservation: 32 * 1024 * 1024,
    LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '2' } },
  })
})

// P159
test('its processes are confined as the spec says', async () => {
  const line = [
    '/busybox grep -E "Cap(Prm|Bnd)" /proc/1/status; /busybox cat /proc/sys/kernel/msgmax',
    '/busybox df -m /dev/shm /t; ulimit -n; ulimit -l; /busybox cat /proc/1/comm',
    '/busybox test -c /dev/null2 && echo device; /busybox test -t 1 && echo terminal',
    'echo end; exec /busybox sleep 60',
  ].join('; ')
  const given = newJob(line, {
    memoryMiB: 64,
    process: {
      ulimits: [{ name: 'nofile', soft: 100, hard: 200 }],
      capabilities: { add: ['SYS_PTRACE'], drop: ['NET_RAW', 'CHOWN'] },
      devices: [{ hostPath: '/dev/null', containerPath: '/dev/null2', permissions: 'rw' }],
      init: true,
      sharedMemoryMiB: 8,
      tmpfs: [{ path: '/t', sizeMiB: 3, options: ['noexec'] }],
      swapMiB: 16,
      securityOptions: ['no-new-privileges'],
      sysctls: { 'kernel.msgmax': '4096' },
      terminal: true,
    },
  })
  const { containerId } = await driver.ensure(given, never())
  const text = () => containerLogs(connection, containerId, 100, never())
  await expect.poll(text).toContain('end')
  const log = (await text())?.replaceAll('\r', '') ?? ''
  // Docker's fourteen are a80425fb: without CHOWN (bit 0) and NET_RAW (13), with SYS_PTRACE (19).
  expect(log).toContain('CapBnd:\t00000000a80c05fa')
  expect(log).toMatch(/^4096$/m)
  expect(log).toMatch(/ 8 .*\/dev\/shm/)
  expect(log).toMatch(/ 3 .*\/t$/m)
  expect(log).toMatch(/^100$/m)
  expect(log).toMatch(/^0$/m) // Locked memory.
  expect(log).toMatch(/^(docker-init|tini)$/m)
  expect(log).toMatch(/^device$/m)
  expect(log).toMatch(/^terminal$/m)
  const { HostConfig } = await inspect<Record<string, object>>(containerId)
  const MIB = 1024 * 1024
  expect(HostConfig).toMatchObject({ MemorySwap: 80 * MIB, SecurityOpt: ['no-new-privileges'] })
  // A terminal's output has no frames; kept at the end like any other.
  const released = await driver.release(given, never())
  expect(released?.logTail?.replaceAll('\r', '')).toBe(log)
})

// P199
test('its log goes to the driver that the spec names, and can be read all the same', async () => {
  const options = { 'syslog-address': 'udp://127.0.0.1:9', tag: 'app' }
  const given = newJob(SLEEP, { log: { driver: 'syslog', options } })
  const { containerId } = await driver.ensure(given, never())
  const { HostConfig } = await inspect<Record<string, object>>(containerId)
  expect(HostConfig).toMatchObject({ LogConfig: { Type: 'syslog', Config: options } })
  await expect.poll(() => containerLogs(connection, containerId, 10, never())).toBe('up\n')
})

test('the stream of awslogs ends with the id of the task', () => {
  const log = { driver: 'awslogs', options: { 'awslogs-stream': 'p/app/{task-id}' } }
  const { HostConfig } = planOf(container({ log }), newJob(SLEEP), 'pause-1')
  expect(HostConfig?.LogConfig?.Config).toEqual({ 'awslogs-stream': `p/app/${holderId}` })
})

test('it is started once: one that runs is adopted, one that has exited is not started', async () => {
  const running = newJob(SLEEP)
  const made = await driver.ensure(running, never())
  expect(await driver.ensure({ ...running, again: true }, never())).toEqual(made)
  // Also when nobody knew that it was there: the name says so.
  expect(await driver.ensure(running, never())).toEqual(made)
  await docker('rm', '--force', made.containerId)

  const over = newJob('exit 7')
  const { containerId } = await driver.ensure(over, never())
  await docker('wait', containerId)
  const { State: before } = await inspect<{ State: object }>(containerId)
  expect(await driver.ensure({ ...over, again: true }, never())).toEqual({
    containerId,
    exit: { exitCode: 7, exitId: await finishedAt(containerId), ranMs: expect.any(Number) },
  })
  expect((await inspect<{ State: object }>(containerId)).State).toEqual(before)
})

describe('one whose exit is answered', () => {
  /** Runs for a second, then ends with a code that counts its runs. */
  const COUNTING = 'echo run >> /runs; /busybox sleep 1; exit $(/busybox wc -l < /runs)'
  const runs = async (id: string) => Number(await docker('wait', id))
  const startedAt = (id: string) => docker('inspect', '--format', '{{.State.StartedAt}}', id)

  test('is started again in place, once for each exit, and knows how long it ran', async () => {
    const given = newJob(COUNTING, { again: true })
    const { containerId } = await driver.ensure(given, never())
    expect(await runs(containerId)).toBe(1)
    const { exit } = await driver.ensure(given, never())
    expect(exit).toMatchObject({ exitCode: 1, exitId: await finishedAt(containerId) })
    // It sleeps for a second; Docker says that it started when it has.
    expect(exit?.ranMs).toBeGreaterThan(500)
    expect(exit?.ranMs).toBeLessThan(10_000)

    const answering = { ...given, answeredExitId: exit?.exitId ?? '' }
    expect(await driver.ensure(answering, never())).toEqual({ containerId })
    // The agent died here, or the answer was lost: it looks again, and leaves what runs alone.
    const second = await startedAt(containerId)
    expect(await driver.ensure(answering, never())).toEqual({ containerId })
    expect(await runs(containerId)).toBe(2)
    expect(await startedAt(containerId)).toBe(second)
    // It died for longer than that run: the next exit is another one, which nothing answers yet.
    const later = await driver.ensure(answering, never())
    expect(later).toMatchObject({ containerId, exit: { exitCode: 2 } })
    expect(later.exit?.exitId).toBe(await finishedAt(containerId))
    expect(later.exit?.exitId).not.toBe(exit?.exitId)
    expect(await startedAt(containerId)).toBe(second)
  })

  test('and that Docker cannot start is still in that exit, so it is tried again', async () => {
    const given = newJob('/busybox cp /busybox /kept; /busybox rm /busybox; exit 3', {
      again: true,
    })
    const { containerId } = await driver.ensure(given, never())
    await docker('wait', containerId)
    const answering = { ...given, answeredExitId: await finishedAt(containerId) }
    const why = { kind: 'refused', code: 'CannotStartContainerError' }
    await expect(driver.ensure(answering, never())).rejects.toEqual(failing(why))
    await expect(driver.ensure(answering, never())).rejects.toEqual(failing(why))
  })

  test('and that somebody removed is not made anew: lost if essential, else over', async () => {
    const given = newJob('exit 3', { essential: false })
    const made = await driver.ensure(given, never())
    await docker('wait', made.containerId)
    const answeredExitId = await finishedAt(made.containerId)
    await docker('rm', made.containerId)
    const answering = { ...knowing(given, made), answeredExitId }
    expect(await driver.ensure(answering, never())).toEqual({ ...made, exit: { exitCode: 137 } })
    expect(await wearing(MARK.holder, holderId)).toEqual([])
  })
})

test('one that was created but not started is started', async () => {
  const given = newJob(SLEEP, { again: true })
  const marks = Object.entries(mark(host, given)).flatMap(([k, v]) => ['--label', `${k}=${v}`])
  const id = await docker('create', '--network=none', ...marks, image, '/busybox', 'sleep', '60')
  expect(await driver.ensure(given, never())).toEqual({ containerId: id })
  expect((await inspect<{ State: { Running: boolean } }>(id)).State.Running).toBe(true)
})

test('what Docker cannot create or start is refused in the words of ECS', async () => {
  const missing = driver.ensure(newJob(SLEEP, { image: 'enid-test/none:1' }), never())
  const noImage = { kind: 'refused', code: 'CannotCreateContainerError' }
  await expect(missing).rejects.toEqual(failing(noImage))

  const given = newJob(SLEEP, { command: ['/no/such/program'] })
  const why = {
    kind: 'refused',
    code: 'CannotStartContainerError',
    message: expect.stringMatching(/^Error response from daemon: .*no such file or directory/s),
  }
  await expect(driver.ensure(given, never())).rejects.toEqual(failing(why))
  await expect(driver.ensure({ ...given, again: true }, never())).rejects.toEqual(failing(why))
  expect(await driver.release({ ...given, again: true }, never())).toEqual({ logTail: '' })
  expect(await wearing(MARK.holder, holderId)).toEqual([])
})

test('release lets it end in its own way, and keeps its log and exit code', async () => {
  const line = `trap 'echo bye >&2; exit 5' TERM; echo up; while :; do /busybox sleep 0.02; done`
  const given = newJob(line, { stopTimeoutMs: 10_000 })
  const made = await driver.ensure(given, never())
  await expect.poll(() => containerLogs(connection, made.containerId, 10, never())).toBe('up\n')
  const begun = performance.now()
  expect(await driver.release(knowing(given, made), never())).toMatchObject({
    logTail: 'up\nbye\n',
    exit: { exitCode: 5 },
  })
  expect(performance.now() - begun).toBeLessThan(5_000)
  expect(await driver.release(knowing(given, made), never())).toBeUndefined()
})

test('one that does not end is killed after its stop timeout', async () => {
  const given = newJob(`trap '' TERM; echo up; while :; do /busybox sleep 0.02; done`, {
    stopTimeoutMs: 1_000,
  })
  const made = await driver.ensure(given, never())
  await expect.poll(() => containerLogs(connection, made.containerId, 10, never())).toBe('up\n')
  const begun = performance.now()
  expect(await driver.release(knowing(given, made), never())).toMatchObject({
    exit: { exitCode: 137 },
  })
  expect(performance.now() - begun).toBeGreaterThan(900)
})

// P124
test('a log that Docker cannot read keeps no container', async () => {
  const given = newJob('exit 3')
  const { containerId } = await driver.ensure(given, never())
  await docker('wait', containerId)
  // What dockerd answers for a container whose removal it was ended in.
  const words = 'can not get logs from container which is dead or marked for removal'
  const rawLogs = async () => {
    throw new Failure('transient', 'CannotReadLogs', words)
  }
  const halfDead = containerDriver({ docker: { ...connection, rawLogs }, host })
  expect(await halfDead.release(given, never())).toMatchObject({ exit: { exitCode: 3 } })
  expect(await wearing(MARK.holder, holderId)).toEqual([])
})

// P10
test('of a long log the last 64 KiB are kept, in whole lines', async () => {
  const given = newJob('for i in $(/busybox seq 1 1500); do /busybox printf "%0100d\\n" $i; done')
  const made = await driver.ensure(given, never())
  await docker('wait', made.containerId)
  expect(await containerLogs(connection, made.containerId, 2, never())).toBe(
    ['1499', '1500'].map((n) => `${n.padStart(100, '0')}\n`).join(''),
  )
  const remains = await driver.release(knowing(given, made), never())
  const lines = remains?.logTail?.trimEnd().split('\n') ?? []
  expect(Buffer.byteLength(remains?.logTail ?? '')).toBeLessThanOrEqual(LOG_TAIL_BYTES)
  expect(lines.length).toBe(Math.floor(LOG_TAIL_BYTES / 101))
  expect(lines.every((line) => line.length === 100)).toBe(true)
  expect(lines.at(-1)).toBe('1500'.padStart(100, '0'))
})

test.for<[string, number]>([
  ['before it stops', 0],
  ['while it stops', 1_500],
])(
  'one that ignores SIGTERM is killed in time where the end of the host is announced %s',
  async ([, afterMs]) => {
    const deaf = `trap '' TERM; echo up; while :; do /busybox sleep 0.02; done`
    const given = newJob(deaf, { stopTimeoutMs: 60_000 })
    const startedAt = performance.now()
    // Ten seconds are kept back, so it has two.
    const hostLeftMs = () => {
      const spentMs = performance.now() - startedAt
      return spentMs < afterMs ? undefined : 12_000 - spentMs
    }
    const ending = containerDriver({ docker: connection, host, hostLeftMs })
    const made = await ending.ensure(given, never())
    const remains = await ending.release(knowing(given, made), never())
    expect(remains).toMatchObject({ logTail: 'up\n', exit: { exitCode: 137 } })
    // Docker counts whole seconds, and a stop is looked at every second.
    expect(performance.now() - startedAt).toBeLessThan(12_000)
  },
)

test('one that was removed behind our back is lost if essential, else over', async () => {
  const given = newJob(SLEEP)
  const made = await driver.ensure(given, never())
  await docker('rm', '--force', made.containerId)
  const lost = driver.ensure(knowing(given, made), never())
  await expect(lost).rejects.toEqual(failing({ kind: 'lost', code: 'ContainerGone' }))
  const aside = newJob(SLEEP, { essential: false })
  expect(await driver.ensure(knowing(aside, made), never())).toEqual({
    ...made,
    exit: { exitCode: 137 },
  })
  expect(await wearing(MARK.holder, holderId)).toEqual([])
})

test('a dockerd that is not there is a transient failure; one elsewhere is refused', async () => {
  const nowhere = containerDriver({ docker: openDocker('unix:///nowhere/docker.sock'), host })
  const away = nowhere.ensure(newJob(SLEEP, { again: true }), never())
  await expect(away).rejects.toEqual(failing({ kind: 'transient', code: 'DockerUnreachable' }))
  expect(() => openDocker('tcp://10.0.0.1:2375')).toThrow('DOCKER_HOST is tcp://10.0.0.1:2375')
})
