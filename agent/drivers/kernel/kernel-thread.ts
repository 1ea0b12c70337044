// The main thread's end of the kernel worker: requests go one at a time (the kernel's RTNL lock
// would serialise them anyway), results and announcements come back.

import fs from 'node:fs'
import { Worker } from 'node:worker_threads'
import { KernelError } from './kernel-error.ts'
import type { Calls, FromWorker, ToWorker } from './worker.ts'

/** What the worker says unasked. */
export type KernelEvents = {
  /** A card appeared or changed in the host's namespace. */
  announced(mac: string): void
  /** The kernel dropped announcements: look again. */
  overrun(): void
  /** A link, an address, a route or an nftables rule changed in a namespace that is held. */
  changed(netns: string): void
  /** The worker died; every call from now on rejects. */
  died(error: Error): void
}

type Waiting = {
  readonly request: ToWorker
  readonly signal: AbortSignal | undefined
  readonly resolve: (value: unknown) => void
  readonly reject: (reason: unknown) => void
}

const CLOSE_MS_MAX = 2_000

/** From the checkout the TypeScript file; a bundle has the worker beside it under this name. */
function workerUrl(): URL {
  const name = import.meta.url.endsWith('.ts') ? './worker.ts' : './kernel-worker.js'
  return new URL(name, import.meta.url)
}

/** The kernel worker as seen from the main thread. */
export class KernelThread {
  readonly #worker = new Worker(workerUrl(), { name: 'kernel' })
  readonly #exit = Promise.withResolvers<void>()
  readonly #queue: Waiting[] = []
  readonly #events: KernelEvents
  #inFlight: Waiting | undefined
  #bellFd: number | undefined
  #ended: Error | undefined

  constructor(events: KernelEvents) {
    this.#events = events
    this.#worker.on('message', (message: FromWorker) => this.#take(message))
    this.#worker.on('error', (error) =>
      this.#end(error instanceof Error ? error : new Error(String(error))),
    )
    this.#worker.on('exit', () => {
      if (this.#bellFd !== undefined) fs.closeSync(this.#bellFd)
      this.#bellFd = undefined
      this.#end(new Error('the kernel worker ended'))
      this.#exit.resolve()
    })
  }

  /**
   * Runs a call in the worker. An abort takes it out of the queue; one that has begun is finished
   * first (milliseconds) and its outcome told, because it has happened.
   */
  call<K extends keyof Calls>(
    call: K,
    input: Parameters<Calls[K]>[0],
    signal?: AbortSignal,
  ): Promise<ReturnType<Calls[K]>> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      if (this.#ended !== undefined) return reject(this.#ended)
      const request = { call, input } as ToWorker
      const waiting: Waiting = {
        request,
        signal,
        resolve: (value) => resolve(value as ReturnType<Calls[K]>),
        reject,
      }
      this.#queue.push(waiting)
      this.#next()
    })
  }

  /** Lets the request in flight finish, rejects the others, ends the thread. Twice is once. */
  async close(): Promise<void> {
    const closed = new Error('the kernel hands are closed')
    this.#ended ??= closed
    for (const waiting of this.#queue.splice(0)) waiting.reject(closed)
    this.#post({ call: 'close' })
    const late = setTimeout(() => this.#worker.terminate(), CLOSE_MS_MAX)
    await this.#exit.promise
    clearTimeout(late)
  }

  #post(request: ToWorker): void {
    this.#worker.postMessage(request)
    if (this.#bellFd !== undefined) fs.writeSync(this.#bellFd, new BigUint64Array([1n]))
  }

  #next(): void {
    // Before the bell is there the worker is not: what waits is sent when it says `ready`.
    if (this.#bellFd === undefined || this.#inFlight !== undefined) return
    let waiting = this.#queue.shift()
    while (waiting?.signal?.aborted) {
      waiting.reject(waiting.signal.reason)
      waiting = this.#queue.shift()
    }
    this.#inFlight = waiting
    if (waiting !== undefined) this.#post(waiting.request)
  }

  #take(message: FromWorker): void {
    switch (message.kind) {
      case 'ready':
        this.#bellFd = message.bellFd
        break
      case 'announced':
        this.#events.announced(message.mac)
        return
      case 'overrun':
        this.#events.overrun()
        return
      case 'changed':
        this.#events.changed(message.netns)
        return
      case 'result':
        this.#inFlight?.resolve(message.value)
        this.#inFlight = undefined
        break
      case 'refused':
        this.#inFlight?.reject(new KernelError(message.error))
        this.#inFlight = undefined
        break
      case 'defect':
        this.#inFlight?.reject(message.error)
        this.#inFlight = undefined
        break
    }
    this.#next()
  }

  #end(error: Error): void {
    const unexpected = this.#ended === undefined
    this.#ended ??= error
    this.#inFlight?.reject(this.#ended)
    this.#inFlight = undefined
    for (const waiting of this.#queue.splice(0)) waiting.reject(this.#ended)
    if (unexpected) this.#events.died(error)
  }
}
