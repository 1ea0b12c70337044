// Goal: dockerd may be killed or restarted at any time. With live-restore no task notices, what
// happened meanwhile is learned, and what was asked meanwhile waits with its reason. Without, its
// tasks stop and say why. Method: a dockerd of the test's own, ended under the agent's hands.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { must } from '../../scripts/demo/program.ts'
import { OwnDockerd } from './own-dockerd.ts'
import { fact, Rig } from './rig.ts'

const WEB = 'mkdir /www; echo up > /www/index.html; exec /busybox httpd -f -p 80 -h /www'
const OBEDIENT = 'trap "exit 0" TERM; while :; do /busybox sleep 0.1; done'

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

let dockerd: OwnDockerd
let rig: Rig
let group = ''
const usual = process.env.DOCKER_HOST
/**
 * How long a step may take whose call a dockerd took that died: rarely the call's answer never comes, and
 * the agent gives it up after two minutes (docker-call.ts).
 */
const ANSWER_LOST_MS = 240_000

async function open(liveRestore: boolean): Promise<void> {
  dockerd = new OwnDockerd({ liveRestore })
  process.env.DOCKER_HOST = dockerd.host
  await dockerd.start()
  rig = await Rig.open()
  group = await rig.group('web', { port: 80, cidr: '10.0.0.0/16' })
  await rig.define('web', WEB)
  await rig.define('idle', OBEDIENT)
}

async function close(): Promise<void> {
  await rig?.close()
  await dockerd?.close()
  if (usual === undefined) delete process.env.DOCKER_HOST
  else process.env.DOCKER_HOST = usual
}

async function expectNothing(): Promise<void> {
  expect(await rig.enis()).toEqual([])
  expect(await rig.containers()).toEqual([])
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}

/** Every container of the agent: its id, its process, since when, how often started again. */
async function processes(): Promise<string> {
  const format = '{{.Id}} {{.State.Pid}} {{.State.StartedAt}} {{.RestartCount}}'
  return await must('docker', ['inspect', '--format', format, ...(await rig.containers())])
}

async function pageOf(address: string): Promise<string> {
  const url = `http://${address}/`
  const { stdout, stderr } = await rig.enid('lab', 'exec', '--', 'curl', '-sS', '-m', '3', url)
  return stdout || stderr
}

const waiting = async (id: string): Promise<string> => {
  const { stdout } = await rig.enid('describe', id, '--json')
  const { tasks } = JSON.parse(stdout) as { tasks: { waiting: object[] }[] }
  return JSON.stringify(tasks[0]?.waiting ?? [])
}

describe('with live-restore', () => {
  beforeAll(() => open(true))
  afterAll(close)

  // P121
  test.each(['SIGKILL', 'SIGTERM'] as const)(
    'a running task does not notice that dockerd ended by %s and came back',
    async (signal) => {
      const [id = ''] = await rig.run('web', [group])
      const address = fact(await rig.waitFor(id, 'RUNNING'), 'privateIPv4Address')
      const [before, enis] = [await processes(), await rig.enis()]
      await dockerd.end(signal)
      expect(await pageOf(address)).toBe('up\n')
      expect((await rig.task(id)).lastStatus).toBe('RUNNING')
      await dockerd.start()
      expect(await pageOf(address)).toBe('up\n')
      // The agent listens again once dockerd's own news reach it: an exit of another task's.
      const [short = ''] = await rig.run('idle', [group])
      await rig.waitFor(short, 'RUNNING')
      await rig.stopAndWait(short)
      expect((await rig.task(id)).lastStatus).toBe('RUNNING')
      expect(await processes()).toBe(before)
      expect(await rig.enis()).toEqual(enis)
      expect(rig.agentLog).not.toContain('"event":"doubted"')
      await rig.stopAndWait(id)
    },
    60_000,
  )

  // P122
  test('what ends while dockerd is away is learned when it is back', async () => {
    const [app = '', sandbox = ''] = await rig.run('web', [group], 2)
    for (const id of [app, sandbox]) await rig.waitFor(id, 'RUNNING')
    const pids = [
      await pidOf(await rig.containerId(app, 'container:app')),
      await pidOf(await rig.containerId(sandbox, 'sandbox')),
    ]
    await dockerd.end('SIGKILL')
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    await dockerd.start()
    expect((await rig.waitFor(app, 'STOPPED')).stoppedReason).toMatch(/app \(exit code 137\)$/)
    expect((await rig.waitFor(sandbox, 'STOPPED')).stoppedReason).toMatch(
      /^PauseGone: .*Run the task again/,
    )
  }, 180_000)

  // P122
  test('what is asked while dockerd is away waits, says for what, and is done when it is back', async () => {
    const [old = ''] = await rig.run('idle', [group])
    await rig.waitFor(old, 'RUNNING')
    await dockerd.end('SIGKILL')
    await rig.stop(old, 'meanwhile')
    const [young = ''] = await rig.run('web', [group])
    for (const id of [old, young]) {
      await expect.poll(() => waiting(id), { timeout: 10_000 }).toContain('DockerUnreachable')
      expect(await waiting(id)).toContain('dockerd is not there')
    }
    expect((await rig.task(old)).lastStatus).toBe('STOPPING')
    const shown = await rig.enid('ps')
    expect(shown.stdout).toContain('dockerd is not there')
    await dockerd.start()
    const address = fact(await rig.waitFor(young, 'RUNNING', 120_000), 'privateIPv4Address')
    expect((await rig.waitFor(old, 'STOPPED', 120_000)).stoppedReason).toBe('meanwhile')
    expect(await pageOf(address)).toBe('up\n')
    await rig.stopAndWait(young)
  }, 120_000)

  test('dockerd killed at any moment of a start, the start is finished', async () => {
    for (const delayMs of [20, 80, 140, 200, 260, 320, 400, 500]) {
      const [id = ''] = await rig.run('idle', [group])
      await pause(delayMs)
      await dockerd.end('SIGKILL')
      await dockerd.start()
      await rig.waitFor(id, 'RUNNING', ANSWER_LOST_MS)
      expect(await rig.containers(), `killed after ${delayMs} ms`).toHaveLength(2)
      await rig.stop(id)
      await pause(delayMs)
      await dockerd.end('SIGKILL')
      await dockerd.start()
      await rig.waitFor(id, 'STOPPED', ANSWER_LOST_MS)
      expect(await rig.containers(), `killed after ${delayMs} ms of the stop`).toEqual([])
    }
  }, 600_000)

  test('nothing is left', expectNothing, 60_000)
})

async function pidOf(containerId: string): Promise<number> {
  return Number(await must('docker', ['inspect', '--format', '{{.State.Pid}}', containerId]))
}

describe('without live-restore', () => {
  beforeAll(() => open(false))
  afterAll(close)

  // P123
  test.each(['SIGKILL', 'SIGTERM'] as const)(
    'a restart of dockerd by %s ends its tasks, which say why and what to do about it',
    async (signal) => {
      const ids = [...(await rig.run('web', [group], 2)), ...(await rig.run('idle', [group]))]
      for (const id of ids) await rig.waitFor(id, 'RUNNING')
      await dockerd.end(signal)
      await dockerd.start()
      for (const id of ids) {
        const { stopCode, stoppedReason } = await rig.waitFor(id, 'STOPPED', 120_000)
        expect(stopCode).toBe('EssentialContainerExited')
        expect(stoppedReason).toMatch(/^(PauseGone|ContainerKilled): .*"live-restore": true/)
      }
      expect(await rig.enis()).toEqual([])
      expect(await rig.containers()).toEqual([])
    },
    120_000,
  )

  test('what is started while dockerd shuts down runs, or stops and says why', async () => {
    const [old = ''] = await rig.run('web', [group])
    await rig.waitFor(old, 'RUNNING')
    // The web server hears no SIGTERM: dockerd waits ten seconds for it and takes orders meanwhile.
    const ended = dockerd.end('SIGTERM')
    const ids: string[] = []
    for (let n = 0; n < 5; n++) {
      ids.push(...(await rig.run('idle', [group])))
      await pause(300)
    }
    await ended
    await dockerd.start()
    for (const id of [old, ...ids]) {
      await expect
        .poll(async () => (await rig.task(id)).lastStatus, { timeout: 60_000 })
        .toMatch(/RUNNING|STOPPED/)
      const { lastStatus, stoppedReason = '' } = await rig.task(id)
      if (lastStatus === 'RUNNING') await rig.stopAndWait(id)
      else expect(stoppedReason).toContain('"live-restore": true')
    }
  }, 180_000)

  test('nothing is left', expectNothing, 60_000)
})
