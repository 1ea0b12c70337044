// Goal: of every field of ECS's task definition it is said what becomes of it, and what is said is
// so. Method: the schema of the SDK is walked; each refused field is sent, each taken one has a rule
// or reaches the spec.

import { readFileSync } from 'node:fs'
import type { ContainerDefinition } from '@aws-sdk/client-ecs'
import { expect, test } from 'vitest'
import { logSpec } from '../../api/log-spec.ts'
import { processSpec } from '../../api/process-spec.ts'
import { FIELDS } from '../../api/rules/supported.ts'
import { sandboxSpec } from '../../api/sandbox-spec.ts'
import { mountSpecs, volumeSpec } from '../../api/volume-spec.ts'
import { DOCUMENT, documentText, ecsFields, fieldAt } from '../../scripts/task-definition-doc.ts'

// P158
test('every field that the SDK knows is taken, refused or idle', () => {
  expect(ecsFields().filter((path) => fieldAt(path) === undefined)).toEqual([])
})

test('no field is spoken of that the SDK does not know', () => {
  const known = new Set(ecsFields())
  const spoken = Object.entries(FIELDS).flatMap(([place, members]) =>
    Object.keys(members).map((name) => (place === '' ? name : `${place}.${name}`)),
  )
  expect(spoken.filter((path) => !known.has(path))).toEqual([])
})

// P158
test('docs/task-definition.md says the same', () => {
  expect(readFileSync(DOCUMENT, 'utf8')).toBe(documentText())
})

test('what is said of processes reaches the spec', () => {
  const container: ContainerDefinition = {
    ulimits: [{ name: 'nofile', softLimit: 1024, hardLimit: -1 }],
    linuxParameters: {
      capabilities: { add: ['SYS_PTRACE'], drop: ['NET_RAW'] },
      devices: [
        { hostPath: '/dev/fuse', permissions: ['read', 'mknod'] },
        { hostPath: '/dev/kvm' },
      ],
      initProcessEnabled: true,
      sharedMemorySize: 128,
      tmpfs: [{ containerPath: '/t', size: 16, mountOptions: ['noexec', 'mode=1777'] }],
      maxSwap: 64,
      swappiness: 10,
    },
    dockerSecurityOptions: ['no-new-privileges', 'apparmor:mine', 'label:type:svirt'],
    interactive: true,
    pseudoTerminal: true,
    systemControls: [
      { namespace: 'net.core.somaxconn', value: '512' },
      { namespace: 'kernel.shmmax', value: '1048576' },
    ],
  }
  expect(processSpec(container, undefined)).toEqual({
    ulimits: [{ name: 'nofile', soft: 1024, hard: -1 }],
    capabilities: { add: ['SYS_PTRACE'], drop: ['NET_RAW'] },
    devices: [
      { hostPath: '/dev/fuse', containerPath: '/dev/fuse', permissions: 'rm' },
      { hostPath: '/dev/kvm', containerPath: '/dev/kvm', permissions: 'rwm' },
    ],
    init: true,
    sharedMemoryMiB: 128,
    tmpfs: [{ path: '/t', sizeMiB: 16, options: ['noexec', 'mode=1777'] }],
    swapMiB: 64,
    swappiness: 10,
    securityOptions: ['no-new-privileges', 'apparmor=mine', 'label=type:svirt'],
    standardInput: true,
    terminal: true,
    sysctls: { 'kernel.shmmax': '1048576' },
  })
  expect(sandboxSpec({}, [container])).toEqual({ sysctls: { 'net.core.somaxconn': '512' } })
  // With one IPC namespace for all, its settings are the task's.
  expect(processSpec(container, 'task')).not.toHaveProperty('sysctls')
  expect(sandboxSpec({ ipcMode: 'task' }, [container])).toEqual({
    sysctls: { 'net.core.somaxconn': '512', 'kernel.shmmax': '1048576' },
    ipc: 'task',
  })
})

test('what one container says of the whole task reaches the sandbox', () => {
  const one = {
    hostname: 'web',
    extraHosts: [{ hostname: 'db', ipAddress: '10.0.0.9' }],
    dnsServers: ['10.0.0.53', '2001:db8::53'],
  }
  const two = { hostname: 'web', dnsServers: ['10.0.0.53'], dnsSearchDomains: ['corp.example'] }
  expect(sandboxSpec({ pidMode: 'task', ipcMode: 'none' }, [one, two])).toEqual({
    hostname: 'web',
    extraHosts: [{ hostname: 'db', address: '10.0.0.9' }],
    nameServers: ['10.0.0.53', '2001:db8::53'],
    searchDomains: ['corp.example'],
    pid: 'task',
    ipc: 'none',
  })
})

test('volumes and mounts reach the spec', () => {
  const docker = { driver: 'rexray', driverOpts: { size: '5' }, labels: { a: 'b' } }
  expect(volumeSpec({ name: 'a', host: { sourcePath: '/srv' } })).toEqual({
    ...{ name: 'a', kind: 'bind', hostPath: '/srv' },
  })
  const local = { driver: 'local', options: {}, labels: {} }
  expect(volumeSpec({ name: 'a', host: {} })).toEqual({ name: 'a', kind: 'task', ...local })
  expect(volumeSpec({ name: 'a' })).toEqual({ name: 'a', kind: 'task', ...local })
  const shared = { ...docker, scope: 'shared', autoprovision: true } as const
  const plan = { driver: 'rexray', options: { size: '5' }, labels: { a: 'b' } }
  expect(volumeSpec({ name: 'a', dockerVolumeConfiguration: shared })).toEqual({
    ...{ name: 'a', kind: 'shared', isMade: true, ...plan },
  })
  expect(volumeSpec({ name: 'a', dockerVolumeConfiguration: docker })).toEqual({
    ...{ name: 'a', kind: 'task', ...plan },
  })
  const efs = { fileSystemId: 'fs-12345678', rootDirectory: '' }
  const nfs = { name: 'a', kind: 'nfs', fileSystemId: 'fs-12345678' }
  expect(volumeSpec({ name: 'a', efsVolumeConfiguration: efs })).toEqual({
    ...{ ...nfs, rootDirectory: '/' },
  })
  const part = { ...efs, rootDirectory: '/site', transitEncryption: 'DISABLED' } as const
  expect(volumeSpec({ name: 'a', efsVolumeConfiguration: part })).toEqual({
    ...{ ...nfs, rootDirectory: '/site' },
  })
  const container: ContainerDefinition = {
    mountPoints: [{ sourceVolume: 'a', containerPath: '/a' }],
    volumesFrom: [{ sourceContainer: 'b', readOnly: true }],
  }
  expect(mountSpecs(container)).toEqual({
    mounts: [{ volume: 'a', path: '/a', readOnly: false }],
    volumesFrom: [{ container: 'b', readOnly: true }],
  })
  expect(mountSpecs({ mountPoints: [] })).toEqual({})
})

test('a log goes where the definition says, and the stream of awslogs is named as on ECS', () => {
  const options = { 'awslogs-group': 'g', 'awslogs-region': 'us-west-2' }
  const awslogs = { ...options, 'awslogs-stream-prefix': 'web' }
  expect(
    logSpec({ name: 'app', logConfiguration: { logDriver: 'awslogs', options: awslogs } }),
  ).toEqual({ driver: 'awslogs', options: { ...options, 'awslogs-stream': 'web/app/{task-id}' } })
  const tag = { tag: '{{.Name}}' }
  expect(logSpec({ logConfiguration: { logDriver: 'syslog', options: tag } })).toEqual({
    driver: 'syslog',
    options: tag,
  })
})

test('a definition that says nothing of all this says nothing in the spec', () => {
  const nothing: ContainerDefinition = {
    linuxParameters: { devices: [] },
    interactive: false,
    dnsServers: [],
    hostname: '',
  }
  expect(processSpec(nothing, undefined)).toBeUndefined()
  expect(sandboxSpec({}, [nothing])).toBeUndefined()
  expect(logSpec(nothing)).toBeUndefined()
})
