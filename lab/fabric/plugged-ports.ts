// The fabric's memory of what is plugged, and what follows from it for one port's change. Pure.

import type { Port } from './fabric.ts'
import { linkNames, markOf } from './names.ts'
import type { Command } from './nft.ts'
import { checkPort } from './port-check.ts'
import type { LinkPlan, PluggedLink } from './port-link.ts'
import { changePort, type LinkedPort } from './ruleset.ts'

/** A port and its link, unless a namespace died with it and it could not be plugged again. */
export type Plugged = LinkedPort & { kernelLink: PluggedLink | undefined }

/** The plugged ports by ENI id. */
export class PluggedPorts {
  readonly #ports = new Map<string, Plugged>()

  has = (eniId: string): boolean => this.#ports.has(eniId)
  get = (eniId: string): Plugged | undefined => this.#ports.get(eniId)
  set = (plugged: Plugged): void => void this.#ports.set(plugged.port.eniId, plugged)
  delete = (eniId: string): void => void this.#ports.delete(eniId)
  clear = (): void => this.#ports.clear()
  values = (): Plugged[] => [...this.#ports.values()]

  /** The port of that ENI; throws when it is not plugged. */
  known(eniId: string): Plugged {
    const plugged = this.#ports.get(eniId)
    if (plugged === undefined) throw new Error(`port ${eniId} is not plugged`)
    return plugged
  }

  /** The ports themselves. */
  all(): Port[] {
    return this.values().map(({ port }) => port)
  }

  /** All but the one with this id; nothing is made for them, at five thousand ENIs either. */
  *#others(eniId: string): Iterable<Port> {
    for (const { port } of this.#ports.values()) if (port.eniId !== eniId) yield port
  }

  *#groupsOfOthers(eniId: string): Iterable<readonly string[]> {
    for (const { groupIds } of this.#others(eniId)) yield groupIds
  }

  /** The port in canonical form; throws when it cannot be enforced beside the others. */
  checked(port: Port, groups: ReadonlyMap<string, unknown>): Port {
    return checkPort(port, groups, this.#others(port.eniId))
  }

  /** The nftables commands that turn one port into another; `undefined` is no port. */
  change(before: LinkedPort | undefined, after: LinkedPort | undefined): Command[] {
    const { eniId = '' } = (before ?? after)?.port ?? {}
    return changePort(before, after, () => this.#groupsOfOthers(eniId))
  }
}

/** What a port's link is made of in this lab. */
export function linkPlan(lab: string, port: Port): LinkPlan {
  const names = linkNames(lab, port.eniId)
  return {
    mark: markOf(lab, port.eniId),
    mac: port.mac,
    addresses: addressesOf(port),
    fabricName: names.fabric,
    guestName: names.guest,
    netns: port.netns,
  }
}

/** A port's addresses, both versions, and its prefixes. */
export const addressesOf = ({ ipv4, ipv6, prefixes = [] }: Port): string[] => [
  ...ipv4,
  ...ipv6,
  ...prefixes,
]
