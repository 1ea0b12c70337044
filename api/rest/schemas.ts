// What the REST face takes, as JSON Schema: requests are checked against these, and the OpenAPI
// document is made from them.

import { Type } from 'typebox'

const strict = { additionalProperties: false }
const text = (description: string) => Type.String({ description })

const taskId = Type.String({ description: "A task's id (32 hexadecimal digits) or ARN" })

export const TaskParams = Type.Object({ taskId })

export const TasksQuery = Type.Object(
  {
    cluster: Type.Optional(text('Only tasks of this cluster')),
    family: Type.Optional(text('Only tasks of this family')),
    status: Type.Optional(text('Only tasks with this lastStatus, e.g. RUNNING')),
  },
  strict,
)

export const ServicesQuery = Type.Object(
  { cluster: Type.Optional(text('Only services of this cluster')) },
  strict,
)

export const ServiceParams = Type.Object({
  cluster: text('The cluster of the service'),
  name: text('Its name'),
})

export const LogsQuery = Type.Object(
  {
    container: Type.Optional(text('The container; needed where the task has several')),
    lines: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 10_000, default: 100, description: 'The last lines' }),
    ),
    follow: Type.Optional(
      Type.Boolean({ default: false, description: 'Go on with what it writes, until it ends' }),
    ),
  },
  strict,
)

/** PUT /tasks/:taskId/security-groups. */
export const GroupsBody = Type.Object(
  {
    securityGroups: Type.Array(Type.String(), { description: 'What the ENI wears from now on' }),
    eni: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 99, default: 0, description: 'Which ENI of the task' }),
    ),
  },
  strict,
)

export const ExecBody = Type.Object(
  {
    command: Type.Array(Type.String(), {
      minItems: 1,
      maxItems: 1000,
      description: 'The program and its arguments; no shell reads them',
    }),
    container: Type.Optional(text('The container; needed where the task has several')),
    tty: Type.Optional(Type.Boolean({ default: false, description: 'Whether it has a terminal' })),
    user: Type.Optional(text('As whom; by default as the container’s own program')),
  },
  strict,
)

export const StopQuery = Type.Object(
  { reason: Type.Optional(text('Why; shown as stoppedReason, at most 255 characters')) },
  strict,
)

export const EventsQuery = Type.Object(
  { task: Type.Optional(text('Only events of the task with this id')) },
  strict,
)

export const DrainBody = Type.Object(
  {
    stopTasks: Type.Optional(
      Type.Boolean({ default: true, description: 'Whether tasks that run are stopped' }),
    ),
    reason: Type.Optional(text('Why; shown in status and stoppedReason, at most 255 characters')),
  },
  strict,
)

/** POST /tasks: RunTask in fewer words. Either `taskDefinition` or `definition`. */
export const StartBody = Type.Object(
  {
    taskDefinition: Type.Optional(text('family, family:revision or ARN')),
    definition: Type.Optional(
      Type.Unknown({ description: 'A task definition as for RegisterTaskDefinition' }),
    ),
    subnets: Type.Array(Type.String(), { description: '1 to 16 subnet ids' }),
    securityGroups: Type.Optional(
      Type.Array(Type.String(), { description: "At most 5; none: the VPC's default group" }),
    ),
    count: Type.Optional(Type.Integer({ minimum: 1, maximum: 10 })),
    cluster: Type.Optional(Type.String()),
    group: Type.Optional(Type.String()),
    startedBy: Type.Optional(Type.String()),
    clientToken: Type.Optional(text('The same token and request give the same tasks')),
    overrides: Type.Optional(Type.Unknown({ description: 'As for RunTask' })),
    tags: Type.Optional(Type.Record(Type.String(), Type.String())),
    extensions: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        description: 'What RunTask takes as tags `enid:…`, without the prefix: docs/extensions.md',
      }),
    ),
  },
  strict,
)
