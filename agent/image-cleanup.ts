// Removes images that nothing uses any more, as the ECS agent does: now and then, old ones only, a few
// at a time, the one that was used longest ago first. What a task uses or is about to use stays, and
// so does everything that no pull of ours brought, unless all images are to be cleaned up.

import { StateFileUnwritable } from '../state/database.ts'
import type { Images, PulledImage } from '../state/images.ts'
import type { Journal } from '../state/journal.ts'
import { lastStatus } from '../state/status.ts'
import { rowState } from '../state/task.ts'
import type { Clock } from './clock.ts'
import type { Docker } from './drivers/docker.ts'
import type { ImageSummary } from './drivers/docker-images.ts'
import { Failure, sentence } from './failure.ts'
import type { ImageConfig } from './image-config.ts'
import type { CleanupView } from './orders.ts'

export type CleanupOptions = {
  readonly docker: Pick<Docker, 'image' | 'listImages' | 'removeImage'>
  readonly images: Images
  readonly journal: Pick<Journal, 'all' | 'quarantined'>
  readonly config: ImageConfig
  readonly clock: Clock
  /** Told of each image that is gone, and of what kept a clean-up from ending. */
  readonly log: {
    info(fields: object, text: string): void
    warn(fields: object, text: string): void
  }
}

/** One that may go: by its name, or by its id where the name leads elsewhere by now. */
type Candidate = { readonly name: string; readonly row?: PulledImage }

/** What a task uses: names, and ids that these names once led to. */
type InUse = { readonly names: ReadonlySet<string>; readonly ids: ReadonlySet<string> }

/** Enid's own images have this label; they are never cleaned up. */
const OWN = 'enid:pause'

export class ImageCleanup {
  readonly #options: CleanupOptions
  readonly #removing = new Map<string, Promise<unknown>>()
  #busy: Promise<void> = Promise.resolve()
  #last: { readonly at: number; readonly removed: readonly string[] } | undefined
  #removedCount = 0
  #failure: string | undefined

  constructor(options: CleanupOptions) {
    this.#options = options
  }

  /** Whether there is one at all. With prefer-cached there is none: what is cached is what is wanted. */
  get isOn(): boolean {
    const { imageCleanup, imagePullBehavior } = this.#options.config
    return imageCleanup !== 'off' && imagePullBehavior !== 'prefer-cached'
  }

  /** Resolves when no image of this name is being removed. */
  async whenKept(name: string): Promise<void> {
    await this.#removing.get(canonical(name))
  }

  /** One clean-up, after the one that is under way. Its failure is shown, and the next one tries. */
  run(signal: AbortSignal): Promise<void> {
    this.#busy = this.#busy.then(() => this.#run(signal))
    return this.#busy
  }

  /** Resolves when the one that is under way is over. */
  over(): Promise<void> {
    return this.#busy
  }

  view(): CleanupView {
    const { config } = this.#options
    return {
      isOn: this.isOn,
      cleans: config.imageCleanup,
      removedCount: this.#removedCount,
      ...(this.#last && { lastAt: this.#last.at, lastRemoved: this.#last.removed }),
      ...(this.#failure === undefined ? {} : { failure: this.#failure }),
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { config, clock, log } = this.#options
    if (!this.isOn || signal.aborted) return
    const removed: string[] = []
    try {
      for (const candidate of await this.#candidates(signal)) {
        if (removed.length === config.imagesPerCleanup) break
        if (await this.#remove(candidate, signal)) removed.push(candidate.name)
      }
      this.#failure = undefined
    } catch (error) {
      this.#failure = wordsOf(error)
      log.warn({}, `image clean-up: ${this.#failure}`)
    }
    this.#removedCount += removed.length
    this.#last = { at: clock.now(), removed }
  }

  /** In the order in which they go. */
  async #candidates(signal: AbortSignal): Promise<Candidate[]> {
    const { images, config, docker, clock } = this.#options
    const oldest = clock.now() - config.imageMinimumAgeMs
    const pulled = images.all()
    const old = pulled.filter(
      (row) => row.isOurs && row.pulledAt <= oldest && !this.#isExcluded(row.reference),
    )
    const candidates: Candidate[] = []
    for (const row of old) {
      const now = await docker.image(row.reference, signal)
      const isThere = now?.imageId === row.imageId || (await docker.image(row.imageId, signal))
      // Somebody else removed it: there is nothing to clean up.
      if (!isThere) images.forget(row.reference, row.imageId)
      else
        candidates.push({ name: now?.imageId === row.imageId ? row.reference : row.imageId, row })
    }
    if (config.imageCleanup !== 'all') return candidates
    const known = new Set(
      pulled.flatMap(({ reference, imageId }) => [canonical(reference), imageId]),
    )
    return [...candidates, ...foreign(await docker.listImages(signal), known, oldest)].filter(
      ({ name }) => !this.#isExcluded(name),
    )
  }

  #isExcluded(name: string): boolean {
    return this.#options.config.imageCleanupExclude.map(canonical).includes(canonical(name))
  }

  /**
   * Whether it is gone. Between the look at the journal and the mark that it is being removed nothing
   * awaits: a task that begins after the look waits for the removal, and pulls.
   */
  async #remove({ name, row }: Candidate, signal: AbortSignal): Promise<boolean> {
    const { docker, images, log } = this.#options
    const imageId = row?.imageId ?? (await docker.image(name, signal))?.imageId
    const { names, ids } = this.#inUse()
    if (names.has(canonical(name)) || (imageId !== undefined && ids.has(imageId))) return false
    const removal = docker.removeImage(name, signal)
    const settled = removal.catch(() => {})
    this.#removing.set(canonical(name), settled)
    try {
      // Docker knows of containers that are not ours.
      if ((await removal) === 'inUse') return false
    } finally {
      this.#removing.delete(canonical(name))
    }
    if (row !== undefined) images.forget(row.reference, row.imageId)
    log.info({ image: name, imageId }, 'image removed: nothing used it')
    return true
  }

  /** The images of all tasks that are not over; of one that cannot be read nothing is known. */
  #inUse(): InUse {
    const tasks = this.#options.journal
      .all()
      .filter(({ holder }) => lastStatus(holder) !== 'STOPPED')
      .flatMap(({ holder }) => holder.spec.containers.map((container) => ({ holder, container })))
    const ids = tasks.flatMap(({ holder, container: { name } }) => {
      const details = rowState(holder, `image:${name}`).details
      return (details as { imageId?: string } | undefined)?.imageId ?? []
    })
    return {
      names: new Set(tasks.map(({ container }) => canonical(container.image))),
      ids: new Set(ids),
    }
  }
}

/** What time or an operator can mend, in words. Throws anything else. */
function wordsOf(error: unknown): string {
  if (error instanceof StateFileUnwritable) return error.message
  if (error instanceof Failure && error.kind !== 'defect')
    return `${error.code}: ${sentence(error)}`
  throw error
}

/** One image, one name: Docker fills in its own registry, its library and `latest`. */
function canonical(name: string): string {
  const short = name.replace(/^(index\.)?docker\.io\/(library\/)?/, '')
  return /[@:][^/]*$/.test(short) ? short : `${short}:latest`
}

/** What no pull of ours brought, and nobody calls by a name that we know. */
const foreign = (
  all: readonly ImageSummary[],
  known: ReadonlySet<string>,
  oldest: number,
): Candidate[] =>
  all
    .filter(({ labels, builtAt, imageId }) => {
      return labels[OWN] === undefined && builtAt <= oldest && !known.has(imageId)
    })
    .flatMap(({ names, imageId }) => (names.length === 0 ? [imageId] : names))
    .filter((name) => !known.has(canonical(name)))
    .map((name) => ({ name }))
