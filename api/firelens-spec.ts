// From ECS's words to ours, for logs that go through a container of the task (FireLens). Docker sends
// what the others write to a socket in a place that only the task's log router mounts; how the router
// is to go on with it is the file that is written here, as ECS writes it.
//
//   app ──fluentd driver──▶ fluent.sock ──▶ router (fluentd or fluent-bit) ──▶ wherever options say
//   app ──────127.0.0.1:24224 (FLUENT_HOST, FLUENT_PORT)──▶

import type { ContainerDefinition, FirelensConfiguration } from '@aws-sdk/client-ecs'
import type { ContainerSpec, EnvironmentFileSource, SecretSpec } from '../state/spec.ts'
import type { MountSpec, RouterFile, VolumeSpec } from '../state/volume.ts'
import type { Routed } from './firelens-config.ts'
import { fluentBitConfig, fluentdConfig } from './firelens-config.ts'
import { ROUTER_VOLUME } from './log-spec.ts'
import { s3Object, secretSpecs } from './secret-spec.ts'

/** Where each router looks for what it is to do: the same places as on ECS. */
export const ROUTERS = {
  fluentd: { folder: '/fluentd/etc', config: 'fluent.conf', output: '@type' },
  fluentbit: { folder: '/fluent-bit/etc', config: 'fluent-bit.conf', output: 'Name' },
} as const

/** A file that was fetched for the router, beside its own. */
const EXTERNAL = 'external.conf'

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
  const { folder, config } = ROUTERS[configuration.type]
  const external = externalOf(configuration)
  const text = configText(configuration, definitions, metadata)
  const files: RouterFile[] = [
    { name: config, text },
    ...(external === undefined ? [] : [{ name: EXTERNAL, from: external }]),
  ]
  const mounts: MountSpec[] = [
    ...files.map(({ name }) => ({
      ...{ volume: ROUTER_VOLUME, part: name, path: `${folder}/${name}`, readOnly: true },
    })),
    { volume: ROUTER_VOLUME, part: 'socket', path: '/var/run', readOnly: false },
  ]
  const volume: VolumeSpec = { name: ROUTER_VOLUME, kind: 'router', files }
  const secrets = definitions.flatMap(routedSecrets)
  const named = { name: router.name, isFirst: (router.dependsOn ?? []).length === 0 }
  return {
    volumes: [...parts.volumes, volume],
    containers: parts.containers.map((container, n) => {
      const own = container.name === router.name ? equipped(container, mounts, secrets) : container
      return isRouted(definitions[n] ?? {}) ? routed(own, named) : own
    }),
  }
}

const equipped = (
  container: ContainerSpec,
  mounts: readonly MountSpec[],
  secrets: readonly SecretSpec[],
): ContainerSpec => ({
  ...container,
  mounts: [...(container.mounts ?? []), ...mounts],
  ...(secrets.length > 0 && { secrets: [...(container.secrets ?? []), ...secrets] }),
})

/** ECS's name of the router's variable for a secret option of the n-th container. */
const variableOf = (option: string, n: number): string => `${option}_${n}`

/** What is secret of an output is told to the router alone, and stands in no file. */
function routedSecrets(definition: ContainerDefinition, n: number): SecretSpec[] {
  if (!isRouted(definition)) return []
  const { secretOptions = [] } = definition.logConfiguration ?? {}
  return secretSpecs(secretOptions).map(({ name, from }) => ({ name: variableOf(name, n), from }))
}

/** Where the router's own file is, if it is to be fetched. */
const externalOf = ({ options = {} }: FirelensConfiguration): EnvironmentFileSource | undefined =>
  options['config-file-type'] === 's3' ? s3Object(options['config-file-value'] ?? '') : undefined

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
  const router = ROUTERS[type ?? 'fluentbit']
  const ofImage = options['config-file-type'] === 'file' ? options['config-file-value'] : undefined
  const include = externalOf({ type, options }) ? `${router.folder}/${EXTERNAL}` : ofImage
  const routed: Routed[] = definitions.flatMap((definition, n) => {
    const { name = '', logConfiguration: log } = definition
    const secret = (log?.secretOptions ?? []).map(({ name: option = '' }): [string, string] => {
      const variable = variableOf(option, n)
      return [option, type === 'fluentd' ? `"#{ENV['${variable}']}"` : `\${${variable}}`]
    })
    const all = { ...log?.options, ...Object.fromEntries(secret) }
    return isRouted(definition) ? [{ name, options: all }] : []
  })
  const write = type === 'fluentd' ? fluentdConfig : fluentBitConfig
  const isTold = options['enable-ecs-log-metadata'] !== 'false'
  return write({ routed, metadata: isTold ? metadata : {}, ...(include && { include }) })
}
