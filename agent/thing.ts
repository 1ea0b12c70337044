// Something in the world that wears our mark, of whatever kind: its name, and since when it is in use.

import type {
  SeenAddress,
  SeenCgroup,
  SeenContainer,
  SeenEni,
  SeenLink,
  SeenVolume,
} from './drivers/survey.ts'

/** Something in the world that wears our mark. */
export type Thing = SeenEni | SeenContainer | SeenVolume | SeenLink | SeenCgroup | SeenAddress

/** The name by which a thing is told from all others of its kind. */
export function idOf(thing: Thing): string {
  if (thing.what === 'eni') return thing.eniId
  if (thing.what === 'container') return thing.containerId
  if (thing.what === 'cgroup') return thing.path
  if (thing.what === 'address') return thing.allocationId
  return thing.what === 'volume' ? thing.volumeName : thing.mac
}

/** Since when a cgroup is used, or an address, nobody tells: it may be since before anything. */
const ALWAYS = Number.NEGATIVE_INFINITY

/** Since when a thing does its work; undefined while nothing depends on it. */
export function inUseSince(thing: Thing): number | undefined {
  if (thing.what === 'cgroup') return thing.isUsed ? ALWAYS : undefined
  if (thing.what === 'address') return thing.associationId === undefined ? undefined : ALWAYS
  if (thing.what === 'container') return thing.isRunning ? thing.createdAt : undefined
  return thing.what === 'eni' ? thing.attachment?.attachedAt : undefined
}
