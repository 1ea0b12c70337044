// A host's own dockerd: in the host's namespaces, with its data in the host's folder and everything
// else below the host's own /run, where every program looks for it by default. No bridge: a task's
// network is its ENI.

import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { request } from 'node:http'
import { delimiter, join } from 'node:path'
import { cgroupParent } from './cgroup.ts'

const PROGRAM = 'dockerd'
/** Where it listens, as the host sees it. */
export const DOCKER_SOCKET = '/run/docker.sock'

/** What to do when no dockerd is on the path (the lab's own, unless told); undefined when one is. */
export async function dockerdMissing(path = process.env.PATH ?? ''): Promise<string | undefined> {
  for (const folder of path.split(delimiter)) {
    const found = await access(join(folder, PROGRAM), constants.X_OK).then(
      () => true,
      () => false,
    )
    if (found) return undefined
  }
  return (
    'there is no dockerd on the PATH of this lab: install docker.io (Debian, Ubuntu), or add the ' +
    'host without --docker'
  )
}

/** Its command line. `dataRoot` is on the disk; all else is gone with the host's /run. */
export function dockerdCommand(lab: string, host: string, dataRoot: string): string[] {
  return [
    PROGRAM,
    ...['--data-root', dataRoot, '--exec-root', '/run/docker', '--pidfile', '/run/docker.pid'],
    ...['--host', `unix://${DOCKER_SOCKET}`],
    ...['--bridge', 'none', '--iptables=false', '--ip-masq=false'],
    // Not systemd's: the host has none that could be asked.
    ...['--exec-opt', 'native.cgroupdriver=cgroupfs'],
    ...['--cgroup-parent', cgroupParent(lab, host)],
  ]
}

/** Whether a dockerd answers at that socket. */
export function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ socketPath, path: '/_ping', timeout: 2000 }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    asked.once('timeout', () => asked.destroy())
    asked.once('error', () => resolve(false))
    asked.end()
  })
}
