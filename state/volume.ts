// What containers of a task mount, in our own words: part of a Spec (spec.ts), plain data as it is.

import type { EnvironmentFileSource } from './spec.ts'

/**
 * What containers of a task mount. bind: a place of the host. task: made for the task, and gone with
 * it. shared: of Docker, found by its name, or made where it is missing (`isMade`); it stays. router:
 * a place of the agent's, with files and a folder for a socket, gone with the task. nfs: mounted for
 * the task from within its network namespace, and unmounted with it.
 */
export type VolumeSpec = { readonly name: string } & (
  | { readonly kind: 'bind'; readonly hostPath: string }
  | ({ readonly kind: 'task' } & VolumePlan)
  | ({ readonly kind: 'shared'; readonly isMade: boolean } & VolumePlan)
  | { readonly kind: 'router'; readonly files: readonly RouterFile[] }
  | ({ readonly kind: 'nfs' } & NfsVolume)
)

/** A file system of EFS in the host's region. */
export type NfsVolume = {
  readonly fileSystemId: string
  /** Absolute: what of it is mounted. */
  readonly rootDirectory: string
}

/** A file for a log router: written here (`{task-id}` stands for the holder's id), or fetched. */
export type RouterFile =
  | { readonly name: string; readonly text: string }
  | { readonly name: string; readonly from: EnvironmentFileSource }

/** Docker's words for a volume. */
export type VolumePlan = {
  readonly driver: string
  readonly options: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
}

export type MountSpec = {
  readonly volume: string
  /** What of the volume: of a router's only. */
  readonly part?: string
  readonly path: string
  readonly readOnly: boolean
}
