// What the API may ask of the agent. The API writes a task into the journal and says `start`; what
// happens then is the runner's business. agent/main.ts puts the real thing together.

import type { Wait } from '../state/service-plan.ts'
import type { HolderId, Json, Spec } from '../state/spec.ts'
import type { RowId, Stop, Verb } from '../state/task.ts'
import type { BudgetView } from './budget.ts'
import type { InsideOrders } from './exec-orders.ts'
import type { SpareOrders } from './spare-orders.ts'

/**
 * What this host is: from IMDSv2 and two describes. Constant while it is up, but for the resolvers,
 * which an agent that was started again hears of a moment after it is ready: read them when needed.
 */
export type Host = {
  readonly instanceId: string
  readonly instanceType: string
  readonly accountId: string
  readonly region: string
  readonly availabilityZone: string
  readonly vpcId: string
  readonly subnetId: string
  /** The MAC of the instance's own interface, device 0: never touched. */
  readonly primaryMac: string
  /** Interfaces that network card 0 carries, the instance's own included. */
  readonly eniCountMax: number
  /** The VPC's resolvers and search domains, from its DHCP options. */
  readonly nameServers: readonly string[]
  readonly searchDomains: readonly string[]
}

/** What this host has to give to tasks. */
export type Capacity = { readonly cpuUnits: number; readonly memoryMiB: number }

/** How many more such tasks fit, and what there is too little of for more. */
export type Room = {
  readonly taskCount: number
  /** ECS's word for what is short first. */
  readonly reason: 'RESOURCE:CPU' | 'RESOURCE:MEMORY' | 'RESOURCE:ENI'
  /** The numbers, in words. */
  readonly detail: string
  /** It would not fit if nothing else were here. */
  readonly isTooBig: boolean
}

/** A step that is being retried, and why. */
export type Waiting = {
  readonly row: RowId
  readonly verb: Verb
  readonly attempt: number
  readonly code: string
  readonly reason: string
  /** Milliseconds since the epoch. */
  readonly nextTryAt: number
}

/** One thing on which the world and the journal do not agree, and what follows from it. */
export type Finding = {
  /** `row`: something that a task should hold, and that is not shown. */
  readonly what: 'eni' | 'container' | 'volume' | 'link' | 'cgroup' | 'address' | 'row'
  /** The id of an ENI or a container, the name of a volume, the MAC of a link, the path of a cgroup. */
  readonly id: string
  /** Whose mark it wears, or whose row it is; absent where the mark was taken off. */
  readonly holderId?: HolderId
  readonly row?: RowId
  /**
   * `wait`: it has not been seen for long enough. `release`: given back. `doubt`: the row is looked
   * at again. `leave`: not the sweep's to change; a person should look.
   */
  readonly verdict: 'wait' | 'release' | 'doubt' | 'leave'
  readonly why: string
  /** What became of it, once something was done; absent in a plan. */
  readonly outcome?: string
}

/** What the last look at it found about a holder, and when: milliseconds since the epoch. */
export type Noticed = Finding & { readonly seenAt: number }

/** What one sweep found. A place that is `away` shows nothing, and nothing follows from that. */
export type Sweep = {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly findings: readonly Finding[]
  readonly away: readonly {
    readonly place: 'ec2' | 'docker' | 'kernel'
    readonly code: string
    readonly reason: string
  }[]
}

/** What may be asked of the sweep. Both look at EC2, Docker and the kernel now. */
export type SweepOrders = {
  /** What a sweep would find and do at this moment; changes nothing. */
  planSweep(): Promise<Sweep>
  /** Sweeps. Nothing is given back on one look: what is found for the first time waits. */
  sweep(): Promise<Sweep>
}

/** Why this host takes no tasks. */
export type Draining = {
  /** Milliseconds since the epoch. */
  readonly since: number
  readonly why: string
  /** When the instance ends, where that was announced: milliseconds since the epoch. */
  readonly endsAt?: number
}

/** What may be asked of the drain: whether this host takes tasks. */
export type DrainOrders = {
  /** Undefined while it does. */
  draining(): Draining | undefined
  /**
   * No task is taken on from here on, restarts included; `stopTasks` stops those that there are.
   * Throws StateFileUnwritable, or a Failure `transient`, where that cannot be written down.
   */
  drain(order: { readonly why: string; readonly stopTasks: boolean }): void
  /** Takes the host back, also against a notice that stands: a person knows better than IMDS. */
  undrain(): void
}

/** What may be asked about the services of this host. */
export type ServiceOrders = {
  /** A service was made or changed in the state file: look at it. */
  serviceChanged(): void
  /** Why the service of this key starts nothing now, though a task is missing. */
  serviceWaiting(key: string): Wait | undefined
}

/** A container as Docker shows it; moments are Docker's texts (RFC 3339). */
export type Inspected = {
  readonly dockerId: string
  readonly dockerName: string
  readonly imageId: string
  readonly labels: Readonly<Record<string, string>>
  readonly createdAt: string
  readonly startedAt?: string
  readonly finishedAt?: string
  /** The last health check. */
  readonly check?: { readonly at: string; readonly exitCode: number; readonly output: string }
  readonly mounts: readonly {
    readonly name?: string
    readonly source: string
    readonly destination: string
  }[]
  readonly log: { readonly driver: string; readonly options: Readonly<Record<string, string>> }
}

/** Credentials as a task is given them: in ECS's answer every member is there. */
export type GivenCredentials = {
  readonly roleArn: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly token: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

/** What may be asked about roles and protection of tasks. */
export type TaskOrders = {
  /** Whether this host has a source of credentials for the role of this ARN. */
  hasRole(arn: string): boolean
  /** The task role's credentials, for the task itself. Rejects with a Failure. */
  credentials(id: HolderId): Promise<GivenCredentials>
  /**
   * Protects the task until then (milliseconds since the epoch), or no longer. Throws
   * StateFileUnwritable where that cannot be written down.
   */
  protect(id: HolderId, until: number | undefined): void
}

/** What the clean-up of images has done since the agent started. */
export type CleanupView = {
  readonly isOn: boolean
  readonly cleans: 'off' | 'pulled' | 'all'
  readonly removedCount: number
  /** When the last one was, milliseconds since the epoch, and what it removed. */
  readonly lastAt?: number
  readonly lastRemoved?: readonly string[]
  /** Why the last one did not get to its end. */
  readonly failure?: string
}

/** Images on this host, since the agent started. */
export type ImagesView = {
  readonly pullBehavior: string
  /** `cached`: the pull failed, and what was here is used. */
  readonly pulls: Readonly<Record<'pulled' | 'failed' | 'cached', number>>
  /** How many images it has by our pulls. */
  readonly knownCount: number
  readonly cleanup: CleanupView
}

type HostOrders = SweepOrders &
  SpareOrders &
  DrainOrders &
  ServiceOrders &
  InsideOrders &
  TaskOrders & { images(): ImagesView }

export type Orders = HostOrders & {
  readonly host: Host
  /**
   * Learns of these subnets what placement needs (asks EC2 for those not seen yet).
   * Throws a Failure `refused` that names a subnet which does not exist or is in another VPC.
   */
  prepare(subnetIds: readonly string[]): Promise<void>
  /**
   * How many such tasks fit now, in their (prepared) subnets and in what this host has left.
   * Throws a Failure `refused` for an address that no such subnet can give.
   */
  room(spec: Spec): Room
  /** What this host has to give, and what is left of it. */
  capacity(): { readonly registered: Capacity; readonly remaining: Capacity }
  /** Whether so many wait for room that no more may. */
  isQueueFull(): boolean
  /** Device indices in use on card 0, the instance's own and foreign ones included. */
  slotsUsed(): number
  /** A holder was begun in the journal: take it up. */
  start(id: HolderId): void
  /** Turns the holder's desired to stopped. Asking again changes nothing. */
  stop(id: HolderId, stop: Stop): void
  /**
   * What is wanted of these rows of a running holder has changed: written down before this returns,
   * carried out soon after. Throws a Failure `transient` where it cannot be written down.
   */
  amend(id: HolderId, spec: Spec, rows: readonly RowId[]): void
  /** This host's share of the account's EC2 rates, and what is left of it. */
  budget(): BudgetView
  /** What each holder waits for that does at the moment. */
  allWaiting(): ReadonlyMap<HolderId, readonly Waiting[]>
  /** What this holder is waiting for at the moment. */
  waiting(id: HolderId): readonly Waiting[]
  /** What the sweep last found about this holder that does not agree; asks nobody. */
  noticed(id: HolderId): readonly Noticed[]
  /** The last `lines` of a container's log: from Docker while it exists, then what was kept. */
  logs(id: HolderId, container: string, lines: number): Promise<string>
  /** What Docker shows of the task's containers now, by their names in the task. */
  inspect(id: HolderId): Promise<ReadonlyMap<string, Inspected>>
  /** What one container uses, in ECS's words (version 4); undefined while it does not run. */
  stats(id: HolderId, container: string): Promise<Json | undefined>
}
