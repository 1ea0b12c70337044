// Goal: `enid drain` asks for what its flags say, waits for the tasks there are, and tells what came
// of it. Method: the real command as a child process, against a stand-in agent.

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { StandIn } from './stand-in.ts'
import { openStandIn, task } from './stand-in.ts'

const A = `aaaa1111${'0'.repeat(24)}`
const B = `bbbb2222${'0'.repeat(24)}`
const draining = {
  status: 'DRAINING',
  draining: { since: '2026-11-27T12:00:00Z', why: 'new kernel' },
}
let agent: StandIn

beforeEach(async () => {
  agent = await openStandIn()
  agent.rest.set('POST /drain', draining)
  agent.rest.set('DELETE /drain', { status: 'ACTIVE' })
})
afterEach(() => agent.close())

const orders = () => agent.asked.filter(({ what }) => what.endsWith(' /drain'))

describe('drain', () => {
  test('stops everything and waits until nothing is left, also of what was stopping before', async () => {
    const stopped = task(A, { lastStatus: 'STOPPED', stoppedReason: 'Host drained: new kernel' })
    agent.tasks.set(A, [task(A), task(A, { lastStatus: 'DEPROVISIONING' }), stopped])
    agent.tasks.set(B, [task(B, { lastStatus: 'STOPPED' })])
    const { code, stdout } = await agent.enid('drain', '--reason', 'new kernel')
    expect(orders()).toEqual([
      { what: 'POST /drain', input: { stopTasks: true, reason: 'new kernel' } },
    ])
    expect(stdout).toBe(
      'aaaa1111  STOPPED  Host drained: new kernel\nDRAINING  draining: new kernel\n',
    )
    expect(code).toBe(0)
  })

  test.each([
    ['--keep-tasks', { stopTasks: false }],
    ['--no-wait', { stopTasks: true }],
  ])('%s does not wait', async (flag, input) => {
    agent.tasks.set(A, [task(A)])
    const { code, stdout } = await agent.enid('drain', flag)
    expect(orders()).toEqual([{ what: 'POST /drain', input }])
    expect(stdout).toBe('aaaa1111  RUNNING\nDRAINING  draining: new kernel\n')
    expect(code).toBe(0)
  })

  test('says of a task that it waits for that it is protected, and until when', async () => {
    const protectedUntil = '2026-11-27T13:00:00.000Z'
    agent.tasks.set(A, [task(A), task(A, { protectedUntil }), task(A, { lastStatus: 'STOPPED' })])
    const { code, stderr } = await agent.enid('drain')
    expect(stderr).toContain(`aaaa1111 RUNNING (protected until ${protectedUntil})`)
    expect(code).toBe(0)
  })

  test('--undo takes the host back, and asks for nothing else', async () => {
    const { code, stdout } = await agent.enid('drain', '--undo')
    expect(orders()).toEqual([{ what: 'DELETE /drain' }])
    expect([code, stdout]).toEqual([0, 'ACTIVE  this host takes tasks\n'])
  })

  test('--json is one document, with the tasks as they were last seen', async () => {
    agent.tasks.set(A, [task(A), task(A, { lastStatus: 'STOPPED' })])
    const { stdout, stderr } = await agent.enid('drain', '--json')
    expect(JSON.parse(stdout)).toMatchObject({
      ...draining,
      tasks: [{ taskId: A, lastStatus: 'STOPPED' }],
    })
    expect(stderr).toBe('')
  })

  test('exits with 4 when it waited long enough, and says what is waited for', async () => {
    const reason = 'eni-1 is left to EC2'
    const waiting = {
      row: 'guard:0',
      verb: 'release',
      attempt: 3,
      code: 'LeftToEc2',
      reason,
      nextTryAt: '',
    }
    agent.tasks.set(A, [task(A, { lastStatus: 'DEPROVISIONING', waiting: [waiting] })])
    const { code, stderr } = await agent.enid('drain', '--timeout', '1')
    expect(code).toBe(4)
    expect(stderr).toContain('aaaa1111 DEPROVISIONING (release guard:0, attempt 3: eni-1 is left')
    expect(stderr).toContain('not everything is stopped after 1 s; the agent goes on with it')
  })

  test.each([['--keep-tasks'], ['--no-wait'], ['--reason', 'x']])(
    '--undo with %s is refused before anybody is asked',
    async (...flags) => {
      const { code, stderr } = await agent.enid('drain', '--undo', ...flags)
      expect([code, stderr]).toEqual([
        2,
        `enid drain: --undo takes no ${flags[0]}: leave one of them out\n`,
      ])
      expect(agent.asked).toEqual([])
    },
  )

  test('says so where the agent knows no drain', async () => {
    agent.rest.clear()
    expect(await agent.enid('drain')).toMatchObject({
      code: 1,
      stderr: 'this agent knows no drain: is it of an older version?\n',
    })
  })
})
