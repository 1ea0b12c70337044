// Rules about how a container's processes are confined. The lists are those of ECS's API reference
// (KernelCapabilities, Ulimit, Tmpfs, ContainerDefinition), which Docker and the kernel agree with.

import type { ContainerDefinition } from '@aws-sdk/client-ecs'
import { clientError, shown } from '../aws-error.ts'
import type { Rule } from './rule.ts'
import { checkForm, checkRange, checkUnique, containersOf } from './rule.ts'

const CAPABILITIES = new Set(
  (
    'ALL AUDIT_CONTROL AUDIT_WRITE BLOCK_SUSPEND CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID ' +
    'IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN ' +
    'NET_BIND_SERVICE NET_BROADCAST NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_ADMIN SYS_BOOT ' +
    'SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME ' +
    'SYS_TTY_CONFIG SYSLOG WAKE_ALARM'
  ).split(' '),
)

/**
 * With one of these a container could take the IMDS block off its own link, or move the link away:
 * it would get the instance's credentials.
 */
const UNBLOCKING = ['ALL', 'NET_ADMIN', 'SYS_ADMIN', 'SYS_MODULE', 'SYS_RAWIO']

const ULIMITS =
  'core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(
    ' ',
  )

const MOUNT_OPTIONS = (
  'defaults ro rw suid nosuid dev nodev exec noexec sync async dirsync remount mand nomand atime ' +
  'noatime diratime nodiratime bind rbind unbindable runbindable private rprivate shared rshared ' +
  'slave rslave relatime norelatime strictatime nostrictatime mode uid gid nr_inodes nr_blocks mpol'
).split(' ')

const MIB_RANGE = [1, 2 ** 31 - 1] as const

export const capabilities: Rule = (definition, host) => {
  for (const { container, path } of containersOf(definition)) {
    const { add = [], drop = [] } = container.linuxParameters?.capabilities ?? {}
    for (const [list, names] of Object.entries({ add, drop })) {
      for (const [index, name] of names.entries()) {
        const at = `${path}.linuxParameters.capabilities.${list}[${index}]`
        if (!CAPABILITIES.has(name)) {
          const rule = 'is no capability: ECS writes them without CAP_, such as SYS_PTRACE'
          throw clientError(at, `${shown(name)} ${rule}`)
        }
        if (list === 'drop' || !UNBLOCKING.includes(name) || host.privileged) continue
        if (name === 'NET_ADMIN' && host.netAdmin) continue
        const rule = "could take the block of the instance's metadata off the task's interface"
        const setting = name === 'NET_ADMIN' ? 'ENID_NET_ADMIN' : 'ENID_PRIVILEGED'
        const remedy = `Leave it out; NET_RAW and binding ports work. Or set ${setting}=true on the host`
        throw clientError(at, `${name} ${rule}`, remedy)
      }
    }
  }
}

export const ulimits: Rule = (definition) => {
  for (const { container, path } of containersOf(definition)) {
    const limits = container.ulimits ?? []
    for (const [index, { name, softLimit, hardLimit }] of limits.entries()) {
      const at = `${path}.ulimits[${index}]`
      if (name === undefined || !ULIMITS.includes(name)) {
        throw clientError(`${at}.name`, `${shown(name)}: a limit is ${ULIMITS.join(', ')}`)
      }
      if (softLimit === undefined) throw clientError(`${at}.softLimit`, 'is required')
      if (hardLimit === undefined) throw clientError(`${at}.hardLimit`, 'is required')
      for (const [member, value] of Object.entries({ softLimit, hardLimit })) {
        checkRange(`${at}.${member}`, value, [-1, 2 ** 31 - 1], ' (-1 is no limit)')
      }
      const isAbove = hardLimit !== -1 && (softLimit === -1 || softLimit > hardLimit)
      if (isAbove) throw clientError(`${at}.softLimit`, `${softLimit} is above ${hardLimit}`)
      if (name === 'memlock') checkLockedMemory(container, at)
    }
    const named = limits.map(({ name = '' }, index) => ({
      path: `${path}.ulimits[${index}].name`,
      value: name,
    }))
    checkUnique(named, 'limits')
  }
}

/** AF_XDP sends past the IMDS block; it needs NET_RAW and locked memory. One of them has to go. */
function checkLockedMemory({ linuxParameters }: ContainerDefinition, at: string): void {
  const { drop = [] } = linuxParameters?.capabilities ?? {}
  if (drop.includes('NET_RAW') || drop.includes('ALL')) return
  throw clientError(
    at,
    "memlock with the capability NET_RAW could send past the block of the instance's metadata",
    'Drop NET_RAW (linuxParameters.capabilities.drop), which locked memory does not need',
  )
}

export const devicesAndMounts: Rule = (definition) => {
  for (const { container, path: owner } of containersOf(definition)) {
    const { devices = [], tmpfs = [] } = container.linuxParameters ?? {}
    const path = `${owner}.linuxParameters`
    for (const [index, { hostPath, containerPath, permissions = [] }] of devices.entries()) {
      const at = `${path}.devices[${index}]`
      const rule = 'a device is an absolute path below /dev'
      if (!hostPath) throw clientError(`${at}.hostPath`, 'is required')
      checkForm(`${at}.hostPath`, hostPath, /^\/dev\/(?!.*\.\.)/, rule)
      checkForm(`${at}.containerPath`, containerPath, /^\//, 'it must be an absolute path')
      for (const [nth, word] of permissions.entries()) {
        if (['read', 'write', 'mknod'].includes(word)) continue
        const at3 = `${at}.permissions[${nth}]`
        throw clientError(at3, `${shown(word)}: a permission is read, write or mknod`)
      }
    }
    for (const [index, { containerPath, size, mountOptions = [] }] of tmpfs.entries()) {
      const at = `${path}.tmpfs[${index}]`
      if (!containerPath) throw clientError(`${at}.containerPath`, 'is required')
      checkForm(`${at}.containerPath`, containerPath, /^\//, 'it must be an absolute path')
      if (size === undefined) throw clientError(`${at}.size`, 'is required')
      checkRange(`${at}.size`, size, MIB_RANGE, ' MiB')
      for (const [nth, option] of mountOptions.entries()) {
        const [word = ''] = option.split('=')
        if (MOUNT_OPTIONS.includes(word) && /^[\w=:,.-]+$/.test(option)) continue
        throw clientError(`${at}.mountOptions[${nth}]`, `${shown(option)} is no option of a tmpfs`)
      }
    }
    checkUnique(
      tmpfs.map(({ containerPath = '' }, index) => ({
        path: `${path}.tmpfs[${index}].containerPath`,
        value: containerPath,
      })),
      'places of tmpfs mounts',
    )
  }
}

export const sharedMemoryAndSwap: Rule = (definition) => {
  for (const { container, path: owner } of containersOf(definition)) {
    const { sharedMemorySize, maxSwap, swappiness } = container.linuxParameters ?? {}
    const path = `${owner}.linuxParameters`
    checkRange(`${path}.sharedMemorySize`, sharedMemorySize, [0, MIB_RANGE[1]], ' MiB')
    checkRange(`${path}.maxSwap`, maxSwap, [0, MIB_RANGE[1]], ' MiB')
    checkRange(`${path}.swappiness`, swappiness, [0, 100])
    if (maxSwap === undefined || container.memory !== undefined) continue
    const rule = 'swap counts beside the hard memory limit, and this container has none'
    throw clientError(`${path}.maxSwap`, rule, 'Set memory on it')
  }
}

export const securityOptions: Rule = (definition) => {
  for (const { container, path } of containersOf(definition)) {
    for (const [index, option] of (container.dockerSecurityOptions ?? []).entries()) {
      const form = /^(no-new-privileges(:true|:false)?|apparmor:[\w./-]+|label:[\w:.,-]+)$/
      const rule = 'an option is no-new-privileges, apparmor:PROFILE or label:VALUE'
      checkForm(`${path}.dockerSecurityOptions[${index}]`, option, form, rule)
    }
  }
}

/**
 * A privileged container has every capability: it can take the block of the instance's metadata off,
 * and is root on this host. Only whoever sets up the host can want that.
 */
export const privileged: Rule = (definition, host) => {
  if (host.privileged) return
  for (const { container, path } of containersOf(definition)) {
    if (!container.privileged) continue
    const rule = 'a privileged container is root on this host, and this host allows none'
    const remedy =
      'Leave it out and add capabilities or devices instead, or set ENID_PRIVILEGED=true on the host'
    throw clientError(`${path}.privileged`, rule, remedy)
  }
}
