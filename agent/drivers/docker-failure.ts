// What Docker's answers mean for us. Classified here, once; everybody else acts on the kind.
//
//   no connection, 503, a context that was cancelled   transient   dockerd restarts
//   any other error of create, start, pull             refused     as ECS words it, Docker's text kept
//   any other error of inspect, stop, remove           transient   a release is never given up

import { Failure } from '../failure.ts'

/** What dockerode throws: a status code where dockerd answered, an errno where it did not. */
type DockerError = Error & {
  readonly statusCode?: number
  readonly code?: string
  readonly json?: { readonly message?: string } | null
}

/** The HTTP status dockerd answered with, or undefined where it was not reached. */
export const statusOf = (error: unknown): number | undefined => (error as DockerError).statusCode

/** Docker's own sentence, without what dockerode puts around it. */
function messageOf(error: DockerError): string {
  const text = error.json?.message ?? error.message.replace(/^\(HTTP code \d+\) .*? - /s, '')
  return text.trim()
}

/**
 * dockerd was interrupted, not asked for something impossible. The last: where dockerd died in a
 * start, its containerd takes 5 s to clear away what it had begun (measured).
 */
const INTERRUPTED =
  /context (canceled|deadline exceeded)|shutting down|transport is closing|start shim: mkdir .* file exists/i

/**
 * The Failure for an error of one Docker call. `code` and `kind` say what it means when dockerd
 * itself refused; `code` is worded as in ECS's stopped reasons (CannotStartContainerError …).
 * An error that is neither Docker's nor the connection's is ours, and thrown on as it is.
 */
export function dockerFailure(
  error: unknown,
  code: string,
  kind: 'refused' | 'transient',
  hint = '',
): Failure {
  const cause = error as DockerError
  if (cause instanceof Failure) return cause
  if (cause.statusCode !== undefined) {
    const message = `Error response from daemon: ${messageOf(cause)}`
    if (cause.statusCode === 503 || INTERRUPTED.test(message)) {
      return new Failure('transient', code, message, { cause })
    }
    return new Failure(kind, code, message, { cause, hint })
  }
  if (
    cause.name === 'TimeoutError' ||
    (cause.cause as Error | undefined)?.name === 'TimeoutError'
  ) {
    const message = 'dockerd did not answer in time'
    return new Failure('transient', 'DockerTimeoutError', message, { cause })
  }
  if (cause.name === 'AbortError') {
    return new Failure('transient', 'Aborted', 'the step was given up', { cause })
  }
  if (cause.code === undefined || !/^(E[A-Z]+|ERR_STREAM_PREMATURE_CLOSE)$/.test(cause.code)) {
    throw error
  }
  return new Failure('transient', 'DockerUnreachable', `dockerd is not there: ${cause.message}`, {
    hint: 'See that dockerd runs and that DOCKER_HOST, if it is set, names its socket.',
    isAway: true,
    cause,
  })
}
