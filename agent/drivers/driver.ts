// The hands: one driver per kind of row, and the only code that touches EC2, the kernel or Docker.
// A driver keeps no state, decides nothing and never cleans up after itself; it does one thing, or
// throws a Failure that says who must act.

import type { ContainerSpec, EniSpec, HolderId, Spec } from '../../state/spec.ts'
import type { Exit, RowId, RowKind } from '../../state/task.ts'
import type { VolumeSpec } from '../../state/volume.ts'
import type { CalledFor } from '../budget.ts'

/** The IPv4 of an ENI, with the subnet's prefix length and router for the link; nothing of it in a subnet of IPv6 alone. */
export type Ipv4Side =
  | { ipv4: string; ipv4PrefixLength: number; ipv4Gateway: string }
  | { ipv4?: undefined; ipv4PrefixLength?: undefined; ipv4Gateway?: undefined }

/** What is known of a row once it is held. Written whole into the journal; plain data. */
export type Details = {
  eni: {
    eniId: string
    mac: string
    subnetId: string
    vpcId: string
    ipv6?: string
    /** That of the subnet's IPv6 block; absent, too, where an earlier version wrote the journal. */
    ipv6PrefixLength?: number
    /** Absent where EC2 gives none: an ENI of IPv6 alone has none. */
    privateDnsName?: string
    securityGroupIds: string[]
    /** Which order of its groups was carried out; absent: none but the first. */
    groupsOrder?: number
  } & Ipv4Side
  /** `pullFailure`: why what was on this host already is used, and not what its registry has. */
  /** Of an Elastic IP. */
  publicIp: { allocationId: string; publicIpv4: string }
  image: { imageId: string; digest?: string; pullFailure?: string }
  /** Docker's name for it. */
  volume: { volumeName: string }
  /** Where it is below each hierarchy; none where the host has none to give. */
  cgroup: { path?: string }
  /** `netns` is the way into its namespace (task-folder.ts). */
  sandbox: { containerId: string; netns: string }
  attachment: { attachmentId: string; deviceIndex: number }
  guard: Record<string, never>
  link: { ifindex: number; mtu: number; gatewayMac: string }
  created: { containerId: string }
  /** `exit`: it was found exited. */
  container: { containerId: string; exit?: Exit }
  address: { ipv4: string }
}

/** What a driver is told: one row of one holder, and what is known of the others. */
export type Job = {
  readonly holderId: HolderId
  readonly spec: Spec
  readonly row: RowId
  /** The row was already in doubt: look before making. */
  readonly again: boolean
  /** How long an ensure may still take before its task gives up, milliseconds. */
  readonly leftMs: number
  /** The journaled choice: a subnet id, a device index. Release: that of the last ensure. */
  readonly choice?: string
  /** The journaled choice of another row. */
  choiceOf(row: RowId): string | undefined
  /** A container that is still in this exit is to be started again. */
  readonly answeredExitId?: string
  /** The journaled client token of this row and choice. */
  readonly token: string
  /** Told by ec2.ts of each call that is made for this step. */
  readonly onCall?: CalledFor['onCall']
  /** Details of this row or another, when it is or was held. Throws a defect where there are none. */
  details<K extends RowKind>(kind: K, row: RowId): Details[K]
  /** Details of this row or another, or undefined. */
  known<K extends RowKind>(kind: K, row: RowId): Details[K] | undefined
}

/** What a release leaves behind that is worth keeping. */
export type Remains = { readonly logTail?: string; readonly exit?: Exit }

export type Driver<K extends RowKind> = {
  /** Find it or make it. Runs again after every doubt. */
  ensure(job: Job, signal: AbortSignal): Promise<Details[K]>
  /** Remove it. Nothing there is success. Never touches what does not wear our mark. */
  release(job: Job, signal: AbortSignal): Promise<Remains | undefined>
}

/** One driver for each kind of row that a holder on this host can have. */
export type Drivers = { readonly [K in Exclude<RowKind, 'address'>]: Driver<K> }

/** The container's spec that a row `image:<name>`, `created:<name>` or `container:<name>` is about. */
export function containerOf({ spec, row }: Job): ContainerSpec {
  const name = row.slice(row.indexOf(':') + 1)
  const found = spec.containers.find((c) => c.name === name)
  if (found === undefined) throw new Error(`${row} names no container of the spec`)
  return found
}

/** The volume's spec that a row `volume:<name>` is about. */
export function volumeOf({ spec, row }: Job): VolumeSpec {
  const name = row.slice(row.indexOf(':') + 1)
  const found = spec.volumes?.find((volume) => volume.name === name)
  if (found === undefined) throw new Error(`${row} names no volume of the spec`)
  return found
}

/** The number n of a row `eni:<n>`, `publicIp:<n>`, `attachment:<n>`, `guard:<n>` or `link:<n>`. */
export const numberOf = ({ row }: Job): number => Number(row.slice(row.indexOf(':') + 1))

/** The ENI's spec that a numbered row is about. */
export function eniOf(job: Job): EniSpec {
  const found = job.spec.enis[numberOf(job)]
  if (found === undefined) throw new Error(`${job.row} names no ENI of the spec`)
  return found
}

/** Our mark's keys, as EC2 tags and Docker labels. What does not wear it is never touched. */
export const MARK = { instance: 'enid:instance', holder: 'enid:holder', row: 'enid:row' } as const
