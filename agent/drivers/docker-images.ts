// What we ask dockerd about images: a part of docker.ts, over its one connection.

import type Dockerode from 'dockerode'
import { Failure } from '../failure.ts'
import { CALL_MS, call, endOf } from './docker-call.ts'
import { dockerFailure, statusOf } from './docker-failure.ts'

export type ImageFacts = { readonly imageId: string; readonly digest?: string }

/** What a container gets from its image. */
export type ImageConfig = { readonly imageId: string; readonly variables: readonly string[] }

/** What a registry wants to see. Never written down, and never in an error. */
export type RegistryAuth =
  | { readonly username: string; readonly password: string }
  | { readonly identitytoken: string }

/** An image of this host under one of its names, or under its id where it has none. */
export type ImageSummary = {
  readonly imageId: string
  readonly names: readonly string[]
  /** When it was built, milliseconds since the epoch. */
  readonly builtAt: number
  readonly labels: Readonly<Record<string, string>>
}

export type ImageCalls = {
  /** The image, or undefined where it is not on this host. */
  image(reference: string, signal: AbortSignal): Promise<ImageFacts | undefined>
  /** The image with the names of its variables, or undefined where it is not on this host. */
  imageConfig(reference: string, signal: AbortSignal): Promise<ImageConfig | undefined>
  /** All images with a name, or that no name leads to any more. */
  listImages(signal: AbortSignal): Promise<ImageSummary[]>
  /** Pulls it. Throws `refused` CannotPullContainerError with the registry's words. */
  pull(reference: string, auth: RegistryAuth | undefined, signal: AbortSignal): Promise<void>
  /**
   * Takes the name off an image, and removes it where that was its last; an id removes one without
   * names. Gone is success; `inUse`: a container or another name holds it, and nothing was done.
   */
  removeImage(reference: string, signal: AbortSignal): Promise<'removed' | 'inUse'>
  /** Makes an image `repository:tag` of a tar archive. */
  importImage(tar: Buffer, to: ImportTarget, signal: AbortSignal): Promise<void>
}

export type ImportTarget = {
  readonly repository: string
  readonly tag: string
  /** Dockerfile lines. */
  readonly changes: readonly string[]
}

/** ECS's ECS_IMAGE_PULL_INACTIVITY_TIMEOUT: a pull that says nothing for so long is given up. */
const SILENCE_MS = 60_000

/** The calls. `silenceMs`: after how long without a word a pull is given up. */
export function imageCalls(api: Dockerode, silenceMs = SILENCE_MS): ImageCalls {
  return {
    async image(reference, signal) {
      const image = call(signal, CALL_MS, () => api.getImage(reference).inspect())
      const named = image.catch((error) => {
        // A name that no image can have: pulling it says so in Docker's words.
        if (!/invalid reference format/.test((error as Error).message)) throw error
        return undefined
      })
      const facts = await named.catch((error) => goneOr(error, 'CannotInspectImageError'))
      const digest = digestOf(reference, facts?.RepoDigests ?? [])
      return facts && { imageId: facts.Id, ...(digest === undefined ? {} : { digest }) }
    },

    async imageConfig(reference, signal) {
      const image = call(signal, CALL_MS, () => api.getImage(reference).inspect())
      const facts = await image.catch((error) => goneOr(error, 'CannotInspectImageError'))
      const variables = (facts?.Config.Env ?? []).map((line) => line.replace(/=.*/s, ''))
      return facts && { imageId: facts.Id, variables }
    },

    async listImages(signal) {
      const listed = call(signal, CALL_MS, () => api.listImages())
      const images = await listed.catch((error) => {
        throw dockerFailure(error, 'CannotInspectImageError', 'transient')
      })
      return images.map(({ Id, RepoTags, RepoDigests, Created, Labels }) => {
        const names = [...(RepoTags ?? []), ...(RepoTags?.length ? [] : (RepoDigests ?? []))]
        return {
          imageId: Id,
          names: names.filter((name) => !name.includes('<none>')),
          builtAt: Created * 1000,
          labels: Labels ?? {},
        }
      })
    },

    pull: (reference, auth, signal) => pull(api, { reference, auth, silenceMs }, signal),

    async removeImage(reference, signal) {
      try {
        await call(signal, CALL_MS, () => api.getImage(reference).remove())
      } catch (error) {
        if (statusOf(error) === 409) return 'inUse'
        goneOr(error, 'CannotRemoveImageError')
      }
      return 'removed'
    },

    async importImage(tar, { repository, tag, changes }, signal) {
      const options = { repo: repository, tag, changes: [...changes] }
      // dockerode hands a buffer on to the request as it is; only its types want a stream.
      const file = tar as unknown as NodeJS.ReadableStream
      const made = call(signal, CALL_MS, async (abortSignal) => {
        await endOf(await api.importImage(file, { ...options, abortSignal }))
      })
      await made.catch((error) => {
        throw dockerFailure(error, 'PauseImageError', 'transient')
      })
    },
  }
}

/** Undefined where Docker says that it is not there; else the failure. */
function goneOr(error: unknown, code: string): undefined {
  if (statusOf(error) === 404) return undefined
  throw dockerFailure(error, code, 'transient')
}

/** The repository of a reference: without its tag and its digest. */
export const repositoryOf = (reference: string): string =>
  reference.replace(/@.*$/, '').replace(/:[^/:]*$/, '')

/** The digest under which the reference's own repository has it; else any: one image, one content. */
function digestOf(reference: string, all: readonly string[]): string | undefined {
  const named = repositoryOf(reference)
  const own = all.find((each) => {
    const repository = repositoryOf(each)
    return repository === named || repository === named.replace(/^docker\.io\/(library\/)?/, '')
  })
  return (own ?? all[0])?.split('@')[1]
}

async function pull(
  api: Dockerode,
  {
    reference,
    auth,
    silenceMs,
  }: { reference: string; auth: RegistryAuth | undefined; silenceMs: number },
  signal: AbortSignal,
): Promise<void> {
  const code = 'CannotPullContainerError'
  const silent = new AbortController()
  const timer = setTimeout(() => silent.abort(), silenceMs)
  const options = {
    abortSignal: AbortSignal.any([signal, silent.signal]),
    ...(auth && { authconfig: auth }),
  }
  try {
    const progress = await call(options.abortSignal, PULL_MS, () => api.pull(reference, options))
    progress.on('data', () => timer.refresh())
    await endOf(progress)
  } catch (error) {
    if (silent.signal.aborted && !signal.aborted) {
      const message = `the registry of ${reference} said nothing for ${silenceMs / 1000} s`
      throw new Failure('refused', code, message, { hint: pullHint('') })
    }
    throw dockerFailure(error, code, 'refused', pullHint((error as Error).message))
  } finally {
    clearTimeout(timer)
  }
}

/** ECS's ECS_IMAGE_PULL_TIMEOUT, milliseconds. */
const PULL_MS = 7_200_000

function pullHint(message: string): string {
  if (/toomanyrequests|rate limit/i.test(message)) {
    return 'The registry limits how often you may pull: log in (repositoryCredentials, or ENID_REGISTRY_AUTH), or use a mirror.'
  }
  if (/denied|unauthorized|no basic auth|not found|manifest unknown/i.test(message)) {
    return 'Check the name and the tag of the image, and whether the registry wants a login (repositoryCredentials, or ENID_REGISTRY_AUTH).'
  }
  return 'The image is not on this host and its registry did not deliver it: load it with docker load, or see that the registry can be reached.'
}
