// From ECS's words to ours, for how a container's processes are confined: linuxParameters, ulimits,
// security options, kernel settings, terminal. The rules (rules/linux.ts) have passed before.

import type {
  ContainerDefinition,
  Device,
  IpcMode,
  LinuxParameters,
  Tmpfs,
} from '@aws-sdk/client-ecs'
import type { ProcessSpec } from '../state/spec.ts'
import { isShared, sysctlsOf } from './sandbox-spec.ts'

/** Docker's letters for ECS's words. */
const PERMISSIONS = { read: 'r', write: 'w', mknod: 'm' } as const

/** The part of the spec, or undefined where the definition says nothing of it. */
export function processSpec(
  container: ContainerDefinition,
  ipcMode: IpcMode | undefined,
): ProcessSpec | undefined {
  const { ulimits = [], dockerSecurityOptions = [], interactive, pseudoTerminal } = container
  const sysctls = sysctlsOf(container, (name) => !isShared(name, ipcMode))
  const spec: ProcessSpec = {
    ...(ulimits.length > 0 && {
      ulimits: ulimits.map(({ name, softLimit, hardLimit }) => ({
        name: name as string,
        soft: softLimit as number,
        hard: hardLimit as number,
      })),
    }),
    ...linux(container.linuxParameters ?? {}),
    ...(dockerSecurityOptions.length > 0 && {
      // ECS writes Docker's first form, `apparmor:name`; Docker reads `apparmor=name` as well.
      securityOptions: dockerSecurityOptions.map((option) => option.replace(/^(\w+):/, '$1=')),
    }),
    ...(Object.keys(sysctls).length > 0 && { sysctls }),
    ...(interactive && { standardInput: true }),
    ...(pseudoTerminal && { terminal: true }),
  }
  return Object.keys(spec).length === 0 ? undefined : spec
}

function linux(parameters: LinuxParameters): ProcessSpec {
  const { capabilities, devices = [], tmpfs = [], initProcessEnabled } = parameters
  const { sharedMemorySize, maxSwap, swappiness } = parameters
  const { add = [], drop = [] } = capabilities ?? {}
  return {
    ...(add.length + drop.length > 0 && { capabilities: { add, drop } }),
    ...(devices.length > 0 && { devices: devices.map(device) }),
    ...(tmpfs.length > 0 && { tmpfs: tmpfs.map(mount) }),
    ...(initProcessEnabled && { init: true }),
    ...(sharedMemorySize ? { sharedMemoryMiB: sharedMemorySize } : {}),
    ...(maxSwap === undefined ? {} : { swapMiB: maxSwap }),
    // ECS: ignored without maxSwap.
    ...(swappiness === undefined || maxSwap === undefined ? {} : { swappiness }),
  }
}

/** ECS: all three permissions unless told; the same path inside. */
function device({ hostPath = '', containerPath, permissions = [] }: Device) {
  const letters = permissions.map((word) => PERMISSIONS[word]).join('')
  return {
    hostPath,
    containerPath: containerPath || hostPath,
    permissions: letters === '' ? 'rwm' : letters,
  }
}

const mount = ({ containerPath = '', size = 0, mountOptions = [] }: Tmpfs) => ({
  path: containerPath,
  sizeMiB: size,
  options: mountOptions,
})
