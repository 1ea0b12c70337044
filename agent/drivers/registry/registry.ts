// Who we are to an image's registry, as ECS decides it: the container's own credentials, else a token
// of ECR, else what the host's file says, else nobody. What is found goes to dockerd with the pull;
// it stands in no journal, log line or error.
//
//   repositoryCredentials ─▶ secret      *.dkr.ecr.*.amazonaws.com ─▶ ecr.ts      file ─▶ static.ts

import type { SecretSource, Spec } from '../../../state/spec.ts'
import { Failure } from '../../failure.ts'
import type { RegistryAuth } from '../docker-images.ts'
import type { Roles } from '../roles/roles.ts'
import { executionRole, type Values } from '../values/values.ts'
import { type EcrRegistry, type EcrTokens, ecrRegistryOf } from './ecr.ts'
import { readStatic } from './static.ts'

/** A login that a pull is made with: the container's own, and who asks for it. */
export type Wanted = { readonly image: string; readonly secret?: SecretSource; readonly task: Spec }

export type Registries = {
  /** What to show the registry of this image; undefined for nothing. Rejects with a Failure. */
  authOf(wanted: Wanted, signal: AbortSignal): Promise<RegistryAuth | undefined>
  /** The registry refused: what was kept for it is not used again. */
  refused(wanted: Wanted): void
  /** The same text for all who pull as the same user. */
  userOf(wanted: Wanted): string
}

export type RegistriesOptions = {
  readonly values: Pick<Values, 'secret'>
  readonly roles: Pick<Roles, 'has'>
  readonly ecr: EcrTokens
  /** A file like Docker's config.json, read anew for each pull. */
  readonly file?: string
}

/** All that this host knows of registries. */
export function openRegistries({ values, roles, ecr, file }: RegistriesOptions): Registries {
  const ecrOf = ({ image, task }: Wanted): EcrRegistry | undefined => {
    const registry = ecrRegistryOf(image)
    const role = executionRole(roles, task)
    return registry && { ...registry, ...(role === undefined ? {} : { role }) }
  }
  return {
    async authOf(wanted, signal) {
      const { secret, task, image } = wanted
      if (secret !== undefined) {
        const name = secret.store === 'file' ? secret.path : nameOf(secret)
        const text = await values.secret(secret, task, signal).catch((error) => {
          throw unread(name, error)
        })
        return loginOf(name, text)
      }
      const registry = ecrOf(wanted)
      if (registry !== undefined) return await ecr.tokenOf(registry, signal)
      return file === undefined ? undefined : readStatic(file, hostOf(image))
    },
    refused(wanted) {
      const registry = ecrOf(wanted)
      if (registry !== undefined) ecr.forget(registry)
    },
    userOf: (wanted) => JSON.stringify([wanted.secret, executionRole(roles, wanted.task)]),
  }
}

const nameOf = (secret: Exclude<SecretSource, { store: 'file' }>): string =>
  secret.store === 'ssm' ? secret.parameter : secret.secretId

/** ECS's word for it. */
function unread(name: string, error: unknown): unknown {
  if (!(error instanceof Failure) || error.code === 'Aborted' || error.kind === 'defect')
    return error
  const { kind, message, hint } = error
  const text = message.includes(name) ? message : `${name}: ${message}`
  return kind === 'transient'
    ? new Failure('transient', 'CannotPullContainerAuthError', text, { hint })
    : new Failure('refused', 'CannotPullContainerAuthError', text, { hint })
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
