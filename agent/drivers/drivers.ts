// All drivers of this host, put together. Each is a plain function over what it needs.

import type { Host } from '../orders.ts'
import { attachmentDriver } from './attachment.ts'
import { openCgroups } from './cgroup/tree.ts'
import { cgroupDriver } from './cgroup.ts'
import { containerDriver } from './container.ts'
import { createdDriver } from './created.ts'
import type { Docker } from './docker.ts'
import type { Drivers } from './driver.ts'
import type { Ec2 } from './ec2.ts'
import { eniDriver } from './eni.ts'
import { openEniLookup } from './eni-lookup.ts'
import { guardDriver } from './guard.ts'
import { type ImageOptions, imageDriver } from './image.ts'
import type { Kernel } from './kernel/kernel.ts'
import { linkDriver } from './link.ts'
import { openMounts } from './mounts.ts'
import { publicIpDriver } from './public-ip.ts'
import type { Roles } from './roles/roles.ts'
import { routersBelow } from './router-folder.ts'
import { sandboxDriver } from './sandbox.ts'
import type { StartTurns } from './start-turns.ts'
import type { Subnets } from './subnets.ts'
import { openTaskFolders } from './task-folder.ts'
import type { Values } from './values/values.ts'
import { volumeDriver } from './volume.ts'

export type DriverOptions = {
  readonly ec2: Ec2
  readonly subnets: Subnets
  readonly docker: Docker
  readonly kernel: Kernel
  readonly host: Host
  readonly images: Omit<ImageOptions, 'docker'>
  /** The agent's own place, closed to all but root. */
  readonly stateDir: string
  /** EC2 says that an ENI slot which we took for free is not. */
  readonly onTaken: () => void
  /** Whose turn it is to have a container started. */
  readonly turns: StartTurns
  /** Multiplies how long one attempt waits for a network card and for the router. */
  readonly timeoutScale?: number
  /** Whether a task's security groups are put back where somebody changed them: no unless told. */
  readonly keepGroups?: boolean
  readonly roles?: Roles
  readonly values?: Values
  /** How long this host still lives, milliseconds; undefined where nobody has announced its end. */
  readonly hostLeftMs?: () => number | undefined
}

/** How long one attempt at a link waits, milliseconds; the runner's deadline is longer. */
const LINK_MS = { appear: 30_000, gateway: 5_000 }

/** One driver for each kind of row. */
export function openDrivers(options: DriverOptions): Drivers {
  const { ec2, subnets, docker, kernel, host, images, stateDir, hostLeftMs, onTaken, turns } =
    options
  const { timeoutScale = 1, keepGroups = false, roles, values } = options
  const cgroups = openCgroups()
  const lookup = openEniLookup(ec2)
  const making = { docker, host, ...(roles && { roles }), ...(values && { values }) }
  return {
    eni: eniDriver({ ec2, lookup, subnets, host, keepGroups }),
    publicIp: publicIpDriver({ ec2, host }),
    attachment: attachmentDriver({ ec2, lookup, host, onTaken }),
    guard: guardDriver({ ec2 }),
    image: imageDriver({ docker, ...images }),
    volume: volumeDriver({
      ...{ docker, host, routersDir: routersBelow(stateDir) },
      mounts: openMounts({ stateDir }),
      ...(values && { values }),
    }),
    cgroup: cgroupDriver({ docker, cgroups, host }),
    sandbox: sandboxDriver({
      ...{ docker, cgroups, kernel, host, turns },
      folders: openTaskFolders(stateDir),
    }),
    link: linkDriver({
      kernel,
      host,
      appearTimeoutMs: LINK_MS.appear * timeoutScale,
      gatewayTimeoutMs: LINK_MS.gateway * timeoutScale,
    }),
    created: createdDriver(making),
    container: containerDriver({ ...making, cgroups, turns, ...(hostLeftMs && { hostLeftMs }) }),
  }
}
