// Goal: what the ECS agent's functional tests ask of a task holds here, unchanged. Method: each
// scenario's task definition registered and run as a client of ECS does, on real Docker and the lab,
// all at once; then each is looked at when it has stopped.

import { RegisterTaskDefinitionCommand, RunTaskCommand } from '@aws-sdk/client-ecs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Rig } from './rig.ts'
import type { Scenario } from './scenarios.ts'
import { SCENARIOS } from './scenarios.ts'

let rig: Rig
const tasks = new Map<string, string>()

async function begin(
  { name, containers, task, overrides }: Scenario,
  group: string,
): Promise<void> {
  const containerDefinitions = Object.entries(containers).map(([part, { line, ...more }]) => ({
    name: part,
    image: rig.image,
    memory: 64,
    stopTimeout: 1,
    command: ['/busybox', 'sh', '-c', line],
    ...more,
  }))
  const family = name
  await rig.ecs.send(
    new RegisterTaskDefinitionCommand({
      family,
      networkMode: 'awsvpc',
      containerDefinitions,
      ...task,
    }),
  )
  const awsvpcConfiguration = { subnets: [await rig.subnetId()], securityGroups: [group] }
  const networkConfiguration = { awsvpcConfiguration }
  const run = new RunTaskCommand({ taskDefinition: family, networkConfiguration, overrides })
  const { tasks: begun = [], failures } = await rig.ecs.send(run)
  expect(failures).toEqual([])
  tasks.set(name, begun[0]?.taskArn?.split('/').at(-1) ?? '')
}

beforeAll(async () => {
  rig = await Rig.open()
  const group = await rig.group('any')
  for (const scenario of SCENARIOS) await begin(scenario, group)
}, 120_000)
afterAll(() => rig?.close())

// P440
test.each(SCENARIOS.map((scenario) => [scenario.name, scenario.what, scenario] as const))(
  '%s: %s',
  async (name, _what, { exits, reason }) => {
    const task = await rig.waitFor(tasks.get(name) ?? '', 'STOPPED', 120_000)
    const codes = Object.fromEntries(
      (task.containers ?? []).map((container) => [container.name, container.exitCode]),
    )
    expect(codes, task.stoppedReason).toMatchObject(exits)
    const said = [task.stoppedReason, ...(task.containers ?? []).map((one) => one.reason ?? '')]
    if (reason !== undefined) expect(said.join('\n')).toMatch(reason)
  },
  150_000,
)

test('nothing is left', async () => {
  expect(await rig.enis()).toEqual([])
  expect(await rig.containers()).toEqual([])
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 180_000)
