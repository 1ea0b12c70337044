// What a holder is meant to be: the plain data that RunTask writes down before anything happens.
// Ours inside: no AWS shapes here (api/ maps them, once). Everything a driver needs to act is in
// the spec, so a restart needs nothing but the journal.

import type { MountSpec, VolumeSpec } from './volume.ts'

/** A holder's id: 32 lower-case hexadecimal digits, the last part of a task's ARN. */
export type HolderId = string

/** Plain data, as SQLite keeps it. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json }

/** When a container may start, seen from the one that waits for it. */
export type Condition = 'START' | 'COMPLETE' | 'SUCCESS' | 'HEALTHY'

/** One ENI of the holder. */
export type EniSpec = {
  /** The subnets it may be made in. Which one it is gets chosen, and journaled, at the last moment. */
  readonly subnetIds: readonly string[]
  /** Empty: the VPC's default group, which EC2 fills in; of a lent ENI those that it wears. */
  readonly securityGroupIds: readonly string[]
  /** How often its groups were ordered since it began; absent: never. */
  readonly groupsOrder?: number
  /** It was a spare's, in other groups: those are no way back from the first order of this task. */
  readonly isTakenOver?: boolean
  /** Groups that were ordered and never heard of: they may have been put on all the same. */
  readonly unheard?: readonly (readonly string[])[]
  /** The last order was refused, and this is the one before: only what is `unheard` is undone for it. */
  readonly isWithdrawn?: boolean
  /** The address it is to have and no other. Absent: EC2 chooses. */
  readonly ipv4?: string
  readonly ipv6?: string
  /** Its public address: `new`, allocated for the task, or the allocation id of one that is there. */
  readonly publicIp?: string
  /** An ENI of somebody else, lent for the task's life: never made, marked or deleted by us. */
  readonly lentEniId?: string
  /** Tags beside our mark. */
  readonly tags: Readonly<Record<string, string>>
}

/** A health check in Docker's terms. */
export type HealthCheck = {
  readonly command: readonly string[]
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly retries: number
  readonly startPeriodMs: number
}

/** Which exits are answered by starting the container again, in place. */
export type Restart = {
  /** Exits with these codes are meant, and stay. */
  readonly ignoredExitCodes: readonly number[]
  /** It must have run for so long, or it is not worth another start. */
  readonly attemptPeriodMs: number
}

/** How the processes of a container are confined, and what they see beside the image's own. */
export type ProcessSpec = {
  /** -1 is no limit. */
  readonly ulimits?: readonly {
    readonly name: string
    readonly soft: number
    readonly hard: number
  }[]
  readonly capabilities?: { readonly add: readonly string[]; readonly drop: readonly string[] }
  readonly devices?: readonly {
    readonly hostPath: string
    readonly containerPath: string
    /** Of r, w and m (mknod). */
    readonly permissions: string
  }[]
  /** A small init as process 1, which forwards signals and reaps. */
  readonly init?: boolean
  readonly sharedMemoryMiB?: number
  readonly tmpfs?: readonly {
    readonly path: string
    readonly sizeMiB: number
    readonly options: readonly string[]
  }[]
  /** Swap beside the hard memory limit; absent: dockerd's own rule. */
  readonly swapMiB?: number
  readonly swappiness?: number
  /** Docker's words. */
  readonly securityOptions?: readonly string[]
  /** Kernel settings of the container's own IPC namespace. */
  readonly sysctls?: Readonly<Record<string, string>>
  readonly standardInput?: boolean
  readonly terminal?: boolean
}

/**
 * What all containers of a task see alike. It is fixed when the sandbox is created: a spare fits
 * only a task without it.
 */
export type SandboxSpec = {
  /** Absent: the ENI's private DNS name. */
  readonly hostname?: string
  /** Lines of /etc/hosts beside the task's own. */
  readonly extraHosts?: readonly { readonly hostname: string; readonly address: string }[]
  /** Absent: the VPC's, as the host has them. */
  readonly nameServers?: readonly string[]
  readonly searchDomains?: readonly string[]
  /** Kernel settings of the namespaces that all containers share. */
  readonly sysctls?: Readonly<Record<string, string>>
  /** Absent: each container has its own. */
  readonly pid?: 'task' | 'host'
  readonly ipc?: 'task' | 'host' | 'none'
}

/** Where Docker sends what a container writes. */
export type LogSpec = {
  readonly driver: string
  readonly options: Readonly<Record<string, string>>
  /** Options whose values are fetched when the container is made, and are never written down. */
  readonly secretOptions?: readonly SecretSpec[]
  /** The volume with the socket that it is sent to. */
  readonly router?: string
}

/** A value that is fetched when its container is made, and is never written down. */
export type SecretSpec = { readonly name: string; readonly from: SecretSource }

/** Where a secret is. `jsonKey`: it is this member of the JSON object that is found there. */
export type SecretSource =
  | {
      readonly store: 'ssm'
      /** A name or an ARN, as SSM takes it. */
      readonly parameter: string
      /** Absent: the host's own. */
      readonly region?: string
    }
  | {
      readonly store: 'secretsmanager'
      readonly secretId: string
      readonly region?: string
      readonly jsonKey?: string
      readonly versionStage?: string
      readonly versionId?: string
    }
  /** A file below the host's directory of secrets. */
  | { readonly store: 'file'; readonly path: string; readonly jsonKey?: string }

/** A file of variables, read when its container is made. */
export type EnvironmentFileSource =
  | { readonly store: 's3'; readonly bucket: string; readonly key: string }
  | { readonly store: 'file'; readonly path: string }

/** Which roles a task has, by their ARNs. */
export type RolesSpec = {
  /** Whose credentials its containers are given. */
  readonly task?: string
  /** Whose credentials the agent fetches its secrets with, where the host has a source of them. */
  readonly execution?: string
  /**
   * Under which id its containers ask for the task role's. Nobody can guess it, and it is no secret
   * all the same: the socket says who asks.
   */
  readonly credentialsId?: string
}

/** One container of the task. */
export type ContainerSpec = {
  readonly name: string
  readonly image: string
  /** Where the login to the image's registry is. Never the login itself. */
  readonly repositorySecret?: SecretSource
  readonly essential: boolean
  readonly dependsOn: readonly { readonly container: string; readonly condition: Condition }[]
  readonly command?: readonly string[]
  readonly entryPoint?: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** Variables that are fetched when it is made; they win over `environment`. */
  readonly secrets?: readonly SecretSpec[]
  /** Variables in files; `environment` wins over them, and the first file over later ones. */
  readonly environmentFiles?: readonly EnvironmentFileSource[]
  readonly workingDirectory?: string
  readonly user?: string
  readonly readonlyRootFilesystem?: boolean
  /** Root on the host, by a setting of the host alone. */
  readonly privileged?: boolean
  readonly dockerLabels: Readonly<Record<string, string>>
  /** Docker's CPU shares. */
  readonly cpuShares?: number
  /** The hard limit. */
  readonly memoryMiB?: number
  readonly memoryReservationMiB?: number
  readonly healthCheck?: HealthCheck
  /** Absent: an exit stays an exit. */
  readonly restart?: Restart
  /** How long SIGTERM may take before SIGKILL. */
  readonly stopTimeoutMs: number
  /** How long after its start others wait for what they depend on. Absent: for ever. */
  readonly startTimeoutMs?: number
  readonly process?: ProcessSpec
  /** Absent: kept by Docker on this host, two files of 10 MB. */
  readonly log?: LogSpec
  /** Volumes of the task, by their names there. */
  readonly mounts?: readonly MountSpec[]
  /** All that other containers of the task mount. */
  readonly volumesFrom?: readonly { readonly container: string; readonly readOnly: boolean }[]
}

/** What a task as a whole may use, however many containers share it. Absent: as much as there is. */
export type CgroupSpec = {
  /** 1024 are one CPU. */
  readonly cpuUnits?: number
  readonly memoryMiB?: number
}

/** What a holder is meant to be. `rows(spec)` in task.ts says what it holds for that. */
export type Spec = {
  readonly kind: 'task' | 'spare' | 'shared'
  /** Its own ENIs. None for a task that takes an address on a shared one. */
  readonly enis: readonly EniSpec[]
  /** Prefix mode: the shared ENI whose address it takes. */
  readonly sharedEni?: HolderId
  readonly containers: readonly ContainerSpec[]
  /** Absent: what every task has. */
  readonly sandbox?: SandboxSpec
  readonly volumes?: readonly VolumeSpec[]
  readonly roles?: RolesSpec
  /** The cgroup around all of it. Absent: none, as in tasks from before there was one. */
  readonly cgroup?: CgroupSpec
  /**
   * Whether containers are made before they may start, each in a row of its own. Absent: made as they
   * are started, as in tasks from before that.
   */
  readonly madeAhead?: true
  /** How long it may wait for room on this host. Absent: there was room when it began. */
  readonly waitMs?: number
  /** Whether the instance metadata service is dropped on the task's links. */
  readonly blockImds: boolean
  /** The family, for names of containers and for logs. */
  readonly family: string
  /** What was asked for, in the words of whoever asked: kept for answering, never for deciding. */
  readonly asked: Json
}
