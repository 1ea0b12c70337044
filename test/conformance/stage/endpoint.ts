// Whoever speaks the EC2 API: a lab of our own that is started for the run, or the endpoint that was
// named. The suite knows nothing of it but what the API says.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import * as sdk from '@aws-sdk/client-ec2'

/** The EC2 that is examined. */
export class Ec2 {
  readonly endpoint: string
  readonly #client: sdk.EC2Client
  readonly #settleMs: number

  /** `settleMs`: how long a change may take after its call was answered; none, unless told. */
  constructor(endpoint: string, settleMs = 0) {
    const fallback = { accessKeyId: 'conformance', secretAccessKey: 'conformance' }
    this.endpoint = endpoint
    this.#settleMs = settleMs
    this.#client = new sdk.EC2Client({
      endpoint,
      region: process.env.AWS_REGION ?? 'us-west-2',
      // Against our own lab nothing is tried twice: a call that fails is a finding.
      maxAttempts: endpoint.startsWith('http://127.0.0.1:') ? 1 : 8,
      ...(process.env.AWS_ACCESS_KEY_ID === undefined ? { credentials: fallback } : {}),
    })
  }

  /** One call, by the name AWS gives it. */
  async call<T = Record<string, unknown>>(name: string, input: object): Promise<T> {
    const Command = (sdk as unknown as Record<string, new (input: object) => never>)[
      `${name}Command`
    ]
    if (Command === undefined) throw new Error(`the SDK has no ${name}`)
    return (await this.#client.send(new Command(input))) as T
  }

  /** After the changes of a step. */
  async settle(): Promise<void> {
    if (this.#settleMs > 0) await new Promise((resolve) => setTimeout(resolve, this.#settleMs))
  }

  end(): void {
    this.#client.destroy()
  }
}

/**
 * The instance that this host is, as its metadata service says (AWS_EC2_METADATA_SERVICE_ENDPOINT, as
 * every SDK has it); undefined where none is named.
 */
export async function ownInstanceId(): Promise<string | undefined> {
  const service = process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT
  if (service === undefined) return undefined
  const ttl = { 'X-aws-ec2-metadata-token-ttl-seconds': '60' }
  const token = await fetch(`${service}/latest/api/token`, { method: 'PUT', headers: ttl })
  const headers = { 'X-aws-ec2-metadata-token': await token.text() }
  const answer = await fetch(`${service}/latest/meta-data/instance-id`, { headers })
  if (!answer.ok) throw new Error(`${service} tells no instance-id: HTTP ${answer.status}`)
  return answer.text()
}

/** The code of a refusal, or what else went wrong. */
export const codeOf = (error: unknown): string =>
  error instanceof Error ? (error.name === 'Error' ? error.message : error.name) : String(error)

/** A lab that was started for the run. */
export type OwnLab = { readonly endpoint: string; end(): Promise<void> }

const REPOSITORY = join(import.meta.dirname, '../../..')

/** Starts a lab from a checkout (this one, unless told). Rejects with what it said. */
export async function startLab(name: string, tree = REPOSITORY): Promise<OwnLab> {
  const child = spawn(
    process.execPath,
    [join(tree, 'test/net/lab-child.ts'), name, '0', '--fresh'],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let said = ''
  child.stderr.on('data', (data: Buffer) => {
    said += data
  })
  const [first] = await Promise.race([once(child.stdout, 'data'), once(child, 'close')])
  if (!String(first).startsWith('{')) throw new Error(`the lab did not come up: ${said.trim()}`)
  const { port } = JSON.parse(String(first)) as { port: number }
  return {
    endpoint: `http://127.0.0.1:${port}`,
    async end() {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`the lab died during the run: ${said.trim()}`)
      }
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}
