// From ECS's words to ours, for logs that go through a container of the task (FireLens). Docker sends
// what the others write to a socket in a place that only the task's log router mounts; how the router
// is to go on with it is the file that is written here, as ECS writes it.
//
//   app ──fluentd driver──▶ fluent.sock ──▶ router (fluentd or fluent-bit) ──▶ wherever options say
//   app ──────127.0.0.1:24224 (FLUENT_HOST, FLUENT_PORT)──▶

import type { ContainerDefinition, FirelensConfiguration } from '@aws-sdk/client-ecs'
import type { ContainerSpec, MountSpec, VolumeSpec } from '../state/spec.ts'
import type { Routed } from './firelens-config.ts'
import { fluentBitConfig, fluentdConfig } from './firelens-config.ts'
import { ROUTER_VOLUME } from './log-spec.ts'

/** Where each router looks for what it is to do: the same places as on ECS. */
export const ROUTERS = {
  fluentd: { config: '/fluentd/etc/fluent.conf', output: '@type' },
  fluentbit: { config: '/fluent-bit/etc/fluent-bit.conf', output: 'Name' },
} as const

const CONFIG_FILE = 'fluent.conf'

/** What stands in every record unless the definition says otherwise. */
export type LogMetadata = {
  readonly ecs_cluster: string
  readonly ecs_task_arn: string
  readonly ecs_task_definition: string
  readonly ec2_instance_id: string
}

/** The container whose logs go through the router. */
export const isRouted = ({ logConfiguration }: ContainerDefinition): boolean =>
  logConfiguration?.logDriver === 'awsfirelens'

/** The task's containers and volumes with its log router; as they are where it has none. */
export function withRouter(
  parts: { readonly containers: readonly ContainerSpec[]; readonly volumes: readonly VolumeSpec[] },
  definitions: readonly ContainerDefinition[],
  metadata: LogMetadata,
): typeof parts {
  const router = definitions.find(({ firelensConfiguration: own }) => own?.type !== undefined)
  const configuration = router?.firelensConfiguration
  if (router?.name === undefined || configuration?.type === undefined) return parts
  const { config } = ROUTERS[configuration.type]
  const mounts: MountSpec[] = [
    { volume: ROUTER_VOLUME, part: CONFIG_FILE, path: config, readOnly: true },
    { volume: ROUTER_VOLUME, part: 'socket', path: '/var/run', readOnly: false },
  ]
  const text = configText(configuration, definitions, metadata)
  const volume: VolumeSpec = {
    name: ROUTER_VOLUME,
    kind: 'router',
    files: [{ name: CONFIG_FILE, text }],
  }
  const named = { name: router.name, isFirst: (router.dependsOn ?? []).length === 0 }
  return {
    volumes: [...parts.volumes, volume],
    containers: parts.containers.map((container, n) => {
      const own = container.name === router.name ? addMounts(container, mounts) : container
      return isRouted(definitions[n] ?? {}) ? routed(own, named) : own
    }),
  }
}

const addMounts = (container: ContainerSpec, mounts: readonly MountSpec[]): ContainerSpec => ({
  ...container,
  mounts: [...(container.mounts ?? []), ...mounts],
})

/** ECS: the router starts first, unless it waits for others itself. */
function routed(
  container: ContainerSpec,
  router: { readonly name: string; readonly isFirst: boolean },
): ContainerSpec {
  const { name, dependsOn } = container
  const waits = dependsOn.some((edge) => edge.container === router.name)
  const isAdded = router.isFirst && !waits && name !== router.name
  return {
    ...container,
    environment: { ...container.environment, FLUENT_HOST: '127.0.0.1', FLUENT_PORT: '24224' },
    dependsOn: isAdded
      ? [...dependsOn, { container: router.name, condition: 'START' as const }]
      : dependsOn,
  }
}

function configText(
  { type, options = {} }: FirelensConfiguration,
  definitions: readonly ContainerDefinition[],
  metadata: LogMetadata,
): string {
  const include = options['config-file-type'] === 'file' ? options['config-file-value'] : undefined
  const routed: Routed[] = definitions.filter(isRouted).map(({ name = '', logConfiguration }) => ({
    name,
    options: logConfiguration?.options ?? {},
  }))
  const write = type === 'fluentd' ? fluentdConfig : fluentBitConfig
  const isTold = options['enable-ecs-log-metadata'] !== 'false'
  return write({ routed, metadata: isTold ? metadata : {}, ...(include && { include }) })
}
