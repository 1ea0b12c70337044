// From ECS's words to ours, for volumes and where containers mount them. The rules (rules/volumes.ts)
// have passed before.

import type { ContainerDefinition, Volume } from '@aws-sdk/client-ecs'
import type { ContainerSpec } from '../state/spec.ts'
import type { VolumeSpec } from '../state/volume.ts'

/** What a volume of a definition is to this host. */
export function volumeSpec({
  name = '',
  host,
  dockerVolumeConfiguration: docker,
  efsVolumeConfiguration: efs,
}: Volume): VolumeSpec {
  // An empty path on ECS: Docker finds a place for it, and it goes with the task.
  if (host?.sourcePath) return { name, kind: 'bind', hostPath: host.sourcePath }
  if (efs?.fileSystemId) {
    const { fileSystemId, rootDirectory } = efs
    return { name, kind: 'nfs', fileSystemId, rootDirectory: rootDirectory || '/' }
  }
  const plan = {
    driver: docker?.driver || 'local',
    options: docker?.driverOpts ?? {},
    labels: docker?.labels ?? {},
  }
  if (docker?.scope !== 'shared') return { name, kind: 'task', ...plan }
  return { name, kind: 'shared', isMade: docker.autoprovision ?? false, ...plan }
}

/** What a container mounts, of the task and of other containers. */
export const mountSpecs = ({
  mountPoints = [],
  volumesFrom = [],
}: ContainerDefinition): Pick<ContainerSpec, 'mounts' | 'volumesFrom'> => ({
  ...(mountPoints.length > 0 && {
    mounts: mountPoints.map(({ sourceVolume = '', containerPath = '', readOnly = false }) => ({
      ...{ volume: sourceVolume, path: containerPath, readOnly },
    })),
  }),
  ...(volumesFrom.length > 0 && {
    volumesFrom: volumesFrom.map(({ sourceContainer = '', readOnly = false }) => ({
      ...{ container: sourceContainer, readOnly },
    })),
  }),
})
