// An image registry on loopback (which Docker lets be plain HTTP) with one image of one layer. Each
// manifest request waits until it is let go, so that a test can look while a pull is under way.

import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const digestOf = (bytes: Buffer): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`

const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'

export class FakeRegistry {
  /** How often the manifest was asked for, by GET. */
  pulls = 0
  /** Resolves when the manifest is asked for the first time. */
  readonly asked = Promise.withResolvers<void>()
  /** Resolve it to let the pulls go on. */
  readonly gate = Promise.withResolvers<void>()
  readonly #layer: Buffer
  readonly #server = createServer((request, response) => void this.#serve(request, response))

  /** `layer`: a tar archive. */
  constructor(layer: Buffer) {
    this.#layer = layer
  }

  /** Listens; resolves with `127.0.0.1:port`. */
  open(): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>()
    this.#server.listen(0, '127.0.0.1', () =>
      resolve(`127.0.0.1:${(this.#server.address() as AddressInfo).port}`),
    )
    return promise
  }

  close(): void {
    this.gate.resolve()
    this.#server.closeAllConnections()
    this.#server.close()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { config, manifest } = this.#documents()
    const path = request.url ?? ''
    const end = (bytes: Buffer, type: string) => {
      response.setHeader('Content-Type', type)
      response.setHeader('Content-Length', bytes.length)
      response.setHeader('Docker-Content-Digest', digestOf(bytes))
      response.end(bytes)
    }
    if (path === '/v2/') return void response.end()
    if (path.endsWith('/manifests/missing')) {
      response.statusCode = 404
      const errors = [{ code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' }]
      return void response.end(JSON.stringify({ errors }))
    }
    if (path.includes('/manifests/')) {
      if (request.method === 'GET') this.pulls += 1
      this.asked.resolve()
      await this.gate.promise
      return end(manifest, MANIFEST)
    }
    if (path.endsWith(digestOf(config))) return end(config, 'application/octet-stream')
    end(this.#layer, 'application/octet-stream')
  }

  #documents(): { config: Buffer; manifest: Buffer } {
    const config = Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        config: {},
        rootfs: { type: 'layers', diff_ids: [digestOf(this.#layer)] },
        history: [{ created: '2026-01-01T00:00:00Z' }],
      }),
    )
    const blob = (mediaType: string, bytes: Buffer) => ({
      mediaType,
      size: bytes.length,
      digest: digestOf(bytes),
    })
    const manifest = {
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: blob('application/vnd.docker.container.image.v1+json', config),
      layers: [blob('application/vnd.docker.image.rootfs.diff.tar', this.#layer)],
    }
    return { config, manifest: Buffer.from(JSON.stringify(manifest)) }
  }
}
