// What the ECS agent's own functional tests ask of a task, by the names they have there (`simpletests`
// and others, github.com/aws/amazon-ecs-agent at 83d332e24^), as data: containers, and how each must
// end. A container that found what it looked for exits with 42, as theirs do; anything else is a
// finding. docs/scenarios.md has the whole list, with those that do not apply.

import type {
  ContainerDefinition,
  KeyValuePair,
  RegisterTaskDefinitionCommandInput,
  TaskOverride,
} from '@aws-sdk/client-ecs'

/** A container by its shell line; `app` is the essential one. */
export type Part = Partial<Omit<ContainerDefinition, 'environment'>> & {
  readonly line: string
  readonly environment?: KeyValuePair[]
}

export type Scenario = {
  /** The name it has at the ECS agent. */
  readonly name: string
  readonly what: string
  readonly containers: Readonly<Record<string, Part>>
  readonly task?: Partial<RegisterTaskDefinitionCommandInput>
  /** What RunTask says otherwise. */
  readonly overrides?: TaskOverride
  /** The exit codes when the task has stopped; `undefined`: it never ran. */
  readonly exits: Readonly<Record<string, number | undefined>>
  /** What `stoppedReason` must say. */
  readonly reason?: RegExp
}

/** The end of a line: 42 where the test before it holds. */
const OK = '&& exit 42; exit 1'
const B = '/busybox'
/** Whether a capability is in force, by its number (linux/capability.h). */
const capability = (number: number) =>
  `$(( 0x$(${B} awk '/CapEff/ { print $2 }' /proc/self/status) >> ${number} & 1 ))`
const after = (containerName: string, condition: 'START' | 'COMPLETE' | 'SUCCESS' | 'HEALTHY') => ({
  dependsOn: [{ containerName, condition }],
})
const app = (line: string, more: Partial<Part> = {}): { app: Part } => ({ app: { line, ...more } })
const exits42 = { app: 42 }
/** Ends itself, so that nothing outlives a test that went wrong. */
const IDLE = `exec ${B} sleep 60`

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'SimpleExit',
    what: 'the exit code arrives',
    containers: app('exit 42'),
    exits: exits42,
    reason: /^Essential container in task exited/,
  },
  {
    name: 'AddAndDropCapabilities',
    what: 'one more capability, one less',
    containers: app(`[ ${capability(25)} = 1 ] && [ ${capability(0)} = 0 ] ${OK}`, {
      linuxParameters: { capabilities: { add: ['SYS_TIME'], drop: ['CHOWN'] } },
    }),
    exits: exits42,
  },
  {
    name: 'ContainerOrderingComplete',
    what: 'starts when the other has ended, however it did',
    containers: {
      first: { line: `${B} sleep 1; echo done > /v/done; exit 3`, essential: false, ...mount('v') },
      ...app(`[ -e /v/done ] ${OK}`, { ...after('first', 'COMPLETE'), ...mount('v') }),
    },
    task: { volumes: [{ name: 'v' }] },
    exits: { first: 3, app: 42 },
  },
  {
    name: 'ContainerOrderingSuccess',
    what: 'starts when the other has ended well',
    containers: {
      first: { line: `${B} sleep 1; echo done > /v/done`, essential: false, ...mount('v') },
      ...app(`[ -e /v/done ] ${OK}`, { ...after('first', 'SUCCESS'), ...mount('v') }),
    },
    task: { volumes: [{ name: 'v' }] },
    exits: { first: 0, app: 42 },
  },
  {
    name: 'DependencySuccessErrored',
    what: 'never starts when the other has ended badly',
    containers: {
      first: { line: 'exit 3', essential: false },
      ...app('exit 42', after('first', 'SUCCESS')),
    },
    exits: { first: 3, app: undefined },
    reason: /app.*first.*SUCCESS|first.*exit code 3/,
  },
  {
    name: 'ContainerOrderingHealthy',
    what: 'starts when the other is healthy',
    containers: {
      first: {
        line: `${B} sleep 1; echo up > /v/up; ${IDLE}`,
        essential: false,
        ...mount('v'),
        healthCheck: { command: ['CMD', B, 'test', '-e', '/v/up'], interval: 5, startPeriod: 0 },
      },
      ...app(`[ -e /v/up ] ${OK}`, { ...after('first', 'HEALTHY'), ...mount('v') }),
    },
    task: { volumes: [{ name: 'v' }] },
    exits: { app: 42 },
  },
  {
    name: 'ContainerOrderingTimeout',
    what: 'the task stops when the other is not healthy within its startTimeout',
    containers: {
      first: {
        line: IDLE,
        essential: false,
        startTimeout: 2,
        healthCheck: { command: ['CMD', B, 'false'], interval: 5, retries: 10 },
      },
      ...app('exit 42', after('first', 'HEALTHY')),
    },
    exits: { app: undefined },
    reason: /first.*(?:startTimeout|2 s)/,
  },
  {
    name: 'GranularStopTimeout',
    what: 'each container has its own time to end, in the reverse of their order',
    containers: {
      slow: {
        line: `trap '${B} sleep 1; exit 41' TERM; while :; do ${B} sleep 0.1; done`,
        essential: false,
        stopTimeout: 10,
      },
      deaf: { line: `trap '' TERM; ${IDLE}`, essential: false, stopTimeout: 1 },
      app: {
        line: `${B} sleep 1; exit 42`,
        dependsOn: [
          { containerName: 'slow', condition: 'START' },
          { containerName: 'deaf', condition: 'START' },
        ],
      },
    },
    exits: { slow: 41, deaf: 137, app: 42 },
  },
  {
    name: 'DataVolume',
    what: 'two containers see one volume',
    containers: {
      writer: { line: 'echo hello > /v/file', essential: false, ...mount('v') },
      ...app(`[ "$(${B} cat /r/file)" = hello ] && ! echo x > /r/file ${OK}`, {
        ...after('writer', 'SUCCESS'),
        mountPoints: [{ sourceVolume: 'v', containerPath: '/r', readOnly: true }],
      }),
    },
    task: { volumes: [{ name: 'v' }] },
    exits: { writer: 0, app: 42 },
  },
  {
    name: 'LinkVolumeDependencies',
    what: 'volumesFrom brings the mounts of another container',
    containers: {
      writer: { line: 'echo hello > /v/file', essential: false, ...mount('v') },
      ...app(`[ "$(${B} cat /v/file)" = hello ] ${OK}`, {
        ...after('writer', 'SUCCESS'),
        volumesFrom: [{ sourceContainer: 'writer' }],
      }),
    },
    task: { volumes: [{ name: 'v' }] },
    exits: { writer: 0, app: 42 },
  },
  {
    name: 'TaskLocalVolume',
    what: 'a Docker volume of the task’s own',
    containers: app(`echo x > /v/file && [ -s /v/file ] ${OK}`, mount('v')),
    task: {
      volumes: [{ name: 'v', dockerVolumeConfiguration: { scope: 'task', driver: 'local' } }],
    },
    exits: exits42,
  },
  {
    name: 'Devices',
    what: 'a device of the host under another name',
    containers: app(`[ -c /dev/mine ] && echo x > /dev/mine ${OK}`, {
      linuxParameters: {
        devices: [
          { hostPath: '/dev/null', containerPath: '/dev/mine', permissions: ['read', 'write'] },
        ],
      },
    }),
    exits: exits42,
  },
  {
    name: 'DnsSearchDomains',
    what: 'the search list of the resolver',
    containers: app(`${B} grep -q '^search.*example.com' /etc/resolv.conf ${OK}`, {
      dnsSearchDomains: ['example.com'],
    }),
    exits: exits42,
  },
  {
    name: 'DnsServers',
    what: 'the name servers',
    containers: app(`${B} grep -q '^nameserver 192.0.2.53' /etc/resolv.conf ${OK}`, {
      dnsServers: ['192.0.2.53'],
    }),
    exits: exits42,
  },
  {
    name: 'ExtraHosts',
    what: 'a name more in /etc/hosts',
    containers: app(`${B} grep -q '192.0.2.7.*db.internal' /etc/hosts ${OK}`, {
      extraHosts: [{ hostname: 'db.internal', ipAddress: '192.0.2.7' }],
    }),
    exits: exits42,
  },
  {
    name: 'Hostname',
    what: 'a hostname of its own',
    containers: app(`[ "$(${B} hostname)" = mine.example ] ${OK}`, { hostname: 'mine.example' }),
    exits: exits42,
  },
  {
    name: 'InitProcess',
    what: 'an init that reaps is process 1',
    containers: app(`[ $$ != 1 ] && ${B} grep -q init /proc/1/comm ${OK}`, {
      linuxParameters: { initProcessEnabled: true },
    }),
    exits: exits42,
  },
  {
    name: 'InteractiveTty',
    what: 'a terminal, and standard input that stays open',
    containers: app(`[ -t 0 ] && [ -t 1 ] ${OK}`, { pseudoTerminal: true, interactive: true }),
    exits: exits42,
  },
  {
    name: 'ParallelPull',
    what: 'several containers of one image',
    containers: {
      ...Object.fromEntries(
        ['one', 'two', 'three'].map((name) => [name, { line: 'exit 42', essential: false }]),
      ),
      app: {
        line: 'exit 42',
        dependsOn: ['one', 'two', 'three'].map((containerName) => ({
          containerName,
          condition: 'COMPLETE',
        })),
      },
    },
    exits: { one: 42, two: 42, three: 42, app: 42 },
  },
  {
    name: 'ReadonlyRootfs',
    what: 'nothing can be written but for volumes',
    containers: app(`! echo x > /file && echo x > /v/file ${OK}`, {
      readonlyRootFilesystem: true,
      ...mount('v'),
    }),
    task: { volumes: [{ name: 'v' }] },
    exits: exits42,
  },
  {
    name: 'NoNewPrivileges',
    what: 'the option reaches the kernel',
    containers: app(`[ "$(${B} awk '/NoNewPrivs/ { print $2 }' /proc/self/status)" = 1 ] ${OK}`, {
      dockerSecurityOptions: ['no-new-privileges'],
    }),
    exits: exits42,
  },
  {
    name: 'ShmSize',
    what: '/dev/shm has the size that was asked for',
    containers: app(`[ "$(${B} df -m /dev/shm | ${B} awk 'NR == 2 { print $2 }')" = 12 ] ${OK}`, {
      linuxParameters: { sharedMemorySize: 12 },
    }),
    exits: exits42,
  },
  {
    name: 'Sysctl',
    what: 'a sysctl of the network, in the whole task',
    containers: app(`[ "$(${B} cat /proc/sys/net/ipv4/ip_default_ttl)" = 77 ] ${OK}`, {
      systemControls: [{ namespace: 'net.ipv4.ip_default_ttl', value: '77' }],
    }),
    exits: exits42,
  },
  {
    name: 'Tmpfs',
    what: 'a tmpfs of its size, with its options',
    containers: app(`${B} grep -q ' /t tmpfs .*noexec.*size=8192k' /proc/mounts ${OK}`, {
      linuxParameters: { tmpfs: [{ containerPath: '/t', size: 8, mountOptions: ['noexec'] }] },
    }),
    exits: exits42,
  },
  {
    name: 'NofilesULimit',
    what: 'a limit of open files',
    containers: app(`[ "$(ulimit -n)" = 321 ] ${OK}`, {
      ulimits: [{ name: 'nofile', softLimit: 321, hardLimit: 321 }],
    }),
    exits: exits42,
  },
  {
    name: 'UserNobody',
    what: 'another user',
    containers: app(`[ "$(${B} id -u):$(${B} id -g)" = 65534:65534 ] ${OK}`, {
      user: '65534:65534',
    }),
    exits: exits42,
  },
  {
    name: 'WorkingDir',
    what: 'another folder',
    containers: app(`[ "$(${B} pwd)" = /proc/sys ] ${OK}`, { workingDirectory: '/proc/sys' }),
    exits: exits42,
  },
  {
    name: 'TestPIDNamespaceSharing',
    what: 'pidMode task: containers see each other’s processes',
    containers: {
      other: { line: `exec ${B} sleep 61`, essential: false },
      ...app(
        `for i in 1 2 3 4 5 6 7 8 9; do ${B} ps | ${B} grep -q '[s]leep 61' && exit 42; ${B} sleep 1; done; exit 1`,
        after('other', 'START'),
      ),
    },
    task: { pidMode: 'task' },
    exits: exits42,
  },
  {
    name: 'TestIPCNamespaceSharing',
    what: 'ipcMode task: containers share /dev/shm',
    containers: {
      other: { line: 'echo hello > /dev/shm/file', essential: false },
      ...app(`[ "$(${B} cat /dev/shm/file)" = hello ] ${OK}`, after('other', 'SUCCESS')),
    },
    task: { ipcMode: 'task' },
    exits: exits42,
  },
  {
    name: 'TestOOMContainer',
    what: 'a container that takes more than its memory is killed and told',
    containers: app(`exec ${B} awk 'BEGIN { s = "x"; while (1) s = s s }'`, { memory: 16 }),
    exits: { app: 137 },
    reason: /OutOfMemoryError: Container killed due to memory usage/,
  },
  {
    name: 'TestOOMTask',
    what: 'a container without a limit that takes more than the task’s memory is killed and told',
    containers: app(`exec ${B} awk 'BEGIN { s = "x"; while (1) s = s s }'`, { memory: undefined }),
    task: { memory: '24' },
    exits: { app: 137 },
    reason: /OutOfMemoryError: Container killed due to memory usage/,
  },
  {
    name: 'TestCommandOverrides',
    what: 'RunTask gives another command and another variable',
    containers: app('exit 1', { environment: [{ name: 'SAID', value: 'before' }] }),
    overrides: {
      containerOverrides: [
        {
          name: 'app',
          command: [B, 'sh', '-c', `test $SAID = after ${OK}`],
          environment: [{ name: 'SAID', value: 'after' }],
        },
      ],
    },
    exits: exits42,
  },
  {
    name: 'TestContainerHealthMetricsWithStartPeriod',
    what: 'a check that fails within the start period does not count',
    containers: {
      ...app('exit 42', after('slow', 'HEALTHY')),
      slow: {
        line: `${B} sleep 7; echo > /ready; exec ${B} sleep 600`,
        essential: false,
        healthCheck: {
          command: ['CMD', B, 'test', '-e', '/ready'],
          ...{ interval: 5, retries: 1, startPeriod: 30 },
        },
      },
    },
    exits: exits42,
  },
  {
    name: 'TestContainerHealthMetrics',
    what: 'a task without a service lives on though it is unhealthy',
    containers: {
      ...app(`${B} sleep 8; exit 42`, {
        healthCheck: { command: ['CMD', B, 'false'], interval: 5, retries: 1 },
      }),
    },
    exits: exits42,
  },
]

/** The volume of this name at `/name`. */
function mount(sourceVolume: string): Partial<Part> {
  return { mountPoints: [{ sourceVolume, containerPath: `/${sourceVolume}` }] }
}
