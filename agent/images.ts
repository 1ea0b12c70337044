// Everything about images on this host, put together: what the driver of image rows is given, the
// clean-up at its times, and what is shown of both.

import type { Logger } from 'pino'
import type { Images } from '../state/images.ts'
import type { Journal } from '../state/journal.ts'
import { machineClock } from './clock.ts'
import type { Docker } from './drivers/docker.ts'
import type { ImageOptions, Pulled } from './drivers/image.ts'
import { askEcr, openEcrTokens } from './drivers/registry/ecr.ts'
import { openRegistries } from './drivers/registry/registry.ts'
import type { Roles } from './drivers/roles/roles.ts'
import type { Values } from './drivers/values/values.ts'
import { every } from './every.ts'
import { ImageCleanup } from './image-cleanup.ts'
import type { ImageConfig } from './image-config.ts'
import type { ImagesView } from './orders.ts'

export type ImageParts = {
  readonly config: ImageConfig
  readonly docker: Docker
  readonly roles: Roles
  readonly values: Values
  readonly images: Images
  readonly journal: Journal
  readonly log: Logger
  readonly up: AsyncDisposableStack
  readonly signal: AbortSignal
  readonly onDefect: (error: unknown) => void
}

export type HostImages = {
  /** What the driver needs beside Docker. */
  readonly forDriver: Omit<ImageOptions, 'docker'>
  view(): ImagesView
}

/** Starts the clean-up as well, which goes on until everything is taken down. */
export function openImages(parts: ImageParts): HostImages {
  const { config, docker, roles, values, images, journal, log, up, signal, onDefect } = parts
  const pulls: Record<Pulled, number> = { pulled: 0, failed: 0, cached: 0 }
  const cleanup = new ImageCleanup({ docker, images, journal, config, clock: machineClock, log })
  const clean = () => void cleanup.run(signal).catch(onDefect)
  every(up, config.imageCleanupIntervalMs, clean, onDefect)
  up.defer(() => cleanup.over())
  return {
    forDriver: {
      behaviour: config.imagePullBehavior,
      registries: openRegistries({
        ecr: openEcrTokens(askEcr(roles)),
        ...{ roles, values },
        ...(config.registryAuth === undefined ? {} : { file: config.registryAuth }),
      }),
      images,
      whenKept: (name) => cleanup.whenKept(name),
      onPull: (outcome) => {
        pulls[outcome] += 1
      },
    },
    view: () => ({
      pullBehavior: config.imagePullBehavior,
      pulls,
      knownCount: images.all().length,
      cleanup: cleanup.view(),
    }),
  }
}
