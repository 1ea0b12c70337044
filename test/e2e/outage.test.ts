// Goal: with EC2 and IMDS away, what runs runs on, what crashes is started again by its policy, what
// is launched waits and says for what, what is stopped goes as far as it can; all of it is finished
// when they are back. Method: a real lab made absent by its faults, agent and Docker; one outage for
// the whole file, so that a restart's least period (60 s) passes while the rest is looked at.

import { RunTaskCommand } from '@aws-sdk/client-ecs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { must } from '../../scripts/demo/program.ts'
import { fact, Rig } from './rig.ts'

/** ECS's least restartAttemptPeriod, and what a busy machine may be late, milliseconds. */
const PERIOD_MS = 60_000
const SLACK_MS = 1_000
const SOON = { timeout: 10_000 }

let rig: Rig
let group = ''
let subnet = ''
let kept = ''
let going = ''
let waiting = ''
let address = ''

const WEB = 'mkdir -p /www; echo up > /www/index.html; exec /busybox httpd -f -p 80 -h /www'
const restartPolicy = { enabled: true, restartAttemptPeriod: PERIOD_MS / 1000 }

beforeAll(async () => {
  rig = await Rig.open()
  group = await rig.group('web', { port: 80, cidr: '10.0.0.0/16' })
  subnet = await rig.subnetId()
  const container = (name: string, line: string, essential: boolean) => ({
    ...{ name, essential, image: rig.image, memory: 64, stopTimeout: 1, restartPolicy },
    command: ['/busybox', 'sh', '-c', line],
  })
  await rig.define('kept', '', undefined, {
    containerDefinitions: [
      container('app', WEB, true),
      container('log', 'exec /busybox sleep 600', false),
      container('brief', 'exit 3', false),
    ],
  })
  await rig.define('web', WEB)
}, 180_000)
afterAll(() => rig?.close())

/** RunTask, and nothing that asks EC2. */
async function run(family: string): Promise<string> {
  const awsvpcConfiguration = { subnets: [subnet], securityGroups: [group] }
  const networkConfiguration = { awsvpcConfiguration }
  const asked = new RunTaskCommand({ taskDefinition: family, networkConfiguration })
  const { tasks = [], failures = [] } = await rig.ecs.send(asked)
  expect(failures).toEqual([])
  return tasks[0]?.taskArn?.split('/').at(-1) ?? ''
}

/** Docker's word on one container: its id, when it was started, whether it runs. */
async function seen(id: string, row: string) {
  const containerId = await rig.containerId(id, row)
  const format = '{{.State.StartedAt}} {{.State.Running}} {{.State.ExitCode}}'
  const said = await must('docker', ['inspect', '--format', format, containerId])
  const [startedAt = '', running, exitCode] = said.trim().split(' ')
  return { containerId, startedAt, isRunning: running === 'true', exitCode: Number(exitCode) }
}

async function page(ipv4: string) {
  return rig.enid('lab', 'exec', '--', 'curl', '-sS', '-m', '3', `http://${ipv4}/`)
}
const answers = async (ipv4: string) => expect(await page(ipv4)).toMatchObject({ stdout: 'up\n' })

/** What the agent says it waits for, in GET /status. */
async function waits(): Promise<string[]> {
  const { waiting: all } = (await (await fetch(`${rig.ecsUrl}/status`)).json()) as {
    waiting: { taskId: string; row: string; verb: string; code: string }[]
  }
  return all.map(({ taskId, row, verb, code }) => `${taskId} ${verb} ${row} ${code}`)
}

/** The task's containers in our own words: where each is, and how often it was started again. */
async function containers(id: string): Promise<Record<string, string>> {
  const { stdout } = await rig.enid('describe', id, '--json')
  const [task] = (JSON.parse(stdout) as Tasks).tasks
  return Object.fromEntries(
    (task?.containers ?? []).map(({ name, lastStatus, restartCount }) => [
      name,
      `${lastStatus} ${restartCount}`,
    ]),
  )
}
type Tasks = {
  tasks: { containers: { name: string; lastStatus: string; restartCount: number }[] }[]
}

/** Waits until a container has run for the period, by Docker's clock. */
async function hasRunLongEnough(id: string, row: string): Promise<void> {
  const dueAt = Date.parse((await seen(id, row)).startedAt) + PERIOD_MS + SLACK_MS
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueAt - Date.now())))
}

/** Kills a container's process, as a crash would. */
async function crash(id: string, row: string): Promise<string> {
  const { containerId } = await seen(id, row)
  await must('docker', ['kill', containerId])
  return containerId
}

test('two tasks run, and EC2 and IMDS go away', async () => {
  kept = await run('kept')
  going = await run('web')
  address = fact(await rig.waitFor(kept, 'RUNNING'), 'privateIPv4Address')
  await rig.waitFor(going, 'RUNNING')
  await answers(address)
  for (const fault of ['connection-reset', 'imds-absent']) {
    const { code, stderr } = await rig.enid('lab', 'fault', 'add', fault)
    expect(code, stderr).toBe(0)
  }
  await expect(rig.enis()).rejects.toThrow()
  const token = fetch(`${rig.env.AWS_EC2_METADATA_SERVICE_ENDPOINT}/latest/api/token`, {
    method: 'PUT',
    headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '60' },
  })
  await expect(token).rejects.toThrow()
}, 180_000)

test('a container that ended before its period is not started again, essential to nobody', async () => {
  await expect.poll(() => containers(kept), SOON).toMatchObject({ brief: 'STOPPED 0' })
  expect(await seen(kept, 'container:brief')).toMatchObject({ isRunning: false, exitCode: 3 })
})

test('a launch waits, and says for what in GET /status and in enid describe', async () => {
  waiting = await run('web')
  await expect.poll(waits, SOON).toContain(`${waiting} ensure eni:0 Ec2Unreachable`)
  const { stdout } = await rig.enid('describe', waiting)
  expect(stdout).toMatch(/^waiting: ensure eni:0 failed \d+ times \(Ec2Unreachable\): .*answer/m)
  expect((await rig.task(waiting)).lastStatus).toBe('PROVISIONING')
})

// P89
test('a stop takes everything on this host down, and waits with what EC2 has', async () => {
  await rig.stop(going, 'enough')
  await expect
    .poll(waits, { timeout: 20_000 })
    .toContain(`${going} release attachment:0 Ec2Unreachable`)
  const filter = ['--all', '--quiet', '--filter', `label=enid:holder=${going}`]
  await expect.poll(() => must('docker', ['ps', ...filter]), SOON).toBe('')
  expect((await rig.task(going)).lastStatus).toBe('DEPROVISIONING')
}, 90_000)

// P89
test('what runs does not notice, nor that the agent is killed and comes back meanwhile', async () => {
  const before = [await seen(kept, 'sandbox'), await seen(kept, 'container:app')]
  await rig.endAgent('SIGKILL')
  await answers(address)
  await rig.startAgent()
  await answers(address)
  expect((await rig.task(kept)).lastStatus).toBe('RUNNING')
  await expect
    .poll(async () => (await rig.enid('describe', kept, '--json')).stdout, SOON)
    .not.toContain('"unsure"')
  expect([await seen(kept, 'sandbox'), await seen(kept, 'container:app')]).toEqual(before)
}, 180_000)

// P70
test('a container that crashes after its period is started again in place, before it not', async () => {
  await hasRunLongEnough(kept, 'container:log')
  const before = await seen(kept, 'container:log')
  expect(await crash(kept, 'container:log')).toBe(before.containerId)
  await expect
    .poll(() => containers(kept), SOON)
    .toMatchObject({ log: 'RUNNING 1', app: 'RUNNING 0' })
  await expect.poll(() => seen(kept, 'container:log'), SOON).toMatchObject({ isRunning: true })
  const after = await seen(kept, 'container:log')
  expect(after.containerId).toBe(before.containerId)
  expect(after.startedAt).not.toBe(before.startedAt)
  // Once more at once: it has not run for its period, so it stays ended. There is no crash loop.
  await crash(kept, 'container:log')
  await expect.poll(() => containers(kept), SOON).toMatchObject({ log: 'STOPPED 1' })
  expect((await rig.task(kept)).lastStatus).toBe('RUNNING')
}, 120_000)

test('so is an essential one that crashes while the agent is dead, and its task runs on', async () => {
  await hasRunLongEnough(kept, 'container:app')
  const pause = await seen(kept, 'sandbox')
  await rig.endAgent('SIGKILL')
  const containerId = await crash(kept, 'container:app')
  await must('docker', ['wait', containerId])
  expect((await page(address)).stdout).toBe('')
  await rig.startAgent()
  await expect
    .poll(() => containers(kept), SOON)
    .toMatchObject({ app: 'RUNNING 1', log: 'STOPPED 1' })
  await expect.poll(async () => (await page(address)).stdout, SOON).toBe('up\n')
  expect(await seen(kept, 'container:app')).toMatchObject({ containerId, isRunning: true })
  expect(await seen(kept, 'sandbox')).toEqual(pause)
  expect((await rig.task(kept)).lastStatus).toBe('RUNNING')
}, 180_000)

// P89
test('when EC2 and IMDS are back the stop ends, the launch runs, and nothing was restarted for it', async () => {
  const before = await seen(kept, 'container:app')
  const { code, stderr } = await rig.enid('lab', 'fault', 'clear')
  expect(code, stderr).toBe(0)
  // The longest pause between two tries is half a minute.
  const stopped = await rig.waitFor(going, 'STOPPED', 120_000)
  expect(stopped.stoppedReason).toBe('enough')
  const launched = await rig.waitFor(waiting, 'RUNNING', 120_000)
  await answers(fact(launched, 'privateIPv4Address'))
  expect(await seen(kept, 'container:app')).toEqual(before)
  expect(await rig.enis()).toHaveLength(2)
}, 150_000)

test('nothing is left', async () => {
  await rig.stopAndWait(kept, waiting)
  expect(await rig.enis()).toEqual([])
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 180_000)
