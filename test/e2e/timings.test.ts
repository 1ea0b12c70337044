// Goal: where the time of a task went can be read off it, down to the calls by which AWS finds it.
// Method: lab, agent and Docker; one task up and down, and one whose Attach is refused once. Oracle: the
// lab's own log of calls.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { Rig } from './rig.ts'

let rig: Rig

beforeAll(async () => {
  rig = await Rig.open()
  await rig.define('quick', 'sleep 60')
})
afterAll(async () => {
  await rig?.close()
})

type Call = { action: string; requestId: string; code?: string; outcome?: string }
type Step = { verb: string; row: string; afterMs: number; durationMs?: number; retries?: number }
type Steps = readonly (Step & { calls?: Call[] })[]

const stepsOf = async (id: string): Promise<Steps> => {
  const answer = await fetch(`${rig.ecsUrl}/tasks/${id}`)
  return ((await answer.json()) as { steps: Steps }).steps
}

/** What the lab was asked that changes something, by request id. */
async function changes(): Promise<Map<string, Call>> {
  const answer = await fetch(`${rig.env.AWS_ENDPOINT_URL_EC2}/lab/calls`)
  const { recent } = (await answer.json()) as { recent: Call[] }
  const ours = recent.filter(({ action }) =>
    /^(Create|Attach|Modify|Detach|Delete)Net/.test(action),
  )
  return new Map(ours.map((call) => [call.requestId, call]))
}

// P498
test('every change that EC2 was asked for stands at its step, under the id of the request', async () => {
  const [id = ''] = await rig.run('quick', [])
  await rig.waitFor(id, 'RUNNING')
  await rig.stopAndWait(id)
  const steps = await stepsOf(id)
  const told = steps.flatMap(({ verb, row, calls = [] }) =>
    calls.map((call) => ({ step: `${verb} ${row}`, ...call })),
  )
  const asked = await changes()
  expect(told.filter(({ requestId }) => asked.has(requestId))).toHaveLength(asked.size)
  expect(asked.size).toBeGreaterThanOrEqual(5)
  for (const { action, requestId } of told) {
    if (asked.has(requestId)) expect(asked.get(requestId)?.action).toBe(action)
  }
  const at = (action: string) => told.find((call) => call.action === action)?.step
  expect(
    ['Create', 'Attach', 'Modify', 'Detach', 'Delete'].map((verb) => at(actionOf(verb))),
  ).toEqual([
    'ensure eni:0',
    'ensure attachment:0',
    'ensure guard:0',
    'release attachment:0',
    'release eni:0',
  ])
  const isTimed = ({ afterMs, durationMs = -1 }: Step) => afterMs >= 0 && durationMs >= 0
  expect(steps.filter((step) => !isTimed(step))).toEqual([])
}, 180_000)

const actionOf = (verb: string) =>
  verb === 'Modify' ? 'ModifyNetworkInterfaceAttribute' : `${verb}NetworkInterface`

const throttles = async () => {
  const text = await (await fetch(`${rig.ecsUrl}/metrics`)).text()
  return Number(
    /^enid_ec2_throttles_total\{action="AttachNetworkInterface"\} (.*)$/m.exec(text)?.[1],
  )
}

// P498
test('a call that EC2 refused stands there too, with its code; describe and metrics tell of it', async () => {
  await rig.fault({ name: 'request-limit', action: 'AttachNetworkInterface', times: 1 })
  const [id = ''] = await rig.run('quick', [])
  await rig.waitFor(id, 'RUNNING')
  const step = (await stepsOf(id)).find(({ row }) => row === 'attachment:0')
  expect(step).toMatchObject({ retries: 1, waitedMs: expect.any(Number) })
  const [refused, done] = (step?.calls ?? []).filter(({ action }) => action.startsWith('Attach'))
  expect([refused?.code, done?.code]).toEqual(['RequestLimitExceeded', undefined])
  expect((await changes()).get(refused?.requestId ?? '')?.outcome).toBe('RequestLimitExceeded')

  const { stdout: said } = await rig.enid('describe', id)
  expect(said).toMatch(/^ensure attachment:0 +\d.* \| *\.+#+ *\|\n {4}1 retry, waited [\d.]+ m?s$/m)
  expect(said).toMatch(new RegExp(`^AttachNetworkInterface +.*${refused?.requestId} .*Limit`, 'm'))
  const chart = said.split('\n').filter((line) => line.endsWith('|'))
  expect(Math.max(...chart.map((line) => line.length))).toBeLessThanOrEqual(80)
  expect(await throttles()).toBe(1)
  await rig.stopAndWait(id)
  const metrics = await (await fetch(`${rig.ecsUrl}/metrics`)).text()
  expect(metrics).toMatch(/^enid_task_start_duration_seconds_count\{way="cold"\} 2$/m)
  expect(metrics).toMatch(/^enid_step_duration_seconds_count\{verb="release",row="eni"\} 2$/m)
}, 180_000)
