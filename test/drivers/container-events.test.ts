// Goal: whoever watches hears of every exit and of every change of health, also of what happened
// while the connection was away. Method: the real dockerd behind a socket that we can cut.

import { mkdtemp, rm } from 'node:fs/promises'
import { createConnection, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type ContainerEvent, watchContainers } from '../../agent/drivers/container-events.ts'
import { openDocker } from '../../agent/drivers/docker.ts'
import { MARK } from '../../agent/drivers/driver.ts'
import { mark, never, newHolderId, newHost } from './jobs.ts'
import { docker, importTestImage, sh, wearing } from './test-image.ts'

const { instanceId } = newHost()
let image: string

beforeAll(async () => {
  image = await importTestImage()
})

afterEach(async () => {
  for (const name of await wearing(MARK.instance, instanceId)) await docker('rm', '--force', name)
})

afterAll(async () => {
  await docker('rmi', image)
})

/** Starts a container with our mark. */
async function start(row: string, line: string, ...options: string[]): Promise<ContainerEvent> {
  const holderId = newHolderId()
  const marks = { [MARK.instance]: instanceId, [MARK.holder]: holderId, [MARK.row]: row }
  const labels = Object.entries(marks).flatMap(([key, value]) => ['--label', `${key}=${value}`])
  const fixed = ['--detach', '--network=none', '--stop-timeout=0', ...labels]
  const containerId = await docker('run', ...fixed, ...options, image, ...sh(line))
  return { containerId, holderId, row } as ContainerEvent
}

/** What docker says of a container's last exit, beside its code. */
async function exit({ containerId }: ContainerEvent): Promise<{ exitId: string; ranMs: unknown }> {
  await docker('wait', containerId)
  const exitId = await docker('inspect', '--format', '{{.State.FinishedAt}}', containerId)
  return { exitId, ranMs: expect.any(Number) }
}

/** A unix socket that passes everything on to dockerd, until it is cut. */
async function openProxy() {
  const folder = await mkdtemp(join(tmpdir(), 'enid-docker-'))
  const path = join(folder, 'docker.sock')
  const sockets = new Set<Socket>()
  let isCut = false
  const server = createServer({ allowHalfOpen: true }, (near) => {
    if (isCut) return void near.destroy()
    const far = createConnection({ path: '/var/run/docker.sock', allowHalfOpen: true })
    for (const socket of [near, far]) sockets.add(socket.on('error', () => {}))
    near.pipe(far)
    far.pipe(near)
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return {
    url: `unix://${path}`,
    cut(): void {
      isCut = true
      for (const socket of sockets) socket.destroy()
    },
    mend(): void {
      isCut = false
    },
    async close(): Promise<void> {
      for (const socket of sockets) socket.destroy()
      server.close()
      await rm(folder, { recursive: true })
    },
  }
}

/** Watches through a proxy while `body` runs. */
async function watching(
  body: (seen: {
    events: ContainerEvent[]
    proxy: Awaited<ReturnType<typeof openProxy>>
    counts: { connected: number; lost: number }
  }) => Promise<void>,
): Promise<void> {
  const proxy = await openProxy()
  const events: ContainerEvent[] = []
  const counts = { connected: 0, lost: 0 }
  const controller = new AbortController()
  const over = watchContainers(
    {
      docker: openDocker(proxy.url),
      instanceId,
      onEvent: (event) => events.push(event),
      onConnected: () => {
        counts.connected += 1
      },
      onLost: () => {
        counts.lost += 1
      },
    },
    controller.signal,
  )
  try {
    await expect.poll(() => counts.connected).toBe(1)
    await body({ events, proxy, counts })
  } finally {
    controller.abort()
    await over
    await proxy.close()
  }
}

test('start, exit with its code and removal are told as they happen', async () => {
  await watching(async ({ events }) => {
    const app = await start('container:app', 'exit 3')
    await expect
      .poll(() => events)
      .toEqual([
        { ...app, what: 'start' },
        { ...app, what: 'die', exitCode: 3, ...(await exit(app)) },
      ])
    await docker('rm', app.containerId)
    await expect.poll(() => events.at(-1)).toEqual({ ...app, what: 'destroy' })
  })
})

test('of an exit that Docker was asked for, that is told', async () => {
  await watching(async ({ events }) => {
    const app = await start('container:app', 'exec /busybox sleep 60')
    await docker('kill', '--signal', 'HUP', app.containerId)
    await docker('kill', app.containerId)
    const died = { ...app, what: 'die', exitCode: 137, wasKilled: true }
    await expect.poll(() => events).toContainEqual(expect.objectContaining(died))
  })
})

test('how things stand begins with the pause containers', async () => {
  const pause = await start('sandbox', 'exit 1')
  const app = await start('container:app', 'exit 2')
  for (const { containerId } of [pause, app]) await docker('wait', containerId)
  await watching(async ({ events }) => {
    expect(events).toMatchObject([
      { ...pause, what: 'die', exitCode: 1 },
      { ...app, what: 'die', exitCode: 2 },
    ])
  })
})

test('each exit of a container that is started again has a name and a length of its own', async () => {
  await watching(async ({ events }) => {
    const app = await start('container:app', '/busybox sleep 0.6; exit 4')
    const first = await exit(app)
    await docker('start', app.containerId)
    const second = await exit(app)
    expect(second.exitId).not.toBe(first.exitId)
    const deaths = () => events.filter((event) => event.what === 'die')
    const told = { ...app, what: 'die', exitCode: 4 }
    await expect.poll(deaths).toEqual([
      { ...told, ...first },
      { ...told, ...second },
    ])
    for (const death of deaths()) expect(death).toMatchObject({ ranMs: expect.toSatisfy(between) })
  })
  function between(ranMs: number): boolean {
    // Docker notes the start once the process runs.
    return ranMs >= 500 && ranMs < 5000
  }
})

test('an exit that somebody answered by himself at once is told without its length', async () => {
  await watching(async ({ events }) => {
    const app = await start('container:app', 'exec /busybox sleep 60')
    await docker('restart', '--time=0', app.containerId)
    await expect.poll(() => events.filter(({ what }) => what === 'start')).toHaveLength(2)
    const death = events.find((event) => event.what === 'die')
    expect(death).toMatchObject({ exitCode: 137, exitId: expect.stringMatching(/^20/) })
  })
})

test('health is told as it changes', async () => {
  const own = openDocker()
  const holderId = newHolderId()
  const Labels = { ...mark({ instanceId }, { holderId, row: 'container:app' }) }
  const plan = {
    ...{ Image: image, Cmd: sh('exec /busybox sleep 60'), Labels },
    Healthcheck: {
      ...{ Test: ['CMD', '/busybox', 'test', '!', '-e', '/sick'], Interval: 200e6 },
      ...{ Timeout: 5e9, Retries: 1, StartPeriod: 0 },
    },
    HostConfig: { NetworkMode: 'none' },
  }
  await watching(async ({ events }) => {
    const containerId = await own.create(`enid-test-${holderId}`, plan, never())
    await own.start(containerId, never())
    const told = { containerId, holderId, row: 'container:app', what: 'health' }
    const isTold = (healthy: boolean) =>
      expect.poll(() => events, { timeout: 10_000 }).toContainEqual({ ...told, healthy })
    await isTold(true)
    await docker('exec', containerId, '/busybox', 'touch', '/sick')
    await isTold(false)
  })
})

// P120
test('what happened before the first connection, and while it was away, is told', async () => {
  const early = await start('container:early', 'exit 1')
  await docker('wait', early.containerId)
  await watching(async ({ events, proxy, counts }) => {
    expect(events).toEqual([{ ...early, what: 'die', exitCode: 1, ...(await exit(early)) }])
    const pause = await start('sandbox', 'exec /busybox sleep 60')
    await expect.poll(() => events.at(-1)).toEqual({ ...pause, what: 'start' })
    proxy.cut()
    await expect.poll(() => counts.lost).toBeGreaterThan(0)
    await docker('kill', pause.containerId)
    await docker('wait', pause.containerId)
    proxy.mend()
    await expect
      .poll(() => events, { timeout: 10_000 })
      .toContainEqual({ ...pause, what: 'die', exitCode: 137, ...(await exit(pause)) })
    expect(counts.connected).toBe(2)
  })
})

test('other instances and strangers are not told of', async () => {
  await watching(async ({ events }) => {
    const stranger = ['--detach', '--network=none', '--label', `${MARK.instance}=i-other`]
    const id = await docker('run', ...stranger, image, ...sh('exit 0'))
    await docker('wait', id)
    await docker('rm', id)
    const app = await start('container:app', 'exit 0')
    await expect.poll(() => events.at(-1)?.what).toBe('die')
    expect(new Set(events.map(({ containerId }) => containerId))).toEqual(
      new Set([app.containerId]),
    )
  })
})
