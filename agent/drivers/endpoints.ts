// The listeners inside the tasks: one HTTP server for each namespace that is held, over the socket
// that the kernel worker opened there. Which socket a request arrives on says whose it is; what is
// answered is the API's business (api/inside/).
//
//   sandbox held ─▶ open, and kept by systemd      the agent ends ─▶ closed here, kept there
//        ▲                                               │
//        └────────── taken up by the next agent ◀────────┘      sandbox released ─▶ closed in both

import { closeSync } from 'node:fs'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { TokenBucket } from '../token-bucket.ts'
import { type FdStore, openFdStore } from './fd-store.ts'
import type { Kernel } from './kernel/kernel.ts'
import { KernelError } from './kernel/kernel-error.ts'

/** Answers a request that came from inside this namespace. */
export type InsideHandler = (
  netns: string,
  request: IncomingMessage,
  response: ServerResponse,
) => void

/** ECS_TASK_METADATA_RPS_LIMIT's default, there for all tasks together; here for each. */
export const RATE = { burst: 60, perSecond: 40 }

/** As the ECS agent's: read and written within 5 s. Milliseconds. */
const REQUEST_MS = 5_000
/** What one task may keep open at once. */
const CONNECTIONS_MAX = 64

/** The endpoints of this host's tasks. */
export class Endpoints {
  readonly #kernel: Kernel
  readonly #store: FdStore
  readonly #servers = new Map<string, Promise<Server>>()
  /** Listeners of the agent before, until somebody wants their namespace held. */
  readonly #takenUp = new Map<string, number>()
  #answer: InsideHandler | undefined

  /** `store`: what keeps the listeners over a restart, by the path of their namespace. */
  constructor(kernel: Kernel, store: FdStore = openFdStore({})) {
    this.#kernel = kernel
    this.#store = store
  }

  /**
   * Takes up what the agent before has left in the store of namespaces that tasks still hold, and
   * holds these: where everything else there died meanwhile, the card comes home as if we had been
   * there. All else is closed, and taken out of the store. Answers how many were taken up.
   */
  async takeUp(held: ReadonlySet<string>): Promise<number> {
    for (const { fd, name } of this.#store.inherited) {
      if (held.has(name) && !this.#takenUp.has(name) && (await this.#isTakenUp(name, fd))) {
        this.#takenUp.set(name, fd)
        continue
      }
      closeSync(fd)
      if (!this.#takenUp.has(name)) this.#store.forget(name)
    }
    return this.#takenUp.size
  }

  async #isTakenUp(netns: string, fd: number): Promise<boolean> {
    try {
      await this.#kernel.takeUpEndpoint(netns, fd)
      return true
    } catch (error) {
      if (error instanceof KernelError) return false
      throw error
    }
  }

  /** The same kernel hands, with an endpoint in every namespace for as long as it is held. */
  get kernel(): Kernel {
    return {
      ...this.#kernel,
      holdNetns: async (netns) => {
        await this.#kernel.holdNetns(netns)
        await this.#open(netns)
      },
      dropNetns: async (netns) => {
        await this.#close(netns)
        // A socket that systemd has would keep the namespace alive as well.
        this.#store.forget(netns)
        await this.#kernel.dropNetns(netns)
      },
    }
  }

  /** From now on requests are answered; before, they are told to come again (503). */
  answerWith(answer: InsideHandler): void {
    this.#answer = answer
  }

  async #open(netns: string): Promise<void> {
    const there = this.#servers.get(netns)
    if (there !== undefined) {
      await there
      return
    }
    const opening = this.#listen(netns)
    this.#servers.set(netns, opening)
    // One that failed is no endpoint; whoever asked for it is told.
    opening.catch(() => this.#servers.get(netns) === opening && this.#servers.delete(netns))
    await opening
  }

  /** With every connection: a socket would keep the namespace alive. */
  async #close(netns: string): Promise<void> {
    const opening = this.#servers.get(netns)
    this.#servers.delete(netns)
    // Its failure was told to whoever opened it: there is nothing to close.
    const server = await opening?.catch(() => undefined)
    const takenUp = this.#takenUp.get(netns)
    this.#takenUp.delete(netns)
    if (takenUp !== undefined) closeSync(takenUp)
    if (server === undefined) return
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    server.closeAllConnections()
    await closed
  }

  /** Closes all of them here; what systemd keeps of them goes on listening. */
  async closeAll(): Promise<void> {
    const all = new Set([...this.#servers.keys(), ...this.#takenUp.keys()])
    await Promise.all([...all].map((netns) => this.#close(netns)))
  }

  async #listen(netns: string): Promise<Server> {
    const bucket = new TokenBucket(RATE, 1, performance.now())
    const server = createServer({ requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS })
    server.maxConnections = CONNECTIONS_MAX
    server.on('request', (request, response) => {
      if (!bucket.take(performance.now())) refuse(response, 429, 'Rate exceeded')
      else if (this.#answer === undefined) refuse(response, 503, 'The agent is starting')
      else this.#answer(netns, request, response)
    })
    const takenUp = this.#takenUp.get(netns)
    const fd = await this.#kernel.openEndpoint(netns, takenUp)
    this.#takenUp.delete(netns)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ fd }, resolve)
    })
    if (takenUp === undefined) this.#store.keep(netns, fd)
    return server
  }
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' })
  response.end(JSON.stringify(message))
}
