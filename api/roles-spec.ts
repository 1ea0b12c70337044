// The roles of a task, in our words: whose credentials its containers are given, and with whose the
// agent fetches what it needs. A task role without a source on this host is refused before anything
// is made, as ECS refuses one that it cannot assume.

import type { TaskOverride } from '@aws-sdk/client-ecs'
import type { RolesSpec } from '../state/spec.ts'
import type { Api } from './api.ts'
import { roleArn } from './arn.ts'
import { AwsError, invalid, shown } from './aws-error.ts'
import type { DefinitionBody } from './definition.ts'
import { ROLE, ROLE_RULE } from './rules/secrets.ts'

/** The part of the spec; undefined where there are none. Throws AwsError. */
export function rolesSpec(
  { orders }: Api,
  { taskRoleArn: ofTask, executionRoleArn: ofAgent }: DefinitionBody,
  overrides: TaskOverride,
): RolesSpec | undefined {
  const { taskRoleArn = ofTask, executionRoleArn = ofAgent } = overrides
  for (const [name, role] of Object.entries({ taskRoleArn, executionRoleArn })) {
    if (role && !ROLE.test(role)) throw invalid(`overrides.${name}`, `${shown(role)}: ${ROLE_RULE}`)
  }
  const task = taskRoleArn ? roleArn(orders.host, taskRoleArn) : undefined
  if (task !== undefined && !orders.hasRole(task)) {
    const rule = `ECS was unable to assume the role '${task}' that was provided for this task`
    throw new AwsError('ClientException', rule, {
      field: overrides.taskRoleArn ? 'overrides.taskRoleArn' : 'taskRoleArn',
      hint: 'Name a source of its credentials in the rolesFile of the agent (docs/credentials.md)',
    })
  }
  const spec: RolesSpec = {
    ...(task === undefined ? {} : { task }),
    ...(executionRoleArn ? { execution: roleArn(orders.host, executionRoleArn) } : {}),
  }
  return Object.keys(spec).length === 0 ? undefined : spec
}
