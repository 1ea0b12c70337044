// The line between a host's life (hosts.ts) and what it is made of (parts.ts): the one says when, the
// other makes it so.

import type { Host, Instance } from '../model/world.ts'

/** What makes a record a machine. */
export type HostParts = {
  /** Makes the machine, or finds what an earlier lab made for that very host. */
  open(host: Host, instance: Instance): Promise<OpenHost>
  /** Ends what an earlier lab made for hosts that are not among these instances. */
  sweep(instanceIds: ReadonlySet<string>): Promise<void>
}

/** A machine that is there. */
export type OpenHost = {
  /** Its process 1; undefined when that has ended. */
  readonly pid: number | undefined
  readonly dockerd:
    | { readonly pid: number; readonly running: boolean; readonly log: string }
    | undefined
  /** The environment in which its programs find EC2, IMDS, Docker and their own folders. */
  readonly env: Readonly<Record<string, string>>
  /** Lets go of it: it runs on, for the next lab to find. */
  leave(): Promise<void>
  /** Ends it. Resolves when nothing of it is left. */
  close(): Promise<void>
}
