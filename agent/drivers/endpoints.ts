// The listeners inside the tasks: one HTTP server for each namespace that is held, over the socket
// that the kernel worker opened there. Which socket a request arrives on says whose it is; what is
// answered is the API's business (api/inside/).
//
//   sandbox held ─▶ open        sandbox released, or the agent ends ─▶ close

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { TokenBucket } from '../token-bucket.ts'
import type { Kernel } from './kernel/kernel.ts'

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
  readonly #servers = new Map<string, Promise<Server>>()
  #answer: InsideHandler | undefined

  constructor(kernel: Kernel) {
    this.#kernel = kernel
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
    if (opening === undefined) return
    this.#servers.delete(netns)
    // Its failure was told to whoever opened it: there is nothing to close.
    const server = await opening.catch(() => undefined)
    if (server === undefined) return
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    server.closeAllConnections()
    await closed
  }

  /** Closes all of them. */
  async closeAll(): Promise<void> {
    await Promise.all([...this.#servers.keys()].map((netns) => this.#close(netns)))
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
    const fd = await this.#kernel.openEndpoint(netns)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ fd }, resolve)
    })
    return server
  }
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' })
  response.end(JSON.stringify(message))
}
