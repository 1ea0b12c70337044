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
import type { Traces } from './leftovers.ts'
import { leftovers } from './leftovers.ts'
import { chapter, claim, claimCounts, elapsed, tell } from './narration.ts'
import { endProgramsOn } from './program.ts'
import { tellStory } from './story.ts'
import type { World } from './world.ts'
import { LAB_NAME, openWorld } from './world.ts'

const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => interrupted.abort(new Error(`interrupted by ${signal}, cleaning up`)))
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

/** What there is to take away, as the demo gets on. */
type Debris = { world?: World; images?: Promise<ImageOrigin>; traces?: Traces }

async function main(): Promise<void> {
  const debris: Debris = {}
  endProgramsOn(interrupted.signal)
  const story = demo(debris)
  try {
    await Promise.race([story, untilInterrupted()])
  } catch (error) {
    const { message } = error as Error
    if (interrupted.signal.aborted) tell(message)
    else claim(false, 'the demo came to its end', message)
    // What it was doing when it was interrupted ends now; nothing may begin during the clean-up.
    await story.catch(() => {})
  } finally {
    await cleanUp(debris)
  }
}

async function demo(debris: Debris): Promise<void> {
  chapter('A VPC in a box, and an agent on this host')
  debris.images = prepareImages()
  debris.images.catch(() => {})
  const world = await openWorld(tell, interrupted.signal)
  debris.world = world
  tell((await debris.images).text)
  const aws = await makeAws(world, import.meta.dirname)
  await tellStory({ world, aws, signal: interrupted.signal }, (traces) => {
    debris.traces = traces
  })
}

async function cleanUp({ world, images, traces }: Debris): Promise<void> {
  chapter('The end of agent and lab')
  await world?.close().catch((error: Error) => claim(false, 'both end', error.message))
  const origin = await images?.catch(() => undefined)
  await removeImage(CLIENT_IMAGE)
  if (origin?.ours === true) await removeImage(NGINX_IMAGE)
  const none = { instanceId: '', macs: [], netnsInodes: [] }
  const left = await leftovers({ ...none, ...traces, labName: LAB_NAME })
  claim(left.length === 0, 'nothing of any of this is left on this machine', left.join(', '))
}

await main()
const { proven, failed } = claimCounts()
const complete = failed === 0 && !interrupted.signal.aborted
if (complete) console.log(`\nAll ${proven} claims hold, in ${elapsed()} s.`)
else if (failed === 0) console.log(`\nInterrupted after ${proven} claims, which all hold.`)
else console.log(`\n${failed} of ${proven + failed} claims do not hold.`)
process.exit(complete ? 0 : 1)
