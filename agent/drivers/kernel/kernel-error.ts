// What the kernel refused, as one typed error. It is made in the worker, crosses to the main thread
// as plain fields (structured clone drops an error's class), and is rebuilt there.

/** The fields of a KernelError, as they cross the thread boundary. */
export type KernelErrorFields = {
  /** The errno's name: `ENODEV`, `EEXIST`, `EHOSTUNREACH`, `ETIMEDOUT`, `EINVAL` … */
  readonly errno: string
  /** What was attempted, what came back and, where there is one, the remedy. */
  readonly what: string
  /** The namespace's path, when the failure was in or about one. */
  readonly netns?: string | undefined
  /** The MAC of the link in question. */
  readonly mac?: string | undefined
}

/** A system call, netlink or nftables refused, or the world is not as the request needs it. */
export class KernelError extends Error {
  readonly errno: string
  readonly what: string
  readonly netns: string | undefined
  readonly mac: string | undefined

  constructor(fields: KernelErrorFields) {
    const where = [fields.mac && `link ${fields.mac}`, fields.netns && `namespace ${fields.netns}`]
    const place = where.filter(Boolean).join(', ')
    super(`${fields.errno}: ${fields.what}${place === '' ? '' : ` (${place})`}`)
    this.name = 'KernelError'
    this.errno = fields.errno
    this.what = fields.what
    this.netns = fields.netns
    this.mac = fields.mac
  }
}

/** The fields of an error, to be posted to another thread. */
export function kernelErrorFields(error: KernelError): KernelErrorFields {
  return { errno: error.errno, what: error.what, netns: error.netns, mac: error.mac }
}

/** Runs `work`; a KernelError out of it gets the place that only the caller knows. */
export function located<T>(place: { netns?: string; mac?: string }, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof KernelError)) throw error
    const netns = error.netns ?? place.netns
    const mac = error.mac ?? place.mac
    throw new KernelError({ errno: error.errno, what: error.what, netns, mac })
  }
}
