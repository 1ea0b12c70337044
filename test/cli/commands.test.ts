// Goal: what the commands ask of the agent, what they print, and what they exit with. Method: the
// real command as a child process, against a stand-in agent with answers written down here.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { StandIn } from './stand-in.ts'
import { openStandIn, task } from './stand-in.ts'

const A = `aaaa1111${'0'.repeat(24)}`
const B = `aaaa2222${'0'.repeat(24)}`
let agent: StandIn
let folder: string

beforeEach(async () => {
  agent = await openStandIn()
  folder = mkdtempSync(join(tmpdir(), 'enid-cli-test-'))
})
afterEach(async () => {
  await agent.close()
  rmSync(folder, { recursive: true })
})

const definition = { family: 'web', networkMode: 'awsvpc', containerDefinitions: [{ name: 'app' }] }
const registered = { taskDefinition: { ...definition, revision: 3 } }
const file = (document: unknown): string => {
  const path = join(folder, 'task.json')
  writeFileSync(path, JSON.stringify(document))
  return path
}
const arn = (id: string) => ({ taskArn: `arn:aws:ecs:us-west-2:1:task/default/${id}` })

describe('groups', () => {
  beforeEach(() => void agent.tasks.set(A, [task(A)]))
  const path = `PUT /tasks/${A}/security-groups`
  const eni = task(A).enis[0] ?? expect.fail('no ENI')

  test('shows them, and orders others where some are named', async () => {
    expect((await agent.enid('groups', 'aaaa')).stdout).toBe('aaaa1111  eni-aaaa  sg-1  sg-2\n')
    const enis = [{ ...eni, securityGroupIds: ['sg-3'] }]
    agent.rest.set(path, task(A, { enis }))
    const { code, stdout } = await agent.enid('groups', 'aaaa', 'sg-3', '--json')
    expect([code, JSON.parse(stdout).securityGroupIds]).toEqual([0, ['sg-3']])
    const asked = { what: path, input: { securityGroups: ['sg-3'], eni: 0 } }
    expect(agent.asked).toContainEqual(asked)
  })

  test('exits with 4 while EC2 has not taken them, and says that it goes on', async () => {
    const enis = [{ ...eni, securityGroupIdsWanted: ['sg-3'] }]
    agent.rest.set(path, task(A, { enis }))
    const { code, stderr } = await agent.enid('groups', 'aaaa', 'sg-3')
    expect([code, stderr]).toEqual([4, expect.stringContaining('has not taken it yet: sg-3')])
  })
})

describe('run', () => {
  beforeEach(() => {
    agent.ecs.set('RegisterTaskDefinition', registered)
    agent.ecs.set('DescribeTaskDefinition', registered)
    agent.ecs.set('RunTask', { tasks: [arn(A)], failures: [] })
    agent.tasks.set(A, [task(A)])
  })
  const asked = (what: string) => agent.asked.find((question) => question.what === what)?.input

  test('registers a file as it is and runs that very revision', async () => {
    const flags = ['--subnet', 'subnet-1,subnet-2', '--security-group', 'sg-1', '--cluster', 'c']
    const { code, stdout } = await agent.enid('run', file(definition), ...flags, '-n', '2')
    expect(code).toBe(0)
    expect(stdout).toBe('aaaa1111  RUNNING  10.0.0.35\n')
    expect(asked('RegisterTaskDefinition')).toEqual(definition)
    expect(asked('RunTask')).toEqual({
      taskDefinition: 'web:3',
      count: 2,
      cluster: 'c',
      networkConfiguration: {
        awsvpcConfiguration: { subnets: ['subnet-1', 'subnet-2'], securityGroups: ['sg-1'] },
      },
    })
  })

  test('passes tags on as they are', async () => {
    await agent.enid('run', 'web:3', '--subnet', 's', '--tag', 'enid:eni-tag:a=b=c', '--tag', 'x=')
    expect(asked('RunTask')).toMatchObject({
      tags: [
        { key: 'enid:eni-tag:a', value: 'b=c' },
        { key: 'x', value: '' },
      ],
    })
  })

  test("takes the host's own subnet when none is given, and says so", async () => {
    const { stderr } = await agent.enid('run', 'web:3')
    expect(stderr).toContain("in the host's own subnet subnet-host")
    expect(asked('DescribeTaskDefinition')).toEqual({ taskDefinition: 'web:3' })
    expect(asked('RunTask')).toMatchObject({
      networkConfiguration: { awsvpcConfiguration: { subnets: ['subnet-host'] } },
    })
  })

  test('gives every container the variables, commas and all', async () => {
    await agent.enid('run', 'web', '--env', 'A=1,2', '-e', 'B=x=y')
    expect(asked('RunTask')).toMatchObject({
      overrides: {
        containerOverrides: [
          {
            name: 'app',
            environment: [
              { name: 'A', value: '1,2' },
              { name: 'B', value: 'x=y' },
            ],
          },
        ],
      },
    })
  })

  test('waits until the task runs, with a line for every change', async () => {
    const pending = task(A, { lastStatus: 'PENDING', enis: [] })
    agent.tasks.set(A, [pending, pending, task(A)])
    const { code, stderr } = await agent.enid('run', 'web', '--subnet', 'subnet-1')
    expect(code).toBe(0)
    expect(stderr).toBe('aaaa1111 PENDING\naaaa1111 RUNNING\n')
  })

  test('does not wait with --no-wait', async () => {
    agent.tasks.set(A, [task(A, { lastStatus: 'PROVISIONING', enis: [] }), task(A)])
    const { stdout } = await agent.enid('run', 'web', '--no-wait')
    expect(stdout).toBe('aaaa1111  PROVISIONING\n')
  })

  test('exits with 1 and the reason when the task stops before it ran', async () => {
    const { startedAt: _, ...never } = task(A)
    const reason = { stopCode: 'TaskFailedToStart', stoppedReason: 'no such image' }
    agent.tasks.set(A, [{ ...never, ...reason, lastStatus: 'STOPPED' }])
    const { code, stdout } = await agent.enid('run', 'web')
    expect(stdout).toContain('STOPPED  10.0.0.35  TaskFailedToStart: no such image')
    expect(code).toBe(1)
  })

  test('exits with 4 when it waited long enough', async () => {
    agent.tasks.set(A, [task(A, { lastStatus: 'PENDING' })])
    const { code, stderr } = await agent.enid('run', 'web', '--timeout', '1')
    expect(stderr).toContain(
      'not running after 1 s; the agent goes on trying: enid describe aaaa1111',
    )
    expect(code).toBe(4)
  })

  test("exits with 1 and ECS's failure when there is no room", async () => {
    const failure = { reason: 'RESOURCE:ENI', detail: '3 of 3 are in use' }
    agent.ecs.set('RunTask', { tasks: [], failures: [failure] })
    const { code, stderr } = await agent.enid('run', 'web', '--subnet', 's')
    expect(stderr).toBe('1 of 1 not run: RESOURCE:ENI: 3 of 3 are in use\n')
    expect(code).toBe(1)
  })

  test("exits with 1 and the agent's own words when it refuses", async () => {
    const body = { __type: 'com.amazonaws.ecs#ClientException', message: 'family: is required' }
    agent.ecs.set('RegisterTaskDefinition', { status: 400, body })
    const { code, stderr } = await agent.enid('run', file({}))
    expect(stderr).toBe('ClientException: family: is required\n')
    expect(code).toBe(1)
  })
})

describe('ps', () => {
  test('shows where a task is and why, and hides the stopped ones', async () => {
    const waiting = { row: 'eni:0', verb: 'ensure', attempt: 3, code: 'X', nextTryAt: '' }
    agent.tasks.set(A, [task(A)])
    agent.tasks.set(B, [
      task(B, {
        lastStatus: 'PROVISIONING',
        enis: [{ status: 'PRECREATED', securityGroupIds: ['sg-1'] }],
        waiting: [{ ...waiting, reason: 'EC2 asks to slow down' }],
      }),
    ])
    agent.tasks.set('c', [task('c', { lastStatus: 'STOPPED' })])
    const { stdout } = await agent.enid('ps')
    expect(stdout.split('\n')).toEqual([
      'TASK      FAMILY:REV  STATUS        ENI       IP         GROUPS     AGE  WHY',
      'aaaa1111  web:3       RUNNING       eni-aaaa  10.0.0.35  sg-1 sg-2  7m',
      'aaaa2222  web:3       PROVISIONING  -         -          sg-1       7m   ' +
        'ensure eni:0, attempt 3: EC2 asks to slow down',
      '',
    ])
    expect(JSON.parse((await agent.enid('ps', '--all', '--json')).stdout).tasks).toHaveLength(3)
  })
})

// P530
test('stats shows what the containers of running tasks use, or of those that are named', async () => {
  const cpu = (total: number, system: number) => ({
    ...{ cpu_usage: { total_usage: total }, system_cpu_usage: system, online_cpus: 2 },
  })
  const app = {
    ...{ cpu_stats: cpu(1.5e9, 12e9), precpu_stats: cpu(1e9, 10e9) },
    memory_stats: { usage: 3 << 20, limit: 64 << 20, stats: { total_inactive_file: 1 << 20 } },
    pids_stats: { current: 3 },
    network_rate_stats: { rx_bytes_per_sec: 1536, tx_bytes_per_sec: 0 },
  }
  const young = { cpu_stats: cpu(1, 2), precpu_stats: {}, memory_stats: {}, pids_stats: {} }
  agent.tasks.set(A, [task(A)])
  agent.tasks.set(B, [task(B, { lastStatus: 'STOPPED', stoppedReason: 'asked for' })])
  const answer = { taskId: A, containers: { app, young, ended: null } }
  agent.rest.set(`GET /tasks/${A}/stats`, answer)
  agent.rest.set(`GET /tasks/${B}/stats`, { taskId: B, containers: { app: null } })
  const { code, stdout } = await agent.enid('stats')
  const rows = stdout.split('\n').map((line) => line.split(/ {2,}/))
  expect([code, rows]).toEqual([
    0,
    [
      ['TASK', 'CONTAINER', 'CPU', 'MEMORY', 'LIMIT', 'PIDS', 'IN/S', 'OUT/S'],
      ['aaaa1111', 'app', '50.0%', '2 MB', '64 MB', '3', '1.5 kB', '0 B'],
      ['aaaa1111', 'young', '-', '-', '-', '-', '-', '-'],
      ['aaaa1111', 'ended', '-', '-', '-', '-', '-', '-'],
      [''],
    ],
  ])
  expect(JSON.parse((await agent.enid('stats', '--json')).stdout)).toEqual({ tasks: [answer] })
  expect((await agent.enid('stats', B)).stdout).toMatch(/^aaaa2222 {2}app .*-$/m)
})

test('a task that the agent cannot read is shown by ps, and said where it is named', async () => {
  agent.quarantined.push({ taskId: B, why: 'no row eni:9' })
  const said = `task ${B} is left alone, its record cannot be read: no row eni:9. See docs/operations.md\n`
  expect((await agent.enid('ps')).stdout).toMatch(new RegExp(`\n${said}$`))
  const { quarantined } = JSON.parse((await agent.enid('ps', '--json')).stdout)
  expect(quarantined).toEqual([{ taskId: B, why: 'no row eni:9' }])
  for (const verb of ['describe', 'stop', 'logs']) {
    expect(await agent.enid(verb, B.slice(0, 6))).toMatchObject({ code: 1, stderr: said })
  }
})

describe('a task is named by', () => {
  beforeEach(() => {
    agent.tasks.set(A, [task(A)])
    agent.tasks.set(B, [task(B, { lastStatus: 'STOPPED', stoppedReason: 'asked for' })])
  })

  test('the beginning of its id, or its ARN', async () => {
    for (const name of ['aaaa1', A, `arn:aws:ecs:us-west-2:1:task/default/${A}`]) {
      const { code, stdout } = await agent.enid('describe', name, '--json')
      expect(code).toBe(0)
      expect(JSON.parse(stdout).tasks[0].taskId).toBe(A)
    }
  })

  test('no beginning that fits two, and no id that is unknown', async () => {
    const both = await agent.enid('describe', 'aaaa')
    expect(both.stderr).toBe(
      '"aaaa" is the beginning of 2 tasks: aaaa1111, aaaa2222. Write more of it\n',
    )
    expect(both.code).toBe(1)
    const none = await agent.enid('describe', 'beef')
    expect(none.stderr).toBe('no task is "beef" or begins with it. See: enid ps\n')
  })
})

// P496
test('describe shows interface, containers, steps with their times and EC2 requests, and why it stopped', async () => {
  const exit = { name: 'app', image: 'x', lastStatus: 'STOPPED', exitCode: 137 }
  const again = { name: 'log', image: 'x', lastStatus: 'RUNNING', healthy: true, restartCount: 2 }
  const stopped = { lastStatus: 'STOPPED', desiredStatus: 'STOPPED', containers: [exit, again] }
  const why = { stopCode: 'EssentialContainerExited', stoppedReason: 'app exited' }
  const calls = [
    { action: 'CreateNetworkInterface', ms: 118, requestId: 'req-1' },
    { action: 'AttachNetworkInterface', ms: 9, requestId: 'req-2', code: 'NoSlot' },
  ]
  const steps = [{ ...(task(A).steps[0] ?? expect.fail('no step')), calls }]
  agent.tasks.set(A, [task(A, { ...stopped, ...why, steps })])
  const { stdout } = await agent.enid('describe', 'aaaa')
  for (const text of [
    /^stopped +EssentialContainerExited: app exited$/m,
    /^address +10\.0\.0\.35$/m,
    /^app +x +STOPPED +137$/m,
    /^log +x +RUNNING \(healthy\), restarted 2× +-$/m,
    /^ensure eni:0 +2 ms +120 ms {2}\|#+\|$/m,
    /^CreateNetworkInterface +118 ms +req-1$/m,
    /^AttachNetworkInterface +9 ms +req-2 +NoSlot$/m,
  ]) {
    expect(stdout).toMatch(text)
  }
})

test('describe shows what the sweep found of the task, and nothing where an agent tells nothing', async () => {
  const found = { what: 'eni', id: 'eni-1', verdict: 'leave', why: 'it wears sg-9' }
  const seenAt = '2026-11-27T00:00:00.000Z'
  agent.tasks.set(A, [task(A, { findings: [{ ...found, seenAt }] })])
  const { stdout } = await agent.enid('describe', 'aaaa')
  expect(stdout).toContain(`\n\nfound: eni eni-1, leave: it wears sg-9; at ${seenAt}\n`)
  agent.tasks.set(A, [task(A)])
  expect((await agent.enid('describe', 'aaaa')).stdout).not.toContain('found:')
})

test('stop asks in the cluster of the task, with the reason, and waits for the end', async () => {
  agent.ecs.set('StopTask', { task: {} })
  const stopping = task(A, { lastStatus: 'DEPROVISIONING', cluster: 'c' })
  agent.tasks.set(A, [stopping, stopping, task(A, { lastStatus: 'STOPPED', stoppedReason: 'r' })])
  const { code, stdout } = await agent.enid('stop', 'aaaa', '--reason', 'r')
  expect(agent.asked.find(({ what }) => what === 'StopTask')?.input).toEqual({
    task: A,
    cluster: 'c',
    reason: 'r',
  })
  expect(stdout).toBe('aaaa1111  STOPPED  r\n')
  expect(code).toBe(0)
})

test('logs asks for the only container, or for the one that is named', async () => {
  const containers = ['web', 'sidecar'].map((name) => ({ name, image: 'x', lastStatus: 'RUNNING' }))
  agent.tasks.set(A, [task(A)])
  expect(await agent.enid('logs', A, '--lines', '5')).toMatchObject({
    code: 0,
    stdout: 'one\ntwo\n',
  })
  expect(agent.asked.at(-1)?.what).toBe(`GET /tasks/${A}/logs?container=app&lines=5`)
  agent.tasks.set(A, [task(A, { containers })])
  const { code, stderr } = await agent.enid('logs', A)
  expect(stderr).toBe('enid logs: name the container: web, sidecar\n')
  expect(code).toBe(2)
})
