// Goal: the commands of the awsvpc announcement work with the AWS CLI as it is installed, with
// create-cluster first and --task-definition and --endpoint-url added. Method: the CLI itself, as a
// child process, against the API over a fake agent that runs and stops tasks.

import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { GROUP, SUBNET } from './fake-orders.ts'
import type { Rig } from './rig.ts'
import { openRig } from './rig.ts'

/** Word for word from the announcement. */
const DEFINITION = `{
        "family": "nginx-awsvpc",
        "networkMode": "awsvpc",
        "containerDefinitions": [
            {
                "name": "nginx",
                "image": "nginx:latest",
                "cpu": 100,
                "memory": 512,
                "essential": true,
                "portMappings": [
                  {
                    "containerPort": 80,
                    "protocol": "tcp"
                  }
                ]
            }
        ]
}`

const CLUSTER = 'awsvpc-ecs-demo'
const TIMEOUT_MS = 60_000

let rig: Rig

beforeAll(async () => {
  rig = await openRig()
})
afterAll(async () => {
  expect(rig.defects).toEqual([])
  await rig.close()
})

const run = promisify(execFile)

async function aws(...args: string[]) {
  const { stdout } = await run('aws', ['ecs', ...args, '--endpoint-url', rig.url], {
    cwd: rig.folder,
    env: {
      PATH: process.env.PATH,
      HOME: rig.folder,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_REGION: 'us-west-2',
      AWS_DEFAULT_REGION: 'us-west-2',
      AWS_MAX_ATTEMPTS: '1',
      AWS_PAGER: '',
    },
  })
  return stdout === '' ? undefined : JSON.parse(stdout)
}

test('the announcement’s story, from its file to its printed attachment', {
  timeout: TIMEOUT_MS,
}, async () => {
  writeFileSync(join(rig.folder, 'nginx-awsvpc.json'), DEFINITION)
  await aws('create-cluster', '--cluster-name', CLUSTER)
  await aws('register-task-definition', '--cli-input-json', 'file://./nginx-awsvpc.json')
  const network = `awsvpcConfiguration={subnets=["${SUBNET}"],securityGroups=["${GROUP}"]}`
  const where = ['--cluster', CLUSTER]
  const arn = await aws(
    ...['run-task', ...where, '--network-configuration', network],
    ...['--task-definition', 'nginx-awsvpc', '--query', 'tasks[0].taskArn'],
  )
  await aws('wait', 'tasks-running', ...where, '--tasks', arn)
  const task = await aws('describe-tasks', ...where, '--task', arn, '--query', 'tasks[0]')
  const id = task.attachments[0].id
  expect(task).toMatchObject({
    taskArn: `arn:aws:ecs:us-west-2:123456789012:task/${CLUSTER}/${arn.split('/').at(-1)}`,
    group: 'family:nginx-awsvpc',
    attachments: [
      {
        status: 'ATTACHED',
        type: 'ElasticNetworkInterface',
        id: expect.any(String),
        details: [
          { name: 'subnetId', value: 'subnet-c070009b' },
          { name: 'networkInterfaceId', value: 'eni-b0aaa4b2' },
          { name: 'macAddress', value: '0a:47:e4:7a:2b:02' },
          { name: 'privateDnsName', value: 'ip-10-0-0-35.us-west-2.compute.internal' },
          { name: 'privateIPv4Address', value: '10.0.0.35' },
        ],
      },
    ],
    desiredStatus: 'RUNNING',
    taskDefinitionArn: 'arn:aws:ecs:us-west-2:123456789012:task-definition/nginx-awsvpc:1',
    containers: [
      {
        taskArn: arn,
        name: 'nginx',
        networkBindings: [],
        lastStatus: 'RUNNING',
        networkInterfaces: [{ privateIpv4Address: '10.0.0.35', attachmentId: id }],
      },
    ],
  })
  const protection = ['--protection-enabled', '--expires-in-minutes', '60']
  await aws('update-task-protection', ...where, '--tasks', arn, ...protection)
  const [shown] = (await aws('get-task-protection', ...where)).protectedTasks
  expect(shown).toMatchObject({ taskArn: arn, protectionEnabled: true })
  const query = 'tasks[0].containers[0].networkInterfaces[0].privateIpv4Address'
  expect(await aws('describe-tasks', ...where, '--task', arn, '--query', query)).toBe('10.0.0.35')
  await aws('stop-task', ...where, '--task', arn, '--reason', 'the story is over')
  await aws('wait', 'tasks-stopped', ...where, '--tasks', arn)
  const stopped = await aws('list-tasks', ...where, '--desired-status', 'STOPPED')
  expect(stopped).toEqual({ taskArns: [arn] })
})

test('an error reads in the CLI as on ECS, with the remedy', { timeout: TIMEOUT_MS }, async () => {
  const refused = await aws('run-task', '--task-definition', 'nope').catch((error) => error)
  expect(refused.stderr).toMatch(
    // Version 2 of the CLI says in brackets that it did not try again.
    /\(ClientException\) when calling the RunTask operation.*: taskDefinition: .*not found: "nope"/,
  )
  expect(refused.stderr).toMatch(/list-task-definitions shows what there is/)
})
