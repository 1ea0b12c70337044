// The pause container: it holds the task's network namespace from before the first container to
// after the last. Hostname, hosts, resolver and sysctls of the whole task are fixed when it is
// created, because Docker refuses them on a container that joins another's namespace.
//
//   create (image imported first, if it is missing) ──▶ start ──▶ hold its namespace

import { nameServersOf } from '../../state/name-servers.ts'
import { Failure } from '../failure.ts'
import type { Host } from '../orders.ts'
import { parentOf } from './cgroup/path.ts'
import { type Cgroups, openCgroups } from './cgroup/tree.ts'
import { endContainer, startContainer } from './cgroup.ts'
import type { ContainerFacts, ContainerPlan, Docker } from './docker.ts'
import { isImageMissing, isNameTaken } from './docker.ts'
import type { Details, Driver, Job } from './driver.ts'
import type { Kernel } from './kernel/kernel.ts'
import { kernelFailure } from './kernel-failure.ts'
import { findContainer, labelsOf, shortId } from './mark.ts'
import { type PauseImage, pauseImage } from './pause/image.ts'
import { openStartTurns, type StartTurns } from './start-turns.ts'

export type SandboxOptions = {
  readonly docker: Docker
  readonly kernel: Pick<Kernel, 'holdNetns' | 'dropNetns'>
  readonly host: Host
  /** By default this host's. */
  readonly cgroups?: Pick<Cgroups, 'end'>
  /** By default its own. */
  readonly turns?: StartTurns
  /** By default the one for this machine. */
  readonly image?: PauseImage
}

/**
 * The driver of the `sandbox` row. A pause container that is dead, or gone after it was held, is
 * `lost`: a new one would be an empty namespace, and everything that ran in the old one is cut off.
 */
export function sandboxDriver(options: SandboxOptions): Driver<'sandbox'> {
  const { docker, kernel, host, image = pauseImage() } = options
  const { cgroups = openCgroups(), turns = openStartTurns() } = options
  const wearerOf = ({ holderId, row }: Job) => ({ instanceId: host.instanceId, holderId, row })

  async function make(job: Job, signal: AbortSignal): Promise<string> {
    const name = `ecs-${job.spec.family}-${shortId(job.holderId)}-pause`
    const labels = labelsOf(wearerOf(job))
    const plan = planOf(job, host, image.reference, labels)
    try {
      return await docker.create(name, plan, signal)
    } catch (error) {
      if (isNameTaken(error)) return await ownOrRethrow(job, error, signal)
      if (!isImageMissing(error)) throw error
    }
    await image.ensureIn(docker, signal)
    return await docker.create(name, plan, signal)
  }

  async function ownOrRethrow(job: Job, error: unknown, signal: AbortSignal): Promise<string> {
    const own = await findContainer(docker, wearerOf(job), signal)
    if (own === undefined) throw error
    return own.Id
  }

  async function settle(containerId: string, signal: AbortSignal): Promise<Details['sandbox']> {
    const facts = await docker.inspect(containerId, signal)
    if (facts === undefined || !facts.State.Running) throw lost(containerId, facts)
    const netns = netnsOf(facts)
    await kernel.holdNetns(netns).catch((error) => {
      throw kernelFailure(error)
    })
    return { containerId, netns }
  }

  return {
    async ensure(job, signal) {
      const known = job.known('sandbox', job.row)
      const found = job.again ? await findContainer(docker, wearerOf(job), signal) : undefined
      if (found === undefined && known !== undefined) throw lost(known.containerId, found)
      if (found?.State.Running) return await settle(found.Id, signal)
      if (found !== undefined && found.State.Status !== 'created') throw lost(found.Id, found)
      const containerId = found?.Id ?? (await make(job, signal))
      await startContainer({ docker, cgroups, turns }, job, containerId, signal)
      return await settle(containerId, signal)
    },

    async release(job, signal) {
      const known = job.known('sandbox', job.row)
      // What was held is known by its id; in doubt it may be another, made by an ensure without an answer.
      const isSure = known !== undefined && !job.again
      const facts = isSure ? undefined : await findContainer(docker, wearerOf(job), signal)
      const containerId = isSure ? known.containerId : facts?.Id
      if (containerId !== undefined) {
        // One that was held Docker knows to run, and ends itself; the cgroup's own release sees to it.
        if (!isSure) await endContainer({ cgroups }, job, containerId)
        await docker.remove(containerId, signal)
      }
      // A hold outlives the container: without this, a namespace that no link was taken into stays.
      const netns = known?.netns ?? (facts && netnsOf(facts))
      if (netns !== undefined && netns !== '') await kernel.dropNetns(netns)
      return undefined
    },
  }
}

/** What to do about a dead pause container, whoever found it. */
export const PAUSE_REMEDY =
  'Run the task again. Where dockerd was restarted: containers outlive that with ' +
  '"live-restore": true in /etc/docker/daemon.json'

const netnsOf = (facts: ContainerFacts): string => facts.NetworkSettings.SandboxKey

function lost(containerId: string, facts: ContainerFacts | undefined): Failure {
  const id = containerId.slice(0, 12)
  const message =
    facts === undefined
      ? `the pause container ${id} is gone, and the task's network namespace with it`
      : `the pause container ${id} is ${facts.State.Status} (exit code ${facts.State.ExitCode})`
  return new Failure('lost', 'PauseGone', message, {
    hint: PAUSE_REMEDY,
  })
}

/**
 * What Docker refused for want of a running pause container is the loss of that one, whatever Docker's
 * words for it: then its failure, else `error`. Throws what looking at it throws.
 */
export async function orPauseGone(
  error: unknown,
  job: Job,
  docker: Pick<Docker, 'inspect'>,
  signal: AbortSignal,
): Promise<unknown> {
  if (!(error instanceof Failure) || error.kind !== 'refused') return error
  const { containerId } = job.details('sandbox', 'sandbox')
  const facts = await docker.inspect(containerId, signal)
  return facts?.State.Running ? error : lost(containerId, facts)
}

/** sethostname(2) takes 64 bytes. A DNS name may be longer: then its first label has to do. */
const hostnameOf = (dnsName: string): string =>
  dnsName.length <= 64 ? dnsName : (dnsName.split('.', 1)[0] as string)

function planOf(
  job: Job,
  host: Host,
  image: string,
  labels: Record<string, string>,
): ContainerPlan {
  const { eniId, privateDnsName, ipv4, ipv6 } = job.details('eni', 'eni:0')
  const { sandbox = {} } = job.spec
  const { searchDomains } = host
  // As EC2 names an instance in a subnet of IPv6 alone: by its id. Nobody resolves it but the task.
  const ownName = privateDnsName ?? `${eniId}.${searchDomains[0] ?? 'internal'}`
  const { hostname = ownName, extraHosts = [], sysctls = {} } = sandbox
  const ownHosts = extraHosts.map((line) => `${line.hostname}:${line.address}`)
  const names = hostname === ownName ? [ownName] : [hostname, ownName]
  const cgroup = job.known('cgroup', 'cgroup')?.path
  // Docker switches IPv6 off in a namespace without a Docker network (moby/moby 42748).
  const needed = ipv6 === undefined ? {} : { 'net.ipv6.conf.all.disable_ipv6': '0' }
  return {
    Image: image,
    Hostname: hostnameOf(hostname),
    Labels: labels,
    StopSignal: 'SIGTERM',
    HostConfig: {
      NetworkMode: 'none',
      Dns: [...(sandbox.nameServers ?? nameServersOf(host.nameServers, { ipv4 }))],
      DnsSearch: [...(sandbox.searchDomains ?? searchDomains)],
      ExtraHosts: [...names.map((name) => `${name}:${ipv4 ?? ipv6}`), ...ownHosts],
      ...(cgroup !== undefined && { CgroupParent: parentOf(cgroup) }),
      // Others may join it; nobody does unless the task says so.
      ...(sandbox.ipc === 'task' && { IpcMode: 'shareable' }),
      Sysctls: { ...sysctls, ...needed },
      // It does nothing, so it may do nothing. Its log is never written.
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      ReadonlyRootfs: true,
      LogConfig: { Type: 'none', Config: {} },
      RestartPolicy: { Name: 'no' },
    },
  }
}
