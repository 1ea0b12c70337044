// The story itself, chapter by chapter, on a running lab and agent. The seed's commands are run as the
// seed has them; `--task-definition`, which it forgot, and `--count` are added.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Aws } from './aws.ts'
import {
  commandLine,
  createCluster,
  createGroup,
  describeAddress,
  describeHost,
  describeTask,
  registerTaskDefinition,
  runTask,
  setIngress,
  stopTask,
} from './aws.ts'
import { checkNothingLeft, tracesOf } from './ending.ts'
import type { Traces } from './leftovers.ts'
import { chapter, claim, show, tell } from './narration.ts'
import type { TaskHere } from './packets.ts'
import { locate } from './packets.ts'
import { must } from './program.ts'
import type { SeedTask } from './seed-output.ts'
import { detail, missingFrom, printAsSeed } from './seed-output.ts'
import { checkPackets } from './traffic.ts'
import type { World } from './world.ts'
import { ENID } from './world.ts'

const CLUSTER = 'awsvpc-ecs-demo'
const DEFINITION = 'nginx-awsvpc.json'
const RUN_TIMEOUT_MS = 30_000

/** What the chapters share. */
export type Stage = { readonly world: World; readonly aws: Aws; readonly signal: AbortSignal }

/** The security groups of the story. */
export type Groups = { readonly web: string; readonly client: string; readonly stranger: string }

/** The four tasks of the story. */
export type Cast = {
  readonly web: readonly [TaskHere, TaskHere]
  readonly client: TaskHere
  readonly stranger: TaskHere
}

/** Tells it all, up to the point where nothing of the tasks is left; `onTraces` learns what to look for. */
export async function tellStory(stage: Stage, onTraces: (traces: Traces) => void): Promise<void> {
  const { aws } = stage
  const host = await describeHost(aws)
  onTraces({ instanceId: host.instanceId, macs: [], netnsInodes: [] })

  chapter('Three security groups')
  const groups = await makeGroups(aws, host.vpcId)
  tell('web lets port 80 in, from members of client; client and stranger let nothing in')

  chapter('The task definition of the blog post, twice on this one host')
  const arns = await runCopies(stage, { subnetId: host.subnetId, groupId: groups.web })
  const [client, stranger] = await runClients(stage, groups, host.subnetId)
  const web = await describeCopies(stage, arns)
  const cast: Cast = { web, client, stranger }
  onTraces(tracesOf(cast, host.instanceId))

  chapter('Real packets')
  await checkPackets(stage, { cast, groups, hostGroupIds: host.groupIds })

  chapter('Stop')
  await stopAll(stage, arns, [client, stranger])
  await checkNothingLeft(stage, { cast, instanceId: host.instanceId })
}

async function makeGroups(aws: Aws, vpcId: string): Promise<Groups> {
  const [web, client, stranger] = await Promise.all([
    createGroup(aws, 'web', vpcId),
    createGroup(aws, 'client', vpcId),
    createGroup(aws, 'stranger', vpcId),
  ])
  await setIngress(aws, { groupId: web, fromGroupId: client, port: 80, open: true })
  return { web, client, stranger }
}

/** The seed's commands, up to two running copies; the tasks' ARNs. */
async function runCopies(
  { aws, world }: Stage,
  { subnetId, groupId }: { subnetId: string; groupId: string },
): Promise<[string, string]> {
  const document = JSON.parse(readFileSync(join(import.meta.dirname, DEFINITION), 'utf8')) as object
  const wish = { cluster: CLUSTER, family: 'nginx-awsvpc', count: 2, subnetId, groupId }
  const register = registerTaskDefinition(DEFINITION, document)
  const commands = [createCluster(CLUSTER), register, runTask(wish)] as const
  tell(
    aws.cli === undefined
      ? 'no AWS CLI is installed here: the same requests go out through the AWS SDK'
      : `with the AWS CLI, ${aws.cli}; each command has --endpoint-url ${world.ecs} added`,
  )
  let answer: unknown
  for (const command of commands) {
    show(commandLine(command))
    answer = await aws.run(command)
  }
  const { tasks = [], failures = [] } = answer as { tasks?: SeedTask[]; failures?: object[] }
  const [first = '', second = ''] = tasks.map(({ taskArn }) => taskArn ?? '')
  claim(tasks.length === 2 && failures.length === 0, 'ECS takes both copies on', `${first}, …`)
  return [first, second]
}

/** A client and a stranger, by the project's own command. */
async function runClients(
  { world }: Stage,
  groups: Groups,
  subnetId: string,
): Promise<[TaskHere, TaskHere]> {
  const run = async (groupId: string): Promise<TaskHere> => {
    const file = join(import.meta.dirname, 'client.json')
    const flags = ['--subnet', subnetId, '--security-group', groupId, '--json']
    const output = await must(ENID, ['run', file, ...flags], { env: world.env })
    const [task] = (JSON.parse(output) as { tasks: { taskId: string }[] }).tasks
    const { tasks } = JSON.parse(
      await must(ENID, ['describe', task?.taskId ?? '', '--json'], { env: world.env }),
    ) as { tasks: TaskDocument[] }
    return hereOf(tasks[0] as TaskDocument, 'client')
  }
  show('$ enid run client.json --subnet … --security-group …   (twice: one client, one stranger)')
  const both = await Promise.all([run(groups.client), run(groups.stranger)])
  tell(`the client runs as ${both[0].ipv4}, the stranger as ${both[1].ipv4}`)
  return both
}

type TaskDocument = {
  readonly taskId: string
  readonly enis: readonly { readonly eniId: string; readonly ipv4: string; readonly mac: string }[]
}

async function hereOf({ taskId, enis }: TaskDocument, container: string): Promise<TaskHere> {
  const { eniId, ipv4, mac } = enis[0] ?? { eniId: '', ipv4: '', mac: '' }
  return { taskId, eniId, ipv4, mac, ...(await locate(taskId, container)) }
}

/** Waits until both copies run, and prints what the seed prints. */
async function describeCopies(
  { aws, signal }: Stage,
  arns: readonly [string, string],
): Promise<[TaskHere, TaskHere]> {
  await untilStatus({ aws, signal }, arns, 'RUNNING')
  tell('both copies are RUNNING')
  const command = describeTask(CLUSTER, arns[0])
  const first = (await aws.run(command)) as SeedTask
  show(commandLine(command))
  show(printAsSeed(first))
  const missing = missingFrom(first)
  const seen = missing.length === 0 ? '' : `missing: ${missing.join(', ')}`
  claim(missing.length === 0, 'describe-tasks prints the attachment as the blog post does', seen)

  const address = describeAddress(CLUSTER, arns[0])
  show(commandLine(address))
  const ipv4 = await aws.run(address)
  show(JSON.stringify(ipv4))
  claim(
    ipv4 === detail(first, 'privateIPv4Address'),
    'its container has the address of the ENI',
    '',
  )

  const second = (await describeTask(CLUSTER, arns[1]).send(aws.ecs)) as SeedTask
  const web = await Promise.all([first, second].map((task) => webHere(task)))
  const [one, two] = web as [TaskHere, TaskHere]
  const apart = one.eniId !== two.eniId && one.ipv4 !== two.ipv4 && one.netns !== two.netns
  claim(apart, 'each copy has its own ENI, address and namespace', `${one.ipv4}, ${two.ipv4}`)
  return [one, two]
}

async function webHere(task: SeedTask): Promise<TaskHere> {
  const taskId = task.taskArn?.split('/').at(-1) ?? ''
  return {
    taskId,
    eniId: detail(task, 'networkInterfaceId') ?? '',
    ipv4: detail(task, 'privateIPv4Address') ?? '',
    mac: detail(task, 'macAddress') ?? '',
    ...(await locate(taskId, 'nginx')),
  }
}

async function untilStatus(
  { aws, signal }: Pick<Stage, 'aws' | 'signal'>,
  arns: readonly string[],
  wanted: string,
): Promise<void> {
  const deadline = performance.now() + RUN_TIMEOUT_MS
  for (;;) {
    signal.throwIfAborted()
    const tasks = await Promise.all(arns.map((arn) => describeTask(CLUSTER, arn).send(aws.ecs)))
    const statuses = (tasks as SeedTask[]).map(({ lastStatus }) => lastStatus)
    if (statuses.every((status) => status === wanted)) return
    const dead = (tasks as SeedTask[]).find(({ lastStatus }) => lastStatus === 'STOPPED')
    if (dead !== undefined && wanted !== 'STOPPED')
      throw new Error(`${dead.taskArn} stopped: ${dead.stoppedReason}`)
    if (performance.now() > deadline) throw new Error(`still ${statuses.join(', ')} after 30 s`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function stopAll(
  { aws, world, signal }: Stage,
  arns: readonly [string, string],
  others: readonly TaskHere[],
): Promise<void> {
  const startedAt = performance.now()
  const stops = arns.map((arn) => stopTask(CLUSTER, arn))
  show(`${commandLine(stopTask(CLUSTER, arns[0]))}   (and the other copy)`)
  const ids = others.map(({ taskId }) => taskId)
  show(`$ enid stop ${ids.map((id) => id.slice(0, 8)).join(' ')}`)
  await Promise.all([
    ...stops.map((command) => aws.run(command)),
    must(ENID, ['stop', ...ids], { env: world.env }),
  ])
  await untilStatus({ aws, signal }, arns, 'STOPPED')
  tell(`all four are STOPPED, ${((performance.now() - startedAt) / 1000).toFixed(1)} s later`)
}
