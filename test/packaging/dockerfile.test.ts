// Goal: the Dockerfile names what exists and all that is needed. It cannot be built where no image
// registry answers, so its sources are checked, not its result.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const dockerfile = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')
const ignored = readFileSync(join(ROOT, '.dockerignore'), 'utf8')

/** What `COPY` takes from the checkout, not from another stage. */
const sources = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, list = '']) =>
  list.split(' '),
)

test('everything it copies is in the checkout', () => {
  expect(sources.length).toBeGreaterThan(5)
  expect(sources.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
})

test('everything it copies is let through by .dockerignore, and nothing else', () => {
  const allowed = ignored.split('\n').filter((line) => line.startsWith('!'))
  expect(allowed.map((line) => line.slice(1)).sort()).toEqual([...sources].sort())
})

test('every folder of the program is copied', () => {
  const folders = readdirSync(ROOT, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
  const program = folders.filter((name) => ['agent', 'api', 'cli', 'lab', 'state'].includes(name))
  expect(program.filter((name) => !sources.includes(name))).toEqual([])
})
