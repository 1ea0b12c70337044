// The seed prints what describe-tasks says of an awsvpc task, with `...` where it leaves things out.
// This prints ours in the same form and order, and says what of the seed's form is missing in it.

/** One task as DescribeTasks answers, as far as the seed shows it. */
export type SeedTask = {
  readonly taskArn?: string
  readonly group?: string
  readonly attachments?: readonly Attachment[]
  readonly desiredStatus?: string
  readonly lastStatus?: string
  readonly taskDefinitionArn?: string
  readonly stoppedReason?: string
  readonly stopCode?: string
  readonly containers?: readonly Container[]
}

type Attachment = {
  readonly status?: string
  readonly type?: string
  readonly id?: string
  readonly details?: readonly { readonly name?: string; readonly value?: string }[]
}

type Container = {
  readonly containerArn?: string
  readonly taskArn?: string
  readonly name?: string
  readonly networkBindings?: readonly unknown[]
  readonly lastStatus?: string
  readonly networkInterfaces?: readonly {
    readonly privateIpv4Address?: string
    readonly attachmentId?: string
  }[]
}

const DETAILS = ['subnetId', 'networkInterfaceId', 'macAddress', 'privateIPv4Address']

/** The named detail of the task's first ENI attachment. */
export const detail = (task: SeedTask, name: string): string | undefined =>
  task.attachments?.[0]?.details?.find((entry) => entry.name === name)?.value

/** What the seed's printout has and this task has not; empty when it is all there. */
export function missingFrom(task: SeedTask): string[] {
  const attachment = task.attachments?.[0]
  const container = task.containers?.[0]
  const checks: readonly (readonly [string, boolean])[] = [
    ['taskArn', /^arn:aws:ecs:.+:task\/.+/.test(task.taskArn ?? '')],
    ['group "family:nginx-awsvpc"', task.group === 'family:nginx-awsvpc'],
    ['desiredStatus "RUNNING"', task.desiredStatus === 'RUNNING'],
    ['taskDefinitionArn', /:task-definition\/nginx-awsvpc:\d+$/.test(task.taskDefinitionArn ?? '')],
    ['attachment status "ATTACHED"', attachment?.status === 'ATTACHED'],
    ['attachment type', attachment?.type === 'ElasticNetworkInterface'],
    ...DETAILS.map((name) => [`detail ${name}`, (detail(task, name) ?? '') !== ''] as const),
    ['containerArn', /^arn:aws:ecs:.+:container\/.+/.test(container?.containerArn ?? '')],
    ['container name "nginx"', container?.name === 'nginx'],
    ['container networkBindings []', container?.networkBindings?.length === 0],
    ['container lastStatus "RUNNING"', container?.lastStatus === 'RUNNING'],
    [
      'container privateIpv4Address',
      container?.networkInterfaces?.[0]?.privateIpv4Address === detail(task, 'privateIPv4Address'),
    ],
    [
      'container attachmentId',
      container?.networkInterfaces?.[0]?.attachmentId === attachment?.id &&
        attachment !== undefined,
    ],
  ]
  return checks.filter(([, holds]) => !holds).map(([what]) => what)
}

/** The task in the seed's own form: its keys, in its order, `...` where it has more. */
export function printAsSeed(task: SeedTask): string {
  const { taskArn, group, desiredStatus, taskDefinitionArn } = task
  const attachments = (task.attachments ?? []).map(({ status, type, id, details = [] }) => ({
    status,
    type,
    id,
    details: details.filter(({ name }) => DETAILS.includes(name ?? '')),
  }))
  const containers = (task.containers ?? []).map((container) => ({
    containerArn: container.containerArn,
    taskArn: container.taskArn,
    name: container.name,
    networkBindings: container.networkBindings,
    lastStatus: container.lastStatus,
    networkInterfaces: container.networkInterfaces?.map((eni) => ({
      privateIpv4Address: eni.privateIpv4Address,
      attachmentId: eni.attachmentId,
    })),
  }))
  const text = (part: object) => JSON.stringify(part, null, 4).split('\n').slice(1, -1).join('\n')
  return [
    '{',
    `${text({ taskArn, group, attachments })},`,
    '    ...',
    text({ desiredStatus, taskDefinitionArn, containers }),
    '}',
  ].join('\n')
}
