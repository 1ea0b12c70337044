// From ECS's words to ours, for what all containers of a task share, and the sandbox fixes: name,
// hosts, resolver, kernel settings, process and IPC namespaces. ECS lets each container say some of
// it and refuses those in awsvpc mode; here one container says it for all (rules/shared.ts).

import type { ContainerDefinition, IpcMode, PidMode } from '@aws-sdk/client-ecs'
import type { SandboxSpec } from '../state/spec.ts'

type Shared = { readonly pidMode?: PidMode; readonly ipcMode?: IpcMode }

/** The part of the spec, or undefined where nothing differs from every other task. */
export function sandboxSpec(
  { pidMode, ipcMode }: Shared,
  containers: readonly ContainerDefinition[],
): SandboxSpec | undefined {
  const all = <T>(of: (container: ContainerDefinition) => readonly T[] | undefined): T[] =>
    containers.flatMap((container) => of(container) ?? [])
  const [hostname] = all(({ hostname: name }) => (name ? [name] : []))
  const extraHosts = all((c) => c.extraHosts).map(({ hostname: name = '', ipAddress = '' }) => ({
    hostname: name,
    address: ipAddress,
  }))
  const nameServers = [...new Set(all((c) => c.dnsServers))]
  const searchDomains = [...new Set(all((c) => c.dnsSearchDomains))]
  const sysctls: Record<string, string> = Object.assign(
    {},
    ...containers.map((c) => sysctlsOf(c, (name) => isShared(name, ipcMode))),
  )
  const spec: SandboxSpec = {
    ...(hostname === undefined ? {} : { hostname }),
    ...(extraHosts.length > 0 && { extraHosts }),
    ...(nameServers.length > 0 && { nameServers }),
    ...(searchDomains.length > 0 && { searchDomains }),
    ...(Object.keys(sysctls).length > 0 && { sysctls }),
    ...(pidMode && { pid: pidMode }),
    ...(ipcMode && { ipc: ipcMode }),
  }
  return Object.keys(spec).length === 0 ? undefined : spec
}

/** Whether a kernel setting is of a namespace that all containers of the task share. */
export const isShared = (namespace: string, ipcMode: IpcMode | undefined): boolean =>
  isNet(namespace) || ipcMode === 'task'

/** Whether a kernel setting is the network namespace's. */
export const isNet = (namespace: string): boolean => namespace.startsWith('net.')

/** A container's kernel settings, as far as they are wanted. */
export const sysctlsOf = (
  { systemControls = [] }: ContainerDefinition,
  wanted: (namespace: string) => boolean,
): Record<string, string> =>
  Object.fromEntries(
    systemControls
      .filter(({ namespace = '' }) => wanted(namespace))
      .map(({ namespace = '', value = '' }) => [namespace, value]),
  )
