// The main thread's side of the fabric's thread: starts it, and makes its synchronous calls look
// like promises. No decision is taken here.

import { Worker } from 'node:worker_threads'
import type { Calls, Reply, Request } from './fabric-thread.ts'
import type { Lost, Verdict } from './verdict.ts'

/** A call that the kernel, or the thread, refused. `code` is an errno's name where there is one. */
export class KernelRefusal extends Error {
  readonly code: string | undefined

  constructor(message: string, code?: string) {
    const remedy = 'the lab needs root with CAP_SYS_ADMIN and CAP_NET_ADMIN'
    super(code === 'EPERM' || code === 'EACCES' ? `${message}; ${remedy}` : message)
    this.code = code
  }
}

type Waiting = { resolve: (result: never) => void; reject: (error: Error) => void }

/** What it holds is small and short-lived: with V8's own figures it would keep tens of megabytes. */
const THREAD_LIMITS = { maxYoungGenerationSizeMb: 2 } as const

/** The thread and the calls on their way to it, answered in their order. */
export class FabricKernel {
  readonly #thread: Worker
  readonly #waiting = new Map<number, Waiting>()
  #lastId = 0
  #ended: Error | undefined

  /**
   * `onGone` hears of links that died: their ifindexes, and whether others may have, unheard.
   * `onVerdicts` hears what became of packets.
   */
  constructor(
    onGone: (gone: number[], lost: boolean) => void,
    onVerdicts: (verdicts: readonly (Verdict | Lost)[]) => void = () => {},
  ) {
    // Beside this file, as TypeScript in a checkout or as JavaScript in a bundle.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    this.#thread = new Worker(new URL(`./fabric-thread.${extension}`, import.meta.url), {
      resourceLimits: THREAD_LIMITS,
    })
    this.#thread.on('message', (reply: Reply) => {
      if ('gone' in reply) onGone(reply.gone, reply.lost)
      else if ('verdicts' in reply) onVerdicts(reply.verdicts)
      else this.#settle(reply)
    })
    this.#thread.on('error', (error) => this.#end(error))
    this.#thread.on('exit', () => this.#end(new Error('the fabric is closed')))
  }

  /** Makes one call in the thread. Rejects with a KernelRefusal when it throws there. */
  call<Name extends keyof Calls>(
    name: Name,
    ...args: Parameters<Calls[Name]>
  ): Promise<ReturnType<Calls[Name]>> {
    if (this.#ended) return Promise.reject(this.#ended)
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#thread.postMessage({ id, name, args } satisfies Request)
    })
  }

  /** Ends the thread. */
  async end(): Promise<void> {
    await this.#thread.terminate()
  }

  #settle(reply: Extract<Reply, { id: number }>): void {
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if ('error' in reply) {
      waiting?.reject(new KernelRefusal(reply.error.message, reply.error.code))
    } else {
      waiting?.resolve(reply.result as never)
    }
  }

  #end(error: Error): void {
    this.#ended ??= error
    for (const { reject } of this.#waiting.values()) reject(this.#ended)
    this.#waiting.clear()
  }
}
