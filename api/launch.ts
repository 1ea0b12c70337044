// From a request to tasks: everything is checked, then as many tasks as fit begin in one commit,
// and only then does the agent hear of them. RunTask, StartTask and POST /tasks come through here.
//
//   plan (pure) ──▶ prepare (asks EC2 about subnets) ──▶ plan again ──▶ room ──▶ begin ──▶ start

import { randomBytes } from 'node:crypto'
import type { Failure, RunTaskRequest, RunTaskResponse } from '@aws-sdk/client-ecs'
import type { Draining } from '../agent/orders.ts'
import type { Definition } from '../state/catalog.ts'
import type { Spec } from '../state/spec.ts'
import type { Api } from './api.ts'
import { activeCluster, arnOf, findDefinition, tasksNamed } from './api.ts'
import { containerInstanceArn, taskArn } from './arn.ts'
import { askedJson } from './asked.ts'
import { AwsError, invalid, shown } from './aws-error.ts'
import type { Network } from './awsvpc.ts'
import { readNetwork } from './awsvpc.ts'
import { bodyOf } from './definition.ts'
import { splitTags } from './extension-tags.ts'
import { withRouter } from './firelens-spec.ts'
import { rolesSpec } from './roles-spec.ts'
import { sandboxSpec } from './sandbox-spec.ts'
import { refuseServiceNames } from './service-deployment.ts'
import { checkTags, listOf, tagRecord } from './tags.ts'
import { enisOf } from './task-enis.ts'
import { containerSpec, overridden } from './task-spec.ts'
import { taskView } from './task-view.ts'
import { volumeSpec } from './volume-spec.ts'

/** What is common to RunTask and StartTask, checked where the two differ. */
export type Launch = Pick<
  RunTaskRequest,
  | 'cluster'
  | 'count'
  | 'enableECSManagedTags'
  | 'group'
  | 'networkConfiguration'
  | 'overrides'
  | 'propagateTags'
  | 'startedBy'
  | 'tags'
  | 'taskDefinition'
>

type Plan = {
  readonly cluster: string
  readonly count: number
  readonly network: Network
  readonly spec: Spec
  /** How long what does not fit now may wait. */
  readonly waitMs: number | undefined
  readonly tags: Readonly<Record<string, string>>
}

/** Everything the request says, checked against what there is now. Throws AwsError; changes nothing. */
export function planLaunch(api: Api, input: Launch, given?: Definition): Plan {
  const cluster = activeCluster(api, input.cluster)
  const definition = given ?? runnable(api, input.taskDefinition ?? '')
  const { family, revision } = definition
  const { count = 1, group = `family:${family}`, startedBy, overrides = {}, tags = [] } = input
  if (count < 1 || count > 10) throw invalid('count', `${count} is outside 1 to 10`)
  checkNames(input)
  const { plain, extensions } = splitTags(tags, 'RunTask')
  const network = readNetwork(input.networkConfiguration)
  const own = {
    ...(input.propagateTags === 'TASK_DEFINITION' ? api.catalog.tags(arnOf(api, definition)) : {}),
    ...tagRecord(plain),
  }
  checkTags(listOf(own), "tags with the definition's")
  const enis = enisOf(api, { network, extensions, tags: own, count })
  const { containers, size } = overridden(bodyOf(definition), overrides)
  const asked = askedJson({
    cluster,
    family,
    revision,
    group,
    ...(startedBy === undefined ? {} : { startedBy }),
    overrides,
    cpu: containers.map(({ cpu = 0 }) => cpu),
  })
  const { pidMode, ipcMode, volumes = [] } = bodyOf(definition)
  const shared = { ...(pidMode && { pidMode }), ...(ipcMode && { ipcMode }) }
  const sandbox = sandboxSpec(shared, containers)
  const roles = rolesSpec(api, bodyOf(definition), overrides)
  const parts = {
    containers: containers.map((container) => containerSpec(container, ipcMode)),
    volumes: volumes.map(volumeSpec),
  }
  const whole = withRouter(parts, containers, {
    ecs_cluster: cluster,
    ecs_task_arn: taskArn(api.orders.host, cluster, '{task-id}'),
    ecs_task_definition: `${family}:${revision}`,
    ec2_instance_id: api.orders.host.instanceId,
  })
  const spec: Spec = {
    kind: 'task',
    enis,
    containers: whole.containers,
    ...(sandbox && { sandbox }),
    ...(whole.volumes.length > 0 && { volumes: whole.volumes }),
    ...(roles && { roles }),
    cgroup: size,
    madeAhead: true,
    blockImds: true,
    family,
    asked,
  }
  const managed = input.enableECSManagedTags === true ? { 'aws:ecs:clusterName': cluster } : {}
  const { waitMs } = extensions
  return { cluster, count, network, spec, waitMs, tags: { ...own, ...managed } }
}

/** Every subnet that an ENI of it may be in. */
export const subnetsOf = ({ enis }: Spec): string[] => [
  ...new Set(enis.flatMap(({ subnetIds }) => subnetIds)),
]

/** An ACTIVE definition. Throws AwsError, which says so of one that is not. */
export function runnable(api: Api, text: string): Definition {
  const definition = findDefinition(api, text, 'taskDefinition')
  if (definition.active) return definition
  throw new AwsError('ClientException', `TaskDefinition is inactive: ${shown(text)}`, {
    field: 'taskDefinition',
    hint: 'Register it again',
  })
}

function checkNames({ group, startedBy, propagateTags }: Launch): void {
  if (group !== undefined && (group.length < 1 || group.length > 255)) {
    throw invalid('group', `${shown(group)}: 1 to 255 characters are allowed`)
  }
  if (startedBy !== undefined && !/^[A-Za-z0-9_/-]{1,128}$/.test(startedBy)) {
    const rule = '1 to 128 letters, digits, hyphens, slashes and underscores are allowed'
    throw invalid('startedBy', `${shown(startedBy)}: ${rule}`)
  }
  if (!['TASK_DEFINITION', 'NONE', undefined].includes(propagateTags)) {
    const rule = `${shown(propagateTags)}: TASK_DEFINITION or NONE is allowed; SERVICE is for services`
    throw invalid('propagateTags', rule)
  }
}

/** A client token with what it stands for. */
export type Token = { readonly text: string; readonly request: string }

/** Checks, asks EC2 what placement needs, and begins what fits. Throws AwsError or Failure. */
export async function launch(api: Api, input: Launch, token?: Token): Promise<RunTaskResponse> {
  refuseServiceNames(input)
  const before = replay(api, token)
  if (before !== undefined) return before
  const { spec } = planLaunch(api, input)
  if (api.orders.draining() === undefined) await api.orders.prepare(subnetsOf(spec))
  // While EC2 answered, the cluster may have gone, or a twin of this request may have come.
  return replay(api, token) ?? begin(api, planLaunch(api, input), token)
}

/** The tasks that this token made before. Throws ConflictException for another request. */
function replay(api: Api, token: Token | undefined): RunTaskResponse | undefined {
  const run = token && api.catalog.run(token.text)
  if (run === undefined || token === undefined) return undefined
  const tasks = tasksNamed(api, run.holders)
  if (run.request === token.request) {
    return { tasks: tasks.map((task) => taskView(api, task, { withTags: true })), failures: [] }
  }
  throw new AwsError(
    'ConflictException',
    `the client token ${shown(token.text)} is already in use with a different RunTask request`,
    {
      field: 'clientToken',
      hint: 'Send the same request, or another token',
      resourceIds: tasks.map(({ entry, asked }) =>
        taskArn(api.orders.host, asked.cluster, entry.id),
      ),
    },
  )
}

/** Nothing awaits in here: what room() said is still true when the tasks begin. */
function begin(api: Api, plan: Plan, token: Token | undefined): RunTaskResponse {
  const { journal, catalog, orders } = api
  const draining = orders.draining()
  if (draining !== undefined) return refuse(api, plan, draining)
  const room = orders.room(plan.spec)
  const count = Math.min(plan.count, Math.max(0, room.taskCount))
  const { waitMs } = plan
  const mayWait = waitMs !== undefined && !room.isTooBig && !orders.isQueueFull()
  const begun = [
    ...orders.place(plan.spec, count),
    ...Array.from({ length: mayWait ? plan.count - count : 0 }, () => ({
      id: randomBytes(16).toString('hex'),
      spec: { ...plan.spec, ...(waitMs && { waitMs }) },
    })),
  ]
  const ids = begun.map(({ id }) => id)
  journal.atOnce(() => {
    for (const placed of begun) {
      journal.place(placed)
      catalog.tag(taskArn(orders.host, plan.cluster, placed.id), plan.tags)
    }
    // A token that made nothing is not kept: trying again later is right.
    if (token !== undefined && ids.length > 0) {
      catalog.putRun(token.text, { request: token.request, holders: ids })
    }
  })
  // As it is with those that did fit.
  const { reason, detail, isTooBig } = orders.room(plan.spec)
  const more = isTooBig
    ? '. This host never has so much'
    : waitMs === undefined
      ? ''
      : '. As many tasks wait as may'
  const failure: Failure = {
    arn: containerInstanceArn(orders.host, plan.cluster),
    reason,
    detail: `${detail}${more}`,
  }
  for (const id of ids) orders.start(id)
  return {
    tasks: tasksNamed(api, ids).map((task) => taskView(api, task, { withTags: true })),
    failures: Array.from({ length: plan.count - ids.length }, () => failure),
  }
}

/** In ECS's word for an instance that is not ACTIVE; the detail says why, and what to do. */
function refuse({ orders }: Api, { cluster, count }: Plan, draining: Draining): RunTaskResponse {
  const { since, why, endsAt } = draining
  const remedy =
    endsAt === undefined
      ? 'Run the task elsewhere, or take this host back: enid drain --undo'
      : 'Run the task elsewhere'
  const failure: Failure = {
    arn: containerInstanceArn(orders.host, cluster),
    reason: 'INACTIVE',
    detail: `this host is DRAINING since ${new Date(since).toISOString()}: ${why}. ${remedy}`,
  }
  return { tasks: [], failures: Array.from({ length: count }, () => failure) }
}
