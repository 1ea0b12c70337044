// The image of a container: taken from this host where it is, pulled where it is not. It runs while
// the ENI attaches, never after. Tasks that want the same image share one pull.

import { Failure } from '../failure.ts'
import type { Docker } from './docker.ts'
import { containerOf, type Driver } from './driver.ts'

/** A pull that is under way, for as long as somebody waits for it. */
type Pull = { readonly done: Promise<void>; readonly controller: AbortController; waiting: number }

/**
 * The driver of `image:<name>` rows. What is on the host is used as it is: `latest` is not asked for
 * again. Refuses with CannotPullContainerError and the registry's own words. Release keeps the image.
 */
export function imageDriver({ docker }: { readonly docker: Docker }): Driver<'image'> {
  const pulls = new Map<string, Pull>()

  async function sharedPull(reference: string, signal: AbortSignal): Promise<void> {
    const pull = pulls.get(reference) ?? begin(reference)
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

  function begin(reference: string): Pull {
    const controller = new AbortController()
    const done = docker.pull(reference, controller.signal).finally(() => {
      if (pulls.get(reference)?.controller === controller) pulls.delete(reference)
    })
    // Whoever waits hears of its failure; when nobody does any more, nobody needs to.
    done.catch(() => {})
    controller.signal.addEventListener('abort', () => pulls.delete(reference))
    const pull = { done, controller, waiting: 0 }
    pulls.set(reference, pull)
    return pull
  }

  return {
    async ensure(job, signal) {
      const { image } = containerOf(job)
      if (!REFERENCE.test(image)) throw malformed(image)
      const present = await docker.image(image, signal)
      if (present !== undefined) return present
      await sharedPull(image, signal)
      const pulled = await docker.image(image, signal)
      if (pulled !== undefined) return pulled
      throw new Failure('transient', 'CannotPullContainerError', `${image} went away once pulled`)
    },

    async release() {
      return undefined
    },
  }
}

/** What a reference is made of (distribution/reference, grammar); Docker judges the rest. */
const REFERENCE = /^[A-Za-z0-9][A-Za-z0-9._/:@-]*$/

const malformed = (image: string): Failure =>
  new Failure('refused', 'CannotPullContainerError', `invalid reference format: "${image}"`, {
    hint: 'An image is named like nginx:latest or registry.example:5000/team/app@sha256:….',
  })
