// `npm run demo`: the story of the AWS blog post that introduced task networking for Amazon ECS, with
// its own task definition, on this machine: two copies of nginx on one host, both on port 80, each
// with a network card and a security group of its own. Every claim is checked with real packets.
//
//   images ∥ lab ─▶ agent ─▶ groups ─▶ register, run ─▶ describe ─▶ packets ─▶ stop ─▶ nothing left
//
// It exits with 1 when a claim does not hold, and cleans up in every case, Ctrl-C included.

import { makeAws } from './aws.ts'
import type { ImageOrigin } from './images.ts'
import {
  CLIENT_IMAGE,
  ensureClientImage,
  ensureNginxImage,
  NGINX_IMAGE,
  removeImage,
} from './images.ts'
import type { Inventory } from './leftovers.ts'
import { leftovers, takeInventory } from './leftovers.ts'
import { chapter, claim, claimCounts, elapsed, tell } from './narration.ts'
import { tellStory } from './story.ts'
import type { World } from './world.ts'
import { openWorld } from './world.ts'

const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => interrupted.abort(new Error(`${signal}: cleaning up`)))
}

/** Rejects as soon as the demo is interrupted. */
const untilInterrupted = (): Promise<never> =>
  new Promise((_, reject) => {
    const { signal } = interrupted
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason))
  })

async function prepareImages(): Promise<ImageOrigin> {
  const [origin] = await Promise.all([ensureNginxImage(), ensureClientImage()])
  return origin
}

async function main(): Promise<void> {
  const before = await takeInventory()
  const toClose: { world?: World; origin?: ImageOrigin } = {}
  try {
    await Promise.race([demo(toClose), untilInterrupted()])
  } catch (error) {
    const { message } = error as Error
    claim(false, 'the demo came to its end', message)
  } finally {
    await cleanUp(before, toClose)
  }
}

async function demo(toClose: { world?: World; origin?: ImageOrigin }): Promise<void> {
  chapter('A VPC in a box, and an agent on this host')
  const images = prepareImages()
  images.catch(() => {})
  const world = await openWorld(tell)
  toClose.world = world
  const origin = await images
  toClose.origin = origin
  tell(origin.text)
  const aws = await makeAws(world, import.meta.dirname)
  await tellStory({ world, aws, signal: interrupted.signal })
}

async function cleanUp(
  before: Inventory,
  { world, origin }: { world?: World; origin?: ImageOrigin },
): Promise<void> {
  if (world !== undefined) {
    await world.close().catch((error: Error) => claim(false, 'agent and lab end', error.message))
    tell('the agent and the lab have ended')
  }
  await removeImage(CLIENT_IMAGE)
  if (origin?.ours === true) await removeImage(NGINX_IMAGE)
  const left = leftovers(before, await takeInventory())
  claim(left.length === 0, 'this machine is as it was before', left.join('; ') || 'nothing is left')
}

await main()
const { proven, failed } = claimCounts()
console.log(
  failed === 0
    ? `\nAll ${proven} claims hold, in ${elapsed()} s.`
    : `\n${failed} of ${proven + failed} claims do not hold.`,
)
process.exit(failed === 0 ? 0 : 1)
