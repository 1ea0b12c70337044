// A container of a task, made and not started: in the pause container's namespaces, with everything
// that no journal holds fetched for it. It is made while the network card is still on its way; what
// starts it is container.ts, which also makes those of tasks from before this was a row of its own.
//
// Whoever started it wears its mark: the labels say `container:<name>`, whichever row made it.

import type { ContainerSpec } from '../../state/spec.ts'
import type { RowId } from '../../state/task.ts'
import type { Host } from '../orders.ts'
import { unlessAborted } from './abort.ts'
import { planOf } from './container-plan.ts'
import { withoutFetched } from './container-refusal.ts'
import type { ContainerFacts, Docker } from './docker.ts'
import { isNameTaken } from './docker.ts'
import { containerOf, type Driver, type Job } from './driver.ts'
import { findContainer, labelsOf, nameOf, type Wearer } from './mark.ts'
import { regionVariables } from './region-variables.ts'
import type { Roles } from './roles/roles.ts'
import type { Fetched, Values } from './values/values.ts'
import { NOTHING } from './values/values.ts'

export type MakerOptions = {
  readonly docker: Docker
  readonly host: Host
  /** Where credentials of tasks' roles come from; without it no task can have one. */
  readonly roles?: Roles
  /** Where secrets and files of variables come from; without it no container can name one. */
  readonly values?: Values
}

/** The mark of the container that a row `created:<name>` or `container:<name>` is about. */
export const wearerOf = (host: Host, job: Job): Wearer & { row: RowId } => ({
  instanceId: host.instanceId,
  holderId: job.holderId,
  row: `container:${containerOf(job).name}`,
})

/** A container that was made; `found`: it had its name, and our mark, already. */
export type Made = { readonly containerId: string; readonly found?: ContainerFacts }

/** What makes the container of a row. Refuses in the words of ECS: CannotCreateContainerError … */
export function containerMaker(
  options: MakerOptions,
): (job: Job, signal: AbortSignal) => Promise<Made> {
  const { docker, host, roles, values } = options

  /** By its name, or by its id where another task's pull has moved the name on meanwhile. */
  async function imageOf(job: Job, signal: AbortSignal) {
    const { image, name } = containerOf(job)
    const imageId = job.known('image', `image:${name}`)?.imageId
    const now = await docker.imageConfig(image, signal)
    if (imageId === undefined || now?.imageId === imageId) return { reference: image, facts: now }
    return { reference: imageId, facts: await docker.imageConfig(imageId, signal) }
  }

  /** What it needs that no journal holds; the task role's credentials, so that they are there. */
  async function fetch(job: Job, spec: ContainerSpec, signal: AbortSignal): Promise<Fetched> {
    const { task } = job.spec.roles ?? {}
    const credentials = (role: string) =>
      roles && unlessAborted(roles.get(role, job.holderId), signal, `the wait for ${role}`)
    const [fetched = NOTHING] = await Promise.all([
      values?.fetch(job.spec, spec, signal),
      task === undefined ? undefined : credentials(task),
    ])
    return fetched
  }

  return async (job, signal) => {
    const spec = containerOf(job)
    const wearer = wearerOf(host, job)
    const name = nameOf(job.spec.family, spec.name, job.holderId)
    const pause = job.details('sandbox', 'sandbox').containerId
    const labels = { ...spec.dockerLabels, ...ecsLabels(job, spec), ...labelsOf(wearer) }
    const [fetched, image] = await Promise.all([fetch(job, spec, signal), imageOf(job, signal)])
    const { fromFiles, secrets } = fetched
    const own = [fromFiles, spec.environment, secrets].flatMap((each) => Object.keys(each))
    const region = regionVariables(host.region, [...(image.facts?.variables ?? []), ...own])
    const plan = planOf(spec, job, pause, fetched, region)
    try {
      const Image = image.reference
      const whole = { ...plan, Image, Labels: labels }
      return { containerId: await docker.create(name, whole, signal) }
    } catch (error) {
      const found = isNameTaken(error) && (await findContainer(docker, wearer, signal))
      if (found) return { containerId: found.Id, found }
      throw withoutFetched(error, fetched)
    }
  }
}

/** The driver of `created:<name>` rows. Removing it is its release, also of one that was started. */
export function createdDriver(options: MakerOptions): Driver<'created'> {
  const { docker, host } = options
  const make = containerMaker(options)
  return {
    async ensure(job, signal) {
      const wearer = wearerOf(host, job)
      const found = job.again ? await findContainer(docker, wearer, signal) : undefined
      // Started once, it is not made anew: that it is gone is for the row of its start to find.
      const started = job.known('container', wearer.row)
      const there = found?.Id ?? started?.containerId
      return { containerId: there ?? (await make(job, signal)).containerId }
    },

    async release(job, signal) {
      const known = job.again ? undefined : job.known('created', job.row)
      const id =
        known?.containerId ?? (await findContainer(docker, wearerOf(host, job), signal))?.Id
      if (id !== undefined) await docker.remove(id, signal)
      return undefined
    },
  }
}

const ecsLabels = ({ spec }: Job, { name }: ContainerSpec): Record<string, string> => ({
  'com.amazonaws.ecs.container-name': name,
  'com.amazonaws.ecs.task-definition-family': spec.family,
})
