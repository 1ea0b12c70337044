// Every field of a container definition, by the path of the structure it is in.

import { type Fields, idle, refused, taken } from './field.ts'

const AWSVPC = 'In awsvpc mode'

export const CONTAINER_FIELDS: Readonly<Record<string, Fields>> = {
  containerDefinitions: {
    name: taken('names the container; part of its name in Docker'),
    image: taken("pulled or taken from the host, as the host's pull behaviour says"),
    cpu: taken("Docker's CPU shares, at least 2"),
    memory: taken('the hard limit'),
    memoryReservation: taken('the soft limit'),
    essential: taken('its exit stops the task'),
    portMappings: taken('told to whoever asks; nothing is mapped'),
    command: taken('the command'),
    entryPoint: taken('the entry point'),
    environment: taken('variables'),
    workingDirectory: taken('the working directory'),
    user: taken('the user'),
    readonlyRootFilesystem: taken('the root file system cannot be written'),
    dockerLabels: taken("labels; `enid:` and `com.amazonaws.ecs.` are the agent's own"),
    dependsOn: taken('the order of starts, and backwards of stops'),
    healthCheck: taken("Docker's health check"),
    stopTimeout: taken('how long SIGTERM may take before SIGKILL, 30 s by default'),
    restartPolicy: taken('exits that are answered by another start, in place'),
    logConfiguration: taken("Docker's log drivers; `enid logs` reads Docker's own copy"),
    hostname: taken("the whole task's, instead of the ENI's private DNS name; ECS refuses it"),
    extraHosts: taken("lines of the task's /etc/hosts; ECS refuses them in awsvpc mode"),
    dnsServers: taken("the whole task's, instead of the VPC's; ECS refuses them in awsvpc mode"),
    dnsSearchDomains: taken("the whole task's; ECS refuses them in awsvpc mode"),
    linuxParameters: taken('see its members'),
    ulimits: taken('limits; memlock needs NET_RAW to be dropped'),
    dockerSecurityOptions: taken('no-new-privileges, apparmor:…, label:…'),
    systemControls: taken("net.* on the task's namespace, IPC settings on the container"),
    interactive: taken('an open standard input'),
    pseudoTerminal: taken('a terminal'),
    links: refused(
      `${AWSVPC} links are not supported: the containers reach each other on 127.0.0.1`,
    ),
    disableNetworking: refused(`${AWSVPC} every container has the task's network; leave it out`),
    firelensConfiguration: taken('makes it the log router of the task: [firelens.md](firelens.md)'),
    secrets: taken('variables, fetched when the container is made and written down nowhere here'),
    environmentFiles: taken('at most 10 files of variables; environment wins, then the first file'),
    mountPoints: taken('volumes of the task'),
    volumesFrom: taken('all that another container mounts; that one starts first'),
    repositoryCredentials: taken("the login to the image's registry, read for each pull"),
    privileged: taken('root on this host: refused unless the host allows it (ENID_PRIVILEGED)'),
    startTimeout: taken(
      'how long after its start others wait for what they depend on; then the task stops',
    ),
    versionConsistency: refused('Name the image by digest (image@sha256:…) to fix its version'),
    resourceRequirements: refused('GPUs and accelerators are not given to tasks; leave it out'),
    credentialSpecs: refused('They are for Active Directory; leave it out'),
  },
  'containerDefinitions.portMappings': {
    containerPort: taken('the port; one container of a task has it'),
    hostPort: taken('must be the same, or left out'),
    protocol: taken('`tcp` or `udp`'),
    name: taken('unique in the definition'),
    appProtocol: idle('Service Connect reads it, and there is none here'),
    containerPortRange: refused('Write one port mapping for each port'),
  },
  'containerDefinitions.environment': {
    name: taken('not empty, without `=`'),
    value: taken('as it is'),
  },
  'containerDefinitions.dependsOn': {
    containerName: taken('another container of the task'),
    condition: taken('START, COMPLETE, SUCCESS, HEALTHY'),
  },
  'containerDefinitions.healthCheck': {
    command: taken('`["CMD", …]` or `["CMD-SHELL", …]`'),
    interval: taken('5 to 300 s, 30 by default'),
    timeout: taken('2 to 60 s, 5 by default'),
    retries: taken('1 to 10, 3 by default'),
    startPeriod: taken('0 to 300 s, 0 by default'),
  },
  'containerDefinitions.restartPolicy': {
    enabled: taken('whether there is one'),
    ignoredExitCodes: taken('exits that stay exits; at most 50'),
    restartAttemptPeriod: taken('60 to 1800 s that it must have run, 300 by default'),
  },
  'containerDefinitions.linuxParameters': {
    capabilities: taken('added to and dropped from what Docker gives'),
    devices: taken('below /dev'),
    initProcessEnabled: taken('a small init as process 1'),
    sharedMemorySize: taken('MiB of /dev/shm'),
    tmpfs: taken('file systems in memory'),
    maxSwap: taken('MiB of swap beside memory'),
    swappiness: taken('0 to 100, with maxSwap'),
  },
  'containerDefinitions.linuxParameters.capabilities': {
    add: taken(
      'none that could take the IMDS block away, unless the host allows it: NET_ADMIN (ENID_NET_ADMIN); ' +
        'ALL, SYS_ADMIN, SYS_MODULE, SYS_RAWIO (ENID_PRIVILEGED)',
    ),
    drop: taken('any'),
  },
  'containerDefinitions.linuxParameters.devices': {
    hostPath: taken('the device'),
    containerPath: taken('the same unless told'),
    permissions: taken('read, write, mknod; all unless told'),
  },
  'containerDefinitions.linuxParameters.tmpfs': {
    containerPath: taken('where'),
    size: taken('MiB'),
    mountOptions: taken("a tmpfs's"),
  },
  'containerDefinitions.ulimits': {
    name: taken("one of the kernel's limits, once"),
    softLimit: taken('at most the hard one'),
    hardLimit: taken('-1 is none'),
  },
  'containerDefinitions.systemControls': {
    namespace: taken('net.*, kernel.msg*, kernel.sem, kernel.shm*, fs.mqueue.*'),
    value: taken('one for all containers of the task, for net.*'),
  },
  'containerDefinitions.extraHosts': {
    hostname: taken('the name'),
    ipAddress: taken('its address, of either version'),
  },
  'containerDefinitions.firelensConfiguration': {
    type: taken('fluentd or fluentbit'),
    options: taken('enable-ecs-log-metadata, config-file-type (`file`, `s3`), config-file-value'),
  },
  'containerDefinitions.logConfiguration': {
    logDriver: taken('json-file, syslog, journald, gelf, fluentd, awslogs, splunk, awsfirelens'),
    options: taken("the driver's; awslogs-stream-prefix names a stream as ECS does"),
    secretOptions: taken('options that are fetched as secrets are'),
  },
  'containerDefinitions.secrets': {
    name: taken('the variable; none of environment has it'),
    valueFrom: taken(
      'the ARN of a secret or parameter, the name of a parameter, or `file:NAME` (ours)',
    ),
  },
  'containerDefinitions.logConfiguration.secretOptions': {
    name: taken('the option; none of options has it'),
    valueFrom: taken('as for secrets'),
  },
  'containerDefinitions.environmentFiles': {
    value: taken('`arn:aws:s3:::BUCKET/KEY.env`, or `file:NAME.env` (ours)'),
    type: taken('`s3`'),
  },
  'containerDefinitions.repositoryCredentials': {
    credentialsParameter: taken(
      'a secret of Secrets Manager, by ARN or name: `{"username": …, "password": …}`',
    ),
  },
  'containerDefinitions.mountPoints': {
    sourceVolume: taken('a volume of the definition'),
    containerPath: taken('absolute, once in the container'),
    readOnly: taken('false unless told'),
  },
  'containerDefinitions.volumesFrom': {
    sourceContainer: taken('another container of the task'),
    readOnly: taken('false unless told'),
  },
}
