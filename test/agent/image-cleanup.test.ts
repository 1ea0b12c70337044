// Goal: what nothing uses is removed, the one that was used longest ago first, and nothing else ever.
// Method: a Docker of memory, a real journal and a real table, a clock that stands still.

import { beforeEach, expect, test } from 'vitest'
import { readConfig } from '../../agent/config.ts'
import type { ImageSummary } from '../../agent/drivers/docker-images.ts'
import { Failure } from '../../agent/failure.ts'
import { ImageCleanup } from '../../agent/image-cleanup.ts'
import type { ImageConfig } from '../../agent/image-config.ts'
import { Images } from '../../state/images.ts'
import type { Journal } from '../../state/journal.ts'
import { container, spec } from '../state/specs.ts'
import { memory, settleHolder } from './journals.ts'
import { StillClock } from './world.ts'

const HOUR_MS = 3_600_000
const never = new AbortController().signal

/** Names and the ids that they lead to. */
let host: Map<string, string>
/** Ids that a container of somebody's uses. */
let busy: Set<string>
let listed: ImageSummary[]
let removed: string[]
let whileRemoving: () => Promise<void>
let away: Failure | undefined
let clock: StillClock
let images: Images
let journal: Journal

beforeEach(() => {
  host = new Map()
  busy = new Set()
  listed = []
  removed = []
  whileRemoving = async () => {}
  away = undefined
  clock = new StillClock()
  const { db, journal: one } = memory(clock.now)
  journal = one
  images = new Images(db, clock.now)
})

const docker = {
  async image(name: string) {
    if (away !== undefined) throw away
    const imageId = host.get(name) ?? [...host.values()].find((id) => id === name)
    return imageId === undefined ? undefined : { imageId }
  },
  async listImages() {
    return listed
  },
  async removeImage(name: string) {
    await new Promise((resolve) => setImmediate(resolve))
    await whileRemoving()
    if (busy.has(host.get(name) ?? name)) return 'inUse' as const
    removed.push(name)
    host.delete(name)
    return 'removed' as const
  },
}

const log = { info: () => {}, warn: () => {} }

function cleanup(change: Partial<ImageConfig> = {}): ImageCleanup {
  const config = { ...readConfig({}), ...change }
  return new ImageCleanup({ docker, images, journal, config, clock, log })
}

/** Pulled now, for the first time. */
function pull(name: string, imageId = `id of ${name}`, isOurs = true): void {
  host.set(name, imageId)
  images.pulled(name, imageId, isOurs)
  clock.time += 1
}

/** A task with this image, as far as `settle` carries it. */
function task(id: string, image: string, imageId?: string): void {
  journal.begin(id, spec({ containers: [container('web', {}, { image })] }))
  if (imageId !== undefined) settleHolder(journal, id, { 'image:web': { details: { imageId } } })
}

function stop(id: string): void {
  journal.append(id, { type: 'stopAsked', stop: { code: 'UserInitiated', reason: 'x' } })
  settleHolder(journal, id)
}

// P363
test('what was pulled for tasks goes when it is old, the one used longest ago first, a few at a time', async () => {
  for (const name of ['a:1', 'b:1', 'c:1', 'd:1', 'e:1', 'f:1']) pull(name)
  const cleaner = cleanup({ imagesPerCleanup: 2 })
  await cleaner.run(never)
  expect(removed).toEqual([])
  clock.time += HOUR_MS
  images.used('a:1')
  pull('new:1')
  await cleaner.run(never)
  expect(removed).toEqual(['b:1', 'c:1'])
  expect(cleaner.view()).toMatchObject({ isOn: true, removedCount: 2, lastRemoved: ['b:1', 'c:1'] })
  await cleaner.run(never)
  await cleaner.run(never)
  expect(removed).toEqual(['b:1', 'c:1', 'd:1', 'e:1', 'f:1', 'a:1'])
  expect(images.all().map(({ reference }) => reference)).toEqual(['new:1'])
})

// P364
test('what a task uses, or is about to use, stays until that is over', async () => {
  pull('runs')
  pull('begins:latest')
  pull('moved:1', 'old')
  task('a'.repeat(32), 'runs', 'id of runs')
  task('b'.repeat(32), 'begins')
  task('c'.repeat(32), 'moved:1', 'old')
  host.set('moved:1', 'new')
  images.pulled('moved:1', 'new', true)
  host.set('old tag', 'old')
  clock.time += HOUR_MS
  const cleaner = cleanup()
  await cleaner.run(never)
  expect(removed).toEqual([])
  for (const id of ['a', 'b', 'c']) stop(id.repeat(32))
  await cleaner.run(never)
  // The name has moved on: what it led to before goes by its id.
  expect(removed).toEqual(['runs', 'begins:latest', 'old', 'moved:1'])
})

// P364
test('what no pull brought stays, and what another container uses', async () => {
  pull('loaded:1', 'id', false)
  host.set('built:1', 'built')
  pull('theirs:1', 'busy')
  busy.add('busy')
  clock.time += HOUR_MS
  await cleanup().run(never)
  expect(removed).toEqual([])
  busy.clear()
  await cleanup().run(never)
  expect(removed).toEqual(['theirs:1'])
})

// P364
test('asked to, it removes all that nothing uses but its own and what is excluded', async () => {
  const image = (imageId: string, names: string[], labels = {}, builtAt = 0): ImageSummary => {
    for (const name of names) host.set(name, imageId)
    if (names.length === 0) host.set(imageId, imageId)
    return { imageId, names, labels, builtAt }
  }
  pull('excluded:1')
  pull('pulled:1')
  clock.time += HOUR_MS
  listed = [
    image('pause', ['enid/pause:1'], { 'enid:pause': 'yes' }),
    image('id of pulled:1', ['pulled:1']),
    image('built', ['built:1', 'built:latest']),
    image('dangling', []),
    image('young', ['young:1'], {}, clock.time),
    image('used', ['nginx:latest']),
    image('kept', ['kept:latest']),
  ]
  task('a'.repeat(32), 'docker.io/library/nginx')
  await cleanup({ imageCleanup: 'all', imageCleanupExclude: ['excluded:1', 'kept'] }).run(never)
  expect(removed).toEqual(['pulled:1', 'built:1', 'built:latest', 'dangling'])
})

// P364
test('a task that begins while its image is being removed waits for that', async () => {
  pull('a:1')
  clock.time += HOUR_MS
  const cleaner = cleanup()
  const order: string[] = []
  let waited: Promise<unknown> = Promise.resolve()
  whileRemoving = async () => {
    task('a'.repeat(32), 'a:1')
    waited = cleaner.whenKept('a:1').then(() => order.push('kept'))
    await new Promise((resolve) => setImmediate(resolve))
    order.push('removed')
  }
  await cleaner.run(never)
  await waited
  expect(order).toEqual(['removed', 'kept'])
})

test('what somebody else removed is forgotten', async () => {
  pull('a:1')
  host.clear()
  clock.time += HOUR_MS
  await cleanup().run(never)
  expect(removed).toEqual([])
  expect(images.all()).toEqual([])
})

// P363
test.each<Partial<ImageConfig>>([{ imageCleanup: 'off' }, { imagePullBehavior: 'prefer-cached' }])(
  'with %o there is none',
  async (change) => {
    pull('a:1')
    clock.time += HOUR_MS
    const cleaner = cleanup(change)
    await cleaner.run(never)
    expect(removed).toEqual([])
    expect(cleaner.view().isOn).toBe(false)
  },
)

test('while dockerd is away the clean-up says so, and the next one goes on', async () => {
  pull('a:1')
  clock.time += HOUR_MS
  const cleaner = cleanup()
  away = new Failure('transient', 'DockerUnreachable', 'dockerd is not there')
  await cleaner.run(never)
  expect(cleaner.view().failure).toBe('DockerUnreachable: dockerd is not there')
  away = undefined
  await cleaner.run(never)
  expect(cleaner.view()).not.toHaveProperty('failure')
  expect(removed).toEqual(['a:1'])
})
