// One secret of Secrets Manager, read for one pull and kept nowhere. The SDK is loaded with the first.

import type { SecretsManagerServiceException } from '@aws-sdk/client-secrets-manager'
import { Failure } from '../../failure.ts'
import type { ReadSecret } from './registry.ts'

/** A call that takes longer is given up, milliseconds. */
const TIMEOUT_MS = 10_000

const CODE = 'CannotPullContainerAuthError'

/** Reads secrets by their ARNs, or by their names in this region. */
export const secretReader =
  (region: string): ReadSecret =>
  (secret, signal) =>
    readSecret(/^arn:[^:]+:secretsmanager:([^:]+):/.exec(secret)?.[1] ?? region, secret, signal)

async function readSecret(region: string, secret: string, signal: AbortSignal): Promise<string> {
  const sdk = await import('@aws-sdk/client-secrets-manager')
  // The runner repeats, not the SDK.
  const client = new sdk.SecretsManagerClient({ region, maxAttempts: 1 })
  try {
    const abortSignal = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
    const command = new sdk.GetSecretValueCommand({ SecretId: secret })
    const { SecretString: text } = await client.send(command, { abortSignal })
    if (text !== undefined) return text
  } catch (error) {
    throw secretFailure(secret, error)
  } finally {
    client.destroy()
  }
  const hint = 'A login is a text: store it as SecretString.'
  throw new Failure('refused', CODE, `the secret ${secret} is binary`, { hint })
}

/** Without a cause: what was answered stays here. 5xx, throttles and silence pass. */
function secretFailure(secret: string, error: unknown): Failure {
  const { name, message, $metadata } = error as Partial<SecretsManagerServiceException>
  const status = $metadata?.httpStatusCode
  const words = `the secret ${secret}: ${name}: ${message}`
  const isPassing = status === undefined || status >= 500 || /Throttl/.test(name ?? '')
  if (isPassing && name !== 'CredentialsProviderError') return new Failure('transient', CODE, words)
  const hint =
    "See that it is there, and that the agent's role may call secretsmanager:GetSecretValue on it."
  return new Failure('refused', CODE, words, { hint })
}
