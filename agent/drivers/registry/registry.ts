// Who we are to an image's registry, as ECS decides it: the container's own credentials, else a token
// of ECR, else what the host's file says, else nobody. What is found goes to dockerd with the pull;
// it stands in no journal, log line or error.
//
//   repositoryCredentials ─▶ secret      *.dkr.ecr.*.amazonaws.com ─▶ ecr.ts      file ─▶ static.ts

import { Failure } from '../../failure.ts'
import type { RegistryAuth } from '../docker-images.ts'
import { type EcrTokens, ecrRegistryOf } from './ecr.ts'
import { readStatic } from './static.ts'

/** The text of a secret of Secrets Manager, by its ARN or name. Rejects with a Failure. */
export type ReadSecret = (secret: string, signal: AbortSignal) => Promise<string>

export type Registries = {
  /** What to show the registry of this image; undefined for nothing. Rejects with a Failure. */
  authOf(
    image: string,
    secret: string | undefined,
    signal: AbortSignal,
  ): Promise<RegistryAuth | undefined>
  /** The registry refused: what was kept for it is not used again. */
  refused(image: string): void
}

export type RegistriesOptions = {
  readonly readSecret: ReadSecret
  readonly ecr: EcrTokens
  /** A file like Docker's config.json, read anew for each pull. */
  readonly file?: string
}

/** All that this host knows of registries. */
export function openRegistries({ readSecret, ecr, file }: RegistriesOptions): Registries {
  return {
    async authOf(image, secret, signal) {
      if (secret !== undefined) return loginOf(secret, await readSecret(secret, signal))
      const registry = ecrRegistryOf(image)
      if (registry !== undefined) return await ecr.tokenOf(registry, signal)
      return file === undefined ? undefined : readStatic(file, hostOf(image))
    },
    refused(image) {
      const registry = ecrRegistryOf(image)
      if (registry !== undefined) ecr.forget(registry)
    },
  }
}

/** ECS: the secret holds {"username": …, "password": …}. What it does hold is not repeated. */
function loginOf(secret: string, text: string): RegistryAuth {
  const { username, password } = parsed(text)
  if (typeof username === 'string' && typeof password === 'string') return { username, password }
  throw new Failure(
    'refused',
    'CannotPullContainerAuthError',
    `the secret ${secret} does not hold a login`,
    { hint: 'It must be JSON with two texts: {"username": "…", "password": "…"}.' },
  )
}

/** An object's members, none where the text is no such thing. JSON.parse's own error quotes it. */
function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

/** Docker Hub's name in a config.json. */
export const DOCKER_HUB = 'https://index.docker.io/v1/'

/**
 * The registry's host of a reference (distribution/reference): what stands before the first slash,
 * where it has a dot or a port, or is localhost.
 */
export function hostOf(image: string): string {
  const [first = '', ...more] = image.split('/')
  const isHost = more.length > 0 && (/[.:]/.test(first) || first === 'localhost')
  return isHost && !/^(index\.)?docker\.io$/.test(first) ? first : DOCKER_HUB
}
