// Goal: definitions are registered, read, listed and taken out of use as on ECS. Method: the real SDK
// over loopback, a real state file, a fake agent.

import {
  DeregisterTaskDefinitionCommand,
  DescribeTaskDefinitionCommand,
  ListTaskDefinitionFamiliesCommand,
  ListTaskDefinitionsCommand,
  RegisterTaskDefinitionCommand,
} from '@aws-sdk/client-ecs'
import { describe, expect, test } from 'vitest'
import { register, run } from './questions.ts'
import { nginx, seedDefinition } from './rig.ts'
import { useRig } from './use-rig.ts'

const rig = useRig()

describe('task definitions', () => {
  test('get revisions of their own, and are described by family, revision and ARN', async () => {
    const { taskDefinition } = await register(rig)
    await register(rig, nginx({ image: 'nginx:2' }))
    expect(taskDefinition).toMatchObject({
      taskDefinitionArn: 'arn:aws:ecs:us-west-2:123456789012:task-definition/nginx-awsvpc:1',
      family: 'nginx-awsvpc',
      revision: 1,
      status: 'ACTIVE',
      networkMode: 'awsvpc',
      compatibilities: ['EC2'],
      registeredAt: expect.any(Date),
    })
    for (const [name, image] of [
      ['nginx-awsvpc', 'nginx:2'],
      ['nginx-awsvpc:1', 'nginx:latest'],
      [taskDefinition?.taskDefinitionArn, 'nginx:latest'],
    ]) {
      const found = await rig.ecs.send(new DescribeTaskDefinitionCommand({ taskDefinition: name }))
      expect(found.taskDefinition?.containerDefinitions?.[0]?.image).toBe(image)
    }
  })

  test('are described with the restart policy as it was given, and nothing added', async () => {
    const policies = [{ enabled: true }, { enabled: false, restartAttemptPeriod: 1800 }]
    const given = policies.map((restartPolicy, n) => ({
      ...nginx({ name: `c${n}`, portMappings: [] }),
      restartPolicy,
    }))
    await register(rig, ...given)
    const asked = new DescribeTaskDefinitionCommand({ taskDefinition: 'nginx-awsvpc' })
    const { taskDefinition } = await rig.ecs.send(asked)
    const told = taskDefinition?.containerDefinitions?.map(({ restartPolicy }) => restartPolicy)
    expect(told).toEqual(policies)
  })

  test('out of use can be read, but not run', async () => {
    await register(rig)
    const taskDefinition = 'nginx-awsvpc:1'
    await expect(
      rig.ecs.send(new DeregisterTaskDefinitionCommand({ taskDefinition: 'nginx-awsvpc' })),
    ).rejects.toThrow(/names no revision/)
    await rig.ecs.send(new DeregisterTaskDefinitionCommand({ taskDefinition }))
    const found = await rig.ecs.send(new DescribeTaskDefinitionCommand({ taskDefinition }))
    expect(found.taskDefinition).toMatchObject({
      status: 'INACTIVE',
      deregisteredAt: expect.any(Date),
    })
    await expect(run(rig, { taskDefinition })).rejects.toThrow(/inactive/)
    await expect(run(rig)).rejects.toThrow(/TaskDefinition not found: "nginx-awsvpc"/)
  })

  test('are listed by family, by status, in both orders and page by page', async () => {
    for (let n = 0; n < 11; n++) await register(rig)
    await rig.ecs.send(
      new RegisterTaskDefinitionCommand({ ...seedDefinition(), family: 'nginx-2' }),
    )
    await rig.ecs.send(new DeregisterTaskDefinitionCommand({ taskDefinition: 'nginx-awsvpc:3' }))
    const list = async (input = {}) => {
      const answer = await rig.ecs.send(new ListTaskDefinitionsCommand(input))
      const names = (answer.taskDefinitionArns ?? []).map((arn) => arn.split('/').at(-1))
      return { names, nextToken: answer.nextToken }
    }
    expect((await list({ status: 'INACTIVE' })).names).toEqual(['nginx-awsvpc:3'])
    const family = { familyPrefix: 'nginx-awsvpc', sort: 'DESC', maxResults: 2 }
    const first = await list(family)
    expect(first.names).toEqual(['nginx-awsvpc:11', 'nginx-awsvpc:10'])
    expect((await list({ ...family, nextToken: first.nextToken })).names).toEqual([
      'nginx-awsvpc:9',
      'nginx-awsvpc:8',
    ])
    await expect(list({ nextToken: first.nextToken })).rejects.toThrow(/nextToken: Invalid token/)
    await expect(list({ maxResults: 101 })).rejects.toThrow(/maxResults: 101/)
    const { families } = await rig.ecs.send(
      new ListTaskDefinitionFamiliesCommand({ familyPrefix: 'nginx-', status: 'ACTIVE' }),
    )
    expect(families).toEqual(['nginx-2', 'nginx-awsvpc'])
  })
})
