// Giving up on an answer that others still wait for.

import { Failure } from '../failure.ts'

/** The promise's outcome, or a Failure `Aborted` as soon as the signal aborts; `what` names it. */
export async function unlessAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal,
  what: string,
): Promise<T> {
  const { promise: givenUp, reject } = Promise.withResolvers<never>()
  const giveUp = () => reject(new Failure('transient', 'Aborted', `${what} was given up`))
  signal.addEventListener('abort', giveUp)
  if (signal.aborted) giveUp()
  try {
    return await Promise.race([promise, givenUp])
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}
