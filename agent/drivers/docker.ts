// The one connection to dockerd, cut down to the calls that we make. Every call is bounded in time,
// takes the step's signal and fails with a Failure; "it is not there" is an answer, not an error.
//
//   sandbox.ts, container.ts, image.ts, container-events.ts ──▶ docker.ts ──▶ dockerode ──▶ socket
//                                                  docker-images.ts ──┤
//                                                    docker-exec.ts ──┘

import Dockerode from 'dockerode'
import type { VolumePlan } from '../../state/volume.ts'
import { Failure } from '../failure.ts'
import { dockerAgent } from './docker-agent.ts'
import { CALL_MS, call, finish } from './docker-call.ts'
import { type ExecCalls, execCalls } from './docker-exec.ts'
import { dockerFailure, statusOf } from './docker-failure.ts'
import { type ImageCalls, imageCalls } from './docker-images.ts'

export type ContainerFacts = Dockerode.ContainerInspectInfo
export type ContainerSummary = Dockerode.ContainerInfo
export type ContainerPlan = Omit<Dockerode.ContainerCreateOptions, 'name' | 'abortSignal'>
export type VolumeFacts = Dockerode.VolumeInspectInfo

/** dockerd, as far as we need it. */
export type Docker = ImageCalls &
  ExecCalls & {
    /** The container, or undefined where there is none. */
    inspect(containerId: string, signal: AbortSignal): Promise<ContainerFacts | undefined>
    /** All containers, running or not, that carry these labels. */
    list(labels: readonly string[], signal: AbortSignal): Promise<ContainerSummary[]>
    /** Makes a container and returns its id. Throws `refused`; see `isNameTaken`, `isImageMissing`. */
    create(name: string, plan: ContainerPlan, signal: AbortSignal): Promise<string>
    /** Starts it. One that runs already is success. */
    start(containerId: string, signal: AbortSignal): Promise<void>
    /** SIGTERM (or its own stop signal), then SIGKILL after `graceMs`. Stopped or gone is success. */
    stop(containerId: string, graceMs: number, signal: AbortSignal): Promise<void>
    /** Kills and removes it with its anonymous volumes. Gone is success. */
    remove(containerId: string, signal: AbortSignal): Promise<void>
    /** The last `lines` of its output, in frames unless it has a terminal; undefined where it is gone. */
    rawLogs(containerId: string, lines: number, signal: AbortSignal): Promise<Buffer | undefined>
    /** The volume, or undefined where there is none. */
    inspectVolume(name: string, signal: AbortSignal): Promise<VolumeFacts | undefined>
    /** All volumes that carry these labels. */
    listVolumes(labels: readonly string[], signal: AbortSignal): Promise<VolumeFacts[]>
    /** Makes a volume; one of this name and driver that is there is success. */
    createVolume(name: string, plan: VolumePlan, signal: AbortSignal): Promise<void>
    /** Removes it with what is in it. Gone is success. */
    removeVolume(name: string, signal: AbortSignal): Promise<void>
    /** How dockerd makes cgroups, and whether at all. Asked once while a stream of events is open. */
    cgroupDriver(signal: AbortSignal): Promise<'cgroupfs' | 'systemd' | 'none'>
    /** What happens from now on to containers with this label; it ends when the connection does. */
    events(label: string, kinds: readonly string[], signal: AbortSignal): Promise<Lines>
  }

/** A stream of JSON lines. */
export type Lines = AsyncIterable<Buffer>

/** Whether `create` was refused because the name is in use. */
export const isNameTaken = (error: unknown): boolean =>
  error instanceof Failure && statusOf(error.cause) === 409

/** Whether `create` was refused because the image is not on this host. */
export const isImageMissing = (error: unknown): boolean =>
  error instanceof Failure && statusOf(error.cause) === 404

/**
 * Opens the connection. `dockerHost` is DOCKER_HOST's value (`unix:///path`); by default
 * /var/run/docker.sock. Throws `refused` for anything but a unix socket: container ids and
 * namespaces must be those of this host.
 */
export function openDocker(dockerHost: string | undefined = process.env.DOCKER_HOST): Docker {
  // Its types leave the agent out.
  const options = { socketPath: socketOf(dockerHost), agent: dockerAgent() }
  const api = new Dockerode(options)
  const one = (id: string) => api.getContainer(id)
  // What only a restart of dockerd can change is known for as long as its events come.
  const streams = new Set<object>()
  let cgroups: 'cgroupfs' | 'systemd' | 'none' | undefined
  return {
    async inspect(id, signal) {
      const facts = call(signal, CALL_MS, (abortSignal) => one(id).inspect({ abortSignal }))
      return unlessGone(facts, 'CannotInspectContainerError')
    },
    list(labels, signal) {
      const filters = { label: [...labels] }
      const found = call(signal, CALL_MS, (abortSignal) =>
        api.listContainers({ all: true, filters, abortSignal }),
      )
      return found.catch((error) => failWith(error, 'CannotInspectContainerError', 'transient'))
    },
    async create(name, plan, signal) {
      const made = finish(signal, (abortSignal) =>
        api.createContainer({ ...plan, name, abortSignal }),
      )
      const refused = (error: unknown) => failWith(error, 'CannotCreateContainerError', 'refused')
      return (await made.catch(refused)).id
    },
    async start(id, signal) {
      const started = finish(signal, (abortSignal) => one(id).start({ abortSignal }))
      await started.catch((error) => {
        if (statusOf(error) === 304) return
        failWith(error, 'CannotStartContainerError', 'refused', startHint(id, error as Error))
      })
    },
    async stop(id, graceMs, signal) {
      const t = Math.ceil(graceMs / 1000)
      const stopped = call(signal, CALL_MS + graceMs, (abortSignal) =>
        one(id).stop({ t, abortSignal }),
      )
      await stopped.catch((error) => {
        if (statusOf(error) === 304 || statusOf(error) === 404) return
        failWith(error, 'CannotStopContainerError', 'transient')
      })
    },
    async remove(id, signal) {
      const options = { force: true, v: true }
      const removed = call(signal, CALL_MS, () => one(id).remove(options))
      await unlessGone(removed, 'CannotRemoveContainerError')
    },
    rawLogs(id, lines, signal) {
      const options = { stdout: true, stderr: true, follow: false as const, tail: lines }
      const read = call(signal, CALL_MS, (abortSignal) => one(id).logs({ ...options, abortSignal }))
      return unlessGone(read, 'CannotReadLogs')
    },
    ...imageCalls(api),
    ...execCalls(api),
    inspectVolume(name, signal) {
      const facts = call(signal, CALL_MS, () => api.getVolume(name).inspect())
      return unlessGone(facts, 'CannotInspectVolumeError')
    },
    async listVolumes(labels, signal) {
      const filters = { label: [...labels] }
      const found = call(signal, CALL_MS, () => api.listVolumes({ filters }))
      const answer = await found.catch((error) =>
        failWith(error, 'CannotInspectVolumeError', 'transient'),
      )
      return answer.Volumes ?? []
    },
    async createVolume(name, { driver, options, labels }, signal) {
      const words = { Driver: driver, DriverOpts: { ...options }, Labels: { ...labels } }
      const made = finish(signal, () => api.createVolume({ Name: name, ...words }))
      await made.catch((error) => failWith(error, 'CannotCreateVolumeError', 'refused'))
    },
    async removeVolume(name, signal) {
      const removed = call(signal, CALL_MS, () => api.getVolume(name).remove())
      await unlessGone(removed, 'CannotRemoveVolumeError')
    },
    async cgroupDriver(signal) {
      if (cgroups !== undefined) return cgroups
      const open = [...streams]
      const asked = call(signal, CALL_MS, () => api.info())
      const refused = (error: unknown) => failWith(error, 'DockerUnreachable', 'transient')
      const { CgroupDriver } = await asked.catch(refused)
      const found = ['cgroupfs', 'systemd'].includes(CgroupDriver) ? CgroupDriver : 'none'
      if (open.some((stream) => streams.has(stream))) cgroups = found
      return found
    },
    async events(label, kinds, signal) {
      const filters = { type: ['container' as const], label: [label], event: [...kinds] }
      const stream = await api
        .getEvents({ filters, abortSignal: signal })
        .catch((error) => failWith(error, 'DockerUnreachable', 'transient'))
      streams.add(stream)
      stream.once('close', () => {
        streams.delete(stream)
        cgroups = undefined
      })
      return stream as unknown as Lines
    },
  }
}

function socketOf(dockerHost: string | undefined): string {
  if (dockerHost === undefined || dockerHost === '') return '/var/run/docker.sock'
  if (dockerHost.startsWith('unix://')) return dockerHost.slice('unix://'.length)
  throw new Failure('refused', 'DockerHostRefused', `DOCKER_HOST is ${dockerHost}`, {
    hint: 'It must name a unix socket of this host, such as unix:///var/run/docker.sock.',
  })
}

function failWith(error: unknown, code: string, kind: 'refused' | 'transient', hint = ''): never {
  throw dockerFailure(error, code, kind, hint)
}

async function unlessGone<T>(answer: Promise<T>, code: string): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (statusOf(error) === 404) return undefined
    throw dockerFailure(error, code, 'transient')
  }
}

/** dockerd died in the middle of starting it: containerd runs it, and Docker does not know. */
export const isForgotten = (error: unknown): boolean =>
  error instanceof Failure && FORGOTTEN.test(error.message)

const FORGOTTEN = /id already in use|already exists/

/** dockerd died between starting it and writing that down: containerd runs it, and no call ends it. */
function startHint(id: string, { message }: Error): string {
  if (!FORGOTTEN.test(message)) return ''
  return (
    'dockerd died while it started this container, and does not know that it runs: end it with ' +
    `ctr --namespace moby tasks kill --signal 9 ${id}, and run the task again`
  )
}
