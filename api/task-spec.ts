// From ECS's words to ours: a checked definition and what a RunTask overrides become the containers
// of a spec. The only place that knows both.

import type {
  ContainerDefinition,
  ContainerOverride,
  ContainerRestartPolicy,
  HealthCheck as EcsHealthCheck,
  IpcMode,
  TaskOverride,
} from '@aws-sdk/client-ecs'
import type { CgroupSpec, Condition, ContainerSpec, HealthCheck, Restart } from '../state/spec.ts'
import { AwsError, invalid, shown } from './aws-error.ts'
import type { DefinitionBody } from './definition.ts'
import { logSpec } from './log-spec.ts'
import { processSpec } from './process-spec.ts'
import { checkEnvironment } from './rules/environment.ts'
import { checkFits } from './rules/memory.ts'
import { checkEnvironmentFiles, checkNames } from './rules/secrets.ts'
import { fetchedSpecs, registrySecret } from './secret-spec.ts'
import { readSize } from './task-size.ts'
import { refuseOthers } from './unsupported.ts'
import { mountSpecs } from './volume-spec.ts'

/** ECS_CONTAINER_STOP_TIMEOUT's default, seconds. */
const STOP_TIMEOUT_DEFAULT = 30

/** What the ECS agent gives Docker for a container without cpu: the kernel's least. */
const CPU_SHARES_MIN = 2

/** ECS: the overrides of one task have at most 8192 characters. */
const OVERRIDES_MAX = 8192

/** The definition's containers with what this task overrides. Throws AwsError for a bad override. */
export function overridden(
  body: DefinitionBody,
  overrides: TaskOverride,
): { containers: ContainerDefinition[]; size: CgroupSpec } {
  const { family, containerDefinitions } = body
  refuseOthers(overrides, {
    path: 'overrides',
    // On EC2 ephemeralStorage does nothing, as in a definition.
    taken: [
      'containerOverrides',
      'cpu',
      'memory',
      'taskRoleArn',
      'executionRoleArn',
      'ephemeralStorage',
    ],
    instead: {
      inferenceAcceleratorOverrides: 'Accelerators are not given to tasks; leave it out',
    },
  })
  const characters = JSON.stringify(overrides).length
  if (characters > OVERRIDES_MAX) {
    throw invalid('overrides', `${characters} characters; at most ${OVERRIDES_MAX} are allowed`)
  }
  const byName = new Map<string, { override: ContainerOverride; path: string }>()
  for (const [index, override] of (overrides.containerOverrides ?? []).entries()) {
    const path = `overrides.containerOverrides[${index}]`
    const name = override.name ?? ''
    if (!containerDefinitions.some((container) => container.name === name)) {
      const known = containerDefinitions.map((container) => container.name).join(', ')
      const rule = `Override for container named ${name} is not a container in the TaskDefinition`
      throw invalid(`${path}.name`, rule, `${family} has: ${known}`)
    }
    if (byName.has(name)) throw invalid(`${path}.name`, `${shown(name)} is overridden twice`)
    checkOverride(override, path)
    byName.set(name, { override, path })
  }
  const containers = containerDefinitions.map((container) => {
    const mine = byName.get(container.name ?? '')
    return mine === undefined ? container : applied(container, mine)
  })
  const paths = containers.map(({ name = '' }) => byName.get(name)?.path ?? `container ${name}`)
  const size = asInvalid(() => {
    const whole = { ...readSize(body), ...readSize(overrides, 'overrides.') }
    checkFits(containers, whole, paths)
    return whole
  })
  return { containers, size }
}

const OVERRIDABLE = [
  'name',
  'command',
  'environment',
  'environmentFiles',
  'cpu',
  'memory',
  'memoryReservation',
] as const

function checkOverride(override: ContainerOverride, path: string): void {
  refuseOthers(override, {
    path,
    taken: [...OVERRIDABLE],
    instead: {
      resourceRequirements: 'GPUs and accelerators are not given to tasks; leave it out',
    },
  })
  asInvalid(() => {
    checkEnvironment(override.environment ?? [], `${path}.environment`)
    checkEnvironmentFiles(override.environmentFiles ?? [], `${path}.environmentFiles`)
  })
}

function applied(
  container: ContainerDefinition,
  { override, path }: { override: ContainerOverride; path: string },
): ContainerDefinition {
  const { command = [], environment = [], environmentFiles = [] } = override
  const { cpu, memory, memoryReservation } = override
  const added = new Set(environment.map(({ name }) => name))
  const after: ContainerDefinition = {
    ...container,
    ...(command.length === 0 ? {} : { command }),
    // ECS: instead of the definition's files, not beside them.
    ...(environmentFiles.length === 0 ? {} : { environmentFiles }),
    environment: [
      ...(container.environment ?? []).filter(({ name }) => !added.has(name)),
      ...environment,
    ],
    ...(cpu === undefined ? {} : { cpu }),
    ...(memory === undefined ? {} : { memory }),
    ...(memoryReservation === undefined ? {} : { memoryReservation }),
  }
  asInvalid(() => checkNames(after, path))
  return after
}

/** A definition's rule that an override breaks is an InvalidParameterException. */
function asInvalid<T>(rule: () => T): T {
  try {
    return rule()
  } catch (error) {
    if (!(error instanceof AwsError)) throw error
    throw new AwsError('InvalidParameterException', error.message, { restStatus: 400 })
  }
}

/** One container as the drivers take it. Blank members are as good as absent. */
export function containerSpec(container: ContainerDefinition, ipcMode?: IpcMode): ContainerSpec {
  const { command, entryPoint, workingDirectory, user, memory, memoryReservation } = container
  const { stopTimeout = STOP_TIMEOUT_DEFAULT, readonlyRootFilesystem, healthCheck } = container
  const { restartPolicy: policy, repositoryCredentials, privileged } = container
  const secret = repositoryCredentials?.credentialsParameter
  const process = processSpec(container, ipcMode)
  const log = logSpec(container)
  return {
    name: container.name ?? '',
    image: container.image ?? '',
    essential: container.essential ?? true,
    dependsOn: (container.dependsOn ?? []).map(({ containerName, condition }) => ({
      container: containerName ?? '',
      condition: condition as Condition,
    })),
    environment: Object.fromEntries(
      (container.environment ?? []).map(({ name = '', value = '' }) => [name, value]),
    ),
    dockerLabels: container.dockerLabels ?? {},
    cpuShares: Math.max(CPU_SHARES_MIN, container.cpu ?? 0),
    stopTimeoutMs: stopTimeout * 1000,
    ...(command?.length ? { command } : {}),
    ...(entryPoint?.length ? { entryPoint } : {}),
    ...(workingDirectory ? { workingDirectory } : {}),
    ...(user ? { user } : {}),
    ...(readonlyRootFilesystem === undefined ? {} : { readonlyRootFilesystem }),
    ...(secret ? { repositorySecret: registrySecret(secret) } : {}),
    ...(privileged ? { privileged } : {}),
    ...(memory === undefined ? {} : { memoryMiB: memory }),
    ...(memoryReservation === undefined ? {} : { memoryReservationMiB: memoryReservation }),
    ...(healthCheck === undefined ? {} : { healthCheck: healthCheckSpec(healthCheck) }),
    ...(policy?.enabled ? { restart: restartSpec(policy) } : {}),
    ...(process && { process }),
    ...(log && { log }),
    ...(container.startTimeout === undefined
      ? {}
      : { startTimeoutMs: container.startTimeout * 1000 }),
    ...mountSpecs(container),
    ...fetchedSpecs(container),
  }
}

/** The defaults are ECS's: 30 s, 5 s, 3, 0 s. */
const healthCheckSpec = (check: EcsHealthCheck): HealthCheck => ({
  command: check.command ?? [],
  intervalMs: (check.interval ?? 30) * 1000,
  timeoutMs: (check.timeout ?? 5) * 1000,
  retries: check.retries ?? 3,
  startPeriodMs: (check.startPeriod ?? 0) * 1000,
})

/** ECS's default period is 300 s; it ignores no exit code by default. */
const restartSpec = (policy: ContainerRestartPolicy): Restart => ({
  ignoredExitCodes: policy.ignoredExitCodes ?? [],
  attemptPeriodMs: (policy.restartAttemptPeriod ?? 300) * 1000,
})
