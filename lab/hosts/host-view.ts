// A host as the lab's own routes show it. Pure.

import { attachedTo } from '../model/network-interface.ts'
import type { Instance, World } from '../model/world.ts'
import type { OpenHost } from './open-host.ts'

/** A host, or the machine that the lab runs on, in one flat document. */
export type HostView = Pick<
  Instance,
  'instanceId' | 'instanceType' | 'zone' | 'state' | 'netns'
> & {
  readonly name: string
  /** Its primary interface's addresses. */
  readonly ipv4?: string
  readonly ipv6?: string
  /** Interfaces attached to it, the primary one counted. */
  readonly eniCount: number
  /** Its process 1 as the lab's machine numbers it; absent when it has ended. */
  readonly pid?: number
  readonly dockerd?: OpenHost['dockerd']
  readonly env?: OpenHost['env']
  /** What went wrong with it last. */
  readonly problem?: string
}

const MACHINE_ENDED = 'its first process was ended from outside: remove it'

/** What there is to say of a host; `open` is its machine, where it has one. */
export function hostView(
  world: World,
  name: string,
  instance: Instance,
  { open, problem }: { readonly open?: OpenHost; readonly problem?: string } = {},
): HostView {
  const { instanceId, instanceType, zone, state, netns } = instance
  const enis = attachedTo(world, instanceId)
  const why = open !== undefined && open.pid === undefined ? MACHINE_ENDED : problem
  const [ipv4, ipv6] = [enis[0]?.ipv4[0], enis[0]?.ipv6[0]]
  return {
    name,
    instanceId,
    instanceType,
    zone,
    state,
    netns,
    ...(ipv4 === undefined ? {} : { ipv4 }),
    ...(ipv6 === undefined ? {} : { ipv6 }),
    eniCount: enis.length,
    ...(open?.pid === undefined ? {} : { pid: open.pid }),
    ...(open?.dockerd === undefined ? {} : { dockerd: open.dockerd }),
    ...(open === undefined ? {} : { env: open.env }),
    ...(why === undefined ? {} : { problem: why }),
  }
}
