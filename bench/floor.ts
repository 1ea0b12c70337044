// Docker's own floor for a task: what it takes to have Docker make the same two containers, a pause
// container without a network and one that joins it, as anybody would. Nothing of a task beside.
//
//   none     the pause has `--network none`: Docker makes it a sandbox of nothing      what goals are about
//   off      Docker is told to make it no network at all, as enid tells it             what no agent can be faster than

import { openDocker } from '../agent/drivers/docker.ts'
import { pauseImage } from '../agent/drivers/pause/image.ts'
import type { DockerSide } from './docker.ts'

/** The two containers of one task, both started. */
export type Pair = readonly [app: string, pause: string]

export type Floor = {
  /** Creates and starts both, one after the other, as each stands on the one before. */
  start(app: Readonly<Record<string, unknown>>): Promise<Pair>
  /** Kills and removes both, the container first. */
  end(pair: Pair): Promise<void>
}

/** Sees to the pause container's image. */
export async function openFloor(
  docker: DockerSide,
  network: 'none' | 'off' = 'none',
): Promise<Floor> {
  const image = pauseImage()
  await image.ensureIn(openDocker(), AbortSignal.timeout(60_000))
  const LogConfig = { Type: 'none', Config: {} }
  return {
    async start({ HostConfig, ...plan }) {
      const host = { NetworkMode: 'none', LogConfig }
      const own = { Image: image.reference, NetworkDisabled: network === 'off' }
      const pause = await docker.create({ ...own, HostConfig: host })
      await docker.start(pause)
      const joined = { ...(HostConfig as object), NetworkMode: `container:${pause}` }
      const app = await docker.create({ ...plan, HostConfig: joined })
      await docker.start(app)
      return [app, pause]
    },
    async end(pair) {
      for (const id of pair) await docker.remove(id)
    },
  }
}
