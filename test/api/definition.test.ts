// Goal: what awsvpc, ECS or Docker cannot run is refused at registration, by the path of the field
// and the rule; what is accepted comes back whole. Method: each rule is broken once, next to a
// definition that keeps it.

import type { ContainerDefinition, RegisterTaskDefinitionRequest } from '@aws-sdk/client-ecs'
import { RegisterTaskDefinition$ } from '@aws-sdk/client-ecs'
import { describe, expect, test } from 'vitest'
import { AwsError } from '../../api/aws-error.ts'
import { checkDefinition } from '../../api/definition.ts'
import { readInput } from '../../api/protocol.ts'
import { nginx, seedDefinition } from './rig.ts'

const host = { architecture: 'X86_64', privileged: false } as const

/** Through the codec and every rule, as a request comes. */
const check = (definition: object) =>
  checkDefinition(
    readInput(
      RegisterTaskDefinition$,
      JSON.parse(JSON.stringify(definition)),
    ) as RegisterTaskDefinitionRequest,
    host,
  )

function refusal(definition: object): AwsError {
  try {
    check(definition)
  } catch (error) {
    if (error instanceof AwsError) return error
    throw error
  }
  throw new Error('it was accepted')
}

const sidecar = (change: Partial<ContainerDefinition> = {}): ContainerDefinition => ({
  name: 'sidecar',
  image: 'envoy',
  memory: 64,
  essential: false,
  ...change,
})

const linux = (linuxParameters: ContainerDefinition['linuxParameters']) => ({ linuxParameters })
const limit = (name: string, softLimit: number, hardLimit: number) => ({
  ulimits: [{ name, softLimit, hardLimit }] as ContainerDefinition['ulimits'],
})
const control = (namespace: string, value: string) => ({ systemControls: [{ namespace, value }] })

const efs = (change: object, more: object = {}) => ({
  volumes: [
    { name: 'a', efsVolumeConfiguration: { fileSystemId: 'fs-12345678', ...change }, ...more },
  ],
})
const both = { name: 'a', host: { sourcePath: '/a' }, dockerVolumeConfiguration: { driver: 'x' } }
const auto = { name: 'a', dockerVolumeConfiguration: { autoprovision: true } }
const forged = { name: 'a', dockerVolumeConfiguration: { labels: { 'enid:holder': 'x' } } }

const SECRET = 'arn:aws:secretsmanager:us-west-2:123456789012:secret:db-AbCdEf'
const twice = [
  { name: 'A', valueFrom: 'a' },
  { name: 'A', valueFrom: 'b' },
]
const envFile = (key: string, end = '.env') =>
  ({ type: 's3', value: `arn:aws:s3:::bucket/${key}${end}` }) as const

const healthCheck = { command: ['CMD-SHELL', 'curl -f http://127.0.0.1/'] }

describe('a container of a task definition', () => {
  test.each<[string, Partial<ContainerDefinition>, RegExp]>([
    ['hostPort', { portMappings: [{ containerPort: 80, hostPort: 8080 }] }, /must match/],
    ['hostPort', { portMappings: [{ containerPort: 80, hostPort: 0 }] }, /Leave hostPort out/],
    ['containerPort', { portMappings: [{ containerPort: 70000 }] }, /70000 is outside 1 to 65535/],
    ['containerPort', { portMappings: [{ containerPort: 51679 }] }, /metadata endpoint/],
    ['containerPort', { portMappings: [{}] }, /required/],
    ['protocol', { portMappings: [{ containerPort: 80, protocol: 'TCP' as 'tcp' }] }, /"tcp" or/],
    ['containerPortRange', { portMappings: [{ containerPortRange: '80-90' }] }, /not supported/],
    ['links', { links: ['db'] }, /127\.0\.0\.1/],
    ['disableNetworking', { disableNetworking: true }, /not supported/],
    ['privileged', { privileged: true }, /root on this host/],
    ['sourceVolume', { mountPoints: [{ sourceVolume: 'v', containerPath: '/v' }] }, /it has none/],
    ['sourceContainer', { volumesFrom: [{ sourceContainer: 'db' }] }, /no container of this task/],
    ['sourceContainer', { volumesFrom: [{ sourceContainer: 'nginx' }] }, /from itself/],
    ['valueFrom', { secrets: [{ name: 'A', valueFrom: 'arn:aws:s3:::b/k' }] }, /ARN of a secret/],
    ['valueFrom', { secrets: [{ name: 'A', valueFrom: 'a b' }] }, /name of a parameter/],
    ['valueFrom', { secrets: [{ name: 'A', valueFrom: `${SECRET}:k:AWSCURRENT:v` }] }, /one is/],
    ['valueFrom', { secrets: [{ name: 'A', valueFrom: 'file:../shadow' }] }, /without \. or \.\./],
    [
      'valueFrom',
      { secrets: [{ name: 'A', valueFrom: 'file:/etc/shadow' }] },
      /below the directory/,
    ],
    ['name', { secrets: [{ name: 'A=B', valueFrom: 'a' }] }, /no "="/],
    ['name', { secrets: twice }, /unique/],
    [
      'secrets[0].name',
      { secrets: [{ name: 'A', valueFrom: 'a' }], environment: [{ name: 'A', value: '' }] },
      /must be unique and not shared with any new or existing environment variables.*'A'/,
    ],
    [
      'secretOptions[0].name',
      {
        logConfiguration: {
          logDriver: 'splunk',
          options: { 'splunk-token': 'x' },
          secretOptions: [{ name: 'splunk-token', valueFrom: 'a' }],
        },
      },
      /in options as well/,
    ],
    [
      'environmentFiles',
      { environmentFiles: Array(11).fill(envFile('a')) },
      /11 files; at most 10/,
    ],
    ['environmentFiles[0].value', { environmentFiles: [envFile('a', '.txt')] }, /ends in \.env/],
    [
      'environmentFiles[0].value',
      { environmentFiles: [{ type: 's3', value: 'https://b/k.env' }] },
      /arn:aws:s3:::BUCKET/,
    ],
    [
      'environmentFiles[0].value',
      { environmentFiles: [{ type: 's3', value: 'file:../a.env' }] },
      /without \. or/,
    ],
    ['memory', { memory: undefined }, /At least one of 'memory' or 'memoryReservation'/],
    ['memory', { memory: 5 }, /5 is outside 6/],
    ['memory', { memory: 64, memoryReservation: 128 }, /less than memoryReservation/],
    ['cpu', { cpu: -1 }, /-1 is outside 0/],
    ['name', { name: 'a b' }, /letters, digits, hyphens/],
    ['image', { image: '' }, /not an image/],
    ['image', { image: '--privileged' }, /not an image/],
    ['workingDirectory', { workingDirectory: 'srv' }, /absolute/],
    ['user', { user: 'root; true' }, /uid:gid/],
    ['stopTimeout', { stopTimeout: 0 }, /0 is outside 1/],
    ['startTimeout', { startTimeout: 1 }, /1 is outside 2/],
    ['command', { healthCheck: { command: ['curl'] } }, /CMD-SHELL/],
    ['command', { healthCheck: { command: ['CMD'] } }, /program/],
    ['interval', { healthCheck: { ...healthCheck, interval: 4 } }, /5 to 300/],
    ['timeout', { healthCheck: { ...healthCheck, timeout: 61 } }, /2 to 60/],
    ['retries', { healthCheck: { ...healthCheck, retries: 11 } }, /1 to 10/],
    ['startPeriod', { healthCheck: { ...healthCheck, startPeriod: 301 } }, /0 to 300/],
    [
      'ignoredExitCodes',
      {
        restartPolicy: { enabled: true, ignoredExitCodes: Array.from({ length: 51 }, (_, n) => n) },
      },
      /51 exit codes; at most 50/,
    ],
    [
      'restartAttemptPeriod',
      { restartPolicy: { enabled: true, restartAttemptPeriod: 59 } },
      /59 is outside 60 to 1800 seconds/,
    ],
    [
      'restartAttemptPeriod',
      { restartPolicy: { enabled: false, restartAttemptPeriod: 1801 } },
      /1801 is outside 60 to 1800 seconds/,
    ],
    ['environment[0].name', { environment: [{ name: 'A=B', value: 'c' }] }, /no "="/],
    ['environment[1].name', { environment: [{ name: 'A' }, { name: 'A' }] }, /unique/],
    ['dockerLabels', { dockerLabels: { 'enid:holder': 'x' } }, /agent's own/],
    ['add[0]', linux({ capabilities: { add: ['CAP_CHOWN'] } }), /without CAP_/],
    ['drop[0]', linux({ capabilities: { drop: ['FLY'] } }), /"FLY" is no capability/],
    [
      'add[1]',
      linux({ capabilities: { add: ['CHOWN', 'NET_ADMIN'] } }),
      /metadata.*interface.*ENID_NET_ADMIN=true/,
    ],
    ['add[0]', linux({ capabilities: { add: ['ALL'] } }), /metadata.*interface.*ENID_PRIVILEGED/],
    ['ulimits[0].name', limit('files', 1, 1), /a limit is core, cpu/],
    ['ulimits[0].softLimit', limit('nofile', 3, 2), /3 is above 2/],
    ['ulimits[0].softLimit', limit('nofile', -1, 2), /-1 is above 2/],
    ['ulimits[0].hardLimit', limit('nofile', -1, -2), /-2 is outside -1/],
    ['ulimits[0]', limit('memlock', -1, -1), /Drop NET_RAW/],
    [
      'ulimits[1].name',
      { ulimits: [...(limit('cpu', 1, 1).ulimits ?? []), ...(limit('cpu', 2, 2).ulimits ?? [])] },
      /unique/,
    ],
    ['devices[0].hostPath', linux({ devices: [{ hostPath: '/etc/shadow' }] }), /below \/dev/],
    ['devices[0].hostPath', linux({ devices: [{ hostPath: '/dev/../etc' }] }), /below \/dev/],
    [
      'devices[0].containerPath',
      linux({ devices: [{ hostPath: '/dev/fuse', containerPath: 'fuse' }] }),
      /absolute/,
    ],
    [
      'devices[0].permissions[0]',
      linux({ devices: [{ hostPath: '/dev/fuse', permissions: ['exec' as 'read'] }] }),
      /read, write or mknod/,
    ],
    ['tmpfs[0].containerPath', linux({ tmpfs: [{ containerPath: 't', size: 1 }] }), /absolute/],
    ['tmpfs[0].size', linux({ tmpfs: [{ containerPath: '/t', size: 0 }] }), /0 is outside 1/],
    [
      'tmpfs[0].mountOptions[0]',
      linux({ tmpfs: [{ containerPath: '/t', size: 1, mountOptions: ['size=1,exec=/x'] }] }),
      /no option of a tmpfs/,
    ],
    [
      'maxSwap',
      { ...linux({ maxSwap: 1 }), memory: undefined, memoryReservation: 8 },
      /Set memory/,
    ],
    ['swappiness', linux({ maxSwap: 1, swappiness: 101 }), /0 to 100/],
    ['sharedMemorySize', linux({ sharedMemorySize: -1 }), /-1 is outside/],
    ['dockerSecurityOptions[0]', { dockerSecurityOptions: ['seccomp:unconfined'] }, /apparmor/],
    ['systemControls[0].namespace', control('kernel.panic', '1'), /fs\.mqueue/],
    ['systemControls[0].namespace', control('vm.swappiness', '1'), /fs\.mqueue/],
    ['systemControls[0].namespace', control('net.ipv4.conf.eth0.arp_filter', '1'), /not there yet/],
    ['systemControls[0].namespace', control('net.ipv6.conf.all.disable_ipv6', '1'), /without IPv6/],
    ['systemControls[0].namespace', control('net/ipv4/x', '1'), /fs\.mqueue/],
    ['hostname', { hostname: 'a b' }, /at most 64/],
    [
      'extraHosts[0].hostname',
      { extraHosts: [{ hostname: '', ipAddress: '::1' }] },
      /name of a host/,
    ],
    [
      'extraHosts[0].ipAddress',
      { extraHosts: [{ hostname: 'a', ipAddress: '1.1' }] },
      /an address/,
    ],
    ['dnsServers[0]', { dnsServers: ['dns.example'] }, /"dns.example" is not an address/],
    ['dnsServers[3]', { dnsServers: ['::1', '::2', '::3', '::4'] }, /more than 3/],
    ['dnsSearchDomains[0]', { dnsSearchDomains: ['a..b'] }, /not a domain/],
    ['logDriver', { logConfiguration: { logDriver: 'awsfirelens' } }, /firelensConfiguration/],
    ['logDriver', { logConfiguration: { logDriver: 'none' as 'syslog' } }, /json-file, syslog/],
    ['options', { logConfiguration: { logDriver: 'awslogs' } }, /awslogs-group is required/],
    ['systemControls[0].value', control('net.core.somaxconn', ''), /required/],
  ])('is refused for its %s: %j', (field, change, rule) => {
    const { code, field: named, message } = refusal(seedDefinition(nginx(change)))
    expect(code).toBe('ClientException')
    expect(named).toMatch(/^containerDefinitions\[0\]\./)
    expect(named?.endsWith(field)).toBe(true)
    expect(message).toMatch(rule)
  })

  test.each<[string, unknown, string]>([
    ['foo', { foo: 1 }, 'containerDefinitions[0].foo'],
    ['__proto__', JSON.parse('{"__proto__": {"image": "x"}}'), 'containerDefinitions[0].__proto__'],
    ['constructor', { constructor: {} }, 'containerDefinitions[0].constructor'],
    ['memory', { memory: '512' }, 'containerDefinitions[0].memory'],
    ['memory', { memory: 1.5 }, 'containerDefinitions[0].memory'],
    ['memory', { memory: 3e9 }, 'containerDefinitions[0].memory'],
    ['essential', { essential: 'yes' }, 'containerDefinitions[0].essential'],
    ['command', { command: 'sh' }, 'containerDefinitions[0].command'],
    ['command', { command: ['a', 1] }, 'containerDefinitions[0].command[1]'],
    ['command', { command: ['a\0'] }, 'containerDefinitions[0].command[0]'],
    ['command', { command: ['\ud800'] }, 'containerDefinitions[0].command[0]'],
    ['dockerLabels', { dockerLabels: { a: 1 } }, 'containerDefinitions[0].dockerLabels.a'],
    ['image', { image: {} }, 'containerDefinitions[0].image'],
    [
      'restartPolicy',
      { restartPolicy: { restartAttemptPeriod: 60 } },
      'containerDefinitions[0].restartPolicy.enabled',
    ],
    [
      'restartPolicy',
      { restartPolicy: { enabled: true, ignoredExitCodes: [0, '1'] } },
      'containerDefinitions[0].restartPolicy.ignoredExitCodes[1]',
    ],
  ])('with a wrong %s is refused by the whole path', (_name, change, field) => {
    const container = Object.assign(nginx(), JSON.parse('{}'))
    for (const [key, value] of Object.entries(change as object)) {
      Object.defineProperty(container, key, { value, enumerable: true, configurable: true })
    }
    expect(refusal({ ...seedDefinition(), containerDefinitions: [container] }).field).toBe(field)
  })

  test('that is misspelt is told the name that was meant', () => {
    const { message } = refusal(seedDefinition({ ...nginx(), memoryReservaton: 1 } as object))
    expect(message).toMatch(/memoryReservaton: .*Did you mean memoryReservation\?/)
  })
})

describe('a task definition', () => {
  // P386
  test.each<[string, object, RegExp]>([
    ['networkMode', { networkMode: undefined }, /bridge/],
    ['networkMode', { networkMode: 'host' }, /"host": enid runs awsvpc tasks only/],
    ['family', { family: 'a/b' }, /"a\/b"/],
    ['family', { family: 'x'.repeat(256) }, /1 to 255/],
    ['containerDefinitions', { containerDefinitions: [] }, /empty/],
    ['containerDefinitions[1].name', { containerDefinitions: [nginx(), nginx()] }, /unique/],
    ['containerDefinitions', { containerDefinitions: [sidecar()] }, /essential/],
    [
      'containerDefinitions[1].portMappings[0].containerPort',
      {
        containerDefinitions: [nginx(), sidecar({ portMappings: [{ containerPort: 80 }] })],
      },
      /"80\/tcp".*one network namespace/,
    ],
    [
      'containerDefinitions',
      { containerDefinitions: Array.from({ length: 11 }, (_, n) => nginx({ name: `c${n}` })) },
      /at most 10/,
    ],
    ['volumes[0].name', { volumes: [{ name: 'a b' }] }, /letters, digits/],
    ['volumes[1].name', { volumes: [{ name: 'a' }, { name: 'a' }] }, /unique/],
    [
      'volumes[0].host.sourcePath',
      { volumes: [{ name: 'a', host: { sourcePath: '/a:/b' } }] },
      /without colons/,
    ],
    ['volumes[0].efsVolumeConfiguration.fileSystemId', efs({ fileSystemId: 'fs-1' }), /fs- and 8/],
    ['volumes[0].efsVolumeConfiguration.rootDirectory', efs({ rootDirectory: 'a' }), /absolute/],
    [
      'volumes[0].efsVolumeConfiguration.transitEncryption',
      efs({ transitEncryption: 'ENABLED' }),
      /takes TLS by amazon-efs-utils.*mount it on the host/,
    ],
    [
      'volumes[0].efsVolumeConfiguration.transitEncryptionPort',
      efs({ transitEncryptionPort: 2999 }),
      /leave it out/,
    ],
    [
      'volumes[0].efsVolumeConfiguration.authorizationConfig.accessPointId',
      efs({ authorizationConfig: { accessPointId: 'fsap-12345678' } }),
      /name their folder in rootDirectory/,
    ],
    [
      'volumes[0].efsVolumeConfiguration.authorizationConfig.iam',
      efs({ authorizationConfig: { iam: 'ENABLED' } }),
      /takes TLS by amazon-efs-utils/,
    ],
    ['volumes[0].efsVolumeConfiguration', efs({}, { host: { sourcePath: '/a' } }), /only/],
    ['volumes[0].dockerVolumeConfiguration', { volumes: [both] }, /not both/],
    ['volumes[0].dockerVolumeConfiguration.autoprovision', { volumes: [auto] }, /shared/],
    ['volumes[0].dockerVolumeConfiguration.labels', { volumes: [forged] }, /agent's own/],
    [
      'containerDefinitions[0].mountPoints[1].containerPath',
      {
        volumes: [{ name: 'v' }],
        containerDefinitions: [
          nginx({
            mountPoints: [
              { sourceVolume: 'v', containerPath: '/v' },
              { sourceVolume: 'v', containerPath: '/v' },
            ],
          }),
        ],
      },
      /places of mounts must be unique/,
    ],
    [
      'containerDefinitions',
      {
        containerDefinitions: [
          nginx({ volumesFrom: [{ sourceContainer: 'sidecar' }] }),
          sidecar({ dependsOn: [{ containerName: 'nginx', condition: 'START' }] }),
        ],
      },
      /cycle: nginx → sidecar → nginx/,
    ],
    ['cpu', { cpu: 'much' }, /"1 vCPU" are one CPU/],
    ['cpu', { cpu: '64' }, /64 is outside 128 to 196608 CPU units/],
    ['cpu', { cpu: '0.1 vCPU' }, /102 is outside 128/],
    [
      'cpu',
      { cpu: '256', containerDefinitions: [nginx({ cpu: 200 }), sidecar({ cpu: 57 })] },
      /have 257 CPU units together, more than the task's 256/,
    ],
    ['memory', { memory: '2 TB' }, /"2 TB": MiB, or gigabytes/],
    ['memory', { memory: '5' }, /5 is outside 6/],
    [
      'containerDefinitions[1].memory',
      { memory: '256', containerDefinitions: [nginx({ memory: 64 }), sidecar({ memory: 257 })] },
      /The 'memory' setting for container '.*' is greater than for the task \(257 MiB, and 256 MiB\)/,
    ],
    [
      'memory',
      {
        memory: '256',
        containerDefinitions: [
          nginx({ memory: 200 }),
          sidecar({ memory: 200, memoryReservation: 57 }),
        ],
      },
      /reserve 257 MiB together, more than the task's 256 MiB/,
    ],
    ['taskRoleArn', { taskRoleArn: 'arn:aws:iam::1:role/r' }, /ARN or the name of an IAM role/],
    ['executionRoleArn', { executionRoleArn: 'arn:aws:s3:::b' }, /ARN or the name of an IAM role/],
    ['pidMode', { pidMode: 'pod' }, /"pod": task or host/],
    ['ipcMode', { ipcMode: 'private' }, /task, host or none/],
    [
      'containerDefinitions[0].linuxParameters.initProcessEnabled',
      { pidMode: 'task', containerDefinitions: [nginx(linux({ initProcessEnabled: true }))] },
      /reaped/,
    ],
    [
      'containerDefinitions[0].linuxParameters.sharedMemorySize',
      { ipcMode: 'host', containerDefinitions: [nginx(linux({ sharedMemorySize: 1 }))] },
      /no shared memory of its own/,
    ],
    [
      'containerDefinitions[0].systemControls[0].namespace',
      { ipcMode: 'host', containerDefinitions: [nginx(control('kernel.shmmax', '1'))] },
      /a setting of the host/,
    ],
    [
      'containerDefinitions[1].hostname',
      { containerDefinitions: [nginx({ hostname: 'a' }), sidecar({ hostname: 'b' })] },
      /one name/,
    ],
    ['proxyConfiguration', { proxyConfiguration: { containerName: 'envoy' } }, /not supported/],
    ['requiresCompatibilities[0]', { requiresCompatibilities: ['FARGATE'] }, /Write \["EC2"\]/],
    ['runtimePlatform.cpuArchitecture', { runtimePlatform: { cpuArchitecture: 'ARM64' } }, /X86/],
    [
      'runtimePlatform.operatingSystemFamily',
      { runtimePlatform: { operatingSystemFamily: 'WINDOWS_SERVER_2022_CORE' } },
      /LINUX/,
    ],
    ['tags[0].key', { tags: [{ key: 'aws:x', value: 'y' }] }, /reserved/],
    ['tags[1].key', { tags: [{ key: 'x' }, { key: 'x' }] }, /twice/],
    ['containerDefinitons', { containerDefinitons: [] }, /Did you mean containerDefinitions\?/],
  ])('is refused for its %s', (field, change, rule) => {
    const { field: named, message } = refusal({ ...seedDefinition(), ...change })
    expect(named).toBe(field)
    expect(message).toMatch(rule)
  })

  test('over 64 KiB is refused', () => {
    const command = ['x'.repeat(70_000)]
    expect(refusal(seedDefinition(nginx({ command }))).message).toMatch(/at most 65536/)
  })

  test('without a required member is refused by its name', () => {
    expect(refusal({ family: 'a' }).message).toBe('containerDefinitions: is required')
  })
})

describe('dependsOn', () => {
  const waits = (containerName: string, condition: string) => ({
    dependsOn: [{ containerName, condition }] as ContainerDefinition['dependsOn'],
  })

  test.each<[string, ContainerDefinition[], RegExp]>([
    ['nobody', [nginx(waits('db', 'START'))], /"db" is no container of this task: nginx/],
    ['itself', [nginx(waits('nginx', 'START'))], /itself/],
    ['HEALTHY without a health check', [nginx(waits('sidecar', 'HEALTHY')), sidecar()], /never/],
    ['the end of an essential one', [sidecar(waits('nginx', 'SUCCESS')), nginx()], /essential/],
    ['a condition unheard of', [nginx(waits('sidecar', 'READY')), sidecar()], /START, COMPLETE/],
    [
      'a cycle',
      [
        nginx(waits('sidecar', 'START')),
        sidecar(waits('third', 'START')),
        sidecar({ name: 'third', ...waits('nginx', 'START') }),
      ],
      /cycle: nginx → sidecar → third → nginx/,
    ],
  ])('on %s is refused', (_what, containers, rule) => {
    expect(refusal(seedDefinition(...containers)).message).toMatch(rule)
  })

  test('with conditions that can come true is accepted, also in a diamond', () => {
    const healthy = sidecar({ healthCheck })
    const first = sidecar({ name: 'first', ...waits('sidecar', 'HEALTHY') })
    const second = sidecar({ name: 'second', ...waits('sidecar', 'START') })
    const both = [...(waits('first', 'SUCCESS').dependsOn ?? [])]
    both.push({ containerName: 'second', condition: 'COMPLETE' })
    const definition = seedDefinition(nginx({ dependsOn: both }), healthy, first, second)
    expect(check(definition).containerDefinitions[0]?.dependsOn).toEqual(both)
  })
})

describe('kernel settings of the network', () => {
  test('of two containers must not differ', () => {
    const [one, two] = [control('net.core.somaxconn', '1'), control('net.core.somaxconn', '2')]
    const { field, message } = refusal(seedDefinition(nginx(one), sidecar(two)))
    expect(field).toBe('containerDefinitions[1].systemControls[0].value')
    expect(message).toMatch(/"1" in containerDefinitions\[0\].*"2" here.*share the namespace/)
    expect(() => check(seedDefinition(nginx(one), sidecar(one)))).not.toThrow()
  })
})

describe('what is accepted', () => {
  test('may lock memory where it cannot send raw frames', () => {
    const dropped = linux({ capabilities: { drop: ['NET_RAW'] } })
    const container = nginx({ ...limit('memlock', -1, -1), ...dropped })
    expect(check(seedDefinition(container)).containerDefinitions[0]?.ulimits).toHaveLength(1)
  })

  test('is answered whole, with the defaults of ECS', () => {
    const container = {
      ...nginx({
        entryPoint: ['/entry'],
        command: ['serve'],
        environment: [{ name: 'A', value: '' }],
        workingDirectory: '/srv',
        user: '1000:1000',
        readonlyRootFilesystem: false,
        dockerLabels: { empty: '' },
        stopTimeout: 5,
        healthCheck: { ...healthCheck, interval: 10, retries: 2 },
        restartPolicy: { enabled: true, ignoredExitCodes: [0], restartAttemptPeriod: 180 },
      }),
    }
    const { essential: _, portMappings: __, ...rest } = container
    const given = { ...rest, portMappings: [{ containerPort: 80, name: 'web' }] }
    expect(check(seedDefinition(given)).containerDefinitions[0]).toEqual({
      ...container,
      portMappings: [{ containerPort: 80, hostPort: 80, protocol: 'tcp', name: 'web' }],
      mountPoints: [],
      volumesFrom: [],
      systemControls: [],
    })
  })

  test('may carry the empty members that skeletons and CDK send', () => {
    const container = {
      ...nginx(),
      links: [],
      hostname: '',
      privileged: false,
      linuxParameters: { initProcessEnabled: false, devices: [] },
      secrets: null,
      command: [],
    }
    const definition = { ...seedDefinition(container as object), volumes: [], taskRoleArn: '' }
    expect(check(definition).containerDefinitions[0]).not.toHaveProperty('command')
  })
})
