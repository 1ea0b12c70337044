// A few EC2 calls and IMDSv2 on a loopback port, with just enough of the rules that our drivers lean
// on (client tokens, one index one ENI, no delete while in use), and faults by order: an error, an
// answer that is lost after the deed, an ENI that describes do not show yet.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { FakeVpc, Refusal, xml } from './fake-vpc.ts'

type Fault =
  | { readonly how: 'refuse'; readonly code: string; readonly message: string; status: number }
  | { readonly how: 'lose' }
  | { readonly how: 'hang' }

export class FakeEc2 {
  readonly vpc: FakeVpc
  /** Every action that arrived, with its parameters, in order. */
  readonly calls: { action: string; parameters: URLSearchParams }[] = []
  imdsPaths: Record<string, string> = {}
  tokensIssued = 0
  #validToken = ''
  readonly #faults = new Map<string, Fault[]>()
  readonly #server = createServer((request, response) => void this.#serve(request, response))

  constructor(instanceId: string) {
    this.vpc = new FakeVpc(instanceId)
  }

  /** Listens; resolves with the endpoint. */
  open(): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>()
    this.#server.listen(0, '127.0.0.1', () =>
      resolve(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`),
    )
    return promise
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  /** The names of the actions that arrived since the last time this was asked. */
  actions(): string[] {
    return this.calls.splice(0).map(({ action }) => action)
  }

  refuse(action: string, code: string, message = code, status = 400): void {
    this.#fault(action, { how: 'refuse', code, message, status })
  }

  /** The next such call is carried out, but its answer never arrives. */
  lose(action: string): void {
    this.#fault(action, { how: 'lose' })
  }

  /** The next such call is never answered. */
  hang(action: string): void {
    this.#fault(action, { how: 'hang' })
  }

  #fault(action: string, fault: Fault): void {
    this.#faults.set(action, [...(this.#faults.get(action) ?? []), fault])
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url?.startsWith('/latest/')) return this.#imds(request, response)
    let body = ''
    for await (const chunk of request) body += chunk
    const parameters = new URLSearchParams(body)
    const action = parameters.get('Action') ?? ''
    this.calls.push({ action, parameters })
    const fault = this.#faults.get(action)?.shift()
    if (fault?.how === 'hang') return
    response.setHeader('x-amzn-requestid', 'req-1')
    try {
      if (fault?.how === 'refuse') throw new Refusal(fault.code, fault.message, fault.status)
      const answer = this.vpc.act(action, parameters)
      if (fault?.how === 'lose') return void request.socket.destroy()
      response.end(`<R>${xml(answer)}</R>`)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      const { code, message, status } = error
      response.statusCode = status
      const inner = xml({ Errors: { Error: { Code: code, Message: message } }, RequestID: 'req-1' })
      response.end(`<Response>${inner}</Response>`)
    }
  }

  #imds(request: IncomingMessage, response: ServerResponse): void {
    if (request.method === 'PUT') {
      this.tokensIssued += 1
      this.#validToken = `token-${this.tokensIssued}`
      return void response.end(this.#validToken)
    }
    if (request.headers['x-aws-ec2-metadata-token'] !== this.#validToken) {
      response.statusCode = 401
      return void response.end()
    }
    const value = this.imdsPaths[request.url?.slice('/latest/meta-data/'.length) ?? '']
    response.statusCode = value === undefined ? 404 : 200
    response.end(value ?? '')
  }

  /** IMDS forgets every token it gave. */
  expireToken(): void {
    this.#validToken = ''
  }
}
