// The image of a container: pulled, or taken from this host, as the host's pull behaviour says. It
// runs while the ENI attaches, never after. Tasks that want the same image as the same user share
// one pull.
//
//   default        pulled; where that fails, what is here     always   pulled; where that fails, no task
//   prefer-cached  pulled where it is not here                once     pulled where no task here has yet

import { StateFileUnwritable } from '../../state/database.ts'
import type { Images } from '../../state/images.ts'
import { Failure, sentence } from '../failure.ts'
import type { Docker } from './docker.ts'
import type { ImageFacts } from './docker-images.ts'
import { containerOf, type Details, type Driver } from './driver.ts'
import type { Registries, Wanted } from './registry/registry.ts'

/** ECS_IMAGE_PULL_BEHAVIOR's values. */
export type Behaviour = 'default' | 'always' | 'once' | 'prefer-cached'

/** How a pull went: `cached`, it failed and what was here is used. */
export type Pulled = 'pulled' | 'failed' | 'cached'

export type ImageOptions = {
  readonly docker: Docker
  readonly behaviour: Behaviour
  readonly registries: Registries
  readonly images: Pick<Images, 'pulled' | 'used' | 'has'>
  /** Resolves when no clean-up is removing an image of this name. */
  readonly whenKept: (reference: string) => Promise<void>
  /** Told of each pull that ended. */
  readonly onPull: (outcome: Pulled) => void
}

/** A pull that is under way, for as long as somebody waits for it. */
type Pull = { readonly done: Promise<void>; readonly controller: AbortController; waiting: number }

/**
 * The driver of `image:<name>` rows. Refuses with CannotPullContainerError and the registry's own
 * words. Release keeps the image: the clean-up removes what nobody used for long.
 */
export function imageDriver(options: ImageOptions): Driver<'image'> {
  const { docker, behaviour, registries, images, whenKept, onPull } = options
  const pulls = new Map<string, Pull>()

  async function sharedPull(wanted: Wanted, signal: AbortSignal): Promise<void> {
    const key = `${wanted.image} ${registries.userOf(wanted)}`
    const pull = pulls.get(key) ?? begin(key, wanted)
    pull.waiting += 1
    const { promise: givenUp, reject } = Promise.withResolvers<never>()
    const giveUp = () => reject(new Failure('transient', 'Aborted', 'the pull was given up'))
    signal.addEventListener('abort', giveUp)
    if (signal.aborted) giveUp()
    try {
      await Promise.race([pull.done, givenUp])
    } finally {
      signal.removeEventListener('abort', giveUp)
      pull.waiting -= 1
      if (pull.waiting === 0) pull.controller.abort()
    }
  }

  function begin(key: string, wanted: Wanted): Pull {
    const controller = new AbortController()
    const done = pullOnce(wanted, controller.signal).finally(() => {
      if (pulls.get(key)?.controller === controller) pulls.delete(key)
    })
    // Whoever waits hears of its failure; when nobody does any more, nobody needs to.
    done.catch(() => {})
    controller.signal.addEventListener('abort', () => pulls.delete(key))
    const pull = { done, controller, waiting: 0 }
    pulls.set(key, pull)
    return pull
  }

  async function pullOnce(wanted: Wanted, signal: AbortSignal): Promise<void> {
    const { image } = wanted
    const before = await docker.image(image, signal)
    const auth = await registries.authOf(wanted, signal)
    try {
      await docker.pull(image, auth, signal)
    } catch (error) {
      registries.refused(wanted)
      throw error
    }
    onPull('pulled')
    const after = await docker.image(image, signal)
    // What a pull found unchanged was brought by somebody else, or by a pull that is noted already.
    const isOurs = after?.imageId !== before?.imageId
    if (after !== undefined) noted(() => images.pulled(image, after.imageId, isOurs))
  }

  /** Whether what is here does, without asking the registry. */
  function isEnough(image: string, { imageId }: ImageFacts): boolean {
    if (behaviour === 'once') return images.has(image, imageId)
    return behaviour === 'prefer-cached'
  }

  /**
   * What is here instead, where this behaviour takes it; else the failure. A registry that does not
   * answer has failed as well: a new task waits for nobody when its image is here.
   */
  async function instead(
    { image }: Wanted,
    present: ImageFacts | undefined,
    error: unknown,
    signal: AbortSignal,
  ): Promise<Details['image']> {
    const isOfPull = error instanceof Failure && /^CannotPull/.test(error.code)
    if (!isOfPull || behaviour !== 'default' || present === undefined) {
      if (isOfPull && error.kind === 'refused') onPull('failed')
      throw error
    }
    // A dockerd that is going away is no registry that failed: it does not answer this either.
    const still = await docker.image(image, signal)
    if (still === undefined) throw error
    onPull('cached')
    return { ...still, pullFailure: `${error.code}: ${sentence(error)}` }
  }

  return {
    async ensure(job, signal) {
      const { image, repositorySecret: secret } = containerOf(job)
      if (!REFERENCE.test(image)) throw malformed(image)
      await whenKept(image)
      noted(() => images.used(image))
      const present = await docker.image(image, signal)
      if (present !== undefined && isEnough(image, present)) return present
      const wanted = { image, task: job.spec, ...(secret === undefined ? {} : { secret }) }
      try {
        await sharedPull(wanted, signal)
      } catch (error) {
        return await instead(wanted, present, error, signal)
      }
      const pulled = await docker.image(image, signal)
      if (pulled !== undefined) return pulled
      throw new Failure('transient', 'CannotPullContainerError', `${image} went away once pulled`)
    },

    async release(job) {
      noted(() => images.used(containerOf(job).image))
      return undefined
    },
  }
}

/**
 * While the state file cannot be written the task goes on: an image that is not noted as ours is
 * not ours to remove, and `once` pulls it once more.
 */
function noted(write: () => void): void {
  try {
    write()
  } catch (error) {
    if (!(error instanceof StateFileUnwritable)) throw error
  }
}

/** What a reference is made of (distribution/reference, grammar); Docker judges the rest. */
const REFERENCE = /^[A-Za-z0-9][A-Za-z0-9._/:@-]*$/

const malformed = (image: string): Failure =>
  new Failure('refused', 'CannotPullContainerError', `invalid reference format: "${image}"`, {
    hint: 'An image is named like nginx:latest or registry.example:5000/team/app@sha256:….',
  })
