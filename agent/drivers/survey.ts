// All that wears our mark, in the three places where we make things, whether or not a holder claims
// it. It reads marks, never our journal, and changes nothing. A place that is away says so: its
// silence is not emptiness.
//
//   EC2     one filtered describe by tag key: this instance's ENIs, and those of all others
//   Docker  containers and volumes with our labels      kernel  links of the host whose alias is our mark;
//                                                  cgroups and mounts whose paths say whose they are

import type { HolderId } from '../../state/spec.ts'
import type { RowId } from '../../state/task.ts'
import { Failure } from '../failure.ts'
import { holderAt, PARENTS } from './cgroup/path.ts'
import { type Cgroups, openCgroups } from './cgroup/tree.ts'
import type { Docker } from './docker.ts'
import { MARK } from './driver.ts'
import type { Ec2 } from './ec2.ts'
import type { Kernel } from './kernel/kernel.ts'
import { kernelFailure } from './kernel-failure.ts'
import type { Wearer } from './mark.ts'
import { openMounts } from './mounts.ts'
import { addressesOf } from './survey-addresses.ts'
import { type Describe, enisOf } from './survey-enis.ts'
import { mountsOf } from './survey-mounts.ts'

/** An ENI as EC2 shows it. */
export type SeenEni = {
  readonly what: 'eni'
  readonly eniId: string
  /** The whole mark, or undefined where it was taken off, in part or altogether. */
  readonly wears?: Wearer
  /** EC2's word: `available`, `in-use`, `pending`, … */
  readonly status: string
  /** The groups it wears, in EC2's order; absent where EC2 did not tell. */
  readonly securityGroupIds?: readonly string[]
  readonly attachment?: SeenAttachment
  /** The Elastic IP that stands for its primary address. */
  readonly allocationId?: string
}

/** An Elastic IP with a mark, this instance's or another's. */
export type SeenAddress = {
  readonly what: 'address'
  readonly allocationId: string
  /** Absent: it stands for no interface. */
  readonly associationId?: string
  readonly wears: Wearer
}

/** Where an ENI is attached. */
export type SeenAttachment = {
  readonly attachmentId: string
  readonly instanceId: string
  readonly deviceIndex: number
  /** EC2's word: `attaching`, `attached`, `detaching`, `detached`. */
  readonly status: string
  /** Whether EC2 deletes the ENI with the instance. */
  readonly isGuarded: boolean
  /** Milliseconds since the epoch, by EC2's clock. */
  readonly attachedAt?: number
}

/** A container with this instance's labels. */
export type SeenContainer = {
  readonly what: 'container'
  readonly containerId: string
  readonly wears: Wearer
  readonly isRunning: boolean
  /** Milliseconds since the epoch, to the second. */
  readonly createdAt: number
}

/** A volume with this instance's labels, or what is mounted in a task's place: its path. */
export type SeenVolume = {
  readonly what: 'volume'
  readonly volumeName: string
  readonly wears: Wearer
  /** Milliseconds since the epoch, to the second. */
  readonly createdAt: number
}

/** A link in the host's own namespace whose alias is this instance's mark. */
export type SeenLink = {
  readonly what: 'link'
  readonly mac: string
  readonly name: string
  readonly wears: Wearer
}

/** The cgroup of a task of this instance. */
export type SeenCgroup = {
  readonly what: 'cgroup'
  readonly path: string
  readonly wears: Wearer
  /** There are containers in it, or were: since when nobody can tell. */
  readonly isUsed: boolean
}

/** What one place shows, or why it shows nothing. */
export type Looked<T> = { readonly seen: readonly T[] } | { readonly away: Failure }

/** One look at the world. */
export type Survey = {
  readonly enis: Looked<SeenEni>
  readonly containers: Looked<SeenContainer>
  readonly volumes: Looked<SeenVolume>
  readonly links: Looked<SeenLink>
  readonly cgroups: Looked<SeenCgroup>
  /** Empty where nobody asked for them. */
  readonly addresses: Looked<SeenAddress>
  /** How many calls EC2 was asked for it. */
  readonly ec2CallCount: number
}

/**
 * Takes one look. `knownEniIds` are looked for by id where the mark does not show them, so that
 * tags which were taken off are told from an ENI that is gone. Rejects with a defect only.
 */
export type TakeSurvey = (
  knownEniIds: readonly string[],
  signal: AbortSignal,
  asked?: Asked,
) => Promise<Survey>

/** What is looked at only where there may be any: a host without public addresses need not be allowed to. */
export type Asked = { readonly addresses: boolean }

export type SurveyOptions = {
  readonly ec2: Pick<Ec2, 'call'>
  readonly docker: Pick<Docker, 'list' | 'listVolumes'>
  readonly kernel: Pick<Kernel, 'links'>
  readonly instanceId: string
  /** The agent's own place. */
  readonly stateDir: string
  /** By default this host's. */
  readonly cgroups?: Pick<Cgroups, 'list'>
  /** ENIs per page, 5 to 1000; tests make it small. */
  readonly pageSize?: number
}

/** EC2's pages hold at most so many. */
const PAGE_MAX = 1000

/** Opens the survey of this host. */
export function openSurvey(options: SurveyOptions): TakeSurvey {
  const { docker, kernel, instanceId, stateDir, cgroups = openCgroups() } = options
  const mounts = openMounts({ stateDir })

  async function containers(signal: AbortSignal): Promise<SeenContainer[]> {
    const found = await docker.list([`${MARK.instance}=${instanceId}`], signal)
    return found.flatMap(({ Id: containerId, Labels: labels, State: state, Created: seconds }) => {
      const wears = wearerOf(labels)
      const isRunning = state === 'running'
      const seen = { what: 'container' as const, containerId, isRunning, createdAt: seconds * 1000 }
      return wears === undefined ? [] : [{ ...seen, wears }]
    })
  }

  async function volumes(signal: AbortSignal): Promise<SeenVolume[]> {
    const found = await docker.listVolumes([`${MARK.instance}=${instanceId}`], signal)
    const ofDocker = found.flatMap(({ Name: volumeName, Labels: labels, ...facts }) => {
      const wears = wearerOf(labels)
      const { CreatedAt: madeAt = '' } = facts as { readonly CreatedAt?: string }
      const seen = { what: 'volume' as const, volumeName, createdAt: Date.parse(madeAt) || 0 }
      return wears === undefined ? [] : [{ ...seen, wears }]
    })
    return [...ofDocker, ...mountsOf(mounts, instanceId)]
  }

  async function links(): Promise<SeenLink[]> {
    const found = await kernel.links().catch((error) => {
      throw kernelFailure(error)
    })
    return found.flatMap(({ mac, name, alias }) => {
      const wears = wearerOfAlias(alias)
      return wears?.instanceId === instanceId ? [{ what: 'link' as const, mac, name, wears }] : []
    })
  }

  async function taskCgroups(): Promise<SeenCgroup[]> {
    const found = await Promise.all(PARENTS.map((parent) => cgroups.list(parent)))
    return found.flat().flatMap(({ path, isUsed }) => {
      const holderId = holderAt(path, instanceId)
      const row = 'cgroup' as const
      return holderId === undefined
        ? []
        : [{ what: row, path, isUsed, wears: { instanceId, holderId, row } }]
    })
  }

  return async (knownEniIds, signal, asked = { addresses: false }) => {
    let ec2CallCount = asked.addresses ? 1 : 0
    const counted: Describe = (filter, token) => {
      ec2CallCount += 1
      const page = token === undefined ? {} : { NextToken: token }
      const input = { Filters: [filter], MaxResults: options.pageSize ?? PAGE_MAX, ...page }
      return options.ec2.call('DescribeNetworkInterfaces', input, signal)
    }
    const looks = [
      looked(enisOf(counted, instanceId, knownEniIds)),
      looked(containers(signal)),
      looked(volumes(signal)),
      looked(links()),
      looked(taskCgroups()),
      looked(asked.addresses ? addressesOf(options, signal) : Promise.resolve([])),
    ] as const
    const [enis, inDocker, ofDocker, onHost, ofTasks, addresses] = await Promise.all(looks)
    return {
      enis,
      containers: inDocker,
      volumes: ofDocker,
      links: onHost,
      cgroups: ofTasks,
      addresses,
      ec2CallCount,
    }
  }
}

async function looked<T>(look: Promise<T[]>): Promise<Looked<T>> {
  try {
    return { seen: await look }
  } catch (error) {
    if (error instanceof Failure && error.kind !== 'defect') return { away: error }
    throw error
  }
}

/** An instance's id, a holder's id, a row: what is not of this form is not our mark. */
const FORM = {
  instanceId: /^i-[0-9a-f]{8,17}$/,
  holderId: /^[0-9a-f]{32}$/,
  row: /^(cgroup|sandbox|address|(eni|publicIp|attachment|guard|link|image|volume|container):.+)$/,
}

/** The mark among these tags or labels, undefined unless it is whole. The other way of labelsOf. */
export function wearerOf(labels: Readonly<Record<string, string>>): Wearer | undefined {
  const instanceId = labels[MARK.instance] ?? ''
  const holderId: HolderId = labels[MARK.holder] ?? ''
  const row = labels[MARK.row] ?? ''
  const isWhole =
    FORM.instanceId.test(instanceId) && FORM.holderId.test(holderId) && FORM.row.test(row)
  return isWhole ? { instanceId, holderId, row: row as RowId } : undefined
}

/** The mark that is this alias, or undefined. The other way of aliasOf. */
export function wearerOfAlias(alias: string): Wearer | undefined {
  const [word, instanceId = '', holderId = '', row = '', ...more] = alias.split(' ')
  if (word !== 'enid' || more.length > 0) return undefined
  return wearerOf({ [MARK.instance]: instanceId, [MARK.holder]: holderId, [MARK.row]: row })
}
