// Goal: an image is taken from the host, else pulled once for all who want it, else refused in the
// registry's words. Method: the real dockerd and a small registry on loopback.

import { randomBytes } from 'node:crypto'
import Dockerode from 'dockerode'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDocker } from '../../agent/drivers/docker.ts'
import { imageCalls } from '../../agent/drivers/docker-images.ts'
import { imageDriver } from '../../agent/drivers/image.ts'
import { tarOf } from '../../agent/drivers/pause/image.ts'
import { FakeRegistry } from './fake-registry.ts'
import { container, job, never, spec } from './jobs.ts'
import { noImages } from './no-images.ts'
import { docker, importTestImage, inspect } from './test-image.ts'

let local: string
let registry: FakeRegistry
let address: string

beforeAll(async () => {
  local = await importTestImage()
  // Of random content, so that Docker cannot have the layer already.
  registry = new FakeRegistry(tarOf('file', randomBytes(64)))
  address = await registry.open()
})

afterAll(async () => {
  registry.close()
  await docker('rmi', local)
})

const driver = imageDriver({ docker: openDocker(), ...noImages('prefer-cached') })
const jobOf = (image: string) =>
  job('image:app', { spec: spec({ containers: [container({ image })] }) })

test('an image that is on this host is used as it is, and stays when it is released', async () => {
  const { imageId } = await driver.ensure(jobOf(local), never())
  expect(imageId).toBe((await inspect<{ Id: string }>(local)).Id)
  await driver.release(jobOf(local), never())
  expect((await inspect<{ Id: string }>(local)).Id).toBe(imageId)
})

test('tasks that want the same image share one pull; one that gives up does not end it', async () => {
  const wanted = jobOf(`${address}/enid/test:1`)
  const impatient = new AbortController()
  const givenUp = driver.ensure(wanted, impatient.signal)
  const patient = [driver.ensure(wanted, never()), driver.ensure(wanted, never())]
  await registry.asked.promise
  impatient.abort()
  await expect(givenUp).rejects.toMatchObject({ kind: 'transient', code: 'Aborted' })
  registry.gate.resolve()

  const [first, second] = await Promise.all(patient)

  expect(first).toEqual(second)
  expect(first?.digest).toMatch(/^sha256:[0-9a-f]{64}$/)
  expect(registry.pulls).toBe(1)
  await docker('rmi', `${address}/enid/test:1`)
})

test('an image that the registry does not have is refused with its words', async () => {
  await expect(driver.ensure(jobOf(`${address}/enid/test:missing`), never())).rejects.toMatchObject(
    {
      kind: 'refused',
      code: 'CannotPullContainerError',
      message: expect.stringMatching(/^Error response from daemon: .*manifest.* unknown/),
      hint: expect.stringContaining('Check the name'),
    },
  )
})

test('a registry that does not answer is refused, since the image is not here either', async () => {
  await expect(driver.ensure(jobOf('127.0.0.1:1/enid/test:1'), never())).rejects.toMatchObject({
    kind: 'refused',
    code: 'CannotPullContainerError',
    hint: expect.stringContaining('docker load'),
  })
})

test.for(['Bad Name', 'UPPER:1', '', 'a?b=c', '../containers', 'x:y:z', 'x@sha256:1', 'käse'])(
  '"%s", which names no image, is refused as such',
  async (image) => {
    await expect(driver.ensure(jobOf(image), never())).rejects.toMatchObject({
      kind: 'refused',
      code: 'CannotPullContainerError',
    })
  },
)

test('a registry that takes the connection and says nothing is given up', async () => {
  const silent = new FakeRegistry(tarOf('file', randomBytes(64)))
  const reference = `${await silent.open()}/enid/test:1`
  const { pull } = imageCalls(new Dockerode({ socketPath: '/var/run/docker.sock' }), 300)
  const begun = performance.now()
  await expect(pull(reference, undefined, never())).rejects.toMatchObject({
    kind: 'refused',
    code: 'CannotPullContainerError',
    message: `the registry of ${reference} said nothing for 0.3 s`,
  })
  expect(performance.now() - begun).toBeLessThan(10_000)
  silent.close()
})
