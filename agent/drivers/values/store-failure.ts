// What the errors of AWS's stores mean for a container that is being made. They all speak alike: 5xx,
// throttles and silence are time's business, every other answer is the caller's.

import { Failure } from '../../failure.ts'

type SdkError = Error & {
  readonly code?: string
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string }
}

/** A throttle is a 400 in JSON protocols. */
const THROTTLE = /^(Throttling|ThrottlingException|TooManyUpdates|SlowDown|RequestLimitExceeded)$/

/** The Failure for an error of one call. Without a cause: an answer stays where it was read. */
export function storeFailure(what: string, error: unknown, signal: AbortSignal): Failure {
  const prefix = (message: string) => `${what}: ${message}`
  if (error instanceof Failure) {
    const { kind, code, message, hint } = error
    return new Failure(kind, code, prefix(message), { hint })
  }
  if (signal.aborted) return new Failure('transient', 'Aborted', prefix('was given up'))
  const { name, message, code, $metadata } = error as SdkError
  const status = $metadata?.httpStatusCode
  if (status === undefined) {
    const why = name === 'CredentialsProviderError' ? message : message || code || name
    return new Failure('transient', 'ResourceInitializationError', prefix(why), { hint: HINT.way })
  }
  const request = $metadata?.requestId === undefined ? '' : ` (request ${$metadata.requestId})`
  const text = prefix(`${name}: ${message}${request}`)
  return status >= 500 || THROTTLE.test(name)
    ? new Failure('transient', 'ResourceInitializationError', text)
    : new Failure('refused', 'ResourceInitializationError', text, { hint: HINT.right })
}

const HINT = {
  way: 'See that the service can be reached from this host, and that the agent has credentials',
  right:
    'See that it is there and that whoever asks may read it: the execution role where the rolesFile ' +
    'has it, else the agent itself',
}
