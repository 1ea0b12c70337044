// A task definition at the door: every rule, then the defaults that ECS fills in. Pure; what comes
// out is stored as it is and answered back whole.

import type {
  ContainerDefinition,
  RegisterTaskDefinitionRequest,
  TaskDefinition,
} from '@aws-sdk/client-ecs'
import type { Definition } from '../state/catalog.ts'
import type { Json } from '../state/spec.ts'
import type { Api } from './api.ts'
import { arnOf } from './api.ts'
import { clientError } from './aws-error.ts'
import {
  containerCount,
  containerNames,
  essential,
  images,
  startedHow,
} from './rules/containers.ts'
import { dependencies, noCycle } from './rules/depends-on.ts'
import { dockerLabels, environment } from './rules/environment.ts'
import { firelens } from './rules/firelens.ts'
import { healthChecks } from './rules/health-check.ts'
import {
  capabilities,
  devicesAndMounts,
  privileged,
  securityOptions,
  sharedMemoryAndSwap,
  ulimits,
} from './rules/linux.ts'
import { logging } from './rules/logging.ts'
import { memory } from './rules/memory.ts'
import { onePortEach, ports } from './rules/ports.ts'
import { repositoryCredentials } from './rules/repository.ts'
import { restartPolicies } from './rules/restart-policy.ts'
import type { Rule, RuleHost } from './rules/rule.ts'
import { environmentFiles, roles, secrets } from './rules/secrets.ts'
import { extraHosts, hostNames, namespaces, resolvers } from './rules/shared.ts'
import { supported } from './rules/supported.ts'
import { systemControls } from './rules/system-controls.ts'
import {
  family,
  networkMode,
  requiresCompatibilities,
  runtimePlatform,
  size,
} from './rules/task.ts'
import { mountPoints, volumes, volumesFrom } from './rules/volumes.ts'
import { checkTags } from './tags.ts'
import { readSize, sizeTexts } from './task-size.ts'
import { isBlank } from './unsupported.ts'

/** In the order in which a person would want to hear of them. */
const RULES: readonly Rule[] = [
  family,
  networkMode,
  containerCount,
  containerNames,
  supported,
  requiresCompatibilities,
  runtimePlatform,
  images,
  repositoryCredentials,
  essential,
  memory,
  ports,
  onePortEach,
  environment,
  environmentFiles,
  secrets,
  roles,
  dockerLabels,
  healthChecks,
  volumes,
  mountPoints,
  volumesFrom,
  dependencies,
  noCycle,
  startedHow,
  restartPolicies,
  capabilities,
  ulimits,
  devicesAndMounts,
  sharedMemoryAndSwap,
  securityOptions,
  privileged,
  systemControls,
  hostNames,
  extraHosts,
  resolvers,
  namespaces,
  logging,
  firelens,
  ({ tags }) => checkTags(tags ?? [], 'tags', { refusal: clientError }),
  size,
]

/** A definition as it is stored: what was registered, with ECS's defaults, without its name. */
export type DefinitionBody = Omit<
  RegisterTaskDefinitionRequest,
  'tags' | 'containerDefinitions'
> & {
  readonly containerDefinitions: readonly ContainerDefinition[]
}

/** Checks every rule and fills in the defaults. Throws AwsError at the first rule that is broken. */
export function checkDefinition(
  input: RegisterTaskDefinitionRequest,
  host: RuleHost,
): DefinitionBody {
  for (const rule of RULES) rule(input, host)
  const { tags: _, containerDefinitions = [], ...rest } = input
  return {
    ...withoutEmpty(rest),
    ...sizeTexts(readSize(input)),
    family: input.family,
    volumes: input.volumes ?? [],
    placementConstraints: [],
    containerDefinitions: containerDefinitions.map(withDefaults),
  }
}

/** ECS answers a container with these filled in, whether or not they were written. */
function withDefaults(container: ContainerDefinition): ContainerDefinition {
  const { portMappings = [], ...rest } = withoutEmpty(container)
  return {
    ...rest,
    cpu: container.cpu ?? 0,
    portMappings: portMappings.map((mapping) => ({
      ...withoutEmpty(mapping),
      hostPort: mapping.containerPort,
      protocol: mapping.protocol ?? 'tcp',
    })),
    essential: container.essential ?? true,
    environment: (container.environment ?? []).map(({ name, value = '' }) => ({ name, value })),
    mountPoints: container.mountPoints ?? [],
    volumesFrom: container.volumesFrom ?? [],
    systemControls: container.systemControls ?? [],
  }
}

/** Without what says nothing: skeletons and CDK send empty lists and strings. */
const withoutEmpty = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, item]) => !isBlank(item))) as T

/** As plain data: it was read from JSON and holds nothing else. */
export const bodyJson = (body: DefinitionBody): Json => body as unknown as Json

export const bodyOf = ({ body }: Definition): DefinitionBody => body as unknown as DefinitionBody

/** The definition as ECS describes it. */
export function definitionView(api: Api, definition: Definition): TaskDefinition {
  const { containerDefinitions, ...rest } = bodyOf(definition)
  const { registeredAt, stoppedAt } = definition
  return {
    taskDefinitionArn: arnOf(api, definition),
    containerDefinitions: [...containerDefinitions],
    ...rest,
    revision: definition.revision,
    status: definition.active ? 'ACTIVE' : 'INACTIVE',
    compatibilities: ['EC2'],
    registeredAt: new Date(registeredAt),
    ...(stoppedAt === undefined ? {} : { deregisteredAt: new Date(stoppedAt) }),
  }
}
