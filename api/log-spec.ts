// From ECS's words to ours, for where a container's output goes. Docker does the work; only awslogs
// has an option of ECS's own, the prefix that names a stream.

import type { ContainerDefinition } from '@aws-sdk/client-ecs'
import type { LogSpec } from '../state/spec.ts'
import { secretSpecs } from './secret-spec.ts'

const PREFIX = 'awslogs-stream-prefix'

/** The volume of a task's log router; no volume of a definition can be called so. */
export const ROUTER_VOLUME = '~firelens'

/** Docker's own words for it; undefined where the definition says nothing. */
export function logSpec({
  name = '',
  logConfiguration: log,
}: ContainerDefinition): LogSpec | undefined {
  if (log?.logDriver === undefined) return undefined
  if (log.logDriver === 'awsfirelens') return routed(name, log.options ?? {})
  const { [PREFIX]: prefix, ...options } = log.options ?? {}
  const { secretOptions = [] } = log
  const secret = secretOptions.length > 0 && { secretOptions: secretSpecs(secretOptions) }
  if (log.logDriver !== 'awslogs' || prefix === undefined) {
    return { driver: log.logDriver, options: { ...log.options }, ...secret }
  }
  // The task's id is not known yet: drivers/container-plan.ts puts it in.
  return {
    driver: 'awslogs',
    options: { ...options, 'awslogs-stream': `${prefix}/${name}/{task-id}` },
    ...secret,
  }
}

/** As ECS: without waiting for the router, which may start later, and with parts of seconds. */
function routed(name: string, options: Readonly<Record<string, string>>): LogSpec {
  const { 'log-driver-buffer-limit': limit } = options
  return {
    driver: 'fluentd',
    options: {
      tag: `${name}-firelens-{task-id}`,
      'fluentd-async': 'true',
      'fluentd-sub-second-precision': 'true',
      ...(limit === undefined ? {} : { 'fluentd-buffer-limit': limit }),
    },
    router: ROUTER_VOLUME,
  }
}
