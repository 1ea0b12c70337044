// Rules about file systems of EFS. What takes TLS is refused: on ECS that is amazon-efs-utils, a
// program of its own beside the kernel's client, which this agent does not bring.

import type { Volume } from '@aws-sdk/client-ecs'
import { clientError, shown } from '../aws-error.ts'
import { isEmpty } from '../unsupported.ts'
import { checkForm } from './rule.ts'

const FILE_SYSTEM = /^fs-[0-9a-f]{8,40}$/

/** Absolute, and of no control characters: it stands in a line of the kernel's. */
const ROOT = /^\/[^\p{Cc}]{0,1023}$/u

const HELPER = 'it takes TLS by amazon-efs-utils, which this host does not run'
const REMEDY = 'Leave it out, or mount it on the host by amazon-efs-utils, and use host'

/** Throws ClientException where enid cannot mount this as it is written. */
export function checkEfs(
  at: string,
  { host, dockerVolumeConfiguration: docker, efsVolumeConfiguration: efs }: Volume,
): void {
  if (efs === undefined || isEmpty(efs)) return
  if (docker !== undefined || host?.sourcePath) {
    throw clientError(at, 'a volume is of the host, of Docker or of EFS, and of one of them only')
  }
  const { fileSystemId, rootDirectory, transitEncryption, authorizationConfig } = efs
  if (!fileSystemId) throw clientError(`${at}.fileSystemId`, 'is required')
  checkForm(`${at}.fileSystemId`, fileSystemId, FILE_SYSTEM, 'fs- and 8 to 40 digits or a to f')
  checkForm(`${at}.rootDirectory`, rootDirectory || undefined, ROOT, 'an absolute path')
  for (const [path, value] of [
    [`${at}.transitEncryption`, transitEncryption],
    [`${at}.authorizationConfig.iam`, authorizationConfig?.iam],
  ] as const) {
    if (value === undefined || value === 'DISABLED') continue
    if (value !== 'ENABLED') throw clientError(path, `${shown(value)}: only DISABLED is allowed`)
    throw clientError(path, `"ENABLED": ${HELPER}`, REMEDY)
  }
}
