// How one call of dockerd is bounded: in time, and by the step that makes it.

/** How long dockerd may take for a call that moves no image, milliseconds. */
export const CALL_MS = 120_000

/** Ends when the step is given up or the time is up, also where dockerode knows no signal. */
export async function call<T>(
  signal: AbortSignal,
  boundMs: number,
  make: (abortSignal: AbortSignal) => Promise<T>,
): Promise<T> {
  const bound = AbortSignal.any([signal, AbortSignal.timeout(boundMs)])
  bound.throwIfAborted()
  const { promise: ended, reject } = Promise.withResolvers<never>()
  const end = () => reject(bound.reason)
  bound.addEventListener('abort', end)
  try {
    return await Promise.race([make(bound), ended])
  } finally {
    bound.removeEventListener('abort', end)
  }
}

/**
 * A call that makes something is not given up half-way: dockerd would make it all the same, after
 * whoever takes it down has looked and found nothing. Giving up only keeps it from being asked.
 */
export async function finish<T>(
  signal: AbortSignal,
  make: (abortSignal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted()
  return await call(new AbortController().signal, CALL_MS, make)
}

/** Reads a progress stream to its end. dockerd answers 200 first and says in it what went wrong. */
export async function endOf(stream: NodeJS.ReadableStream): Promise<void> {
  let rest = ''
  for await (const chunk of stream) {
    const lines = (rest + chunk.toString()).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines.filter((text) => text.trim() !== '')) {
      const { error } = JSON.parse(line) as { readonly error?: string }
      if (error !== undefined) throw Object.assign(new Error(error), { statusCode: 500 })
    }
  }
}
