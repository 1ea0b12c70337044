// What Docker is asked for, for one container of a task. Pure: a spec in, Docker's words out.

import { endpointId } from '../../state/endpoint-id.ts'
import type { ContainerSpec, HealthCheck, LogSpec, ProcessSpec, Spec } from '../../state/spec.ts'
import { ENDPOINT } from '../../state/task-endpoint.ts'
import { parentOf } from './cgroup/path.ts'
import type { ContainerPlan } from './docker.ts'
import type { Job } from './driver.ts'
import { type Fetched, NOTHING } from './values/values.ts'

type HostConfig = NonNullable<ContainerPlan['HostConfig']>

const MIB = 1024 * 1024

/** Stands for the task's id in the name of an awslogs stream, and in the tag of what is routed (api/log-spec.ts). */
const TASK_ID = '{task-id}'

/** What Docker keeps of a container's output at most: two files of this size. */
const LOG_FILE = { 'max-size': '10m', 'max-file': '2' }

/**
 * AF_XDP sends past every nftables hook, the IMDS block among them, and Docker's default
 * capabilities and seccomp allow it (measured). It needs locked memory for its frames: none, none.
 * A definition that wants locked memory drops NET_RAW instead (api/rules/linux.ts).
 */
const NO_LOCKED_MEMORY = { name: 'memlock', soft: 0, hard: 0 }

/**
 * The plan without its labels, with what was fetched for it, and variables that nothing else names.
 * The container joins the namespaces of the task's pause container.
 */
export function planOf(
  spec: ContainerSpec,
  job: Pick<Job, 'holderId' | 'spec' | 'details' | 'known'>,
  pauseContainerId: string,
  { fromFiles, secrets, logOptions }: Fetched = NOTHING,
  more: Readonly<Record<string, string>> = {},
): ContainerPlan {
  const { spec: task } = job
  const { command, entryPoint, workingDirectory, user, healthCheck, process = {} } = spec
  const cgroup = job.known('cgroup', 'cgroup')?.path
  return {
    Image: spec.image,
    Env: Object.entries({
      ...more,
      ...fromFiles,
      ...spec.environment,
      ...secrets,
      ...ownEnvironment(job, spec),
    }).map(([key, value]) => `${key}=${value}`),
    ...(command && { Cmd: [...command] }),
    ...(entryPoint && { Entrypoint: [...entryPoint] }),
    ...(workingDirectory === undefined ? {} : { WorkingDir: workingDirectory }),
    ...(user === undefined ? {} : { User: user }),
    ...(healthCheck && { Healthcheck: healthOf(healthCheck) }),
    ...(process.standardInput && { OpenStdin: true }),
    ...(process.terminal && { Tty: true }),
    StopTimeout: Math.ceil(spec.stopTimeoutMs / 1000),
    HostConfig: {
      NetworkMode: `container:${pauseContainerId}`,
      ...namespaces(task, pauseContainerId),
      ...(cgroup !== undefined && { CgroupParent: parentOf(cgroup) }),
      ReadonlyRootfs: spec.readonlyRootFilesystem ?? false,
      ...(spec.privileged && { Privileged: true }),
      CpuShares: spec.cpuShares ?? 0,
      Memory: (spec.memoryMiB ?? 0) * MIB,
      MemoryReservation: (spec.memoryReservationMiB ?? 0) * MIB,
      LogConfig: logConfig(spec.log, job, logOptions),
      ...confinement(process, spec.memoryMiB ?? 0),
      ...mounts(job, spec),
      Ulimits: ulimits(process, task.blockImds),
      RestartPolicy: { Name: 'no' },
    },
  }
}

/** What every container of a task on ECS is told: where it may ask about itself. */
function ownEnvironment(
  { holderId, spec: { roles } }: Pick<Job, 'holderId' | 'spec'>,
  { name }: ContainerSpec,
): Record<string, string> {
  const id = endpointId(holderId, name)
  const endpoint = `http://${ENDPOINT.address}`
  return {
    ECS_CONTAINER_METADATA_URI: `${endpoint}/v3/${id}`,
    ECS_CONTAINER_METADATA_URI_V4: `${endpoint}/v4/${id}`,
    ECS_AGENT_URI: `${endpoint}/api/${id}`,
    AWS_EXECUTION_ENV: 'AWS_ECS_EC2',
    ...(roles?.credentialsId && {
      AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: `/v2/credentials/${roles.credentialsId}`,
    }),
  }
}

/** `task`: those of the pause container, which is the first process and reaps. */
function namespaces({ sandbox = {} }: Spec, pauseContainerId: string): HostConfig {
  const mode = (of: 'task' | 'host' | 'none') =>
    of === 'task' ? `container:${pauseContainerId}` : of
  return {
    ...(sandbox.pid && { PidMode: mode(sandbox.pid) }),
    ...(sandbox.ipc && { IpcMode: mode(sandbox.ipc) }),
  }
}

function mounts(
  { spec: task, details }: Pick<Job, 'spec' | 'details'>,
  { mounts: own = [], volumesFrom = [] }: ContainerSpec,
): HostConfig {
  const mode = (readOnly: boolean) => (readOnly ? 'ro' : 'rw')
  const source = (name: string): string => {
    const volume = task.volumes?.find((one) => one.name === name)
    if (volume?.kind === 'bind') return volume.hostPath
    return details('volume', `volume:${name}`).volumeName
  }
  const idOf = (name: string): string =>
    task.madeAhead
      ? details('created', `created:${name}`).containerId
      : details('container', `container:${name}`).containerId
  const from = ({ container, readOnly }: (typeof volumesFrom)[number]): string =>
    `${idOf(container)}:${mode(readOnly)}`
  return {
    // Docker makes a place of the host that is not there, as on ECS.
    ...(own.length > 0 && {
      Binds: own.map(({ volume, part, path, readOnly }) => {
        const from = part === undefined ? source(volume) : `${source(volume)}/${part}`
        return `${from}:${path}:${mode(readOnly)}`
      }),
    }),
    ...(volumesFrom.length > 0 && { VolumesFrom: volumesFrom.map(from) }),
  }
}

function logConfig(
  log: LogSpec | undefined,
  { holderId, details }: Pick<Job, 'holderId' | 'details'>,
  fetched: Fetched['logOptions'],
): HostConfig['LogConfig'] {
  if (log === undefined) return { Type: 'json-file', Config: LOG_FILE }
  const name = log.router === undefined ? 'awslogs-stream' : 'tag'
  const text = log.options[name]?.replace(TASK_ID, holderId)
  const own = text === undefined ? {} : { [name]: text }
  const folder = log.router && details('volume', `volume:${log.router}`).volumeName
  const address = folder && { 'fluentd-address': `unix://${folder}/socket/fluent.sock` }
  return { Type: log.driver, Config: { ...log.options, ...fetched, ...own, ...address } }
}

function confinement(process: ProcessSpec, memoryMiB: number): HostConfig {
  const { capabilities, devices, tmpfs, sharedMemoryMiB, swapMiB, swappiness } = process
  const { securityOptions, sysctls } = process
  return {
    ...(capabilities && { CapAdd: [...capabilities.add], CapDrop: [...capabilities.drop] }),
    ...(devices && {
      Devices: devices.map(({ hostPath, containerPath, permissions }) => ({
        PathOnHost: hostPath,
        PathInContainer: containerPath,
        CgroupPermissions: permissions,
      })),
    }),
    ...(process.init && { Init: true }),
    ...(sharedMemoryMiB === undefined ? {} : { ShmSize: sharedMemoryMiB * MIB }),
    ...(tmpfs && {
      Tmpfs: Object.fromEntries(
        tmpfs.map(({ path, sizeMiB, options }) => [path, [`size=${sizeMiB}m`, ...options].join()]),
      ),
    }),
    // Docker counts memory and swap together.
    ...(swapMiB === undefined ? {} : { MemorySwap: (memoryMiB + swapMiB) * MIB }),
    ...(swappiness === undefined ? {} : { MemorySwappiness: swappiness }),
    ...(securityOptions && { SecurityOpt: [...securityOptions] }),
    ...(sysctls && { Sysctls: { ...sysctls } }),
  }
}

function ulimits({ ulimits: own = [] }: ProcessSpec, blockImds: boolean): HostConfig['Ulimits'] {
  const wantsMemory = own.some(({ name }) => name === 'memlock')
  const all = blockImds && !wantsMemory ? [...own, NO_LOCKED_MEMORY] : own
  return all.map(({ name, soft, hard }) => ({ Name: name, Soft: soft, Hard: hard }))
}

/** Docker counts in nanoseconds. */
const healthOf = (check: HealthCheck): NonNullable<ContainerPlan['Healthcheck']> => ({
  Test: [...check.command],
  Interval: check.intervalMs * 1e6,
  Timeout: check.timeoutMs * 1e6,
  Retries: check.retries,
  StartPeriod: check.startPeriodMs * 1e6,
})
