// How a task's EFS file system is mounted: NFS 4.1 with the options that EFS recommends, from the
// address that the host's resolver gives for it. Before the mount, because the kernel takes addresses
// only, and because the task's namespace has no resolver of the agent's.

import { lookup } from 'node:dns/promises'
import type { NfsVolume } from '../../state/volume.ts'
import { Failure } from '../failure.ts'
import { type MountPlan, PREFIX } from './mounts.ts'

/** docs.aws.amazon.com/efs/latest/ug/mounting-fs-nfs-mount-settings.html and mount-helper-setting.html */
const OPTIONS = [
  'nfsvers=4.1',
  'rsize=1048576',
  'wsize=1048576',
  'hard',
  'timeo=600',
  'retrans=2',
  'noresvport',
]

/** An address of a name. Rejects as `dns.promises.lookup`. */
export type Resolve = (name: string, family: 4 | 6) => Promise<string>

const byHost: Resolve = async (name, family) => (await lookup(name, { family })).address

/** The name of a file system's mount target in the zone of whoever asks. */
export const serverOf = ({ fileSystemId }: Pick<NfsVolume, 'fileSystemId'>, region: string) =>
  `${fileSystemId}.efs.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`

/**
 * By an address of that family: a task without IPv4 needs a mount target with IPv6. Rejects with a
 * Failure `ResourceInitializationError` where the name has no such address.
 */
export async function planNfs(
  volume: NfsVolume,
  region: string,
  family: 4 | 6,
  resolve: Resolve = byHost,
): Promise<MountPlan> {
  const server = serverOf(volume, region)
  const address = await resolve(server, family).catch((error: NodeJS.ErrnoException) => {
    const { code = 'no answer' } = error
    const why = `${PREFIX}: failed to resolve "${server}" (${code})`
    const hint = 'See that the file system has a mount target in this zone, and the VPC DNS names.'
    const kind = code === 'ENOTFOUND' ? 'refused' : 'transient'
    throw new Failure(kind, 'ResourceInitializationError', why, { hint, cause: error })
  })
  return {
    type: 'nfs4',
    source: `${server}:${volume.rootDirectory}`,
    options: [...OPTIONS, `addr=${address}`],
  }
}
