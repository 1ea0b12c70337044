// A registry of a test's own: Debian's docker-registry on loopback, which asks for a login, with its
// images in a folder that goes with it. Pushes go by the docker command, as a person's would.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { docker, importTestImage } from './test-image.ts'

const run = promisify(execFile)

export class OwnRegistry {
  readonly folder = mkdtempSync(join(tmpdir(), 'enid-registry-'))
  readonly username: string
  /** A password that is nowhere else: what holds it has leaked it. */
  readonly password: string
  #process: ChildProcess | undefined
  #port = 0

  constructor({ username = 'puller', password = `pw-${randomBytes(12).toString('hex')}` } = {}) {
    this.username = username
    this.password = password
  }

  /** `127.0.0.1:port`, which Docker lets be plain HTTP. */
  get address(): string {
    return `127.0.0.1:${this.#port}`
  }

  /** A file like Docker's config.json with the login to it. */
  get configFile(): string {
    return join(this.folder, 'config.json')
  }

  /** Starts it, at the same port as before, and waits until it answers. */
  async start(port = this.#port): Promise<void> {
    this.#port = port === 0 ? await freePort() : port
    const { stdout } = await run('htpasswd', ['-Bbn', this.username, this.password])
    writeFileSync(join(this.folder, 'htpasswd'), stdout)
    writeFileSync(join(this.folder, 'registry.json'), JSON.stringify(this.#settings()))
    const auth = Buffer.from(`${this.username}:${this.password}`).toString('base64')
    writeFileSync(this.configFile, JSON.stringify({ auths: { [this.address]: { auth } } }))
    const command = ['docker-registry', 'serve', join(this.folder, 'registry.json')]
    this.#process = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], { stdio: 'ignore' })
    for (let turn = 0; turn < 200; turn++) {
      const answer = await fetch(`http://${this.address}/v2/`).catch(() => undefined)
      if (answer?.status === 401) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error('docker-registry does not come up, or asks for no login')
  }

  /** Ends it; its images stay for the next start. */
  async stop(): Promise<void> {
    const child = this.#process
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  async close(): Promise<void> {
    await this.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }

  /**
   * Puts a new image there under this name; answers the digest that it has there. What this host has
   * under the name stays as it was.
   */
  async push(name: string): Promise<string> {
    const local = await importTestImage()
    const reference = `${this.address}/${name}`
    const before = await docker('images', '--quiet', '--no-trunc', reference)
    await docker('tag', local, reference)
    const said = await docker('--config', this.folder, 'push', reference)
    await docker('rmi', reference, local)
    if (before !== '') await docker('tag', before, reference)
    return /digest: (sha256:[0-9a-f]{64})/.exec(said)?.[1] ?? `no digest in ${said}`
  }

  /** JSON is YAML. */
  #settings() {
    return {
      version: '0.1',
      log: { level: 'error' },
      storage: { filesystem: { rootdirectory: join(this.folder, 'data') } },
      http: { addr: this.address },
      auth: { htpasswd: { realm: 'test', path: join(this.folder, 'htpasswd') } },
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
