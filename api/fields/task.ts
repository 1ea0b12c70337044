// Every field of a task definition outside its containers, by the path of the structure it is in.

import { type Fields, idle, refused, taken } from './field.ts'

export const TASK_FIELDS: Readonly<Record<string, Fields>> = {
  '': {
    family: taken('names the definition, its containers and its logs'),
    networkMode: taken('`awsvpc`, and nothing else'),
    requiresCompatibilities: taken('EC2 and EXTERNAL are what this host is'),
    containerDefinitions: taken('1 to 10 containers in one network namespace'),
    runtimePlatform: taken('compared with this host'),
    tags: taken('kept with the definition; propagateTags hands them on'),
    cpu: taken(
      "what all containers may use together: a CPU quota on the task's cgroup, 128 to 196608 units or vCPUs",
    ),
    memory: taken(
      "what all containers may use together: the memory limit of the task's cgroup, MiB or GB",
    ),
    taskRoleArn: taken('its credentials are given to the containers; the rolesFile has a source'),
    executionRoleArn: taken(
      'secrets, environment files and registry logins are fetched with it, where the rolesFile has it',
    ),
    volumes: taken('mounted by mountPoints'),
    placementConstraints: refused('This host is the only one; leave it out'),
    pidMode: taken(
      '`task`: one process namespace for all, with the pause process as its first; `host`',
    ),
    ipcMode: taken('`task`, `host`, `none`'),
    proxyConfiguration: refused(
      'Run the proxy as a container of the task; it shares the network namespace',
    ),
    inferenceAccelerators: refused('Accelerators are not given to tasks; leave it out'),
    ephemeralStorage: idle("it is Fargate's: on EC2 the disk is the host's own"),
    enableFaultInjection: refused('Nothing in the task injects faults; leave it out'),
  },
  volumes: {
    name: taken('once in the definition'),
    host: taken('a place of the host, or none'),
    dockerVolumeConfiguration: taken('a volume of Docker'),
    efsVolumeConfiguration: taken(
      "mounted by NFS 4.1 from within the task's network namespace, and unmounted with the task",
    ),
    s3filesVolumeConfiguration: refused('Mount it on the host, and use host'),
    fsxWindowsFileServerVolumeConfiguration: refused('It is for Windows; leave it out'),
    configuredAtLaunch: refused('EBS volumes are not made for tasks; leave it out'),
  },
  'volumes.host': {
    sourcePath: taken('absolute; made where it is missing. Left out: a volume of the task'),
  },
  'volumes.dockerVolumeConfiguration': {
    scope: taken(
      '`task`: made for the task, removed with it. `shared`: found by its name, and kept',
    ),
    autoprovision: taken('whether a shared one is made where it is missing'),
    driver: taken('`local` unless told'),
    driverOpts: taken("the driver's"),
    labels: taken("labels; `enid:` is the agent's own"),
  },
  'volumes.efsVolumeConfiguration': {
    fileSystemId: taken('`fs-…`, of the region of this host, without TLS'),
    rootDirectory: taken('what of it is mounted: `/` unless told'),
    transitEncryption: taken('`DISABLED`; ENABLED is refused: TLS takes amazon-efs-utils'),
    transitEncryptionPort: refused('It is for TLS, which takes amazon-efs-utils; leave it out'),
    authorizationConfig: taken('nothing but iam `DISABLED`'),
  },
  'volumes.efsVolumeConfiguration.authorizationConfig': {
    accessPointId: refused(
      'Access points take TLS by amazon-efs-utils: name their folder in rootDirectory',
    ),
    iam: taken('`DISABLED`; ENABLED is refused: it takes TLS by amazon-efs-utils'),
  },
  runtimePlatform: {
    operatingSystemFamily: taken('`LINUX`'),
    cpuArchitecture: taken("must be this host's"),
  },
  tags: {
    key: taken('a tag'),
    value: taken('its value'),
  },
}
