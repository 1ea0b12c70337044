// Goal: a task's image comes from a registry that wants a login, is described by its digest, and goes
// when nothing uses it any more, also after a restart; the login is left nowhere. Method: a real
// registry, agent, lab and Docker; a stand-in of Secrets Manager behind the real SDK.

import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { program } from '../../scripts/demo/program.ts'
import { OwnRegistry } from '../drivers/own-registry.ts'
import { Rig } from './rig.ts'

const ARN = 'arn:aws:secretsmanager:us-west-2:123456789012:secret:login-a1b2c3'
const SLEEP = 'exec /busybox sleep 600'
const registry = new OwnRegistry()
const secretsManager = createServer((request, response) => {
  request.resume()
  const { username, password } = registry
  response.setHeader('content-type', 'application/x-amz-json-1.1')
  response.end(JSON.stringify({ SecretString: JSON.stringify({ username, password }) }))
})

let rig: Rig
let group = ''
beforeAll(async () => {
  await registry.start()
  secretsManager.listen(0, '127.0.0.1')
  await once(secretsManager, 'listening')
  rig = await Rig.open()
  group = await rig.group('images')
  const { port } = secretsManager.address() as AddressInfo
  Object.assign(rig.env, {
    AWS_ENDPOINT_URL_SECRETS_MANAGER: `http://127.0.0.1:${port}`,
    ENID_IMAGE_PULL_BEHAVIOR: 'default',
    ENID_IMAGE_MINIMUM_AGE_MS: '0',
  })
  await restart()
}, 180_000)
afterAll(async () => {
  await rig?.close()
  await registry.close()
  secretsManager.closeAllConnections()
  secretsManager.close()
})

async function restart(env: Record<string, string> = {}): Promise<void> {
  Object.assign(rig.env, env)
  await rig.endAgent('SIGTERM')
  await rig.startAgent()
}

const isHere = async (image: string): Promise<boolean> =>
  (await program('docker', ['image', 'inspect', image])).code === 0

/** All that the agent has written: its state files, and its log. */
function written(): string {
  const folder = rig.env.ENID_STATE_DIR ?? ''
  const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile())
  return [
    ...files.map(({ name }) => readFileSync(join(folder, name), 'latin1')),
    rig.agentLog,
  ].join()
}

// P361
// P367
test('a private image is pulled with its secret, and its digest described; the login is nowhere', async () => {
  const digest = await registry.push('team/app:1')
  const image = `${registry.address}/team/app:1`
  const repositoryCredentials = { credentialsParameter: ARN }
  await rig.define('private', SLEEP, { image, repositoryCredentials })
  const [id = ''] = await rig.run('private', [group])
  const task = await rig.waitFor(id, 'RUNNING')
  expect(task.containers?.[0]).toMatchObject({ image, imageDigest: digest })

  // The same image without its secret: the registry refuses, and what is here is used.
  await rig.define('cached', SLEEP, { image })
  const [cached = ''] = await rig.run('cached', [group])
  expect((await rig.waitFor(cached, 'RUNNING')).containers?.[0]).toMatchObject({
    imageDigest: digest,
  })
  expect((await rig.enid('describe', cached, '--json')).stdout).toMatch(
    /no basic auth|unauthorized/,
  )

  await rig.define('refused', SLEEP, { image: `${registry.address}/team/other:1` })
  const [refused = ''] = await rig.run('refused', [group])
  const stopped = await rig.waitFor(refused, 'STOPPED')
  expect(stopped.stoppedReason).toMatch(/^CannotPullContainerError: .*(no basic auth|unauthorized)/)
  expect(stopped.containers?.[0]?.reason).toBe(stopped.stoppedReason)
  await rig.stopAndWait(id, cached)

  const all = written()
  expect(all).toContain(ARN)
  const { username, password } = registry
  for (const form of [password, btoa(password), btoa(`${username}:${password}`)]) {
    expect(all).not.toContain(form.replace(/=+$/, '').slice(0, -1))
  }
}, 180_000)

// P364
test('after a restart what was pulled goes once nothing uses it; what was here stays', async () => {
  const image = `${registry.address}/team/app:1`
  await rig.define('user', SLEEP, { image })
  const [id = ''] = await rig.run('user', [group])
  await rig.waitFor(id, 'RUNNING')
  await restart({ ENID_IMAGE_CLEANUP_INTERVAL_MS: '1000' })
  await new Promise((resolve) => setTimeout(resolve, 2_500))
  expect(await isHere(image)).toBe(true)
  expect((await rig.task(id)).lastStatus).toBe('RUNNING')
  await rig.stopAndWait(id)
  await expect.poll(() => isHere(image), { timeout: 20_000 }).toBe(false)
  // The test's own image was imported, and the pause image is enid's own.
  expect(await isHere(rig.image)).toBe(true)
  const names = (await program('docker', ['images', '--format', '{{.Repository}}'])).stdout
  expect(names).toContain('enid/pause')
  const status = await (await fetch(`${rig.ecsUrl}/status`)).json()
  expect(status).toMatchObject({ images: { cleanup: { removedCount: 1 } } })
}, 180_000)

test('nothing is left', async () => {
  expect(await rig.containers()).toEqual([])
  await rig.close()
  expect(await rig.leftovers()).toEqual([])
}, 90_000)
