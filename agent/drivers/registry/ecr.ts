// Tokens of Amazon ECR: one for each registry and region, asked for once by all who want it, and kept
// in memory until shortly before it expires (twelve hours). The SDK is loaded with the first one.

import type * as Sdk from '@aws-sdk/client-ecr'
import { Failure } from '../../failure.ts'
import type { RegistryAuth } from '../docker-images.ts'
import type { Roles } from '../roles/roles.ts'

/** A registry: an account's, in one region; and as whom it is asked, where not as the agent. */
export type EcrRegistry = {
  readonly registryId: string
  readonly region: string
  readonly role?: string
}

export type EcrTokens = {
  /** The login for this registry. Rejects with a Failure. */
  tokenOf(registry: EcrRegistry, signal: AbortSignal): Promise<RegistryAuth>
  /** It is not used again. */
  forget(registry: EcrRegistry): void
}

/** The names of a private registry: ECR's own, of FIPS, of China, and of both IP versions. */
const HOST =
  /^(\d{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws|on\.amazonwebservices\.com\.cn)\//

/** The ECR registry that an image is in, or undefined where it is in none. */
export function ecrRegistryOf(image: string): EcrRegistry | undefined {
  const [, registryId, region] = HOST.exec(image) ?? []
  return registryId === undefined || region === undefined ? undefined : { registryId, region }
}

/** Less than what a pull may take to begin, and far less than a token lives. */
const MARGIN_MS = 300_000
/** A call that takes longer is given up. */
const TIMEOUT_MS = 10_000
/** Who asks, in CloudTrail. */
const SESSION = 'enid-agent'

type Token = { readonly auth: RegistryAuth; readonly expiresAt: number }

/** What asks ECR: an SDK's answer, so that tests can bring their own clock and count. */
export type AskEcr = (
  registry: EcrRegistry,
  signal: AbortSignal,
) => Promise<Sdk.GetAuthorizationTokenCommandOutput>

/** The tokens of this host. `now` in milliseconds since the epoch. */
export function openEcrTokens(ask: AskEcr, now: () => number = Date.now): EcrTokens {
  const kept = new Map<string, Promise<Token>>()
  const keyOf = ({ registryId, region, role }: EcrRegistry) => `${registryId} ${region} ${role}`

  async function fetchToken(registry: EcrRegistry): Promise<Token> {
    const answer = await ask(registry, AbortSignal.timeout(TIMEOUT_MS)).catch((error) => {
      throw ecrFailure(registry, error)
    })
    const { authorizationToken = '', expiresAt } = answer.authorizationData?.[0] ?? {}
    const [username = '', password] = Buffer.from(authorizationToken, 'base64')
      .toString()
      .split(':')
    if (password !== undefined && expiresAt !== undefined) {
      return { auth: { username, password }, expiresAt: expiresAt.getTime() }
    }
    throw new Failure('transient', CODE, `${nameOf(registry)} answered without a token`)
  }

  return {
    async tokenOf(registry, signal) {
      signal.throwIfAborted()
      const key = keyOf(registry)
      const before = await kept.get(key)?.catch(() => undefined)
      if (before !== undefined && before.expiresAt - MARGIN_MS > now()) return before.auth
      if (before !== undefined) kept.delete(key)
      // Whoever comes meanwhile waits for the same answer.
      const asked = kept.get(key) ?? fetchToken(registry)
      kept.set(key, asked)
      asked.catch(() => {
        if (kept.get(key) === asked) kept.delete(key)
      })
      return (await asked).auth
    },
    forget(registry) {
      kept.delete(keyOf(registry))
    },
  }
}

const CODE = 'CannotPullECRContainerError'

const nameOf = ({ registryId, region }: EcrRegistry) => `ECR of ${registryId} in ${region}`

/** The SDK's errors hold no token; 5xx and what never got there pass, the rest is a refusal. */
function ecrFailure(registry: EcrRegistry, error: unknown): Failure {
  if (error instanceof Failure) return error
  const { name, message, $metadata } = error as Partial<Sdk.ECRServiceException>
  const status = $metadata?.httpStatusCode
  const words = `${nameOf(registry)}: ${name}: ${message}`
  if (name === 'CredentialsProviderError') {
    const hint = 'Give the instance a role that may call ecr:GetAuthorizationToken.'
    return new Failure('refused', CODE, words, { hint, cause: error })
  }
  if (status === undefined || status >= 500 || /Throttl/.test(name ?? '')) {
    return new Failure('transient', CODE, words, { cause: error })
  }
  const hint =
    "See that the agent's role may call ecr:GetAuthorizationToken, ecr:BatchGetImage and ecr:GetDownloadUrlForLayer."
  return new Failure('refused', CODE, words, { hint, cause: error })
}

/** Asks ECR by the SDK, with the credentials of the role where there is one. */
export const askEcr =
  (roles: Pick<Roles, 'get'>): AskEcr =>
  async ({ registryId, region, role }, abortSignal) => {
    const { ECRClient, GetAuthorizationTokenCommand } = await import('@aws-sdk/client-ecr')
    const credentials = role === undefined ? {} : { credentials: await roles.get(role, SESSION) }
    const client = new ECRClient({ region, maxAttempts: 1, ...credentials })
    try {
      // Deprecated, and the only way to say which account's: without it a token is of our own.
      const command = new GetAuthorizationTokenCommand({ registryIds: [registryId] })
      return await client.send(command, { abortSignal })
    } finally {
      client.destroy()
    }
  }
